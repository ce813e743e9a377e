"""The built-in clip model on real recordings, none of which it was trained on or tuned for.

Every clip is read as the product reads it: each frame through the motion gate, five a second of them to the built-in
region classifier; then windows of `SPAN` seconds, one a second, of six key frames with what was found in them, without
tracks or facts. Each window is asked the rules below, as an operator would write them.

* falls (GMDCSA24, indoors): windows that share a second or more with a labelled fall against those that touch none,
  other activities among them; also by clip, by its surest window;
* walkers (PETS09-S2L1, TUD-Campus) and the change of light: nobody falls, lies, fights, climbs, and there is no smoke,
  so every yes is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measure import SHARED, parser, save, show

from pipeline.contracts.frame import Frame, SampledFrame
from pipeline.evaluation.datasets import read_gmdcsa24
from pipeline.evaluation.spans import Event
from pipeline.models.clip import Clip, ClipFrame, ClipRegion
from pipeline.models.clip_model import ClipModel, load_clip_model
from pipeline.models.training.clip_evaluation import auc
from pipeline.models.weights import SHIPPED
from pipeline.perception.detector import load_detector
from pipeline.sampling.gate import MotionGate
from pipeline.settings import PerceptionSettings, SamplingSettings

RULES = {
    "fall": "a person falls to the ground",
    "lie": "a person is lying on the ground",
    "fight": "people fight with each other",
    "climb": "a person climbs over the fence",
    "smoke": "smoke rises",
}
START = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLED_FPS = 5.0
SPAN_SECONDS = 4.0
LEAST_SHARED_SECONDS = 1.0
"""Of a window with a labelled fall; windows that share less are left out."""
NUM_FRAMES = 6
CALM = ("pets09_s2l1_vtest.avi", "tud_campus.mp4", "dvrscan_brightness_change.avi")
FALLS = "videos/gmdcsa24"


@dataclass(frozen=True, slots=True)
class Window:
    """One window's answers."""

    clip: str
    start_seconds: float
    lean: dict[str, float]
    """Rule → P(yes) of yes and no."""
    cannot_tell: float


def seen_frames(path: Path) -> Iterator[ClipFrame]:
    """Five a second, with what moves in them."""
    capture, gate = cv2.VideoCapture(str(path)), MotionGate(SamplingSettings())
    detector = load_detector("builtin", PerceptionSettings())
    detector.warm_up()
    fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
    number = kept = 0
    while (read := capture.read())[0]:
        at = number / fps
        frame = Frame("clip", number, START + timedelta(seconds=at), at, cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
        look = gate.look(frame)
        if at * SAMPLED_FPS >= kept:
            kept += 1
            sampled = SampledFrame(frame, look.motion, look.thumbnail, "motion")
            regions = detector.detect([sampled])[0]
            yield ClipFrame(frame.pixels, at, tuple(ClipRegion(region.box, region.label) for region in regions))
        number += 1
    capture.release()


def windows(model: ClipModel, path: Path) -> list[Window]:
    """The answers of one recording; one shorter than a window is one window."""
    frames = list(seen_frames(path))
    last = frames[-1].seconds
    starts = np.arange(0.0, max(last - SPAN_SECONDS, 0.0) + 1e-6, 1.0)
    return [_asked(model, path.stem, float(start), frames) for start in starts]


def _asked(model: ClipModel, name: str, start: float, frames: Sequence[ClipFrame]) -> Window:
    inside = [frame for frame in frames if start <= frame.seconds <= start + SPAN_SECONDS]
    chosen = [inside[int(index)] for index in np.linspace(0, len(inside) - 1, min(NUM_FRAMES, len(inside)))]
    shown = tuple(ClipFrame(each.image, each.seconds - chosen[0].seconds, each.regions) for each in chosen)
    answers = {name: model.verdict(Clip(shown, rule)) for name, rule in RULES.items()}
    lean = {name: each.yes / max(each.yes + each.no, 1e-9) for name, each in answers.items()}
    return Window(name, start, lean, float(np.mean([each.cannot_tell for each in answers.values()])))


def falls() -> dict[str, list[Event]]:
    """Clip → its labelled falls."""
    found: dict[str, list[Event]] = {}
    for table in sorted((SHARED / "annotations/gmdcsa24").glob("*.csv")):
        for event in read_gmdcsa24(table).events:
            if event.label.startswith("Falling"):
                found.setdefault(event.camera_id, []).append(event)
    return found


def of_falls(model: ClipModel) -> dict[str, Any]:
    """AUC of windows and of clips, and what .5 finds."""
    events, scored, clips = falls(), [], []
    for path in sorted((SHARED / FALLS).glob("*.mp4")):
        mine, seen = events.get(path.stem, []), windows(model, path)
        clips.append((bool(mine), max(_down(each) for each in seen)))
        for each in seen:
            shared = max((_shared_seconds(each, event) for event in mine), default=0.0)
            if shared <= 0 or shared >= LEAST_SHARED_SECONDS:
                scored.append((shared > 0, _down(each)))
    is_fall, lean = np.array([each[0] for each in scored]), np.array([each[1] for each in scored])
    return {
        "windows": len(scored),
        "of a fall": int(is_fall.sum()),
        "AUC of windows": auc(lean, is_fall),
        "AUC of clips": auc(np.array([each[1] for each in clips]), np.array([each[0] for each in clips])),
        "fall windows called so": float((lean[is_fall] >= 0.5).mean()),
        "other windows called so": float((lean[~is_fall] >= 0.5).mean()),
    }


def _shared_seconds(window: Window, event: Event) -> float:
    end = min(event.end_seconds, window.start_seconds + SPAN_SECONDS)
    return end - max(event.start_seconds, window.start_seconds)


def _down(window: Window) -> float:
    return max(window.lean["fall"], window.lean["lie"])


def of_calm(model: ClipModel, name: str) -> dict[str, Any]:
    """Share of windows with a false yes, by rule."""
    seen = windows(model, SHARED / "videos" / name)
    shares = {rule: float(np.mean([each.lean[rule] >= 0.5 for each in seen])) for rule in RULES}
    return {"windows": len(seen), **shares, "cannot tell": float(np.mean([each.cannot_tell for each in seen]))}


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--weights", type=Path, default=SHIPPED)
    given = options.parse_args()
    torch.set_num_threads(1)
    model = load_clip_model(folder=given.weights)
    fallen, calm = of_falls(model), {name: of_calm(model, name) for name in CALM}
    show("falls", list(fallen), [list(fallen.values())])
    columns = list(next(iter(calm.values())))
    show("false alarms where nothing of the kind happens", ["recording", *columns],
         [(name, *each.values()) for name, each in calm.items()])  # fmt: skip
    if given.save:
        print(save(Path(__file__).stem, {"weights": model.version, "falls": fallen, "calm": calm}))


if __name__ == "__main__":
    main()
