"""Dating frames: arrivals that jitter, drift, stall and jump; cameras' clocks that can be used and that cannot."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.ingest.timing import CaptureClock

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
FPS = 15


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _errors_ms(seconds: int, *, drift: float = 0.0, stall: float = 0.0) -> list[float]:
    """Of frames with 0–400 ms of jitter that keep their order; the first second, which no past helps, left out."""
    chance, clock, arrived, errors = random.Random(1), CaptureClock(5.0), 0.0, []
    for taken in (index / FPS for index in range(seconds * FPS)):
        late = taken + chance.uniform(0, 0.4)
        arrived = max(arrived, late, taken - taken % 60 + stall if taken >= 60 else late)
        dated = clock.date(taken * (1 + drift), _at(arrived), None)
        errors.append(abs((dated.captured_at - START).total_seconds() - taken) * 1000)
    return errors[FPS:]


@pytest.mark.parametrize(
    ("drift", "stall"),
    [(0.0, 0.0), (100e-6, 0.0), (-100e-6, 0.0), (200e-6, 0.0), (-200e-6, 0.0), (0.0, 5.0)],
    ids=["jitter", "fast crystal", "slow crystal", "very fast", "very slow", "stalls"],
)
def test_jitter_drift_and_stalls_do_not_move_a_frames_time(drift: float, stall: float) -> None:
    """Measured over an hour: 25 ms (median) and 57 ms (largest); jitter alone would be 200 and 400."""
    errors = _errors_ms(3600, drift=drift, stall=stall)

    assert statistics.median(errors) < 40
    assert max(errors) < 100


def test_a_usable_camera_clock_is_used_and_told_in_utc() -> None:
    """A camera's clock within the tolerance beats arrival, whatever the zone it is handed over in."""
    east = timezone(timedelta(hours=2))

    dated = CaptureClock(5.0).date(0.0, _at(1.0), _at(0.4).astimezone(east))

    assert dated.captured_at == _at(0.4)
    assert dated.captured_at.tzinfo is UTC
    assert dated.offset_seconds is None


@pytest.mark.parametrize(
    ("camera_time", "offset"),
    [
        (_at(3600.0), 3600.0),
        (_at(-7200.0), -7200.0),
        (datetime(1970, 1, 1, tzinfo=UTC), (datetime(1970, 1, 1, tzinfo=UTC) - START).total_seconds()),
    ],
    ids=["daylight saving", "local time as UTC", "1970"],
)
def test_a_camera_clock_that_is_far_off_is_told_and_not_used(camera_time: datetime, offset: float) -> None:
    """Hours of difference never move an event."""
    dated = CaptureClock(5.0).date(0.0, START, camera_time)

    assert dated.captured_at == START
    assert dated.offset_seconds == pytest.approx(offset)


def test_a_step_for_daylight_saving_moves_no_frame() -> None:
    """The hour that a camera's clock leaps is told as an offset, and the times of its frames go on evenly."""
    clock, last = CaptureClock(5.0), _at(-0.1)
    for index in range(200):
        leap = 3600.0 if index >= 100 else 0.0
        dated = clock.date(index / 10, _at(index / 10), _at(index / 10 + leap))
        assert (dated.captured_at - last).total_seconds() == pytest.approx(0.1, abs=0.01)
        assert (dated.offset_seconds is not None) == (index >= 100)
        last = dated.captured_at


def test_a_camera_clock_that_jumps_is_not_used_for_a_while() -> None:
    """Three seconds to and fro are within the tolerance, and still no time to go by."""
    clock = CaptureClock(5.0)

    offsets = [clock.date(s, _at(s), _at(s + (3 if s % 20 >= 10 else 0))).offset_seconds for s in range(60)]

    assert offsets[:10] == [None] * 10
    assert None not in offsets[10:]


def test_a_jumping_clock_is_used_again_when_it_has_come_to_rest() -> None:
    """A camera that set its clock at its start is trusted a minute later."""
    clock = CaptureClock(5.0)

    offsets = [clock.date(s, _at(s), _at(s - (3 if s < 5 else 0))).offset_seconds for s in range(90)]

    assert offsets[5] is not None
    assert offsets[-1] is None


@pytest.mark.parametrize("leap", [-1000.0, 1000.0], ids=["back", "forward"])
def test_presentation_times_that_jump_are_anchored_anew(leap: float) -> None:
    """A stream that starts a new count does not take the frames' times with it."""
    clock = CaptureClock(5.0)
    for index in range(300):
        pts = index / 10 + (leap if index >= 150 else 0.0)
        dated = clock.date(pts, _at(index / 10), None)
        assert abs((dated.captured_at - _at(index / 10)).total_seconds()) < 0.02


@pytest.mark.parametrize("pts", [None, math.nan, math.inf], ids=str)
def test_without_a_presentation_time_arrival_counts(pts: float | None) -> None:
    """Also when it is no number."""
    assert CaptureClock(5.0).date(pts, START, None).captured_at == START


def test_a_stream_whose_time_stood_still_in_a_stall_is_back_on_time() -> None:
    """A camera that lost 30 s of its count is not dated 30 s late for ever."""
    clock = CaptureClock(5.0)
    for second in range(60):
        clock.date(float(second), _at(second), None)

    late = [clock.date(float(60 + s), _at(90 + s), None).captured_at for s in range(60)]

    assert late[-1] == _at(90 + 59)


def test_times_go_up_whatever_comes_in() -> None:
    """Random times of stream and camera: strictly up, and never over the tolerance ahead of arrival."""
    chance, clock, last, arrived = random.Random(3), CaptureClock(5.0), None, 0.0
    for _ in range(3000):
        arrived += chance.choice([0.0, 0.01, 0.05, 2.0])
        camera_time = chance.choice([None, _at(arrived + chance.uniform(-9, 9))])
        dated = clock.date(chance.choice([None, math.nan, chance.uniform(0, 1e5)]), _at(arrived), camera_time)
        assert last is None or dated.captured_at > last
        assert dated.captured_at <= _at(arrived + 5.01)
        last = dated.captured_at


def test_a_clock_of_this_machine_that_is_set_back_is_followed() -> None:
    """Going up for an hour by microseconds would stop every rule; the times go back once."""
    clock = CaptureClock(5.0)
    clock.date(0.0, START, None)

    assert clock.date(0.1, _at(-3600.0), None).captured_at == _at(-3600.0)


def test_a_picture_that_is_held_back_until_the_next_is_no_wrong_clock() -> None:
    """FFmpeg gives a picture when the next one begins: at one in 8 s, 8 s after it was taken, which is its time."""
    clock = CaptureClock(5.0)
    dated = [clock.date(8.0 * index, _at(8.0 * (index + 1)), _at(8.0 * index)) for index in range(4)]

    assert [each.offset_seconds for each in dated[1:]] == [None] * 3
    assert [each.captured_at for each in dated[2:]] == [_at(16.0), _at(24.0)]  # the first was dated by its arrival
