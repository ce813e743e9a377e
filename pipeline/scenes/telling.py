"""The form of what is told of a situation."""

from __future__ import annotations

from typing import NamedTuple


class Forecast(NamedTuple):
    """What may come of it, as experience would have it."""

    what: str
    within_seconds: int
    probability: float


class Tale(NamedTuple):
    """Texts with `{who}`, `{other}`, `{bag}`, `{zone}`, `{place}`, `{seconds}` and `{count}` to be filled in."""

    title: str
    explanation: str
    advice: str = ""
    forecasts: tuple[Forecast, ...] = ()
