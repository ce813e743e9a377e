"""The book of what was watched."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import ManualClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.coverage import ENDED, Interval, Layer
from pipeline.errors import TransientError
from pipeline.runtime.coverage import CoverageBook, judged_gap_seconds

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
CAMERA = "gate"


class ShelfStore:
    """A `CoverageStore` in memory; fails as long as `is_down`."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, Layer, str, str, datetime], Interval] = {}
        self.is_down = False

    def extend(self, intervals: Sequence[Interval]) -> None:
        if self.is_down:
            raise TransientError("down")
        self.kept |= {(i.camera_id, i.layer, i.rule_id, i.reason, i.start): i for i in intervals}

    def between(self, camera_ids: Collection[str] | None, start: datetime, end: datetime) -> list[Interval]:
        return list(self.kept.values())

    def known_since(self, camera_ids: Collection[str] | None = None) -> Mapping[tuple[str, Layer], datetime]:
        return {}

    def told(self, layer: Layer = Layer.PICTURES) -> list[tuple[float, float, str]]:
        """(first, last second, reason) of what is not empty, in order."""
        found = (i for i in self.kept.values() if i.layer is layer and i.end > i.start)
        return sorted((second(i.start), second(i.end), i.reason) for i in found)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def second(moment: datetime) -> float:
    return (moment - START).total_seconds()


@pytest.fixture
def store() -> ShelfStore:
    return ShelfStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def book(store: ShelfStore, clock: ManualClock) -> CoverageBook:
    return CoverageBook(store, clock)


def see(book: CoverageBook, *seconds: float) -> None:
    for moment in seconds:
        book.seen(CAMERA, at(moment))


def test_frames_in_a_row_are_one_interval(book: CoverageBook, store: ShelfStore) -> None:
    """Written while it is open, by its last frame; nothing is written again that did not change."""
    see(book, 0, 1, 2.5)
    assert book.flush() == 1
    assert store.told() == [(0, 2.5, "")]
    assert book.flush() == 0
    see(book, 4)
    book.flush()
    assert store.told() == [(0, 4, "")]


def test_silence_is_a_hole(book: CoverageBook, store: ShelfStore) -> None:
    """Longer than the honest gap, nobody watched, and the reason is that no frames came."""
    see(book, 0, 1, 10, 11)
    book.flush()
    assert store.told() == [(0, 1, ""), (1, 10, "no frames"), (10, 11, "")]


def test_the_honest_gap_is_the_cameras(book: CoverageBook, store: ShelfStore) -> None:
    """A camera of one frame in ten seconds is watched; the gap can change while it runs."""
    see(book, 0)
    book.set_gap(CAMERA, 12.0)
    see(book, 10, 20)
    book.flush()
    assert store.told() == [(0, 20, "")]


def test_a_condition_reaches_back_to_when_it_began(book: CoverageBook, store: ShelfStore) -> None:
    """Told twenty seconds late, of pictures that came all the while: watched time, also stored, is cut back."""
    see(book, *range(31))
    book.flush()
    book.blind(CAMERA, "frozen", at(10), "the same picture")
    see(book, *range(31, 41))
    book.flush()
    assert store.told() == [(0, 10, ""), (10, 40, "frozen")]
    see(book, 41, 42)
    book.sighted(CAMERA, "frozen", at(41))
    see(book, 43)
    book.flush()
    assert store.told() == [(0, 10, ""), (10, 41, "frozen"), (41, 43, "")]


def test_a_condition_that_began_before_the_interval_takes_all_of_it_back(book: CoverageBook, store: ShelfStore) -> None:
    """Also intervals that were finished and stored meanwhile."""
    see(book, 0, 1, 10, 11, 20, 21)
    book.flush()
    book.blind(CAMERA, "black", at(0.5))
    book.sighted(CAMERA, "black", at(30))
    book.flush()
    assert [told for told in store.told() if told[2] != "no frames"] == [(0, 0.5, ""), (0.5, 30, "black")]


def test_offline_is_one_interval_from_the_last_frame_to_the_first(
    book: CoverageBook, store: ShelfStore, clock: ManualClock
) -> None:
    """Without frames it lasts until now as far as is known; at the end it is as long as it was."""
    see(book, 0, 1)
    book.blind(CAMERA, "offline", at(1.4), "no answer within 10 s")
    clock.advance(60)
    book.flush()
    assert store.told() == [(0, 1, ""), (1, 60, "offline")]
    see(book, 90)
    book.sighted(CAMERA, "offline", at(90))
    see(book, 91)
    book.flush()
    assert store.told() == [(0, 1, ""), (1, 90, "offline"), (90, 91, "")]


def test_conditions_may_overlap(book: CoverageBook, store: ShelfStore) -> None:
    """Watched again only when the last one is over."""
    see(book, 0, 1, 2)
    book.blind(CAMERA, "black", at(2))
    see(book, 3, 4)
    book.blind(CAMERA, "frozen", at(3))
    see(book, 5)
    book.sighted(CAMERA, "black", at(5))
    see(book, 6, 7)
    book.sighted(CAMERA, "frozen", at(7))
    see(book, 8)
    book.flush()
    assert store.told() == [(0, 2, ""), (2, 5, "black"), (3, 7, "frozen"), (7, 8, "")]


def test_a_clock_set_back_begins_a_new_interval(book: CoverageBook, store: ShelfStore) -> None:
    """Time that was told of is not told of again."""
    see(book, 100, 101, 102, 95, 96.5, 98, 99.5, 101, 102, 103, 104)
    book.flush()
    assert store.told() == [(95, 100, ""), (100, 102, ""), (102, 104, "")]


@given(st.lists(st.integers(0, 60), max_size=40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 60))))
def test_watched_time_never_overlaps_and_never_is_negative(moments: list[int], blinds: list[tuple[int, int]]) -> None:
    """Whatever order a camera's clock gives its frames, and whatever blinds it in between."""
    store = ShelfStore()
    book = CoverageBook(store, ManualClock(START))
    for index, moment in enumerate(moments):
        see(book, moment)
        for _, since in (blind for blind in blinds if blind[0] == index):
            book.blind(CAMERA, "black", at(since))
            book.flush()
            book.sighted(CAMERA, "black", at(since + 1))
    book.closed(CAMERA)
    book.flush()
    assert all(interval.end >= interval.start for interval in store.kept.values())
    watched = [told for told in store.told() if not told[2]]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(watched))


def test_rules_have_their_own_account(book: CoverageBook, store: ShelfStore) -> None:
    """The reason told of a frame in the hole is the hole's; an old one is not."""
    for moment in (0, 5, 10):
        book.judged(CAMERA, at(moment))
    book.not_judged(CAMERA, "overloaded", at(12))
    book.not_judged(CAMERA, "perception failed", at(13))
    book.judged(CAMERA, at(40))
    book.judged(CAMERA, at(60))
    book.flush()
    assert store.told(Layer.RULES) == [(0, 10, ""), (10, 40, "perception failed"), (40, 60, "not judged")]
    assert store.told() == []


def test_a_clean_stop_is_told(book: CoverageBook, store: ShelfStore) -> None:
    """So is what blinded until then; a new run begins anew."""
    see(book, 0, 1)
    book.judged(CAMERA, at(1))
    book.blind(CAMERA, "black", at(1))
    see(book, 5)
    book.closed(CAMERA, at(6))
    see(book, 100, 101)
    book.flush()
    assert store.told() == [(0, 1, ""), (1, 6, "black"), (6, 6.000001, "stopped"), (100, 101, "")]
    assert store.told(Layer.RULES) == [(1, 6, "stopped")]


def test_rules_are_judged_up_to_the_end_of_a_recording(book: CoverageBook, store: ShelfStore) -> None:
    """While nothing moves they are judged seldom: the last frames had nothing for them, and are no hole."""
    see(book, *range(10))
    for moment in (0, 5):
        book.judged(CAMERA, at(moment))
    book.closed(CAMERA, reason=ENDED)
    book.flush()
    assert store.told(Layer.RULES) == store.told() == [(0, 9, ""), (9, 9.000001, "ended")]


def test_rules_that_were_left_behind_are_not_said_to_have_been_judged(book: CoverageBook, store: ShelfStore) -> None:
    """Longer than a silence may be, it is a hole."""
    see(book, *range(40))
    for moment in (0, 5):
        book.judged(CAMERA, at(moment))
    book.closed(CAMERA, reason=ENDED)
    book.flush()
    assert store.told(Layer.RULES) == [(0, 5, ""), (5, 5.000001, "ended")]


def test_a_store_that_is_away_loses_nothing(book: CoverageBook, store: ShelfStore) -> None:
    """What could not be written is written later, as it is by then."""
    store.is_down = True
    see(book, 0, 1)
    with pytest.raises(TransientError):
        book.flush()
    see(book, 10, 11)
    with pytest.raises(TransientError):
        book.flush()
    store.is_down = False
    see(book, 12)
    book.flush()
    assert store.told() == [(0, 1, ""), (1, 10, "no frames"), (10, 12, "")]


def test_memory_is_bounded_and_errs_towards_blind(store: ShelfStore, clock: ManualClock) -> None:
    """The oldest intervals stay; cuts of what is stored are kept whatever the bound."""
    book = CoverageBook(store, clock, max_pending=10)
    see(book, 0, 1, 2)
    book.flush()
    store.is_down = True
    see(book, *range(10, 1000, 10))
    book.blind(CAMERA, "black", at(1))
    store.is_down = False
    assert book.flush() < 10 + 256
    assert store.told()[0] == (0, 1, "")
    assert sum(end - start for start, end, reason in store.told() if not reason) == 1


def test_forgotten_is_said_nothing_of(book: CoverageBook, store: ShelfStore) -> None:
    """Another process goes on with the camera; what was told stays."""
    see(book, 0, 1)
    book.forget(CAMERA)
    book.flush()
    assert store.told() == [(0, 1, "")]


def test_the_honest_gap_between_judgements_follows_the_idle_rate() -> None:
    """At the default 0.2 frames a second, 12.5 s."""
    assert judged_gap_seconds(Camera.model_validate({"id": "gate", "url": "x.mp4"})) == 12.5
