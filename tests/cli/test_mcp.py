"""`sightline mcp`, spoken to by the `mcp` package's own client."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.mcp import read_address
from pipeline.cli.program import app
from pipeline.errors import ConfigError
from pipeline.search.found import cite
from pipeline.settings import Settings
from tests.support.archive import BAG, fill
from tests.support.processes import wait_until

READING = {
    "search_events",
    "get_incident",
    "search_frames",
    "search_moments",
    "get_frames",
    "count_tracks",
    "camera_status",
    "coverage",
    "why",
}
CHANGING = {"confirm_incident", "reject_incident", "acknowledge_incident"}
EVENING = {"camera": "yard", "from": "2026-07-10T22:00", "to": "2026-07-10T22:24"}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


def command(kept: Path, *options: str) -> list[str]:
    return ["-m", "pipeline", "mcp", "--data-dir", str(kept), "--site", str(kept / "site.yaml"), *options]


def talk(kept: Path, conversation: Callable[[Client], Awaitable[None]], *options: str) -> None:
    """With a server of its own over standard input and output."""

    async def run() -> None:
        parameters = StdioServerParameters(command=sys.executable, args=command(kept, *options))
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a file object is what the client takes
            async with Client(stdio_client(parameters, errlog=nowhere)) as client:
                await conversation(client)

    anyio.run(run)


def test_the_tools_are_there_and_only_read(kept: Path) -> None:
    """The same names and schemas as `ask` has; each says that it changes nothing."""

    async def conversation(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
        refused = await client.call_tool("confirm_incident", {"id": BAG.id, "by": "x"})
        assert refused.is_error

    talk(kept, conversation)


def test_answers_are_those_of_the_tools(kept: Path) -> None:
    """Incidents, pictures behind their citation, gaps, gates; a wrong call is told what was expected."""

    async def conversation(client: Client) -> None:
        found = await client.call_tool("search_events", EVENING)
        assert cite(BAG) in found.content[0].text
        pictures = await client.call_tool("get_frames", {"camera": "yard", "at": "2026-07-10T22:14:03", "count": 1})
        assert [block.type for block in pictures.content] == ["text", "text", "image"]
        assert pictures.content[1].text == cite(BAG, 1)
        gaps = json.loads((await client.call_tool("coverage", EVENING)).content[0].text)
        assert [gap["reason"] for gap in gaps["longest_gaps"]] == ["not running", "offline"]
        why = await client.call_tool("why", {"camera": "yard", "at": "2026-07-10T22:14", "rule": "entry"})
        assert "nothing moved" in why.content[0].text
        status = json.loads((await client.call_tool("camera_status", {})).content[0].text)
        assert [each["camera"] for each in status["cameras"]] == ["yard", "gate"]
        wrong = await client.call_tool("search_events", {"camera": "yrd"})
        assert wrong.is_error
        assert "did you mean yard" in wrong.content[0].text

    talk(kept, conversation)


def test_changes_are_made_where_they_are_allowed(kept: Path) -> None:
    """A person's word goes where `sightline incidents confirm` puts it."""

    async def conversation(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING | CHANGING
        assert not (await client.call_tool("confirm_incident", {"id": BAG.id[:8], "by": "anna"})).is_error

    talk(kept, conversation, "--allow-changes")
    stores = open_stores(Settings(data_dir=kept))
    seen = stores.incidents.get(BAG.id)
    stores.close()
    assert seen is not None
    assert seen.review is not None
    assert seen.review.is_right


def test_the_same_over_http_on_loopback(kept: Path) -> None:
    """At /mcp."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, *command(kept, "--http", f"127.0.0.1:{port}")], stderr=subprocess.DEVNULL
    )

    async def run() -> None:
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            assert cite(BAG) in (await client.call_tool("search_events", EVENING)).content[0].text

    try:
        wait_until(lambda: _answers(port), 30, "the server")
        anyio.run(run)
    finally:
        server.terminate()
        server.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("text", "allowed", "expected"),
    [
        ("127.0.0.1:8765", False, ("127.0.0.1", 8765)),
        (":8765", False, ("127.0.0.1", 8765)),
        ("[::1]:8765", False, ("::1", 8765)),
        ("localhost:8765", False, ("localhost", 8765)),
        ("0.0.0.0:8765", True, ("0.0.0.0", 8765)),
        ("0.0.0.0:8765", False, "--allow-remote"),
        ("example.com:80", False, "--allow-remote"),
        ("127.0.0.1", False, "expected HOST:PORT"),
        ("127.0.0.1:99999", False, "expected HOST:PORT"),
    ],
)
def test_only_loopback_is_served_unless_told(text: str, allowed: bool, expected: tuple[str, int] | str) -> None:
    """Nobody is asked for a key there."""
    if isinstance(expected, tuple):
        assert read_address(text, allow_remote=allowed) == expected
    else:
        with pytest.raises(ConfigError, match=expected):
            read_address(text, allow_remote=allowed)


def test_without_data_it_says_what_is_missing(tmp_path: Path) -> None:
    """As the other commands that look."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["mcp", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "no Sightline data" in result.stderr
