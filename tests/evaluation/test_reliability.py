"""Reliability of forecasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.forecast import Outcome
from pipeline.errors import ConfigError
from pipeline.evaluation.reliability import by_camera_and_rule, draw_reliability, reliability
from tests.support.forecasts import checked, kept


def test_the_figures_of_a_small_table() -> None:
    """Brier, reference, skill and calibration error as reckoned by hand."""
    told = [checked(0.9, happened=True), checked(0.9, happened=False), checked(0.1, happened=False)]
    figures = reliability([*told, checked(0.1, happened=False)])
    assert figures.brier == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert figures.base_rate == 0.25
    assert figures.reference_brier == pytest.approx(0.25 * 0.75)
    assert figures.skill == pytest.approx(1 - 0.21 / 0.1875)
    assert figures.ece == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)


def test_the_reference_knows_kinds_and_horizons() -> None:
    """To say 0 where nothing ever happens and 1 where everything does is no skill."""
    told = [checked(1.0, happened=True, kind="stays"), checked(0.0, happened=False, kind="enters")]
    assert reliability(told).reference_brier == 0.0
    assert reliability(told).skill is None


def test_what_is_not_known_is_counted_and_left_out() -> None:
    """Unknown and pending forecasts change no figure."""
    figures = reliability([checked(0.5, happened=True), kept(outcome=Outcome.UNKNOWN), kept()])
    assert (figures.number, figures.num_unknown, figures.num_pending) == (1, 1, 1)
    assert figures.brier == 0.25


def test_nothing_gives_no_figures() -> None:
    """None, never 0."""
    figures = reliability([])
    assert (figures.brier, figures.skill, figures.ece, figures.bins) == (None, None, None, ())


def test_honest_probabilities_are_found_calibrated() -> None:
    """Drawn by their own probabilities: nearly every interval holds, and the skill is above 0."""
    chance = np.random.default_rng(3)
    told = [checked(float(p), happened=bool(chance.random() < p)) for p in chance.random(3000)]
    figures = reliability(told)
    assert figures.ece is not None
    assert figures.skill is not None
    assert figures.ece < 0.03
    assert figures.skill > 0.2
    assert sum(low <= each.mean_probability <= high for each in figures.bins for low, high in [each.interval]) >= 8


def test_the_interval_is_wilsons() -> None:
    """8 of 10: 49 to 94 % (Wilson 1927; as statsmodels' proportion_confint gives it)."""
    told = [checked(0.75, happened=number < 8) for number in range(10)]
    assert reliability(told).bins[0].interval == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_each_camera_and_rule_by_itself() -> None:
    """In order of their names."""
    told = [checked(0.5, happened=True, camera_id=camera, rule_id=rule) for camera, rule in ("bb", "ab", "aa", "aa")]
    assert {key: group.number for key, group in by_camera_and_rule(told).items()} == {
        ("a", "a"): 2,
        ("a", "b"): 1,
        ("b", "b"): 1,
    }


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    """A PNG; without any outcome there is none."""
    draw_reliability(tmp_path / "plot.png", {"gate": reliability([checked(0.5, happened=True)])})
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="no forecast has an outcome"):
        draw_reliability(tmp_path / "none.png", {"gate": reliability([kept()])})
