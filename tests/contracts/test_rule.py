"""What an operator may write in a rule, and what it means."""

from __future__ import annotations

from datetime import time

import pytest
from pydantic import ValidationError

from pipeline.contracts.rule import DAYS, Rule, Schedule, Timing, TrackPredicate


@pytest.mark.parametrize(
    ("text", "start", "end", "days"),
    [
        ("22:00-06:00", time(22), time(6), set(DAYS)),
        ("mon-fri 08:00-18:00", time(8), time(18), {"mon", "tue", "wed", "thu", "fri"}),
        ("sat,sun 00:00-24:00", time(0), time(0), {"sat", "sun"}),
        ("fri-mon 8:30-9:00", time(8, 30), time(9), {"fri", "sat", "sun", "mon"}),
        ("  MON 08:00-18:00 ", time(8), time(18), {"mon"}),
    ],
)
def test_schedules(text: str, start: time, end: time, days: set[str]) -> None:
    """A schedule is a span, with days before it when it is not for every day."""
    schedule = Schedule.parse(text)
    assert (schedule.start, schedule.end, schedule.days) == (start, end, days)


@pytest.mark.parametrize("text", ["22:00", "25:00-06:00", "noon-midnight", "mo-fr 08:00-18:00", "mon tue 08:00-18:00"])
def test_wrong_schedules(text: str) -> None:
    """What is no schedule is refused with an example."""
    with pytest.raises(ValueError, match="expected"):
        Schedule.parse(text)


@pytest.mark.parametrize("value", ["22:00-06:00", ["22:00-06:00", "sat 10:00-12:00"]], ids=["one", "two"])
def test_a_rule_takes_one_or_many_schedules(value: object) -> None:
    """`schedule:` is a text or a list of them."""
    rule = Rule.model_validate({"id": "r", "when": "a door opens", "schedule": value})
    assert all(isinstance(schedule, Schedule) for schedule in rule.schedule)


def test_one_verb() -> None:
    """A predicate has exactly one verb; the message names them."""
    with pytest.raises(ValidationError, match="expected exactly one of enters, leaves"):
        TrackPredicate.model_validate({"object": "person"})
    with pytest.raises(ValidationError, match="got enters, crosses"):
        TrackPredicate.model_validate({"enters": "a", "crosses": "b"})


@pytest.mark.parametrize("body", [{"enters": "a", "longer_than": "5s"}, {"enters": "a", "direction": "left_to_right"}])
def test_companions_need_their_verb(body: dict[str, str]) -> None:
    """`longer_than` goes with `inside`, `direction` with `crosses`."""
    with pytest.raises(ValidationError, match="goes with"):
        TrackPredicate.model_validate(body)


def test_count_above_zero_is_a_verb() -> None:
    """Zero is a number, not an absence."""
    assert TrackPredicate.model_validate({"count_above": 0}).count_above == 0


def test_one_kind() -> None:
    """A rule is in words or about tracks, never both, never neither."""
    with pytest.raises(ValidationError, match="got none"):
        Rule.model_validate({"id": "r"})
    with pytest.raises(ValidationError, match="got when and track"):
        Rule.model_validate({"id": "r", "when": "a door opens", "track": {"count_above": 1}})


def test_durations_and_lists_in_short() -> None:
    """`45s` is seconds, and a single word stands for a list of one."""
    rule = Rule.model_validate(
        {"id": "r", "track": {"object": "person", "inside": "a", "longer_than": "1m30s"}, "cameras": "gate"}
    )
    assert rule.track is not None
    assert (rule.track.longer_than, rule.track.object, rule.cameras) == (90.0, ("person",), ("gate",))


def test_release_is_not_above_threshold() -> None:
    """A hysteresis the wrong way round is refused."""
    with pytest.raises(ValidationError, match="must not be above"):
        Timing(threshold=0.4, release=0.6)


def test_names_used() -> None:
    """A rule knows the zones and lines it speaks of, and where."""
    rule = Rule.model_validate({"id": "r", "track": {"crosses": "kerb"}, "zone": "yard"})
    assert set(rule.names_used) == {("zone", "zone", "yard"), ("line", "track.crosses", "kerb")}


@pytest.mark.parametrize("extra", [{"colour": "red"}, {"cooldown": -1}, {"cooldown": "inf"}, {"id": "two words"}])
def test_wrong_keys_and_values(extra: dict[str, object]) -> None:
    """Unknown keys, negative or endless durations and names with spaces are refused."""
    with pytest.raises(ValidationError):
        Rule.model_validate({"id": "r", "when": "a door opens", **extra})
