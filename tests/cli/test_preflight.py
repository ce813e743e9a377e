"""`sightline cluster preflight`: the real kubectl against an API server that tells what a test wants."""

from __future__ import annotations

import tests.support.quiet_ray  # isort: skip  # noqa: F401

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.kubectl import Kubectl
from pipeline.cli.preflight_checks import Wanted, findings, needs_of, quantity
from pipeline.cli.program import app
from pipeline.errors import TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from tests.support.broker import free_port, running_broker
from tests.support.kubernetes import kubectl
from tests.support.kubernetes_api import FakeCluster, running_api

SITE = """
# ${NOT_A_SECRET} stands in a comment
cameras: [{id: yard, url: "rtsp://viewer:${CAMERA_PASSWORD}@camera.example.org/1"}]
rules: [{id: someone, track: {object: any, count_above: 0}}]
settings: {bus: {prefix: preflight}}
"""
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
WANTED = Wanted("sightline", num_cpus=8, num_gpus=2, secrets={"sightline": frozenset({"SIGHTLINE_DATABASE_URL"})})


def custom(cluster: FakeCluster, name: str, *versions: str) -> None:
    served = [{"name": version, "served": True} for version in versions]
    cluster.add("customresourcedefinitions", name, spec={"versions": served})


def ready() -> FakeCluster:
    """A cluster with everything that `WANTED` needs."""
    cluster = FakeCluster()
    custom(cluster, "rayservices.ray.io", "v1")
    custom(cluster, "kafkas.kafka.strimzi.io", "v1")
    cluster.add("nodes", "a", spec={}, status={"allocatable": {"cpu": "15500m", "nvidia.com/gpu": "2"}})
    cluster.add("storageclasses", "fast", annotations=DEFAULT)
    cluster.add("namespaces", "sightline", labels=RESTRICTED)
    cluster.add("secrets", "sightline", "sightline", data={"SIGHTLINE_DATABASE_URL": "eA==", "CAMERA_PASSWORD": "eA=="})
    return cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    made = ready()
    with running_api(made, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMERA_PASSWORD", "x")
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    (tmp_path / "site.yaml").write_text(SITE)
    return tmp_path / "site.yaml"


def wrong(wanted: Wanted = WANTED) -> dict[str, str]:
    """What is missing: what to what is said and advised."""
    found = findings(Kubectl(str(kubectl())), wanted)
    return {one.what: f"{one.found}; {one.advice}" for one in found if not one.is_ok}


def preflight(site: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    given = ["cluster", "preflight", "--site", str(site), "--kubectl", str(kubectl()), "--json", *arguments]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, given)
    return result.exit_code, json.loads(result.stdout)


def test_a_cluster_that_has_everything(cluster: FakeCluster) -> None:
    """Nothing is missing."""
    assert wrong() == {}


def test_what_is_missing_is_named_with_what_to_do(cluster: FakeCluster) -> None:
    """An empty cluster: operator, namespace, nodes, GPUs, storage class and secret, each with its way out."""
    cluster.objects = FakeCluster().objects
    missing = wrong()
    assert set(missing) == {"KubeRay", "namespace", "CPUs", "GPUs", "storage class", "secret sightline"}
    assert "helm install kuberay-operator" in missing["KubeRay"]
    assert "kubectl apply -k k8s/namespaces" in missing["namespace"]
    assert "NVIDIA's device plugin, or take values-cpu.yaml" in missing["GPUs"]
    assert "create secret generic sightline --from-literal=SIGHTLINE_DATABASE_URL=…" in missing["secret sightline"]


def test_a_kubernetes_that_is_too_old_is_named(cluster: FakeCluster) -> None:
    """With the version that is needed; the rest is looked at all the same."""
    cluster.version = "1.29"
    assert wrong() == {"Kubernetes": "1.29 is below 1.30; upgrade it: the chart refuses older ones"}


def test_the_old_api_of_strimzi_is_named(cluster: FakeCluster) -> None:
    """An operator before 1.0 serves v1beta2 only: the manifests would be refused."""
    custom(cluster, "kafkas.kafka.strimzi.io", "v1beta2")
    assert "served as v1beta2 only, which is Strimzi before 1.0; upgrade it" in wrong()["Strimzi"]


@pytest.mark.parametrize("needs_strimzi", [True, False], ids=["a broker of the cluster", "a broker elsewhere"])
def test_strimzi_is_asked_for_where_the_broker_is_the_cluster_s(cluster: FakeCluster, needs_strimzi: bool) -> None:
    """A managed Kafka needs no operator."""
    cluster.objects["customresourcedefinitions"].pop()
    wanted = Wanted("sightline", 8, 2, needs_strimzi=needs_strimzi)
    assert ("Strimzi" in wrong(wanted)) is needs_strimzi


def test_too_few_gpus_and_a_quota_that_is_used_up(cluster: FakeCluster) -> None:
    """Nodes that take no pods do not count, and what others use of a quota is not left."""
    cluster.add("nodes", "b", spec={"unschedulable": True}, status={"allocatable": {"nvidia.com/gpu": "8"}})
    hard, used = {"requests.cpu": "10", "requests.nvidia.com/gpu": "4"}, {"requests.cpu": "2500m"}
    cluster.add("resourcequotas", "team", "sightline", status={"hard": hard, "used": used})
    missing = wrong(Wanted("sightline", num_cpus=8, num_gpus=3))
    assert missing["GPUs"].startswith("the stages reserve 3 at least, the nodes offer 2")
    assert missing["quota"].startswith("team leaves 7.5 of requests.cpu, 8 are needed")


def test_a_storage_class_that_is_not_there(cluster: FakeCluster) -> None:
    """Those that are there are named."""
    wanted = Wanted("sightline", 1, 0, storage_class="slow")
    assert wrong(wanted) == {"storage class": "slow is missing; create it, or name another: there is fast"}


def test_what_may_not_be_looked_at_is_a_finding(cluster: FakeCluster) -> None:
    """The API server's own words, and that the rest was looked at."""
    cluster.forbidden = {"nodes"}
    missing = wrong()
    assert set(missing) == {"CPUs", "GPUs"}
    assert 'cannot list resource "nodes"; ask for the right to look at it' in missing["CPUs"]


def test_no_api_server_is_one_finding(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is asked of it."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    status, told = preflight(site, "--skip", "kafka", "--skip", "database")
    assert (status, [one["what"] for one in told["findings"]]) == (1, ["Kubernetes"])


def test_no_kubectl_is_a_wrong_configuration(site: Path) -> None:
    """Status 2, with the option that names one."""
    result = CliRunner().invoke(app, ["cluster", "preflight", "--site", str(site), "--kubectl", "no-such-program"])
    assert result.exit_code == 2
    assert "install kubectl, or name it with --kubectl" in result.stderr


@pytest.mark.parametrize("text", ["nonsense", '["a list"]'])
def test_a_kubectl_that_says_nonsense_is_told(tmp_path: Path, text: str) -> None:
    """A wrapper that prints something else is no traceback."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    with pytest.raises(TransientError, match="expected"):
        Kubectl(str(program)).items("nodes")


def test_the_site_says_what_the_secret_must_hold(cluster: FakeCluster, site: Path) -> None:
    """Every ${NAME} of the site file outside of comments, the database, and the broker's password with SASL."""
    site.write_text(SITE.replace("prefix", "security: sasl_ssl, username: me, prefix"))
    _, told = preflight(site, "--skip", "kafka", "--skip", "database")
    (missing,) = [one for one in told["findings"] if not one["is_ok"]]
    assert missing["found"] == "it has no SIGHTLINE_BUS__PASSWORD"


def test_kafka_and_the_database_are_looked_at_from_here(
    cluster: FakeCluster, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is not there is said so, and SQLite is no database of a cluster."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    status, told = preflight(site, "--skip", "kubernetes")
    words = {one["what"]: one["found"] for one in told["findings"]}
    assert (status, told["ok"]) == (1, False)
    assert "is the broker running?" in words["Kafka"]
    assert "set database_url to postgresql://" in words["database"]


def test_a_broker_whose_topics_are_right(cluster: FakeCluster, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without topics each is named; with them all is there, and the status is 0."""
    with running_broker() as port:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")
        _, before = preflight(site, "--skip", "kubernetes", "--skip", "database")
        KafkaBus(BusSettings(servers=f"127.0.0.1:{port}", prefix="preflight"), "test").ensure_topics()
        status, after = preflight(site, "--skip", "database")
    assert sum("is missing" in one["found"] for one in before["findings"]) == 4
    assert (status, after["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("500m", 0.5), ("64Gi", 64 * 2**30), ("1k", 1000), ("1e3", 1000), ("", 0), ("lots", 0), ("1..2", 0)],
)
def test_quantities_are_read(text: str, number: float) -> None:
    """As Kubernetes writes them; what is none counts as nothing."""
    assert quantity(text) == number


def test_needs_are_the_least_of_all_stages() -> None:
    """Replicas at their least times what one reserves; half GPUs add up to whole ones."""
    stage = {"autoscaling_config": {"min_replicas": 3}, "ray_actor_options": {"num_cpus": 2.0, "num_gpus": 0.5}}
    assert needs_of({"applications": [{"deployments": [stage]}]}) == (6.0, 2)
