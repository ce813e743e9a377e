"""The chart rendered with each of its values files, once for all tests, and what an operator brings to each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tests.support.kubernetes import CHART, FLOOR_VERSION, Object, template

EVERYTHING = "everything"
NAMES = ("cpu", "one-node", "100-cameras", "1000-cameras", EVERYTHING)
_OWN = Path(__file__).parent / "everything.yaml"
_STAGES = (9092, 5432, 443)
"""Ports of the broker, the database and receivers."""
GIVEN: dict[str, Any] = {
    "Secret": {"sightline", "sightline-redis", "sightline-kafka-ca", "kafka-user", "pull", "console-tls"},
    "PersistentVolumeClaim": {"sightline-models"},
    "namespace": {"video"},
    "egress": {
        "ray-cpu": _STAGES,
        "ray-gpu": _STAGES,
        "ingest": (9092, 5432, 554),
        "console": (9092, 5432, 443),
        "test": (9092, 5432),
        "ray-head": (6443,),
        "models": (443,),
    },
}


def values_of(name: str) -> list[Path]:
    """The files to hand to helm."""
    if name == EVERYTHING:
        return [CHART / "values-100-cameras.yaml", _OWN]
    return [CHART / f"values-{name}.yaml"]


@cache
def rendered(name: str, major: int = 4, release: str = "sightline", kube_version: str = FLOOR_VERSION) -> list[Object]:
    """Its objects; whoever changes them takes a copy."""
    return template(CHART, values=values_of(name), major=major, release=release, kube_version=kube_version)


def given_to(name: str) -> dict[str, Any]:
    """What the operator brings: with everything on a registry, and no claim."""
    if name != EVERYTHING:
        return GIVEN
    return GIVEN | {"registry": ["registry.example.org/mirror/"], "PersistentVolumeClaim": set()}
