"""Kinds of picture as vectors, and days of them for a camera's normal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.events.normal import NormalBank

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = 3600.0, 86400.0
EMPTY, PEOPLE, NIGHT, ATTACK, VAN = range(5)
_SIZE = 32
Seen = Callable[[float], int | None]
"""Seconds since Monday to the kind of picture at that time; None: the camera was off."""


def picture(kind: int, noise: float = 0.02, seed: int = 0) -> NDArray[np.float32]:
    """(32,), unit length; kinds are at right angles to each other."""
    vector = np.eye(_SIZE)[kind] + noise * np.random.default_rng(seed).normal(size=_SIZE)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def day_and_night(seconds: float) -> int:
    """People pass in the day, every ten minutes for one; from 22 to 6 it is dark."""
    hour = seconds / HOUR % 24
    if not 6 <= hour < 22:
        return NIGHT
    return PEOPLE if seconds // 60 % 10 == 0 else EMPTY


def bank(*, after: float = DAY, timezone: str = "UTC") -> NormalBank:
    """One that has seen nothing."""
    return NormalBank(ZoneInfo(timezone), after_seconds=after)


def show(to: NormalBank, seen: Seen, begin: float, end: float, *, held: bool = False, every: float = 60.0) -> None:
    """Offer a picture every so many seconds of [begin, end), seconds since Monday."""
    for seconds in np.arange(begin, end, every):
        kind = seen(seconds)
        if kind is None:
            continue
        if held:
            to.hold(at(seconds))
        to.offer(picture(kind, seed=int(seconds * 100))[None], at(seconds))


def at(seconds: float) -> datetime:
    """So long after Monday 00:00 UTC."""
    return MONDAY + timedelta(seconds=float(seconds))


def rank(of: NormalBank, kind: int, seconds: float) -> float:
    """How unusual a picture of that kind is then, 0..1."""
    found = of.rank(float(of.novelty(picture(kind, seed=1_000_000_007)[None], at(seconds))[0]))
    assert found is not None
    return found
