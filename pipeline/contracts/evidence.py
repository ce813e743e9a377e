"""Where pictures and clips are kept."""

from __future__ import annotations

from typing import Protocol


class EvidenceStore(Protocol):
    """Bytes by key (`{camera}/{date}/{incident}/snapshot.jpg`). Thread-safe.

    `TransientError` when the place is full or cannot be reached; `InvalidMessage` for a key that is not
    there or tries to leave the store.
    """

    def put(self, key: str, data: bytes) -> str:
        """Store under `key`, whole or not at all; gives back the key."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes under `key`."""
        ...

    def delete(self, key: str) -> bool:
        """Remove; False when it was not there."""
        ...

    def locate(self, key: str) -> str:
        """A path or URL a person can open."""
        ...
