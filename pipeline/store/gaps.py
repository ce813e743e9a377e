"""From the intervals that two layers wrote to the account of one camera: watched, or blind and why.

Pure: intervals in, stretches out. A camera is watched while every layer that it has is at work. Where a layer wrote
both, watched and blind, of the same moment, it was watched: two processes may read one camera. What is blind for
both is told with the reason of the pictures, since rules cannot be judged without them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.contracts.coverage import (
    ALL_RULES,
    ENDED,
    NO_FRAMES,
    NOT_JUDGED,
    NOT_RUNNING,
    STOPPED,
    WATCHED,
    CoverageStore,
    Interval,
    Layer,
)

PENDING_SECONDS = 30.0
"""What nobody has told of the last so many seconds may yet be told: rules are judged seldom while nothing moves, and
intervals are stored once a second."""
_PACE = timedelta(seconds=15)
"""Of a still camera at 0.2 frames a second rules are judged every 5 s, and up to 12.5 s apart that is no gap."""
_SILENCE = frozenset({NO_FRAMES, NOT_JUDGED})
_LASTING = frozenset({STOPPED, ENDED})
"""Reasons that hold until somebody is there again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """[start, end), aware UTC, in which a camera was watched, or was not for one reason."""

    start: datetime
    end: datetime
    reason: str = WATCHED
    detail: str = ""
    layer: Layer | None = None
    """Whose reason it is; None while watched, and when nobody was there."""

    @property
    def is_blind(self) -> bool:
        """Not watched."""
        return self.reason != WATCHED

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


def stretches(
    intervals: Iterable[Interval],
    start: datetime,
    end: datetime,
    *,
    layers: Collection[Layer],
    rule_id: str = ALL_RULES,
) -> list[Stretch]:
    """[start, end) cut into stretches without gap or overlap, no two neighbours for the same reason.

    `intervals` are one camera's; `layers` are those that it has: what only one recorded is judged by that one.
    With a rule, what blinded that rule alone counts too.
    """
    events: dict[datetime, tuple[list[Interval], list[Interval]]] = {start: ([], []), end: ([], [])}
    for interval in intervals:
        first, last = max(interval.start, start), min(interval.end, end)
        if first < last and interval.rule_id in (ALL_RULES, rule_id):
            events.setdefault(first, ([], []))[0].append(interval)
            events.setdefault(last, ([], []))[1].append(interval)
    active: list[Interval] = []
    pieces: list[Stretch] = []
    moments = sorted(events)
    for moment, following in itertools.pairwise(moments):
        begun, over = events[moment]
        active = [interval for interval in (*active, *begun) if interval not in over]
        pieces.append(_piece(active, moment, following, layers, pieces[-1] if pieces else None))
    return _merged(_without_pace(_merged(pieces)))


def blind_stretches(found: Iterable[Stretch]) -> list[Stretch]:
    """Those that were not watched."""
    return [stretch for stretch in found if stretch.is_blind]


def watched_seconds(found: Iterable[Stretch]) -> float:
    """Of all stretches together."""
    return sum(stretch.seconds for stretch in found if not stretch.is_blind)


@dataclass(frozen=True, slots=True)
class Account:
    """One camera's coverage of a while."""

    camera_id: str
    stretches: Sequence[Stretch]
    rules: dict[str, list[Stretch]]
    """Of the rules that were blind by themselves."""
    known_since: datetime | None
    """The first moment that anybody has told of the camera; None when nobody ever has."""

    @property
    def blind(self) -> list[Stretch]:
        """What was not watched."""
        return blind_stretches(self.stretches)


def accounts(
    store: CoverageStore, camera_ids: Collection[str], start: datetime, end: datetime, now: datetime
) -> list[Account]:
    """The account of each camera from `start` to `end`, but not beyond `now` and what can be known by then."""
    since = store.known_since(camera_ids)
    end = max(min(end, now), start)
    by_camera: dict[str, list[Interval]] = {camera_id: [] for camera_id in camera_ids}
    for interval in store.between(camera_ids, start, end):
        by_camera[interval.camera_id].append(interval)
    return [
        _account(camera_id, mine, {layer: at for (of, layer), at in since.items() if of == camera_id}, start, end, now)
        for camera_id, mine in by_camera.items()
    ]


def _account(
    camera_id: str,
    intervals: Sequence[Interval],
    since: dict[Layer, datetime],
    start: datetime,
    end: datetime,
    now: datetime,
) -> Account:
    layers = [layer for layer, at in since.items() if at < end] or [Layer.PICTURES]
    pending_from = now - timedelta(seconds=PENDING_SECONDS)

    def of_rule(rule_id: str) -> list[Stretch]:
        return _without_pending(stretches(intervals, start, end, layers=layers, rule_id=rule_id), pending_from)

    rules = sorted({interval.rule_id for interval in intervals} - {ALL_RULES})
    known_since = min(since.values(), default=None)
    return Account(camera_id, of_rule(ALL_RULES), {rule_id: of_rule(rule_id) for rule_id in rules}, known_since)


def _without_pending(found: list[Stretch], pending_from: datetime) -> list[Stretch]:
    is_pending = bool(found) and found[-1].reason == NOT_RUNNING and found[-1].start >= pending_from
    return found[:-1] if is_pending else found


def _piece(
    active: Sequence[Interval],
    start: datetime,
    end: datetime,
    layers: Collection[Layer],
    before: Stretch | None,
) -> Stretch:
    """What [start, end) was, with these intervals over all of it."""
    general = [interval for interval in active if interval.rule_id == ALL_RULES]
    at_work = {interval.layer for interval in general if interval.reason == WATCHED}
    if at_work.issuperset(layers):
        reasons = [interval for interval in active if interval.rule_id != ALL_RULES and interval.reason != WATCHED]
        return _told(reasons, start, end) if reasons else Stretch(start, end)
    reasons = [interval for interval in general if interval.reason != WATCHED and interval.layer not in at_work]
    if reasons:
        return _told(reasons, start, end)
    if before is not None and before.reason in _LASTING and not general:
        return replace(before, start=start, end=end)
    return Stretch(start, end, NOT_RUNNING)


def _told(reasons: Sequence[Interval], start: datetime, end: datetime) -> Stretch:
    """The pictures before the rules, what somebody knows before silence, what began first."""
    order = list(Layer)
    why = min(reasons, key=lambda i: (order.index(i.layer), i.reason in _SILENCE, i.start, i.reason))
    return Stretch(start, end, why.reason, why.detail, why.layer)


def _merged(pieces: Sequence[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for piece in pieces:
        if merged and merged[-1].reason == piece.reason:
            merged[-1] = replace(merged[-1], end=piece.end, detail=merged[-1].detail or piece.detail)
        else:
            merged.append(piece)
    return merged


def _without_pace(found: Sequence[Stretch]) -> list[Stretch]:
    """Rules are judged at the pace of the frames: what silence of theirs sticks out of a gap in the pictures by no
    more than that pace is no gap of its own."""
    kept = []
    for index, stretch in enumerate(found):
        around = [*found[max(index - 1, 0) : index], *found[index + 1 : index + 2]]
        is_pace = stretch.reason == NOT_JUDGED and stretch.end - stretch.start <= _PACE
        if is_pace and any(near.layer is Layer.PICTURES for near in around):
            stretch = Stretch(stretch.start, stretch.end)
        kept.append(stretch)
    return kept
