"""What lies behind the console's demo: a night and a morning of a depot, watched by the real pipeline.

Rendered scenes (and a real clip where the data is) run through the local runtime; a model that stands in for a
vision-language model says of what the detector saw; people review what came of it. Made once a machine, then copied.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import pipeline
from pipeline.app.local import Models, build_local, load_models
from pipeline.app.stores import open_stores
from pipeline.cli.configuration import settings_for
from pipeline.clock import SystemClock
from pipeline.contracts.assessment import Answer, Prompt
from pipeline.contracts.candidate import Candidate, KeyFrame, SeenRegion
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.health import Condition, HealthChange
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.observation import MOVING
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.ingest.pace import Pace
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.health import HealthDesk
from pipeline.scenes import ActorTruth, Scene, open_scene
from pipeline.site import Site, parse_site
from pipeline.store.ledger import Ledger
from tests.conftest import SHARED
from tests.support.receiver import Receiver, answer

EVENING = datetime(2026, 7, 9, 20, 10, tzinfo=UTC)
MORNING = datetime(2026, 7, 10, 6, 10, tzinfo=UTC)
_LONGEST = timedelta(seconds=70)
"""Of the scenes: a run begins when they are over, as they are read faster than they happen."""
NOW = MORNING + timedelta(minutes=5)
"""When the console is opened."""
ENVIRONMENT = {"CAMERA_PASSWORD": "not-to-be-shown", "GUARDS_SECRET": "whsec_bm90LXRvLWJlLXNob3duLWF0LWFsbA=="}
"""What the site file takes from the environment: no page may ever show it."""
SITE = """\
# The depot at the north gate. Whoever changes this: the night shift reads the names of the rules.
site:
  name: northgate
  timezone: Europe/Berlin
models:
  encoder: builtin
  detector: builtin
cameras:
  # Above the gate, looks north.
  - {{id: yard, url: "rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.11/main",
     labels: [outdoors], sampling: {{active_fps: 2.5}},
     zones: {yard_zones}, lines: {yard_lines}}}
  - {{id: street, url: "rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.12/main",
     labels: [outdoors], sampling: {{active_fps: 2.5}},
     zones: {street_zones}, lines: {street_lines}}}
  - {{id: corridor, url: "rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.13/main",
     labels: [indoors], sampling: {{active_fps: 2.5}},
     zones: {corridor_zones}, lines: {corridor_lines}}}
  - {{id: hall, url: "rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.14/main",
     labels: [indoors], sampling: {{active_fps: 2.5}},
     zones: {{aisle: [[0.05, 0.35], [0.95, 0.35], [0.95, 0.98], [0.05, 0.98]]}}}}
  - {{id: dock, url: "rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.15/main",
     labels: [outdoors], sampling: {{active_fps: 2.5}}}}
rules:
  - {{id: fence-entry, cameras: [yard], track: {{object: any, enters: fence}}, severity: medium, cooldown: 0s}}
  - {{id: loitering, cameras: [yard], track: {{object: any, inside: fence, longer_than: 15s}},
     severity: high, cooldown: 0s}}
  - {{id: kerb-crossing, cameras: [yard], track: {{object: any, crosses: kerb}}, severity: low, cooldown: 20s}}
  - {{id: crossing-entry, cameras: [street], track: {{object: any, enters: crossing}}, severity: low, cooldown: 20s}}
  - {{id: door-loitering, cameras: [corridor], track: {{object: any, inside: door, longer_than: 6s}},
     severity: high, cooldown: 0s}}
  - {{id: anybody-inside, cameras: [hall], track: {{object: any, count_above: 0}}, severity: medium, cooldown: 20s}}
settings:
  linking: {{min_likeness: 0.6}}
  perception: {{threads: 1}}
channels:
  guards: {{webhook: "https://guards.example.org/hook", secret: "${{GUARDS_SECRET}}"}}
  pager: {{webhook: "https://pager.example.org/hook", min_severity: high}}
"""
_SCENES = {"yard": "yard", "street": "street", "corridor": "corridor"}
_REAL_CLIP = SHARED / "videos" / "intel_people-detection.mp4"
_URLS = {
    EVENING: {
        "yard": "synthetic:yard?seed=2&seconds=50",
        "street": "synthetic:street?seed=2&seconds=25",
        "corridor": "synthetic:empty?seed=2&seconds=10",
        "hall": "synthetic:empty?seed=3&seconds=10",
        "dock": "synthetic:ordinary?seed=3&seconds=10",
    },
    MORNING: {
        "yard": "synthetic:yard?seed=1&seconds=60",
        "street": "synthetic:street?seed=1&seconds=25",
        "corridor": "synthetic:corridor?seed=1&seconds=40",
        "hall": str(_REAL_CLIP) if _REAL_CLIP.exists() else "synthetic:street?seed=5&seconds=25",
        "dock": "synthetic:ordinary?seed=3&seconds=10",
    },
}
_UNSEEN = {
    "street": (datetime(2026, 7, 9, 22, 31, tzinfo=UTC), timedelta(minutes=3), "offline", "no answer within 10 s"),
    "hall": (datetime(2026, 7, 10, 0, 40, tzinfo=UTC), timedelta(minutes=25), "covered", "next to no detail"),
}
"""What went wrong by night, by camera."""
_RESTART = datetime(2026, 7, 10, 2, 0, tzinfo=UTC), datetime(2026, 7, 10, 2, 12, tzinfo=UTC)
_LOST_AT = MORNING + timedelta(seconds=10)
"""Somebody pulls the plug of the dock's camera, and it stays so."""
_NAME = f"sightline-console-demo-{os.geteuid()}"
_MADE_OF = ("py", "safetensors", "toml", "txt", "yaml")
_FRAMES_KEPT = 12
"""Pictures a camera, for the wall of live pictures."""


@dataclass(frozen=True, slots=True)
class RunningClock:
    """The machine's clock, set to another day."""

    behind: timedelta

    @staticmethod
    def at(start: datetime) -> RunningClock:
        """One that shows `start` now and runs on from there."""
        return RunningClock(datetime.now(UTC) - start)

    def now(self) -> datetime:
        return datetime.now(UTC) - self.behind

    def monotonic(self) -> float:
        return SystemClock().monotonic()

    def sleep(self, seconds: float) -> None:
        SystemClock().sleep(seconds)


class Witness:
    """A `VisionLanguageModel` that says what the detector saw, and by the rule whether that is what was asked for."""

    model_id = "witness-7b"

    def warm_up(self) -> None:
        """Nothing to load."""

    def verdict(self, prompt: Prompt) -> Answer:
        rule_id = prompt.request.candidate.rule_id if prompt.request else ""
        fact = prompt.request.candidate.facts[0].text if prompt.request else ""
        if rule_id == "crossing-entry":
            return Answer(0.06, 0.9, 0.04, "no") if fact.startswith("car") else Answer(0.3, 0.3, 0.4, "cannot tell")
        return Answer(0.91, 0.05, 0.04, "yes")

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        assert prompt.request is not None
        request = prompt.request
        seen = {key.sequence: key for key in request.candidate.key_frames}
        shown = [seen[frame.sequence] for frame in request.frames if frame.sequence in seen]
        return json.dumps(_told(shown, request.candidate.picture_size, request.candidate.facts[0].text))

    def close(self) -> None:
        """Nothing to free."""


def _told(shown: Sequence[KeyFrame], size: tuple[int, int], fact: str) -> dict[str, Any]:
    """A report as a model writes it: boxes in thousandths, and one claim that nothing bears out."""
    frames = [number for number, key in enumerate(shown, 1) if key.regions] or [1]
    elements = [
        {"name": _named(region), "frame": number, "box": _thousandths(region, size)}
        for number, key in enumerate(shown, 1)
        for region in key.regions[:1]
    ]
    name = elements[0]["name"] if elements else "person"
    return {
        "frames": frames,
        "elements": [*elements[:6], {"name": "dog", "frame": frames[0], "box": [0, 0, 1000, 1000]}],
        "relations": [],
        "actions": [{"who": name, "what": "stays near the edge", "first_frame": frames[0], "last_frame": frames[-1]}],
        "title": f"A {name} where nobody should be",
        "explanation": f"A {name} is seen in {len(frames)} of the pictures and does not leave. Measured: {fact}.",
        "severity_reason": "Nobody is expected here at this hour.",
        "severity": "high",
        "forecasts": [{"what": f"The {name} will go on towards the gate.", "within_seconds": 30, "probability": 60}],
        "forecast": f"The {name} will go on towards the gate.",
        "advice": "Send somebody to look.",
    }


def _named(region: SeenRegion) -> str:
    return region.label if region.label != MOVING else "figure"


def _thousandths(region: SeenRegion, size: tuple[int, int]) -> list[int]:
    return [min(max(round(1000 * side / full), 0), 1000) for side, full in zip(region.box, (*size, *size), strict=True)]


def demo_site(text: str) -> Site:
    """The site of a text, with the demo's secrets."""
    return parse_site(text, "site.yaml", ENVIRONMENT)


def past_folder() -> Path:
    """The demo's folder: `site.yaml`, `data/`, `frames/CAMERA/00.jpg` …; made by whoever needs it first."""
    name = f"{_NAME}-{_fingerprint()}"
    folder = Path(tempfile.gettempdir()) / name
    with _alone(folder.with_suffix(".lock")):
        if not folder.exists():
            _clear_old()
            making = Path(tempfile.mkdtemp(prefix=f"{name}-making-"))
            _make(making)
            making.rename(folder)
    return folder


def _fingerprint() -> str:
    """Of this file and of all of the program that makes a past: its code, its weights, its words; not its pages."""
    program = Path(pipeline.__file__).parent
    made_of = {Path(__file__), *(path for kind in _MADE_OF for path in program.rglob(f"*.{kind}"))}
    digest = hashlib.blake2b(str(_REAL_CLIP.exists()).encode(), digest_size=6)
    for path in sorted(path for path in made_of if program / "console" not in path.parents):
        digest.update(b"\0" + path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _clear_old() -> None:
    """Pasts that a program of another day has made."""
    yesterday = time.time() - timedelta(days=1).total_seconds()
    for old in Path(tempfile.gettempdir()).glob(f"{_NAME}-*/"):
        if old.stat().st_mtime < yesterday:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _make(folder: Path) -> None:
    scenes = {camera: open_scene(name, seed=1) for camera, name in _SCENES.items()}
    text = _site_text(scenes)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    written_at = (EVENING - timedelta(days=1)).timestamp()
    os.utime(folder / "site.yaml", (written_at, written_at))
    with Receiver() as guards, Receiver(otherwise=answer(410, b"gone")) as pager:
        for start in (EVENING, MORNING):
            site = demo_site(_as_run(text, _URLS[start], guards.url, pager.url))
            _watch(site, folder / "data", start)
            _review(folder / "data", start)
    _lose_the_dock(demo_site(text), folder / "data")
    _cover(folder / "data")
    for camera_id, url in _URLS[MORNING].items():
        _keep_frames(url, folder / "frames" / camera_id)


def _site_text(scenes: Mapping[str, Scene]) -> str:
    shapes: dict[str, str] = {}
    for camera, scene in scenes.items():
        shapes[f"{camera}_zones"] = _flow({name: _rounded(points) for name, points in scene.zones.items()})
        shapes[f"{camera}_lines"] = _flow({name: _rounded(points) for name, points in scene.lines.items()})
    return SITE.format(**shapes)


def _rounded(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[round(float(x), 3), round(float(y), 3)] for x, y in points]


def _flow(shapes: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(points)}" for name, points in shapes.items()) + "}"


def _as_run(text: str, urls: Mapping[str, str], guards: str, pager: str) -> str:
    """The site file with scenes for cameras and receivers on this machine."""
    for number, (_, url) in enumerate(urls.items(), 11):
        text = text.replace(f"rtsp://viewer:${{CAMERA_PASSWORD}}@10.20.0.{number}/main", url)
    text = text.replace('"https://guards.example.org/hook"', f'"{guards}", allow_private: true')
    return text.replace('"https://pager.example.org/hook"', f'"{pager}", allow_private: true')


def _watch(site: Site, data: Path, start: datetime) -> None:
    """As `sightline run` would, as fast as this machine can."""
    settings, clock = settings_for(site, data_dir=data, log_level="error"), RunningClock.at(start + _LONGEST)
    vision = load_models(site, settings, clock).vision
    models = Models(vision, VlmReasoner(Witness(), settings.reasoning, clock))
    pace = Pace(speed=0.0, start_at=start)
    with build_local(site, settings, pace=pace, clock=clock, models=models) as runtime:
        runtime.warm_up()
        runtime.run(threading.Event())
    models.close()


def _review(data: Path, start: datetime) -> None:
    """What people said of it before the console was opened, of the morning little; and what of the evening could not
    be delivered was given up."""
    clock = RunningClock.at(start + timedelta(minutes=4))
    stores = open_stores(settings_for(None, data_dir=data), must_exist=True)
    recorder = IncidentRecorder(stores.incidents, lambda _change: (), clock)
    opened = stores.incidents.find(IncidentFilter(opened_from=start, limit=100))[::-1]
    for incident in opened if start == EVENING else opened[:1]:
        _decide(recorder, incident)
    while start == EVENING and (due := stores.outbox.claim_due("demo", clock.now() + timedelta(hours=1), 60.0)):
        stores.outbox.mark_dead(due.delivery.id, "demo", "410 Gone", clock.now())
    stores.close()


def _decide(recorder: IncidentRecorder, incident: Incident) -> None:
    recorder.acknowledge(incident.id, "olu")
    is_right = incident.rule_id != "crossing-entry"
    note = "" if is_right else "only the night bus"
    recorder.review(incident.id, is_right=is_right, by="olu", note=note)


def _lose_the_dock(site: Site, data: Path) -> None:
    """A condition of the camera, as its monitor tells it."""
    told_at = _LOST_AT + timedelta(seconds=10)
    stores = open_stores(settings_for(None, data_dir=data), must_exist=True)
    clock = RunningClock.at(told_at)
    recorder, ledger = IncidentRecorder(stores.incidents, lambda _change: (), clock), Ledger(stores.decisions)

    def tell(candidate: Candidate) -> None:
        recorder.candidate(candidate, will_verify=False)

    desk = HealthDesk(site, lambda _camera_id: None, tell, CoverageBook(stores.coverage, clock), ledger, clock)
    desk.changed(HealthChange("dock", Condition.OFFLINE, True, _LOST_AT, told_at, "no answer within 10 s"))
    ledger.flush()
    stores.close()


def _cover(data: Path) -> None:
    """What lies around the scenes is not run, only told: a quiet day and night, and hours yet to come."""
    stores = open_stores(settings_for(None, data_dir=data), must_exist=True)
    spans = [(EVENING - timedelta(hours=14), _RESTART[0]), (_RESTART[1], NOW + timedelta(hours=4))]
    for camera in _URLS[MORNING]:
        at, length, *why = _UNSEEN.get(camera, (NOW, timedelta(0)))
        gaps: list[tuple[Any, ...]] = [(at, at + length, *why)] if why else []
        gaps += [(_LOST_AT, NOW + timedelta(hours=4), "offline", "no answer within 10 s")] * (camera == "dock")
        for layer in Layer:
            parts = [part for start, end in spans for part in _between(start, end, gaps)]
            stores.coverage.extend([Interval(camera, layer, start, end) for start, end in parts])
        stores.coverage.extend([Interval(camera, Layer.PICTURES, *gap) for gap in gaps])
    stores.close()


def _between(start: datetime, end: datetime, gaps: Sequence[tuple[Any, ...]]) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) without the gaps, which are in order."""
    for first, last, *_ in gaps:
        if start < last and first < end:
            yield start, first
            start = last
    if start < end:
        yield start, end


def _keep_frames(url: str, folder: Path) -> None:
    """Pictures of a camera, a second apart, for the wall; and, of scenes, what is in them."""
    folder.mkdir(parents=True)
    for number, (pixels, seen) in enumerate(_pictures(url)):
        cv2.imwrite(str(folder / f"{number:02}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])
        height, width = pixels.shape[:2]
        boxes = [
            (one.label, one.id, (box.left / width, box.top / height, box.right / width, box.bottom / height))
            for one in seen
            for box in [one.box]
        ]
        (folder / f"{number:02}.json").write_text(json.dumps(boxes), encoding="utf-8")


def _pictures(url: str) -> Iterator[tuple[np.ndarray, Sequence[ActorTruth]]]:
    """BGR, and what is there."""
    if not url.startswith("synthetic:"):
        film = cv2.VideoCapture(url)
        for number in range(_FRAMES_KEPT):
            film.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * (3 + number))
            yield film.read()[1], ()
        film.release()
        return
    name, _, query = url.removeprefix("synthetic:").partition("?")
    scene = open_scene(name, seed=int(dict(part.split("=") for part in query.split("&"))["seed"]))
    for number in range(_FRAMES_KEPT):
        pixels, truth = scene.render(10.0 + number)
        yield pixels[:, :, ::-1], truth.actors
