"""Does the grammar always hold, and what does it cost: reports of random weights, of three tiny real architectures.

The schema is the real one with short texts and lists (random weights fill what they may), over 1 to 4 frames; lots are
drawn at each token, so that the reports differ. Each is checked with `jsonschema` and read by `parse_report`. The
overhead is what the mask takes at each token (`GrammarMask.__call__`), beside what a token takes without any grammar.
The models are tiny: the share says nothing of a real one; the vocabulary has 400 tokens, a real one 150,000.

Run: python benchmarks/grammar.py [--reports 1000] [--save]
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import torch

from benchmarks.measure import parser, save, show
from pipeline.contracts.assessment import Prompt
from pipeline.errors import InvalidMessage
from pipeline.reasoning.grammar import GrammarMask
from pipeline.reasoning.schema import parse_report, report_schema
from pipeline.reasoning.vlm_transformers import TransformersVlm
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import make_idefics3, make_internvl, make_qwen2_5_vl, prompt

MAKERS: dict[str, Callable[[Path], None]] = {
    "Idefics3 (SmolVLM)": make_idefics3,
    "Qwen2.5-VL": make_qwen2_5_vl,
    "InternVL": make_internvl,
}
MAX_CHARACTERS = 3
"""Of a text; the bound of the grammar is what is tested, not its size."""
SETTINGS = ReasoningSettings(max_report_tokens=2000, timeout=600.0)
NUM_FREE_TOKENS = 60
ROWS = 112
"""Reports at the same time."""
END_TOKEN = 0
"""Of the tiny models."""


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--reports", type=int, default=1000)
    given = arguments.parse_args()
    torch.set_num_threads(1)  # the models are too small to share out
    share = -(-given.reports // len(MAKERS))
    counts = [min(share, given.reports - share * at) for at in range(len(MAKERS))]
    figures = {name: _measured(make, count) for (name, make), count in zip(MAKERS.items(), counts, strict=True)}
    columns = list(next(iter(figures.values())))
    show("Grammar over random weights", ["", *columns], [[name, *row.values()] for name, row in figures.items()])
    if given.save:
        save("grammar", figures)


def _measured(make: Callable[[Path], None], num_reports: int) -> dict[str, Any]:
    """Figures of one architecture."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        model = TransformersVlm(folder, SETTINGS)
        model.warm_up()
        masks: list[float] = []
        texts: set[str] = set()
        num_valid = 0
        for first in range(0, num_reports, ROWS):
            num_frames = 1 + first // ROWS % 4
            schema = short(report_schema(num_frames))
            reports = _reports(model, range(first, min(first + ROWS, num_reports)), schema, masks)
            num_valid += sum(_holds(text, schema, num_frames) for text in reports)
            texts.update(reports)
        free_ms = _free_token_ms(model)
        model.close()
    masks_ms = np.array(masks) * 1e3
    return {
        "reports": num_reports,
        "different": len(texts),
        "valid": num_valid / num_reports,
        "tokens": len(masks),
        "mask p50 ms": float(np.percentile(masks_ms, 50)),
        "mask p99 ms": float(np.percentile(masks_ms, 99)),
        "bare token p50 ms": free_ms[0],
        "bare token p99 ms": free_ms[1],
    }


def _reports(model: TransformersVlm, numbers: range, schema: Any, masks: list[float]) -> list[str]:
    """One report for each number, generated in one batch: a mask, and a lot drawn, for each of them."""
    loaded = model._loaded
    assert loaded is not None
    inputs = loaded.inputs([_asked(number) for number in numbers], new_tokens=SETTINGS.max_report_tokens)
    rows = _Rows([GrammarMask(loaded.grammar_tokenizer, schema) for _ in numbers], numbers.start, masks)
    tokens = loaded.generate(inputs, max_new_tokens=SETTINGS.max_report_tokens, logits_processor=[rows])
    return [loaded.text(row) for row in tokens[:, inputs["input_ids"].shape[1] :]]


class _Rows:
    """A logits processor: the grammar's mask for each row, timed, and noise by which greedy choice draws lots."""

    def __init__(self, masks: list[GrammarMask], seed: int, seconds: list[float]) -> None:
        self._masks = masks
        self._random = torch.Generator().manual_seed(seed)
        self._seconds = seconds
        self._has_begun = False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """(B, T) tokens and (B, V) scores → masked scores."""
        uniform = torch.rand(scores.shape, generator=self._random).clamp_min(1e-9)
        noisy = scores - torch.log(-torch.log(uniform))
        for row, mask in enumerate(self._masks):
            if self._has_begun and int(input_ids[row, -1]) == END_TOKEN:
                continue  # this report is whole; what follows is padding
            began = time.perf_counter()
            noisy[row] = mask(input_ids[row : row + 1], noisy[row : row + 1])[0]
            self._seconds.append(time.perf_counter() - began)
        self._has_begun = True
        return noisy


def _holds(text: str, schema: Any, num_frames: int) -> bool:
    """Whether a report is what the schema says, and the contract's."""
    try:
        jsonschema.validate(json.loads(text), schema)
        parse_report(text, num_frames)
    except (ValueError, jsonschema.ValidationError, InvalidMessage) as error:
        print(f"does not hold: {error}: {text[:200]}")
        return False
    return True


def _asked(number: int) -> Prompt:
    return prompt(f"Report {number}: is it {number * 7919 % 1000}? 请报告", num_pictures=1)


def short(schema: Any) -> Any:
    """The schema with texts of a few characters and lists of at most two entries."""
    if isinstance(schema, list):
        return [short(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    shorter = {key: short(value) for key, value in schema.items()}
    if "maxLength" in schema:
        shorter["maxLength"] = min(schema["maxLength"], MAX_CHARACTERS)
    if schema.get("maxItems", 0) > schema.get("minItems", 0):
        shorter["maxItems"] = max(schema.get("minItems", 0), 1)
    return shorter


def _free_token_ms(model: TransformersVlm) -> tuple[float, float]:
    """Median and 99th percentile of a token without a grammar."""
    loaded = model._loaded
    assert loaded is not None
    marks: list[float] = []

    def mark(_: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        marks.append(time.perf_counter())
        return scores

    for number in range(5):
        inputs = loaded.inputs([_asked(number)], new_tokens=NUM_FREE_TOKENS)
        loaded.generate(inputs, max_new_tokens=NUM_FREE_TOKENS, min_new_tokens=NUM_FREE_TOKENS, logits_processor=[mark])
        marks.append(float("nan"))
    steps = np.diff(marks) * 1e3
    return float(np.nanpercentile(steps, 50)), float(np.nanpercentile(steps, 99))


if __name__ == "__main__":
    main()
