"""Moments found by likeness: by words, by an example picture, by a part of one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from pipeline.console.host import Moments
from pipeline.console.models import MomentList, MomentView, row_of
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, TimeQuery, asking, needs
from pipeline.contracts.vectors import Alike, Among, Neighbour

router = APIRouter(prefix="/search/moments", tags=["search"])
MAX_PICTURE_BYTES = 10_000_000
_Names = Annotated[list[str] | None, Query(max_length=20)]
_Limit = Annotated[int, Query(ge=1, le=100)]
Side = Annotated[float, Query(ge=0, le=1, description="Of a part, as a fraction of the picture's side.")]
_NONE = Alike((), 0)
_NO_VECTORS = "moments are not kept here: set search.enabled, and models.encoder in the site file"


@dataclass(frozen=True, slots=True)
class Place:
    """Which moments are looked through, all of them of cameras that one may know of."""

    asker: Asker
    camera_ids: tuple[str, ...] | None
    """None for every one."""
    start: datetime
    end: datetime
    zones: tuple[str, ...]
    labels: tuple[str, ...]

    def found(self, alike: Alike) -> MomentList:
        """As they are told, with the times of which nothing can be known."""
        archive = self.asker.host.archive()
        unwatched = archive.accounts.unwatched(self.camera_names, self.start, self.end)
        items = tuple(map(self._view, alike.moments))
        return MomentList(items=items, unwatched=tuple(unwatched), num_not_compared=alike.num_not_compared)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The same by name: for every one, those that are known."""
        return tuple(self.asker.known_cameras()) if self.camera_ids is None else self.camera_ids

    @property
    def among(self) -> Among | None:
        """The same for the search; None when there is no camera to look through."""
        if self.camera_ids == ():
            return None
        return Among(self.camera_ids or (), self.zones, self.labels, self.start, self.end)

    def _view(self, moment: Neighbour) -> MomentView:
        incident = self.asker.host.archive().incidents.get(moment.incident_id) if moment.incident_id else None
        return MomentView(
            camera_id=moment.camera_id,
            captured_at=moment.captured_at,
            similarity=moment.similarity,
            labels=moment.labels,
            zones=moment.zones,
            incident=row_of(incident) if incident is not None and self.asker.caller.may(incident.camera_id) else None,
        )


def place(
    asker: Annotated[Asker, asking(Action.SEARCH)],
    camera: CameraQuery = "",
    zone: _Names = None,
    label: _Names = None,
    since: TimeQuery = "1 day ago",
    until: TimeQuery = "now",
) -> Place:
    """What the query says of where and when."""
    start, end = asker.span(since, until)
    return Place(asker, asker.camera_ids(camera), start, end, tuple(zone or ()), tuple(label or ()))


Where = Annotated[Place, Depends(place)]


@router.get("", responses=responses(404, 501, 503))
def moments_by_words(
    where: Where, text: Annotated[str, Query(min_length=1, max_length=300)], limit: _Limit = 20
) -> MomentList:
    """Moments that look as these words say."""
    among = where.among
    return where.found(_moments(where).by_words(text, among, limit) if among else _NONE)


async def _picture(request: Request) -> bytes:
    return await request.body()


Picture = Annotated[bytes, Depends(_picture)]


@router.post(
    "",
    max_body_size=MAX_PICTURE_BYTES,
    responses=responses(404, 501, 503),
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
def moments_by_picture(
    where: Where,
    picture: Picture,
    limit: _Limit = 20,
    left: Side = 0.0,
    top: Side = 0.0,
    right: Side = 1.0,
    bottom: Side = 1.0,
) -> MomentList:
    """Moments that look like the JPEG that is sent, or like a part of it."""
    among, part = where.among, (left, top, right, bottom)
    whole = part == (0.0, 0.0, 1.0, 1.0)
    found = _moments(where).by_picture(picture, among, limit, part=None if whole else part) if among else _NONE
    return where.found(found)


def _moments(where: Place) -> Moments:
    return needs(where.asker.host.moments, _NO_VECTORS)
