"""The pipe to a decoder: whole messages, bounded waits, nothing believed."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.ingest.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel, and the bare other end."""
    ours, theirs = socket.socketpair()
    with closing(Channel(ours)) as channel, theirs:
        yield channel, theirs


def test_a_message_arrives_as_it_was_sent(ends: tuple[Channel, socket.socket]) -> None:
    """Header and bytes."""
    channel, theirs = ends
    Channel(theirs).send({"kind": "frame", "sequence": 7}, b"\xff\xd8picture")

    assert channel.receive(5) == ({"kind": "frame", "sequence": 7}, b"\xff\xd8picture")


@pytest.mark.parametrize("sent", [b"", b"\0\0\0\2", struct.pack("!II", 2, 9) + b"{}half"], ids=["none", "cut", "half"])
def test_waiting_ends_in_the_middle_of_a_message_too(ends: tuple[Channel, socket.socket], sent: bytes) -> None:
    """Whoever is stopped while it writes holds up nobody."""
    channel, theirs = ends
    theirs.sendall(sent)
    with pytest.raises(TimeoutError):
        channel.receive(0.05)


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("!II", 2**31, 0),
        struct.pack("!II", 2, 2**31),
        struct.pack("!II", 3, 0) + b"[1]",
        struct.pack("!II", 3, 0) + b"{{{",
        struct.pack("!II", 2, 0) + b"\xff\xff",
    ],
    ids=["head", "body", "list", "no JSON", "no text"],
)
def test_nonsense_is_refused(ends: tuple[Channel, socket.socket], sent: bytes) -> None:
    """Sizes out of bounds are not waited for, and what is no header is not used."""
    channel, theirs = ends
    theirs.sendall(sent)
    with pytest.raises(ValueError, match=r".") as caught:
        channel.receive(5)
    assert isinstance(caught.value, ValueError | json.JSONDecodeError)


def test_hanging_up_wakes_the_other_end(ends: tuple[Channel, socket.socket]) -> None:
    """The end of the pipe is no message."""
    channel, theirs = ends
    channel.hang_up()
    with pytest.raises(EOFError):
        Channel(theirs).receive(5)
