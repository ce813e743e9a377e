"""Training the built-in models again from the seed: is the loss curve the same?

Each stage is trained for `--minutes` as the shipped weights were (seed, planned steps, threads), and its losses are
held against those that the shipped run logged (`data/builtin_curves.json`, made by `--keep FOLDER` from a run's logs).
On another processor the last digits may differ.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import parser, save, show

from pipeline.models.training.loop import log_path, train
from pipeline.models.training.plan import TrainingPlan, is_bf16_fast, stage_names, usual_rate
from pipeline.models.weights import RULES, SHIPPED, VISION

CURVES = Path(__file__).parent / "data" / "builtin_curves.json"

_KEPT = 600
"""Steps whose losses are kept: more than five minutes make."""


def retrained(stage: str, shipped: dict[str, Any], minutes: float, samples: Sequence[Path]) -> dict[str, Any]:
    """How far the first minutes' losses are from the shipped run's; `samples`: folders of scenes made before."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for made in samples:
            (out / made.name).symlink_to(made.resolve())
        if stage not in (VISION, RULES):
            shutil.copy(SHIPPED / f"{VISION}.safetensors", out)
        losses: dict[int, float] = {}
        plan = TrainingPlan(
            stage,
            out,
            shipped["steps"],
            learning_rate=usual_rate(stage),
            threads=shipped["threads"],
            is_bf16=shipped["is_bf16"],
            at_most_seconds=60 * minutes,
            evaluate_every_seconds=float("inf"),
            options={"held_out": 1},
        )
        train(plan, show=lambda line: losses.update({line["step"]: line["loss"]} if "loss" in line else {}))
    both = [(losses[int(step)], loss) for step, loss in shipped["losses"].items() if int(step) in losses]
    return {
        "steps": max(losses),
        "compared": len(both),
        "first": both[0],
        "last": both[-1],
        "largest difference": max(abs(one - other) for one, other in both),
    }


def keep(folder: Path, threads: int) -> None:
    """The first losses of the runs in a folder, as what later ones are held against."""
    curves = json.loads(CURVES.read_text(encoding="utf-8")) if CURVES.exists() else {}
    for stage in stage_names():
        log = log_path(TrainingPlan(stage, folder, 0))
        if log.exists():
            lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            losses = {str(line["step"]): line["loss"] for line in lines if line.get("loss") and line["step"] <= _KEPT}
            kept = {"steps": lines[0]["steps"], "threads": threads, "is_bf16": is_bf16_fast("cpu"), "losses": losses}
            curves[stage] = kept
    CURVES.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--minutes", type=float, default=5.0, help="of each stage")
    options.add_argument("--stage", action="append", default=[], help="only these")
    options.add_argument(
        "--samples", type=Path, action="append", default=[], help="scenes kept by a run: captions begin with 1,000"
    )
    options.add_argument("--keep", type=Path, help="the folder of runs whose weights are to ship; trains nothing")
    options.add_argument("--threads", type=int, default=1, help="that those runs had")
    given = options.parse_args()
    if given.keep:
        keep(given.keep, given.threads)
        return
    curves = json.loads(CURVES.read_text(encoding="utf-8"))
    found = {
        stage: retrained(stage, shipped, given.minutes, given.samples)
        for stage, shipped in curves.items()
        if not given.stage or stage in given.stage
    }
    columns = list(next(iter(found.values())))
    show("Losses now and then", ["stage", *columns], [(stage, *each.values()) for stage, each in found.items()])
    if given.save:
        print(save(Path(__file__).stem, found))


if __name__ == "__main__":
    main()
