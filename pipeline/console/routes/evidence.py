"""Pictures and clips, to whoever may see them or holds a signed link; every look is in the audit log.

They are asked for by incident and name, never by a key or a path: there is nothing to climb out of.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from pipeline.console.closeups import WHOLE, Part, surroundings
from pipeline.console.models import evidence_keys, media_type_of
from pipeline.console.problems import answer, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking, tagged
from pipeline.console.routes.incidents import IncidentPath
from pipeline.errors import InvalidMessage
from pipeline.jpeg import shrunk

router = APIRouter(prefix="/incidents", tags=["evidence"])
EvidencePath = Annotated[str, Path(max_length=40, description="snapshot, clip, picture-1 …")]
_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")
_MEDIA: dict[str, Any] = {"image/jpeg": {}, "video/mp4": {}}


@router.get(
    "/{incident_id}/evidence/{name}",
    response_class=Response,
    responses={200: {"content": _MEDIA}, 206: {"content": _MEDIA, "description": "Part"}, **responses(404, 416, 503)},
)
def evidence(
    request: Request,
    incident_id: IncidentPath,
    name: EvidencePath,
    asker: Annotated[Asker, asking(Action.SEE_EVIDENCE)],
    width: Annotated[int | None, Query(ge=64, le=1920, description="A picture at most so wide, in pixels.")] = None,
    closer: Annotated[bool, Query(description="With `width`: the part in which something was found.")] = False,
) -> Response:
    """One picture or clip as it was kept. Clips may be asked for in parts (`Range`), as players do."""
    incident = asker.incident(incident_id, f"{incident_id}/{name}")
    key = evidence_keys(incident).get(name)
    if key is None:
        raise asker.missing(f"incident {incident.id} has no evidence called {name!r}")
    try:
        data = asker.host.archive().evidence.get(key)
    except InvalidMessage as error:
        raise asker.missing(f"{name} of incident {incident.id} is no longer kept") from error
    if width is not None and media_type_of(key) == "image/jpeg":
        return _small(request, data, width, surroundings(incident, name) if closer else WHOLE)
    whole = tagged(request, data, media_type_of(key))
    whole.headers["Accept-Ranges"] = "bytes"
    return _part(request, whole, data) if whole.status_code == 200 else whole


def _small(request: Request, data: bytes, width: int, part: Part) -> Response:
    """Smaller, or not even made for whoever has it already."""
    shape = "-".join(f"{side:.3f}" for side in part)
    small = tagged(request, data, "image/jpeg", prefix=f"{width}-{shape}-")
    if small.status_code == 304:
        return small
    headers = {name: small.headers[name] for name in ("etag", "cache-control")}
    return Response(shrunk(data, width, part), headers=headers, media_type="image/jpeg")


def _part(request: Request, whole: Response, data: bytes) -> Response:
    """What `Range` asks for; the whole when it asks for nothing that we understand, as RFC 9110 lets us."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if (
        wanted is None
        or wanted.groups() == ("", "")
        or request.headers.get("if-range") not in (None, whole.headers["etag"])
    ):
        return whole
    size = len(data)
    first, last = (int(text) if text else None for text in wanted.groups())
    if first is None:
        first, last = max(size - (last or 0), 0), size - 1
    last = min(size - 1 if last is None else last, size - 1)
    if first > last:
        return answer(416, f"there are {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    headers = {name: whole.headers[name] for name in ("etag", "cache-control", "accept-ranges")}
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(data[first : last + 1], 206, headers, whole.media_type)
