"""A console beside a run: served, dead, begun again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from pipeline.app.console_beside import ConsoleBeside
from pipeline.console.server import ConsoleServer
from pipeline.errors import ConfigError
from pipeline.telemetry import Metrics
from tests.support.ingest import wait_for


class Servers:
    """Makes servers of an empty application, which a test may let die; keeps them."""

    def __init__(self) -> None:
        self.made: list[ConsoleServer] = []
        self.metrics = Metrics()

    def __call__(self) -> ConsoleServer:
        self.made.append(ConsoleServer(FastAPI(), "127.0.0.1", 0))
        return self.made[-1]

    def up(self) -> float | None:
        """What the metric says of the server made last."""
        return self.metrics.registry.get_sample_value("sightline_console_up", {"address": self.made[-1].url})


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    for server in made.made:
        server.stop()


def beside_of(servers: Servers, open_server: Callable[[], ConsoleServer]) -> ConsoleBeside:
    """One that looks often."""
    return ConsoleBeside(open_server, servers.metrics, look_seconds=0.02, again_seconds=0.02)


def test_it_is_served_until_it_is_stopped(servers: Servers) -> None:
    """The metric says so; stopping twice is no harm, and the port is free afterwards."""
    beside = beside_of(servers, servers)
    beside.start()
    assert httpx.get(f"{beside.url}/nothing", trust_env=False).status_code == 404
    assert servers.up() == 1
    port = int(beside.url.rpartition(":")[2])
    beside.stop()
    beside.stop()
    assert servers.up() == 0
    socket.create_server(("127.0.0.1", port)).close()


def test_a_console_that_died_is_begun_again(servers: Servers) -> None:
    """Somewhere else nobody noticed; the metric is up again."""
    beside = beside_of(servers, servers)
    beside.start()
    servers.made[0].stop()
    assert wait_for(lambda: len(servers.made) == 2 and servers.made[1].is_serving and servers.up() == 1, 30)
    assert httpx.get(f"{beside.url}/nothing", trust_env=False).status_code == 404
    beside.stop()


def test_it_is_tried_until_it_can_be_had(servers: Servers) -> None:
    """A port that somebody else took meanwhile ends no run."""
    num_refused = 0

    def open_server() -> ConsoleServer:
        nonlocal num_refused
        if servers.made and num_refused < 2:
            num_refused += 1
            raise ConfigError("cannot listen on 127.0.0.1 port 8484: Address already in use")
        return servers()

    beside = beside_of(servers, open_server)
    beside.start()
    servers.made[0].stop()
    assert wait_for(lambda: len(servers.made) == 2 and servers.made[1].is_serving, 30)
    beside.stop()
    assert num_refused == 2
