"""How close a rule came: worked by hand."""

from __future__ import annotations

from datetime import timedelta

from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.evaluation.near_misses import near_misses
from tests.support.cli import START, count, incident


def stay(seconds: float, **given: object) -> DecisionCount:
    """Nothing stayed longer than so many of the 45 seconds it takes."""
    return count(Gate.PREDICATE, "not long enough", min_value=0.0, max_value=seconds, threshold=45.0, **given)


def test_the_closest_value_of_a_minute() -> None:
    """Of several refusals in a minute the one nearest to its threshold is told, by gate and number."""
    dwell = count(Gate.DWELL, "dwell", min_value=0.2, max_value=1.8, threshold=2.0)
    (found,) = near_misses("loitering", [stay(30.0), dwell], [])
    assert (found.minute, found.count, found.closeness) == (START, dwell, 0.9)


def test_less_than_half_is_nothing() -> None:
    """22 of 45 seconds are not near; 23 are."""
    assert near_misses("loitering", [stay(22.0)], []) == []
    assert len(near_misses("loitering", [stay(23.0)], [])) == 1


def test_the_way_to_an_alert_is_no_miss() -> None:
    """Values of the minute in which the rule's own incident began are its climb; another rule's do not matter."""
    assert near_misses("loitering", [stay(44.0)], [incident(3.0)]) == []
    assert len(near_misses("loitering", [stay(44.0)], [incident(3.0, rule="other")])) == 1
    assert len(near_misses("loitering", [stay(44.0)], [incident(70.0)])) == 1


def test_what_only_the_cooldown_held_back_was_met() -> None:
    """A minute with a refusal by the cooldown holds no near miss."""
    cooling = count(Gate.COOLDOWN, "cooldown", min_value=3.0, max_value=50.0, threshold=60.0)
    assert near_misses("loitering", [stay(44.0), cooling], []) == []


def test_minutes_are_told_apart() -> None:
    """Each minute has its own, in time order; other rules' counts are theirs."""
    earlier = DecisionCount(
        "yard", "loitering", START - timedelta(minutes=3), Gate.DWELL, False, "dwell", 1, 1, 1, 2, ""
    )
    found = near_misses("loitering", [stay(30.0), earlier, stay(40.0, rule="other")], [])
    assert [one.minute for one in found] == [START - timedelta(minutes=3), START]
