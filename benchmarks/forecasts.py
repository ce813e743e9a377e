"""Forecasts from the motion of tracks, against what then happened: Brier score, skill, calibration error.

PETS09-S2L1 and TUD-Campus with YOLOX-nano's tracks and with the annotated ones, and the rendered scenes with their
true tracks. Every second, of every track in sight, every zone, every line and the picture's border: within 2, 5 and
10 s. Lines and zones are those of `pets_crossings.py` and of the scenes.

The motion model's constants are chosen (`--tune`) on TUD-Campus and the first half of PETS, and reported on the second
half of PETS and on the scenes, which took no part. Beside it stand the base rates of each kind and horizon, taken from
the very forecasts that are judged (skill 0), and the straight line taken for certain.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from measure import RESULTS, SHARED, parser, save, show
from pets_crossings import CLIPS, START, Clip, observations

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState, Fact
from pipeline.contracts.forecast import KeptForecast
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.values import Box, Severity
from pipeline.evaluation.reliability import Reliability, draw_reliability, reliability
from pipeline.events.extrapolation import Extrapolation, Motion, MotionModel, Sheaf
from pipeline.events.outlook import CameraOutlook, OutlookLimits
from pipeline.events.tracks import TrackBook
from pipeline.events.zones import shapes_of
from pipeline.scenes.library import open_scene

SAMPLED_FPS = 5.0
EVERY_SECONDS = 1.0
ALL = OutlookLimits(max_tracks=1, max_groups=1000, min_probability=0.0, max_pending=100_000)
TRACK_MEMORY_SECONDS = 3.0
SCENES = ("yard", "street", "corridor")
SCENE_SIZE = (640, 360)
GRID = {
    "window_seconds": (1.0, 2.0, 3.0),
    "wander": (0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.7),
    "fading_seconds": (3.0, 4.5, 6.0, 9.0, 15.0, 1000.0),
}


class Certain(Extrapolation):
    """The straight line, taken for certain."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height, MotionModel(wander=0.0, fading_seconds=1e9))

    def sheaf(self, motion: Motion) -> Sheaf:
        """All paths are one."""
        return super().sheaf(dataclasses.replace(motion, velocity_spread=0.0))


@dataclass(frozen=True)
class Film:
    """What is seen of one camera in a while."""

    name: str
    camera: Camera
    size: tuple[int, int]
    seen: tuple[Observation, ...]

    def between(self, first: float, last: float) -> Film:
        """A share of it."""
        number = len(self.seen)
        return dataclasses.replace(self, seen=self.seen[round(first * number) : round(last * number)])


class Kept:
    """A sink that keeps what was looked up."""

    def __init__(self) -> None:
        self.checked: list[KeptForecast] = []

    def put(self, forecasts: Sequence[KeptForecast]) -> None:
        """Take in."""
        self.checked += [one for one in forecasts if one.outcome is not None]


def foretold(film: Film, model: MotionModel | None) -> list[KeptForecast]:
    """All forecasts of a film with their outcomes; without a model the straight line for certain."""
    width, height = film.size
    sink = Kept()
    extrapolation = Extrapolation(width, height, model) if model is not None else Certain(width, height)
    shapes = shapes_of(film.camera, width, height)
    outlook = CameraOutlook(film.camera, shapes, film.size, sink, extrapolation, ALL)
    book = TrackBook(TRACK_MEMORY_SECONDS)
    next_seconds = 0.0
    for observation in film.seen:
        seconds = observation.captured_at.timestamp()
        book.update(observation, seconds)
        outlook.see(book)
        if seconds >= next_seconds:
            next_seconds = seconds + EVERY_SECONDS
            for track in book.visible:
                outlook.expect(_candidate(film, observation, track.track_id), book)
    outlook.end()
    return sink.checked


def _candidate(film: Film, observation: Observation, track_id: int) -> Candidate:
    at = observation.captured_at
    return Candidate(
        id=f"{film.name}-{track_id}-{observation.sequence}",
        camera_id=film.camera.id,
        rule_id="all",
        rule_version="",
        state=CandidateState.OPENED,
        severity=Severity.LOW,
        started_at=at,
        opened_at=at,
        score=1.0,
        peak_score=1.0,
        threshold=1.0,
        facts=(Fact(kind="inside", text="", at=at, track_id=track_id),),
    )


def clip_film(clip: Clip, source: str) -> Film:
    """A clip with YOLOX's tracks or the annotated ones, at five frames a second."""
    step = max(round(clip.fps / SAMPLED_FPS), 1)
    seen = tuple(observations(clip, step) if source == "YOLOX" else _annotated(clip, step))
    return Film(f"{clip.name} {source}", clip.camera(), clip.size, seen)


def _annotated(clip: Clip, step: int) -> Iterator[Observation]:
    frames: dict[int, list[Region]] = defaultdict(list)
    with (SHARED / clip.truth).open() as rows:
        for frame, who, left, top, width, height in (map(float, row[:6]) for row in csv.reader(rows)):
            box = Box(left, top, left + width, top + height)
            frames[int(frame) - 1].append(Region(box, "person", 1.0, int(who)))
    for index in range(0, max(frames) + 1, step):
        yield _observation(clip.name, index, index / clip.fps, clip.size, frames[index])


def scene_film(name: str) -> Film:
    """A rendered scene with its true tracks."""
    scene = open_scene(name, size=SCENE_SIZE)
    camera = Camera.model_validate({"id": name, "url": f"synthetic:{name}", "zones": scene.zones, "lines": scene.lines})
    seen = []
    for index in range(round(scene.duration_seconds * SAMPLED_FPS)):
        _, truth = scene.render(index / SAMPLED_FPS)
        regions = [Region(actor.box, actor.label, 1.0, actor.id) for actor in truth.actors]
        seen.append(_observation(name, index, index / SAMPLED_FPS, SCENE_SIZE, regions))
    return Film(f"scene {name}", camera, SCENE_SIZE, tuple(seen))


def _observation(
    camera_id: str, index: int, seconds: float, size: tuple[int, int], regions: Sequence[Region]
) -> Observation:
    blank = np.zeros((36, 64), np.uint8)
    at = START + timedelta(seconds=seconds)
    return Observation(camera_id, index, at, seconds, *size, tuple(regions), blank)


def tune(films: Sequence[Film]) -> list[tuple[float, dict[str, float]]]:
    """(Brier score, constants) of each point of the grid, the best first."""
    found = []
    for values in itertools.product(*GRID.values()):
        constants = dict(zip(GRID, values, strict=True))
        told = [one for film in films for one in foretold(film, MotionModel(**constants))]
        found.append((reliability(told).brier or 1.0, constants))
    return sorted(found, key=lambda each: each[0])


def rows_of(name: str, told: Sequence[KeptForecast], certain: Sequence[KeptForecast]) -> list[list[object]]:
    """Of each kind and horizon, of each horizon, and of all."""
    choices: dict[tuple[str, str], Any] = {("all", "all"): lambda _: True}
    for seconds in sorted({one.within_seconds for one in told}):
        choices["all", f"{seconds:g}"] = lambda one, seconds=seconds: one.within_seconds == seconds
    for kind in sorted({one.kind for one in told}):
        choices[kind, "all"] = lambda one, kind=kind: one.kind == kind
    rows: list[list[object]] = []
    for (kind, within), is_chosen in choices.items():
        ours = reliability(one for one in told if is_chosen(one))
        theirs = reliability(one for one in certain if is_chosen(one))
        rows.append([name, kind, within, ours.number, ours.num_unknown, *_figures(ours), *_figures(theirs)])
    return rows


def _figures(group: Reliability) -> list[object]:
    figures = (group.brier, group.skill, group.ece)
    return ["-" if figure is None else figure for figure in figures]


def main() -> None:
    """Measure, print, and keep with `--save`."""
    made = parser(__doc__ or "")
    made.add_argument("--tune", action="store_true", help="search the motion model's constants first (minutes)")
    arguments = made.parse_args()
    pets, tud = CLIPS
    films = {source: clip_film(pets, source) for source in ("YOLOX", "annotated")}
    figures: dict[str, Any] = {"model": dataclasses.asdict(MotionModel())}
    if arguments.tune:
        chosen_on = [clip_film(tud, source) for source in films] + [film.between(0.0, 0.5) for film in films.values()]
        figures["grid"] = [{"brier": brier, **constants} for brier, constants in tune(chosen_on)]
        for each in figures["grid"][:8]:
            print(each)
    judged = [film.between(0.5, 1.0) for film in films.values()] + [scene_film(name) for name in SCENES]
    told = {film.name: (foretold(film, MotionModel()), foretold(film, None)) for film in judged}
    rows = [row for name, (ours, certain) in told.items() for row in rows_of(name, ours, certain)]
    columns = (
        "film",
        "kind",
        "within",
        "forecasts",
        "unknown",
        "Brier",
        "skill",
        "ECE",
        "certain: Brier",
        "skill",
        "ECE",
    )
    show("Forecasts on what took no part in choosing the constants", columns, rows)
    if arguments.save:
        names = (*columns[:8], "certain_brier", "certain_skill", "certain_ece")
        figures["rows"] = [dict(zip(names, row, strict=True)) for row in rows]
        print(save(Path(__file__).stem, figures))
        draw_reliability(
            RESULTS / f"{Path(__file__).stem}.png", {name: reliability(ours) for name, (ours, _) in told.items()}
        )


if __name__ == "__main__":
    main()
