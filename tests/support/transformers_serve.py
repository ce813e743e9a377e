"""`transformers serve`: a real OpenAI-compatible server that somebody else wrote, over models in folders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.broker import free_port
from tests.support.processes import wait_until

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class TransformersServer:
    """A running one; a model is named by its folder, and loaded by the first request that names it."""

    url: str
    log: Path

    def count(self, words: str) -> int:
        """How often it logged that."""
        return self.log.read_text(errors="replace").count(words)


@contextmanager
def transformers_serve(work: Path) -> Iterator[TransformersServer]:
    """The server for the length of a `with`, about 6 s to start; `work`: a folder for its log.

    It looks into the hub's cache for models to list, and fails on a folder that is not there.
    """
    (work / "hub").mkdir()
    log, port = work / "serve.log", free_port()
    program = Path(sys.executable).with_name("transformers")
    environment = os.environ | {"HF_HUB_CACHE": str(work / "hub"), "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        wait_until(lambda: _is_up(process, port, log), _START_SECONDS, "transformers serve")
        yield TransformersServer(f"http://127.0.0.1:{port}/v1", log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_up(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")[-2000:]
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=1.0).is_success
    except httpx.HTTPError:
        return False
