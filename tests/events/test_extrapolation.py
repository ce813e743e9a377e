"""Motion carried on: sheaves of paths, and what shares of them do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.events.extrapolation import Extrapolation, Motion, MotionModel, is_inside, motion_from, probabilities

SQUARE = np.array([(100.0, 100.0), (200.0, 100.0), (200.0, 200.0), (100.0, 200.0)])
STEADY = MotionModel(wander=0.0, fading_seconds=1e9)


def moving(x: float, y: float, vx: float, vy: float = 0.0) -> Motion:
    return Motion((x, y), (vx, vy), 0.0, 40.0)


def test_a_straight_line_enters_when_it_arrives() -> None:
    """50 px away at 20 px a second: inside after 2.5 s, not after 2 s."""
    happens = Extrapolation(640, 480, STEADY).sheaf(moving(50, 150, 20)).enters(SQUARE)
    assert probabilities(happens, [2, 3]) == pytest.approx([0, 1], abs=0.01)


def test_what_has_left_the_picture_enters_nothing() -> None:
    """A way through a zone beyond the border does not count."""
    beyond = SQUARE + np.array((640.0, 0.0))
    happens = Extrapolation(640, 480, STEADY).sheaf(moving(600, 150, 50)).enters(beyond)
    assert probabilities(happens, [10])[0] < 0.01


def test_a_line_is_crossed_within_its_ends_only() -> None:
    """The same way, by a line in it and by one beside it."""
    sheaf = Extrapolation(640, 480, STEADY).sheaf(moving(50, 150, 40))
    in_the_way, beside = np.array([(100.0, 100.0), (100.0, 200.0)]), np.array([(100.0, 200.0), (100.0, 300.0)])
    assert probabilities(sheaf.crosses(in_the_way), [2])[0] > 0.99
    assert probabilities(sheaf.crosses(beside), [10])[0] < 0.01


def test_who_goes_away_stays_no_longer() -> None:
    """From the middle of a zone, out of it and out of the picture."""
    sheaf = Extrapolation(320, 240, STEADY).sheaf(moving(150, 150, 30))
    assert probabilities(sheaf.stays(SQUARE), [1, 2]) == pytest.approx([1, 0], abs=0.01)
    assert probabilities(sheaf.leaves(), [5, 6]) == pytest.approx([0, 1], abs=0.01)


def test_one_sighting_knows_no_motion() -> None:
    """Where it will go is then as uncertain as speeds usually are."""
    motion = motion_from(np.array([(1.0, 50.0, 60.0)]), (50.0, 60.0), 40.0, MotionModel())
    assert motion.velocity == (0.0, 0.0)
    assert motion.velocity_spread == 40.0 * MotionModel().usual_speed


def test_steady_sightings_are_trusted_more_than_shaky_ones() -> None:
    """The track's own residuals widen its sheaf."""
    times = np.linspace(0, 2, 11)
    steady = np.stack([times, 30 * times, 0 * times], axis=1)
    shaky = steady + np.random.default_rng(1).normal(0, 8, steady.shape) * (0, 1, 1)
    spreads = [motion_from(seen, (60.0, 0.0), 40.0, MotionModel()).velocity_spread for seen in (steady, shaky)]
    assert spreads[1] > 2 * spreads[0]


def test_inside_is_the_even_odd_rule() -> None:
    """Of a polygon with a bay: in its arms, not in the bay."""
    bay = np.array([(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)], dtype=float)
    points = np.array([(0.5, 2), (1.5, 2), (2.5, 2), (1.5, 0.5), (4, 2)], dtype=float)
    assert is_inside(points, bay).tolist() == [True, False, True, True, False]
