#!/usr/bin/env bash
# Proves on a cluster of yours what no test without one can. Installs a release of its own in a namespace of its own and
# takes it away again; touches nothing else. docs/operations/what-is-proven.md says what each step stands for.
# shellcheck disable=SC2317  # `prove` calls the functions by name
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/prove-on-a-cluster.sh VALUES.YAML SITE.YAML [NAMESPACE]

Needs kubectl and helm (their current context is the cluster), the operators that docs/kubernetes.md names, and in
NAMESPACE (sightline-proof) the secret that VALUES.YAML names. SITE.YAML is the site of VALUES.YAML, for the preflight.
With SIGHTLINE_PROOF_KEEP=1 the release stays. Each step prints one line: PROVEN, FAILED or NOT ASKED FOR, with why.
Exit status: 0 everything that was asked for is proven, 1 something failed, 2 wrong usage.
TEXT
}

[[ ${1:-} != --help && ${1:-} != -h ]] || { usage; exit 0; }
(($# >= 2)) || { usage >&2; exit 2; }
values=$1 site=$2 namespace=${3:-sightline-proof} release=sightline-proof failed=0
for file in "$values" "$site"; do
    [[ -r $file ]] || { echo "there is no file $file" >&2; exit 2; }
done
for program in kubectl helm; do
    command -v "$program" >/dev/null || { echo "no $program is found" >&2; exit 2; }
done
log=$(mktemp)
of_release="app.kubernetes.io/instance=$release"
of_gpu="$of_release,app.kubernetes.io/component=ray-gpu"

prove() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@" >"$log" 2>&1; then
        echo "PROVEN         $what"
    else
        echo "FAILED         $what"
        sed 's/^/               /' "$log" | tail -20
        failed=1
    fi
}

take_away() {
    rm -f "$log" "$log.pods"
    [[ -n ${SIGHTLINE_PROOF_KEEP:-} ]] || helm uninstall "$release" --namespace "$namespace" --wait --ignore-not-found >/dev/null || true
}
trap take_away EXIT

in_cluster() { kubectl --namespace "$namespace" "$@"; }

# `prove` asks these in an `if`, where `set -e` does not hold: each is one chain of what must be true.

pods_are_restricted() {
    kubectl label --dry-run=server --overwrite namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >"$log.pods" 2>&1 &&
        cat "$log.pods" && ! grep -qi violate "$log.pods"
}

ray_is_ready() {
    [[ $(in_cluster get rayservices -l "$of_release" -o jsonpath='{.items[0].status.conditions[?(@.type=="Ready")].status}') == True ]]
}

wait_for_ray() {
    local until=$((SECONDS + 1800))
    until ray_is_ready; do
        ((SECONDS < until)) || { in_cluster describe rayservices -l "$of_release"; return 1; }
        sleep 5
    done
}

images_are_pulled() {
    local waiting
    waiting=$(in_cluster get pods -l "$of_release" -o jsonpath='{range .items[*].status.containerStatuses[*]}{.state.waiting.reason}{"\n"}{end}') &&
        ! grep -E 'ImagePull|ErrImage' <<<"$waiting"
}

dry_run() {
    helm template "$release" helm/sightline --namespace "$namespace" --values "$values" --no-hooks |
        in_cluster apply --dry-run=server -f -
}

stranger_is_shut_out() { # a pod that no policy lets in asks for ingest's metrics; that it gets no answer is what is wanted
    local address status=1
    address=$(in_cluster get pods -l "$of_release,app.kubernetes.io/component=ingest" -o jsonpath='{.items[0].status.podIP}')
    [[ -n $address ]] || { echo "no pod of ingest has an address"; return 1; }
    kubectl --namespace default run sightline-stranger --image=docker.io/library/busybox:1.37.0 --restart=Never \
        --command -- sh -c "! wget -q -T 5 -O /dev/null http://$address:9108/metrics" &&
        kubectl --namespace default wait pod/sightline-stranger --for=jsonpath='{.status.phase}'=Succeeded --timeout=120s &&
        status=0
    kubectl --namespace default delete pod sightline-stranger --ignore-not-found --wait=false
    return "$status"
}

gpu_answers() {
    local pod
    pod=$(in_cluster get pods -l "$of_gpu" -o jsonpath='{.items[0].metadata.name}') &&
        in_cluster exec "$pod" -c ray -- python -c 'import torch; print(torch.cuda.get_device_name())'
}

workers_come_back() {
    in_cluster delete pod -l "$of_release,ray.io/node-type=worker" --wait=true && wait_for_ray
}

echo "cluster: $(kubectl config current-context), namespace: $namespace"
kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
if command -v sightline >/dev/null; then
    prove "the cluster has what the site needs (preflight)" \
        sightline cluster preflight --site "$site" --namespace "$namespace" --skip kafka --skip database
else
    echo "NOT ASKED FOR  preflight: the command sightline is not installed here"
fi
prove "the API server takes every object (server-side dry run)" dry_run
prove "the chart installs" helm upgrade --install "$release" helm/sightline --namespace "$namespace" --values "$values"
prove "KubeRay makes a cluster of it, and Ray serves every stage" wait_for_ray
prove "every image is pulled" images_are_pulled
prove "ingest becomes ready" in_cluster rollout status statefulset -l "$of_release" --timeout=600s
prove "no pod breaks the restricted Pod Security Standard" pods_are_restricted
prove "one clip goes from ingest to a webhook (helm test)" helm test "$release" --namespace "$namespace" --timeout 15m
if [[ $(in_cluster get networkpolicies -l "$of_release" -o name) ]]; then
    prove "the network enforces the policies: a stranger is shut out" stranger_is_shut_out
else
    echo "NOT ASKED FOR  network policies: networkPolicy.enabled is false"
fi
if [[ $(in_cluster get pods -l "$of_gpu" -o name) ]]; then
    prove "the GPU's driver answers inside a worker" gpu_answers
else
    echo "NOT ASKED FOR  GPU: no pod asks for one"
fi
prove "Ray's workers are deleted and come back" workers_come_back
prove "after that, one clip goes through again" helm test "$release" --namespace "$namespace" --timeout 15m
exit "$failed"
