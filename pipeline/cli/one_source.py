"""One source and some words to a `Site` in memory, checked exactly as a site file is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.cli.rule_words import MOTION, read_rules
from pipeline.cli.shapes import Points
from pipeline.errors import ConfigError, SiteFileError, SiteProblem
from pipeline.site import NO_MODEL, Site, parse_site
from pipeline.telemetry import hide_credentials

_CHANNEL = "webhook"
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_LIVE_SCHEMES = re.compile(r"^(?!synthetic:|file:)[A-Za-z][A-Za-z0-9+.-]+:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OneSource:
    """What `sightline watch` was told."""

    source: str
    rules: tuple[str, ...]
    zones: dict[str, Points]
    lines: dict[str, Points]
    models: dict[str, str]
    """Role to model, only those given."""
    active_fps: float | None = None
    cooldown_seconds: float | None = None
    webhook: str | None = None
    secret: str | None = None

    @property
    def is_recording(self) -> bool:
        """A file or a rendered scene, not a camera."""
        return not _LIVE_SCHEMES.match(self.source)

    @property
    def camera_id(self) -> str:
        """Made from the file's name; `camera` for an address, which may hold secrets."""
        if _SCHEME.match(self.source) and not self.source.startswith("synthetic:"):
            return "camera"
        stem = Path(self.source.removeprefix("synthetic:").split("?")[0]).stem
        return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:40] or "camera"

    @property
    def rule_texts(self) -> tuple[str, ...]:
        """The rules given, or motion: in each zone when zones were given."""
        return self.rules or tuple(f"{MOTION} inside {name}" for name in self.zones) or (MOTION,)


def build_site(given: OneSource) -> Site:
    """The site that `given` describes; `ConfigError` in the words of the command line."""
    rules = read_rules(given.rule_texts)
    # A camera is told from the last alert sent; in a recording every event counts unless asked otherwise.
    cooldown = 0.0 if given.cooldown_seconds is None and given.is_recording else given.cooldown_seconds
    if cooldown is not None:
        rules = [{**rule, "cooldown": cooldown} for rule in rules]
    text = yaml.safe_dump(_document(given, rules), sort_keys=False, allow_unicode=True)
    try:
        return parse_site(text, "command line", os.environ)
    except SiteFileError as error:
        problems = (_in_own_words(problem, given) for problem in error.problems)
        raise ConfigError("\n".join(dict.fromkeys(problems))) from error


def _document(given: OneSource, rules: list[dict[str, Any]]) -> dict[str, Any]:
    camera: dict[str, Any] = {"id": given.camera_id, "url": given.source, "zones": given.zones, "lines": given.lines}
    if given.active_fps is not None:
        camera["sampling"] = {"active_fps": given.active_fps, "idle_fps": min(0.2, given.active_fps)}
    document: dict[str, Any] = {"site": {"name": "watch"}, "cameras": [camera], "rules": rules, "models": given.models}
    if given.webhook:
        # The person at the keyboard named this address, so one in their own building is meant.
        channel = {"webhook": given.webhook, "allow_private": True}
        document["channels"] = {_CHANNEL: channel | ({"secret": given.secret} if given.secret else {})}
    return document


def _in_own_words(problem: SiteProblem, given: OneSource) -> str:
    """A site file's problem as one of the command line's options."""
    hint = problem.hint.replace("set models.", "give --").replace("write object: any", "say `anything`")
    hint = hint.replace("--encoder to", "--encoder:").replace("--detector to", "--detector:")
    hint = hint.replace("describe the rule with track: instead of when:", "say it in one of the forms of --help")
    rule = re.match(r"rules\[(\d+)\]", problem.where)
    option = f"--rule {given.rule_texts[int(rule.group(1))]!r}" if rule else _option(problem.where)
    return f"{option}: {hide_credentials(problem.message)}" + (f" ({hint})" if hint else "")


def _option(where: str) -> str:
    names = {"models": "--", "zones": "--zone ", "lines": "--line ", "channels": "--webhook", "sampling": "--fps"}
    parts = where.split(".")
    for index, part in enumerate(parts):
        if part in {"zones", "lines", "models"} and index + 1 < len(parts):
            return names[part] + parts[index + 1]
        if part in names:
            return names[part]
    return where


def models_given(detector: str | None, encoder: str | None, vlm: str | None) -> dict[str, str]:
    """The models that were named; `none` is a name too."""
    named = {"detector": detector, "encoder": encoder, "vlm": vlm}
    return {role: name or NO_MODEL for role, name in named.items() if name is not None}
