"""When cameras were watched, and why there was an alert or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from pipeline.console.models import (
    CameraCoverage,
    CoveragePart,
    CoverageView,
    GapView,
    GateCount,
    NearMisses,
    WhyView,
    row_of,
)
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, RuleQuery, TimeQuery, asking
from pipeline.contracts.incident import Incident
from pipeline.errors import ConfigError
from pipeline.store.gaps import Account, Stretch, accounts, blind_stretches, watched_seconds

router = APIRouter(tags=["accounting"])
CamerasQuery = Annotated[list[str] | None, Query(max_length=200, description="Only of these cameras.")]
_MOST_MINUTES = 24 * 60
_MOST_DAYS = 7
"""Of near misses at once: rules that are seldom quiet leave one a minute."""


@router.get("/coverage", responses=responses(404, 503))
def coverage(
    asker: Annotated[Asker, asking(Action.SEE_COVERAGE)],
    camera: CamerasQuery = None,
    since: TimeQuery = "1 day ago",
    until: TimeQuery = "now",
    gaps_above: Annotated[
        float, Query(ge=0, le=366 * 86_400, allow_inf_nan=False, description="Only gaps of more seconds than this.")
    ] = 0.0,
) -> CoverageView:
    """When each camera was watched, and when it was not, and why. The last half minute counts once it is known."""
    start, end = asker.span(since, until)
    names = asker.cameras(camera)
    told = accounts(asker.host.coverage, names, start, end, asker.host.archive().clock.now())
    return CoverageView(start=start, end=end, cameras=tuple(_camera(account, gaps_above) for account in told))


@router.get("/near-misses", responses=responses(404, 503))
def near_misses(
    asker: Annotated[Asker, asking(Action.ASK_WHY)],
    camera: CamerasQuery = None,
    since: TimeQuery = "1 day ago",
    until: TimeQuery = "now",
) -> NearMisses:
    """Minutes in which a rule came close to an alert: met, but too short, too soon after one, or out of schedule;
    measured four fifths of what it needs or more; or told, and no receiver took it."""
    start, end = asker.span(since, until)
    if end - start > timedelta(days=_MOST_DAYS):
        raise ConfigError(f"expected {_MOST_DAYS} days at most between since and until")
    found = asker.host.decisions.near_misses(asker.cameras(camera), start, end)
    return NearMisses(start=start, end=end, items=tuple(GateCount.model_validate(asdict(each)) for each in found))


@router.get("/why", responses=responses(404, 503))
def why(
    asker: Annotated[Asker, asking(Action.ASK_WHY)],
    camera: Annotated[str, Query(max_length=63)],
    at: TimeQuery,
    rule: RuleQuery = "",
    minutes: Annotated[int, Query(ge=1, le=_MOST_MINUTES, description="How much time around it.")] = 1,
) -> WhyView:
    """Why there was an alert, or why there was none: a sentence for each rule, then every gate with its numbers."""
    told = asker.host.why(asker.camera(camera), asker.rule(rule) or None, asker.moment(at), 60.0 * minutes)
    return WhyView(
        camera=told["camera"],
        start=told["start"],
        end=told["end"],
        answers=tuple(told["answers"]),
        rules=tuple(told["rules"]),
        unwatched=tuple(GapView.model_validate(gap) for gap in told["unwatched"]),
        gates=tuple(GateCount.model_validate(gate) for gate in told["gates"]),
        incidents=tuple(row_of(Incident.model_validate(each)) for each in told["incidents"]),
    )


def _camera(account: Account, shortest_seconds: float) -> CameraCoverage:
    return CameraCoverage(
        camera=account.camera_id,
        never_watched=account.known_since is None,
        rules={rule_id: _part(found, shortest_seconds) for rule_id, found in account.rules.items()},
        **_part(account.stretches, shortest_seconds).model_dump(),
    )


def _part(found: Sequence[Stretch], shortest_seconds: float) -> CoveragePart:
    seconds, watched = sum(stretch.seconds for stretch in found), watched_seconds(found)
    gaps = [stretch for stretch in blind_stretches(found) if stretch.seconds > shortest_seconds]
    return CoveragePart(
        seconds=seconds,
        watched_seconds=watched,
        share=watched / seconds if seconds else 0.0,
        gaps=tuple(GapView.model_validate({**asdict(gap), "seconds": gap.seconds}) for gap in gaps),
    )
