"""What a camera learns to be normal, and what it must not."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pytest

from pipeline.errors import InvalidMessage
from pipeline.events.normal import NormalBank
from tests.support.normal import (
    ATTACK,
    DAY,
    EMPTY,
    HOUR,
    NIGHT,
    PEOPLE,
    VAN,
    at,
    bank,
    day_and_night,
    picture,
    rank,
    show,
)

UNUSUAL, ORDINARY = 0.999, 0.99
"""Ranks: the one meets the fixed threshold of an `unusual` rule, the other is far from it."""


@cache
def _days(days: float) -> bytes:
    made = bank()
    show(made, day_and_night, 0, days * DAY)
    return made.dump()


def _learned(days: float = 2) -> NormalBank:
    made = bank()
    made.load(_days(days))
    return made


def _at_noon(kind: int, begin: float, end: float):  # type: ignore[no-untyped-def]
    """Day and night, but for that kind in [begin, end)."""
    return lambda seconds: kind if begin <= seconds < end else day_and_night(seconds)


def test_says_how_far_burn_in_is() -> None:
    """Until burn-in is over it says how much of it is done, and gives no rank."""
    made = bank()
    show(made, day_and_night, 0, 3 * HOUR + 120)
    assert made.missing == "learning what is normal: 3 h of 24 h"
    assert made.rank(0.5) is None


def test_only_watched_time_counts() -> None:
    """A camera that was off for a day has learned nothing in that time."""
    made = bank()
    show(made, day_and_night, 0, 2 * HOUR + 120)
    show(made, day_and_night, DAY, DAY + HOUR)
    assert made.missing == "learning what is normal: 3 h of 24 h"


def test_what_comes_daily_is_ordinary_and_what_never_came_is_not() -> None:
    """After burn-in the known kinds rank low, and a new one higher than a thousand normal pictures."""
    made = _learned()
    assert made.missing == ""
    assert rank(made, EMPTY, 2 * DAY + 12 * HOUR) < ORDINARY
    assert rank(made, PEOPLE, 2 * DAY + 12 * HOUR) < ORDINARY
    assert rank(made, ATTACK, 2 * DAY + 12 * HOUR) > UNUSUAL


def test_the_hour_counts() -> None:
    """After a week, people in the middle of the night are unusual though people are not."""
    made = _learned(7)
    assert rank(made, PEOPLE, 7 * DAY + 12 * HOUR) < ORDINARY
    assert rank(made, PEOPLE, 7 * DAY + 2 * HOUR) > UNUSUAL


def test_hours_are_of_the_wall_clock() -> None:
    """After the clocks change, the hours of a week are still those people live by."""
    made = bank(timezone="Europe/Berlin")
    spring = 83 * DAY  # 29 March 2026, 00:00 UTC; at 01:00 UTC it becomes 03:00 in Berlin
    show(made, lambda s: PEOPLE if int(s / HOUR % 24) == 6 else EMPTY, spring - 7 * DAY, spring)
    early, now = (float(made.novelty(picture(PEOPLE)[None], at(spring + DAY + h * HOUR))[0]) for h in (9, 5))
    assert now < early


def test_one_long_attack_stays_novel() -> None:
    """What was shown for ten hours on end is as unusual the next day as it was."""
    made = _learned()
    before = float(made.novelty(picture(ATTACK)[None], at(2 * DAY))[0])
    show(made, _at_noon(ATTACK, 2 * DAY + 8 * HOUR, 2 * DAY + 18 * HOUR), 2 * DAY, 3 * DAY)
    assert float(made.novelty(picture(ATTACK)[None], at(3 * DAY + 8 * HOUR))[0]) == pytest.approx(before, rel=0.1)
    assert rank(made, ATTACK, 3 * DAY + 8 * HOUR) > UNUSUAL


def test_an_attack_within_burn_in_stays_novel() -> None:
    """What came for an hour and a half while burning in did not come often enough."""
    made = bank()
    show(made, _at_noon(ATTACK, 12 * HOUR, 13.5 * HOUR), 0, DAY + HOUR)
    assert rank(made, ATTACK, DAY + HOUR) > UNUSUAL


def test_what_is_held_is_never_learned() -> None:
    """What comes daily, but always with something going on, stays unusual; so do the minutes before."""
    made = _learned()
    for day in range(2, 7):
        noon = day * DAY + 12 * HOUR
        show(made, day_and_night, day * DAY, noon)
        show(made, lambda _: VAN, noon, noon + 240)
        show(made, lambda _: ATTACK, noon + 240, noon + HOUR, held=True)
        show(made, day_and_night, noon + HOUR, (day + 1) * DAY)
    assert rank(made, ATTACK, 7 * DAY + 12 * HOUR) > UNUSUAL
    assert rank(made, VAN, 7 * DAY + 12 * HOUR) > UNUSUAL


def test_a_lasting_change_becomes_normal_after_two_days() -> None:
    """A new layout is unusual for two days, and then it is how things are."""
    made = _learned()
    show(made, lambda _: VAN, 2 * DAY, 4 * DAY - HOUR)
    assert rank(made, VAN, 4 * DAY - HOUR) > UNUSUAL
    show(made, lambda _: VAN, 4 * DAY - HOUR, 4 * DAY + HOUR)
    assert rank(made, VAN, 4 * DAY + HOUR) < ORDINARY


def test_a_lasting_change_becomes_normal_though_it_is_an_incident() -> None:
    """An incident that goes on for days holds learning for its first six hours alone."""
    made = _learned()
    show(made, lambda _: VAN, 2 * DAY, 4 * DAY + 7 * HOUR, held=True)
    assert rank(made, VAN, 4 * DAY + 7 * HOUR) < ORDINARY


def test_what_comes_again_and_again_becomes_normal() -> None:
    """A van that comes for ten minutes on three days is normal at that hour."""
    made = _learned()
    for day in (2, 3, 4):
        noon = day * DAY + 12 * HOUR
        assert rank(made, VAN, noon) > UNUSUAL
        show(made, _at_noon(VAN, noon, noon + 600), day * DAY, (day + 1) * DAY)
    assert rank(made, VAN, 5 * DAY + 12 * HOUR) < ORDINARY


def test_a_rejected_alert_is_normal_at_once() -> None:
    """After a person said that an alert was wrong, the same picture is ordinary, at that hour too."""
    made = _learned(7)
    for kind in (VAN, PEOPLE):
        moment = at(7 * DAY + 2 * HOUR)
        made.reviewed(picture(kind), moment, is_right=False)
        assert rank(made, kind, 7 * DAY + 2 * HOUR) < ORDINARY


def test_a_confirmed_alert_is_never_learned() -> None:
    """What a person confirmed loses its place, and does not win it back by coming daily."""
    made = _learned()
    show(made, lambda s: ATTACK if 12 <= s / HOUR % 24 < 13 else day_and_night(s), 2 * DAY, 5 * DAY)
    assert rank(made, ATTACK, 5 * DAY + 12 * HOUR) < ORDINARY
    made.reviewed(picture(ATTACK), at(5 * DAY), is_right=True)
    show(made, lambda s: ATTACK if 12 <= s / HOUR % 24 < 13 else day_and_night(s), 5 * DAY, 9 * DAY)
    assert rank(made, ATTACK, 9 * DAY + 12 * HOUR) > UNUSUAL


def test_the_last_word_counts() -> None:
    """Confirmed and then rejected, a picture is normal; the other way round it is not."""
    made = _learned()
    for is_right in (True, False, True):
        made.reviewed(picture(VAN), at(2 * DAY), is_right=is_right)
        assert (rank(made, VAN, 2 * DAY) > UNUSUAL) == is_right


def test_one_review_does_not_unlearn_the_ordinary() -> None:
    """A confirmed alert whose picture looks like every other does not make all pictures unusual."""
    made = _learned(4)
    made.reviewed(picture(EMPTY), at(4 * DAY), is_right=True)
    assert rank(made, EMPTY, 4 * DAY + 12 * HOUR) < ORDINARY


def test_a_storm_of_reviews_is_bounded() -> None:
    """Of thousands of reviews in a day the first few count; the rest of the normal stays as it was."""
    made = _learned()
    rng = np.random.default_rng(3)
    for vector in rng.normal(size=(2000, 32)).astype(np.float32):
        made.reviewed(vector / np.linalg.norm(vector), at(2 * DAY), is_right=bool(rng.random() < 0.5))
    assert rank(made, EMPTY, 2 * DAY + 12 * HOUR) < ORDINARY
    assert rank(made, ATTACK, 2 * DAY + 12 * HOUR) > UNUSUAL


def test_junk_displaces_nothing() -> None:
    """A day of pictures that are all unlike each other neither coarsens nor empties the bank."""
    made = _learned()
    rng = np.random.default_rng(4)
    for number, vector in enumerate(rng.normal(size=(3000, 32)).astype(np.float32)):
        made.offer(vector[None] / np.linalg.norm(vector), at(2 * DAY + number * 20))
    assert rank(made, EMPTY, 3 * DAY + 12 * HOUR) < ORDINARY
    assert rank(made, ATTACK, 3 * DAY + 12 * HOUR) > UNUSUAL


def test_state_stays_small() -> None:
    """However much a camera shows, what is kept stays under 400 KiB at 512 numbers a vector."""
    made, turn = bank(), np.arange(6000) / 12
    for number, angle in enumerate(turn):
        vector = np.zeros(512, np.float32)
        vector[[int(angle), int(angle) + 1]] = math.cos(angle % 1 * math.pi / 2), math.sin(angle % 1 * math.pi / 2)
        made.offer(vector[None], at(number * 10))
        made.reviewed(-vector, at(number * 10), is_right=True)
    assert 200 * 512 * 2 < len(made.dump()) < 400 * 1024


def test_state_goes_on_where_it_ended() -> None:
    """What is dumped and loaded ranks as before, remembers what was confirmed, and dumps the same."""
    made, other = _learned(), bank()
    made.reviewed(picture(ATTACK), at(2 * DAY), is_right=True)
    other.load(made.dump())
    assert other.missing == ""
    assert rank(other, EMPTY, 2 * DAY + HOUR) == pytest.approx(rank(made, EMPTY, 2 * DAY + HOUR), abs=0.05)
    assert other.dump() == made.dump()


def test_a_bank_that_has_seen_nothing_can_be_kept() -> None:
    """It dumps, loads, and still learns from the first picture on, whatever its size."""
    made = bank()
    made.load(bank().dump())
    made.offer(np.eye(8, dtype=np.float32), at(0))
    assert made.novelty(np.eye(8, dtype=np.float32), at(0)).tolist() == [1.0] * 8


@pytest.mark.parametrize("body", [b"", b"[]", b"3\n", b"{}\n", b"\xff\xfe", b"null\nabc"], ids=repr)
def test_refuses_what_is_no_dump(body: bytes) -> None:
    """Whatever the bytes are, what cannot be read is an invalid message."""
    with pytest.raises(InvalidMessage, match="camera's normal"):
        bank().load(body)


@pytest.mark.parametrize("cut", [0, 1, 40, 600, -1, -700])
def test_refuses_what_is_cut_short(cut: int) -> None:
    """A dump that is not whole is an invalid message, and changes nothing."""
    made = _learned(0.3)
    before = made.dump()
    with pytest.raises(InvalidMessage, match="camera's normal"):
        made.load(before[:cut])
    assert made.dump() == before


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"dimension": 31},
        {"dimension": "x"},
        {"watched_seconds": None},
        {"watched_seconds": math.nan},
        {"arrays": {}},
        {"arrays": []},
        {"arrays": {"vectors": ["|O", [1]]}},
    ],
    ids=str,
)
def test_refuses_another_header(change: dict[str, object]) -> None:
    """Another version, size or layout is refused in words, and never trusted."""
    head, _, rest = _learned(0.3).dump().partition(b"\n")
    body = json.dumps({**json.loads(head), **change}).encode() + b"\n" + rest
    with pytest.raises(InvalidMessage):
        bank().load(body)


def test_refuses_numbers_that_are_none() -> None:
    """Vectors of NaN are no normal."""
    body = bytearray(_learned(0.3).dump())
    begin = body.index(b"\n") + 1
    body[begin : begin + 2] = np.float16(np.nan).tobytes()
    with pytest.raises(InvalidMessage, match="finite"):
        bank().load(bytes(body))


def test_refuses_another_encoder() -> None:
    """A bank of vectors of another size is refused once the camera's own are known."""
    made, other = _learned(0.3), bank()
    other.offer(np.eye(8, dtype=np.float32), at(0))
    with pytest.raises(InvalidMessage, match="another encoder"):
        other.load(made.dump())


def test_pictures_that_say_nothing_do_no_harm() -> None:
    """NaN, vectors of another size and no vectors at all are not learned, and score NaN."""
    made = _learned()
    bad = np.full((1, 32), np.nan, np.float32)
    other = np.eye(8, dtype=np.float32)
    for vectors in (bad, other, np.zeros((0, 32), np.float32)):
        made.offer(vectors, at(2 * DAY))
    assert np.isnan(made.novelty(bad, at(2 * DAY))).all()
    assert np.isnan(made.novelty(other, at(2 * DAY))).all()
    assert made.rank(math.nan) is None
    assert rank(made, EMPTY, 2 * DAY + 12 * HOUR) < ORDINARY


def test_each_of_several_things_is_learned() -> None:
    """Of a camera that offers its things one by one, all kinds become normal."""
    made = bank(after=4 * HOUR)
    for seconds in np.arange(0, 5 * HOUR, 20):
        made.offer(np.stack([picture(kind, seed=int(seconds)) for kind in (EMPTY, PEOPLE, NIGHT)]), at(seconds))
    assert all(rank(made, kind, 5 * HOUR) < ORDINARY for kind in (EMPTY, PEOPLE, NIGHT))


def test_a_clock_set_back_does_not_stop_it() -> None:
    """After the clock went back by a day, the camera goes on learning."""
    made = _learned()
    show(made, lambda _: VAN, DAY, 4 * DAY)
    assert rank(made, VAN, 4 * DAY) < ORDINARY


def test_a_clock_far_ahead_forgets_nothing() -> None:
    """A camera whose clock jumps ten years ahead and back still knows what is normal."""
    made = _learned()
    show(made, day_and_night, 3650 * DAY, 3650 * DAY + HOUR)
    show(made, day_and_night, 2 * DAY, 2 * DAY + HOUR)
    assert rank(made, EMPTY, 2 * DAY + 12 * HOUR) < ORDINARY


def test_a_short_burn_in_ends_with_a_normal() -> None:
    """With a burn-in of a minute, a camera at five frames a second is done after about a minute."""
    made = bank(after=60)
    show(made, lambda s: EMPTY if s % 10 < 5 else PEOPLE, 0, 70, every=0.2)
    assert made.missing == ""
    assert rank(made, ATTACK, 71) > UNUSUAL


def test_what_is_not_seen_any_more_is_forgotten() -> None:
    """A kind that was normal half a year ago, and never since, is new again."""
    made = bank()
    show(made, lambda s: VAN if 12 <= s / HOUR % 24 < 13 else EMPTY, 0, 4 * DAY, every=60)
    assert rank(made, VAN, 4 * DAY + 12 * HOUR) < ORDINARY
    show(made, lambda _: EMPTY, 4 * DAY, 180 * DAY, every=2 * HOUR)
    assert rank(made, VAN, 180 * DAY + 12 * HOUR) > UNUSUAL


def test_a_review_before_anything_was_learned_is_kept() -> None:
    """The first picture a camera's normal hears of may be one that people confirmed."""
    first, second = bank(), bank()
    first.reviewed(picture(ATTACK), at(0), is_right=True)
    second.load(first.dump())
    assert second.dump() == first.dump()
