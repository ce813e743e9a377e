"""Which packets are decoded."""

from __future__ import annotations

from typing import Literal

import pytest

from pipeline.ingest.thrift import Thrift


def decoded(
    decode: Literal["auto", "all", "keyframes"], fps: float, packets: list[tuple[float | None, bool]]
) -> list[bool]:
    thrift = Thrift(decode, fps)
    return [thrift.wants(is_key=is_key, at_seconds=at) for at, is_key in packets]


def stream(seconds: float, key_every: int, fps: float = 10.0, start: float = 0.0) -> list[tuple[float | None, bool]]:
    return [(start + index / fps, index % key_every == 0) for index in range(round(seconds * fps))]


def test_key_frames_alone_are_decoded_once_they_come_often_enough() -> None:
    """One a second wanted, one a second there: after three spacings the frames between are left out."""
    wanted = decoded("auto", 1.0, stream(10, key_every=10))

    assert all(wanted[:30])
    assert [index for index in range(30, 100) if wanted[index]] == [30, 40, 50, 60, 70, 80, 90]


def test_all_are_decoded_where_key_frames_are_too_rare() -> None:
    """Two a second wanted, one key frame a second there."""
    assert all(decoded("auto", 2.0, stream(10, key_every=10)))


def test_all_are_decoded_again_when_a_key_frame_is_overdue() -> None:
    """The camera stretches its groups while nothing moves: nobody waits for the next key frame, however late it is."""
    thrift = Thrift("auto", 1.0)
    for at, is_key in stream(5, key_every=10):
        thrift.wants(is_key=is_key, at_seconds=at)
    late = stream(10, key_every=1000, start=5.0)
    gave_up = [at for at, is_key in late if not thrift.wants(is_key=is_key, at_seconds=at) and thrift.gives_up(at)]

    assert gave_up == [pytest.approx(6.6)]  # one and a half seconds after the last one
    assert not thrift.keys_only


@pytest.mark.parametrize(("decode", "num_decoded"), [("all", 40), ("keyframes", 2)])
def test_what_the_site_says_beats_the_spacing(decode: Literal["all", "keyframes"], num_decoded: int) -> None:
    """Key frames every two seconds, and the site wants all, or these alone."""
    assert sum(decoded(decode, 5.0, stream(4, key_every=20))) == num_decoded


def test_of_pictures_that_stand_for_themselves_twice_as_many_as_wanted_are_decoded() -> None:
    """25 key frames a second, 2 wanted: about 4 are decoded."""
    assert 35 <= sum(decoded("keyframes", 2.0, stream(10, key_every=1, fps=25))) <= 45


def test_without_times_nothing_is_left_out() -> None:
    """How often key frames come cannot be known."""
    assert all(decoded("auto", 1.0, [(None, index % 2 == 0) for index in range(50)]))
