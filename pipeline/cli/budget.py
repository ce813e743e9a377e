"""`sightline budget`: what verdicts took of models, by rule or camera, told from what a run has kept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import out, plain, say_json
from pipeline.cli.times import read_moment
from pipeline.contracts.incident import IncidentFilter
from pipeline.search.spending import Spent, spent_by

_MOST = 100_000


def budget(
    by: Annotated[Literal["rule", "camera"], typer.Option(help="What to add up by.")] = "rule",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Opened at or after: 22:14, 2 hours ago …")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Opened before.")] = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what verdicts took of the models: calls, tokens, seconds, cost, and how many were made cheaper.

    Costs need prices: reasoning.price_input and reasoning.price_output, per million tokens. Tokens that the model's
    server did not count are estimated from the size of words and pictures, and marked with ~.

    \b
      sightline budget --site site.yaml --since "7 days ago"
      sightline budget --by camera --json | jq 'max_by(.seconds)'
    """
    with kept_data(data_dir, site) as (stores, zone):
        now = datetime.now(UTC)
        wanted = IncidentFilter(
            opened_from=read_moment(since, now, zone).at if since else None,
            opened_before=read_moment(until, now, zone).at if until else None,
            limit=_MOST,
        )
        spent = spent_by(by, stores.incidents.find(wanted))
    if as_json:
        say_json([asdict(one) for one in spent])
    elif spent:
        out().print(_table(by, spent))
    else:
        out().print("no verdicts yet: they come with a model (models.vlm in the site file) and incidents")


def _table(by: str, spent: list[Spent]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(by)
    for title in ("verdicts", "degraded", "calls", "pictures", "tokens in", "tokens out", "seconds", "cost"):
        table.add_column(title, justify="right")
    for one in spent:
        mark = "~" if one.is_estimated else ""
        table.add_row(
            plain(one.name),
            f"{one.verdicts:,}",
            f"{one.degraded / one.verdicts:.0%}",
            f"{one.calls:,}",
            f"{one.pictures:,}",
            f"{mark}{one.input_tokens:,}",
            f"{mark}{one.output_tokens:,}",
            f"{one.seconds:,.1f}",
            "-" if one.cost is None else f"{one.cost:,.4f}",
        )
    return table
