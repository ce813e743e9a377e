"""Dead letters on a real broker: listed, found, sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.errors import ConfigError
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.publisher import KafkaPublisher
from pipeline.transport.redrive import BEGINNING, find_dead_letter, list_dead_letters, redrive
from pipeline.transport.tail import read_since
from tests.support.consuming import bus_of


@pytest.fixture
def bus(broker_port: int, prefix: str) -> KafkaBus:
    return bus_of(broker_port, prefix)


@pytest.fixture
def publisher(bus: KafkaBus) -> Iterator[KafkaPublisher]:
    publisher = bus.publisher()
    yield publisher
    publisher.close()


def failed(offset: int, value: bytes = b"{}", **headers: str) -> Record:
    return Record(Partition(Topic.CANDIDATES, 0), offset, "yard", value, datetime(2026, 1, 1, tzinfo=UTC), headers)


def test_a_letter_is_sent_again_as_it_was(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """Key, value and headers are back on the topic it came from, with a count; the list knows."""
    DeadLetters(publisher).put(failed(7, b'{"a": 1}', schema="candidate/1"), "no such rule", "reasoner").result(30)
    (letter,) = list_dead_letters(bus)
    assert (letter.id, letter.topic, letter.origin, letter.reason) == ("0:0", "candidates", "0:7", "no such rule")
    assert [one.problem for one in redrive(bus, publisher, [letter])] == [""]
    (again,) = read_since(bus, Topic.CANDIDATES, BEGINNING)
    assert (again.key, again.value) == ("yard", b'{"a": 1}')
    assert again.headers == {"schema": "candidate/1", "redriven": "1"}
    assert [(found.id, found.is_settled) for found in list_dead_letters(bus)] == [("0:0", True)]


def test_one_that_fails_again_comes_back_with_its_count(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """How often it was sent is seen in the list, and grows."""
    letters = DeadLetters(publisher)
    letters.put(failed(0), "no such rule", "reasoner").result(30)
    list(redrive(bus, publisher, list_dead_letters(bus)))
    (again,) = read_since(bus, Topic.CANDIDATES, BEGINNING)
    letters.put(again, "no such rule", "reasoner").result(30)
    back = list_dead_letters(bus)[-1]
    assert (back.redriven, back.is_settled) == (1, False)
    list(redrive(bus, publisher, [back]))
    assert [record.headers["redriven"] for record in read_since(bus, Topic.CANDIDATES, BEGINNING)] == ["1", "2"]


def test_only_those_asked_for_are_sent(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """The others stay as they are."""
    for number in range(4):
        DeadLetters(publisher).put(failed(number, b"%d" % number), "no such rule", "reasoner").result(30)
    letters = list_dead_letters(bus)
    assert [one.letter.id for one in redrive(bus, publisher, letters[1:3])] == ["0:1", "0:2"]
    assert [record.value for record in read_since(bus, Topic.CANDIDATES, BEGINNING)] == [b"1", b"2"]
    assert [letter.is_settled for letter in list_dead_letters(bus)] == [False, True, True, False]


def test_what_is_not_whole_is_not_sent(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """A cut value, or a record that does not say where it came from, is named and left."""
    letters = DeadLetters(publisher, max_message_bytes=100_000)
    letters.put(failed(0, b"x" * 200_000), "too large", "reasoner").result(30)
    publisher.publish(Topic.DEAD_LETTERS, "?", b"a stranger's", {"origin-topic": "elsewhere"}).result(30)
    problems = [one.problem for one in redrive(bus, publisher, list_dead_letters(bus))]
    assert problems == ["not whole: the value had 200000 bytes", "it does not say which topic it came from"]
    assert list(read_since(bus, Topic.CANDIDATES, BEGINNING)) == []


def test_a_letter_is_found_by_its_id(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """With its value, which lists leave out; what is no letter is refused by name."""
    DeadLetters(publisher).put(failed(7, b"jpeg"), "not a JPEG", "watcher").result(30)
    assert find_dead_letter(bus, "0:0").value == b"jpeg"
    list(redrive(bus, publisher, list_dead_letters(bus)))
    for wrong in ("0:1", "0:99", "7:0", "x", "0:", "-1:0"):
        with pytest.raises(ConfigError):
            find_dead_letter(bus, wrong)
