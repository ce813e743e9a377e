"""Live changes of incidents, told to whoever follows: no change is left out, and after a break nothing is either.

Whoever stores a change may be another process, so the store is looked at twice a second, once for all followers. Times
of changes are taken before they are stored: the last seconds are looked at again each time, and what was told already
is not told twice. The id of an event says when it was, so that following can be resumed after a restart too; the same
event may then come twice, and a change's own id tells.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from anyio.to_thread import run_sync

from pipeline.clock import Clock
from pipeline.contracts.incident import IncidentChange, IncidentFilter, IncidentStore
from pipeline.errors import SightlineError

log = structlog.get_logger()

_EVERY_SECONDS = 0.5
_OVERLAP = timedelta(seconds=5)
"""A change is stored so long after its time at most, or it is only seen when the page is loaded again."""
_MOST_AT_ONCE = 500
"""Incidents that changed while nobody looked: more, and followers are told to begin anew."""
_KEPT = 1_000
_OLDEST = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """A change, or (None) that too much has happened to tell: load everything again."""

    id: str
    change: IncidentChange | None


class ChangeFeed:
    """One for all followers; lives on the event loop of the server, and rests while nobody follows."""

    def __init__(self, incidents: IncidentStore, clock: Clock, every_seconds: float = _EVERY_SECONDS) -> None:
        self._incidents = incidents
        self._clock = clock
        self._every_seconds = every_seconds
        self._since = clock.now()
        self._told: dict[str, int] = {}
        """Incident to its last change that was told, of those that changed lately."""
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._end = 0
        """Number of the event that comes next."""
        self._num_followers = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._is_over = False

    async def follow(self, last_id: str = "", for_seconds: float = float("inf")) -> AsyncIterator[Event]:
        """Events as they come, from the one after `last_id` on, until so long has passed."""
        until = self._clock.monotonic() + for_seconds
        self._num_followers += 1
        try:
            await self._wake()
            missed, position = await self._resume(last_id)
            for event in missed:
                yield event
            while self._clock.monotonic() < until and not self._is_over:
                # All three before anything is handed out: more may come while a follower is busy.
                news, fresh, position = self._news, self._from(position), self._end
                for event in fresh:
                    yield event
                try:
                    await asyncio.wait_for(news.wait(), min(until - self._clock.monotonic(), 60.0))
                except TimeoutError:
                    continue
        finally:
            self._num_followers -= 1

    def end(self) -> None:
        """Let all followers go, to come again: the server stops. On its event loop."""
        self._is_over = True
        self._news.set()

    async def _wake(self) -> None:
        """Begin to look, unless somebody follows already."""
        if self._task is None or self._task.done():
            self._ready = asyncio.Event()
            self._task = asyncio.create_task(self._watch())
        await self._ready.wait()

    async def _watch(self) -> None:
        """Look, again and again, while anybody follows. What is there by now is no news."""
        self._events.clear()
        self._told, self._since = {}, self._clock.now()
        await self._fresh()
        self._ready.set()
        while self._num_followers:
            fresh = await self._fresh()
            if fresh:
                self._events.extend(fresh)
                self._end += len(fresh)
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(self._every_seconds)

    async def _fresh(self) -> list[Event]:
        try:
            return await run_sync(self._look)
        except SightlineError as error:
            log.warning("live changes cannot be read now", error=str(error))
            return []

    def _look(self) -> list[Event]:
        """What has changed since the last look."""
        now = self._clock.now()
        begin = self._since - _OVERLAP
        found = self._incidents.find(IncidentFilter(changed_from=begin, limit=_MOST_AT_ONCE))
        told, self._told = self._told, {incident.id: incident.last_change for incident in found}
        self._since = now
        if len(found) == _MOST_AT_ONCE:
            return [Event(_id(now), None)]
        new = [incident for incident in found if incident.last_change > told.get(incident.id, 0)]
        changes = [c for incident in new for c in self._incidents.changes(incident.id)]
        return _events([c for c in changes if c.at >= begin and c.sequence > told.get(c.incident.id, 0)])

    async def _resume(self, last_id: str) -> tuple[Sequence[Event], int]:
        """What was missed since `last_id`, and from where to go on."""
        position = self._end
        if not last_id:
            return (), position
        kept = list(self._events)
        numbers = [number for number, event in enumerate(kept) if event.id == last_id]
        if numbers:
            return kept[numbers[-1] + 1 :], position
        return await run_sync(self._missed, last_id), position

    def _missed(self, last_id: str) -> list[Event]:
        """From the store, where it reaches back so far; else that everything is to be loaded again."""
        now, at = self._clock.now(), _time_of(last_id)
        if at is None or not now - _OLDEST < at:
            return [Event(_id(now), None)]
        begin = at - _OVERLAP
        found = self._incidents.find(IncidentFilter(changed_from=begin, limit=_MOST_AT_ONCE))
        if len(found) == _MOST_AT_ONCE:
            return [Event(_id(now), None)]
        changes = [change for incident in found for change in self._incidents.changes(incident.id)]
        return [event for event in _events([c for c in changes if c.at >= begin]) if event.id != last_id]

    def _from(self, position: int) -> list[Event]:
        """The events from that number on; whoever is too slow for what is kept must begin anew."""
        first = self._end - len(self._events)
        if position < first:
            return [Event(_id(self._clock.now()), None)]
        return list(self._events)[position - first :]


def _events(changes: Sequence[IncidentChange]) -> list[Event]:
    return [Event(_id(c.at, c.id), c) for c in sorted(changes, key=lambda c: (c.at, c.incident.id, c.sequence))]


def _id(at: datetime, change_id: str = "reset") -> str:
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{change_id}"


def _time_of(event_id: str) -> datetime | None:
    """When that event was; None for what is no id of ours."""
    micros, _, rest = event_id.partition("-")
    if not (micros.isascii() and micros.isdigit() and len(micros) < 18 and rest):
        return None
    return _EPOCH + timedelta(microseconds=int(micros))
