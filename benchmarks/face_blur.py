"""What hiding faces costs a frame, and how many faces counted by hand (`tests/ingest/test_faces.py`) it hides.

Finding and hiding in one thread, as in a camera's decoder, in processor time; without decoding and JPEG.
"""

from __future__ import annotations

import time

import cv2
from measure import SHARED, parser, save, show, spread

from pipeline.contracts.values import Image
from pipeline.ingest.faces import FaceBlur, FaceFinder
from tests.ingest.test_faces import FACES, HIDDEN_SHARE, hidden_share, pictures

SIZES_PX = ((640, 480), (1280, 720), (1920, 1080))
REPEATS = 15


def costs_ms(finder: FaceFinder, picture: Image) -> list[float]:
    """Processor time of each of several runs over one picture, milliseconds."""
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        FaceBlur(finder).apply(picture)
        costs.append((time.process_time() - started) * 1000)
    return costs


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "").parse_args()
    cv2.setNumThreads(1)
    finder = FaceFinder(SHARED / "weights" / "face_RFB-320.onnx")
    seen = list(pictures(SHARED, list(FACES)))
    hidden = {key: (pixels, FaceBlur(finder).apply(pixels)) for key, pixels in seen}
    shares = [hidden_share(*hidden[key], box) for key, boxes in FACES.items() for box in boxes]
    recall = sum(share >= HIDDEN_SHARE for share in shares)
    rows = []
    for size in SIZES_PX:
        picture = cv2.resize(seen[-1][1], size)
        rows.append((f"{size[0]}x{size[1]}", spread(costs_ms(finder, picture))))
    show(f"faces hidden: {recall} of {len(shares)}", ("picture", "ms of processor time a frame"), rows)
    if arguments.save:
        save("face_blur", {"hidden": recall, "of": len(shares), "cost_ms": dict(rows)})


if __name__ == "__main__":
    main()
