"""`sightline learned list|show|export|import|forget`: what was learned of cameras, looked at and carried elsewhere."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import Base64Bytes, ValidationError
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import counted, local_time, out, plain, say_json, say_warning
from pipeline.contracts.example import ReviewedVector, dump_reviewed, load_reviewed
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.values import Contract, UtcDatetime, unpack_vector
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.events.calibration_state import CalibrationState

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at, carry and forget what was learned of cameras."
)

_VERSION = 1
_MOST_REVIEWS = 2000
_FORMAT = "sightline learned"
CameraOption = Annotated[str | None, typer.Option(help="Only of this camera.")]
RuleOption = Annotated[str | None, typer.Option(help="Only of this rule.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE.json", help="The file, JSON.", show_default=False)]


class _Entry(Contract):
    """One thing learned, in a file."""

    camera_id: str
    rule_id: str
    kind: LearnedKind
    basis: str
    updated_at: UtcDatetime
    body: Base64Bytes


class _File(Contract):
    """What `export` writes."""

    format: str = _FORMAT
    version: int = _VERSION
    learned: tuple[_Entry, ...]


@app.command("list")
def list_learned(
    camera: CameraOption = None,
    rule: RuleOption = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was learned: by camera, rule and kind.

    A calibration is a rule's own threshold on one camera; `normal` is what the camera normally sees; `examples` came
    with an import. A running Sightline saves once a minute.

    \b
      sightline learned list --site site.yaml
      sightline learned list --camera yard --json | jq '.[] | {rule_id, threshold}'
    """
    with kept_data(data_dir, site) as (stores, zone):
        found = _matching(stores.learned.load(camera), camera, rule)
        if as_json:
            say_json([_facts(one) for one in found])
        elif found:
            out().print(_table(found, zone))
        else:
            out().print("nothing learned yet: rules with `when`, `examples` or `unusual` learn while they run")


@app.command()
def show(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="A camera's id.")],
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Only of this rule.")] = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show in full what was learned of one camera.

    Where a threshold stands and why, how far it follows from the scores, and how many reviews moved it.

    \b
      sightline learned show yard
      sightline learned show yard climb --site site.yaml
    """
    with kept_data(data_dir, site) as (stores, zone):
        found = _matching(stores.learned.load(camera), camera, rule)
        if not any(one.camera_id == camera for one in found):
            what = f"{camera}, {rule}" if rule else camera
            raise ConfigError(f"nothing learned of {what}; `sightline learned list` shows what is kept")
        if as_json:
            say_json([_facts(one) for one in found])
            return
        for one in found:
            _print_whole(one, zone)


@app.command("export")
def export_learned(
    file: FileArgument,
    camera: CameraOption = None,
    rule: RuleOption = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Write what was learned to a file, for another machine or before an experiment.

    What people said of alerts goes along as examples of their rules.

    \b
      sightline learned export learned.json --site site.yaml
      sightline learned export yard.json --camera yard
    """
    with kept_data(data_dir, site) as (stores, _):
        learned = stores.learned.load(camera)
        examples = _with_reviews(learned, stores.incidents.find(IncidentFilter(is_reviewed=True, limit=_MOST_REVIEWS)))
        found = _matching([*(one for one in learned if one.kind is not LearnedKind.EXAMPLES), *examples], camera, rule)
    if not found:
        raise ConfigError("nothing learned that matches; `sightline learned list` shows what is kept")
    entries = [{**_key_of(one), "basis": one.basis, "body": b64encode(one.body).decode("ascii")} for one in found]
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "learned": entries}, indent=1)
    try:
        file.write_text(text + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    out().print(f"{counted(len(found), 'entry', 'entries')} written to {file}")


def _with_reviews(learned: Sequence[Learned], reviewed: Sequence[Incident]) -> list[Learned]:
    """The examples of each rule: those that were imported, and what people said here."""
    before = {(one.rule_id, one.basis): one for one in learned if one.kind is LearnedKind.EXAMPLES}
    said: dict[tuple[str, str], list[Incident]] = {}
    for incident in sorted(reviewed, key=lambda incident: incident.updated_at):
        said.setdefault((incident.rule_id, incident.candidate.models.get("encoder", "")), []).append(incident)
    found = []
    for key in sorted({*before, *said}):
        incidents = said.get(key, [])
        vectors = load_reviewed(before[key].body) if key in before else []
        vectors += [vector for incident in incidents if (vector := _reviewed_vector(incident)) is not None]
        if vectors:
            updated_at = incidents[-1].updated_at if incidents else before[key].updated_at
            found.append(Learned("", key[0], LearnedKind.EXAMPLES, key[1], updated_at, dump_reviewed(vectors)))
    return found


def _reviewed_vector(incident: Incident) -> ReviewedVector | None:
    vector = unpack_vector(incident.candidate.embedding)
    if vector is None or incident.review is None:
        return None
    return ReviewedVector(vector, incident.review.is_right, f"incident {incident.id[:6]}")


@app.command("import")
def import_learned(
    file: FileArgument,
    camera: CameraOption = None,
    rule: RuleOption = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what `export` wrote. What is here and newer stays; nothing is taken from a file with a damaged entry.

    Stop Sightline first: while it runs it saves what it knows itself. What was learned with another encoder, or by
    a rule that has changed since, is kept and not used.

    \b
      sightline learned import learned.json --site site.yaml
      sightline learned forget --camera yard && sightline learned import yard.json --camera yard
    """
    offered = _matching(_read(file), camera, rule)
    if not offered:
        raise ConfigError(f"{file} has nothing that matches")
    with kept_data(data_dir, site) as (stores, _):
        stores.learned.save(offered)
        kept = stores.learned.load()
    taken = [one for one in offered if one in kept]
    newer = [one for one in offered if one not in kept]
    if as_json:
        say_json({"taken": [_key_of(one) for one in taken], "newer_here": [_key_of(one) for one in newer]})
        return
    for one in newer:
        say_warning(f"{_name(one)}: what is here is newer; `sightline learned forget` it first to take the file's")
    out().print(f"{counted(len(taken), 'entry', 'entries')} taken from {file}")


@app.command()
def forget(
    camera: CameraOption = None,
    rule: RuleOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Of all cameras and rules.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget what was learned, for good: the rules begin with their fixed thresholds again.

    Stop Sightline first: while it runs it saves what it knows itself.

    \b
      sightline learned forget --camera yard                a camera that hangs elsewhere now
      sightline learned forget --camera yard --rule climb   one rule on it
    """
    if everything == (camera is not None or rule is not None):
        raise ConfigError("say what to forget: --camera, --rule or both; or --all")
    what = "everything learned" if everything else " and ".join(filter(None, (camera, rule)))
    if not yes:
        typer.confirm(f"Forget what was learned of {what}, for good?", abort=True, err=True)
    with kept_data(data_dir, site) as (stores, _):
        number = stores.learned.forget(camera, rule)
    if as_json:
        say_json({"forgotten": number})
    else:
        out().print(f"{counted(number, 'entry', 'entries')} forgotten")


def _matching(learned: Sequence[Learned], camera: str | None, rule: str | None) -> list[Learned]:
    """Of the camera with what concerns all cameras, and of the rule."""
    return [
        one
        for one in learned
        if (camera is None or one.camera_id in (camera, "")) and (rule is None or one.rule_id == rule)
    ]


def _read(file: Path) -> list[Learned]:
    """What a file holds; `ConfigError` says what is wrong with it."""
    try:
        raw = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: expected what `sightline learned export` writes ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != _FORMAT:
        raise ConfigError(f"{file} is no such file: expected what `sightline learned export` writes")
    if raw.get("version") != _VERSION:
        raise ConfigError(
            f"{file} is of version {raw.get('version')!r}, and this Sightline reads version {_VERSION}: "
            "export it again with a Sightline of this version, or import it with the one that wrote it"
        )
    try:
        entries = _File.model_validate(raw).learned
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{file}: {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}") from error
    learned = [Learned(e.camera_id, e.rule_id, e.kind, e.basis, e.updated_at, e.body) for e in entries]
    for one in learned:
        _check(one, file)
    return learned


def _check(one: Learned, file: Path) -> None:
    try:
        _calibration(one)
    except InvalidMessage as error:
        raise ConfigError(f"{file}: {_name(one)}: {error}; nothing was taken") from error


def _calibration(one: Learned) -> CalibrationState | None:
    """`InvalidMessage` for a calibration that cannot be read; None for anything else that was learned."""
    return CalibrationState.load(one.body) if one.kind is LearnedKind.CALIBRATION else None


def _name(one: Learned) -> str:
    return ", ".join(part for part in (one.camera_id or "all cameras", one.rule_id, one.kind.value) if part)


def _key_of(one: Learned) -> dict[str, Any]:
    updated_at = one.updated_at.isoformat()
    return {"camera_id": one.camera_id, "rule_id": one.rule_id, "kind": one.kind.value, "updated_at": updated_at}


def _facts(one: Learned) -> dict[str, Any]:
    """For a script: what it is, and of a calibration what it says."""
    facts = {**_key_of(one), "basis": one.basis, "size_bytes": len(one.body)}
    try:
        state = _calibration(one)
    except InvalidMessage as error:
        return {**facts, "error": str(error)}
    if state is None:
        return facts
    right = sum(review.is_right for review in state.reviews.values())
    return {
        **facts,
        "watched_seconds": state.watched_seconds,
        "is_learned": state.is_learned,
        "threshold": state.threshold,
        "release": state.release,
        "drift": state.drift,
        "is_drifting": state.is_drifting,
        "reviews_right": right,
        "reviews_wrong": len(state.reviews) - right,
        "words": state.words,
    }


def _table(learned: Sequence[Learned], zone: tzinfo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("camera", "rule", "kind", "learned from", "updated", "threshold", "drift", "size"):
        table.add_column(column, justify="right" if column in ("threshold", "drift", "size") else "left")
    for one in learned:
        facts = _facts(one)
        table.add_row(
            plain(one.camera_id) or "(all)",
            plain(one.rule_id) or "(all)",
            one.kind.value,
            "damaged" if "error" in facts else _watched(facts.get("watched_seconds")),
            local_time(one.updated_at, zone),
            "" if "threshold" not in facts else f"{facts['threshold']:.3f}" + ("" if facts["is_learned"] else " fixed"),
            _drift_text(facts),
            f"{len(one.body) / 1024:.1f} KiB",
        )
    return table


def _watched(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 3600:.1f} h"


def _drift_text(facts: dict[str, Any]) -> str:
    drift = facts.get("drift")
    return "" if drift is None else f"{drift:.2f}" + (" drifts" if facts["is_drifting"] else "")


def _print_whole(one: Learned, zone: tzinfo) -> None:
    console, facts = out(), _facts(one)
    console.print(plain(_name(one)), style="bold")
    lines = [f"updated {local_time(one.updated_at, zone)}, {len(one.body) / 1024:.1f} KiB, learned on {one.basis}"]
    if "error" in facts:
        lines.append(f"damaged, and begun afresh at the next start: {facts['error']}")
    if "threshold" in facts:
        lines += [
            f"threshold {facts['threshold']:.3f}, release {facts['release']:.3f}: {facts['words']}",
            f"watched {_watched(facts['watched_seconds'])}; drift {_drift_text(facts) or 'not known yet'}",
            f"reviews: {facts['reviews_right']} right, {facts['reviews_wrong']} wrong",
        ]
    for line in lines:
        console.print(f"  {plain(line)}")
