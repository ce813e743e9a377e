"""A lane a camera: what is drawn on it, as shares of the time shown. Pure: what is kept in, places on the lane out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.search.found import headline
from pipeline.store.gaps import Account, Stretch, watched_seconds

SPANS = (24, 6, 1)
"""Hours that can be shown."""
_TICK_MINUTES = {24: 120, 6: 30, 1: 10}
_MOST_CELLS = 240
"""Of a lane: near misses in one are one mark. Six minutes of a day, a minute of an hour."""
TALLEST = 14
"""Of a mark, in pixels."""
_MEASURED = frozenset({Gate.PREDICATE, Gate.THRESHOLD, Gate.DWELL})
_ITS_OWN = frozenset({Gate.COOLDOWN, Gate.DELIVERY})
_PIN_SHARE = 1.2
"""Percent of the lane: incidents closer together are one pin."""
_BEFORE_TOLD = timedelta(minutes=2)
"""A rule that comes closer and closer until it tells was no near miss."""
_MINUTE = timedelta(minutes=1)
_LOUDEST = (IncidentStatus.CONFIRMED, IncidentStatus.PROVISIONAL, IncidentStatus.UNVERIFIED, IncidentStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end), aware UTC, as it is shown."""

    start: datetime
    end: datetime
    hours: int
    zone: tzinfo
    now: datetime

    @classmethod
    def around(cls, at: datetime, hours: int, zone: tzinfo, now: datetime) -> Window:
        """The local day that holds `at`, or that part of it: a day of a clock change has 23 or 25 hours."""
        day = at.astimezone(zone).date()
        first, last = (_midnight(day + timedelta(days=number), zone) for number in (0, 1))
        if hours == max(SPANS):
            return cls(first, last, hours, zone, now)
        length = timedelta(hours=hours)
        start = first + (at - first) // length * length
        return cls(start, min(start + length, last), hours, zone, now)

    @property
    def is_now(self) -> bool:
        """Whether it is going on."""
        return self.start <= self.now < self.end

    @property
    def num_minutes(self) -> int:
        """Whole minutes."""
        return (self.end - self.start) // _MINUTE

    @property
    def num_cells(self) -> int:
        """Of each lane."""
        return min(self.num_minutes, _MOST_CELLS)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Where and what the hours are."""
        step = timedelta(minutes=_TICK_MINUTES[self.hours])
        moments = [self.start + number * step for number in range((self.end - self.start) // step + 1)]
        return [(self.place(at), self.clock(at, "%H:%M")) for at in moments if at < self.end]

    def place(self, at: datetime) -> float:
        """Percent of the lane, 0..100."""
        share = (at - self.start) / (self.end - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def minute(self, at: datetime) -> int:
        """Which minute of the window, held within it."""
        return min(max((at - self.start) // _MINUTE, 0), self.num_minutes - 1)

    def clock(self, at: datetime, form: str = "%H:%M:%S") -> str:
        """At the site's time."""
        return at.astimezone(self.zone).strftime(form)


@dataclass(frozen=True, slots=True)
class Bar:
    """From here to there on a lane, in percent, and its times in words."""

    left: float
    width: float
    times: str


@dataclass(frozen=True, slots=True)
class Gap(Bar):
    """The camera was not watched."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Near:
    """Something came close to an alert: one cell of the lane."""

    cell: int
    """Of the window's `num_cells`."""
    tall: int
    """1..`TALLEST`: how close it came."""


@dataclass(frozen=True, slots=True)
class Pin(Bar):
    """One incident, or several too close together to be told apart here."""

    incidents: tuple[Incident, ...]
    kind: str
    """The loudest status, or `condition` for what is wrong with the camera itself."""

    @property
    def words(self) -> str:
        """Of the first."""
        return headline(self.incidents[0])

    @property
    def since(self) -> str:
        """From when on they are listed."""
        return f"{self.incidents[0].opened_at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def until(self) -> str:
        """Before when they are listed."""
        return f"{self.incidents[-1].opened_at + _MINUTE:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Lane:
    """One camera."""

    camera_id: str
    watched_share: float | None
    """0..1 of what is over of the window; None when nobody ever told of the camera."""
    gaps: tuple[Gap, ...]
    pins: tuple[Pin, ...]
    nears: tuple[Near, ...]
    num_incidents: int
    num_nears: int
    """Side by side counts once."""
    stops: tuple[int, ...]
    """Minutes of the window at which something begins, for whoever goes from one to the next."""


def lanes(
    window: Window, told: Sequence[Account], incidents: Iterable[Incident], nears: Iterable[DecisionCount]
) -> list[Lane]:
    """In the order of the accounts."""
    happened = _by_camera(incidents, {account.camera_id for account in told})
    missed: dict[str, list[DecisionCount]] = {}
    for near in nears:
        missed.setdefault(near.camera_id, []).append(near)
    return [_lane(window, account, happened[account.camera_id], missed.get(account.camera_id, ())) for account in told]


def _lane(window: Window, account: Account, incidents: Sequence[Incident], nears: Iterable[DecisionCount]) -> Lane:
    spells = _spells(incidents)
    marks = _cells(window, [near for near in nears if not _was_told(near, spells)])
    runs, seconds = _runs(marks), sum(stretch.seconds for stretch in account.stretches)
    stops = {window.minute(gap.start) for gap in account.blind}
    stops |= {window.minute(incident.opened_at) for incident in incidents}
    stops |= {run * window.num_minutes // window.num_cells for run in runs}
    return Lane(
        camera_id=account.camera_id,
        watched_share=watched_seconds(account.stretches) / seconds if account.known_since and seconds else None,
        gaps=tuple(_gap(window, gap) for gap in account.blind),
        pins=tuple(_pins(window, incidents)),
        nears=tuple(marks),
        num_incidents=len(incidents),
        num_nears=len(runs),
        stops=tuple(sorted(stops)),
    )


def _by_camera(incidents: Iterable[Incident], names: Iterable[str]) -> Mapping[str, list[Incident]]:
    sorted_out: dict[str, list[Incident]] = {name: [] for name in names}
    for incident in sorted(incidents, key=lambda each: each.opened_at):
        if incident.camera_id in sorted_out:
            sorted_out[incident.camera_id].append(incident)
    return sorted_out


def _gap(window: Window, gap: Stretch) -> Gap:
    left = window.place(gap.start)
    return Gap(left, window.place(gap.end) - left, _times(window, gap.start, gap.end), gap.reason, gap.detail)


def _pins(window: Window, incidents: Sequence[Incident]) -> Iterable[Pin]:
    together: list[Incident] = []
    for incident in incidents:
        if together and window.place(incident.opened_at) - window.place(together[0].opened_at) > _PIN_SHARE:
            yield _pin(window, together)
            together = []
        together.append(incident)
    if together:
        yield _pin(window, together)


def _pin(window: Window, together: Sequence[Incident]) -> Pin:
    end = max(incident.closed_at or window.now for incident in together)
    left = window.place(together[0].opened_at)
    times = window.clock(together[0].opened_at)
    return Pin(left, window.place(end) - left, times, tuple(together), _kind(together))


def _kind(together: Sequence[Incident]) -> str:
    judged = [incident.status for incident in together if incident.candidate.condition is None]
    return min(judged, key=_LOUDEST.index).value if judged else "condition"


def _spells(incidents: Iterable[Incident]) -> Mapping[str, list[tuple[datetime, datetime]]]:
    """By rule, from when on and until when what came close belongs to an incident."""
    spells: dict[str, list[tuple[datetime, datetime]]] = {}
    for incident in incidents:
        spell = incident.opened_at - _BEFORE_TOLD, incident.closed_at or datetime.max.replace(tzinfo=UTC)
        spells.setdefault(incident.rule_id, []).append(spell)
    return spells


def _was_told(near: DecisionCount, spells: Mapping[str, list[tuple[datetime, datetime]]]) -> bool:
    """Whether it led to an incident, or was a part of one. What a cooldown stops, or nobody took, is its own."""
    if near.gate in _ITS_OWN:
        return False
    return any(start <= near.minute + _MINUTE and near.minute <= end for start, end in spells.get(near.rule_id, ()))


def _cells(window: Window, nears: Iterable[DecisionCount]) -> list[Near]:
    """The closest of each cell, in their order."""
    tallest: dict[int, int] = {}
    for near in nears:
        cell = window.minute(near.minute) * window.num_cells // window.num_minutes
        tallest[cell] = max(tallest.get(cell, 1), round(TALLEST * _share(near)))
    return [Near(cell, tall) for cell, tall in sorted(tallest.items())]


def _share(near: DecisionCount) -> float:
    """Of what it needed, as measured at most: all of it where something else than the measure was in the way."""
    if near.gate not in _MEASURED or near.max_value is None or not near.threshold:
        return 1.0
    return min(near.max_value / near.threshold, 1.0)


def _runs(nears: Sequence[Near]) -> list[int]:
    """First cells of those that stand side by side."""
    taken = {near.cell for near in nears}
    return [near.cell for near in nears if near.cell - 1 not in taken]


def _times(window: Window, start: datetime, end: datetime) -> str:
    return f"{window.clock(start)}\N{EN DASH}{window.clock(end)}"


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Where a clock change leaves midnight out, the first moment after it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
