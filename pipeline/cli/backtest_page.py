"""A backtest as one HTML page that stands alone, with the pictures of its alerts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.cli.backtest_history import RETOLD, RETOLD_LEGEND, retold_cells
from pipeline.cli.backtest_report import (
    Backtest,
    Side,
    difference_lines,
    figures_cells,
    figures_rows,
    incident_lines,
    miss_line,
    retold_rows,
    volume,
)
from pipeline.cli.eval_report import show as show_evaluation
from pipeline.cli.report import ReportHead, incident_card, render_page
from pipeline.cli.report_file import write_page
from pipeline.evaluation.history import retold
from pipeline.evaluation.recordings import Hit, Recording

_MOST_CARDS = 100
"""Some 300 KB of pictures each."""
_MOST_NEAR_MISSES = 20


def save_page(path: Path, done: Backtest) -> None:
    """Write it; `ConfigError` when the file cannot be written."""
    groups = [(title, hits) for title, hits in _groups(done) if hits]
    cards, left_out = _cards(groups)
    page = render_page(
        "backtest.html.j2",
        sides=[{"path": str(one.path), "volume": volume(one.recordings), "notes": one.notes} for one in done.sides],
        columns=done.columns,
        legend=done.legend,
        rows=[(str(side.path), one.rule.id, figures_cells(one)) for side, one in figures_rows(done.sides)],
        retold_columns=RETOLD,
        retold_legend=RETOLD_LEGEND,
        retold=list(_retold(done)),
        differences=list(difference_lines(*done.sides)) if len(done.sides) > 1 else [],
        rules=list(_rules(done)),
        truths=[(str(side.path), _truth_text(side)) for side in done.sides if side.evaluation is not None],
        groups=cards,
        num_left_out=left_out,
        version=version("sightline"),
    )
    write_page(path, page, "--report")


def _groups(done: Backtest) -> Iterator[tuple[str, list[tuple[Side, Hit]]]]:
    """Alerts under a title; of those that both sides have, the first side's."""
    if done.comparison is None:
        (side,) = done.sides
        yield "Alerts", [(side, hit) for hit in side.hits]
        return
    first, second = done.sides
    yield f"Only by {first.path}", [(first, first.hits[place]) for place in done.comparison.only_first]
    yield f"Only by {second.path}", [(second, second.hits[place]) for place in done.comparison.only_second]
    yield "By both", [(first, first.hits[place]) for place, _ in done.comparison.both]


def _cards(groups: list[tuple[str, list[tuple[Side, Hit]]]]) -> tuple[list[tuple[str, list[dict[str, Any]]]], int]:
    """(title, cards) a group, numbered through, and how many alerts found no room."""
    number, shown = 0, []
    for title, hits in groups:
        cards = []
        for side, (recording, incident) in hits[: _MOST_CARDS - number]:
            number += 1
            card = incident_card(number, incident, _head(recording), side.evidence[recording.name])
            cards.append(card | {"camera": recording.name})
        if cards:
            shown.append((f"{title}: {len(hits)}", cards))
    return shown, sum(len(hits) for _, hits in groups) - number


def _head(recording: Recording) -> ReportHead:
    return ReportHead(
        source=recording.source,
        started_at=recording.started_at,
        duration_seconds=recording.seconds,
        frames_read=recording.frames_read,
        rules=(),
        models={},
        version="",
        zone=UTC,
    )


def _retold(done: Backtest) -> Iterator[tuple[str, str, str, list[str]]]:
    """(site file, rule, whose alerts it saw again, cells)."""
    for path, figures, recordings in retold_rows(done):
        for one in retold(figures, recordings):
            yield str(path), figures.rule.id, one.told_by, retold_cells(one)


def _rules(done: Backtest) -> Iterator[tuple[str, list[str], list[str]]]:
    """(title, what became of its incidents, near misses) of each rule that has either."""
    for side, one in figures_rows(done.sides):
        name = f"{one.rule.id} of {side.path}" if len(done.sides) > 1 else one.rule.id
        misses = [miss_line(one.rule, *pair) for pair in one.near_misses[:_MOST_NEAR_MISSES]]
        if misses or one.statuses:
            yield name, list(incident_lines(one)), misses


def _truth_text(side: Side) -> str:
    """The tables of `sightline eval`."""
    text = io.StringIO()
    if side.evaluation is not None:
        show_evaluation(side.evaluation, Console(file=text, width=200, highlight=False, markup=False, emoji=False))
    return text.getvalue().strip("\n")
