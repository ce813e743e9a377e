"""Results of searches looked at by the site's model: a bounded number at once, alerts first, what it took counted."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from pipeline.contracts.assessment import Usage
from pipeline.contracts.picture_check import PictureChecks
from pipeline.errors import InvalidMessage, Overloaded
from pipeline.search.archive import Archive
from pipeline.search.spending import Spent

MOST_AT_ONCE = 2
"""Searches: each asks for one look after the other."""
MOST_WAITING = 8
"""More are refused at once: each that waits has one of the threads that all requests share."""
MOST_SECONDS = 120.0
"""Of one search; what was not looked at by then stays so."""
_WAIT_SECONDS = 1.0
_MOST_WAITS = 20
_LONGEST_OWED = timedelta(minutes=10)
"""A verdict that has been owed for longer is one that nobody works on: it keeps no search waiting."""
_NOT_KEPT = "its picture is no longer kept"
_ALERTS_FIRST = "alerts wait for their verdicts, and come first: search again in a while"


@dataclass(frozen=True, slots=True)
class Result:
    """A picture of an incident that a search has found."""

    incident_id: str
    name: str
    key: str
    """In the evidence store."""


class Checking:
    """One for all searches of a console. Thread-safe."""

    def __init__(self, room_after_seconds: float = 15.0) -> None:
        """`room_after_seconds`: how long a search waits for others to be done, or given up, before it is refused."""
        self._room_after_seconds = room_after_seconds
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._lock = threading.Lock()
        self._spent = Spent("searches")

    @property
    def spent(self) -> Spent:
        """What all looks took since the console began."""
        with self._lock:
            return replace(self._spent)

    def looks(
        self, checks: PictureChecks, archive: Archive, results: Sequence[Result], words: str, example: bytes | None
    ) -> Generator[tuple[str, Any], None, None]:
        """(event, data): `waiting` while alerts come first, `checked` for each result, `done` with what it took.

        Whoever closes it ends the looks. `Overloaded` when too many searches are being looked at, or alerts
        wait for long.
        """
        if not self._has_room():
            raise Overloaded("the results of other searches are being looked at: search again in a while")
        try:
            until, mine = archive.clock.monotonic() + MOST_SECONDS, Spent("")
            for number, result in enumerate(results):
                yield from _alerts_first(archive)
                if archive.clock.monotonic() >= until:
                    yield "done", _done(mine, len(results) - number)
                    return
                yield "checked", self._look(checks, archive, result, words, example, mine)
            yield "done", _done(mine, 0)
        finally:
            self._room.release()

    def _has_room(self) -> bool:
        """Whether it is one's turn, by and by; then `_room` is taken."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._room.acquire(timeout=self._room_after_seconds)
        finally:
            self._waiting.release()

    def _look(
        self,
        checks: PictureChecks,
        archive: Archive,
        result: Result,
        words: str,
        example: bytes | None,
        mine: Spent,
    ) -> dict[str, Any]:
        told: dict[str, Any] = {"incident": result.incident_id, "picture": result.name}
        try:
            picture = archive.evidence.get(result.key)
        except InvalidMessage:
            return told | {"verdict": "unverified", "probability": None, "reason": _NOT_KEPT, "model": ""}
        found = checks.check(picture, words, example)
        mine.add_usage(found.usage)
        self._count(found.usage)
        verdict = {"verdict": found.verdict.value, "probability": found.probability}
        return told | verdict | {"reason": found.reason, "model": found.model_id}

    def _count(self, usage: Usage) -> None:
        with self._lock:
            self._spent.add_usage(usage)


def _alerts_first(archive: Archive) -> Iterator[tuple[str, Any]]:
    """Nothing while no verdict is waited for."""
    for _ in range(_MOST_WAITS):
        number = _num_waiting(archive)
        if not number:
            return
        yield "waiting", {"alerts": number}
        archive.clock.sleep(_WAIT_SECONDS)
    raise Overloaded(_ALERTS_FIRST)


def _num_waiting(archive: Archive) -> int:
    queue = archive.incidents.verdict_queue(1, 64)
    latest = archive.clock.now() - _LONGEST_OWED
    return queue.number if any(head.since > latest for head in queue.heads) else 0


def _done(spent: Spent, num_left: int) -> dict[str, Any]:
    took = {key: value for key, value in asdict(spent).items() if key not in ("name", "verdicts", "degraded")}
    return {"left": num_left, "took": took}
