"""Events on one core: updates a second of the state machine alone, with a calibration, and of the whole stage; memory
per camera-rule, and of a calibration.

An update is one observation met by one rule of one camera. The stage is measured on cameras with six walkers
each and a rule of every kind, so most of its time goes into tracks and predicates, which rules share.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from measure import parser, save, show, spread

from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box
from pipeline.events.calibration import Calibration
from pipeline.events.reading import Reading
from pipeline.events.stage import EventStage
from pipeline.events.state_machine import PACES, SCORED, Moment, RuleMachine, fixed_levels
from pipeline.settings import EventSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
FPS = 5.0
WALKERS = 6
REPEATS = 5
VERBS = (
    {"enters": "yard"},
    {"leaves": "yard"},
    {"inside": "yard"},
    {"inside": "yard", "longer_than": 20},
    {"crosses": "kerb"},
    {"count_above": 4},
    {"left_behind": 30},
    {"faster_than": 1.8},
)


def rules() -> tuple[Rule, ...]:
    """One of each verb, at night and by day."""
    schedule = ["22:00-06:00", "06:00-22:00"]
    return tuple(
        Rule.model_validate({"id": f"r{n}", "track": verb, "schedule": schedule}) for n, verb in enumerate(VERBS)
    )


def camera(name: str) -> Camera:
    """A camera with a zone and a line."""
    yard = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
    return Camera.model_validate(
        {"id": name, "url": "synthetic:none", "zones": {"yard": yard}, "lines": {"kerb": ((0.5, 1.0), (0.5, 0.0))}}
    )


def walk(camera_id: str, frames: int) -> list[Observation]:
    """Walkers who go to and fro over the picture."""
    made = []
    for n in range(frames):
        regions = []
        for track_id in range(WALKERS):
            x = 384 + 350 * np.sin(n / FPS / 8 + track_id)
            regions.append(
                Region(Box(x - 15, 200 + 40 * track_id, x + 15, 270 + 40 * track_id), "person", 0.8, track_id)
            )
        at = START + timedelta(seconds=n / FPS)
        made.append(
            Observation(camera_id, n, at, n / FPS, 768, 576, tuple(regions), np.full((36, 64), n % 256, np.uint8))
        )
    return made


def machine_updates_per_second() -> float:
    """The state machine alone, on scores that are met a tenth of the time."""
    wanted = Rule.model_validate({"id": "r", "when": "a door opens", "schedule": "22:00-06:00"})
    subject = RuleMachine("c", wanted, NullDecisionSink())
    moments = [Moment.of(START + timedelta(seconds=n / FPS), ZONE) for n in range(20_000)]
    readings = [Reading(0.9 if n % 100 < 10 else 0.1, reason="below threshold") for n in range(100)]
    begun = time.perf_counter()
    for n, moment in enumerate(moments):
        subject.update(moment, readings[n % 100])
    return len(moments) / (time.perf_counter() - begun)


def calibration() -> Calibration:
    """Of a `when` rule with the defaults."""
    rule, pace = Rule.model_validate({"id": "r", "when": "a door opens"}), PACES[SCORED]
    return Calibration(
        fixed_levels(rule),
        alerts_per_day=1.0,
        after_seconds=6 * 3600.0,
        dwell_seconds=pace.dwell_seconds,
        smoothing_seconds=rule.timing.smoothing,
    )


def learned() -> bytes:
    """Three weeks of noise, a score a minute: what is kept, full."""
    subject = calibration()
    scores = 1 / (1 + np.exp(-np.random.default_rng(1).normal(-2, 0.6, 21 * 1440)))
    for minute, score in enumerate(scores.tolist()):
        subject.note(START.timestamp() + 60.0 * (minute - len(scores)), score)
    return subject.dump()


def calibrated_updates_per_second(body: bytes) -> float:
    """The state machine by levels that learn from each of its decisions; all blocks and fits included."""
    wanted = Rule.model_validate({"id": "r", "when": "a door opens", "schedule": "22:00-06:00"})
    levels = calibration()
    levels.load(body)
    subject = RuleMachine("c", wanted, NullDecisionSink(), levels=levels)
    moments = [Moment.of(START + timedelta(seconds=n / FPS), ZONE) for n in range(60_000)]
    logits = np.random.default_rng(2).normal(-2, 0.6, len(moments))
    readings = [Reading(score, reason="below threshold") for score in (1 / (1 + np.exp(-logits))).tolist()]
    begun = time.perf_counter()
    for moment, reading in zip(moments, readings, strict=True):
        subject.update(moment, reading)
        levels.note(moment.seconds, subject.score)
    return len(moments) / (time.perf_counter() - begun)


def bytes_per_calibration(body: bytes, number: int = 200) -> float:
    """Full ones, as they lie in memory."""
    tracemalloc.start()
    subjects = [calibration() for _ in range(number)]
    for subject in subjects:
        subject.load(body)
        for n in range(100):
            subject.note(START.timestamp() + n / FPS, 0.1)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / number


def stage_updates_per_second() -> float:
    """Observations through the whole stage, times rules."""
    scenes = walk("c", 2_000)
    stage = EventStage([(camera("c"), rules())], EventSettings(), ZONE, None, NullDecisionSink())
    begun = time.perf_counter()
    stage.process(scenes)
    return len(scenes) * len(VERBS) / (time.perf_counter() - begun)


def bytes_per_camera_rule(num_cameras: int = 100) -> float:
    """What a running stage keeps, shared by all rules of all cameras, pictures' thumbnails included."""
    tracemalloc.start()
    stage = EventStage(
        [(camera(f"c{n}"), rules()) for n in range(num_cameras)], EventSettings(), ZONE, None, NullDecisionSink()
    )
    for n in range(num_cameras):
        stage.process(walk(f"c{n}", 60))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / num_cameras / len(VERBS)


def main() -> None:
    """Measure, print, and keep with `--save`."""
    arguments = parser(__doc__ or "").parse_args()
    machine = [machine_updates_per_second() for _ in range(REPEATS)]
    body = learned()
    calibrated = [calibrated_updates_per_second(body) for _ in range(REPEATS)]
    calibration_size = bytes_per_calibration(body)
    stage = [stage_updates_per_second() for _ in range(REPEATS)]
    size = bytes_per_camera_rule()
    rows = [
        ["state machine alone, updates/s", spread(machine)],
        ["state machine with calibration, two weeks learned, updates/s", spread(calibrated)],
        [f"whole stage ({WALKERS} walkers, {len(VERBS)} rules a camera), updates/s", spread(stage)],
        ["memory, bytes per camera-rule", f"{size:,.0f}"],
        ["memory, bytes per calibration, two weeks learned", f"{calibration_size:,.0f}"],
        ["a calibration as saved, bytes", f"{len(body):,}"],
    ]
    show("Events on one core", ("measure", "median (least–most)"), rows)
    if arguments.save:
        figures = {
            "machine_updates_per_second": statistics.median(machine),
            "calibrated_updates_per_second": statistics.median(calibrated),
            "stage_updates_per_second": statistics.median(stage),
            "bytes_per_camera_rule": size,
            "bytes_per_calibration": calibration_size,
            "saved_calibration_bytes": len(body),
        }
        print(save(Path(__file__).stem, figures))


if __name__ == "__main__":
    main()
