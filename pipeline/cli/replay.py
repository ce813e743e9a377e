"""`sightline incidents replay`: a kept incident judged again, beside the verdict it had. What has changed since is
said first."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data, settings_for
from pipeline.cli.incidents import IncidentArgument, find_incident
from pipeline.cli.output import headline, out, plain, say_json
from pipeline.cli.report_words import assessment_lines
from pipeline.clock import SystemClock
from pipeline.contracts.assessment import Assessment
from pipeline.errors import ConfigError
from pipeline.site import load_site

if TYPE_CHECKING:
    from pipeline.app.replay import Replay

ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="SPEC", help="Another model, as in `models.vlm`; the site's by default."),
]
SaveOption = Annotated[
    Path | None, typer.Option("--save", metavar="FILE", help="Keep both as JSON; the incident itself stays as it is.")
]


def replay(
    incident_id: IncidentArgument,
    model: ModelOption = None,
    save: SaveOption = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a kept incident again, and show both verdicts side by side.

    The same pictures are shown to the model that the site names now, or to another one; nothing is told to anybody, and
    the incident keeps the verdict it has. What has changed since (model, rule, prompt, context, pictures) is listed.

    \b
      sightline incidents replay 3f2a --site site.yaml
      sightline incidents replay 3f2a --site site.yaml --model openai:http://gpu:8000/v1#Qwen/Qwen3-VL-32B-Instruct
    """
    from pipeline.app.replay import judge_again, site_judge

    if site is None:
        raise ConfigError("replay needs --site SITE.YAML: the rule and the model stand there")
    known = load_site(site)
    settings = settings_for(known, data_dir=data_dir).reasoning
    judge = site_judge(known, settings, model)
    with kept_data(data_dir, site) as (stores, _), closing(judge):
        replayed = judge_again(stores, find_incident(stores, incident_id), known, settings, judge, SystemClock())
    if save is not None:
        _write(save, replayed)
    if as_json:
        say_json(replayed.for_script())
    else:
        _show(replayed)


def _show(replayed: Replay) -> None:
    console, then = out(), replayed.incident.assessment
    console.print(plain(f"{headline(replayed.incident)}  [{replayed.incident.id}]"), style="bold")
    console.print(plain(_comparability(replayed)))
    table = Table(box=None, pad_edge=False)
    for name in ("", "then", "now"):
        table.add_column(name, overflow="fold")
    for name, pair in replayed.versions.items():
        table.add_row(name, *(plain(version or "-") for version in pair))
    table.add_row("verdict", *map(plain, (_lines(then), _lines(replayed.now))))
    console.print(table)


def _lines(assessment: Assessment | None) -> str:
    return "\n".join(assessment_lines(assessment)) if assessment else "nobody was asked"


def _comparability(replayed: Replay) -> str:
    """What a difference between the two verdicts may come from."""
    changed = replayed.changed
    if replayed.incident.assessment is None:
        return "It had no verdict to compare with."
    if not changed:
        return "The same model was asked in the same words about the same pictures."
    missing = f" ({len(replayed.missing)} no longer kept)" if replayed.missing else ""
    return f"Changed since: {', '.join(changed)}{missing}."


def _write(path: Path, replayed: Replay) -> None:
    try:
        path.write_text(json.dumps(replayed.for_script(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
