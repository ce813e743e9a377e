"""From a site file and the options of `sightline backtest` to the rules that are tried and the recordings for it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from pipeline.app.backtest import NOTHING, Known, Take
from pipeline.app.backtest_history import History, read_history, read_known
from pipeline.cli.backtest_history import history_notes, history_takes, known_notes
from pipeline.cli.configuration import LogLevel, settings_for
from pipeline.cli.times import read_moment
from pipeline.cli.watching import try_recording
from pipeline.contracts.camera import Camera
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.ingest.source import is_live
from pipeline.settings import Settings
from pipeline.site import NO_MODEL, Site, load_site, read_draft
from pipeline.telemetry import hide_credentials

_NO_DAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""When recordings of no known time are from: the same in every backtest, so that two can be compared."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for."""

    rules: tuple[str, ...]
    cameras: tuple[str, ...]
    """`CAMERA=FILE`; with `history` `CAMERA`."""
    sources: tuple[str, ...]
    """Files for every camera that a rule looks at."""
    start: str | None
    verifies: bool
    log_level: LogLevel
    history: tuple[str | None, str | None] | None = None
    """From and to when the clips of incidents are wanted, in place of files."""
    begins_learned: bool | None = None
    """Whether rules begin with what the site has learned; None: with `history` alone."""
    draft: str | None = None
    """What the first site file is to say, in place of what it says."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One site file, ready to be tried."""

    path: Path
    site: Site
    """Without channels, and with the rules that are tried alone."""
    settings: Settings
    takes: tuple[Take, ...]
    expected_frames: dict[str, int | None]
    """Take to what its file promises; without those of `history`."""
    history: History | None
    """Whence the files of the takes are fetched one by one; None: they are there."""
    known: Known
    notes: tuple[str, ...]
    """What a reader of the figures must know."""

    @property
    def calls(self) -> dict[str, tuple[str, str]]:
        """Take to its file's name without ending, and its camera: how a truth may call it."""
        return {take.name: (_stem(take), take.camera.id) for take in self.takes}


def make_plans(paths: Sequence[Path], wanted: Wanted) -> list[Plan]:
    """Read, check and open everything once; `ConfigError` for whatever cannot be tried.

    A rule that is named need not be in every site file.
    """
    sites = [load_site(path) for path in paths] if wanted.draft is None else _drafted(paths, wanted.draft)
    rule_ids = {rule.id for site in sites for rule in site.all_rules}
    for name in wanted.rules:
        if name not in rule_ids:
            raise ConfigError(no_such("rule", name, sorted(rule_ids), paths[0]))
    history, known = _kept(sites[0], wanted)
    return [_plan(path, site, wanted, history, known) for path, site in zip(paths, sites, strict=True)]


def _drafted(paths: Sequence[Path], draft: str) -> list[Site]:
    return [read_draft(draft, paths[0]), *map(load_site, paths[1:])]


def _kept(site: Site, wanted: Wanted) -> tuple[History | None, Known | None]:
    """What is taken from the data of the first site file, for all; None where it is not wanted."""
    settings = settings_for(site, log_level=wanted.log_level)
    history = None
    if wanted.history is not None:
        now = datetime.now(UTC)
        bounds = [read_moment(text, now, site.site.zone_info).at if text else None for text in wanted.history]
        history = read_history(settings, *bounds)
    begins_learned = history is not None if wanted.begins_learned is None else wanted.begins_learned
    return history, read_known(settings) if begins_learned else None


def _plan(path: Path, given: Site, wanted: Wanted, history: History | None, known: Known | None) -> Plan:
    notes: list[str] = []
    site = _site(given, _rules(given, path, wanted.rules), wanted, notes)
    settings = settings_for(given, log_level=wanted.log_level)
    if history is not None:
        cameras = _cameras(site, path, wanted.cameras)
        takes, expected = _numbered(history_takes(history, cameras)), {}
        notes += history_notes(history, cameras)
    else:
        takes = _numbered(_takes(site, path, wanted, _start(given, wanted, notes)))
        # A bad file is refused before an hour of work on others.
        expected = {take.name: try_recording(take.camera, settings) for take in takes}
    if known is not None:
        notes += known_notes(known, takes, site.site.zone_info)
    return Plan(path, site, settings, takes, expected, history, known or NOTHING, tuple(notes))


def _start(given: Site, wanted: Wanted, notes: list[str]) -> datetime:
    if wanted.start is None:
        return _NO_DAY
    moment = read_moment(wanted.start, datetime.now(UTC), given.site.zone_info)
    notes += [moment.note] if moment.note else []
    return moment.at


def _rules(site: Site, path: Path, names: Sequence[str]) -> tuple[Rule, ...]:
    """Those named, though they be switched off; without names all that are on and look at pictures."""
    seeing = [rule for rule in site.rules if rule.health is None]
    if not names:
        found = tuple(rule for rule in seeing if rule.enabled)
        if not found:
            raise ConfigError(f"{path} has no rule to try: none that is enabled and looks at pictures")
        return found
    for name in names:
        rule = site.rule(name)
        if rule is not None and rule.health is not None:
            raise ConfigError(f"rule {name} is about the camera's health, of which a recording says nothing")
    found = tuple(rule.model_copy(update={"enabled": True}) for rule in seeing if rule.id in names)
    if not found:
        raise ConfigError(no_such("rule", names[0], [rule.id for rule in seeing], path))
    return found


def _site(given: Site, rules: Sequence[Rule], wanted: Wanted, notes: list[str]) -> Site:
    """The site to try: nobody is told, and nothing is promised that a recording cannot keep."""
    update: dict[str, object] = {"channels": {}}
    tried = [rule.model_copy(update={"notify": ()}) for rule in rules]
    if wanted.start is None and wanted.history is None and any(rule.schedule for rule in tried):
        notes.append("schedules are left aside: the time of day is not known; give it with --start")
        tried = [rule.model_copy(update={"schedule": ()}) for rule in tried]
    if not wanted.verifies and given.models.vlm != NO_MODEL:
        notes.append("no model was asked (--no-verify): what it would have rejected counts as alerts")
        update["models"] = given.models.model_copy(update={"vlm": NO_MODEL})
    return given.model_copy(update={**update, "rules": tuple(tried)})


def _takes(site: Site, path: Path, wanted: Wanted, start_at: datetime) -> Iterator[Take]:
    """Every file as every camera it is for."""
    if not wanted.cameras and not wanted.sources:
        raise ConfigError(
            "which recordings? name them with --camera CAMERA=FILE, or --source FILE for every camera; "
            "or take the clips of this site's own incidents with --history"
        )
    for camera, file in _pairs(site, path, wanted):
        recorded = camera.model_copy(update={"url": SecretStr(file), "fallback_url": None})
        take = Take("", recorded, start_at)
        if is_live(recorded):
            raise ConfigError(
                f"{hide_credentials(file)} is a live camera; a backtest reads recordings, `sightline run` live cameras"
            )
        yield replace(take, name=f"{camera.id}/{_stem(take)}")


def _numbered(takes: Iterable[Take]) -> tuple[Take, ...]:
    """With a number after a name that was there before."""
    num_seen: Counter[str] = Counter()
    found = []
    for take in takes:
        num_seen[take.name] += 1
        number = num_seen[take.name]
        found.append(take if number == 1 else replace(take, name=f"{take.name}#{number}"))
    return tuple(found)


def _pairs(site: Site, path: Path, wanted: Wanted) -> Iterator[tuple[Camera, str]]:
    for text in wanted.cameras:
        camera_id, equals, file = text.partition("=")
        if not equals or not file:
            raise ConfigError(f"expected --camera CAMERA=FILE, such as yard=clip.mp4; got {hide_credentials(text)!r}")
        yield _camera(site, path, camera_id), file
    yield from ((camera, file) for file in wanted.sources for camera in _cameras(site, path, ()))


def _cameras(site: Site, path: Path, names: Sequence[str]) -> list[Camera]:
    """Those named, or all that a rule looks at."""
    named = [_camera(site, path, name) for name in names]
    return named or [camera for camera in site.cameras if site.rules_for(camera)]


def _camera(site: Site, path: Path, camera_id: str) -> Camera:
    camera = site.camera(camera_id)
    if camera is None:
        raise ConfigError(no_such("camera", camera_id, [one.id for one in site.cameras], path))
    if not site.rules_for(camera):
        raise ConfigError(f"no rule that is tried looks at camera {camera_id}; see cameras: in {path}")
    return camera


def _stem(take: Take) -> str:
    """`walk` of `clips/walk.mp4`; of a rendered scene all that tells it from another."""
    source = take.source
    return source.partition(":")[2] if source.startswith("synthetic:") else Path(source).stem


def no_such(kind: str, name: str, known: Iterable[str], path: Path) -> str:
    """That the site file has no such thing, with the name that was meant, if one is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"{path} has no {kind} {name!r} ({hint})"
