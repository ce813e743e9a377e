"""The second part of `make demo` on other seeds: the built-in models through the whole pipeline, gate to verdict.

Each seed stages the demo's situations and their near misses anew (other people, places, light, moments), records them
and lets the pipeline watch: motion gate, built-in detector, tracks, rules, key frames, verdict. A verdict is right when
it is as planted; a near miss that opens no alarm is right too. An event whose rule never opens is told apart: there the
model was not asked. The seeds are the demo's and those `STEP` apart from it, the first ones, never chosen.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import parser, save, show, spread

from pipeline.cli.configuration import settings_for
from pipeline.cli.demo_verdicts import QUESTIONS, SEED, Judged, Result, judge_stagings
from pipeline.contracts.assessment import Verdict

STEP = 1_000_000


def run(seed: int, data_dir: Path) -> Result:
    """All of the demo's situations from one seed."""
    result = judge_stagings(settings_for(None, data_dir=data_dir, log_level="error"), seed=seed)
    if isinstance(result, int):
        raise SystemExit(result)
    return result


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """How many verdicts are right: of each seed, and by situation."""
    judged = [one for result in results for one in result.judged]
    return {
        "right a seed": [sum(one.is_right for one in result.judged) for result in results],
        "of a seed": 2 * len(QUESTIONS),
        "situations": {
            name: _situation([one for one in judged if one.staging.story.situation == name]) for name in QUESTIONS
        },
        "seconds a seed": [round(result.seconds, 1) for result in results],
    }


def _situation(judged: Sequence[Judged]) -> dict[str, int]:
    events = [one for one in judged if one.staging.story.is_real]
    misses = [one for one in judged if not one.staging.story.is_real]
    return {
        "events": len(events),
        "confirmed": sum(one.is_right for one in events),
        "never opened": sum(one.incident is None for one in events),
        "near misses": len(misses),
        "rejected or no alarm": sum(one.is_right for one in misses),
        "confirmed wrongly": sum(_verdict(one) is Verdict.CONFIRMED for one in misses),
    }


def _verdict(judged: Judged) -> Verdict | None:
    return None if judged.incident is None or judged.incident.assessment is None else judged.incident.assessment.verdict


def main() -> None:
    """Run the seeds one after another and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--seeds", type=int, default=8, help="how many, the demo's own first")
    given = arguments.parse_args()
    if given.seeds < 1:
        arguments.error(f"expected at least one seed, got {given.seeds}")
    results = []
    for number in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(SEED + number * STEP, Path(folder)))
    found = figures(results)
    rows = [(name, *row.values()) for name, row in found["situations"].items()]
    totals = ["all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))]
    show(
        "Verdicts through the whole pipeline", ["situation", *next(iter(found["situations"].values()))], [*rows, totals]
    )
    right = found["right a seed"]
    print(f"right of {found['of a seed']}: {spread(right)} over {len(right)} seeds, mean {statistics.mean(right):.1f}")
    if given.save:
        print(save("builtin_pipeline", found))


if __name__ == "__main__":
    main()
