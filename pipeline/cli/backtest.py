"""`sightline backtest`: what the rules of a site file would have done on recordings."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import JsonOption, LogLevel, SiteArgument, start_logging
from pipeline.cli.output import EXIT_FAILED, err, out, say_error, say_json, say_warning
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.cli.backtest_plan import Plan
    from pipeline.cli.backtest_report import Backtest, Side
    from pipeline.evaluation.recordings import Recording
    from pipeline.evaluation.spans import Truth
    from pipeline.settings import Settings


def backtest(
    site_path: SiteArgument,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="More of --source, as a shell expands *.mp4.")
    ] = None,
    rule: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this rule, on or off; repeat.")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(metavar="CAMERA=FILE", help="Read the file as this camera; repeat.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Read it as every camera that a rule looks at; repeat.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="OTHER.YAML", help="Try this site file too, and compare.")
    ] = None,
    truth: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="What happened: score the alerts.")] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--as", metavar="LABEL=RULE", help="The truth's LABEL (`Falling*`) is RULE.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="When each recording began; without it schedules do not count.")
    ] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not ask the vision-language model.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.HTML", help="Write a page with pictures.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe log shown.")] = "warning",
    as_json: JsonOption = False,
) -> None:
    """Try rules on recordings: what they would have told, and what they just missed.

    \b
      sightline backtest site.yaml --camera yard=monday.mp4 --camera gate=monday-gate.mp4
      sightline backtest site.yaml --rule loitering clips/*.mp4 --report loitering.html
      sightline backtest site.yaml --against stricter.yaml --source yard.mp4 --truth truth.csv
    Nobody is told and nothing is kept. The recordings are read one by one, at full speed, each as if Sightline had
    just been started.
    """
    from pipeline.cli.backtest_plan import Wanted, make_plans
    from pipeline.cli.report_file import check_writable
    from pipeline.evaluation.recordings import names_in_truth

    sources = (*(source or ()), *(more or ()))
    wanted = Wanted(tuple(rule or ()), tuple(camera or ()), sources, start, not no_verify, log_level)
    plans = make_plans((site_path, *([against] if against else [])), wanted)
    there = _truth(truth or (), renamed or (), start)
    named = [names_in_truth(there, plan.calls) if there else {} for plan in plans]
    if report is not None:
        check_writable(report, "--report")
    with _data_folder() as folder:
        sides = [_side(plan, folder / str(number)) for number, plan in enumerate(plans)]
        if there is not None:
            sides = [_scored(side, there, names) for side, names in zip(sides, named, strict=True)]
        done = _compared(sides)
        if report is not None:
            from pipeline.cli.backtest_page import save_page

            save_page(report, done)
        _tell(done, as_json=as_json)
        if report is not None and not as_json:
            out().print(f"\nreport: {report}")


@contextmanager
def _data_folder() -> Iterator[Path]:
    """Gone with the end."""
    folder = Path(tempfile.mkdtemp(prefix="sightline-backtest-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _truth(paths: Sequence[Path], renamed: Sequence[str], start: str | None) -> Truth | None:
    if not paths:
        return None
    from pipeline.cli.eval import read_truth, rename_labels

    found = rename_labels(read_truth(paths, "auto", 24.0), renamed)
    if start is None and not found.counts_from_start:
        raise ConfigError("the truth goes by the clock: say with --start when the recordings began")
    return found


def _side(plan: Plan, folder: Path) -> Side:
    """Try one site file; its data lies in the folder, a recording a number."""
    from pipeline.app.backtest import isolated
    from pipeline.app.stores import open_evidence
    from pipeline.cli.backtest_report import Side
    from pipeline.cli.watching import cut_short
    from pipeline.evaluation.recordings import rule_figures

    start_logging(plan.settings, plan.site)
    settings = [isolated(plan.settings, folder / str(number)) for number in range(len(plan.takes))]
    recordings = _run(plan, settings)
    evidence = {take.name: open_evidence(own) for take, own in zip(plan.takes, settings, strict=True)}
    figures = [rule_figures(rule, recordings) for rule in plan.site.rules]
    told = ((one.name, one.failure or cut_short(one.frames_read, plan.expected_frames[one.name])) for one in recordings)
    failures = [f"{name}: {failure}" for name, failure in told if failure]
    return Side(plan.path, recordings, figures, (*plan.notes, *failures), evidence)


def _run(plan: Plan, settings: Sequence[Settings]) -> list[Recording]:
    """One recording after another: each by itself, as if the system had just been started."""
    from pipeline.app.backtest import run_take
    from pipeline.cli.backtest_progress import shown_progress
    from pipeline.cli.signals import stop_on_signals

    recordings, stop = [], threading.Event()
    with stop_on_signals(stop) as interruption, shown_progress(err(), plan.path.name, len(plan.takes)) as progress:
        for take, own in zip(plan.takes, settings, strict=True):
            progress.begin(take.name)
            recordings.append(run_take(plan.site, take, own, plan.start_at, progress, stop))
            if stop.is_set():
                say_error("stopped before every recording was read to its end: there are no figures")
                raise typer.Exit(interruption.exit_status or EXIT_FAILED)
    return recordings


def _scored(side: Side, truth: Truth, names: Mapping[str, str]) -> Side:
    """With its alerts against the truth, on the recordings that the truth speaks of."""
    from pipeline.cli.eval import score_by_all
    from pipeline.evaluation.recordings import predictions_of, truth_of
    from pipeline.evaluation.spans import ANY_LABEL

    told = predictions_of([hit for hit in side.hits if hit.recording.name in names])
    silent = [one.name for one in side.recordings if one.name not in names]
    notes = [f"not scored, for the truth does not speak of them: {', '.join(silent)}"] if silent else []
    labels = {event.label for event in truth.events if event.camera_id in names.values()} - {ANY_LABEL}
    if strange := labels - {one.rule.id for one in side.figures}:
        notes.append(f"events of no rule that was tried are left out: {', '.join(sorted(strange))} (see --as)")
    done = score_by_all(truth_of(truth, side.recordings, names), told, None, None, 0)
    return replace(side, evaluation=done, notes=(*side.notes, *notes))


def _compared(sides: Sequence[Side]) -> Backtest:
    """Of two sides, whose alerts are about the same thing; a single rule on each is one rule, whatever its names."""
    from pipeline.cli.backtest_report import Backtest
    from pipeline.evaluation.comparison import compare
    from pipeline.evaluation.recordings import predictions_of
    from pipeline.evaluation.spans import ANY_LABEL

    if len(sides) == 1:
        return Backtest(sides)
    first, second = (predictions_of(side.hits) for side in sides)
    if all(len(side.figures) == 1 for side in sides):
        first = [replace(one, label=ANY_LABEL) for one in first]
    return Backtest(sides, compare(first, second))


def _tell(done: Backtest, *, as_json: bool) -> None:
    from pipeline.cli.backtest_report import for_script, show

    if as_json:
        say_json(for_script(done))
    else:
        show(done, out())
    for side in done.sides:
        for sentence in side.evaluation.remarks if side.evaluation else ():
            say_warning(sentence)
