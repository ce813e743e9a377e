"""What each size asks of a cluster: reckoned from the rendered pods, and written in docs/kubernetes.md."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pipeline.runtime.ingest.shard import Shard
from tests.conftest import ROOT
from tests.deployments.helm.renderings import rendered
from tests.support.kubernetes import Pod, named, pods_of

SIZES = {"cpu": 12, "one-node": 30, "100-cameras": 100, "1000-cameras": 1000}
"""Values file and its cameras."""
CORES_A_CAMERA, MEBIBYTES_A_CAMERA, FORK_SERVER_MEBIBYTES = 0.09, 67, 35
"""All frames decoded, 1080p at 15 fps: `benchmarks/camera_cost.py`."""
_BINARY = {"Mi": 2**-10, "Gi": 1.0}


@dataclass(frozen=True)
class Total:
    """What pods ask for together."""

    pods: int
    cpus: float
    memory_gib: float
    gpus: int

    def __str__(self) -> str:
        return f"{self.pods} | {self.cpus:g} | {self.memory_gib:g} GiB | {self.gpus}"


def _cpus(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def _gib(quantity: str) -> float:
    return float(quantity[:-2]) * _BINARY[quantity[-2:]]


def total(name: str, *, at_most: bool) -> Total:
    """Of all pods that stay: ingest, console, Ray's head and autoscaler, its workers at their least or at most."""
    pods, cpus, memory, gpus = 0, 0.0, 0.0, 0
    for pod in pods_of(rendered(name)):
        if pod.owner.startswith(("StatefulSet", "Deployment", "RayService")):
            number = pod.most_replicas if at_most else pod.replicas
            requests = [container["resources"]["requests"] for container in pod.spec["containers"]]
            pods += number
            cpus += number * sum(_cpus(one["cpu"]) for one in requests)
            memory += number * sum(_gib(one["memory"]) for one in requests)
            gpus += number * sum(int(one.get("nvidia.com/gpu", 0)) for one in requests)
    return Total(pods, cpus, memory, gpus)


def _ingest(name: str) -> tuple[Pod, int]:
    pod = next(pod for pod in pods_of(rendered(name)) if pod.owner.startswith("StatefulSet"))
    return pod, pod.replicas


@pytest.mark.parametrize("name", SIZES)
def test_the_documented_totals_are_those_of_the_rendered_pods(name: str) -> None:
    """The table in docs/kubernetes.md says what the pods ask for, at their least and at their most."""
    text = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for words, at_most in (("least", False), ("most", True)):
        row = f"| `values-{name}.yaml` | {words} | {total(name, at_most=at_most)} |"
        print(row)
        assert row in text


@pytest.mark.parametrize("name", SIZES)
def test_the_largest_shard_fits_into_its_pod(name: str) -> None:
    """Cameras fall on shards by their ids, unevenly: the fullest pod still has the cores and the memory for them."""
    pod, shards = _ingest(name)
    held = [sum(Shard(index, shards).holds(f"camera-{n}") for n in range(SIZES[name])) for index in range(shards)]
    requests = pod.spec["containers"][0]["resources"]["requests"]
    most = max(held)
    print(f"{name}: {min(held)} to {most} cameras in {shards} shards")
    assert most * CORES_A_CAMERA <= _cpus(requests["cpu"])
    assert (most * MEBIBYTES_A_CAMERA + FORK_SERVER_MEBIBYTES) / 1024 <= _gib(requests["memory"])


def test_the_startup_budget_grows_with_the_models() -> None:
    """A worker without models has 180 s to be up; one with 18 GiB of them 20 s more a GiB."""
    seconds = {}
    for name in ("cpu", "100-cameras"):
        cluster = named(rendered(name), "RayService")["spec"]["rayClusterConfig"]
        probe = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["startupProbe"]
        seconds[name] = probe["failureThreshold"] * probe["periodSeconds"]
    assert seconds == {"cpu": 180, "100-cameras": 180 + 18 * 20}


def test_one_node_fits_on_one_machine() -> None:
    """At their most the pods of values-one-node.yaml ask for no more than 16 cores, 64 GiB and one GPU."""
    most = total("one-node", at_most=True)
    assert (most.cpus <= 16, most.memory_gib <= 64, most.gpus) == (True, True, 1)
