"""The site of `sightline cluster demo`: rendered scenes whose truth is known, and whatever else is given."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.cli.configuration import settings_for
from pipeline.cli.demo_truth import demo_rules
from pipeline.cli.one_source import OneSource
from pipeline.scenes import Scene, open_scene
from pipeline.settings import Settings
from pipeline.site import load_site

SECRET_VARIABLE = "SIGHTLINE_DEMO_SECRET"  # noqa: S105 - the name of a variable
"""Where the site file finds the webhook's secret."""
_SCENE = "yard"
_SEEDS = {"yard-1": 1, "yard-2": 2}
"""Cameras and their seeds: two of which the local runtime finds all that is planted."""
_SOURCE_RULE = {
    "id": "moving",
    "track": {"object": "any", "count_above": 0},
    "cameras": ["source"],
    "severity": "low",
    "cooldown": 0,
}
_REPLICAS = {"min": 1, "max": 1, "num_cpus": 0.5}
"""So that two cores do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show."""

    folder: Path
    """Empty; everything is kept here."""
    sources: tuple[str, ...]
    """Cameras besides the scenes."""
    seconds: float
    """Length of the scenes."""
    speed: float


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The site, written down."""

    path: Path
    settings: Settings
    scenes: dict[str, Scene]
    """By camera."""
    cameras: tuple[str, ...]


def write_site(plan: Plan, servers: str, database_url: str, webhook_url: str, secret: str) -> DemoSite:
    """The site file in the plan's folder, and what was understood of it."""
    scenes = {name: open_scene(_SCENE, seed=seed, seconds=plan.seconds) for name, seed in _SEEDS.items()}
    cameras = [_scene_camera(name, scene, plan.seconds) for name, scene in scenes.items()]
    cameras += [_source_camera(number, source) for number, source in enumerate(plan.sources, 1)]
    document = {
        "site": {"name": "cluster-demo", "timezone": "UTC"},
        "cameras": cameras,
        "rules": [{**rule, "cameras": ["scene"]} for rule in demo_rules()] + [_SOURCE_RULE] * bool(plan.sources),
        "channels": {"demo": {"webhook": webhook_url, "secret": f"${{{SECRET_VARIABLE}}}", "allow_private": True}},
        "settings": _settings(plan, servers, database_url),
    }
    path = plan.folder / "site.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    site = load_site(path, {SECRET_VARIABLE: secret})
    return DemoSite(path, settings_for(site), scenes, tuple(camera.id for camera in site.cameras))


def _settings(plan: Plan, servers: str, database_url: str) -> dict[str, Any]:
    return {
        "data_dir": str(plan.folder / "data"),
        "database_url": database_url,
        "log_level": "warning",
        "drain_for": 10,
        "bus": {
            "servers": servers,
            "prefix": f"sightline-demo-{secrets.token_hex(3)}",
            "partitions": 4,
            "session_timeout": 6,
        },
        "cluster": {stage: dict(_REPLICAS) for stage in ("watchers", "reasoners", "alerting")},
    }


def _scene_camera(name: str, scene: Scene, seconds: float) -> dict[str, Any]:
    return {
        "id": name,
        "url": f"synthetic:{_SCENE}?seed={_SEEDS[name]}&seconds={seconds:g}",
        "labels": ["scene"],
        "zones": {zone: [list(point) for point in points] for zone, points in scene.zones.items()},
        "lines": {line: [list(point) for point in points] for line, points in scene.lines.items()},
    }


def _source_camera(number: int, source: str) -> dict[str, Any]:
    name = OneSource(source, (), {}, {}, {}).camera_id
    path = Path(source)
    return {"id": f"{number}-{name}", "url": str(path.absolute()) if path.exists() else source, "labels": ["source"]}
