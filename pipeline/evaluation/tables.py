"""The scorer's own files: a table (CSV) or a list (JSON) of spans, for truth and for predictions.

    camera,start,end,label,score,alert,length
    yard,12.5,20,fall,0.91,14,
    gate,,,,,,3600

`camera` (or `video`, `file`) and `start` are needed; `label` may be called `rule`. Times are seconds, `HH:MM:SS` or
ISO 8601 with its zone. A row without a start only says that a camera was looked at and how long (`length`).
JSON: a list of such rows, or `{"lengths": {camera: seconds}, "events": [rows]}`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from pipeline.errors import ConfigError
from pipeline.evaluation.spans import Event, Prediction, Truth

_CAMERA_COLUMNS = ("camera", "video", "file")
_LABEL_COLUMNS = ("label", "rule")
_COLUMNS = {*_CAMERA_COLUMNS, *_LABEL_COLUMNS, "start", "end", "score", "alert", "length"}
_VIDEO_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov", ".webm", ".gif", ".ts", ".m4v"}
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read; times in seconds."""

    camera_id: str
    start: float | None
    end: float | None
    label: str
    score: float | None
    alert: float | None
    length: float | None
    is_clock: bool
    """Its times are moments, in seconds since 1970."""


def read_truth(path: Path) -> Truth:
    """Events and lengths; `ConfigError` names the file, the row and what is wrong with it."""
    rows, lengths = _read(path)
    for row in rows:
        lengths.setdefault(row.camera_id, None)
        if row.length is not None:
            lengths[row.camera_id] = row.length
    events = tuple(Event(row.camera_id, row.start, _end(row), row.label) for row in rows if row.start is not None)
    return Truth(events, lengths, counts_from_start=not any(row.is_clock for row in rows))


def read_predictions(path: Path) -> list[Prediction]:
    """In the file's order; `ConfigError` names the file, the row and what is wrong with it."""
    rows, _ = _read(path)
    return [
        Prediction(row.camera_id, row.start, _end(row), row.label, row.score, row.alert)
        for row in rows
        if row.start is not None
    ]


def read_text(path: Path) -> str:
    """The file's text; `ConfigError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from error


def camera_name(text: str) -> str:
    """A video's name without folders and file type; any other name as it is."""
    path = PurePath(text.strip())
    return path.stem if path.suffix.lower() in _VIDEO_SUFFIXES else text.strip()


def _end(row: Row) -> float:
    """An instant when there is no end."""
    return row.end if row.end is not None else row.start or 0.0


def _read(path: Path) -> tuple[list[Row], dict[str, float | None]]:
    text = read_text(path)
    lengths: dict[str, float | None] = {}
    if path.suffix.lower() == ".json":
        given, lengths = _of_json(path, text)
        numbered = [(f"{path}, entry {number}", values) for number, values in enumerate(given, 1)]
    else:
        numbered = [(f"{path}, line {line}", values) for line, values in _of_csv(path, text)]
    return [_row(where, values) for where, values in numbered], lengths


def _of_csv(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = [name.strip().lower() for name in table.fieldnames or ()]
    if "start" not in columns or not set(columns) & set(_CAMERA_COLUMNS):
        raise ConfigError(
            f"{path}: expected a first line such as camera,start,end,label,score; got {columns or 'none'}"
        )
    if unknown := sorted(set(columns) - _COLUMNS):
        raise ConfigError(f"{path}: unknown columns {', '.join(unknown)}; known are {', '.join(sorted(_COLUMNS))}")
    table.fieldnames = columns
    rows = []
    for values in table:
        if None in values:
            raise ConfigError(f"{path}, line {table.line_num}: more values than columns ({', '.join(columns)})")
        rows.append((table.line_num, dict(values)))
    return rows


def _of_json(path: Path, text: str) -> tuple[list[dict[str, Any]], dict[str, float | None]]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    whole = {"events": document} if isinstance(document, list) else document
    rows = whole.get("events") if isinstance(whole, dict) else None
    lengths = whole.get("lengths", {}) if isinstance(whole, dict) else None
    if not isinstance(rows, list) or not isinstance(lengths, dict) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f'{path}: expected a list of events, or {{"lengths": {{camera: seconds}}, "events": [...]}}')
    for number, row in enumerate(rows, 1):
        if unknown := sorted(set(row) - _COLUMNS):
            raise ConfigError(f"{path}, entry {number}: unknown fields {', '.join(unknown)}")
    where = f"{path}, lengths"
    return rows, {camera_name(name): _length(where, {"length": value}) for name, value in lengths.items()}


def _row(where: str, values: Mapping[str, Any]) -> Row:
    camera_id = camera_name(str(_first(values, _CAMERA_COLUMNS)))
    if not camera_id:
        raise ConfigError(f"{where}: which camera? ({', '.join(_CAMERA_COLUMNS)} is empty)")
    start, end, alert = (_time(where, values, name) for name in ("start", "end", "alert"))
    if start is None and end is not None:
        raise ConfigError(f"{where}: an end without a start")
    if start is not None and end is not None and end < start:
        raise ConfigError(f"{where}: the end ({values['end']}) comes before the start ({values['start']})")
    label = str(_first(values, _LABEL_COLUMNS)).strip()
    is_clock = any(_is_moment(values.get(name)) for name in ("start", "end", "alert"))
    return Row(camera_id, start, end, label, _score(where, values), alert, _length(where, values), is_clock)


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), "")


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and "-" in value.strip()[1:] and ":" in value


def _time(where: str, values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds):
        forms = "seconds, HH:MM:SS, or ISO 8601 with its zone (2026-07-10T22:14:03+02:00)"
        raise ConfigError(f"{where}: expected {name} as {forms}; got {value!r}")
    return seconds


def _seconds(value: Any) -> float | None:
    if _is_moment(value):
        return _moment(value)
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    return _number(value)


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _score(where: str, values: Mapping[str, Any]) -> float | None:
    value = values.get("score")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _number(value)
    if number is None:
        raise ConfigError(f"{where}: expected score as a number; got {value!r}")
    return number


def _length(where: str, values: Mapping[str, Any]) -> float | None:
    value = values.get("length")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _number(value)
    if number is None or not (math.isfinite(number) and number > 0):
        raise ConfigError(f"{where}: expected length as seconds, more than 0; got {value!r}")
    return number
