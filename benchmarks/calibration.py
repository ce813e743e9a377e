"""Does a learned threshold keep its budget? Alerts a day given on simulated cameras on which nothing is wrong.

Every alert is false here. Raw scores are made on the logit scale: a level and a daily rhythm of its own for each
camera, slow noise (what stands in the picture), fast noise (the encoder's), and passages: a few dozen a day, each a
bump of some seconds whose height has a Gaussian, an exponential or a heavy (Student t, 3 degrees) tail. Two kinds
drift: after the tenth day all scores are two logits higher, or lower. They go through the shipped state machine
(smoothing, hysteresis, dwell, cooldown) at the rate of a sparse (0.2 fps) or a busy (5 fps) camera, and are counted
after the first whole day.

Beside it: the fixed threshold, which is what there is without calibration, and the threshold that the first day's
frames pass as often as alerts are allowed, which knows no excursions and no drift. No constant of the calibration
was chosen by these figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import parser, save, show
from numpy.typing import NDArray

from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.rule import Rule
from pipeline.events.calibration import Calibration
from pipeline.events.reading import Reading
from pipeline.events.state_machine import PACES, SCORED, FixedLevels, Levels, Moment, RuleMachine, fixed_levels

BEGIN = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
DAY, HOUR = 86_400.0, 3_600.0
BUDGETS = (1.0, 5.0)
RULE = Rule.model_validate({"id": "r", "when": "a door opens"})
PACE = PACES[SCORED]


class Scene(NamedTuple):
    """One kind of camera."""

    name: str
    tail: str
    drift: float = 0.0
    """Logits, from the tenth day on."""


SCENES = (
    Scene("gaussian", "gaussian"),
    Scene("exponential", "exponential"),
    Scene("heavy", "heavy"),
    Scene("drifts up", "exponential", 2.0),
    Scene("drifts down", "exponential", -2.0),
)


@dataclass
class Outcome:
    """Alerts of one camera by day, from the second on, and where the threshold ended."""

    by_day: list[int]
    threshold: float


def heights(tail: str, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Of passages, logits."""
    if tail == "gaussian":
        return np.abs(rng.normal(0, 1.5, number))
    return rng.exponential(0.8, number) if tail == "exponential" else np.abs(rng.standard_t(3, number))


def day_of_scores(scene: Scene, day: int, fps: float, camera: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """(DAY * fps,) raw scores. `camera`: level, height of the rhythm, its hour, passages a day."""
    rng = np.random.default_rng((seed, day))
    level, swing, hour, passages = camera
    times = np.arange(round(DAY * fps)) / fps
    slow = np.interp(times, np.arange(0, DAY + 300, 300), rng.normal(0, 0.3, round(DAY / 300) + 1))
    rhythm = swing * np.cos((times / HOUR - hour) * np.pi / 12)
    logits = level + rhythm + slow + rng.normal(0, 0.25, len(times)) + (scene.drift if day >= 10 else 0.0)
    # Most come by day: with the rhythm.
    starts = rng.uniform(0, DAY, rng.poisson(passages))
    starts = starts[rng.random(len(starts)) < 0.5 + 0.45 * np.cos((starts / HOUR - hour) * np.pi / 12)]
    for start, height in zip(starts, heights(scene.tail, len(starts), rng), strict=True):
        lasts = rng.gamma(2.0, 4.0) + 1
        first, last = np.searchsorted(times, (start, start + lasts))
        logits[first:last] += height * np.sin(np.pi * (times[first:last] - start) / lasts) ** 0.5
    return np.asarray(1 / (1 + np.exp(-logits)))


def alerts(scores: Iterator[NDArray[np.float64]], fps: float, levels: Levels) -> Outcome:
    """Through the shipped state machine; levels that learn are told of every decision."""
    machine = RuleMachine("c", RULE, NullDecisionSink(), levels=levels)
    by_day = []
    for day, raw in enumerate(scores):
        opened = 0
        for number, score in enumerate(raw.tolist()):
            seconds = BEGIN + day * DAY + number / fps
            at = datetime.fromtimestamp(seconds, UTC)
            told = machine.update(Moment(at, seconds, at), Reading(score))
            opened += sum(transition.state is CandidateState.OPENED for transition in told)
            if isinstance(levels, Calibration):
                levels.note(seconds, machine.score)
        by_day.append(opened)
    return Outcome(by_day[1:], levels.threshold)


def raw_quantile(scores: NDArray[np.float64], fps: float, budget: float) -> Levels:
    """Of frames over a threshold no more than the budget: the first day's."""
    threshold = float(np.quantile(scores, 1 - budget / (DAY * fps)))
    return FixedLevels(threshold, threshold * 2 / 3)


def calibration(budget: float) -> Calibration:
    """As a rule without timing gets it."""
    return Calibration(
        fixed_levels(RULE),
        alerts_per_day=budget,
        after_seconds=6 * HOUR,
        dwell_seconds=PACE.dwell_seconds,
        smoothing_seconds=RULE.timing.smoothing,
    )


def measure(scene: Scene, fps: float, days: int, cameras: int, budgets: tuple[float, ...]) -> dict[str, list[Outcome]]:
    """Outcomes by method."""
    found: dict[str, list[Outcome]] = {}
    for seed in range(cameras):
        rng = np.random.default_rng(seed)
        camera = np.array([rng.uniform(-4, 0.5), rng.uniform(0, 1), rng.uniform(0, 24), rng.uniform(20, 100)])
        film = [day_of_scores(scene, day, fps, camera, seed) for day in range(days)]
        found.setdefault("fixed 0.6", []).append(alerts(iter(film), fps, fixed_levels(RULE)))
        for budget in budgets:
            found.setdefault(f"frames {budget:g}", []).append(
                alerts(iter(film), fps, raw_quantile(film[0], fps, budget))
            )
            found.setdefault(f"calibrated {budget:g}", []).append(alerts(iter(film), fps, calibration(budget)))
    return found


def row(name: str, fps: float, method: str, outcomes: list[Outcome]) -> list[object]:
    """Median camera, worst camera, worst day of all."""
    means = [statistics.mean(outcome.by_day) for outcome in outcomes]
    worst_day = max(max(outcome.by_day) for outcome in outcomes)
    silent = sum(not any(outcome.by_day) for outcome in outcomes)
    thresholds = [outcome.threshold for outcome in outcomes]
    spread = f"{min(thresholds):.2f}–{max(thresholds):.2f}"
    return [name, fps, method, statistics.mean(means), statistics.median(means), max(means), worst_day, silent, spread]


class Plan(NamedTuple):
    """What is simulated."""

    scenes: tuple[Scene, ...]
    fps: float
    days: int
    cameras: int
    budgets: tuple[float, ...]


SPARSE = Plan(SCENES, 0.2, 21, 4, BUDGETS)
BUSY = Plan(SCENES[1:2], 5.0, 5, 1, BUDGETS[1:])


def main() -> None:
    """Measure, print, and keep with `--save`."""
    wanted = parser(__doc__ or "")
    wanted.add_argument("--busy", action="store_true", help="at 5 fps instead of 0.2")
    arguments = wanted.parse_args()
    plan = BUSY if arguments.busy else SPARSE
    rows = [
        row(scene.name, plan.fps, method, outcomes)
        for scene in plan.scenes
        for method, outcomes in measure(scene, plan.fps, plan.days, plan.cameras, plan.budgets).items()
    ]
    columns = ("scores", "fps", "threshold", "alerts/day", "median", "worst camera", "worst day", "silent", "at")
    show("False alerts a day after the first; budgets beside the method", columns, rows)
    if arguments.save:
        names = ("scores", "fps", "method", "mean", "median", "worst_camera", "worst_day", "silent", "thresholds")
        name = f"{Path(__file__).stem}{'_busy' if arguments.busy else ''}"
        print(save(name, {"rows": [dict(zip(names, line, strict=True)) for line in rows]}))


if __name__ == "__main__":
    main()
