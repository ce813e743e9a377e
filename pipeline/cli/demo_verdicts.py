"""The demo's second part: staged scenes and their near misses, judged by the built-in models.

Each camera shows one thing that its rule asks for, or one that only looks like it. The tracks open an alarm for
whatever is there, or is in the zone, for long enough; whether it is what the rule asks is the model's to say. What it
gets wrong is shown as wrong: it is a demonstrator. These situations are among those it is good at, by scenes kept for
measuring; docs/models.md has the figures of all.
"""

from __future__ import annotations

import resource
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pipeline.app.local import Models, build_local, load_models
from pipeline.app.stores import open_stores
from pipeline.cli.run import run_until_stopped
from pipeline.contracts.assessment import Element, Report, Verdict
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.values import Box
from pipeline.ingest.pace import Pace
from pipeline.jpeg import encode_pixels
from pipeline.reasoning.naming import labels_of
from pipeline.scenes.claims import LABELS
from pipeline.scenes.library import open_staged
from pipeline.scenes.situations import SITUATIONS
from pipeline.scenes.story import Staged, Story
from pipeline.settings import Settings
from pipeline.site import BUILTIN_MODEL, Site, parse_site
from pipeline.store.pictures import encode_clip


@dataclass(frozen=True, slots=True)
class Question:
    """What a rule asks the model, and when."""

    words: str
    in_zone_seconds: float | None = None
    """Once something has been in the zone for so long; None: anywhere in the picture, once the story is over."""


QUESTIONS: Mapping[str, Question] = {
    "intrusion": Question("a person is in the marked area", 1.0),
    "loitering": Question("somebody stays in the marked area for more than 12 seconds", 12.0),
    "left_bag": Question("a bag is left unattended for more than 8 seconds"),
    "fall": Question("somebody falls to the ground"),
    "crowd": Question("five or more people at once"),
    "vehicle_on_footpath": Question("a vehicle is in the marked area", 1.0),
}
"""By situation."""
SEED = 7_000_000
"""Each situation's is this and its place among all of them: the first that was taken, never changed for what it
showed."""
_SIZE_PX = (640, 360)
_FPS = 5
_EMPTY_SECONDS = 12
"""Each recording begins with the place when nobody is there, a picture a second: a camera knows that, and what it has
not known for long gives way too soon to somebody who stands still."""
_NOBODY_YET_SECONDS = 1000.0
"""So long before a scene begins nobody is on the way to it."""
_SEEN_AFTER_SECONDS = 0.6
"""A thing has to move for so long before it has a track."""
_AFTERWARDS_SECONDS = 0.8
"""The question is put so long after the story's end …"""
_LEFT_SECONDS = 0.6
"""… and no later than this before the scene's."""
_JPEG_QUALITY = 95
_SAME_IOU, _ON_SHARE = 0.3, 0.5
"""A box is on the planted thing when they overlap so much, or so much of it lies on that: moving regions are wide, or
parts of a thing."""


@dataclass(frozen=True, slots=True)
class Staging:
    """A camera of this part."""

    name: str
    staged: Staged
    clip: Path

    @property
    def story(self) -> Story:
        """What is planted."""
        return self.staged.story

    @property
    def question(self) -> Question:
        """What its rule asks."""
        return QUESTIONS[self.story.situation]

    @property
    def zone(self) -> str:
        """Name of the rule's zone; "" for the whole picture."""
        return "" if self.question.in_zone_seconds is None else self.story.zone.replace(" ", "-")

    @property
    def expected(self) -> Verdict:
        """What a model that sees well would say."""
        return Verdict.CONFIRMED if self.story.is_real else Verdict.REJECTED

    @property
    def wait_seconds(self) -> float:
        """How long something must have been there before the question is put."""
        if self.question.in_zone_seconds is not None:
            return self.question.in_zone_seconds
        story = self.story
        end = min(story.end_seconds + _AFTERWARDS_SECONDS, story.duration_seconds - _LEFT_SECONDS)
        times = story.tracks.times[(story.tracks.actions != "").any(axis=0)]
        return round(max(end - float(times[0]) - _SEEN_AFTER_SECONDS, 0.0), 1)


@dataclass(frozen=True, slots=True)
class Named:
    """A thing that a report names."""

    element: Element
    is_planted: bool
    """It is a thing of this kind that the story is about, and there it was."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a camera."""

    staging: Staging
    incident: Incident | None
    """None: its rule never opened."""
    named: tuple[Named, ...]

    @property
    def is_right(self) -> bool:
        """The verdict is as planted; for a near miss, no alarm is right too."""
        if self.incident is None:
            return not self.staging.story.is_real
        assessment = self.incident.assessment
        return assessment is not None and assessment.verdict is self.staging.expected


@dataclass(frozen=True, slots=True)
class Result:
    """All of it."""

    judged: tuple[Judged, ...]
    folder: Path
    """Of the recordings, their site file and what was kept."""
    seconds: float
    memory_mib: float
    """The most that this process has ever taken."""


def judge_stagings(
    settings: Settings, situations: Sequence[str] = tuple(QUESTIONS), *, seed: int = SEED
) -> Result | int:
    """Each situation and its near miss, judged; or the exit status of a run that was interrupted.

    `ConfigError` where torch or weights are missing.
    """
    began = time.monotonic()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that no earlier run meets this one; every verdict with all its pictures and a report.
    folder = Path(tempfile.mkdtemp(prefix="verdicts-", dir=settings.data_dir))
    reasoning = settings.reasoning.model_copy(update={"budget": False})
    settings = settings.model_copy(update={"data_dir": folder, "reasoning": reasoning})
    stagings = [_staged(prefix, name, seed, folder) for name in situations for prefix in ("", "near-")]
    site = _site(stagings, folder)
    models = load_models(site, settings)
    try:
        if models.reasoner is not None:
            models.reasoner.warm_up()
        with ThreadPoolExecutor() as pool:
            list(pool.map(_record, stagings))
        started_at, status = _run(site, settings, models)
    finally:
        models.close()
    if status:
        return status
    judged = tuple(_judged(stagings, settings, started_at))
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(judged, folder, time.monotonic() - began, memory_mib)


def _staged(prefix: str, situation: str, seed: int, data_dir: Path) -> Staging:
    name = f"{prefix}{situation.replace('_', '-')}"
    staged = open_staged(name, seed=seed + SITUATIONS.index(situation), size=_SIZE_PX)
    return Staging(name, staged, data_dir / f"{name}.mp4")


def _record(staging: Staging) -> None:
    """The scene as a file, after its empty place."""
    (width, height), began = _SIZE_PX, datetime.now(UTC)
    times = [float(second) for second in range(-_EMPTY_SECONDS, 0)]
    times += [number / _FPS for number in range(int(staging.story.duration_seconds * _FPS))]
    frames = []
    for number, at_seconds in enumerate(times):
        pixels, _ = staging.staged.scene.render(at_seconds if at_seconds >= 0 else at_seconds - _NOBODY_YET_SECONDS)
        at = began + timedelta(seconds=at_seconds)
        frames.append(
            EncodedFrame(staging.name, number, at, at_seconds, width, height, encode_pixels(pixels, _JPEG_QUALITY))
        )
    staging.clip.write_bytes(encode_clip(frames, _FPS))


def _site(stagings: Sequence[Staging], data_dir: Path) -> Site:
    """All cameras; a copy stays in the data folder for `--site`."""
    document: dict[str, Any] = {
        "site": {"name": "demo-verdicts", "timezone": "UTC"},
        "models": {"detector": BUILTIN_MODEL, "vlm": BUILTIN_MODEL},
        "cameras": [_camera(one) for one in stagings],
        "rules": [_rule(one) for one in stagings],
        "settings": {"data_dir": str(data_dir.absolute())},
    }
    text = yaml.safe_dump(document, sort_keys=False)
    (data_dir / "site.yaml").write_text(text, encoding="utf-8")
    return parse_site(text, "demo", {})


def _camera(staging: Staging) -> dict[str, Any]:
    corners = staging.staged.scene.zones[staging.story.zone] if staging.zone else ()
    zones = {"zones": {staging.zone: [list(corner) for corner in corners]}} if staging.zone else {}
    return {"id": staging.name, "url": str(staging.clip.absolute()), **zones}


def _rule(staging: Staging) -> dict[str, Any]:
    there = {"inside": staging.zone} if staging.zone else {"count_above": 0}
    return {
        "id": f"{staging.name}-rule",
        "cameras": [staging.name],
        "track": {"object": "any", **there},
        "timing": {"dwell": staging.wait_seconds},
        "ask": staging.question.words,
        "verify": "vlm",
        "cooldown": 600,
    }


def _run(site: Site, settings: Settings, models: Models) -> tuple[datetime, int]:
    """All cameras at once, as fast as this machine can; when the recordings begin, and the exit status."""
    started_at = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    with build_local(site, settings, pace=Pace(speed=0.0, start_at=started_at), models=models) as runtime:
        _, status = run_until_stopped(runtime, threading.Event())
    return started_at, status


def _judged(stagings: Sequence[Staging], settings: Settings, started_at: datetime) -> Iterator[Judged]:
    stores = open_stores(settings, must_exist=True)
    try:
        found = sorted(stores.incidents.find(IncidentFilter()), key=lambda one: one.opened_at, reverse=True)
    finally:
        stores.close()
    incidents = {one.camera_id: one for one in found}  # of a camera, the first
    for staging in stagings:
        incident = incidents.get(staging.name)
        yield Judged(staging, incident, tuple(_named(staging, incident, started_at)) if incident else ())


def _named(staging: Staging, incident: Incident, started_at: datetime) -> Iterator[Named]:
    """The things of the report that have a place, each held against the scene's truth at that moment."""
    report = report_of(incident)
    if incident.assessment is None or report is None:
        return
    sent = incident.assessment.frames_sent
    times = {key.sequence: key.captured_at - started_at for key in incident.candidate.key_frames}
    for element in report.elements:
        at = times.get(sent[element.frame - 1])
        if element.box is not None and at is not None:
            yield Named(element, _is_planted(staging, element, element.box, at.total_seconds() - _EMPTY_SECONDS))


def _is_planted(
    staging: Staging, element: Element, sides: tuple[float, float, float, float], at_seconds: float
) -> bool:
    width, height = _SIZE_PX
    left, top, right, bottom = sides
    box = Box(left * width, top * height, right * width, bottom * height)
    _, truth = staging.staged.scene.render(at_seconds)
    return any(
        actor.id in staging.story.who and _is_of_kind(element.name, actor.label) and _is_on(box, actor.box)
        for actor in truth.actors
    )


def _is_of_kind(name: str, label: str) -> bool:
    """By kinds: a suitcase that is called a handbag is a bag."""
    kinds = [kind for kind in LABELS.values() if label in kind]
    return any(kind & labels_of(name) for kind in kinds)


def _is_on(box: Box, thing: Box) -> bool:
    shared = Box(
        max(box.left, thing.left), max(box.top, thing.top), min(box.right, thing.right), min(box.bottom, thing.bottom)
    )
    is_apart = shared.width <= 0 or shared.height <= 0
    return not is_apart and (box.iou(thing) >= _SAME_IOU or shared.area >= _ON_SHARE * box.area)


def report_of(incident: Incident | None) -> Report | None:
    """The report that came with its verdict."""
    return incident.assessment.report if incident and incident.assessment else None
