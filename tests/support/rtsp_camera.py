"""RTSP cameras to test on: a real server process that can be killed, frozen and started again.

Fixtures here are imported by the `conftest.py` of the folders that use them.
"""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import pytest

from pipeline.contracts.values import Image
from tests.conftest import IN_CI

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, for which the bindings of GStreamer are packaged."""
SERVER = Path(__file__).with_name("rtsp_server.py")
_START_SECONDS = 20.0


class RtspCamera:
    """A camera on a loopback port of its own, which it keeps over restarts."""

    def __init__(self, video: Path, user: str = "", password: str = "") -> None:
        self._video = video
        self._credentials = (user, password) if user else ()
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def url(self, credentials: str = "") -> str:
        """Where it is read, with the right credentials unless others are given."""
        known = credentials or ":".join(self._credentials)
        return f"rtsp://{known}{'@' if known else ''}127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        """Switch it on, and wait until it listens."""
        line = [SYSTEM_PYTHON, str(SERVER), str(self._video), str(self._port), *self._credentials]
        self._process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], _START_SECONDS)[0], "the RTSP server did not start"
        self._port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Pull its plug; may be called twice."""
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None

    def freeze(self) -> None:
        """Say nothing more, with all connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def write_h264(path: Path, pictures: Iterable[Image], fps: int, size: tuple[int, int]) -> Path:
    """An MP4 as cameras code it: H.264 without B-frames, a key frame every two seconds. `size`: (width, height)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=fps, options={"g": str(2 * fps), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def _rtsp_programs() -> None:
    try:
        done = subprocess.run([SYSTEM_PYTHON, str(SERVER)], capture_output=True, text=True, check=False)
        problem = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except FileNotFoundError:
        problem = f"there is no {SYSTEM_PYTHON}"
    if problem:
        message = f"needs GStreamer's RTSP server, its plug-ins and python3-gi (see .ci/run): {problem}"
        pytest.fail(message) if IN_CI else pytest.skip(message)


@pytest.fixture
def rtsp_camera(_rtsp_programs: None) -> Iterator[Callable[..., RtspCamera]]:
    """Makes cameras (see `RtspCamera`) that are gone after the test."""
    cameras: list[RtspCamera] = []

    def make(video: Path, user: str = "", password: str = "") -> RtspCamera:
        cameras.append(RtspCamera(video, user, password))
        return cameras[-1]

    yield make
    for camera in cameras:
        camera.kill()
