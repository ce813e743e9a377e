"""What may be committed of a partition, whatever the order in which its records are completed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.watermark import Watermark

START = datetime(2026, 1, 1, tzinfo=UTC)
OFFSETS = st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=40).map(sorted)


def at(offset: int) -> datetime:
    return START + timedelta(seconds=offset)


@given(offsets=OFFSETS, data=st.data())
def test_the_position_is_the_first_record_not_completed(offsets: list[int], data: st.DataObject) -> None:
    """Whatever is completed in whatever order, all before the position are done, and the one at it is not."""
    watermark = Watermark(0)
    done = {offset: watermark.take(offset, at(offset)) for offset in offsets}
    order = data.draw(st.permutations(offsets))
    for number in range(data.draw(st.integers(0, len(order)))):
        done.pop(order[number])()
        left = [offset for offset in offsets if offset >= watermark.position]
        assert done.keys() <= set(left)
        assert left[:1] == sorted(done)[:1]


@given(offsets=OFFSETS, data=st.data())
def test_in_hand_is_all_from_the_first_not_completed(offsets: list[int], data: st.DataObject) -> None:
    """The span that a restart would handle again counts, and its oldest record's time is known."""
    watermark = Watermark(0)
    done = {offset: watermark.take(offset, at(offset)) for offset in offsets}
    for offset in data.draw(st.lists(st.sampled_from(offsets), unique=True)):
        done.pop(offset)()
    first = min(done, default=None)
    in_hand = [offset for offset in offsets if first is not None and offset >= first]
    assert watermark.num_in_hand == len(in_hand)
    assert watermark.oldest_published_at == (None if first is None else at(first))


@given(offsets=OFFSETS, committed=st.integers(0, 200), data=st.data())
def test_replays_move_nothing_back(offsets: list[int], committed: int, data: st.DataObject) -> None:
    """Below the commit records are in hand like others, but the position never falls under it."""
    watermark = Watermark(committed)
    done = [watermark.take(offset, at(offset)) for offset in offsets]
    fresh = [offset for offset in offsets if offset >= committed]
    assert watermark.oldest_published_at == (at(fresh[0]) if fresh else None)
    positions = [watermark.position]
    for complete in data.draw(st.permutations(done)):
        complete()
        positions.append(watermark.position)
    assert positions == sorted(positions)
    assert positions[0] == committed
    assert positions[-1] == max(committed, offsets[-1] + 1)
    assert watermark.num_in_hand == 0


def test_completing_twice_is_completing_once() -> None:
    """A second call of the same function changes nothing."""
    watermark = Watermark(5)
    first, second = watermark.take(5, at(5)), watermark.take(6, at(6))
    second()
    second()
    assert watermark.position == 5
    first()
    first()
    assert (watermark.position, watermark.passed_at) == (7, at(6))


def test_offsets_that_go_back_are_refused() -> None:
    """Taken out of order, nothing could be said of what is contiguous."""
    watermark = Watermark(0)
    watermark.take(3, at(3))
    with pytest.raises(ValueError, match="after 3, got 3"):
        watermark.take(3, at(3))


def test_threads_may_complete_at_once() -> None:
    """Eight threads complete 4,000 records while they are taken; all are passed in the end."""
    watermark = Watermark(0)
    done = [watermark.take(offset, at(offset)) for offset in range(4000)]
    threads = [threading.Thread(target=lambda n=n: [done[i]() for i in range(n, 4000, 8)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (watermark.position, watermark.num_in_hand) == (4000, 0)
