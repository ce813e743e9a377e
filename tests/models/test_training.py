"""The loop that trains the built-in models."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.models.training.loop import log_path, train
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.weights import VISION, read_weights
from tests.support.builtin import tiny_plan

pytestmark = pytest.mark.models
_STEPS = 4


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, ...]]:
    out = tmp_path_factory.mktemp("whole")
    return out, train(tiny_plan(out, _STEPS)).losses


def test_same_seed_gives_the_same_curve(uninterrupted: tuple[Path, tuple[float, ...]], tmp_path: Path) -> None:
    """Training again from the seed gives the same losses, to the last bit."""
    assert train(tiny_plan(tmp_path, _STEPS)).losses == uninterrupted[1]


def test_another_seed_gives_another_curve(uninterrupted: tuple[Path, tuple[float, ...]], tmp_path: Path) -> None:
    """The seed is what decides."""
    assert train(tiny_plan(tmp_path, 1, seed=4)).losses[0] != uninterrupted[1][0]


def test_resumed_equals_uninterrupted(uninterrupted: tuple[Path, tuple[float, ...]], tmp_path: Path) -> None:
    """A run that was stopped and resumed has the losses and the weights of one that was not."""
    out, losses = uninterrupted
    plan = tiny_plan(tmp_path, _STEPS)
    first = train(replace(plan, stop_at=2))
    second = train(plan, is_resumed=True)
    assert (first.steps, second.steps) == (2, _STEPS)
    assert first.losses + second.losses == losses
    for name, value in read_weights(out, VISION).tensors.items():
        np.testing.assert_array_equal(value, read_weights(tmp_path, VISION).tensors[name])


def test_a_run_whose_time_is_up_can_be_resumed(tmp_path: Path) -> None:
    """It stops where it is in its plan, with everything written."""
    stopped = train(replace(tiny_plan(tmp_path, _STEPS), at_most_seconds=0.0))
    assert stopped.steps == 0
    assert train(replace(tiny_plan(tmp_path, _STEPS), stop_at=1), is_resumed=True).steps == 1


def test_the_log_has_the_steps_and_the_held_out_figures(uninterrupted: tuple[Path, tuple[float, ...]]) -> None:
    """One JSON object a line: losses with their parts, and what held-out scenes gave."""
    lines = [json.loads(line) for line in log_path(tiny_plan(uninterrupted[0], _STEPS)).read_text().splitlines()]
    assert lines[0]["step"] == 0
    assert {"loss", "label", "frames", "grid"} <= lines[0].keys()
    assert {"label", "pose", "action", "retrieval", "known_places"} <= lines[-1]["held_out"].keys()


def test_the_run_leaves_weights_and_their_card(uninterrupted: tuple[Path, tuple[float, ...]]) -> None:
    """What ships: half-precision weights that tell their size and steps, and a card that states the training."""
    out, _ = uninterrupted
    assert read_weights(out, VISION).facts["steps"] == _STEPS
    card = (out / "CARD.md").read_text()
    assert f"steps {_STEPS}" in card
    assert "Apache-2.0" in card


def test_the_rate_depends_on_the_step_alone() -> None:
    """It rises, then falls to a fiftieth at the plan's last step."""
    plan = TrainingPlan("vision", Path("unused"), 1000, warm_up_steps=10, learning_rate=1.0)
    rates = [plan.rate(step) for step in range(1001)]
    assert max(rates) == max(rates[8:12])
    assert math.isclose(rates[1000], 0.02)


def test_resume_without_a_run_is_refused(tmp_path: Path) -> None:
    """The words say what is missing."""
    with pytest.raises(ConfigError, match="nothing to resume"):
        train(tiny_plan(tmp_path, 1), is_resumed=True)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """Not resumed from, and no traceback of a library."""
    (tmp_path / "vision-checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match="cannot resume"):
        train(tiny_plan(tmp_path, 1), is_resumed=True)


def test_another_size_cannot_be_resumed(uninterrupted: tuple[Path, tuple[float, ...]]) -> None:
    """Size, stage and seed must be those of the run."""
    with pytest.raises(ConfigError, match="seed 3, not 5"):
        train(replace(tiny_plan(uninterrupted[0], 9), seed=5), is_resumed=True)


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    """With the names of those that are."""
    with pytest.raises(ConfigError, match="vision, captions"):
        train(replace(tiny_plan(tmp_path, 1), stage="audio"))
