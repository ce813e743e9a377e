"""`sightline eval`: what was told against what happened, by the published rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.eval_report import Evaluation, for_script, show
from pipeline.cli.output import out, say_json, say_warning
from pipeline.cli.times import read_duration, read_moment
from pipeline.contracts.incident import IncidentFilter, IncidentStatus
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.app.stores import Stores
    from pipeline.evaluation.datasets import Format
    from pipeline.evaluation.spans import Prediction, Truth

_MOST_INCIDENTS = 100_000


def evaluate(
    truth: Annotated[list[Path], typer.Option("--truth", metavar="FILE", help="What happened; may be repeated.")],
    predictions: Annotated[
        list[Path] | None, typer.Option("--predictions", metavar="FILE", help="What was told; or use --data-dir.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="Of the truth: auto, table, frames, gmdcsa24 or dvrscan.")
    ] = "auto",
    fps: Annotated[float, typer.Option(help="Frames a second of truth with a label for every frame.")] = 24.0,
    rule: Annotated[list[str] | None, typer.Option(help="Only this rule; may be repeated.")] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--as", metavar="LABEL=RULE", help="The truth's LABEL (`Falling*`) is RULE.")
    ] = None,
    status: Annotated[list[IncidentStatus] | None, typer.Option(help="Only incidents with this status.")] = None,
    start: Annotated[
        list[str] | None, typer.Option("--start", metavar="[CAMERA=]TIME", help="When the truth's second 0 was.")
    ] = None,
    merge: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Events so close are one; 0s: those that overlap.")
    ] = None,
    camera_hours: Annotated[float | None, typer.Option(metavar="H", help="Hours looked at, all cameras.")] = None,
    at_rate: Annotated[
        list[float] | None, typer.Option(min=0, help="Tell the misses at so many false alarms an hour.")
    ] = None,
    det: Annotated[Path | None, typer.Option(metavar="PICTURE", help="Draw misses against false alarms.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals' random draws.")] = 0,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score alerts against what really happened.

    By two published rules: time in common (ActEV), and told within 10 s from the start (i-LIDS).

    \b
      sightline eval --truth truth.csv --predictions alerts.csv
      sightline eval --truth truth.csv --data-dir demo-data --start 2026-07-10T22:00 --site site.yaml
      sightline eval --truth subject1-Fall.csv --as "Falling*=fall" --rule fall --predictions falls.json --det det.png
    """
    told, zone, watched = _predictions(predictions, data_dir, site, status)
    there = _with_watched(_placed(read_truth(truth, form, fps), start or (), zone), watched)
    there, told = _chosen(_merged(rename_labels(there, renamed or ()), merge), told, rule)
    done = score_by_all(there, told, camera_hours, at_rate, seed)
    if det is not None:
        from pipeline.evaluation.picture import draw_det

        draw_det(det, {name: scores.pooled.curve for name, scores in done.scores.items()})
    if as_json:
        say_json(for_script(done))
    else:
        show(done, out())
    for sentence in done.remarks:
        say_warning(sentence)


def score_by_all(
    there: Truth, told: Sequence[Prediction], camera_hours: float | None, at_rate: Sequence[float] | None, seed: int
) -> Evaluation:
    """By every criterion, with what must be said of the input."""
    from pipeline.evaluation.curve import RATES_PER_HOUR
    from pipeline.evaluation.matching import CRITERIA
    from pipeline.evaluation.remarks import remarks
    from pipeline.evaluation.scorer import score

    rates = tuple(at_rate or RATES_PER_HOUR)
    scored = {
        one.name: score(there, told, one, camera_hours=camera_hours, rates_per_hour=rates, seed=seed)
        for one in CRITERIA
    }
    return Evaluation(scored, {one.name: one.words for one in CRITERIA}, remarks(there, told, camera_hours), seed)


def _format(text: str) -> Format:
    from pipeline.evaluation.datasets import FORMATS

    found = next((one for one in FORMATS if one == text), None)
    if found is None:
        raise ConfigError(f"expected --format as one of {', '.join(FORMATS)}; got {text!r}")
    return found


def read_truth(paths: Sequence[Path], form: str, fps: float) -> Truth:
    """All files as one.

    Raises:
        ConfigError: no such format, some count from the start and others by the clock, or two recordings have the
            same name.
    """
    from pipeline.evaluation.datasets import read_any_truth
    from pipeline.evaluation.spans import Truth

    read = [read_any_truth(path, _format(form), fps) for path in paths]
    if len({one.counts_from_start for one in read if one.events}) > 1:
        raise ConfigError("some files of the truth count from the start, others by the clock: score them one by one")
    lengths: dict[str, float | None] = {}
    for path, one in zip(paths, read, strict=True):
        for name, length in one.lengths.items():
            known = lengths.get(name)
            if None not in (known, length) and known != length:
                raise ConfigError(
                    f"{path}: {name} is {length} s long here, {known} s in another file: another recording?"
                )
            lengths[name] = known if length is None else length
    events = tuple(chain.from_iterable(one.events for one in read))
    return Truth(events, lengths, all(one.counts_from_start for one in read))


def _predictions(
    paths: Sequence[Path] | None, data_dir: Path | None, site: Path | None, statuses: Sequence[IncidentStatus] | None
) -> tuple[list[Prediction], tzinfo, dict[str, float]]:
    """From the files, or else from what a run has kept; the time zone that times are typed in; and for how many
    seconds each camera was watched, as far as the run knows."""
    from pipeline.evaluation.recordings import prediction_of
    from pipeline.evaluation.tables import read_predictions

    if paths and data_dir:
        raise ConfigError("predictions come from --predictions or from --data-dir, not from both")
    if paths:
        return list(chain.from_iterable(read_predictions(path) for path in paths)), UTC, {}
    if data_dir is None and site is None:
        raise ConfigError("what was told? name a file with --predictions, or what a run has kept with --data-dir")
    with kept_data(data_dir, site) as (stores, zone):
        found = stores.incidents.find(IncidentFilter(statuses=tuple(statuses or ()), limit=_MOST_INCIDENTS))
        watched = _watched(stores)
    if len(found) == _MOST_INCIDENTS:
        say_warning(f"only the latest {_MOST_INCIDENTS} incidents are scored")
    return [prediction_of(one) for one in found if one.candidate.condition is None], zone, watched


def _watched(stores: Stores) -> dict[str, float]:
    """Camera to the seconds in which its rules were judged, by the account of coverage."""
    from pipeline.store.gaps import accounts, watched_seconds

    now, since = datetime.now(UTC), stores.coverage.known_since()
    begins: dict[str, datetime] = {}
    for (camera_id, _), at in since.items():
        begins[camera_id] = min(at, begins.get(camera_id, at))
    found = {name: accounts(stores.coverage, [name], begin, now, now) for name, begin in begins.items()}
    return {name: watched_seconds(account.stretches) for name, (account,) in found.items()}


def _with_watched(truth: Truth, watched: Mapping[str, float]) -> Truth:
    """Where the truth does not say how long a camera was looked at, the run does."""
    lengths = {name: watched.get(name) if length is None else length for name, length in truth.lengths.items()}
    return replace(truth, lengths=lengths)


def _placed(truth: Truth, starts: Sequence[str], zone: tzinfo) -> Truth:
    """The truth by the clock, when it is said when its recordings began."""
    if not starts:
        return truth
    if not truth.counts_from_start:
        raise ConfigError("--start is for truth in seconds from the start of a recording; this one goes by the clock")
    now, since = datetime.now(UTC), {}
    for text in starts:
        camera_id, _, moment = text.rpartition("=")
        since[camera_id] = read_moment(moment, now, zone).at.timestamp()
    if missing := [one for one in truth.lengths if one not in since and "" not in since]:
        raise ConfigError(f"--start says nothing of {missing[0]}: give a TIME for all, or CAMERA=TIME for each")
    events = []
    for event in truth.events:
        begin = since.get(event.camera_id, since.get("", 0.0))
        start, end = event.start_seconds + begin, event.end_seconds + begin
        events.append(replace(event, start_seconds=start, end_seconds=end))
    return replace(truth, events=tuple(events), counts_from_start=False)


def rename_labels(truth: Truth, names: Sequence[str]) -> Truth:
    """Labels as rules, by `LABEL=RULE`; `ConfigError` for a LABEL that the truth does not have."""
    pairs = []
    for text in names:
        pattern, found, name = text.rpartition("=")
        if not found or not pattern or not name:
            raise ConfigError(f"expected --as LABEL=RULE, such as 'Falling*=fall'; got {text!r}")
        pairs.append((pattern, name))
    labels = {event.label for event in truth.events}
    for pattern, _ in pairs:
        if truth.events and not any(fnmatchcase(label, pattern) for label in labels):
            raise ConfigError(f"no label of the truth is {pattern!r}; it has {', '.join(sorted(labels))}")
    events = (
        replace(event, label=next((name for pattern, name in pairs if fnmatchcase(event.label, pattern)), event.label))
        for event in truth.events
    )
    return replace(truth, events=tuple(events))


def _merged(truth: Truth, merge: str | None) -> Truth:
    from pipeline.evaluation.spans import merged

    return truth if merge is None else replace(truth, events=merged(truth.events, read_duration(merge)))


def _chosen(truth: Truth, told: list[Prediction], rules: Sequence[str] | None) -> tuple[Truth, list[Prediction]]:
    """Only events and alerts of these rules, and those of none in particular."""
    from pipeline.evaluation.spans import ANY_LABEL

    if not rules:
        return truth, told
    labels = {one.label for one in truth.events} | {one.label for one in told}
    for name in rules:
        if name not in labels:
            known = ", ".join(sorted(labels - {ANY_LABEL})) or "none"
            raise ConfigError(f"neither truth nor predictions know the rule {name!r}; they have: {known}")
    kept = {*rules, ANY_LABEL}
    events = tuple(one for one in truth.events if one.label in kept)
    return replace(truth, events=events), [one for one in told if one.label in kept]
