"""What has been learned of a camera: kept, carried from one runtime to another, exported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class LearnedKind(StrEnum):
    """What it is."""

    CALIBRATION = "calibration"
    """The scores that a camera has shown for a rule, and the threshold that follows."""
    NORMAL = "normal"
    """What a camera normally sees, by hour of the week."""
    EXAMPLES = "examples"
    """Examples of a rule that came with an import; those of the site file and of reviews are read from there."""


@dataclass(frozen=True, slots=True)
class Learned:
    """One thing learned. (camera, rule, kind) is its key."""

    camera_id: str
    """`""` for what concerns a rule on all cameras."""
    rule_id: str
    """`""` for what concerns a camera whatever the rules."""
    kind: LearnedKind
    basis: str
    """Fingerprint of what it was learned from: the encoder, and what the rule says of scores. Learned on another
    basis it means nothing, and is not used."""
    updated_at: datetime
    """Aware, UTC; of two the later holds."""
    body: bytes
    """As its owner wrote it, with a version of its own; at most a few hundred KiB."""


class LearnedStore(Protocol):
    """Keeps what is learned. Thread-safe; `TransientError` when it cannot now."""

    def save(self, learned: Iterable[Learned]) -> None:
        """Keep these in the place of what has the same key and is not newer."""
        ...

    def load(self, camera_id: str | None = None) -> list[Learned]:
        """Of one camera with what concerns all, or everything; by camera, rule and kind."""
        ...

    def forget(self, camera_id: str | None = None, rule_id: str | None = None) -> int:
        """Delete what matches both that are given; how many."""
        ...
