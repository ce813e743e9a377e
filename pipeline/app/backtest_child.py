"""`sightline backtest` as a process of its own, beside a program that watches cameras: it takes what they leave over.

In: a site file's draft and what is wanted of it. Out: its progress and its result, as the command writes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.errors import ConfigError, Overloaded, TransientError

_NICENESS = 10
_EXIT_USAGE = 2
_MOST_WORDS = 2_000
_READ_BYTES = 1 << 16
_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 20.0
"""For a process that was told to stop: it takes its files away."""


class Child:
    """Runs one at a time."""

    def __init__(self, site_path: Path, data_dir: Path) -> None:
        self._site_path = site_path
        self._environment = {"SIGHTLINE_DATA_DIR": str(data_dir)}
        self._room = threading.Lock()

    def run(self, text: str, rule_ids: Sequence[str], since: str, until: str) -> Generator[Mapping[str, Any]]:
        """Steps `{"done": 3, "of": 40}` (0 of 0 while it begins), one a second at least, then the result. Closed early,
        the process is stopped.

        `Overloaded` while another runs; `ConfigError` in the command's words; `TransientError` when it ended early.
        """
        if not self._room.acquire(blocking=False):
            raise Overloaded("another backtest is running: try again when it is done")
        try:
            with tempfile.TemporaryFile() as said, self._started(_arguments(rule_ids, since, until), said) as process:
                yield from _told(process, text)
                _check(process.wait(), said)
        finally:
            self._room.release()

    @contextlib.contextmanager
    def _started(self, arguments: Sequence[str], said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(  # noqa: S603 - our own command; options bear their values with =
            [sys.executable, "-m", "pipeline", "backtest", str(self._site_path), *arguments],
            env=os.environ | self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        try:
            with contextlib.suppress(OSError):  # it may be over already
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
            yield process
        finally:
            _end(process)


def _arguments(rule_ids: Sequence[str], since: str, until: str) -> list[str]:
    """With = throughout: what was typed is never an option of its own."""
    return ["--draft", "--steps", "--history", f"--from={since}", f"--to={until}", *(f"--rule={id}" for id in rule_ids)]


def _told(process: subprocess.Popen[bytes], text: str) -> Iterator[Mapping[str, Any]]:
    assert process.stdin is not None  # both were asked for
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as given:  # it may refuse before it reads
        given.write(text.encode())
    last: Mapping[str, Any] = {"done": 0, "of": 0}
    for line in _lines(process.stdout.fileno()):
        if line:
            last = json.loads(line)
        if line or "of" in last:
            yield last


def _lines(descriptor: int) -> Iterator[bytes]:
    """Line by line until its end; `b""` while there is none, so that whoever asks can leave."""
    rest = b""
    while True:
        is_ready, _, _ = select.select([descriptor], [], [], _EVERY_SECONDS)
        if not is_ready:
            yield b""
            continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _check(status: int, said: IO[bytes]) -> None:
    """Raise what it said on its standard error, when it did not end well."""
    if status == 0:
        return
    said.seek(0)
    words = said.read().decode(errors="replace").strip().removeprefix("error: ")[-_MOST_WORDS:]
    if status == _EXIT_USAGE:
        raise ConfigError(words)
    raise TransientError(f"the backtest has ended early (status {status}): {words or 'it said nothing'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
