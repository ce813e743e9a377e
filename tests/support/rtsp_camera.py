"""RTSP cameras to test on: a real server process that can be killed, stopped and started again, and that shows what
it is told to.

Fixtures here are imported by the `conftest.py` of the folders that use them.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.contracts.values import Image
from tests.conftest import IN_CI

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, for which the bindings of GStreamer are packaged."""
SERVER = Path(__file__).with_name("rtsp_server.py")
MOUNT = "stream"
NORMAL = "normal"
_ANSWER_SECONDS = 30.0
_OPTIONS = {
    "h264": {},
    "hevc": {"x265-params": "log-level=none:pools=1"},
    "mjpeg": {"huffman": "default"},  # RTP sends none but the standard's tables
}


class RtspCamera:
    """A camera on a loopback port of its own, which it keeps over restarts; or many on one port, one a mount.

    It shows `video` unless told to `show` one of `others`; switched on again, it shows `video` again.
    """

    def __init__(
        self,
        video: Path,
        user: str = "",
        password: str = "",
        *,
        others: Mapping[str, Path] | None = None,
        mounts: Sequence[str] = (MOUNT,),
    ) -> None:
        self._clips = {name: (_codec_of(path), str(path)) for name, path in {NORMAL: video, **(others or {})}.items()}
        self._credentials = [user, password] if user else []
        self._mounts = list(mounts)
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.start()

    def url(self, credentials: str = "", *, mount: str = MOUNT, port: int = 0) -> str:
        """Where it is read, with the right credentials unless others are given; `port`: of what stands before it."""
        known = credentials or ":".join(self._credentials)
        return f"rtsp://{known}{'@' if known else ''}127.0.0.1:{port or self.port}/{mount}"

    def start(self) -> None:
        """Switch it on, and wait until it listens."""
        line = [SYSTEM_PYTHON, str(SERVER), "serve"]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        given = {"port": self.port, "clips": self._clips, "mounts": self._mounts, "credentials": self._credentials}
        self.port = int(self._ask(given))

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

    def ask_for(self, user: str, password: str) -> None:
        """Switch it off and on with another password."""
        self.kill()
        self._credentials = [user, password]
        self.start()

    def show(self, what: str, mount: str = MOUNT) -> None:
        """`NORMAL` or another clip, in the same stream when its codec is the same."""
        self._ask([mount, "show", what])

    def slow_down(self, seconds: float | None, mount: str = MOUNT) -> None:
        """One picture each so many seconds; 0: the clip's own pace, None: nothing more, with all connections open."""
        self._ask([mount, "pace", seconds])

    def serve(self, mount: str = MOUNT, *, is_there: bool) -> None:
        """Whether there is this mount; when not, its clients are dropped and new ones are told 404."""
        self._ask([mount, "serve", is_there])

    def _ask(self, order: object) -> str:
        """One line to the server, and its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _ANSWER_SECONDS)
        assert ready, f"the RTSP server did not answer within {_ANSWER_SECONDS:g} s"
        answer = self._process.stdout.readline().strip()
        assert answer, "the RTSP server has ended; see what it says above"
        return answer


def _codec_of(video: Path) -> str:
    with av.open(str(video)) as container:
        return container.streams.video[0].codec_context.name


def write_h264(path: Path, pictures: Iterable[Image], fps: int, size: tuple[int, int]) -> Path:
    """An MP4 as cameras code it: H.264 without B-frames, a key frame every two seconds. `size`: (width, height)."""
    return write_coded(path, pictures, fps, size, "h264")


def write_coded(path: Path, pictures: Iterable[Image], fps: int, size: tuple[int, int], codec: str) -> Path:
    """The same with `h264`, `hevc` or `mjpeg`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=_OPTIONS[codec] | {"g": str(2 * fps), "bf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
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

    def make(video: Path, user: str = "", password: str = "", **more: Any) -> RtspCamera:
        cameras.append(RtspCamera(video, user, password, **more))
        return cameras[-1]

    yield make
    for camera in cameras:
        camera.kill()
