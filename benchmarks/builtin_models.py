"""The built-in clip model on people, moments, places and wordings that its training never met.

Verdicts, pairs of situations and near misses, events by class, false positives where nothing happens, what reports
name, whether they keep to the schema, and how long both take on one core. With `--footage` the same over the views of
real recordings, which must not have been adapted to. Trained weights are read from where they ship, or `--weights`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import parser, save, show, spread

from pipeline.contracts.values import Box
from pipeline.models.clip import Clip, ClipFrame, ClipRegion
from pipeline.models.clip_model import ClipModel, load_clip_model
from pipeline.models.training.clip_cache import ClipCache, Recipe
from pipeline.models.training.clip_evaluation import evaluate_clips
from pipeline.models.weights import CLIP, SHIPPED, read_weights
from pipeline.reasoning.schema import parse_report
from pipeline.scenes.situations import SITUATIONS, stage
from pipeline.scenes.story import key_times

_NUM_FRAMES = 6
_SEED = 5_000_000
"""Of the clips that are timed and whose reports are read: not of any training."""


def figures(model: ClipModel, weights: Path, samples: Path, scenes: int, footage: Sequence[Path]) -> dict[str, Any]:
    """As the training's own evaluation, on more scenes and another seed."""
    recipe = Recipe(weights, samples, seed=_SEED, clips=2, split="held_out", footage=tuple(footage))
    temperature = float(read_weights(weights, CLIP).facts["temperature"])
    found = ClipCache(recipe).up_to(scenes)
    return evaluate_clips(model.networks, model.eyes.reader, found, temperature=temperature, with_reports=True)


def clips(count: int) -> list[Clip]:
    """Clips of held-out places, one of each situation in turn, with true boxes."""
    return [_clip(number, SITUATIONS[number % len(SITUATIONS)]) for number in range(count)]


def _clip(number: int, situation: str) -> Clip:
    staged = stage(_SEED + number, situation=situation, size=(768, 432))
    times = key_times(staged.story, _NUM_FRAMES, np.random.default_rng(number))
    frames = []
    for at in times:
        image, truth = staged.scene.render(at)
        regions = tuple(ClipRegion(Box(*_sides(actor.box)), actor.label, actor.id) for actor in truth.actors)
        frames.append(ClipFrame(image, at - times[0], regions))
    zone = staged.scene.zones.get(staged.story.zone)
    return Clip(tuple(frames), f"something like {situation}", zone=zone, zone_name=staged.story.zone)


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def answers(model: ClipModel, asked: Sequence[Clip]) -> dict[str, Any]:
    """Seconds of a verdict and of a report, and the share of reports that hold."""
    verdicts, reports, valid = [], [], 0
    model.verdict(asked[0])
    for number, clip in enumerate(asked):
        verdicts.append(_timed(lambda clip=clip: model.verdict(clip)))  # type: ignore[misc]  # bound at once
        started = time.perf_counter()
        body = model.report(clip, ("en", "zh")[number % 2])
        reports.append(time.perf_counter() - started)
        valid += bool(parse_report(json.dumps(body), len(clip.frames)).frames)
    return {
        "clips": len(asked),
        "verdict s": spread(verdicts),
        "report s": spread(reports),
        "median verdict s": statistics.median(verdicts),
        "valid reports": valid / len(asked),
    }


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _show(title: str, found: dict[str, Any]) -> None:
    flat = {
        "accuracy": found["verdicts"]["accuracy"],
        "AUC": found["verdicts"]["auc"],
        "recall at 5 %": found["verdicts"]["recall_at_5_percent_false"],
        "near-miss pairs": found["near_miss_pairs"]["accuracy"],
        "events at 5 %": found["events"]["mean_recall"],
        "false positives": found["ordinary"]["false_positives"],
        **found["reports"],
    }
    show(title, list(flat), [list(flat.values())])
    pairs = found["near_miss_pairs"]["by_situation"]
    events = found["events"]["by_class"]
    rows = [
        (name, pairs.get(name, {}).get("accuracy"), pairs.get(name, {}).get("of"),
         events.get(name, {}).get("recall"), events.get(name, {}).get("auc"), events.get(name, {}).get("of"))
        for name in SITUATIONS
    ]  # fmt: skip
    show(f"{title}, by situation", ["situation", "pairs", "of", "recall at 5 %", "AUC", "of "], rows)


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--weights", type=Path, default=SHIPPED)
    options.add_argument("--scenes", type=int, default=200)
    options.add_argument("--answers", type=int, default=48, help="clips that are timed")
    options.add_argument("--footage", type=Path, action="append", default=[], help="a recording to compose over")
    given = options.parse_args()
    torch.set_num_threads(1)
    model = load_clip_model(folder=given.weights)
    with tempfile.TemporaryDirectory() as folder:
        found = {"held out": figures(model, given.weights, Path(folder) / "scenes", given.scenes, ())}
        if given.footage:
            found["over real views"] = figures(model, given.weights, Path(folder) / "real", given.scenes, given.footage)
    for title, each in found.items():
        _show(title, each)
    timed = answers(model, clips(given.answers))
    show("Answers", list(timed), [list(timed.values())])
    if given.save:
        print(save(Path(__file__).stem, {"weights": model.version, **found, "answers": timed}))


if __name__ == "__main__":
    main()
