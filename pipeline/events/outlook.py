"""What the tracks of a candidate may do next, with probabilities; and what they then did.

In: candidates as they are told, and the camera's tracks after each observation. Out: the candidate with what is
expected, and each forecast twice: when it is made, and when its time is over. A track that is lost in the middle of
the picture makes an outcome unknown, which counts neither way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.forecast import (
    Course,
    Expected,
    ExpectedKind,
    ForecastSink,
    ForecastSource,
    KeptForecast,
    Outcome,
)
from pipeline.events.boundary import Boundary, boundary_of
from pipeline.events.extrapolation import Extrapolation, Sheaf, motion_of, probabilities
from pipeline.events.tracks import PRESENT_SECONDS, Track, TrackBook
from pipeline.events.zones import Shapes

HORIZONS_SECONDS = (2.0, 5.0, 10.0)
_SETTLE_SECONDS = 1.0
"""After a horizon: a blink of the detector at that moment is over, and what came back was there."""
_BORDER_SHARE = 0.02
"""A box that ended this near to the picture's border (share of its longer side) has left the picture."""
_COURSE_EVERY_SECONDS, _COURSE_SECONDS = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class OutlookLimits:
    """How much is foretold."""

    max_tracks: int = 3
    max_groups: int = 4
    """Things foretold of one candidate, each for all horizons: as many as fit in a prompt and on a screen."""
    min_probability: float = 0.05
    """What is less likely than this within every horizon is left out."""
    max_pending: int = 600
    """Of one camera: fifty candidates in the last ten seconds."""


_LIMITS = OutlookLimits()


class _Place(NamedTuple):
    """A zone or a line of the camera."""

    name: str
    corners: NDArray[np.float64]
    """(K, 2) of a zone, (2, 2) of a line, pixels."""
    distance_px: Callable[[float, float], float]
    """Positive inside, or on the left."""
    boundary: Boundary
    """For its band, in which nothing is decided."""


class _Group(NamedTuple):
    """One thing that one track may do, for all horizons."""

    expected: tuple[Expected, ...]
    track: Track
    place: _Place | None
    """None when it is about the picture."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A forecast whose time is not over."""

    forecast: KeptForecast
    track: Track
    place: _Place | None
    until_seconds: float
    was_positive: bool
    """Whether it was in the zone, or on the line's left, when this was foretold."""


class CameraOutlook:
    """Forecasts on one camera, for one size of picture."""

    def __init__(
        self,
        camera: Camera,
        shapes: Shapes,
        size: tuple[int, int],
        sink: ForecastSink,
        extrapolation: Extrapolation | None = None,
        limits: OutlookLimits = _LIMITS,
    ) -> None:
        self._sink = sink
        self._limits = limits
        self._size = size
        self._edges = shapes.edges
        self._extrapolation = extrapolation or Extrapolation(*size)
        self._zones = [
            _Place(name, np.array(corners) * size, shapes.areas[name].depth_px, boundary_of(shapes.areas[name]))
            for name, corners in camera.zones.items()
        ]
        self._lines = [
            _Place(name, np.array(ends) * size, shapes.edges[name].left_px, Boundary(shapes.edges[name].left_px))
            for name, ends in camera.lines.items()
        ]
        self._pending: list[_Pending] = []

    def expect(self, candidate: Candidate, book: TrackBook) -> Candidate:
        """The candidate with what its tracks may do next, unless it is over; what is foretold is followed from now."""
        if candidate.state is CandidateState.CLOSED or candidate.repeats:
            return candidate
        looks = [(track, self._sheaf(track)) for track in _tracks_of(candidate, book)[: self._limits.max_tracks]]
        groups = [group for track, sheaf in looks for group in self._groups(track, sheaf, book.at)]
        worth = [
            group for group in groups if max(one.probability for one in group.expected) >= self._limits.min_probability
        ]
        # The likeliest first; equals as they come, so that every runtime tells the same.
        told = sorted(worth, key=lambda group: -group.expected[1].probability)[: self._limits.max_groups]
        self._follow(candidate, told)
        courses = tuple(
            Course(
                track_id=track.track_id, made_at=book.at, points=sheaf.course(_COURSE_EVERY_SECONDS, _COURSE_SECONDS)
            )
            for track, sheaf in looks
        )
        outlook = tuple(one for group in told for one in group.expected)
        return candidate.model_copy(update={"outlook": outlook, "courses": courses})

    def see(self, book: TrackBook) -> None:
        """Take in one observation: what happened with it, and what did not happen in its time."""
        if not self._pending:
            return
        looked_up = [(pending, self._looked_up(pending, book)) for pending in self._pending]
        self._pending = [pending for pending, found in looked_up if found is None]
        self._sink.put([found for _, found in looked_up if found is not None])

    def end(self) -> None:
        """Nothing more will be seen of these tracks."""
        pending, self._pending = self._pending, []
        reason = "nobody watched to the end of its time"
        self._sink.put([_checked(one, Outcome.UNKNOWN, reason) for one in pending])

    def _sheaf(self, track: Track) -> Sheaf:
        return self._extrapolation.sheaf(motion_of(track, self._extrapolation.model))

    def _groups(self, track: Track, sheaf: Sheaf, at: datetime) -> Iterator[_Group]:
        for zone in self._zones:
            if zone.distance_px(*track.foot) > 0:
                stays = sheaf.stays(zone.corners)
                yield _Group(_expected(ExpectedKind.STAYS, track, "stays in", zone.name, stays, at), track, zone)
            else:
                enters = sheaf.enters(zone.corners)
                yield _Group(_expected(ExpectedKind.ENTERS, track, "enters", zone.name, enters, at), track, zone)
        for line in self._lines:
            crosses = sheaf.crosses(line.corners)
            yield _Group(_expected(ExpectedKind.CROSSES, track, "crosses", line.name, crosses, at), track, line)
        leaves = sheaf.leaves()
        yield _Group(_expected(ExpectedKind.LEAVES, track, "leaves the picture", "", leaves, at), track, None)

    def _follow(self, candidate: Candidate, groups: list[_Group]) -> None:
        new = [
            _Pending(
                forecast=_kept(candidate, expected),
                track=group.track,
                place=group.place,
                until_seconds=expected.made_at.timestamp() + expected.within_seconds,
                was_positive=group.place is not None and group.place.distance_px(*group.track.foot) > 0,
            )
            for group in groups
            for expected in group.expected
        ]
        followed = new[: max(self._limits.max_pending - len(self._pending), 0)]
        self._pending += followed
        self._sink.put([pending.forecast for pending in followed])

    def _looked_up(self, pending: _Pending, book: TrackBook) -> KeptForecast | None:
        """With its outcome; None while that is open."""
        is_stay = pending.forecast.kind == ExpectedKind.STAYS
        if pending.track.foot_seconds <= pending.until_seconds and self._has_passed(pending):
            return _checked(pending, Outcome.NO if is_stay else Outcome.YES, "seen")
        if book.seconds < pending.until_seconds + _SETTLE_SECONDS:
            return None
        if pending.track.seen_seconds >= pending.until_seconds - PRESENT_SECONDS:
            return _checked(pending, Outcome.YES if is_stay else Outcome.NO, "seen")
        if self._ended_at_border(pending.track):
            is_leave = pending.forecast.kind == ExpectedKind.LEAVES
            return _checked(pending, Outcome.YES if is_leave else Outcome.NO, "left the picture")
        return _checked(pending, Outcome.UNKNOWN, "lost from sight")

    def _has_passed(self, pending: _Pending) -> bool:
        """Clearly on the other side of its zone's boundary, or of its line, than when it was foretold."""
        place, track = pending.place, pending.track
        if place is None:
            return False
        distance, band = place.distance_px(*track.foot), place.boundary.band_px(track)
        is_over = distance <= -band if pending.was_positive else distance >= band
        edge = self._edges.get(place.name) if pending.forecast.kind == ExpectedKind.CROSSES else None
        return is_over and (edge is None or edge.is_within_ends(*track.foot, band))

    def _ended_at_border(self, track: Track) -> bool:
        width, height = self._size
        margin, box = _BORDER_SHARE * max(self._size), track.box
        return box.left <= margin or box.top <= margin or box.right >= width - margin or box.bottom >= height - margin


def _tracks_of(candidate: Candidate, book: TrackBook) -> list[Track]:
    """Those in sight that it is about, the latest named first; where it names none, the largest."""
    named = list(dict.fromkeys(fact.track_id for fact in reversed(candidate.facts) if fact.track_id is not None))
    visible = {track.track_id: track for track in book.visible}
    if named:
        return [visible[track_id] for track_id in named if track_id in visible]
    return sorted(book.visible, key=lambda track: (-track.height_px, track.track_id))


def _expected(
    kind: ExpectedKind, track: Track, verb: str, target: str, happens: NDArray[np.bool_], at: datetime
) -> tuple[Expected, ...]:
    """One for each horizon."""
    return tuple(
        Expected(
            kind=kind,
            target=target,
            track_id=track.track_id,
            what=f"{track.name} {verb} {target}".rstrip(),
            within_seconds=seconds,
            probability=round(probability, 3),
            made_at=at,
        )
        for seconds, probability in zip(HORIZONS_SECONDS, probabilities(happens, HORIZONS_SECONDS), strict=True)
    )


def _kept(candidate: Candidate, expected: Expected) -> KeptForecast:
    return KeptForecast(
        incident_id=candidate.id,
        camera_id=candidate.camera_id,
        rule_id=candidate.rule_id,
        source=ForecastSource.MEASURED,
        kind=expected.kind.value,
        target=expected.target,
        track_id=expected.track_id,
        what=expected.what,
        within_seconds=expected.within_seconds,
        probability=expected.probability,
        made_at=expected.made_at,
    )


def _checked(pending: _Pending, outcome: Outcome, reason: str) -> KeptForecast:
    at = pending.forecast.made_at + timedelta(seconds=pending.forecast.within_seconds)
    return replace(pending.forecast, outcome=outcome, reason=reason, checked_at=at)
