"""What the rendered chart means to those who read it: KubeRay's rules that no schema holds, Ray's own model of the
Serve configuration, and the program with its site file and topics. Functions over objects; each returns what is wrong.
"""

from __future__ import annotations

import tests.support.quiet_ray  # isort: skip  # noqa: F401

import importlib
import json
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ray.serve.schema import ServeDeploySchema

from pipeline.app.serve_config import check_config, serve_config
from pipeline.contracts.bus import Topic
from pipeline.runtime.ingest.shard import Shard
from pipeline.settings import GivenSettings
from pipeline.site import Site, load_site
from tests.support.kubernetes import Object, pods_of, processes_of

SITE_FILES = ("site.yaml", "ingest.yaml", "helm-test.yaml")
SITE_PATH = "/etc/sightline/site.yaml"
LONGEST_RAY_SERVICE_NAME = 47
"""KubeRay refuses longer ones: it adds 6 characters for the cluster and 10 for a Service, of 63."""
SECRETS = {"CAMERA_PASSWORD": "x", "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""What the site files of the values expect of the secret."""
Problems = Iterator[str]
_RAY_DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
"""How long `ray start --block` waits for its node to be idle before it ends all processes; 30 s without it."""
_OPERATORS_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/created-by")
_OPERATORS_OWN = (
    "RAY_REDIS_ADDRESS",
    "REDIS_PASSWORD",
    "REDIS_USERNAME",
    "RAY_enable_autoscaler_v2",
    "RAY_CLUSTER_NAME",
)


def kuberay_rules(objects: Sequence[Object]) -> Problems:
    """What KubeRay 1.7 refuses when it reads the object (its `validation.go`), or never gets ready with."""
    for one in _services(objects):
        name, spec = one["metadata"]["name"], one["spec"]
        if len(name) > LONGEST_RAY_SERVICE_NAME or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
            yield f"KubeRay refuses the name {name}"
        kind = (spec.get("upgradeStrategy") or {}).get("type", "NewCluster")
        if kind not in ("NewCluster", "None"):
            yield f"upgradeStrategy {kind} is not one that this chart prepares"
        cluster = spec["rayClusterConfig"]
        yield from _head_rules(cluster)
        groups = [group["groupName"] for group in cluster.get("workerGroupSpecs") or ()]
        yield from (f"two worker groups {group}" for group, number in Counter(groups).items() if number > 1)
        for group in cluster.get("workerGroupSpecs") or ():
            yield from (f"group {group['groupName']}: {text}" for text in _group_rules(group))
        for pod in (cluster["headGroupSpec"], *(cluster.get("workerGroupSpecs") or ())):
            yield from _pod_rules(pod)


def _head_rules(cluster: Object) -> Problems:
    head = cluster["headGroupSpec"]
    start = head.get("rayStartParams") or {}
    if start.get("num-cpus") != "0" or start.get("num-gpus") != "0":
        yield "the head takes work: num-cpus and num-gpus are not 0"
    if start.get("dashboard-host") != "0.0.0.0":
        yield "the dashboard answers nobody: KubeRay deploys the applications through it"
    if any(key.startswith("redis-") for key in start):
        yield "redis-… in rayStartParams: KubeRay takes gcsFaultToleranceOptions"
    options = cluster.get("gcsFaultToleranceOptions")
    if options and "secretKeyRef" not in (options.get("redisPassword") or {}).get("valueFrom", {}):
        yield "the password of Redis is not from a secret"
    ports = {port.get("name"): port["containerPort"] for port in head["template"]["spec"]["containers"][0]["ports"]}
    wanted = {"gcs-server": 6379, "dashboard": 8265, "serve": 8000}
    yield from (f"the head has no port {name} {port}" for name, port in wanted.items() if ports.get(name) != port)
    if not cluster.get("enableInTreeAutoscaling") or (cluster.get("autoscalerOptions") or {}).get("version") != "v2":
        yield "autoscaler v2 is off: nothing would add workers"
    mode = (cluster.get("authOptions") or {}).get("mode")
    if mode == "token" and tuple(map(int, cluster["rayVersion"].split("."))) < (2, 52, 0):
        yield "token authentication needs Ray 2.52"
    if _ray_version() != cluster["rayVersion"]:
        yield f"rayVersion is {cluster['rayVersion']}, the program is tested with {_ray_version()}"


def _group_rules(group: Object) -> Problems:
    least, now, most = group["minReplicas"], group.get("replicas", group["minReplicas"]), group["maxReplicas"]
    if not least <= now <= most:
        yield f"expected minReplicas <= replicas <= maxReplicas, got {least}, {now}, {most}"
    start, limits = group.get("rayStartParams") or {}, group["template"]["spec"]["containers"][0]["resources"]["limits"]
    if _number(start.get("num-cpus", "0")) != _number(limits["cpu"]):
        yield f"Ray gives away {start.get('num-cpus')} CPUs of {limits['cpu']}"
    if _number(start.get("num-gpus", "0")) != _number(limits.get("nvidia.com/gpu", "0")):
        yield f"Ray gives away {start.get('num-gpus', 0)} GPUs of {limits.get('nvidia.com/gpu', 0)}"
    if group.get("suspend"):
        yield "is suspended, which the autoscaler does not take"


def _pod_rules(group: Object) -> Problems:
    label, spec = group.get("groupName", "head"), group["template"]["spec"]
    if spec.get("restartPolicy") != "Never":
        yield f"{label}: restartPolicy is {spec.get('restartPolicy')}, autoscaler v2 demands Never"
    ray = spec["containers"][0]
    if ray["name"] != "ray":
        yield f"{label}: the first container is {ray['name']}: KubeRay takes it for Ray's"
    if ray.get("command") or ray.get("args"):
        yield f"{label}: has a command of its own, which KubeRay puts before its own"
    labels = (group["template"].get("metadata") or {}).get("labels") or {}
    kept = [key for key in labels if key in _OPERATORS_LABELS or key.startswith("ray.io/")]
    yield from (f"{label}: the label {key} is KubeRay's: its Services select by it" for key in kept)
    given = {one["name"] for one in ray.get("env") or ()} & set(_OPERATORS_OWN)
    yield from (f"{label}: sets {name}, which is KubeRay's" for name in sorted(given))
    asked = json.dumps(ray.get("readinessProbe"))
    if "readinessProbe" not in ray or "healthz" not in asked or "serve" in asked or "8000" in asked:
        yield f"{label}: readiness asks Serve's proxy, which does not run, so it would never be ready"
    mounted = {mount["mountPath"] for mount in ray.get("volumeMounts") or ()}
    yield from (f"{label}: {path} is not writable" for path in ("/tmp", "/tmp/ray", "/dev/shm") if path not in mounted)


def serve_rules(objects: Sequence[Object]) -> Problems:
    """The Serve configuration is one that Ray reads, whose paths can be imported, and the program's own."""
    with _site(objects, "site.yaml") as (site, settings):
        for one in _services(objects):
            given = yaml.safe_load(one["spec"]["serveConfigV2"])
            with warnings.catch_warnings():  # Ray deprecates what it has nothing else for yet
                warnings.filterwarnings("ignore", message="The `metrics_interval_s` field")
                parsed = ServeDeploySchema.model_validate(given)
            for application in parsed.applications:
                yield from _unknown_paths(application.import_path, given)
            check_config(given, settings)
            wanted = serve_config(site, settings, SITE_PATH)
            if given != wanted:
                yield f"serveConfigV2 is not what `sightline cluster config` makes: {_difference(given, wanted)}"
            yield from _too_short(one, given)
            yield from _too_small(one, given)


def _unknown_paths(import_path: str, config: Any) -> Problems:
    policies = [
        one["autoscaling_policy"]["policy_function"] for one in config["applications"] if "autoscaling_policy" in one
    ]
    for path in (import_path, *policies):
        module, _, name = path.partition(":")
        if not hasattr(importlib.import_module(module), name):
            yield f"{path} cannot be imported"


def _too_short(one: Object, config: Any) -> Problems:
    drain = max(part["graceful_shutdown_timeout_s"] for app in config["applications"] for part in app["deployments"])
    if one["spec"]["rayClusterDeletionDelaySeconds"] < drain:
        yield f"the old cluster is deleted before a drain of {drain} s is over"
    for pod in pods_of([one]):
        grace, ray = pod.spec.get("terminationGracePeriodSeconds", 30), pod.spec["containers"][0]
        if grace < drain:
            yield f"{pod.owner} is killed before a drain of {drain} s is over"
        values = {one["name"]: one.get("value") for one in ray["env"]}
        if not drain <= float(values.get(_RAY_DRAIN, 30)) < grace:
            yield f"{pod.owner}: {_RAY_DRAIN} does not lie between a drain of {drain} s and its grace period"


def _too_small(one: Object, config: Any) -> Problems:
    """Whether the stages fit on the workers: at their least on those that are always there, at their most on all."""
    groups = {group["groupName"]: group for group in one["spec"]["rayClusterConfig"]["workerGroupSpecs"]}
    for bound, replicas in (("min_replicas", "minReplicas"), ("max_replicas", "maxReplicas")):
        cpus = gpus = gpu_cpus = 0.0
        for app in config["applications"]:
            part = app["deployments"][0]
            number, needs = part["autoscaling_config"][bound], part["ray_actor_options"]
            if needs["num_gpus"]:
                gpus += number * needs["num_gpus"]
                gpu_cpus += number * needs["num_cpus"]
            else:
                cpus += number * needs["num_cpus"]
        yield from _lacking("CPUs", cpus, groups["cpu"], replicas, "num-cpus")
        if gpus:
            yield from _lacking("GPUs", gpus, groups.get("gpu", {}), replicas, "num-gpus")
            yield from _lacking("CPUs beside GPUs", gpu_cpus, groups.get("gpu", {}), replicas, "num-cpus")


def _lacking(what: str, needed: float, group: Object, replicas: str, key: str) -> Problems:
    there = group.get(replicas, 0) * _number((group.get("rayStartParams") or {}).get(key, "0"))
    if needed > there:
        yield f"{replicas}: the stages need {needed:g} {what}, the workers have {there:g}"


def program_rules(objects: Sequence[Object]) -> Problems:
    """The site files are ones that the program reads, its command gets the shard it is, and topics are its topics."""
    for name in SITE_FILES:
        if name in _site_data(objects):
            with _site(objects, name) as (_, settings):
                yield from _wrong_followers(objects, settings)
    for one in objects:
        if one["kind"] == "StatefulSet":
            yield from _wrong_shards(one)


def _wrong_shards(one: Object) -> Problems:
    process = processes_of([one])[0]
    words = process.command
    share = words[words.index("--shard") + 1] if "--shard" in words else "none"
    number = one["spec"]["replicas"]
    field = (process.environment.get("SHARD") or {}).get("fieldRef", {}).get("fieldPath")
    if share != f"$(SHARD)/{number}" or field != "metadata.labels['apps.kubernetes.io/pod-index']":
        yield f"pods of {one['metadata']['name']} read the share {share} (SHARD from {field}) of {number}"
    else:
        Shard.parse(share.replace("$(SHARD)", "0"))


def _wrong_followers(objects: Sequence[Object], settings: GivenSettings) -> Problems:
    topics = {f"{settings.bus.prefix}.{topic}" for topic in Topic}
    for one in objects:
        if one["kind"] == "ScaledObject":
            if one["spec"]["scaleTargetRef"]["kind"] != "Deployment":
                yield f"KEDA cannot scale a {one['spec']['scaleTargetRef']['kind']}"
            for trigger in one["spec"]["triggers"]:
                if trigger["metadata"]["topic"] not in topics:
                    yield f"{trigger['metadata']['topic']} is none of {', '.join(sorted(topics))}"
                if trigger["metadata"]["bootstrapServers"] != settings.bus.servers:
                    yield f"KEDA looks at {trigger['metadata']['bootstrapServers']}, not {settings.bus.servers}"


RULES: tuple[Callable[[Sequence[Object]], Problems], ...] = (kuberay_rules, serve_rules, program_rules)


def meaning_problems(objects: Sequence[Object]) -> list[str]:
    """All that is wrong; what cannot even be read is wrong, too."""
    found = []
    for rule in RULES:
        try:
            found += [f"{rule.__name__}: {text}" for text in rule(objects)]
        except Exception as error:
            found.append(f"{rule.__name__}: {type(error).__name__}: {error}")
    return found


@contextmanager
def _site(objects: Sequence[Object], name: str) -> Iterator[tuple[Site, GivenSettings]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(_site_data(objects)[name], encoding="utf-8")
        site = load_site(path, SECRETS)
        yield site, GivenSettings(**site.settings)


def _site_data(objects: Sequence[Object]) -> dict[str, str]:
    maps = [one.get("data") or {} for one in objects if one["kind"] == "ConfigMap"]
    return {name: text for data in maps for name, text in data.items() if name in SITE_FILES}


def _services(objects: Sequence[Object]) -> Iterator[Object]:
    found = [one for one in objects if one["kind"] == "RayService"]
    assert found, "there is no RayService"
    return iter(found)


def _number(quantity: str | int | float) -> float:
    text = str(quantity)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _ray_version() -> str:
    import ray

    return str(ray.__version__)


def _difference(given: Any, wanted: Any) -> str:
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in sorted({*given, *wanted}):
            if given.get(key) != wanted.get(key):
                return f"{key}: {_difference(given.get(key), wanted.get(key))}"
    if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
        return next(_difference(a, b) for a, b in zip(given, wanted, strict=True) if a != b)
    return f"{given!r} instead of {wanted!r}"
