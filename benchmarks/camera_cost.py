"""What a live camera costs: cores and memory each, at 1080p, 15 frames a second, H.264, looked at twice a second.

A real RTSP server in a process of its own, which is not counted, serves the traffic clip enlarged to 1080p with a key
frame a second, to 1, 4 and 8 cameras. They are read as a runtime reads them: connected, decoded, scaled down to
`ingest.max_side_px` (which 1080p just is), written as JPEG and handed over. Once all frames are decoded, once the key
frames alone, which gives one picture a second. Counted are the decoders, what the reading process itself spends, and
the fork server they share; memory is PSS, in which a page that n processes share counts an n-th for each.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
from measure import ROOT, SHARED, parser, save, show

sys.path.insert(0, str(ROOT))

from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.frame import VideoSource
from pipeline.ingest import PictureWish, open_supervised
from pipeline.settings import IngestSettings
from tests.support.rtsp_camera import RtspCamera

CLIP = SHARED / "videos" / "dvrscan_traffic_camera.mp4"
SIZE_PX = (1920, 1080)
FPS = 15
SECONDS = 10
LOOKED_AT_FPS = 2.0
BITS_PER_SECOND = 4_000_000
CAMERAS = (1, 4, 8)
WAYS = ("all", "keyframes")
SETTLE_SECONDS = 6.0
WINDOW_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")


def pictures() -> Iterator[av.VideoFrame]:
    """The clip's first frames, enlarged."""
    capture = cv2.VideoCapture(str(CLIP))
    while (read := capture.read())[0]:
        yield av.VideoFrame.from_ndarray(cv2.resize(read[1], SIZE_PX, interpolation=cv2.INTER_CUBIC), format="bgr24")
    capture.release()


def write_clip(path: Path) -> Path:
    """As cameras code: no B-frames, a key frame a second, 4 Mbit/s."""
    options = {"g": str(FPS), "bf": "0", "preset": "veryfast", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(FPS), options=options)
        (stream.width, stream.height), stream.pix_fmt, stream.bit_rate = SIZE_PX, "yuv420p", BITS_PER_SECOND
        for picture in islice(pictures(), FPS * SECONDS):
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


class Reader:
    """A thread that looks at a camera twice a second."""

    def __init__(self, camera: Camera) -> None:
        self.num_frames = 0
        wish = PictureWish(fps=LOOKED_AT_FPS)
        self._source: VideoSource = open_supervised(
            camera, IngestSettings(), SystemClock(), NullDecisionSink(), wish=wish
        )
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._source.close()
        self._thread.join()

    def _read(self) -> None:
        while self._source.read() is not None:
            self.num_frames += 1
            self._closed.wait(1 / LOOKED_AT_FPS - 1 / FPS)  # the next frame comes within a frame's time after it


def decoders() -> list[int]:
    """Process ids."""
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def fork_server(decoder: int) -> int:
    """The parent of a decoder."""
    return int(Path(f"/proc/{decoder}/stat").read_text().rpartition(")")[2].split()[1])


def cpu_seconds(pids: list[int]) -> float:
    """User and system time so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def pss_mib(pid: int) -> float:
    """Proportional share of memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measure(url: str, number: int, decode: str) -> dict[str, float | str]:
    """One row."""
    with ExitStack() as stack:
        readers = [
            Reader(Camera.model_validate({"id": f"cam{i}", "url": url, "decode": decode})) for i in range(number)
        ]
        for reader in readers:
            stack.callback(reader.close)
        while not all(reader.num_frames for reader in readers):
            time.sleep(0.1)
        time.sleep(SETTLE_SECONDS)
        pids = decoders()
        before = cpu_seconds(pids), time.process_time(), sum(reader.num_frames for reader in readers), time.monotonic()
        time.sleep(WINDOW_SECONDS)
        seconds = time.monotonic() - before[3]
        return {
            "decoded": decode,
            "cameras": number,
            "cores_decoder": (cpu_seconds(pids) - before[0]) / seconds / number,
            "cores_reader": (time.process_time() - before[1]) / seconds / number,
            "pss_mib_decoder": sum(map(pss_mib, pids)) / number,
            "pss_mib_fork_server": pss_mib(fork_server(pids[0])),
            "looked_at_fps": (sum(reader.num_frames for reader in readers) - before[2]) / seconds / number,
        }


def main() -> None:
    """Measure, print, keep."""
    given = parser(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = RtspCamera(write_clip(Path(folder) / "clip.mp4"))
        try:
            rows = [measure(server.url(), number, decode) for decode in WAYS for number in CAMERAS]
        finally:
            server.kill()
    show("A camera, each", list(rows[0]), [list(row.values()) for row in rows])
    if given.save:
        print(save("camera_cost", {"rows": rows}))


if __name__ == "__main__":
    main()
