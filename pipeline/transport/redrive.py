"""Dead letters read back, and sent again to where they came from.

A log cannot be edited, so that a letter was sent again is noted behind it, in a record of its own that names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kafka.structs import TopicPartition

from pipeline.contracts.bus import Publisher, Record, Topic
from pipeline.errors import ConfigError
from pipeline.transport.dead_letter import (
    CUT,
    LEFT_OUT,
    ORIGIN_HEADER,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_PUBLISHED_AT,
    ORIGIN_TOPIC,
    REASON,
    REDRIVEN,
    STAGE,
)
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import first_from, read_since

_NOTE_OF = "redriven-letter"
"""Header of a note: the id of the letter that was sent again."""
_ACKNOWLEDGED_SECONDS = 60.0
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that was set aside."""

    id: str
    """`partition:offset` on `dead-letters`."""
    at: datetime
    """When it was set aside."""
    reason: str
    stage: str
    topic: str
    """Where it came from: the role of its topic, `""` when it does not say."""
    origin: str
    """`partition:offset` there."""
    published_at: str
    """When it was published there, ISO 8601."""
    key: str
    num_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Its own, as it had them."""
    cut: str = ""
    """What of it is missing, in words; `""` when it is whole."""
    left_out: int = 0
    """How many of its kind were not kept before it."""
    redriven: int = 0
    """How many times it had been sent again when it came (back) here."""
    is_settled: bool = False
    """It was sent again since."""
    value: bytes = b""
    """Empty in lists."""

    def for_script(self) -> dict[str, Any]:
        """Everything but the value."""
        return {name: value for name, value in asdict(self).items() if name != "value"}


@dataclass(frozen=True, slots=True)
class Redriven:
    """What came of sending one again."""

    letter: DeadLetter
    problem: str = ""
    """Why it cannot be; `""` when it was."""


def list_dead_letters(bus: KafkaBus, since: datetime = BEGINNING) -> list[DeadLetter]:
    """All that were set aside at `since` or later, oldest first, without their values. Raises like `read_since`."""
    letters: dict[str, DeadLetter] = {}
    for record in read_since(bus, Topic.DEAD_LETTERS, since):
        sent = record.headers.get(_NOTE_OF)
        if sent is None:
            letter = replace(_letter(record), value=b"")
            letters[letter.id] = letter
        elif sent in letters:
            letters[sent] = replace(letters[sent], is_settled=True)
    return list(letters.values())


def chosen(letters: list[DeadLetter], ids: Collection[str] | None) -> list[DeadLetter]:
    """Those with these ids, or all that were not sent again yet; `ConfigError` for an id that is not there."""
    if not ids:
        return [letter for letter in letters if not letter.is_settled]
    unknown = set(ids) - {letter.id for letter in letters}
    if unknown:
        raise ConfigError(f"there is no dead letter {', '.join(sorted(unknown))}; see `sightline dead-letters list`")
    return [letter for letter in letters if letter.id in ids]


def find_dead_letter(bus: KafkaBus, letter_id: str) -> DeadLetter:
    """One with its value; `ConfigError` when there is none, else like `read_since`."""
    number, _, offset = letter_id.partition(":")
    if not (number.isdecimal() and offset.isdecimal()):
        raise ConfigError(f"expected an id such as 0:17, got {letter_id!r}")
    partition = TopicPartition(bus.topic_name(Topic.DEAD_LETTERS), int(number))
    record = first_from(bus, {partition: int(offset)}).get(partition)
    if record is None or record.offset != int(offset) or _NOTE_OF in record.headers:
        raise ConfigError(f"there is no dead letter {letter_id}; `sightline dead-letters list` shows those there are")
    return _letter(record)


def redrive(bus: KafkaBus, publisher: Publisher, letters: Collection[DeadLetter]) -> Iterator[Redriven]:
    """Send each again as it was, with the header `redriven` that counts; then note that it was.

    At least once: one that was sent but not noted, because something died between, is sent again by the next call.
    Raises while iterated, like `read_since` and a publisher's future.
    """
    wanted = {letter.id for letter in letters}
    for record in read_since(bus, Topic.DEAD_LETTERS, min((letter.at for letter in letters), default=BEGINNING)):
        letter = _letter(record)
        if _NOTE_OF not in record.headers and letter.id in wanted:
            problem = problem_of(letter)
            if not problem:
                _send(publisher, letter)
            yield Redriven(letter, problem)


def problem_of(letter: DeadLetter) -> str:
    """Why a letter cannot be sent again, in words; `""` when it can."""
    if letter.cut:
        return f"not whole: {letter.cut}"
    if letter.topic not in {Topic.FRAMES, Topic.CANDIDATES, Topic.INCIDENTS}:
        return "it does not say which topic it came from"
    return ""


def _send(publisher: Publisher, letter: DeadLetter) -> None:
    headers = {**letter.headers, REDRIVEN: str(letter.redriven + 1)}
    publisher.publish(Topic(letter.topic), letter.key, letter.value, headers).result(_ACKNOWLEDGED_SECONDS)
    note = {_NOTE_OF: letter.id}
    publisher.publish(Topic.DEAD_LETTERS, letter.key, b"", note).result(_ACKNOWLEDGED_SECONDS)


def _letter(record: Record) -> DeadLetter:
    """Anybody may write to a topic: what a header does not say is empty."""
    said = record.headers
    headers = {name.removeprefix(ORIGIN_HEADER): v for name, v in said.items() if name.startswith(ORIGIN_HEADER)}
    return DeadLetter(
        id=f"{record.partition.number}:{record.offset}",
        at=record.published_at,
        reason=said.get(REASON, ""),
        stage=said.get(STAGE, ""),
        topic=said.get(ORIGIN_TOPIC, ""),
        origin=f"{said.get(ORIGIN_PARTITION, '')}:{said.get(ORIGIN_OFFSET, '')}",
        published_at=said.get(ORIGIN_PUBLISHED_AT, ""),
        key=record.key,
        num_bytes=len(record.value),
        headers=headers,
        cut=said.get(CUT, ""),
        left_out=_count(said.get(LEFT_OUT)),
        redriven=_count(headers.get(REDRIVEN)),
        value=record.value,
    )


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
