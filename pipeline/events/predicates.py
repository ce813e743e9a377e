"""The verbs of a `track:` rule.

In: the camera's tracks after each observation. Out: a `Reading`: what was measured, against which limit, and
the facts that meet it. Dwell, gap, cooldown and schedule are left to the state machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pipeline.contracts.candidate import Fact
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import ANY_OBJECT, Rule
from pipeline.events.boundary import Boundary, Passage, boundary_of
from pipeline.events.left_behind import LeftBehind
from pipeline.events.reading import ELSEWHERE, NOT_PASSING, Among, Predicate, Reading, moment, seconds_text
from pipeline.events.tracks import Track, TrackBook
from pipeline.events.zones import Area, Edge, Shapes

_STILL_FAST = 0.85
"""Share of the limit above which something fast stays so: speed is the noisiest of the measures."""
_NOUNS = {ANY_OBJECT: ("thing", "things"), "person": ("person", "people")}


def predicate_for(rule: Rule, shapes: Shapes, told: Sequence[Fact] = ()) -> Predicate:
    """The predicate of a `track:` rule; the zones and lines it names must be among `shapes`.

    `told` are the facts of a candidate that an earlier owner of the camera left open: what began before the first
    observation here began when they say.
    """
    wanted = rule.track
    if wanted is None:
        raise ValueError(f"expected a rule with track:, got {rule.id!r}")
    among = Among(wanted.object, shapes.areas[rule.zone] if rule.zone else None)
    if wanted.crosses is not None:
        return Crosses(shapes.edges[wanted.crosses], wanted.direction, among)
    if wanted.enters is not None:
        return Passes("enters", shapes.areas[wanted.enters], among)
    if wanted.leaves is not None:
        return Passes("leaves", shapes.areas[wanted.leaves], among)
    if wanted.inside is not None:
        return Inside(shapes.areas[wanted.inside], wanted.longer_than, among, told)
    if wanted.count_above is not None:
        return CountAbove(wanted.count_above, rule.zone or "", among)
    if wanted.left_behind is not None:
        return LeftBehind(wanted.left_behind, among, told)
    return FasterThan(wanted.faster_than or 0.0, among)


class Crosses:
    """A foot point passes a line within its ends. An occurrence for each passage."""

    def __init__(self, edge: Edge, direction: Literal["any", "left_to_right", "right_to_left"], among: Among) -> None:
        self._edge = edge
        self._direction = direction
        self._among = among
        self._boundary = Boundary(edge.left_px)

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while a wanted passage has just become certain."""
        passages = self._boundary.update(book.visible, book.forgotten)
        facts = tuple(self._fact(passage, book) for passage in passages if self._counts(passage))
        return Reading(float(bool(facts)), reason="nothing crossed", facts=facts)

    def _counts(self, passage: Passage) -> bool:
        track, place = passage.track, passage.place
        slack = self._boundary.band_px(track)
        return (
            self._direction in ("any", _direction(passage))
            and self._edge.is_within_ends(*place, slack)
            and self._among.holds_at(track, place, slack)
        )

    def _fact(self, passage: Passage, book: TrackBook) -> Fact:
        direction = _direction(passage)
        return _fact(
            "crosses",
            f"{passage.track.name} crossed {self._edge.name} from {direction.replace('_', ' ')}",
            book,
            passage,
            direction,
        )


class Passes:
    """A track goes into a zone (`enters`) or out of it (`leaves`). An occurrence for each passage."""

    def __init__(self, verb: Literal["enters", "leaves"], area: Area, among: Among) -> None:
        self._verb = verb
        self._past = {"enters": "entered", "leaves": "left"}[verb]
        self._area = area
        self._among = among
        self._boundary = boundary_of(area)

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while a wanted passage has just become certain."""
        passages = self._boundary.update(book.visible, book.forgotten)
        facts = tuple(self._fact(passage, book) for passage in passages if self._counts(passage))
        reason = _whereabouts(self._boundary, self._among, book) or f"nothing {self._past}"
        return Reading(float(bool(facts)), reason=reason, facts=facts)

    def _counts(self, passage: Passage) -> bool:
        slack = self._boundary.band_px(passage.track)
        is_wanted = passage.is_positive == (self._verb == "enters")
        return is_wanted and self._among.holds_at(passage.track, passage.place, slack)

    def _fact(self, passage: Passage, book: TrackBook) -> Fact:
        return _fact(self._verb, f"{passage.track.name} {self._past} {self._area.name}", book, passage)


class Inside:
    """Something is in a zone; with `longer_than`, one and the same thing stayed so long."""

    def __init__(self, area: Area, longer_than_seconds: float | None, among: Among, told: Sequence[Fact] = ()) -> None:
        self._area = area
        self._limit_seconds = longer_than_seconds
        self._among = among
        # "Does anything move in there?" is asked of the picture; who enters or stays stands somewhere.
        self._boundary = boundary_of(area, by_overlap=longer_than_seconds is None)
        self._since_seconds: dict[int, float] = {}
        self._told_since_seconds = min((fact.at.timestamp() for fact in told), default=math.inf)

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while at least one track is inside (long enough)."""
        self._among.update(book)
        self._boundary.update(book.visible, book.forgotten)
        for key in book.forgotten:
            self._since_seconds.pop(key, None)
        for track in book.visible:
            if self._boundary.is_positive(track) and self._among.holds(track):
                self._since_seconds.setdefault(track.key, self._came_seconds(track, book))
            else:
                self._since_seconds.pop(track.key, None)
        inside = [track for track in book.present if track.key in self._since_seconds]
        if not inside:
            is_elsewhere = _whereabouts(self._boundary, self._among, book) == ELSEWHERE
            limit = 1.0 if self._limit_seconds is None else self._limit_seconds
            return Reading(0.0, 0.0, limit, ELSEWHERE if is_elsewhere else "nothing inside")
        return self._presence(inside, book) if self._limit_seconds is None else self._stay(inside, book)

    def _came_seconds(self, track: Track, book: TrackBook) -> float:
        """Since when it is inside; who was there from the first sight on may be the one that was told of."""
        return min(track.seen_seconds, self._told_since_seconds) if book.was_there(track) else track.seen_seconds

    def _presence(self, inside: list[Track], book: TrackBook) -> Reading:
        facts = tuple(
            Fact(
                kind="inside",
                text=f"{track.name} was in {self._area.name}",
                at=moment(book, self._since_seconds[track.key]),
                track_id=track.track_id,
                position=track.foot,
            )
            for track in inside
        )
        return Reading(float(len(inside)), float(len(inside)), 1.0, facts=facts)

    def _stay(self, inside: list[Track], book: TrackBook) -> Reading:
        limit = self._limit_seconds or 0.0
        stayed = [track.seen_seconds - self._since_seconds[track.key] for track in inside]
        facts = tuple(
            Fact(
                kind="inside",
                text=f"{track.name} stayed in {self._area.name} for {seconds_text(seconds)} "
                f"(limit {seconds_text(limit)})",
                at=moment(book, self._since_seconds[track.key]),
                value=seconds,
                threshold=limit,
                unit="s",
                track_id=track.track_id,
                position=track.foot,
            )
            for track, seconds in zip(inside, stayed, strict=True)
            if seconds >= limit
        )
        longest = max(stayed)
        score = min(longest / limit, 1.0) if limit > 0 else 1.0
        return Reading(score, longest, limit, "not long enough", facts)


class CountAbove:
    """More than so many at once."""

    def __init__(self, count: int, zone: str, among: Among) -> None:
        self._count = count
        self._place = f"in {zone}" if zone else "in the picture"
        self._among = among

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while there are more than the rule allows."""
        self._among.update(book)
        there = sum(self._among.holds(track) for track in book.present)
        facts = (self._fact(there, book),) if there > self._count else ()
        return Reading(there / (self._count + 1), float(there), float(self._count), "too few", facts)

    def _fact(self, there: int, book: TrackBook) -> Fact:
        label = self._among.labels[0] if len(self._among.labels) == 1 else ANY_OBJECT
        one, many = _NOUNS.get(label, (label, f"{label}s"))
        return Fact(
            kind="count_above",
            text=f"{there} {one if there == 1 else many} at once {self._place} (more than {self._count})",
            at=book.at,
            value=there,
            threshold=self._count,
            unit="objects",
        )


class FasterThan:
    """A thing moves faster than so many of its own heights a second."""

    def __init__(self, limit: float, among: Among) -> None:
        self._limit = limit
        self._among = among
        self._fast: dict[int, float] = {}
        """Speed of each track that is over the limit, own heights a second."""

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Met while at least one track is too fast."""
        self._among.update(book)
        for key in book.forgotten:
            self._fast.pop(key, None)
        speeds = {track.key: track.speed_heights() for track in book.visible if self._among.holds(track)}
        for track in book.visible:
            self._judge(track.key, speeds.get(track.key, 0.0))
        facts = tuple(self._fact(track, book) for track in book.present if track.key in self._fast)
        fastest = max(speeds.values(), default=0.0)
        score = max(fastest / self._limit, 1.0) if facts else min(fastest / self._limit, 0.999)
        return Reading(score, fastest, self._limit, "nothing fast enough", facts)

    def _judge(self, key: int, speed: float) -> None:
        if speed > self._limit * (_STILL_FAST if key in self._fast else 1.0):
            self._fast[key] = speed
        else:
            self._fast.pop(key, None)

    def _fact(self, track: Track, book: TrackBook) -> Fact:
        speed = self._fast[track.key]
        return Fact(
            kind="faster_than",
            text=f"{track.name} moved at {speed:.1f} of its own heights a second (limit {self._limit:g})",
            at=book.at,
            value=speed,
            threshold=self._limit,
            unit="heights/s",
            track_id=track.track_id,
            position=track.foot,
        )


def _whereabouts(boundary: Boundary, among: Among, book: TrackBook) -> str:
    """Where the things that count are seen, as a reason; empty when none are."""
    inside = [boundary.is_positive(track) for track in book.visible if among.has_label(track)]
    if not inside:
        return ""
    return NOT_PASSING if any(inside) else ELSEWHERE


def _direction(passage: Passage) -> str:
    return "right_to_left" if passage.is_positive else "left_to_right"


def _fact(kind: str, text: str, book: TrackBook, passage: Passage, direction: str = "") -> Fact:
    return Fact(
        kind=kind,
        text=text,
        at=moment(book, passage.seconds),
        track_id=passage.track.track_id,
        position=passage.place,
        direction=direction,
    )
