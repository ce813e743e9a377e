#!/bin/sh
# Names what the system lacks, with the Debian packages that bring it. Installs nothing.
PYTHON=${PYTHON:-python3}
missing=""
command -v "$PYTHON" >/dev/null 2>&1 || { echo "No $PYTHON found: apt-get install python3 python3-venv" >&2; exit 1; }
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Sightline needs Python 3.11 or newer; $PYTHON is $("$PYTHON" --version 2>&1). Set PYTHON=..." >&2; exit 1; }
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
has_library() { "$PYTHON" -c "import ctypes; ctypes.CDLL('$1')" 2>/dev/null; }
# OpenCV's wheel links these and does not bring them.
has_library libGL.so.1 || missing="$missing libgl1"
has_library libglib-2.0.so.0 || missing="$missing libglib2.0-0"
has_library libxcb.so.1 || missing="$missing libxcb1"
if [ -n "$missing" ]; then
    echo "Missing system packages. Install them, then try again:" >&2
    echo "    apt-get install$missing" >&2
    exit 1
fi
