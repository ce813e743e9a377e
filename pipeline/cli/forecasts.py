"""`sightline forecasts list|reliability`: what was foretold, what became of it, and how far that can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import local_time, out, plain, say_json, say_warning
from pipeline.cli.times import read_moment
from pipeline.contracts.forecast import ForecastFilter, ForecastSource, KeptForecast

if TYPE_CHECKING:
    from pipeline.evaluation.reliability import Reliability

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What was foretold of incidents, and whether it came true."
)
_MOST = 100_000

CameraOption = Annotated[str | None, typer.Option(help="Only of this camera.")]
RuleOption = Annotated[str | None, typer.Option(help="Only of this rule.")]
SourceOption = Annotated[
    ForecastSource | None, typer.Option(help="Measured from the motion of tracks, or said by the model; both.")
]
SinceOption = Annotated[str | None, typer.Option(metavar="TIME", help="Made at or after: 22:14, 2 hours ago …")]


@app.command("list")
def list_forecasts(
    camera: CameraOption = None,
    rule: RuleOption = None,
    incident: Annotated[str | None, typer.Option(help="Only of this incident (its full id).")] = None,
    source: SourceOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List forecasts, newest first, with what became of them.

    \b
      sightline forecasts list --site site.yaml
      sightline forecasts list --camera yard --source model --since "2 hours ago"
    """
    with kept_data(data_dir, site) as (stores, zone):
        wanted = ForecastFilter(incident, camera, rule, source, _moment(since, zone), limit=limit)
        found = stores.forecasts.find(wanted)
    if as_json:
        say_json([_row_json(one) for one in found])
    elif found:
        out().print(_forecast_table(found, zone))
    else:
        out().print("no forecasts")


@app.command("reliability")
def show_reliability(
    camera: CameraOption = None,
    rule: RuleOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the calibration here.")] = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far forecasts came true, for each camera and rule.

    Brier: mean squared error, 0 is best. Skill: 1 is perfect, 0 no better than telling how often each kind comes true.
    ECE: how far shares are from the probabilities that were given. What could not be looked up counts in none of them.

    \b
      sightline forecasts reliability --site site.yaml
      sightline forecasts reliability --camera yard --plot yard.png
    """
    from pipeline.evaluation.reliability import by_camera_and_rule, draw_reliability, reliability

    with kept_data(data_dir, site) as (stores, zone):
        wanted = ForecastFilter(None, camera, rule, source, _moment(since, zone), limit=_MOST)
        found = stores.forecasts.find(wanted)
    if len(found) == _MOST:
        say_warning(f"only the latest {_MOST} forecasts are counted")
    groups = {" ".join(key): group for key, group in by_camera_and_rule(found).items()}
    if plot is not None:
        draw_reliability(plot, groups if len(groups) == 1 else {"all": reliability(found)})
    if as_json:
        pairs = by_camera_and_rule(found).items()
        say_json([{"camera": key[0], "rule": key[1], **_reliability_json(group)} for key, group in pairs])
    elif found:
        out().print(_reliability_table(by_camera_and_rule(found), reliability(found)))
    else:
        out().print("no forecasts")


def _moment(since: str | None, zone: tzinfo) -> datetime | None:
    return read_moment(since, datetime.now(UTC), zone).at if since else None


def _row_json(one: KeptForecast) -> dict[str, Any]:
    return {"id": one.id, **asdict(one)}


def _forecast_table(found: list[KeptForecast], zone: tzinfo) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("made", "camera", "rule", "by", "what"):
        table.add_column(name)
    table.add_column("within", justify="right")
    table.add_column("probability", justify="right")
    table.add_column("came true")
    for one in found:
        outcome = "not looked up" if one.outcome is None else one.outcome.value
        why = f" ({one.reason})" if one.reason and one.outcome is not None else ""
        table.add_row(
            local_time(one.made_at, zone), one.camera_id, one.rule_id, one.source.value, plain(one.what),
            f"{one.within_seconds:g} s", f"{one.probability:.0%}", plain(outcome + why),
        )  # fmt: skip
    return table


def _reliability_json(group: Reliability) -> dict[str, Any]:
    return {
        "forecasts": group.number,
        "unknown": group.num_unknown,
        "pending": group.num_pending,
        "base_rate": group.base_rate,
        "brier": group.brier,
        "skill": group.skill,
        "ece": group.ece,
        "bins": [{**asdict(each), "share": each.share} for each in group.bins],
    }


def _reliability_table(groups: dict[tuple[str, str], Reliability], whole: Reliability) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("camera", "rule"):
        table.add_column(name)
    for name in ("forecasts", "unknown", "pending", "came true", "brier", "skill", "ece"):
        table.add_column(name, justify="right")
    rows = [*groups.items(), *([(("all", ""), whole)] if len(groups) > 1 else [])]
    for (camera_id, rule_id), group in rows:
        share = "-" if group.base_rate is None else f"{group.base_rate:.0%}"
        figures = ("-" if figure is None else f"{figure:.3f}" for figure in (group.brier, group.skill, group.ece))
        counts = (group.number, group.num_unknown, group.num_pending)
        table.add_row(camera_id, rule_id, *map(str, counts), share, *figures)
    return table
