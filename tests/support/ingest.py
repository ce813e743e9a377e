"""Videos written on the spot, decoders and cameras that follow a script, and an MJPEG camera on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision
from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.contracts.values import Image

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def camera(url: str | Path, **fields: Any) -> Camera:
    """A camera called `cam` at this URL."""
    return Camera(id="cam", url=str(url), **fields)


def write_video(path: Path, num_frames: int = 20, size: tuple[int, int] = (64, 48), fps: float = 10.0) -> Path:
    """A video whose frame k is grey of level 10·k, by OpenCV: MJPG in AVI, mp4v in anything else."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    for index in range(num_frames):
        writer.write(np.full((size[1], size[0], 3), 10 * index, np.uint8))
    writer.release()
    return path


def write_noisy_mp4(path: Path, num_frames: int = 40) -> Path:
    """An MP4 with its index at the front, as cameras' recordings and downloads have it; 10 frames a second."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(num_frames):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def read_all(source: VideoSource) -> list[Frame]:
    """Every frame to the end, of a file or a scene; the source is closed."""
    frames: list[Frame] = []
    while (frame := source.read()) is not None:
        assert isinstance(frame, Frame)
        frames.append(frame)
    source.close()
    return frames


class ScriptedCapture:
    """A decoder that gives frames at the scripted presentation times (None: it has none), then ends; `gate` makes it
    wait."""

    def __init__(
        self,
        pts_seconds: Sequence[Any],
        *,
        fps: float = 10.0,
        size: tuple[int, int] = (8, 6),
        num_frames: int | None = None,
        gate: threading.Event | None = None,
        undecodable: frozenset[int] = frozenset(),
    ) -> None:
        self._pts = pts_seconds
        self._gate = gate
        self._undecodable = undecodable
        self.index = -1
        self.fps = fps
        self.size = size
        self.num_frames = num_frames
        self.is_released = False
        self.camera_time: datetime | None = None

    @property
    def pts_seconds(self) -> Any:
        return self._pts[self.index]

    def grab(self) -> bool:
        if self._gate is not None and self.index >= 0:
            self._gate.wait(10)
        self.index += 1
        return self.index < len(self._pts)

    def retrieve(self, max_side_px: int) -> Image | None:
        if self.index in self._undecodable:
            return None
        return np.full((self.size[1], self.size[0], 3), self.index % 256, np.uint8)

    def release(self) -> None:
        self.is_released = True


class ScriptedCamera:
    """A live `VideoSource` whose reads follow a script: an exception is raised, anything else is a frame."""

    is_live = True
    expected_frames: int | None = None

    def __init__(self, script: Sequence[Exception | None]) -> None:
        self._script: Iterator[Exception | None] = iter(script)
        self._sequence = 0
        self.is_closed = False

    def read(self) -> Frame | None:
        step = next(self._script, None) if not self.is_closed else None
        if isinstance(step, Exception):
            raise step
        frame = Frame("cam", self._sequence, START, 0.0, np.zeros((6, 8, 3), np.uint8))
        self._sequence += 1
        return frame

    def close(self) -> None:
        self.is_closed = True


class KeptDecisions:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)


class KeptStream:
    """A `StreamListener` that remembers."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.reasons: list[str] = []
        self.offsets: list[float | None] = []

    def connected(self, at: datetime) -> None:
        self.words.append("connected")

    def lost(self, at: datetime, reason: str) -> None:
        self.words.append("lost")
        self.reasons.append(reason)

    def frame(self, frame: Frame | EncodedFrame) -> None:
        self.words.append(f"frame {frame.sequence}")

    def clock_off(self, at: datetime, offset_seconds: float | None) -> None:
        self.offsets.append(offset_seconds)


@contextmanager
def mjpeg_camera(*, stall_after: int | None = None, fps: float = 30.0, port: int = 0) -> Iterator[str]:
    """An HTTP camera on loopback; after `stall_after` frames it keeps the connection and sends no more."""
    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(stopped, stall_after, 1 / fps))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://guard:hunter2@127.0.0.1:{server.server_port}/video"
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(
    stopped: threading.Event, stall_after: int | None, pause_seconds: float
) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            index = 0
            with suppress(OSError):  # the reader went away
                while not stopped.wait(pause_seconds):
                    if stall_after is None or index < stall_after:
                        self._send_frame(index)
                    index += 1

        def _send_frame(self, index: int) -> None:
            jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 20 * (index % 10), np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
