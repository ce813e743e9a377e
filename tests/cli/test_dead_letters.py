"""`sightline dead-letters` on a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.redrive import BEGINNING
from pipeline.transport.tail import read_since
from tests.support.broker import free_port, running_broker
from tests.support.consuming import bus_of


@pytest.fixture(scope="module")
def broker_port() -> Iterator[int]:
    """The port of a running broker."""
    with running_broker() as port:
        yield port


@pytest.fixture
def prefix(broker_port: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of this test's own, with two letters on it: a picture and a candidate too large to keep whole."""
    name = str(request.node.name)[:80]
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{broker_port}")
    monkeypatch.setenv("SIGHTLINE_BUS__PREFIX", name)
    publisher = bus_of(broker_port, name).publisher()
    letters = DeadLetters(publisher, max_message_bytes=100_000)
    letters.put(failed(Topic.FRAMES, b"\xff\xd8\xffpicture"), "not a whole JPEG \x1b[31m", "watcher").result(30)
    letters.put(failed(Topic.CANDIDATES, b"x" * 200_000), "too large", "reasoner").result(30)
    publisher.close()
    return name


def failed(topic: Topic, value: bytes) -> Record:
    return Record(Partition(topic, 0), 7, "yard", value, datetime(2026, 1, 1, tzinfo=UTC), {"kind": "frame"})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments])


@pytest.mark.usefixtures("prefix")
def test_the_list_says_what_was_set_aside_and_why() -> None:
    """A line each with id, stage, origin and reason, clean of what could steer a terminal; JSON for scripts."""
    result = run("list")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("0:0 ")
    assert "watcher  frames yard: not a whole JPEG" in first
    assert "\x1b" not in first
    assert "reasoner  candidates yard: too large" in second
    found = json.loads(run("list", "--json").stdout)
    assert [(one["id"], one["topic"], one["headers"]) for one in found] == [
        ("0:0", "frames", {"kind": "frame"}),
        ("0:1", "candidates", {"kind": "frame"}),
    ]
    assert run("list", "--since", "2020-01-01T00:00").stdout == result.stdout


@pytest.mark.usefixtures("prefix")
def test_one_letter_is_shown_and_its_picture_saved(tmp_path: Path) -> None:
    """Why, by whom, from where; `--save` writes the value as it was."""
    result = run("show", "0:0", "--save", str(tmp_path / "frame.jpg"))
    assert result.exit_code == 0
    assert "came from           frames, partition and offset 0:7" in result.stdout
    assert (tmp_path / "frame.jpg").read_bytes() == b"\xff\xd8\xffpicture"
    assert json.loads(run("show", "0:0", "--json").stdout)["num_bytes"] == 10
    missing = run("show", "0:99")
    assert (missing.exit_code, "there is no dead letter 0:99" in missing.stderr) == (2, True)
    unwritable = run("show", "0:0", "--save", str(tmp_path / "no" / "frame.jpg"))
    assert (unwritable.exit_code, "cannot write" in unwritable.stderr) == (2, True)


def test_letters_are_sent_again(broker_port: int, prefix: str) -> None:
    """A dry run sends nothing; what is not whole is named, the rest is sent once and then left out of the list."""
    bus = bus_of(broker_port, prefix)
    assert "1 record would be sent again" in run("redrive", "--all", "--dry-run").stdout
    assert list(read_since(bus, Topic.FRAMES, BEGINNING)) == []
    sent = run("redrive", "--all")
    assert sent.exit_code == 1
    assert "0:1 cannot be sent again: not whole: the value had 200000 bytes" in sent.stderr
    assert "1 record sent again" in sent.stdout
    assert [record.value for record in read_since(bus, Topic.FRAMES, BEGINNING)] == [b"\xff\xd8\xffpicture"]
    assert [line[:3] for line in run("list").stdout.splitlines()] == ["0:1"]
    assert "sent again since" in run("list", "--all").stdout
    assert json.loads(run("redrive", "0:0", "--json").stdout) == [{"id": "0:0", "problem": ""}]


@pytest.mark.usefixtures("prefix")
def test_wrong_usage_is_one_message() -> None:
    """Neither ids nor --all, or an id that is not there."""
    for arguments, words in (((), "say which"), (("0:0", "--all"), "say which"), (("0:9",), "no dead letter 0:9")):
        result = run("redrive", *arguments)
        assert (result.exit_code, words in result.stderr) == (2, True)


def test_without_a_broker_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """None configured is wrong usage; one that cannot be reached is a failure."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    result = run("list")
    assert (result.exit_code, "KAFKA_BOOTSTRAP_SERVERS" in result.stderr) == (2, True)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    result = run("list")
    assert (result.exit_code, "is the broker running" in result.stderr) == (1, True)
