"""Which of several ingest processes reads a camera: known to each without asking another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pipeline.errors import ConfigError

_FORM = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of the cameras. Where a camera belongs follows from its id alone: adding one moves no other."""

    index: int = 0
    """From 0, as the pods of a StatefulSet count."""
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `0/3`, the first of three; `ConfigError` for anything else."""
        match = _FORM.fullmatch(text.strip())
        index, count = (int(number) for number in match.groups()) if match else (0, 0)
        if index >= count:
            raise ConfigError(f"expected a shard such as 0/3, 1/3 or 2/3 (which of how many, from 0), got {text!r}")
        return cls(index, count)

    def holds(self, camera_id: str) -> bool:
        """Whether this camera is read here."""
        digest = hashlib.blake2b(camera_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
