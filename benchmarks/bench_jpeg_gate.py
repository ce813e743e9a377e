"""The motion gate on frames that came as JPEG beside frames that came as pixels, in one run on one core.

Per frame: the gate on pixels; that and the encoding a local runtime pays for its ring (where the frame is kept);
the gate on JPEG, of which it decodes a fraction; and the same had it to decode the whole picture first. Pictures
are those of the traffic clip, 720p, and the same enlarged to 1080p; quality 85. The ways alternate frame by frame
and are measured in processor time, so that other work on the machine counts little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from measure import SHARED, parser, save, show

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.jpeg import decode, encode
from pipeline.sampling.gate import MotionGate
from pipeline.settings import SamplingSettings

CLIP = SHARED / "videos" / "dvrscan_traffic_camera.mp4"
SIZES_PX = ((1280, 720), (1920, 1080))
QUALITY = 85
FRAMES = 200
START = datetime(2026, 1, 1, tzinfo=UTC)


def frames(size_px: tuple[int, int]) -> Iterator[Frame]:
    """The clip's first frames at a size."""
    capture = cv2.VideoCapture(str(CLIP))
    for number in range(FRAMES):
        _, bgr = capture.read()
        if bgr.shape[1::-1] != size_px:
            bgr = cv2.resize(bgr, size_px, interpolation=cv2.INTER_CUBIC)
        pixels = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        yield Frame("bench", number, START + timedelta(seconds=number / 25), number / 25, pixels)
    capture.release()


def ways() -> dict[str, Callable[[Frame, EncodedFrame], object]]:
    """What is done with a frame, each by a gate of its own."""
    gates = [MotionGate(SamplingSettings()) for _ in range(4)]

    def after_decoding(frame: Frame, given: EncodedFrame) -> None:
        pixels = decode(given.jpeg)
        gates[3].look(Frame(frame.camera_id, frame.sequence, frame.captured_at, frame.pts_seconds, pixels))

    return {
        "gate on pixels": lambda frame, _: gates[0].look(frame),
        "gate on pixels, then encoded": lambda frame, _: (gates[1].look(frame), encode(frame, QUALITY)),
        "gate on JPEG": lambda _, given: gates[2].look(given),
        "decoded whole, then gate": after_decoding,
    }


def measure(size_px: tuple[int, int]) -> dict[str, float]:
    """Milliseconds of processor time a frame, median."""
    todo = ways()
    taken: dict[str, list[float]] = {name: [] for name in todo}
    for frame in frames(size_px):
        given = encode(frame, QUALITY)
        for name, way in todo.items():
            started = time.thread_time()
            way(frame, given)
            taken[name].append((time.thread_time() - started) * 1e3)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    given = parser(__doc__ or "").parse_args()
    cv2.setNumThreads(1)
    medians = {f"{width}x{height}": measure((width, height)) for width, height in SIZES_PX}
    names = list(next(iter(medians.values())))
    rows = [
        (size, *(f"{ms[name]:.2f} ({ms[name] / ms['gate on JPEG']:.2f}x)" for name in names))
        for size, ms in medians.items()
    ]
    show(f"{CLIP.name}: ms a frame (as often as the gate on JPEG), median of {FRAMES}", ["", *names], rows)
    if given.save:
        print(save(Path(__file__).stem, {"clip": CLIP.name, "ms_a_frame": medians}))


if __name__ == "__main__":
    main()
