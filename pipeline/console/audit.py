"""Who looked at which evidence and who changed what, written down before it happens.

What cannot be written down is not shown: `TransientError` comes through. A picture that is asked for again and again
(a live wall, a clip in parts) is one look: the same look within a minute is written once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from pipeline.clock import Clock
from pipeline.console.roles import Action
from pipeline.store.people import AuditEntry, SqlPeople

_ONE_LOOK_SECONDS = 60.0
_MOST_LOOKS = 10_000
_LOOKS = frozenset({Action.SEE_EVIDENCE, Action.SEE_LIVE})


class Audit:
    """The audit log's writer. Thread-safe; a write takes one commit of the database."""

    def __init__(self, people: SqlPeople, clock: Clock) -> None:
        self._people = people
        self._clock = clock
        self._lock = threading.Lock()
        self._written: OrderedDict[tuple[str, ...], float] = OrderedDict()
        """When (monotonic) a look was last written, the longest ago first."""

    def note(
        self, who: str, action: Action, address: str, *, camera_id: str = "", target: str = "", is_allowed: bool = True
    ) -> None:
        """Write down who asked for what, of which camera, from where, and whether it was allowed."""
        key = (who, action.value, address, camera_id, target, str(is_allowed))
        if action in _LOOKS and self._is_written(key):
            return
        entry = AuditEntry.of(
            self._clock.now(),
            who,
            action.value,
            camera_id=camera_id,
            target=target,
            address=address,
            is_allowed=is_allowed,
        )
        self._people.note(entry)
        if action in _LOOKS:
            self._remember(key)

    def _is_written(self, key: tuple[str, ...]) -> bool:
        with self._lock:
            at = self._written.get(key)
        return at is not None and self._clock.monotonic() - at < _ONE_LOOK_SECONDS

    def _remember(self, key: tuple[str, ...]) -> None:
        with self._lock:
            self._written[key] = self._clock.monotonic()
            self._written.move_to_end(key)
            while len(self._written) > _MOST_LOOKS:
                self._written.popitem(last=False)
