"""Choosing the frames that tell the story."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pipeline.contracts.candidate import KeyFrame
from pipeline.events.key_frames import Album, Glimpse, Lookback
from tests.support.events import Actor, film, observation, opened, play, rule, stage


def _glimpse(seconds: float, score: float = 0.5, grey: int = 90) -> Glimpse:
    scene = replace(observation(seconds), thumbnail=np.full((36, 64), grey, np.uint8))
    return Glimpse.of(scene, seconds, score)


def _album(*glimpses: Glimpse) -> Album:
    album = Album(Lookback())
    for glimpse in glimpses:
        album.add(glimpse)
    return album


def _roles(frames: tuple[KeyFrame, ...]) -> list[tuple[int, str]]:
    return [(frame.sequence // 1000, frame.role) for frame in frames]


def test_peak_ends_and_the_most_different() -> None:
    """The peak first, then the ends, then the frame least like those; in time order."""
    greys = {3: 10, 5: 250, 7: 92}
    album = _album(*(_glimpse(n, score=0.9 if n == 2 else 0.5, grey=greys.get(n, 90)) for n in range(10)))
    assert _roles(album.key_frames(4)) == [(0, "first"), (2, "peak"), (5, "different"), (9, "last")]
    assert _roles(album.key_frames(5))[2] == (3, "different")


@pytest.mark.parametrize(("limit", "expected"), [(1, ["peak"]), (2, ["first", "peak"]), (3, ["first", "peak", "last"])])
def test_small_limits(limit: int, expected: list[str]) -> None:
    """With little room the peak matters most."""
    album = _album(*(_glimpse(n, score=0.9 if n == 4 else 0.1, grey=n * 20) for n in range(10)))
    assert [frame.role for frame in album.key_frames(limit)] == expected


def test_a_still_scene_needs_no_more_frames() -> None:
    """Frames that all look the same add nothing."""
    assert len(_album(*(_glimpse(n) for n in range(20))).key_frames(8)) == 2


def test_long_events_stay_small() -> None:
    """Ten hours at five frames a second keep 32 glimpses, spread over the whole time, with peak and last."""
    album, glimpse = Album(Lookback()), _glimpse(0)
    for n in range(180_000):
        album.add(replace(glimpse, sequence=n, seconds=n / 5, score=0.9 if n == 777 else 0.5))
    kept = album._glimpses
    assert len(kept) <= 32
    assert kept[-1].seconds == 35_999.8
    assert any(glimpse.score == 0.9 for glimpse in kept)
    assert max(b.seconds - a.seconds for a, b in itertools.pairwise(kept)) < 5_000


def test_the_story_begins_before_the_event() -> None:
    """A crossing's first key frame shows the approach, seconds before."""
    across = Actor([(0.0, 300.0, 300.0), (8.0, 636.0, 300.0)])
    (opening,) = opened(play(stage(rule(track={"crosses": "line"})), film(9, 10, across)))
    first, *_, last = opening.key_frames
    assert first.role == "first"
    assert 2.0 < (opening.opened_at - first.captured_at).total_seconds() < 3.2
    assert (last.role, last.captured_at) == ("peak", opening.opened_at)
    assert last.regions[0].track_id == 7
