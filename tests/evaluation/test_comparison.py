"""Which alerts of two rules are about the same thing."""

from __future__ import annotations

from pipeline.evaluation.comparison import compare
from pipeline.evaluation.spans import Prediction


def told(start: float, end: float, camera: str = "yard", rule: str = "fall") -> Prediction:
    return Prediction(camera, start, end, rule)


def test_what_overlaps_is_the_same() -> None:
    """One to one: of two that overlap a third, the one that fits better is the same, the other is only the second's."""
    found = compare([told(10, 20)], [told(19, 30), told(11, 20)])
    assert (found.both, found.only_first, found.only_second) == (((0, 1),), (), (0,))


def test_instants_a_moment_apart_are_the_same() -> None:
    """Up to a second lies between them; more is another thing."""
    assert compare([told(10, 10)], [told(11, 11)]).both == ((0, 0),)
    assert compare([told(10, 10)], [told(11.1, 11.1)]).both == ()


def test_recordings_and_rules_are_kept_apart() -> None:
    """Nothing on one recording is the same as something on another, nor are two rules' alerts."""
    assert compare([told(10, 20)], [told(10, 20, camera="gate")]).both == ()
    assert compare([told(10, 20)], [told(10, 20, rule="fight")]).both == ()


def test_one_of_them_found_nothing() -> None:
    """Everything is only the other's."""
    found = compare([], [told(1, 2), told(5, 6)])
    assert (found.both, found.only_first, found.only_second) == ((), (), (0, 1))
