"""`sightline backtest`: what the rules of a site file would have done on recordings."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import JsonOption, LogLevel, SiteArgument, start_logging
from pipeline.cli.output import EXIT_FAILED, err, out, say_error, say_json, say_warning
from pipeline.errors import ConfigError, InvalidMessage, TransientError

if TYPE_CHECKING:
    from pipeline.app.backtest import Take
    from pipeline.app.local import Models
    from pipeline.cli.backtest_plan import Plan
    from pipeline.cli.backtest_progress import BacktestListener
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
        list[str] | None,
        typer.Option(metavar="CAMERA=FILE", help="Read the file as this camera; with --history CAMERA alone; repeat."),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Read it as every camera that a rule looks at; repeat.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Read the clips of this site's own incidents in place of files.")
    ] = False,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="With --history: of incidents from then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="With --history: of incidents before then.")
    ] = None,
    learned: Annotated[
        bool | None,
        typer.Option(
            "--learned/--fresh",
            help="Begin with what the site has learned (as --history does by itself), or with nothing.",
        ),
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
    draft: Annotated[
        bool, typer.Option("--draft", help="Try what standard input says in place of what SITE.YAML says.")
    ] = False,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe log shown.")] = "warning",
    as_json: JsonOption = False,
    as_steps: Annotated[
        bool, typer.Option("--steps", help='As --json, after lines such as {"done": 3, "of": 40} on the way.')
    ] = False,
) -> None:
    """Try rules on recordings: what they would have told, and what they just missed.

    \b
      sightline backtest site.yaml --camera yard=monday.mp4 --camera gate=monday-gate.mp4
      sightline backtest site.yaml --rule loitering clips/*.mp4 --report loitering.html
      sightline backtest site.yaml --against stricter.yaml --source yard.mp4 --truth truth.csv
      sightline backtest site.yaml --history --from "30 days ago" --against stricter.yaml
    Nobody is told and nothing is kept. The recordings are read one by one, at full speed, each as if Sightline had
    just been started; with --learned, with the thresholds, the normal and the reviews that it has by now.

    --history tries the rules on alerts that were given, and says how many of those that people found right, and how
    many false ones, each rule tells. It cannot show more: of moments at which no rule alerted no clip is kept, so
    nobody knows from it what is missed over all time, or how many alerts a day there would be.
    """
    from pipeline.cli.backtest_plan import Wanted, make_plans
    from pipeline.cli.report_file import check_writable
    from pipeline.evaluation.recordings import names_in_truth

    sources = (*(source or ()), *(more or ()))
    period = _period((since, until), sources, start, truth or renamed, wants_history=history)
    text = sys.stdin.read() if draft else None
    wanted = Wanted(
        tuple(rule or ()), tuple(camera or ()), sources, start, not no_verify, log_level, period, learned, text
    )
    plans = make_plans((site_path, *([against] if against else [])), wanted)
    there = _truth(truth or (), renamed or (), start)
    named = [names_in_truth(there, plan.calls) if there else {} for plan in plans]
    if report is not None:
        check_writable(report, "--report")
    with _data_folder() as folder:
        sides = [_side(plan, folder / str(number), as_steps=as_steps) for number, plan in enumerate(plans)]
        if there is not None:
            sides = [_scored(side, there, names) for side, names in zip(sides, named, strict=True)]
        done = _compared(sides)
        if report is not None:
            from pipeline.cli.backtest_page import save_page

            save_page(report, done)
        _tell(done, as_json=as_json or as_steps)
        if report is not None and not (as_json or as_steps):
            out().print(f"\nreport: {report}")


def _period(
    bounds: tuple[str | None, str | None],
    sources: Sequence[str],
    start: str | None,
    truth: object,
    *,
    wants_history: bool,
) -> tuple[str | None, str | None] | None:
    """From and to when, with `--history`; `ConfigError` for options that do not go with it, or without it."""
    if not wants_history:
        if any(bounds):
            raise ConfigError("--from and --to go with --history; when a recording began is said with --start")
        return None
    if sources:
        raise ConfigError("--history reads the clips of the site's own incidents: leave the files out, or --history")
    if start is not None:
        raise ConfigError("--start is for files: with --history every clip is read at its own time; see --from, --to")
    if truth:
        raise ConfigError("--truth is for files: with --history what people said of the alerts is the truth")
    return bounds


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


@dataclass(slots=True)
class _Tried:
    """What came of a site file's recordings."""

    recordings: list[Recording] = field(default_factory=list)
    settings: dict[str, Settings] = field(default_factory=dict)
    """Recording to where its pictures are."""
    failures: list[str] = field(default_factory=list)
    """What could not be read to its end."""
    missing: list[str] = field(default_factory=list)
    """Clips that could not be read at all, or not whole, and count for nothing."""


def _side(plan: Plan, folder: Path, *, as_steps: bool) -> Side:
    """Try one site file; its data lies in the folder, a recording a number."""
    from pipeline.app.stores import open_evidence
    from pipeline.cli.backtest_history import outcome_notes, problem_notes
    from pipeline.cli.backtest_report import Side
    from pipeline.evaluation.recordings import rule_figures

    start_logging(plan.settings, plan.site)
    tried = _run(plan, folder, as_steps=as_steps)
    notes = [*plan.notes, *problem_notes(tried.missing)]
    if not tried.recordings:
        raise ConfigError(f"{plan.path}: nothing could be read; {notes[-1]}")
    notes += outcome_notes(plan.site.rules, tried.recordings, begins_learned=bool(plan.known.learned))
    figures = [rule_figures(rule, tried.recordings) for rule in plan.site.rules]
    evidence = {name: open_evidence(own) for name, own in tried.settings.items()}
    return Side(plan.path, tried.recordings, figures, (*notes, *tried.failures), evidence)


def _run(plan: Plan, folder: Path, *, as_steps: bool) -> _Tried:
    """One recording after another, each by itself; models are loaded once."""
    from pipeline.app.local import load_models
    from pipeline.cli.backtest_progress import shown_progress, told_progress
    from pipeline.cli.signals import stop_on_signals

    tried, stop = _Tried(), threading.Event()
    progressing = told_progress(len(plan.takes)) if as_steps else shown_progress(err(), plan.path.name, len(plan.takes))
    with (
        stop_on_signals(stop) as interruption,
        closing(load_models(plan.site, plan.settings)) as models,
        progressing as progress,
    ):
        for number, take in enumerate(plan.takes):
            progress.begin(take.name)
            _try(plan, take, folder / str(number), models, progress, stop, tried)
            if stop.is_set():
                say_error("stopped before every recording was read to its end: there are no figures")
                raise typer.Exit(interruption.exit_status or EXIT_FAILED)
    return tried


def _try(
    plan: Plan,
    take: Take,
    folder: Path,
    models: Models,
    progress: BacktestListener,
    stop: threading.Event,
    tried: _Tried,
) -> None:
    """One recording. A kept clip that is missing or damaged is left out; a file counts for as long as it goes."""
    from pipeline.app.backtest import isolated, run_take
    from pipeline.cli.watching import cut_short, try_recording

    expected = plan.expected_frames.get(take.name)
    if plan.history is not None:
        try:
            take = plan.history.fetch(take, folder.parent)
            expected = try_recording(take.camera, plan.settings)
        except (ConfigError, InvalidMessage, TransientError) as error:
            tried.missing.append(f"{take.name} ({error})")
            return
    own = isolated(plan.settings, folder)
    recording = run_take(plan.site, take, own, models, progress, stop, plan.known)
    if not recording.incidents:
        shutil.rmtree(folder, ignore_errors=True)  # of a thousand clips only those with pictures take room
    problem = recording.failure or cut_short(recording.frames_read, expected)
    if problem and take.incident is not None:
        tried.missing.append(f"{take.name} ({problem})")
        return
    tried.recordings.append(recording)
    tried.settings[take.name] = own
    tried.failures += [f"{take.name}: {problem}"] if problem else []


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
