"""Rates of sampling, by the frames' own times."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts.camera import SamplingLimits
from pipeline.sampling.budget import SamplingBudget, Schedule
from tests.support.perception import at


@pytest.mark.parametrize("camera_fps", [5.0, 7.0, 12.0, 12.5, 24.0, 25.0, 29.97, 30.0, 60.0])
def test_the_active_rate_holds_on_average(camera_fps: float) -> None:
    """Five a second out of any camera's rate are five a second over a minute, without drift."""
    budget = SamplingBudget(SamplingLimits(active_fps=5))
    taken = [budget.decide(at(n / camera_fps), True).is_sampled for n in range(round(60 * camera_fps))]
    assert sum(taken) == pytest.approx(300, abs=1)


def test_a_slower_camera_is_sampled_whole() -> None:
    """A camera below the rate loses no frame, and builds up no credit for a burst."""
    schedule = Schedule(5)
    assert all(schedule.take(at(n / 4)) for n in range(40))
    assert sum(schedule.take(at(10 + n / 25)) for n in range(25)) <= 6


def test_jitter_costs_no_frames() -> None:
    """A camera whose own rate is the allowed one keeps all its frames although they come a little early or late."""
    schedule = Schedule(5)
    jitter = np.random.default_rng(0).uniform(-0.015, 0.015, 500)
    assert sum(schedule.take(at(n / 5 + float(jitter[n]))) for n in range(500)) >= 499


def test_a_silent_camera_gives_a_heartbeat() -> None:
    """With no motion the first frame and one every idle period are sampled, and it says so."""
    budget = SamplingBudget(SamplingLimits(idle_fps=0.2))
    verdicts = [budget.decide(at(n / 10), False) for n in range(301)]
    assert [n / 10 for n, verdict in enumerate(verdicts) if verdict.is_sampled] == [0, 5, 10, 15, 20, 25, 30]
    assert {verdict.reason for verdict in verdicts} == {"first", "heartbeat", "no motion"}


def test_motion_is_sampled_at_once() -> None:
    """The first moving frame after a silence is not kept waiting."""
    budget = SamplingBudget(SamplingLimits(active_fps=2))
    for n in range(100):
        budget.decide(at(n / 10), False)
    assert budget.decide(at(10.05), True).reason == "motion"


def test_the_active_rate_outlasts_the_motion() -> None:
    """After the last motion the camera stays active for `active_for`, then idles."""
    budget = SamplingBudget(SamplingLimits(active_fps=5, active_for=3.0))
    budget.decide(at(0), False)
    budget.decide(at(1), True)
    reasons = {n: budget.decide(at(1 + n / 5), False).reason for n in range(1, 30)}
    assert [n for n, reason in reasons.items() if reason == "active"] == list(range(1, 16))
    assert reasons[16] == "no motion"


def test_a_heartbeat_counts_towards_the_active_rate() -> None:
    """Motion right after a heartbeat waits its turn, so that the camera's rate is never exceeded."""
    budget = SamplingBudget(SamplingLimits(active_fps=5))
    budget.decide(at(0), False)
    assert budget.decide(at(0.04), True).reason == "over camera rate"
    assert budget.decide(at(0.2), True).reason == "motion"
