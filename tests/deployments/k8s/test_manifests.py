"""The manifests of `k8s/`, rendered by kubectl and held against schemas, the code and each other."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.settings import BusSettings
from pipeline.transport.topics import _layout
from tests.conftest import ROOT
from tests.support.kubernetes import (
    CHART,
    FLOOR_VERSION,
    NEWEST_VERSION,
    Object,
    built_in_problems,
    kustomize,
    named,
    pods_of,
    schema_problems,
)

MANIFESTS = ROOT / "k8s"
FOLDERS = sorted(str(file.parent.relative_to(MANIFESTS)) for file in MANIFESTS.rglob("kustomization.yaml"))
SAMPLES = ("samples/postgres", "samples/object-storage")
KAFKAS = ("kafka/dev", "kafka/production", "kafka/1000-cameras")
_GIB = 1024**3


@cache
def rendered(folder: str) -> list[Object]:
    return kustomize(MANIFESTS / folder)


def security_contexts(value: Any) -> list[Object]:
    """Every `securityContext` anywhere in an object, of pods and of containers."""
    if isinstance(value, list):
        return [found for one in value for found in security_contexts(one)]
    if not isinstance(value, dict):
        return []
    own = [value["securityContext"]] if "securityContext" in value else []
    return own + [found for one in value.values() for found in security_contexts(one)]


@pytest.mark.shared
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # validate.py leaves files to the collector
@pytest.mark.parametrize("version", [FLOOR_VERSION, NEWEST_VERSION])
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_api_server_takes_them(folder: str, version: str) -> None:
    """Every object of every folder passes its schema and rules, at the oldest and the newest Kubernetes."""
    assert rendered(folder)
    assert schema_problems(rendered(folder), version) == []


@pytest.mark.parametrize("folder", ["namespaces", *SAMPLES])
def test_what_is_built_in_passes_without_other_schemas(folder: str) -> None:
    """The same for the built-in kinds, where no schemas of custom resources are at hand."""
    assert built_in_problems(rendered(folder), FLOOR_VERSION) == []


@pytest.mark.parametrize("folder", KAFKAS)
def test_only_the_new_api_of_strimzi(folder: str) -> None:
    """`kafka.strimzi.io/v1` and no other: Strimzi 1.x serves no older one."""
    assert {one["apiVersion"] for one in rendered(folder)} == {"kafka.strimzi.io/v1"}


@pytest.mark.parametrize(
    ("folder", "partitions", "copies"),
    [("kafka/dev", 12, 1), ("kafka/production", 64, 3), ("kafka/1000-cameras", 120, 3)],
)
def test_the_topics_are_those_of_the_code(folder: str, partitions: int, copies: int) -> None:
    """Names, partitions, copies and configuration are what the program would make itself."""
    wanted = _layout(BusSettings(partitions=partitions, replication=copies))
    found = {
        one["metadata"]["name"]: {
            "num_partitions": one["spec"]["partitions"],
            "replication_factor": one["spec"]["replicas"],
            "configs": {name: str(value) for name, value in one["spec"]["config"].items()},
        }
        for one in rendered(folder)
        if one["kind"] == "KafkaTopic"
    }
    assert found == wanted


@pytest.mark.parametrize("folder", KAFKAS)
def test_a_record_as_large_as_the_program_sends_fits(folder: str) -> None:
    """The broker takes and copies records of `bus.max_message_bytes`."""
    config = named(rendered(folder), "Kafka")["spec"]["kafka"]["config"]
    largest = BusSettings().max_message_bytes
    assert min(config["message.max.bytes"], config["replica.fetch.max.bytes"]) >= largest


@pytest.mark.parametrize("folder", KAFKAS)
def test_everything_belongs_to_the_cluster(folder: str) -> None:
    """Pools, topics and users carry the name of the one Kafka by which Strimzi finds them, in one namespace."""
    cluster = named(rendered(folder), "Kafka")["metadata"]["name"]
    others = [one["metadata"] for one in rendered(folder) if one["kind"] != "Kafka"]
    assert {one["labels"]["strimzi.io/cluster"] for one in others} == {cluster}
    assert {one["metadata"]["namespace"] for one in rendered(folder)} == {"kafka"}


@pytest.mark.parametrize(("folder", "brokers"), [("kafka/production", 3), ("kafka/1000-cameras", 6)])
def test_production_loses_no_record_with_a_broker(folder: str, brokers: int) -> None:
    """Three copies, two of them before a record counts, on brokers that know their zone and share no machine."""
    spec = named(rendered(folder), "Kafka")["spec"]["kafka"]
    pool = named(rendered(folder), "KafkaNodePool", "broker")["spec"]
    assert (spec["config"]["default.replication.factor"], spec["config"]["min.insync.replicas"]) == (3, 2)
    assert spec["rack"]["topologyKey"] == "topology.kubernetes.io/zone"
    assert pool["replicas"] == brokers
    terms = pool["template"]["pod"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms[0]["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.parametrize("folder", ["kafka/production", "kafka/1000-cameras"])
def test_production_is_encrypted_and_asks_who_is_there(folder: str) -> None:
    """One listener, with TLS and SCRAM, reached from the chart's pods alone; access rules are on."""
    spec = named(rendered(folder), "Kafka")["spec"]["kafka"]
    (listener,) = spec["listeners"]
    (peer,) = listener["networkPolicyPeers"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())["name"]
    assert (listener["tls"], listener["authentication"]["type"]) == (True, "scram-sha-512")
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/part-of": chart}
    assert spec["authorization"] == {"type": "simple"}


def test_the_user_may_do_what_the_program_does_and_no_more() -> None:
    """Topics and groups under the program's prefix; it makes no topics and is told nothing of other people's."""
    prefix = f"{BusSettings().prefix}."
    rules = named(rendered("kafka/production"), "KafkaUser")["spec"]["authorization"]["acls"]
    allowed = {rule["resource"]["type"]: set(rule["operations"]) for rule in rules}
    assert {(rule["resource"]["name"], rule["resource"]["patternType"]) for rule in rules} == {(prefix, "prefix")}
    assert allowed == {"topic": {"Read", "Write", "Describe", "DescribeConfigs"}, "group": {"Read", "Describe"}}


@pytest.mark.parametrize("folder", KAFKAS)
def test_frames_fit_on_the_disks(folder: str) -> None:
    """What retention keeps, with one segment more a partition, leaves a tenth of every broker's disk free."""
    pool = named(rendered(folder), "KafkaNodePool", "broker")["spec"]
    topic = named(rendered(folder), "KafkaTopic", "frames")["spec"]
    a_partition = int(topic["config"]["retention.bytes"]) + int(topic["config"]["segment.bytes"])
    needed = topic["partitions"] * topic["replicas"] * a_partition / pool["replicas"]
    assert needed <= 0.9 * int(pool["storage"]["volumes"][0]["size"].removesuffix("Gi")) * _GIB


@pytest.mark.parametrize(
    ("size", "folder"),
    [
        ("cpu", "kafka/dev"),
        ("one-node", "kafka/dev"),
        ("100-cameras", "kafka/production"),
        ("1000-cameras", "kafka/1000-cameras"),
    ],
)
def test_each_size_of_the_chart_fits_a_broker_of_these(size: str, folder: str) -> None:
    """Address, login, user and partitions of the values file are those of the overlay that README.md names for it."""
    values = yaml.safe_load((CHART / f"values-{size}.yaml").read_text())
    bus = BusSettings(**values["siteFile"]["settings"]["bus"])
    (listener,) = named(rendered(folder), "Kafka")["spec"]["kafka"]["listeners"]
    login = listener.get("authentication", {}).get("type", "none")
    security = {("none", False): "plaintext", ("scram-sha-512", True): "sasl_ssl"}[login, listener["tls"]]
    users = [one["metadata"]["name"] for one in rendered(folder) if one["kind"] == "KafkaUser"]
    assert bus.servers == f"kafka-kafka-bootstrap.kafka.svc:{listener['port']}"
    assert (bus.security, [bus.username] if bus.username else []) == (security, users)
    assert bus.partitions == named(rendered(folder), "KafkaTopic", "frames")["spec"]["partitions"]
    assert ("kafkaTls" in values["secrets"]) == listener["tls"]
    made_for = next(line for line in (MANIFESTS / "README.md").read_text().splitlines() if "made for" in line)
    columns = [column.strip() for column in made_for.split("|")][2:]
    assert f"`values-{size}.yaml`" in columns[KAFKAS.index(folder)]


def test_the_namespaces_take_no_privileged_pods() -> None:
    """Both enforce the restricted Pod Security Standard."""
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in rendered("namespaces")}
    assert set(labels) == {"sightline", "kafka"}
    assert {one["pod-security.kubernetes.io/enforce"] for one in labels.values()} == {"restricted"}


@pytest.mark.parametrize("folder", [*KAFKAS, *SAMPLES])
def test_no_pod_would_be_refused_by_them(folder: str) -> None:
    """Every pod runs as somebody and under seccomp; every container drops all rights and gains none."""
    contexts = [found for one in rendered(folder) for found in security_contexts(one)]
    pods = [one for one in contexts if "seccompProfile" in one]
    containers = [one for one in contexts if "capabilities" in one]
    assert pods
    assert containers
    assert len(pods) + len(containers) == len(contexts)
    assert all(one["runAsNonRoot"] and one["seccompProfile"]["type"] == "RuntimeDefault" for one in pods)
    assert all(one["allowPrivilegeEscalation"] is False for one in containers)
    assert all(one["capabilities"] == {"drop": ["ALL"]} for one in containers)


@pytest.mark.parametrize("folder", SAMPLES)
def test_samples_are_pods_an_operator_would_take(folder: str) -> None:
    """Pinned images, bounded memory, a root that is not written to, probes on what serves, no account's token."""
    for pod in pods_of(rendered(folder)):
        assert pod.spec["automountServiceAccountToken"] is False
        for name, container in pod.containers():
            assert ":" in container["image"].rpartition("/")[2], name
            assert not container["image"].endswith(":latest"), name
            assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"], name
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert {"readinessProbe", "livenessProbe"} <= container.keys() or pod.owner.startswith("Job/"), name


@pytest.mark.parametrize("folder", SAMPLES)
def test_no_password_stands_in_a_sample(folder: str) -> None:
    """What is secret comes from secrets that the operator makes; README.md says how, by name."""
    readme = (MANIFESTS / "README.md").read_text()
    for pod in pods_of(rendered(folder)):
        for _, container in pod.containers():
            for one in container["env"]:
                secret = one.get("valueFrom", {}).get("secretKeyRef")
                assert secret is not None or "PASSWORD" not in one["name"]
                assert secret is None or f"create secret generic {secret['name']}" in readme


@pytest.mark.parametrize("folder", SAMPLES)
def test_services_lead_to_pods(folder: str) -> None:
    """Each service selects a pod of its folder and names one of its ports."""
    pods = pods_of(rendered(folder))
    service = named(rendered(folder), "Service")["spec"]
    (pod,) = [one for one in pods if service["selector"].items() <= one.labels.items()]
    ports = {port["name"] for _, container in pod.containers() for port in container.get("ports", ())}
    assert {port["targetPort"] for port in service["ports"]} <= ports


def test_nothing_is_here_that_the_chart_owns() -> None:
    """No workload of Sightline, no RayService, no monitor: the kinds are those of its surroundings."""
    kinds = {one["kind"] for folder in FOLDERS for one in rendered(folder)}
    assert kinds == {
        "Namespace", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "Service", "StatefulSet", "Job",
    }  # fmt: skip
    assert not list(Path(MANIFESTS).rglob("*rayservice*"))
