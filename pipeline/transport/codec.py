"""How frames and contracts stand on the bus, and what is checked when they are read back.

A frame is its JPEG, byte for byte, with what is known of it in headers; everything else is the JSON of a contract
with its schema in a header. Whatever is wrong with a record read here, the answer is one `InvalidMessage` that
says what was expected and what came.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from pipeline.contracts.bus import CandidateMessage, PublishedFrame, Record, StreamEnd
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import InvalidMessage

FRAME_SCHEMA = "frame/1"
_FRAME_HEADERS = ("captured_at", "pts", "width", "height", "sequence")
_MAX_SIDE_PX = 65_500
"""The widest picture a JPEG encoder makes: libjpeg's own limit."""
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PRODUCER = re.compile(r"[0-9]{1,16}-\S{1,64}", re.ASCII)
_SHOWN_CHARACTERS = 80


class Wire(NamedTuple):
    """A record to be published: `publisher.publish(topic, *wire)`."""

    key: str
    value: bytes
    headers: dict[str, str]


Message = TypeVar("Message", CandidateMessage, IncidentChange)


def frame_record(published: PublishedFrame) -> Wire:
    """A frame, keyed by its camera."""
    frame = published.frame
    headers = _headers("frame", frame.camera_id, published.producer) | {
        "captured_at": frame.captured_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "pts": repr(frame.pts_seconds),
        "width": str(frame.width),
        "height": str(frame.height),
        "sequence": str(frame.sequence),
    }
    if published.trace:
        headers["traceparent"] = published.trace
    return Wire(frame.camera_id, frame.jpeg, headers)


def end_record(end: StreamEnd) -> Wire:
    """The end of a camera's stream, behind its last frame."""
    return Wire(end.camera_id, b"", _headers("end", end.camera_id, end.producer))


def read_frame_record(record: Record, max_bytes: int) -> PublishedFrame | StreamEnd:
    """What stands in a record of `frames`; `InvalidMessage` when it is not a frame of ours, whole and sane."""
    headers = record.headers
    _check_schema(headers, FRAME_SCHEMA)
    _check_present(headers, ("kind", "camera", "producer"))
    camera_id, producer = headers["camera"], headers["producer"]
    _check_camera(record, camera_id)
    if not _PRODUCER.fullmatch(producer):
        raise _wrong("header producer", "milliseconds since 1970, a dash and a name", producer)
    if headers["kind"] == "end":
        return StreamEnd(camera_id=camera_id, producer=producer)
    if headers["kind"] != "frame":
        raise _wrong("header kind", "frame or end", headers["kind"])
    return PublishedFrame(_frame(record, max_bytes), producer, headers.get("traceparent", ""))


def contract_record(message: CandidateMessage | IncidentChange) -> Wire:
    """A contract as JSON: candidates are keyed by their camera, changes by their incident."""
    return Wire(_key(message), message.model_dump_json().encode(), {"schema": _schema(type(message))})


def read_contract(record: Record, kind: type[Message]) -> Message:
    """The contract in a record; `InvalidMessage` when it is another one, another version, or wrong."""
    _check_schema(record.headers, _schema(kind))
    try:
        message = kind.model_validate_json(record.value)
    except ValidationError as error:
        raise InvalidMessage(f"expected the JSON of {_schema(kind)}: {_first_problem(error)}") from error
    if _key(message) != record.key:
        raise _wrong("the key", _key(message), record.key)
    return message


def _headers(kind: str, camera_id: str, producer: str) -> dict[str, str]:
    return {"schema": FRAME_SCHEMA, "kind": kind, "camera": camera_id, "producer": producer}


def _frame(record: Record, max_bytes: int) -> EncodedFrame:
    headers = record.headers
    _check_present(headers, _FRAME_HEADERS)
    _check_jpeg(record.value, max_bytes)
    return EncodedFrame(
        camera_id=headers["camera"],
        sequence=_whole_number(headers, "sequence", 0, 2**63 - 1),
        captured_at=_moment(headers["captured_at"]),
        pts_seconds=_seconds(headers["pts"]),
        width=_whole_number(headers, "width", 1, _MAX_SIDE_PX),
        height=_whole_number(headers, "height", 1, _MAX_SIDE_PX),
        jpeg=record.value,
    )


def _check_schema(headers: Mapping[str, str], known: str) -> None:
    _check_present(headers, ("schema",))
    if headers["schema"] != known:
        raise _wrong("header schema", f"{known}, the only one known here", headers["schema"])


def _check_present(headers: Mapping[str, str], names: tuple[str, ...]) -> None:
    if missing := [name for name in names if name not in headers]:
        came = ", ".join(sorted(headers)) or "none"
        raise InvalidMessage(f"expected the headers {', '.join(missing)}, got {_shown(came)}")


def _check_camera(record: Record, camera_id: str) -> None:
    if not camera_id:
        raise _wrong("header camera", "a camera's id", camera_id)
    if camera_id != record.key:
        raise _wrong("the key", f"the camera of the headers, {_shown(camera_id)}", record.key)


def _check_jpeg(value: bytes, max_bytes: int) -> None:
    if len(value) > max_bytes:
        raise InvalidMessage(f"expected a frame of at most {max_bytes} bytes, got {len(value)}")
    if not value.startswith(_JPEG_START) or not value.endswith(_JPEG_END):
        came = f"{len(value)} bytes from {value[:4].hex()} to {value[-2:].hex()}"
        raise InvalidMessage(f"expected a JPEG, from {_JPEG_START.hex()} to {_JPEG_END.hex()}, got {came}")


def _whole_number(headers: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = headers[name]
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not is_number or not least <= int(text) <= most:
        raise _wrong(f"header {name}", f"a whole number from {least} to {most}", text)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise _wrong("header pts", "a number of seconds", text)
    return seconds


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong("header captured_at", "a time with its zone, such as 2025-01-31T12:00:00.000000+00:00", text)


def _key(message: CandidateMessage | IncidentChange) -> str:
    return message.candidate.camera_id if isinstance(message, CandidateMessage) else message.incident.id


def _schema(kind: type[CandidateMessage] | type[IncidentChange]) -> str:
    """`candidate-message/1`: the class's name and the default of its `schema_version`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
    return f"{name}/{kind.model_fields['schema_version'].default}"


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the value"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return _shown(f"{where}: {first['msg']}", 300) + more


def _wrong(what: str, expected: str, came: str) -> InvalidMessage:
    return InvalidMessage(f"{what}: expected {expected}, got {_shown(came)!r}")


def _shown(text: str, max_characters: int = _SHOWN_CHARACTERS) -> str:
    return text if len(text) <= max_characters else text[:max_characters] + "…"
