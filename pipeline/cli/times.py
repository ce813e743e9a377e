"""Times and durations as a person types them: `22:14`, `yesterday 22:14`, `2 minutes ago`, `45 seconds`.

In: words, the present, the site's time zone. Out: an aware UTC moment, or a `ConfigError` that shows the forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pipeline.contracts.values import parse_duration
from pipeline.errors import ConfigError

_UNIT_WORDS = re.compile(r"(?i)(?<=[\d\s])(milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)\b")
_ARTICLE = re.compile(r"(?i)^an?\s+(?=(second|minute|hour|day)\b)")
_SHORT = {"mi": "m", "se": "s", "ho": "h", "hr": "h", "da": "d"}
_CLOCK = re.compile(r"(?i)^(?:(today|yesterday)\s+)?(\d{1,2}:\d{2}(?::\d{2})?)$")
_FORMS = "22:14, yesterday 22:14, 2 minutes ago, now, 2026-03-01T22:14 or 2026-03-01T22:14:30+01:00"
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time that was typed, with a remark when the typed words could mean two."""

    at: datetime
    """Aware, UTC."""
    note: str = ""


def read_duration(text: str) -> float:
    """Seconds of `45s`, `45 seconds`, `1h30m` or `2 minutes`; `ConfigError` for anything else."""
    short = _UNIT_WORDS.sub(lambda match: _short_unit(match.group(1)), _ARTICLE.sub("1 ", text.strip()))
    try:
        seconds = float(parse_duration(short))
    except ValueError:
        raise ConfigError(f"expected a duration such as 45s, 5m or 1h30m, got {text!r}") from None
    if not 0 <= seconds <= 366 * 86_400:
        raise ConfigError(f"expected a duration between 0 and a year, got {text!r}")
    return seconds


def _short_unit(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith("milli") else _SHORT[word[:2]]


def read_moment(text: str, now: datetime, zone: tzinfo) -> Moment:
    """What `text` means at `now` (aware) in `zone`; a bare time of day is the last one that has passed.

    Raises:
        ConfigError: not a time, or a local time that the clock change left out.
    """
    words = " ".join(text.split())
    if words.lower() == "now":
        return Moment(now.astimezone(UTC))
    if words.lower().endswith(" ago"):
        return Moment(now.astimezone(UTC) - timedelta(seconds=read_duration(words[:-4])))
    clock = _CLOCK.match(words)
    if clock:
        return _time_of_day(clock.group(1), clock.group(2), now, zone)
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        raise ConfigError(f"expected a time such as {_FORMS}; got {text!r}") from None
    return Moment(moment.astimezone(UTC)) if moment.tzinfo else _in_zone(moment, zone)


def _time_of_day(day_word: str | None, clock: str, now: datetime, zone: tzinfo) -> Moment:
    try:
        of_day = time.fromisoformat(clock if clock[2:3] == ":" else f"0{clock}")
    except ValueError:
        raise ConfigError(f"expected a time of day between 00:00 and 23:59:59, got {clock!r}") from None
    today = now.astimezone(zone).date()
    if day_word is not None:
        return _on_day(today - timedelta(days=day_word.lower() == "yesterday"), of_day, zone)
    moment = _on_day(today, of_day, zone)
    return moment if moment.at <= now else _on_day(today - timedelta(days=1), of_day, zone)


def _on_day(day: date, of_day: time, zone: tzinfo) -> Moment:
    return _in_zone(datetime.combine(day, of_day), zone)


def _in_zone(naive: datetime, zone: tzinfo) -> Moment:
    """A wall-clock time in `zone`: the first of two when clocks went back, refused when they went forward."""
    local = naive.replace(tzinfo=zone)
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != naive:
        raise ConfigError(f"{naive:%Y-%m-%d %H:%M} did not exist in {zone}: the clocks went forward over it")
    second = local.replace(fold=1).astimezone(UTC)
    if second == at:
        return Moment(at)
    again = second.astimezone(zone).isoformat(timespec="minutes")
    return Moment(at, f"{naive:%H:%M} came twice that day; this is the first, the second is --at {again}")


def window_around(at: datetime, seconds: float) -> tuple[datetime, datetime]:
    """Whole minutes [start, end) that hold `seconds` around `at`; one minute for a minute or less."""
    half = timedelta(seconds=max(seconds - _MINUTE.total_seconds(), 0.0) / 2)
    first, last = at - half, at + half
    return first.replace(second=0, microsecond=0), last.replace(second=0, microsecond=0) + _MINUTE
