"""What the tracks did, in words and times: they fix a vision-language model's sense of order.

In: the tracks' paths, about one point a second. Out: at most twenty short facts in time order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from pipeline.contracts.candidate import Fact
from pipeline.events.reading import moment, seconds_text
from pipeline.events.tracks import PRESENT_SECONDS, Step, Track, TrackBook
from pipeline.events.zones import Area, Point

_MAX_NOTES = 20
_MOVED_HEIGHTS = 0.75
"""Less than this, in own heights, is standing still: a lean or a step aside."""
_STOOD_SECONDS = 3.0
_COLUMNS = ("left", "centre", "right")
_ROWS = ("upper", "", "lower")


def track_notes(
    book: TrackBook,
    areas: Mapping[str, Area],
    size: tuple[int, int],
    since_seconds: float,
    track_ids: Collection[int],
) -> tuple[Fact, ...]:
    """What was done since then by these tracks, or by all when none is named."""
    tracks = book.remembered()
    relevant = [track for track in tracks if track.track_id in track_ids] or tracks
    notes = [note for track in relevant for note in _Path(track, book, size, since_seconds).notes(areas)]
    return tuple(sorted(notes[:_MAX_NOTES], key=lambda note: note.at))


class _Path:
    """One track's way through the picture since some time."""

    def __init__(self, track: Track, book: TrackBook, size: tuple[int, int], since_seconds: float) -> None:
        self._track, self._book, self._size = track, book, size
        self._since_seconds = since_seconds
        last = Step(track.seen_seconds, track.foot)
        self._steps = [step for step in track.trail if step.seconds >= since_seconds] + [last]

    def notes(self, areas: Mapping[str, Area]) -> Iterator[Fact]:
        """Appearing, moving or standing, zones gone through, disappearing."""
        first, last = self._steps[0], self._steps[-1]
        if self._track.since_seconds > self._since_seconds:
            yield self._note(first, f"appeared at the {self._place(first.foot)}")
        yield from self._movement(first, last)
        for area in areas.values():
            yield from self._passages(area)
        if self._book.seconds - last.seconds >= PRESENT_SECONDS:
            yield self._note(last, f"was last seen at the {self._place(last.foot)}")

    def _movement(self, first: Step, last: Step) -> Iterator[Fact]:
        elapsed = last.seconds - first.seconds
        if math.dist(first.foot, last.foot) >= _MOVED_HEIGHTS * self._track.height_px:
            start, end = self._place(first.foot), self._place(last.foot)
            way = f"moved from the {start} to the {end}" if start != end else f"moved about at the {end}"
            yield self._note(last, f"{way} in {seconds_text(elapsed)}")
        elif elapsed >= _STOOD_SECONDS:
            yield self._note(last, f"stood at the {self._place(last.foot)} for {seconds_text(elapsed)}")

    def _passages(self, area: Area) -> Iterator[Fact]:
        held = [(step, area.depth_px(*step.foot) > 0) for step in self._steps]
        for (_, was_inside), (step, is_inside) in pairwise(held):
            if was_inside != is_inside:
                yield self._note(step, f"{'entered' if is_inside else 'left'} {area.name}")

    def _place(self, point: Point) -> str:
        column = _COLUMNS[min(int(3 * max(point.x, 0.0) / self._size[0]), 2)]
        row = _ROWS[min(int(3 * max(point.y, 0.0) / self._size[1]), 2)]
        return f"{row} {column}".strip()

    def _note(self, step: Step, text: str) -> Fact:
        return Fact(
            kind="note",
            text=f"{self._track.name} {text}",
            at=moment(self._book, step.seconds),
            track_id=self._track.track_id,
            position=step.foot,
        )
