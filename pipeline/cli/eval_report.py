"""An evaluation as tables for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.cli.output import plain

if TYPE_CHECKING:
    from pipeline.evaluation.figures import Figures, Interval
    from pipeline.evaluation.scorer import Scores

_MOST_CAMERAS = 30
_PERCENTILES = (50, 95)
_COLUMNS = ("events", "alerts", "found", "false", "again", "precision", "recall", "F1", "false/h", "p50 s", "p95 s")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that is told."""

    scores: Mapping[str, Scores]
    """By criterion."""
    criteria: Mapping[str, str]
    """Name to its words."""
    remarks: Sequence[str]
    seed: int


def for_script(done: Evaluation) -> dict[str, Any]:
    """Every number; null for what cannot be known."""
    criteria = {
        name: {
            "criterion": done.criteria[name],
            "pooled": _figures_json(scores.pooled),
            "rules": {rule: _figures_json(figures) for rule, figures in scores.rules.items()},
            "cameras": {camera: _figures_json(figures) for camera, figures in scores.cameras.items()},
        }
        for name, scores in done.scores.items()
    }
    return {"criteria": criteria, "seed": done.seed, "remarks": list(done.remarks)}


def _figures_json(figures: Figures) -> dict[str, Any]:
    counts = figures.counts
    return {
        "events": counts.num_events,
        "alerts": counts.num_alerts,
        "matched": counts.num_matched,
        "missed": counts.num_events - counts.num_matched,
        "false_alarms": counts.num_false,
        "duplicates": counts.num_duplicates,
        "camera_hours": counts.hours,
        "precision": counts.precision,
        "precision_with_duplicates": counts.precision_with_duplicates,
        "recall": counts.recall,
        "f1": counts.f1,
        "false_alarms_per_hour": counts.false_alarms_per_hour,
        "seconds_to_alert": {f"p{percent}": figures.alert_percentile(percent) for percent in _PERCENTILES},
        "intervals_95": {name: [one.low, one.high] for name, one in figures.intervals.items()},
        "p_miss_at_false_alarms_per_hour": (
            {f"{rate:g}": share for rate, share in figures.p_miss_at.items()} if figures.p_miss_at else None
        ),
        "det": [asdict(point) for point in figures.curve],
    }


def show(done: Evaluation, console: Console) -> None:
    """A table a criterion: all together, each rule, each camera; then intervals and misses at fixed rates."""
    for name, scores in done.scores.items():
        console.print(f"\n{name}: {done.criteria[name]}", style="bold")
        table = Table("", box=None, pad_edge=False)
        for column in _COLUMNS:
            table.add_column(column, justify="right")
        table.add_row("all", *_cells(scores.pooled))
        for rule, figures in scores.rules.items():
            table.add_row(f"rule {plain(rule)}", *_cells(figures))
        for camera_id, figures in list(scores.cameras.items())[:_MOST_CAMERAS]:
            table.add_row(plain(camera_id), *_cells(figures))
        console.print(table)
        if len(scores.cameras) > _MOST_CAMERAS:
            console.print(f"and {len(scores.cameras) - _MOST_CAMERAS} more cameras: see --json")
        for line in _lines(scores.pooled, len(scores.cameras)):
            console.print(line)


def _cells(figures: Figures) -> list[str]:
    counts = figures.counts
    numbers = counts.num_events, counts.num_alerts, counts.num_matched, counts.num_false, counts.num_duplicates
    shares = counts.precision, counts.recall, counts.f1
    waits = (figures.alert_percentile(percent) for percent in _PERCENTILES)
    return [
        *map(str, numbers),
        *(_shown(share, ".3f") for share in shares),
        _shown(counts.false_alarms_per_hour, ".2f"),
        *(_shown(wait, ".1f") for wait in waits),
    ]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _lines(figures: Figures, num_cameras: int) -> list[str]:
    lines = []
    if figures.intervals:
        told = ", ".join(_interval_text(name, one) for name, one in figures.intervals.items())
        lines.append(f"95 % intervals (bootstrap over {num_cameras} cameras): {told}")
    if figures.p_miss_at:
        told = ", ".join(f"{share:.3f} at {rate:g}" for rate, share in figures.p_miss_at.items())
        lines.append(f"missed at false alarms an hour: {told}")
    return lines


def _interval_text(name: str, interval: Interval) -> str:
    form = ".2f" if name == "false_alarms_per_hour" else ".3f"
    return f"{name.replace('_', ' ')} {interval.low:{form}}–{interval.high:{form}}"
