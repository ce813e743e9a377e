"""Every way of breaking the chart that is listed here turns a check red: the checks are checked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deployments.helm.renderings import EVERYTHING, given_to, rendered
from tests.support.chart_meaning import meaning_problems
from tests.support.chart_policy import policy_problems
from tests.support.kubernetes import FLOOR_VERSION, Object, named, schema_problems

Objects = list[Object]
Break = Callable[[Objects], Any]


def _ray(objects: Objects) -> Object:
    return dict(named(objects, "RayService")["spec"])


def _cluster(objects: Objects) -> Object:
    return dict(_ray(objects)["rayClusterConfig"])


def _head(objects: Objects) -> Object:
    return dict(_cluster(objects)["headGroupSpec"])


def _group(objects: Objects, name: str = "gpu") -> Object:
    return next(group for group in _cluster(objects)["workerGroupSpecs"] if group["groupName"] == name)


def _spec(objects: Objects, name: str = "gpu") -> Object:
    group = _head(objects) if name == "head" else _group(objects, name)
    return dict(group["template"]["spec"])


def _container(objects: Objects, name: str = "gpu") -> Object:
    return dict(_spec(objects, name))["containers"][0]  # type: ignore[no-any-return]


def _ingest(objects: Objects) -> Object:
    return dict(named(objects, "StatefulSet")["spec"]["template"]["spec"])


def _policy(objects: Objects, name: str) -> Object:
    return dict(named(objects, "NetworkPolicy", f"sightline-{name}")["spec"])


def _serve(old: str, new: str) -> Break:
    def change(objects: Objects) -> None:
        spec = named(objects, "RayService")["spec"]
        assert old in spec["serveConfigV2"]
        spec["serveConfigV2"] = spec["serveConfigV2"].replace(old, new)

    return change


def _site(old: str, new: str) -> Break:
    def change(objects: Objects) -> None:
        data = named(objects, "ConfigMap", "-site")["data"]
        assert old in data["site.yaml"]
        data["site.yaml"] = data["site.yaml"].replace(old, new)

    return change


def _remove(objects: Objects, kind: str, name_end: str) -> None:
    objects.remove(named(objects, kind, name_end))


BREAKS: dict[str, Break] = {
    # Names and references
    "the RayService's name has 48 characters": lambda o: named(o, "RayService")["metadata"].update(name="s" * 48),
    "a secret is misspelt": lambda o: _ingest(o)["containers"][0]["envFrom"][0]["secretRef"].update(name="sightlin"),
    "the secret of Redis is another": lambda o: _cluster(o)["gcsFaultToleranceOptions"].update(
        redisPassword={"value": "x"}
    ),
    "the site's ConfigMap is gone": lambda o: _remove(o, "ConfigMap", "-site"),
    "an account is gone": lambda o: _remove(o, "ServiceAccount", "-ingest"),
    "a priority class is gone": lambda o: _remove(o, "PriorityClass", "-ingest"),
    "the models' claim is gone": lambda o: _remove(o, "PersistentVolumeClaim", "-models"),
    "the site file is mounted under another name": lambda o: _ingest(o)["containers"][0].update(
        command=["sightline", "ingest", "/etc/sightline/sites.yaml"]
    ),
    "two objects have one name": lambda o: named(o, "ServiceAccount", "-ingest")["metadata"].update(
        name="sightline-test"
    ),
    "an object is in another namespace": lambda o: named(o, "StatefulSet")["metadata"].update(namespace="default"),
    "a volume is not mounted": lambda o: _container(o)["volumeMounts"].pop(),
    # Security
    "a container runs as root": lambda o: _container(o)["securityContext"].update(runAsNonRoot=False),
    "a root filesystem can be written": lambda o: _container(o, "cpu")["securityContext"].update(
        readOnlyRootFilesystem=False
    ),
    "a capability is added": lambda o: _ingest(o)["containers"][0]["securityContext"]["capabilities"].update(
        add=["SYS_PTRACE"]
    ),
    "an init container has no security context": lambda o: _spec(o)["initContainers"][0].pop("securityContext"),
    "the autoscaler has no security context": lambda o: _cluster(o)["autoscalerOptions"].pop("securityContext"),
    "a pod shares the node's network": lambda o: named(o, "StatefulSet")["spec"]["template"]["spec"].update(
        hostNetwork=True
    ),
    "ingest holds a token of the API server": lambda o: named(o, "StatefulSet")["spec"]["template"]["spec"].update(
        automountServiceAccountToken=True
    ),
    "a password is written out": lambda o: _container(o)["env"].append(
        {"name": "SIGHTLINE_BUS__PASSWORD", "value": "x"}
    ),
    "a camera's password is in the ConfigMap": _site("${CAMERA_PASSWORD}", "hunter2"),
    # Resources, probes, images
    "a limit is gone": lambda o: _container(o)["resources"].pop("limits"),
    "the autoscaler's resources are gone": lambda o: _cluster(o)["autoscalerOptions"].pop("resources"),
    "a liveness probe is gone": lambda o: _ingest(o)["containers"][0].pop("livenessProbe"),
    "a probe asks a port that is not there": lambda o: _container(o)["startupProbe"]["httpGet"].update(port="agent"),
    "an image is the latest": lambda o: _ingest(o)["containers"][0].update(
        image="registry.example.org/mirror/x:latest"
    ),
    "an image is not from the mirror": lambda o: _container(o).update(image="sightline/sightline-gpu:0.1.0"),
    "HOME cannot be written": lambda o: _container(o)["env"][0].update(value="/home/sightline"),
    # Selectors, ports, network
    "a port is renamed": lambda o: _ingest(o)["containers"][0]["ports"][0].update(name="prometheus"),
    "a Service selects nobody": lambda o: named(o, "Service", "-ingest")["spec"]["selector"].update(
        {"app.kubernetes.io/component": "ingestion"}
    ),
    "a workload does not select its pods": lambda o: named(o, "StatefulSet")["spec"]["selector"]["matchLabels"].update(
        a="b"
    ),
    "a budget is for everything": lambda o: named(o, "PodDisruptionBudget", "-ingest")["spec"]["selector"][
        "matchLabels"
    ].pop("app.kubernetes.io/component"),
    "a budget lets nobody go": lambda o: named(o, "PodDisruptionBudget", "-ray-gpu")["spec"].update(minAvailable=2),
    "a budget of Ray's pods is a share": lambda o: named(o, "PodDisruptionBudget", "-ray-cpu").update(
        spec={**named(o, "PodDisruptionBudget", "-ray-cpu")["spec"], "minAvailable": "50%"}
    ),
    "a budget is gone": lambda o: _remove(o, "PodDisruptionBudget", "-ray-gpu"),
    "nothing is denied": lambda o: (
        _policy(o, "default").update(policyTypes=["Egress"])
        or [one.update(spec={**one["spec"], "policyTypes": ["Egress"]}) for one in o if one["kind"] == "NetworkPolicy"]
    ),
    "everything is allowed": lambda o: _policy(o, "ingest")["egress"].append({}),
    "the broker cannot be reached": lambda o: [
        rule.update(ports=[{"port": 9999}])
        for rule in _policy(o, "ingest")["egress"]
        if rule["ports"][0]["port"] == 9092
    ],
    "names cannot be asked for": lambda o: _policy(o, "default")["egress"].clear(),
    "the test's alert has no way in": lambda o: _policy(o, "test")["ingress"][0]["ports"][0].update(port=8081),
    "a monitor asks another port": lambda o: named(o, "PodMonitor", "-ray")["spec"]["podMetricsEndpoints"][0].update(
        port="m"
    ),
    "the Ingress leads to nobody": lambda o: named(o, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"][
        "service"
    ].update(name="sightline-web"),
    "the Ingress has another host's certificate": lambda o: named(o, "Ingress")["spec"]["tls"][0].update(
        hosts=["other.example.org"]
    ),
    "the console's Service selects nobody": lambda o: named(o, "Service", "-console")["spec"]["selector"].update(
        {"app.kubernetes.io/component": "web"}
    ),
    "the console has no way to the database": lambda o: [
        rule.update(ports=[{"port": 9999}])
        for rule in _policy(o, "console")["egress"]
        if rule["ports"][0]["port"] == 5432
    ],
    "replicas may all be on one node": lambda o: _group(o)["template"]["spec"].pop("topologySpreadConstraints"),
    "the toleration of GPU nodes is dropped": lambda o: _group(o)["template"]["spec"].pop("tolerations"),
    "ingest is evicted first": lambda o: named(o, "PriorityClass", "-ingest").update(value=1),
    # Schemas
    "a key of a pod is misspelt": lambda o: _ingest(o)["containers"][0].update(imagePullPolcy="Always"),
    "a key of the RayService is misspelt": lambda o: named(o, "RayService")["spec"].update(serveConfigV3=""),
    "a key of a pod in the RayService is misspelt": lambda o: _container(o).update(volumeMount=[]),
    "an old version of an API": lambda o: named(o, "RayService").update(apiVersion="ray.io/v1alpha2"),
    "a trigger of KEDA has no type": lambda o: named(o, "ScaledObject")["spec"]["triggers"][0].pop("type"),
    # KubeRay and Ray
    "pods of Ray restart": lambda o: _group(o)["template"]["spec"].update(restartPolicy="Always"),
    "the head takes work": lambda o: _head(o)["rayStartParams"].update({"num-cpus": "4"}),
    "the autoscaler is the first one": lambda o: _cluster(o)["autoscalerOptions"].update(version="v1"),
    "the autoscaler is off": lambda o: named(o, "RayService")["spec"]["rayClusterConfig"].update(
        enableInTreeAutoscaling=False
    ),
    "more workers at least than at most": lambda o: _group(o).update(minReplicas=9),
    "two groups have one name": lambda o: _group(o).update(groupName="cpu"),
    "readiness asks Serve's proxy": lambda o: _container(o)["readinessProbe"]["httpGet"].update(port="serve"),
    "readiness is left to KubeRay": lambda o: _container(o).pop("readinessProbe"),
    "the head has no port for Serve": lambda o: _container(o, "head")["ports"].pop(3),
    "a label of KubeRay's is overridden": lambda o: _head(o)["template"]["metadata"]["labels"].update(
        {"app.kubernetes.io/name": "sightline"}
    ),
    "another container comes first": lambda o: _spec(o)["containers"].insert(0, _ingest(o)["containers"][0]),
    "Redis is named in the environment": lambda o: _container(o, "head")["env"].append(
        {"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}
    ),
    "Ray gives away more GPUs than there are": lambda o: _group(o)["rayStartParams"].update({"num-gpus": "8"}),
    "another version of Ray": lambda o: named(o, "RayService")["spec"]["rayClusterConfig"].update(rayVersion="2.9.0"),
    "the drain is cut off": lambda o: _group(o)["template"]["spec"].update(terminationGracePeriodSeconds=30),
    "Ray ends its stages at once": lambda o: next(
        one for one in _container(o)["env"] if one["name"].endswith("DRAIN_TIMEOUT_S")
    ).update(value="0"),
    "the old cluster goes at once": lambda o: named(o, "RayService")["spec"].update(rayClusterDeletionDelaySeconds=0),
    "too few workers for the stages": lambda o: _group(o, "cpu").update(maxReplicas=1, replicas=1, minReplicas=1),
    # The program
    "a builder is misspelt": _serve("pipeline.app.cluster:watchers", "pipeline.app.cluster:watcher"),
    "a policy is misspelt": _serve("autoscale:OldestAgePolicy", "autoscale:OldestPolicy"),
    "a key of Serve is misspelt": _serve("max_ongoing_requests", "max_ongoing_request"),
    "messages are too short": _serve('MAX_MESSAGE_LENGTH: "', 'MAX_MESSAGE_LENGTH: "1'),
    "batches could never fill": _serve("max_ongoing_requests: 192", "max_ongoing_requests: 64"),
    "the stages read another site file": _serve("/etc/sightline/site.yaml", "/etc/sightline/ingest.yaml"),
    "a setting is misspelt": _site("batch_frames", "batch_frame"),
    "a rule is about nobody's camera": _site("- helm-test", "- helm-tests"),
    "pods read the wrong shards": lambda o: named(o, "StatefulSet")["spec"].update(replicas=7),
    "a follower reads no topic of ours": lambda o: named(o, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(
        topic="campus.incident"
    ),
    "KEDA scales a RayService": lambda o: named(o, "ScaledObject")["spec"]["scaleTargetRef"].update(kind="RayService"),
}


def _problems(objects: Objects, whole: Objects) -> list[str]:
    """Of all checks; an object that no schema takes need not be read further, one that is whole need not be again."""
    found = schema_problems([one for one in objects if one not in whole], FLOOR_VERSION)
    return found or policy_problems(objects, given_to(EVERYTHING)) + meaning_problems(objects)


@pytest.mark.shared
def test_nothing_is_red_before_it_is_broken() -> None:
    """The rendering that is broken below is whole."""
    assert _problems(copy.deepcopy(rendered(EVERYTHING)), []) == []
    print(f"tier 7: {len(BREAKS)} ways of breaking the chart")


@pytest.mark.shared
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_chart_turns_a_check_red(name: str) -> None:
    """Each change alone is found."""
    whole = rendered(EVERYTHING)
    broken = copy.deepcopy(whole)
    BREAKS[name](broken)
    assert broken != whole, "nothing was broken"
    found = _problems(broken, whole)
    assert found
    print(f"tier 7: {name}: {found[0]}")
