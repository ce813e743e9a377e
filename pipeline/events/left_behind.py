"""`left_behind`: a stationary thing whose bringer has been gone for so long.

Things are followed by place, not by track id: what stays in one place needs no tracker, and a bag's detections
blink too much for one. A place is attended while a person, or anything that moves, lingers near it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.contracts.candidate import Fact
from pipeline.contracts.observation import MOVING, Observation
from pipeline.contracts.rule import ANY_OBJECT
from pipeline.events.reading import Among, Reading, moment, seconds_text
from pipeline.events.tracks import PRESENT_SECONDS, Track, TrackBook
from pipeline.events.zones import Point

_PERSON = "person"
_STATIONARY_SIZES = 0.35
"""A thing is in its place while its centre is within this share of its own size."""
_SIZE_RATIO = 1.7
_HIDDEN_SECONDS = 5.0
"""A thing may be out of sight so long (people pass in front of it) and still be the same."""
_NEAR_HEIGHTS = 0.75
"""Near a person: within this many of their heights of the box; about 1.3 m."""
_LINGER_SECONDS = 3.0
"""A passer-by walks through what counts as near in less than this, at 0.8 own heights a second."""
_MOVING_HEIGHTS_PER_SECOND = 0.15
BRINGER_SECONDS = _LINGER_SECONDS + _HIDDEN_SECONDS
"""Before a thing is left: so long its bringer has to be seen near it, and so long it may be hidden meanwhile."""


class _Place:
    """One thing, standing still."""

    __slots__ = (
        "alone_since",
        "centre",
        "near_since",
        "seen_seconds",
        "since_seconds",
        "size_px",
        "track",
        "was_attended",
    )

    def __init__(self, track: Track, is_attended: bool) -> None:
        self.track = track
        self.centre = Point(*track.box.centre)
        self.size_px = _size_px(track)
        self.since_seconds = self.seen_seconds = self.alone_since = track.seen_seconds
        self.was_attended = is_attended
        # Whoever is there at the start brought it, and attends it for as long as they stay.
        self.near_since: float | None = -math.inf if is_attended else None

    def holds(self, track: Track) -> bool:
        """Whether `track` is this very thing, still here."""
        return self.is_at(track.box.centre) and 1 / _SIZE_RATIO < _size_px(track) / self.size_px < _SIZE_RATIO

    def is_at(self, centre: tuple[float, float]) -> bool:
        """Whether a thing there is in this place."""
        return math.dist(self.centre, centre) <= max(_STATIONARY_SIZES * self.size_px, 2.0)

    def attend(self, is_near: bool, seconds: float) -> None:
        """Start the time alone afresh while somebody lingers."""
        if not is_near:
            self.near_since = None
            return
        self.near_since = seconds if self.near_since is None else self.near_since
        if seconds - self.near_since >= _LINGER_SECONDS:
            self.alone_since = seconds
            self.was_attended = True


class LeftBehind:
    """Follows every thing that stands still."""

    def __init__(self, limit_seconds: float, among: Among, told: Sequence[Fact] = ()) -> None:
        """`told`: what an earlier owner of the camera said was left, and since when."""
        self._limit_seconds = limit_seconds
        self._told = tuple(told)
        self._among = among
        self._places: list[_Place] = []
        self._before_seconds = -math.inf

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while at least one thing has been alone for long enough."""
        for track in filter(self._is_thing, book.visible):
            self._settle(track, book)
        for place in self._places:
            place.attend(_is_attended(place.track, place.centre, book), book.seconds)
            if not place.was_attended and _has_parted(place, book):
                place.was_attended, place.alone_since = True, book.seconds
        self._forget(book.seconds)
        there = [place for place in self._places if self._is_left(place, book.seconds)]
        alone = max((book.seconds - place.alone_since for place in there), default=0.0)
        facts = tuple(
            self._fact(place, book) for place in there if book.seconds - place.alone_since >= self._limit_seconds
        )
        score = float(bool(facts)) if alone >= self._limit_seconds else alone / self._limit_seconds
        return Reading(score, alone, self._limit_seconds, "nothing left alone for so long", facts)

    def _is_thing(self, track: Track) -> bool:
        """A person is no thing to leave behind, unless the rule says so by name."""
        is_wanted = track.label != _PERSON or _PERSON in self._among.labels
        return is_wanted and self._among.holds_at(track, Point(*track.box.centre))

    def _settle(self, track: Track, book: TrackBook) -> None:
        place = next((place for place in self._places if place.holds(track)), None)
        if place is None:
            place = self._place(track, book)
            self._places.append(place)
        place.track, place.seen_seconds = track, book.seconds

    def _place(self, track: Track, book: TrackBook) -> _Place:
        place = _Place(track, _is_attended(track, Point(*track.box.centre), book))
        for fact in self._told if book.was_there(track) else ():
            if fact.position is not None and place.is_at(fact.position) and fact.at <= book.at:
                place.was_attended, place.near_since, place.alone_since = True, None, fact.at.timestamp()
        return place

    def _forget(self, seconds: float) -> None:
        """The time nobody looked does not count as hidden."""
        horizon = min(seconds - _HIDDEN_SECONDS, self._before_seconds)
        self._places = [place for place in self._places if place.seen_seconds >= horizon]
        self._before_seconds = seconds

    def _is_left(self, place: _Place, seconds: float) -> bool:
        """In sight, and brought by somebody: with `any`, furniture that was always there does not count."""
        is_brought = place.was_attended or ANY_OBJECT not in self._among.labels
        return is_brought and seconds - place.seen_seconds < PRESENT_SECONDS

    def _fact(self, place: _Place, book: TrackBook) -> Fact:
        alone = book.seconds - place.alone_since
        return Fact(
            kind="left_behind",
            text=f"{place.track.name} left behind for {seconds_text(alone)} "
            f"(limit {seconds_text(self._limit_seconds)})",
            at=moment(book, place.alone_since),
            value=alone,
            threshold=self._limit_seconds,
            unit="s",
            track_id=place.track.track_id,
            position=place.centre,
        )


def _size_px(track: Track) -> float:
    return max((track.box.width + track.box.height) / 2, 1.0)


def _is_attended(thing: Track, centre: Point, book: TrackBook) -> bool:
    return any(other is not thing and _can_attend(other) and _is_near(other, centre) for other in book.present)


def _has_parted(place: _Place, book: TrackBook) -> bool:
    """Of a thing known by its motion alone, another that moves has just come off: bag and bringer were one blob."""
    return place.track.label == MOVING and any(
        other.since_seconds > place.since_seconds and _can_attend(other) and _is_near(other, place.centre)
        for other in book.present
        if other is not place.track
    )


def _can_attend(track: Track) -> bool:
    return track.label == _PERSON or track.speed_heights() > _MOVING_HEIGHTS_PER_SECOND


def _is_near(track: Track, point: Point) -> bool:
    box, reach = track.box, _NEAR_HEIGHTS * track.height_px
    return box.left - reach <= point.x <= box.right + reach and box.top - reach <= point.y <= box.bottom + reach
