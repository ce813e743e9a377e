"""Frames and contracts on the bus: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.bus import CandidateMessage, Partition, PublishedFrame, Record, StreamEnd, Topic
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import InvalidMessage
from pipeline.transport.codec import (
    Wire,
    contract_record,
    end_record,
    frame_record,
    read_contract,
    read_frame_record,
)
from tests.support.store import make_candidate, opened

MAX_BYTES = 100_000
JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
PRODUCER = "1772366400000-one"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

identifiers = st.text("abcXYZ019_.-", min_size=1, max_size=63)
frames = st.builds(
    EncodedFrame,
    camera_id=identifiers,
    sequence=st.integers(0, 2**63 - 1),
    captured_at=st.timedeltas(timedelta(0), timedelta(days=365 * 200)).map(
        lambda since: (EPOCH + since).astimezone(timezone(timedelta(hours=5, minutes=30)))
    ),
    pts_seconds=st.floats(allow_nan=False, allow_infinity=False),
    width=st.integers(1, 65_500),
    height=st.integers(1, 65_500),
    jpeg=st.binary(max_size=500).map(lambda data: b"\xff\xd8\xff" + data + b"\xff\xd9"),
)


def record_of(wire: Wire, **changes: object) -> Record:
    record = Record(Partition(Topic.FRAMES, 3), 17, wire.key, wire.value, NOON, wire.headers)
    return replace(record, **changes)  # type: ignore[arg-type]


def frame_of(**changes: object) -> PublishedFrame:
    frame = EncodedFrame("yard", 7, NOON, 1.25, 640, 360, JPEG)
    return PublishedFrame(replace(frame, **changes), PRODUCER)  # type: ignore[arg-type]


def with_headers(**headers: str) -> Record:
    wire = frame_record(frame_of())
    return record_of(wire, headers=wire.headers | headers)


@given(frames, st.sampled_from(["", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]))
def test_a_frame_comes_back_as_it_went(frame: EncodedFrame, trace: str) -> None:
    """Bytes, numbers and microseconds survive the bus; a time comes back as UTC."""
    published = PublishedFrame(frame, PRODUCER, trace)
    assert read_frame_record(record_of(frame_record(published)), MAX_BYTES) == published


def test_the_value_is_the_jpeg_itself() -> None:
    """A frame costs the bus its JPEG and some headers; its key is the camera."""
    wire = frame_record(frame_of())
    assert wire.value is frame_of().frame.jpeg
    assert wire.key == "yard"
    assert wire.headers == {
        "schema": "frame/1",
        "kind": "frame",
        "camera": "yard",
        "producer": PRODUCER,
        "captured_at": "2026-03-01T12:00:00.123456+00:00",
        "pts": "1.25",
        "width": "640",
        "height": "360",
        "sequence": "7",
    }


def test_the_end_of_a_stream_comes_back_as_it_went() -> None:
    """An end has no picture."""
    end = StreamEnd("yard", PRODUCER)
    wire = end_record(end)
    assert wire.value == b""
    assert read_frame_record(record_of(wire), MAX_BYTES) == end


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (with_headers(schema="frame/2"), "expected frame/1, the only one known here, got 'frame/2'"),
        (record_of(frame_record(frame_of()), headers={}), "expected the headers schema, got none"),
        (
            record_of(frame_record(frame_of()), headers={"schema": "frame/1", "camera": "yard"}),
            "expected the headers kind, producer, got camera, schema",
        ),
        (with_headers(kind="audio"), "header kind: expected frame or end, got 'audio'"),
        (with_headers(camera="gate"), "the key: expected the camera of the headers, gate, got 'yard'"),
        (record_of(frame_record(frame_of()), key=""), "the key: expected the camera of the headers, yard, got ''"),
        (with_headers(producer="me"), "header producer: expected milliseconds since 1970"),
        (with_headers(captured_at="2026-03-01T12:00:00"), "header captured_at: expected a time with its zone"),
        (with_headers(captured_at="0001-01-01T00:00:00+14:00"), "header captured_at: expected a time with its zone"),
        (with_headers(captured_at="noon"), "header captured_at: expected a time with its zone"),
        (with_headers(pts="nan"), "header pts: expected a number of seconds, got 'nan'"),
        (with_headers(pts="now"), "header pts: expected a number of seconds, got 'now'"),
        (with_headers(width="0"), "header width: expected a whole number from 1 to 65500, got '0'"),
        (with_headers(height="65501"), "header height: expected a whole number from 1 to 65500, got '65501'"),
        (with_headers(height="9" * 5000), "header height: expected a whole number from 1 to 65500"),
        (with_headers(sequence="-1"), "header sequence: expected a whole number"),
        (with_headers(sequence="1_0"), "header sequence: expected a whole number"),
        (with_headers(sequence="٣"), "header sequence: expected a whole number"),
        (record_of(frame_record(frame_of()), value=b""), "expected a JPEG, from ffd8ff to ffd9, got 0 bytes"),
        (record_of(frame_record(frame_of()), value=b"\x89PNG\r\n"), "expected a JPEG, from ffd8ff to ffd9, got 6"),
        (record_of(frame_record(frame_of()), value=JPEG[:-1]), "expected a JPEG, from ffd8ff to ffd9"),
        (
            record_of(frame_record(frame_of()), value=bytes(20_000_000)),
            "expected a frame of at most 100000 bytes, got 20000000",
        ),
    ],
)
def test_a_frame_that_is_wrong_is_refused_by_name(record: Record, words: str) -> None:
    """What was expected and what came stand in one message, whatever is wrong."""
    with pytest.raises(InvalidMessage) as refused:
        read_frame_record(record, MAX_BYTES)
    assert words in str(refused.value)


def test_a_refusal_is_short_whatever_came() -> None:
    """A megabyte in a header does not end up in the log."""
    with pytest.raises(InvalidMessage) as refused:
        read_frame_record(with_headers(captured_at="x" * 1_000_000), MAX_BYTES)
    assert len(str(refused.value)) < 300


header_names = st.sampled_from(["schema", "kind", "camera", "captured_at", "pts", "width", "height", "sequence"])
header_values = st.sampled_from(["frame/1", "frame", "end", "yard", "1", PRODUCER, NOON.isoformat()]) | st.text()


@given(st.dictionaries(header_names | st.text(), header_values), st.binary(), st.sampled_from(["yard", ""]) | st.text())
def test_nothing_a_stranger_writes_raises_anything_else(headers: Mapping[str, str], value: bytes, key: str) -> None:
    """Random headers, bytes and keys are frames, ends, or refused."""
    valid = frame_record(frame_of()).headers
    for tried in (headers, valid | dict(headers)):
        with suppress(InvalidMessage):
            read_frame_record(Record(Partition(Topic.FRAMES, 0), 0, key, value, NOON, tried), MAX_BYTES)


def messages() -> list[CandidateMessage | IncidentChange]:
    candidate = make_candidate()
    return [CandidateMessage(candidate=candidate, will_verify=True, snapshot_uri="a.jpg"), opened(candidate)]


@pytest.mark.parametrize("message", messages(), ids=lambda message: type(message).__name__)
def test_a_contract_comes_back_as_it_went(message: CandidateMessage | IncidentChange) -> None:
    """JSON under a schema of its own."""
    wire = contract_record(message)
    assert read_contract(record_of(wire), type(message)) == message


def test_contracts_are_keyed_by_what_keeps_their_order() -> None:
    """Candidates follow their camera, changes their incident."""
    candidate, change = (contract_record(message) for message in messages())
    assert (candidate.key, candidate.headers) == ("gate", {"schema": "candidate-message/1"})
    assert (change.key, change.headers) == (make_candidate().id, {"schema": "incident-change/1"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headers": {"schema": "candidate-message/2"}}, "expected candidate-message/1, the only one known here"),
        ({"headers": {"schema": "incident-change/1"}}, "expected candidate-message/1, the only one known here"),
        ({"headers": {}}, "expected the headers schema, got none"),
        ({"value": b"{"}, "expected the JSON of candidate-message/1: the value: Invalid JSON"),
        ({"value": b"\xff\xfe"}, "expected the JSON of candidate-message/1"),
        ({"value": b'{"schema_version": 1}'}, "candidate: Field required (and 1 more)"),
        ({"key": "yard"}, "the key: expected gate, got 'yard'"),
    ],
)
def test_a_contract_that_is_wrong_is_refused_by_name(changes: dict[str, object], words: str) -> None:
    """The first thing wrong stands in the message."""
    with pytest.raises(InvalidMessage) as refused:
        read_contract(record_of(contract_record(messages()[0]), **changes), CandidateMessage)
    assert words in str(refused.value)


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_break_the_reading_of_contracts(value: bytes) -> None:
    """Random bytes are refused."""
    wire = contract_record(messages()[0])
    with pytest.raises(InvalidMessage):
        read_contract(record_of(wire, value=value), CandidateMessage)
