"""The built-in models on people, moments, places and wordings that training never met.

One row a kind of clips and a way of asking: verdicts, pairs of situations and near misses, events at 5 % false, false
positives where nothing happens, what reports name. Clips: other people in known places, held-out places and, with
`--footage`, held-out people over the views of real recordings, which must not have been adapted to. Asked: as meant
(a rule's parts without a mistake), in usual wordings, in held-out wordings. Then events by class, how the rules of
`data/operator_rules*.json` are read (written by somebody who saw neither the scenes' words nor the model),
whether reports keep to the schema, and how long answers take on one core. Trained weights are read
from where they ship, or `--weights`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import parser, save, show, spread

from pipeline.contracts.values import Box
from pipeline.models.claim_parts import CLAIM_PARTS
from pipeline.models.clip import Clip, ClipFrame, ClipRegion
from pipeline.models.clip_model import ClipModel, load_clip_model
from pipeline.models.clip_network import RuleBatch
from pipeline.models.rule_reader import RuleReader
from pipeline.models.training.clip_cache import ClipCache
from pipeline.models.training.clip_evaluation import Read, as_meant, evaluate_clips
from pipeline.models.training.clip_samples import AskedRule, ClipSample
from pipeline.models.training.rule_words import worded
from pipeline.models.training.rules import whole_words
from pipeline.models.training.scene_cache import Recipe
from pipeline.models.weights import CLIP, SHIPPED, read_weights
from pipeline.reasoning.schema import parse_report
from pipeline.scenes.claims import MAIN, words
from pipeline.scenes.situations import SITUATIONS, stage
from pipeline.scenes.story import key_times
from tests.support.operator_rules import operator_rules, right_parts

_REPORT_COLUMNS = ("tale", "elements_f1", "relations_f1", "actions_f1")
_COLUMNS = (
    "accuracy", "AUC", "recall at 5 %", "cannot tell AUC", "near-miss pairs", "events at 5 %", "false positives",
    "calibration error", *_REPORT_COLUMNS,
)  # fmt: skip
_NUM_FRAMES = 6
_SEED = 5_000_000
"""Of the clips that are timed and whose reports are read: not of any training."""


def figures(model: ClipModel, found: Sequence[ClipSample], temperature: float) -> dict[str, Any]:
    """As the training's own evaluation, for each way of asking."""
    ways: dict[str, Read] = {
        "as meant": as_meant,
        "usual wordings": _in_words(model.reader, held_out=False),
        "held-out wordings": _in_words(model.reader, held_out=True),
    }
    return {
        name: evaluate_clips(model.networks, found, read=read, temperature=temperature, with_reports=name != "as meant")
        for name, read in ways.items()
    }


def _in_words(reader: RuleReader, *, held_out: bool) -> Read:
    rng, vocabulary = np.random.default_rng(_SEED), whole_words(SHIPPED / "vocab.txt")

    def read(rules: Sequence[AskedRule]) -> RuleBatch:
        return reader.read([worded(rule.claim, rng, vocabulary, held_out=held_out).text for rule in rules])

    return read


def operators(reader: RuleReader, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of the operators' rules whose parts are read right: each part, all of them, and the duration."""
    read = [reader.meaning(rule["text"]) for rule in rules]
    right = [right_parts(rule, meaning) for rule, meaning in zip(rules, read, strict=True)]
    told = {name: float(np.mean([each[name] for each in right])) for name in (*CLAIM_PARTS, "seconds")}
    whole = np.array([all(each.values()) for each in right])
    for language in ("en", "zh"):
        told[f"whole {language}"] = float(whole[[rule["language"] == language for rule in rules]].mean())
    unknown = np.array([rule["kind"] == "unknown" for rule in rules])
    said = np.array([not meaning.is_understood for meaning in read])
    told |= {"unknown found": float(said[unknown].mean()), "known called unknown": float(said[~unknown].mean())}
    return {"of": len(rules), "whole": float(whole.mean()), **told}


def clips(count: int) -> list[Clip]:
    """Clips of held-out places, one of each situation in turn, with true boxes."""
    return [_clip(number, SITUATIONS[number % len(SITUATIONS)]) for number in range(count)]


def _clip(number: int, situation: str) -> Clip:
    staged = stage(_SEED + number, situation=situation, held_out=True, size=(768, 432))
    times = key_times(staged.story, _NUM_FRAMES, np.random.default_rng(number))
    frames = []
    for at in times:
        image, truth = staged.scene.render(at)
        regions = tuple(ClipRegion(Box(*_sides(actor.box)), actor.label, actor.id) for actor in truth.actors)
        frames.append(ClipFrame(image, at - times[0], regions))
    zone = staged.scene.zones.get(staged.story.zone)
    return Clip(
        tuple(frames),
        words(MAIN[situation], "en", np.random.default_rng(number)) if situation in MAIN else "a person",
        zone=zone,
        zone_name=staged.story.zone,
    )


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def answers(model: ClipModel, asked: Sequence[Clip]) -> dict[str, Any]:
    """Seconds of a verdict and of a report, and the share of reports that hold."""
    verdicts, reports, valid = [], [], 0
    model.verdict(asked[0])
    for number, clip in enumerate(asked):
        verdicts.append(_timed(lambda clip=clip: model.verdict(clip)))
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


def _show(found: dict[str, dict[str, Any]]) -> None:
    rows = [(kind, way, *_row(each)) for kind, ways in found.items() for way, each in ways.items()]
    show("Verdicts", ["clips", "asked", *_COLUMNS], rows)
    for kind, ways in found.items():
        _show_situations(kind, ways["as meant"])


def _row(found: dict[str, Any]) -> list[Any]:
    verdicts, reports = found["verdicts"], found.get("reports", {})
    return [
        verdicts["accuracy"], verdicts["auc"], verdicts["recall_at_5_percent_false"], verdicts["cannot_tell_auc"],
        found["near_miss_pairs"]["accuracy"], found["events"]["mean_recall"], found["ordinary"]["false_positives"],
        found["calibration_error"], *(reports.get(name, "") for name in _REPORT_COLUMNS),
    ]  # fmt: skip


def _show_situations(kind: str, found: dict[str, Any]) -> None:
    pairs, events = found["near_miss_pairs"]["by_situation"], found["events"]["by_class"]
    rows = [
        (name, pairs.get(name, {}).get("accuracy"), pairs.get(name, {}).get("of"),
         events.get(name, {}).get("recall"), events.get(name, {}).get("auc"), events.get(name, {}).get("of"))
        for name in SITUATIONS
    ]  # fmt: skip
    show(f"{kind}, by situation, as meant", ["situation", "pairs", "of", "recall at 5 %", "AUC", "of "], rows)


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--weights", type=Path, default=SHIPPED)
    options.add_argument("--scenes", type=int, default=200, help="of each kind, two clips each")
    options.add_argument("--answers", type=int, default=48, help="clips that are timed")
    options.add_argument("--footage", type=Path, action="append", default=[], help="a recording to compose over")
    given = options.parse_args()
    torch.set_num_threads(1)
    model = load_clip_model(folder=given.weights)
    temperature = float(read_weights(given.weights, CLIP).facts["temperature"])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, split, footage in _kinds(given.footage):
            recipe = Recipe(given.weights, Path(folder), kind, seed=_SEED, count=2, split=split, footage=footage)
            found[kind] = figures(model, ClipCache(recipe).up_to(given.scenes), temperature)
    _show(found)
    read = {name: operators(model.reader, rules) for name, rules in _operator_rules().items()}
    columns = list(read["test"])
    show("Operators' rules, read right", ["set", *columns], [(name, *each.values()) for name, each in read.items()])
    timed = answers(model, clips(given.answers))
    show("Answers", list(timed), [list(timed.values())])
    if given.save:
        saved = {"weights": model.version, **found, "operators": read, "answers": timed}
        print(save(Path(__file__).stem, saved))


def _operator_rules() -> dict[str, list[dict[str, Any]]]:
    return {"test": operator_rules(), "tuned on": operator_rules(tuned_on=True)}


def _kinds(footage: Sequence[Path]) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    yield "known places", "calibration", ()
    yield "held-out places", "held_out", ()
    if footage:
        yield "over real views", "held_out", tuple(footage)


if __name__ == "__main__":
    main()
