"""The schema of the chart's values: what the chart itself takes, and the program's own site file in it.

`python -m tests.support.chart_schema` writes `helm/sightline/values.schema.json` anew: whoever changes a setting, the
site file's schema or a value of the chart does that. Every object is closed, or says what its free keys are like.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.contracts.bus import Topic
from pipeline.site import site_schema
from tests.conftest import ROOT

PATH = ROOT / "helm" / "sightline" / "values.schema.json"
Schema = dict[str, Any]
_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"}
_NAME_IF_ANY = {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"}
_QUANTITY = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti)$"}
_CPU: Schema = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?m?$"}]
}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_TEXT = {"type": "string"}
_SWITCH = {"type": "boolean"}
_LABELS = {"type": "object", "additionalProperties": False, "patternProperties": {"^[A-Za-z0-9./_-]{1,316}$": _TEXT}}


def chart_schema() -> Schema:
    """The whole schema."""
    site = site_schema()
    definitions = site.pop("$defs")
    parts = {
        "global": _closed(imageRegistry=_TEXT, imagePullSecrets=_list(_NAME)),
        "images": _closed(**{name: _image() for name in ("cpu", "gpu", "ingest")}),
        "siteFile": _without_descriptions(site),
        "secrets": _closed(existingSecret=_NAME_IF_ANY, kafkaTls=_closed(existingSecret=_NAME_IF_ANY)),
        "serviceAccounts": _closed(annotations=_LABELS),
        "priorityClasses": _closed(create=_SWITCH, ingest=_priority(), stages=_priority()),
        "ingest": _closed(shards=_whole(1, 1000), cpu=_CPU, memory=_QUANTITY, metricsPort=_PORT, **_placement()),
        "console": _console(),
        "ray": _ray(),
        "models": _models(),
        "networkPolicy": _network(),
        "podDisruptionBudgets": _closed(enabled=_SWITCH),
        "monitoring": _monitoring(),
        "keda": _closed(followers=_list(_follower()), authentication=_NAME_IF_ANY),
        "test": _closed(enabled=_SWITCH, clip=_text_of("^.+$"), waitSeconds=_whole(1, 3600)),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart sightline",
        **_closed(**parts),
        "$defs": _without_descriptions(definitions) | _kubernetes(),
    }


def _closed(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _one_of(*names: str) -> Schema:
    return {"enum": list(names)}


def _text_of(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def _image() -> Schema:
    return _closed(
        repository=_text_of("^[a-z0-9]+([._/-][a-z0-9]+)*$"),
        tag={"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$", "not": {"const": "latest"}},
        digest=_text_of("^(sha256:[0-9a-f]{64})?$"),
        pullPolicy=_one_of("Always", "IfNotPresent", "Never"),
    )


def _priority() -> Schema:
    return _closed(value=_whole(-2147483648, 1000000000), existing=_NAME_IF_ANY)


def _placement() -> dict[str, Schema]:
    return {"nodeSelector": _LABELS, "tolerations": _list({"$ref": "#/$defs/Toleration"})}


def _console() -> Schema:
    host = _text_of("^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")
    ingress = _closed(
        enabled=_SWITCH,
        className=_NAME_IF_ANY,
        host=host,
        tlsSecret=_NAME_IF_ANY,
        annotations=_LABELS,
        trustedProxies=_list(_text_of("^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")),
    )
    return _closed(enabled=_SWITCH, port=_PORT, cpu=_CPU, memory=_QUANTITY, ingress=ingress, **_placement())


def _ray() -> Schema:
    worker = {
        "minReplicas": _whole(0, 1000),
        "maxReplicas": _whole(1, 1000),
        "cpus": _whole(1, 512),
        "memory": _QUANTITY,
        "sharedMemory": _QUANTITY,
        **_placement(),
    }
    return _closed(
        version=_text_of("^[0-9]+\\.[0-9]+\\.[0-9]+$"),
        upgradeStrategy=_one_of("NewCluster", "None"),
        auth=_one_of("token", "disabled"),
        deleteOldClusterAfterSeconds=_whole(0, 86400),
        startup=_closed(baseSeconds=_whole(10, 86400), secondsPerGiB=_whole(0, 3600)),
        redis=_closed(
            address=_text_of("^([A-Za-z0-9.-]+:[0-9]+)?$"), existingSecret=_NAME_IF_ANY, passwordKey=_text_of("^.+$")
        ),
        autoscaler=_closed(idleTimeoutSeconds=_whole(1, 86400), cpu=_CPU, memory=_QUANTITY),
        head=_closed(cpu=_CPU, memory=_QUANTITY, sharedMemory=_QUANTITY, **_placement()),
        cpu=_closed(**worker),
        gpu=_closed(enabled=_SWITCH, gpus=_whole(1, 16), **worker),
    )


def _models() -> Schema:
    sums = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "patternProperties": {"^[A-Za-z0-9][A-Za-z0-9._/-]*$": _text_of("^[0-9a-f]{64}$")},
    }
    file = _closed(id=_text_of("^[A-Za-z0-9][A-Za-z0-9._/-]*$"), revision=_text_of("^[A-Za-z0-9._-]+$"), files=sums)
    return _closed(
        cache=_closed(
            enabled=_SWITCH,
            existingClaim=_NAME_IF_ANY,
            storageClass=_NAME_IF_ANY,
            size=_QUANTITY,
            accessMode=_one_of("ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"),
        ),
        source=_one_of("download", "airgapped", "unchecked"),
        baseUrl=_text_of("^https?://"),
        sizeGiB={"type": "number", "minimum": 0},
        files=_list({**file, "required": ["id", "revision", "files"]}),
        job=_closed(cpu=_CPU, memory=_QUANTITY, secondsPerGiB=_whole(1, 86400)),
    )


def _network() -> Schema:
    holes = (
        "kafka",
        "database",
        "objectStore",
        "redis",
        "modelServer",
        "identityProvider",
        "webhooks",
        "cameras",
        "modelFiles",
        "traces",
        "apiServer",
    )
    hole = _closed(ports={**_list(_PORT), "minItems": 1}, to=_list({"$ref": "#/$defs/Peer"}))
    return _closed(
        enabled=_SWITCH,
        operatorNamespace=_NAME,
        monitoringNamespace=_NAME,
        dnsNamespace=_NAME,
        ingressNamespace=_NAME,
        egress=_closed(**dict.fromkeys(holes, hole)),
    )


def _monitoring() -> Schema:
    return _closed(
        podMonitor=_closed(enabled=_SWITCH, interval=_text_of("^[0-9]+(ms|s|m)$"), labels=_LABELS),
        rules=_closed(enabled=_SWITCH, labels=_LABELS),
        dashboards=_closed(enabled=_SWITCH, labels=_LABELS),
    )


def _follower() -> Schema:
    keys = {
        "deployment": _NAME,
        "topic": _one_of(*Topic),
        "group": _text_of("^.+$"),
        "lag": _whole(1, 10**9),
        "min": _whole(0, 1000),
        "max": _whole(1, 1000),
    }
    return {**_closed(**keys), "required": list(keys)}


def _kubernetes() -> Schema:
    """The few types of Kubernetes that values take as they are."""
    expression = _closed(key=_TEXT, operator=_one_of("In", "NotIn", "Exists", "DoesNotExist"), values=_list(_TEXT))
    selector = _closed(matchLabels=_LABELS, matchExpressions=_list(expression))
    return {
        "Toleration": _closed(
            key=_TEXT,
            operator=_one_of("Exists", "Equal"),
            value=_TEXT,
            effect=_one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
            tolerationSeconds=_whole(0, 10**9),
        ),
        "Peer": {
            **_closed(
                ipBlock={
                    **_closed(cidr=_text_of("/[0-9]+$"), **{"except": _list(_text_of("/[0-9]+$"))}),
                    "required": ["cidr"],
                },
                namespaceSelector=selector,
                podSelector=selector,
            ),
            "minProperties": 1,
        },
    }


def _without_descriptions(node: Any) -> Any:
    """Helm shows none of these; and what holds free keys by a pattern takes no others."""
    if isinstance(node, list):
        return [_without_descriptions(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: {name: _without_descriptions(item) for name, item in value.items()}
        if key in ("properties", "patternProperties", "$defs")
        else _without_descriptions(value)
        for key, value in node.items()
        if key not in ("title", "description", "default", "format", "writeOnly")
    }
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept


if __name__ == "__main__":
    PATH.write_text(json.dumps(chart_schema(), indent=1) + "\n", encoding="utf-8")
