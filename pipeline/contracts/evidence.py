"""Where pictures and clips are kept."""

from __future__ import annotations

from typing import Protocol

from pipeline.contracts.candidate import Candidate


def evidence_folder(candidate: Candidate) -> str:
    """`{camera}/{date}/{incident}`: the same candidate always has the same folder, and it alone."""
    return f"{candidate.camera_id}/{candidate.started_at:%Y-%m-%d}/{candidate.id}"


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

    def folders(self, folder: str = "") -> list[str]:
        """The folders right under one, by name; none for a folder that is not there."""
        ...

    def delete_folder(self, folder: str) -> list[str]:
        """Remove a folder with all that is in it, also what was never finished; the names of the files."""
        ...
