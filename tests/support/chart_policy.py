"""What an operator would want of any rendered manifest, as functions over its objects: each returns what is wrong, in
words. No schema holds these; they hold for the chart, and for whatever else stands in one namespace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.kubernetes import Object, Pod, pods_of

Problems = Iterator[str]
_SERVERS = ("Deployment", "StatefulSet", "DaemonSet", "RayService")
"""Kinds whose pods go on until they are stopped."""
_ADDED_BY_OPERATOR = ("autoscaler", "wait-gcs-ready")
_CLUSTER_SCOPED = ("PriorityClass", "Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass")


def secure(objects: Sequence[Object], _: Given) -> Problems:
    """Every container keeps to the restricted Pod Security Standard, on a read-only root."""
    for pod in pods_of(objects):
        if any(pod.spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{pod.owner} shares the node's namespaces"
        if any("hostPath" in volume for volume in pod.spec.get("volumes") or ()):
            yield f"{pod.owner} mounts a path of the node"
        for name, container in pod.containers():
            yield from (f"{name}: {text}" for text in _insecure(container.get("securityContext") or {}))


def _insecure(context: Object) -> Problems:
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsUser": 1000,
    }
    yield from (f"{key} is not {value}" for key, value in wanted.items() if context.get(key) != value)
    if context.get("privileged"):
        yield "is privileged"
    capabilities = context.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "keeps capabilities"
    if (context.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"


def tokens(objects: Sequence[Object], _: Given) -> Problems:
    """Nobody but the head of Ray, whose autoscaler asks for pods, holds a token of the API server."""
    for one in _of(objects, "ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {_name(one)} gives its token to every pod"
    for pod in pods_of(objects):
        if pod.spec.get("automountServiceAccountToken") is not pod.owner.endswith("/head"):
            yield f"{pod.owner}: automountServiceAccountToken is {pod.spec.get('automountServiceAccountToken')}"


def resources(objects: Sequence[Object], _: Given) -> Problems:
    """Every container says what it needs and the most it may take."""
    for pod in pods_of(objects):
        for name, container in pod.containers():
            for key in ("requests", "limits"):
                given = (container.get("resources") or {}).get(key) or {}
                yield from (f"{name}: no {key} of {what}" for what in ("cpu", "memory") if what not in given)


def probes(objects: Sequence[Object], _: Given) -> Problems:
    """What serves is asked whether it started, is ready and lives, at a port that it has."""
    for pod in pods_of(objects):
        for name, container in pod.containers():
            is_server = pod.owner.startswith(_SERVERS) and container in pod.spec["containers"]
            if is_server and container["name"] not in _ADDED_BY_OPERATOR:
                wanted = ("startupProbe", "readinessProbe", "livenessProbe")
                yield from (f"{name}: no {probe}" for probe in wanted if probe not in container)
            yield from _probes_elsewhere(name, container)


def _probes_elsewhere(name: str, container: Object) -> Problems:
    ports = _ports([container])
    for probe, body in container.items():
        if probe.endswith("Probe"):
            port = (body.get("httpGet") or body.get("tcpSocket") or {}).get("port")
            if port is not None and port not in ports:
                yield f"{name}: {probe} asks port {port}, which it does not have"


def volumes(objects: Sequence[Object], _: Given) -> Problems:
    """What is mounted is a volume, what is a volume is mounted; HOME and /tmp can be written."""
    for pod in pods_of(objects):
        known = {volume["name"]: volume for volume in pod.spec.get("volumes") or ()}
        mounted = set()
        for name, container in pod.containers():
            mounts = container.get("volumeMounts") or ()
            mounted |= {mount["name"] for mount in mounts}
            yield from (f"{name}: mounts {m['name']}, which is no volume" for m in mounts if m["name"] not in known)
            home = {one["name"]: one.get("value") for one in container.get("env") or ()}.get("HOME")
            writable = {m["mountPath"] for m in mounts if not m.get("readOnly")}
            if home and home not in writable:
                yield f"{name}: HOME is {home}, which cannot be written"
        yield from (f"{pod.owner}: nobody mounts {volume}" for volume in known.keys() - mounted)


def selectors(objects: Sequence[Object], _: Given) -> Problems:
    """Every selector finds pods of its own; a workload finds those of its template."""
    pods = pods_of(objects)
    for one in objects:
        label = f"{one['kind']} {_name(one)}"
        for what, selector in _selectors(one):
            if not any(_matches(selector, pod) for pod in pods):
                yield f"{label}: {what} finds no pod: {selector}"
        if one["kind"] in ("Deployment", "StatefulSet"):
            own = next(pod for pod in pods if pod.owner == f"{one['kind']}/{_name(one)}")
            if not _matches(one["spec"]["selector"], own):
                yield f"{label}: does not select its own pods"
            others = [pod.owner for pod in pods if pod is not own and _matches(one["spec"]["selector"], pod)]
            yield from (f"{label}: selects {other}, too" for other in others)


def _selectors(one: Object) -> Iterator[tuple[str, Object]]:
    spec = one.get("spec") or {}
    if one["kind"] == "Service" and spec.get("selector"):
        yield "selector", {"matchLabels": spec["selector"]}
    elif one["kind"] in ("PodDisruptionBudget", "PodMonitor"):
        yield "selector", spec.get("selector") or {}
    elif one["kind"] == "NetworkPolicy":
        yield "podSelector", spec.get("podSelector") or {}
        for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
            for peer in [*(rule.get("from") or ()), *(rule.get("to") or ())]:
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield "a peer", peer["podSelector"]
    for pod in pods_of([one]):
        for constraint in pod.spec.get("topologySpreadConstraints") or ():
            yield "topology spread", constraint.get("labelSelector") or {}


def spread(objects: Sequence[Object], _: Given) -> Problems:
    """Replicas stand on several nodes and zones where there are any."""
    for pod in pods_of(objects):
        if pod.owner.startswith(_SERVERS):
            keys = {one["topologyKey"] for one in pod.spec.get("topologySpreadConstraints") or ()}
            wanted = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
            yield from (f"{pod.owner}: is not spread over {key}" for key in sorted(wanted - keys))


def ports(objects: Sequence[Object], _: Given) -> Problems:
    """Services, monitors and network policies mean ports that the pods have."""
    pods = pods_of(objects)
    for one in objects:
        label = f"{one['kind']} {_name(one)}"
        if one["kind"] == "Service":
            found = [pod for pod in pods if _matches({"matchLabels": one["spec"].get("selector") or {}}, pod)]
            wanted: Iterable[int | str] = [
                port.get("targetPort", port["port"]) for port in one["spec"].get("ports") or ()
            ]
        elif one["kind"] == "PodMonitor":
            found = [pod for pod in pods if _matches(one["spec"]["selector"], pod)]
            wanted = [end["port"] for end in one["spec"]["podMetricsEndpoints"]]
        elif one["kind"] == "NetworkPolicy":
            found = [pod for pod in pods if _matches(one["spec"]["podSelector"], pod)]
            wanted = [port["port"] for rule in one["spec"].get("ingress") or () for port in rule.get("ports") or ()]
        else:
            continue
        for pod in found:
            yield from (
                f"{label}: {pod.owner} has no port {port}"
                for port in wanted
                if port not in _ports(pod.spec["containers"])
            )


def entrances(objects: Sequence[Object], _: Given) -> Problems:
    """An Ingress leads to a port of a Service that is there, under the host that its certificate is for."""
    ports = {_name(one): {port.get("name") for port in one["spec"]["ports"]} for one in _of(objects, "Service")}
    for one in _of(objects, "Ingress"):
        certified = {host for part in one["spec"].get("tls") or () for host in part["hosts"]}
        for rule in one["spec"]["rules"]:
            if certified and rule["host"] not in certified:
                yield f"Ingress {_name(one)}: its certificate is not for {rule['host']}"
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                if service["port"].get("name") not in ports.get(service["name"], ()):
                    yield f"Ingress {_name(one)}: leads to {service['name']}, which has no such port or is not there"


def references(objects: Sequence[Object], given: Given) -> Problems:
    """Every secret, config, claim, account and priority class that is named is there, or was given by the operator."""
    there = {(one["kind"], _name(one)) for one in objects}
    configs = {_name(one): one.get("data") or {} for one in _of(objects, "ConfigMap")}
    for pod in pods_of(objects):
        for kind, name in _named(pod):
            if (kind, name) not in there and name not in given.get(kind, ()):
                yield f"{pod.owner}: there is no {kind} {name}"
        yield from _missing_files(pod, configs)
    for one in _of(objects, "Ingress"):
        for part in one["spec"].get("tls") or ():
            if part["secretName"] not in given.get("Secret", ()):
                yield f"Ingress {_name(one)}: there is no Secret {part['secretName']}"
    used = {name for pod in pods_of(objects) for kind, name in _named(pod) if kind == "ConfigMap"}
    for name in configs:
        if name not in used and "dashboard" not in name:
            yield f"ConfigMap {name} is mounted nowhere"


def _named(pod: Pod) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod.spec.get("serviceAccountName", "default")
    if "priorityClassName" in pod.spec:
        yield "PriorityClass", pod.spec["priorityClassName"]
    yield from (("Secret", one["name"]) for one in pod.spec.get("imagePullSecrets") or ())
    for volume in pod.spec.get("volumes") or ():
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for _, container in pod.containers():
        yield from (
            ("Secret", one["secretRef"]["name"]) for one in container.get("envFrom") or () if "secretRef" in one
        )
        for one in container.get("env") or ():
            if "secretKeyRef" in (one.get("valueFrom") or {}):
                yield "Secret", one["valueFrom"]["secretKeyRef"]["name"]


def _missing_files(pod: Pod, configs: Mapping[str, Object]) -> Problems:
    sources = {
        v["name"]: configs.get(v["configMap"]["name"], {}) for v in pod.spec.get("volumes") or () if "configMap" in v
    }
    for name, container in pod.containers():
        folders = {
            m["mountPath"]: sources[m["name"]] for m in container.get("volumeMounts") or () if m["name"] in sources
        }
        for word in [*(container.get("command") or ()), *(container.get("args") or ())]:
            folder, _, file = word.rpartition("/")
            if folder.startswith("/etc/") and file not in folders.get(folder, ()):
                yield f"{name}: there is no file {word}"


def images(objects: Sequence[Object], given: Given) -> Problems:
    """Every image has a version that stays what it is."""
    for pod in pods_of(objects):
        for name, container in pod.containers():
            image = container["image"]
            if not re.search(r"(@sha256:[0-9a-f]{64}|:[\w.-]+)$", image) or image.endswith(":latest"):
                yield f"{name}: {image} has no fixed version"
            yield from (
                f"{name}: {image} is not from {one}" for one in given.get("registry", ()) if not image.startswith(one)
            )


def names(objects: Sequence[Object], given: Given) -> Problems:
    """No two objects are called alike, all stand in the release's namespace, and say whose they are."""
    seen = set()
    for one in objects:
        label = f"{one['kind']} {_name(one)}"
        key = (one["kind"], _name(one))
        if key in seen:
            yield f"{label} is there twice"
        seen.add(key)
        namespace = one["metadata"].get("namespace")
        if one["kind"] not in _CLUSTER_SCOPED and namespace not in given.get("namespace", (namespace,)):
            yield f"{label} is in the namespace {namespace}"
        if "app.kubernetes.io/instance" not in (one["metadata"].get("labels") or {}):
            yield f"{label} does not say which release it is of"
        if len(_name(one)) > 63:
            yield f"{label} has more than 63 characters"


def disruption(objects: Sequence[Object], _: Given) -> Problems:
    """Budgets can be kept, and leave nodes that can be drained."""
    pods = pods_of(objects)
    for one in _of(objects, "PodDisruptionBudget"):
        found = [pod for pod in pods if _matches(one["spec"].get("selector") or {}, pod)]
        label = f"PodDisruptionBudget {_name(one)}"
        if len(found) != 1:
            yield f"{label} is for {len(found)} kinds of pods"
        least = one["spec"].get("minAvailable")
        for pod in found:
            if pod.owner.startswith("RayService") and not isinstance(least, int):
                yield f"{label}: Ray's pods have no scale subresource: only a number for minAvailable can be reckoned"
            if isinstance(least, int) and least >= pod.replicas:
                yield f"{label}: of {pod.replicas} pods none may ever go"
            if one["spec"].get("maxUnavailable") == 0:
                yield f"{label}: no pod may ever go"
    covered = {
        pod.owner
        for one in _of(objects, "PodDisruptionBudget")
        for pod in pods
        if _matches(one["spec"].get("selector") or {}, pod)
    }
    for pod in pods:
        if pod.owner.startswith(_SERVERS) and pod.replicas > 1 and pod.owner not in covered:
            yield f"{pod.owner}: its {pod.replicas} pods have no disruption budget"


def network(objects: Sequence[Object], given: Given) -> Problems:
    """Nothing goes in or out of any pod but by a rule; names can be resolved; the holes that are needed are there."""
    policies = list(_of(objects, "NetworkPolicy"))
    for pod in pods_of(objects):
        mine = [one["spec"] for one in policies if _matches(one["spec"]["podSelector"], pod)]
        if not any(set(spec.get("policyTypes") or ()) == {"Ingress", "Egress"} for spec in mine):
            yield f"{pod.owner}: nothing denies what no rule allows"
        out = [rule for spec in mine for rule in spec.get("egress") or ()]
        if any(not rule for rule in out) or any(not rule for spec in mine for rule in spec.get("ingress") or ()):
            yield f"{pod.owner}: a rule allows everything"
        allowed = {port["port"] for rule in out for port in rule.get("ports") or ()}
        if 53 not in allowed:
            yield f"{pod.owner}: cannot ask for names"
        for component, wanted in given.get("egress", {}).items():
            if pod.labels.get("app.kubernetes.io/component") == component:
                yield from (f"{pod.owner}: port {port} is closed" for port in wanted if port not in allowed)


def accelerators(objects: Sequence[Object], _: Given) -> Problems:
    """Who asks for a GPU tolerates the taint of nodes that have them; who does not, does not."""
    for pod in pods_of(objects):
        asks = any("nvidia.com/gpu" in ((c.get("resources") or {}).get("limits") or {}) for c in pod.spec["containers"])
        tolerates = any(one.get("key") == "nvidia.com/gpu" for one in pod.spec.get("tolerations") or ())
        if asks != tolerates:
            yield f"{pod.owner}: asks for a GPU: {asks}, tolerates their nodes: {tolerates}"


def priorities(objects: Sequence[Object], _: Given) -> Problems:
    """Live video is evicted after what can wait, and no pod is without a class."""
    values = {_name(one): one["value"] for one in _of(objects, "PriorityClass")}
    ingest = [values.get(pod.spec.get("priorityClassName", ""), 0) for pod in pods_of(objects) if _is_ingest(pod)]
    others = [values.get(pod.spec.get("priorityClassName", ""), 0) for pod in pods_of(objects) if not _is_ingest(pod)]
    if values and min(ingest, default=1) <= max(others, default=0):
        yield f"ingest has the priority {min(ingest)} and something else {max(others)}"
    yield from (
        f"{pod.owner} has no priority class"
        for pod in pods_of(objects)
        if values and "priorityClassName" not in pod.spec
    )


def no_secrets(objects: Sequence[Object], _: Given) -> Problems:
    """Nothing secret is made by the chart, or written where anybody reads it."""
    yield from (f"Secret {_name(one)} is made here" for one in _of(objects, "Secret"))
    for pod in pods_of(objects):
        for name, container in pod.containers():
            for one in container.get("env") or ():
                if re.search(r"PASSWORD|SECRET|TOKEN|_KEY$|DATABASE_URL", one["name"]) and "value" in one:
                    yield f"{name}: {one['name']} is written out"
    for one in _of(objects, "ConfigMap"):
        for key, text in (one.get("data") or {}).items():
            if re.search(r"://[^/\s:@$]*:[^/\s@$]+@", text):
                yield f"ConfigMap {_name(one)}: {key} holds a password"


Given = Mapping[str, Any]
"""What the operator brings: names by kind, `namespace`, `registry`, and ports by component in `egress`."""
Check = Callable[[Sequence[Object], Given], Problems]
CHECKS: tuple[Check, ...] = (
    secure, tokens, resources, probes, volumes, selectors, spread, ports, entrances, references, images, names,
    disruption, network, accelerators, priorities, no_secrets,
)  # fmt: skip


def policy_problems(objects: Sequence[Object], given: Given) -> list[str]:
    """All that is wrong."""
    return [f"{check.__name__}: {text}" for check in CHECKS for text in check(objects, given)]


def collisions(first: Sequence[Object], second: Sequence[Object]) -> list[str]:
    """What two releases in one namespace would share: names, or pods that a selector of the other finds."""
    named = {(one["kind"], _name(one)) for one in first} & {(one["kind"], _name(one)) for one in second}
    found = [f"both make {kind} {name}" for kind, name in sorted(named)]
    for mine, others in ((first, second), (second, first)):
        for one in mine:
            for what, selector in _selectors(one):
                hits = [pod.owner for pod in pods_of(others) if _matches(selector, pod)]
                found += [f"{one['kind']} {_name(one)}: {what} finds {hit} of the other release" for hit in hits]
    return found


def _of(objects: Sequence[Object], kind: str) -> Iterator[Object]:
    return (one for one in objects if one["kind"] == kind)


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])


def _matches(selector: Object, pod: Pod) -> bool:
    labels = selector.get("matchLabels") or {}
    return bool(labels) and labels.items() <= pod.labels.items()


def _is_ingest(pod: Pod) -> bool:
    return pod.labels.get("app.kubernetes.io/component") == "ingest"


def _ports(containers: Sequence[Object]) -> set[int | str]:
    """Numbers and names."""
    given = [port for container in containers for port in container.get("ports") or ()]
    return {port["containerPort"] for port in given} | {port["name"] for port in given if "name" in port}
