"""The whole: health, what is owed, deliveries and dead letters, what models took."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from pipeline.console.guard import guarded
from pipeline.console.models import changed_of
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, TimeQuery, asking, needs
from pipeline.console.routes.verifying import Shared
from pipeline.console.system_models import (
    Again,
    Budgets,
    DeadDeliveries,
    DeadDelivery,
    HealthView,
    Letter,
    LetterList,
    LetterSent,
    LettersSent,
    OwedView,
    SentAgain,
    SpentView,
)
from pipeline.contracts.alert import DeliveryState
from pipeline.contracts.incident import IncidentFilter
from pipeline.search.spending import spent_by

router = APIRouter(tags=["system"])
System = Annotated[Asker, asking(Action.SEE_SYSTEM)]
Redriver = Annotated[Asker, asking(Action.REDRIVE)]
_MOST_INCIDENTS = 20_000
_NO_BUS = "there is no bus here: bus.servers of the settings is empty"


@router.get("/alive", dependencies=[guarded(Action.PUBLIC)])
def alive() -> dict[str, bool]:
    """That something answers; asks nothing of the database."""
    return {"alive": True}


@router.get("/health", responses=responses(503))
def health(asker: Annotated[Asker, asking(Action.SEE_HEALTH)]) -> HealthView:
    """What is owed, since when, and which cameras have something wrong."""
    host, archive = asker.host, asker.host.archive()
    now, cameras = archive.clock.now(), asker.known_cameras()
    verdicts, deliveries, counts = archive.incidents.verdicts_owed(), host.outbox.owed(now), host.outbox.counts()
    wrong = {i.camera_id for i in archive.incidents.still_open() if i.candidate.condition is not None}
    return HealthView(
        version=host.version,
        verdicts=OwedView(number=verdicts.number, oldest_age_seconds=verdicts.oldest_age_seconds(now)),
        deliveries=OwedView(number=deliveries.number, oldest_age_seconds=deliveries.oldest_age_seconds(now)),
        deliveries_by_state={state: counts.get(state.value, 0) for state in DeliveryState},
        cameras=len(cameras),
        cameras_wrong=tuple(sorted(wrong & set(cameras))),
    )


@router.get("/deliveries/dead", responses=responses(503))
def dead_deliveries(asker: System, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> DeadDeliveries:
    """Messages to receivers that were given up, newest first."""
    found = asker.host.outbox.dead(limit)
    return DeadDeliveries(items=tuple(DeadDelivery(delivery=d.delivery, change=changed_of(d.change)) for d in found))


@router.post("/deliveries/dead/replay", responses=responses(503))
def replay_deliveries(asker: Redriver, which: Again) -> SentAgain:
    """Try them again from the beginning; those that are not dead are left as they are."""
    now = asker.host.archive().clock.now()
    return SentAgain(number=asker.host.outbox.replay(None if which.everything else which.ids, now))


@router.get("/dead-letters", responses=responses(501, 503))
def dead_letters(asker: System, since: TimeQuery = "", everything: bool = False) -> LetterList:
    """Records of the bus that no stage could use, oldest first; with `everything`, those sent again since, too."""
    found = needs(asker.host.letters, _NO_BUS).dead(asker.moment(since) if since else None)
    letters = [Letter.model_validate(each) for each in found]
    return LetterList(items=tuple(letter for letter in letters if everything or not letter.is_settled))


@router.post("/dead-letters/redrive", responses=responses(501, 503))
def redrive_letters(asker: Redriver, which: Again) -> LettersSent:
    """Send them again to the topic they came from, as they were."""
    sent = needs(asker.host.letters, _NO_BUS).redrive(None if which.everything else which.ids)
    return LettersSent(items=tuple(LetterSent.model_validate(each) for each in sent))


@router.get("/budgets", responses=responses(503))
def budgets(
    asker: System,
    checking: Shared,
    by: Literal["rule", "camera"] = "rule",
    since: TimeQuery = "7 days ago",
    until: TimeQuery = "now",
) -> Budgets:
    """What the verdicts on incidents that opened in that while took of models, and beside it what searches took."""
    start, end = asker.span(since, until)
    wanted = IncidentFilter(opened_from=start, opened_before=end, limit=_MOST_INCIDENTS)
    spent = spent_by(by, asker.host.archive().incidents.find(wanted))
    searches = SpentView.model_validate(asdict(checking.spent))
    return Budgets(items=tuple(SpentView.model_validate(asdict(one)) for one in spent), searches=searches)
