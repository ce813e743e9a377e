"""What a process of the cluster runs: one service, hosted by Ray Serve, by a command, or by a test."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from typing import Protocol


def unique_name() -> str:
    """Of one start of one service: says in a lease whose it is."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class Service(Protocol):
    """A part of the cluster with threads of its own. `start` once, `stop` once; the rest from any thread."""

    def start(self) -> None:
        """Begin working; `ConfigError` when it cannot ever work. Does not wait for a broker that is away."""
        ...

    def stop(self, drain_seconds: float) -> None:
        """Take nothing new, finish what is in hand within the bound, leave the group, close; may be called twice."""
        ...

    def check_health(self) -> None:
        """`StageFailed`, with the reason, when a thread died or a poll loop is stale: restart it."""
        ...

    def stats(self) -> Mapping[str, float]:
        """For autoscaling and for people: `oldest_age_seconds` and `lag` (records or items not done yet), at least."""
        ...
