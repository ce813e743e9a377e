"""Cameras: what they are, how they are now, their newest picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pipeline.console.models import CameraList, CameraView, GapView
from pipeline.console.problems import ProblemFound, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking, needs, tagged
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import Incident
from pipeline.store.gaps import Account, Stretch, accounts, watched_seconds

router = APIRouter(prefix="/cameras", tags=["cameras"])
CameraPath = Annotated[str, Path(max_length=63)]
_LATELY = timedelta(hours=1)


@router.get("", responses=responses(503))
def list_cameras(asker: Annotated[Asker, asking(Action.SEE_CAMERAS)]) -> CameraList:
    """Every camera you may know of, by name."""
    return CameraList(items=tuple(_views(asker, asker.known_cameras())))


@router.get("/{camera_id}", responses=responses(404, 503))
def one_camera(camera_id: CameraPath, asker: Annotated[Asker, asking(Action.SEE_CAMERAS)]) -> CameraView:
    """One camera."""
    (view,) = _views(asker, [asker.camera(camera_id)])
    return view


@router.get(
    "/{camera_id}/frame",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **responses(404, 501, 503)},
)
def newest_frame(request: Request, camera_id: CameraPath, asker: Annotated[Asker, asking(Action.SEE_LIVE)]) -> Response:
    """The newest picture of a camera, privacy masks burnt in; its time is in `Last-Modified-At`."""
    live = needs(asker.host.live, "live pictures are only where cameras are read: ask the run itself")
    frame = live.latest(asker.camera(camera_id))
    if frame is None:
        raise ProblemFound(404, f"there is no picture of {camera_id} yet")
    answer = tagged(request, frame.jpeg, "image/jpeg")
    answer.headers["Last-Modified-At"] = frame.captured_at.isoformat()
    return answer


def _views(asker: Asker, camera_ids: list[str]) -> Iterable[CameraView]:
    host, archive = asker.host, asker.host.archive()
    now = archive.clock.now()
    told = accounts(host.coverage, camera_ids, now - _LATELY, now, now)
    wrong = _wrong(archive.incidents.still_open())
    blind = _blind(host.coverage, told, now)
    return [_view(asker, account, wrong.get(account.camera_id), blind.get(account.camera_id)) for account in told]


def _blind(store: CoverageStore, told: Sequence[Account], now: datetime) -> Mapping[str, Stretch]:
    """Camera to the gap that it is in by now; of those that have lasted for the whole while, the whole gap."""
    found = _lasting(told)
    long = [one for one in told if one.camera_id in found and len(one.stretches) == 1]
    since = min((one.known_since for one in long if one.known_since), default=now)
    return {**found, **_lasting(accounts(store, [one.camera_id for one in long], since, now, now))}


def _lasting(told: Iterable[Account]) -> dict[str, Stretch]:
    known = [one for one in told if one.known_since and one.stretches]
    return {one.camera_id: one.stretches[-1] for one in known if one.stretches[-1].is_blind}


def _wrong(still_open: Iterable[Incident]) -> Mapping[str, Incident]:
    """Camera to its open incident about itself, the worst."""
    order = list(Condition)
    about = [incident for incident in still_open if incident.candidate.condition is not None]
    about.sort(key=lambda i: order.index(i.candidate.condition or order[-1]), reverse=True)
    return {incident.camera_id: incident for incident in about}


def _view(asker: Asker, account: Account, wrong: Incident | None, blind: Stretch | None) -> CameraView:
    site = asker.host.site()
    camera = site.camera(account.camera_id) if site else None
    watched = watched_seconds(account.stretches)
    seconds = sum(stretch.seconds for stretch in account.stretches)
    return CameraView(
        id=account.camera_id,
        labels=camera.labels if camera else (),
        zones=camera.zones if camera else {},
        lines=camera.lines if camera else {},
        masks=camera.masks if camera else (),
        rules=tuple(r.id for r in site.rules_for(camera) if r.enabled) if site and camera else (),
        is_in_site=camera is not None,
        wrong=wrong.candidate.condition if wrong else None,
        wrong_since=wrong.opened_at if wrong else None,
        blind=GapView.model_validate({**asdict(blind), "seconds": blind.seconds}) if blind else None,
        watched_share=watched / seconds if account.known_since and seconds else None,
        last_watched=max((s.end for s in account.stretches if not s.is_blind), default=None),
        frame_at=asker.host.live.taken_at(account.camera_id) if asker.host.live else None,
    )
