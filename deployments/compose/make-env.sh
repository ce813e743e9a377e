#!/bin/sh
# Writes .env beside .env.example with a random value for each name; an existing one is left alone.
set -eu
cd "$(dirname "$0")"
[ ! -e .env ] || { echo ".env is there already: remove it first" >&2; exit 1; }
umask 077
sed -n 's/=$//p' .env.example | while read -r name; do
    printf '%s=%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done > .env
echo "written: $(pwd)/.env"
