"""`sightline budget`: what verdicts took of models, by rule or camera, told from what a run has kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import out, plain, say_json
from pipeline.cli.times import read_moment
from pipeline.contracts.incident import Incident, IncidentFilter

_MOST = 100_000


@dataclass(slots=True)
class Spent:
    """What the verdicts of one rule or camera took."""

    name: str
    verdicts: int = 0
    calls: int = 0
    pictures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False
    """Some of the tokens were not counted by their model."""
    seconds: float = 0.0
    cost: float | None = None
    degraded: int = 0
    """Made cheaper than asked for, or not made at all."""

    def add(self, incident: Incident) -> None:
        """One more, if it was judged."""
        assessment = incident.assessment
        if assessment is None:
            return
        self.verdicts += 1
        self.degraded += bool(assessment.degraded)
        usage = assessment.usage
        if usage is None:
            return
        self.calls += usage.calls
        self.pictures += usage.pictures
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.is_estimated |= usage.is_estimated
        self.seconds += usage.seconds
        if usage.cost is not None:
            self.cost = (self.cost or 0.0) + usage.cost


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


def spent_by(by: Literal["rule", "camera"], found: Iterable[Incident]) -> list[Spent]:
    """Added up, the most seconds first."""
    sums: dict[str, Spent] = defaultdict(lambda: Spent(""))
    for incident in found:
        sums[incident.rule_id if by == "rule" else incident.camera_id].add(incident)
    for name, one in sums.items():
        one.name = name
    return sorted((one for one in sums.values() if one.verdicts), key=lambda one: (-one.seconds, one.name))


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
