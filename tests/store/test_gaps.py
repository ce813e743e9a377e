"""From the intervals of two layers to what was watched and what was blind."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.coverage import NOT_JUDGED, NOT_RUNNING, STOPPED, Interval, Layer
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.gaps import Stretch, accounts, stretches, watched_seconds

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
BOTH = (Layer.PICTURES, Layer.RULES)
PICTURES, RULES = BOTH


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def interval(layer: Layer, start: float, end: float, reason: str = "", rule_id: str = "", detail: str = "") -> Interval:
    return Interval("gate", layer, at(start), at(end), reason, detail, rule_id)


def told(found: Sequence[Stretch]) -> list[tuple[float, float, str]]:
    return [((s.start - START).total_seconds(), (s.end - START).total_seconds(), s.reason) for s in found]


def cut(*intervals: Interval, end: float = 100, layers: Sequence[Layer] = BOTH, rule_id: str = "") -> list[Stretch]:
    return stretches(intervals, START, at(end), layers=layers, rule_id=rule_id)


intervals = st.lists(
    st.builds(
        lambda layer, start, length, reason: interval(layer, start, start + length, reason),
        st.sampled_from(BOTH),
        st.integers(-20, 60),
        st.integers(0, 60),
        st.sampled_from(["", "", "offline", "overloaded", "no frames"]),
    ),
    max_size=12,
)


@given(intervals)
def test_stretches_are_the_range_and_nothing_else(found: list[Interval]) -> None:
    """They begin and end with it, follow each other without gap or overlap, and no two neighbours say the same."""
    pieces = cut(*found, end=50)
    assert (pieces[0].start, pieces[-1].end) == (START, at(50))
    assert all(one.end == other.start and one.reason != other.reason for one, other in itertools.pairwise(pieces))
    assert all(piece.seconds > 0 for piece in pieces)


@given(intervals)
def test_watched_is_where_both_layers_were_at_work(found: list[Interval]) -> None:
    """Second by second: the union within a layer, the intersection of the layers."""

    def is_at_work(layer: Layer, second: int) -> bool:
        mine = (i for i in found if i.layer is layer and not i.reason)
        return any(i.start <= at(second) and at(second + 1) <= i.end for i in mine)

    expected = sum(all(is_at_work(layer, second) for layer in BOTH) for second in range(50))
    assert watched_seconds(cut(*found, end=50)) == expected


def test_a_reason_is_the_pictures_before_the_rules() -> None:
    """Without pictures no rule can be judged: that is the reason to tell."""
    found = cut(
        *(interval(PICTURES, 0, 40), interval(PICTURES, 40, 60, "offline"), interval(PICTURES, 60, 100)),
        *(interval(RULES, 0, 30), interval(RULES, 30, 70, "overloaded"), interval(RULES, 70, 100)),
    )
    assert told(found) == [
        *((0, 30, ""), (30, 40, "overloaded"), (40, 60, "offline")),
        *((60, 70, "overloaded"), (70, 100, "")),
    ]


def test_one_layer_alone_is_judged_by_itself() -> None:
    """A process that only reads makes no claim about rules."""
    assert told(cut(interval(PICTURES, 0, 100), layers=[PICTURES])) == [(0, 100, "")]


def test_a_layer_that_fell_silent_is_blind() -> None:
    """Pictures came, and nobody judged them: nobody was there."""
    found = cut(interval(PICTURES, 0, 100), interval(RULES, 0, 50))
    assert told(found) == [(0, 50, ""), (50, 100, NOT_RUNNING)]


def test_two_readers_of_a_camera_add_up() -> None:
    """One that sees is enough."""
    found = cut(interval(PICTURES, 0, 60), interval(PICTURES, 20, 80, "offline"), layers=[PICTURES])
    assert told(found) == [(0, 60, ""), (60, 80, "offline"), (80, 100, NOT_RUNNING)]


def test_stopped_lasts_until_somebody_is_there_again() -> None:
    """A clean stop leaves a moment; the silence after it has its reason."""
    found = cut(
        *(interval(PICTURES, 0, 30), interval(PICTURES, 30, 30.1, STOPPED), interval(PICTURES, 60, 70)),
        layers=[PICTURES],
    )
    assert told(found) == [(0, 30, ""), (30, 60, STOPPED), (60, 70, ""), (70, 100, NOT_RUNNING)]


def test_the_pace_of_judging_widens_no_gap_of_the_pictures() -> None:
    """A still camera is judged every few seconds: the seconds around an outage were watched."""
    rules = interval(RULES, 0, 26), interval(RULES, 26, 54, NOT_JUDGED), interval(RULES, 54, 100)
    pictures = interval(PICTURES, 0, 30), interval(PICTURES, 30, 50, "offline"), interval(PICTURES, 50, 100)
    assert told(cut(*rules, *pictures)) == [(0, 30, ""), (30, 50, "offline"), (50, 100, "")]
    assert told(cut(*rules, interval(PICTURES, 0, 100)))[1] == (26, 54, NOT_JUDGED)


def test_a_rule_that_was_blind_by_itself_is_told_of_it_alone() -> None:
    """The camera was watched; that rule was not."""
    found = interval(PICTURES, 0, 100), interval(RULES, 0, 100), interval(RULES, 10, 20, "model failed", "climb")
    assert told(cut(*found)) == [(0, 100, "")]
    assert told(cut(*found, rule_id="climb")) == [(0, 10, ""), (10, 20, "model failed"), (20, 100, "")]


def test_what_may_yet_be_told_of_the_last_seconds_is_left_out(sqlite_database: Database) -> None:
    """Silence up to now is no gap yet; after half a minute it is one."""
    store = SqlCoverageStore(sqlite_database)
    store.extend([interval(PICTURES, 0, 100)])
    (soon,) = accounts(store, ["gate"], START, at(500), now=at(110))
    (late,) = accounts(store, ["gate"], START, at(500), now=at(200))
    assert told(soon.stretches) == [(0, 100, "")]
    assert told(late.stretches) == [(0, 100, ""), (100, 200, NOT_RUNNING)]


def test_a_camera_nobody_told_of_was_never_watched(sqlite_database: Database) -> None:
    """No record is no excuse."""
    (account,) = accounts(SqlCoverageStore(sqlite_database), ["yard"], START, at(50), now=at(500))
    assert (told(account.stretches), account.known_since) == ([(0, 50, NOT_RUNNING)], None)
