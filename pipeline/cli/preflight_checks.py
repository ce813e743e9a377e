"""What the chart needs of a Kubernetes cluster, looked for one by one: each finding says what is there and what to do.

Nothing is changed. What may not be looked at is a finding too, with the words of the API server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from pipeline.cli.findings import Finding
from pipeline.cli.kubectl import Kubectl
from pipeline.errors import SightlineError

OLDEST_KUBERNETES = (1, 30)
"""As the chart's `kubeVersion`: Strimzi 1.x and the index label of StatefulSet pods ask for it."""
_GPU = "nvidia.com/gpu"
_RAY, _STRIMZI = "rayservices.ray.io", "kafkas.kafka.strimzi.io"
_MONITORS, _SCALERS = "podmonitors.monitoring.coreos.com", "scaledobjects.keda.sh"
_SUFFIXES = {"m": "0.001", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"} | {
    f"{letter}i": str(1024**power) for power, letter in enumerate("KMGT", 1)
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a site asks of its cluster."""

    namespace: str
    num_cpus: float
    """Of all stages at their least."""
    num_gpus: int
    secrets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name to the keys it must have."""
    storage_class: str = ""
    """Empty for the cluster's default."""
    needs_strimzi: bool = False
    """Its broker is one of this cluster's."""


def findings(cluster: Kubectl, wanted: Wanted) -> Iterator[Finding]:
    """Every finding; when no API server answers, that alone."""
    version = _looked("Kubernetes", lambda: _version(cluster))
    yield version
    if not version.is_ok and "below" not in version.found:
        return
    checks: tuple[tuple[str, Callable[[Kubectl, Wanted], Finding]], ...] = (
        ("KubeRay", _kuberay),
        ("Strimzi", _strimzi),
        ("optional operators", _optional),
        ("namespace", _namespace),
        ("CPUs", _cpus),
        ("GPUs", _gpus),
        ("storage class", _storage_class),
        ("quota", _quota),
    )
    for what, check in checks:
        yield _looked(what, lambda check=check: check(cluster, wanted))  # type: ignore[misc]
    for name, keys in wanted.secrets.items():
        yield _looked(f"secret {name}", lambda name=name, keys=keys: _secret(cluster, wanted, name, keys))  # type: ignore[misc]


def _looked(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except SightlineError as error:
        advice = "ask for the right to look at it, or leave it out with --skip" if "forbidden" in str(error) else ""
        return Finding(what, False, str(error), advice)


def _version(cluster: Kubectl) -> Finding:
    found, oldest = cluster.server_version(), ".".join(map(str, OLDEST_KUBERNETES))
    told = ".".join(map(str, found))
    if found < OLDEST_KUBERNETES:
        return Finding("Kubernetes", False, f"{told} is below {oldest}", "upgrade it: the chart refuses older ones")
    return Finding("Kubernetes", True, told)


def _served(cluster: Kubectl) -> dict[str, set[str]]:
    """Custom resource definition to the versions that are served."""
    return {
        one["metadata"]["name"]: {version["name"] for version in one["spec"]["versions"] if version["served"]}
        for one in cluster.items("customresourcedefinitions")
    }


def _kuberay(cluster: Kubectl, _wanted: Wanted) -> Finding:
    versions = _served(cluster).get(_RAY, set())
    if "v1" in versions:
        return Finding("KubeRay", True, f"{_RAY} v1 is served")
    advice = "install the operator, 1.7 or newer: helm install kuberay-operator kuberay/kuberay-operator"
    return Finding("KubeRay", False, f"the cluster knows no {_RAY} of version v1", advice)


def _strimzi(cluster: Kubectl, wanted: Wanted) -> Finding:
    versions = _served(cluster).get(_STRIMZI, set())
    if "v1" in versions:
        return Finding("Strimzi", True, f"{_STRIMZI} v1 is served")
    if versions:
        told = f"{_STRIMZI} is served as {', '.join(sorted(versions))} only, which is Strimzi before 1.0"
        return Finding("Strimzi", False, told, "upgrade it: the manifests of k8s/kafka are kafka.strimzi.io/v1")
    if wanted.needs_strimzi:
        advice = "install Strimzi 1.x and apply k8s/kafka, or name another broker in bus.servers"
        return Finding("Strimzi", False, "not installed, and bus.servers names a service of the cluster", advice)
    return Finding("Strimzi", True, "not installed, and not needed: the broker is elsewhere")


def _optional(cluster: Kubectl, _wanted: Wanted) -> Finding:
    served = _served(cluster)
    words = [
        f"{what} {'is there' if name in served else 'is missing: keep ' + key + ' off'}"
        for what, name, key in (
            ("the Prometheus operator", _MONITORS, "monitoring.podMonitor"),
            ("KEDA", _SCALERS, "keda.followers"),
        )
    ]
    return Finding("optional operators", True, "; ".join(words))


def _namespace(cluster: Kubectl, wanted: Wanted) -> Finding:
    found = cluster.item("namespace", wanted.namespace)
    if found is None:
        return Finding(
            "namespace", False, f"there is no namespace {wanted.namespace}", "kubectl apply -k k8s/namespaces"
        )
    level = (found["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce", "none")
    return Finding("namespace", True, f"{wanted.namespace}, Pod Security: {level}")


def _allocatable(cluster: Kubectl, resource: str) -> float:
    """Of all nodes that take new pods."""
    nodes = [node for node in cluster.items("nodes") if not node["spec"].get("unschedulable")]
    return sum(quantity(node["status"]["allocatable"].get(resource, "0")) for node in nodes)


def _cpus(cluster: Kubectl, wanted: Wanted) -> Finding:
    there = _allocatable(cluster, "cpu")
    told = f"the stages reserve {wanted.num_cpus:g} at least, the nodes have {there:g}"
    advice = "" if there >= wanted.num_cpus else "add nodes, or lower cluster.*.min or cluster.*.num_cpus"
    return Finding("CPUs", not advice, told, advice)


def _gpus(cluster: Kubectl, wanted: Wanted) -> Finding:
    if not wanted.num_gpus:
        return Finding("GPUs", True, "none is asked for")
    there = _allocatable(cluster, _GPU)
    told = f"the stages reserve {wanted.num_gpus} at least, the nodes offer {there:g}"
    advice = ""
    if not there:
        advice = f"no node has {_GPU}: add GPU nodes and NVIDIA's device plugin, or take values-cpu.yaml"
    elif there < wanted.num_gpus:
        advice = "add GPU nodes, or lower cluster.encoder.min, cluster.vlm.min or their num_gpus"
    return Finding("GPUs", not advice, told, advice)


def _storage_class(cluster: Kubectl, wanted: Wanted) -> Finding:
    classes = {one["metadata"]["name"]: one["metadata"] for one in cluster.items("storageclasses")}
    names = ", ".join(sorted(classes)) or "none"
    if wanted.storage_class:
        is_there = wanted.storage_class in classes
        advice = "" if is_there else f"create it, or name another: there is {names}"
        return Finding("storage class", is_there, f"{wanted.storage_class}{'' if is_there else ' is missing'}", advice)
    mark = "storageclass.kubernetes.io/is-default-class"
    defaults = [name for name, one in classes.items() if (one.get("annotations") or {}).get(mark) == "true"]
    if defaults:
        return Finding("storage class", True, f"{defaults[0]} is the default")
    advice = f"make one the default, or name one: there is {names}"
    return Finding("storage class", False, "none is the default: volumes would wait for ever", advice)


def _quota(cluster: Kubectl, wanted: Wanted) -> Finding:
    needs = {"cpu": wanted.num_cpus, "requests.cpu": wanted.num_cpus, f"requests.{_GPU}": float(wanted.num_gpus)}
    short = []
    quotas = cluster.items("resourcequotas", wanted.namespace)
    for quota in quotas:
        hard, used = quota["status"].get("hard", {}), quota["status"].get("used", {})
        for name in needs.keys() & hard.keys():
            left = quantity(hard[name]) - quantity(used.get(name, "0"))
            if left < needs[name]:
                short.append(f"{quota['metadata']['name']} leaves {left:g} of {name}, {needs[name]:g} are needed")
    if short:
        return Finding("quota", False, "; ".join(sorted(short)), "raise the quota, or ask for less in cluster.*.min")
    return Finding("quota", True, "enough is left" if quotas else f"{wanted.namespace} has none")


def _secret(cluster: Kubectl, wanted: Wanted, name: str, keys: frozenset[str]) -> Finding:
    what = f"secret {name}"
    found = cluster.item("secret", name, wanted.namespace)
    if found is None:
        made = " ".join(f"--from-literal={key}=…" for key in sorted(keys))
        advice = f"kubectl --namespace {wanted.namespace} create secret generic {name} {made}"
        return Finding(what, False, f"there is no such secret in {wanted.namespace}", advice)
    missing = sorted(keys - (found.get("data") or {}).keys())
    if missing:
        return Finding(what, False, f"it has no {', '.join(missing)}", "add the keys: each becomes a variable")
    return Finding(what, True, f"holds {', '.join(sorted(keys)) or 'what it holds'}")


def quantity(text: str) -> float:
    """A Kubernetes quantity: `500m` is 0.5, `64Gi` is 64 · 2^30. What is none counts as nothing."""
    match = re.fullmatch(r"([0-9.]+(?:[eE][0-9]+)?)([A-Za-z]*)", str(text))
    if match is None or match[2] not in {*_SUFFIXES, ""}:
        return 0.0
    try:
        return float(Decimal(match[1]) * Decimal(_SUFFIXES.get(match[2], "1")))
    except InvalidOperation:
        return 0.0


def needs_of(serve_config: Mapping[str, Any]) -> tuple[float, int]:
    """CPUs and whole GPUs that a Serve configuration reserves at its least."""
    cpus = gpus = 0.0
    for application in serve_config["applications"]:
        for deployment in application["deployments"]:
            least = deployment["autoscaling_config"]["min_replicas"]
            cpus += least * deployment["ray_actor_options"]["num_cpus"]
            gpus += least * deployment["ray_actor_options"]["num_gpus"]
    return cpus, math.ceil(gpus)
