"""The wall of live pictures: each camera's newest picture with its age, and whether the camera is being watched.

The page is made once. Its script asks for one picture a camera and second at most, of the cameras on the screen; what
is said of the cameras comes as one fragment. A camera that is not watched says so over its picture, and so does a
picture that has grown old: an age is told with each answer, so that no clock but the server's counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from pipeline import jpeg
from pipeline.console.host import LatestFrame
from pipeline.console.models import CameraView
from pipeline.console.pages.shell import page
from pipeline.console.problems import ProblemFound
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, asking, needs
from pipeline.console.routes.cameras import CameraPath, list_cameras, one_camera
from pipeline.contracts.health import BLIND, DEBOUNCE_SECONDS, Condition

router = APIRouter(prefix="/live", include_in_schema=False)
Looker = Annotated[Asker, asking(Action.SEE_LIVE)]
Group = Annotated[str, Query(max_length=63)]
_FRAMES_MISSED = 2.0
"""A picture is old when so many of the slowest that a camera gives did not come."""
_SHRUNK_KEPT = 64
"""Pictures that are remembered with their smaller ones: several people look at the same."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A camera on the wall."""

    camera: CameraView
    state: Literal["good", "warn", "blind"]
    reason: str
    """A `Condition` or the reason of a gap; `""` while all is well, and of a camera that was never watched."""
    since: datetime | None
    detail: str
    old_after_seconds: float
    """A picture of this age is none that one may go by."""


@router.get("")
def wall(request: Request, asker: Looker, group: Group = "") -> HTMLResponse:
    """Every camera that one may look at, or those with a label."""
    cameras = list_cameras(asker).items
    tiles = tiles_of(asker, cameras, group)
    return page(
        request,
        asker.caller,
        "live.html",
        tiles=tiles,
        drawn=_drawn(tiles),
        group=group,
        groups=sorted({label for camera in cameras for label in camera.labels}),
        has_pictures=asker.host.live is not None,
    )


@router.get("/states")
def states(
    request: Request,
    asker: Looker,
    group: Group = "",
    camera: CameraQuery = "",
    drawn: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """What is to be said of the cameras, or of one, now, without their pictures.

    `drawn` is what the page was made of: when the site has other cameras or zones by now, it is to load itself again.
    """
    cameras = (one_camera(camera, asker),) if camera else list_cameras(asker).items
    tiles = tiles_of(asker, cameras, group)
    answer = page(request, asker.caller, "_live_states.html", tiles=tiles)
    if drawn and drawn != _drawn(tiles):
        answer.headers["HX-Refresh"] = "true"
    return answer


@router.get("/camera/{camera_id}")
def one(request: Request, camera_id: CameraPath, asker: Looker) -> HTMLResponse:
    """One camera, as large as there is room."""
    tiles = tiles_of(asker, [one_camera(camera_id, asker)])
    has_pictures = asker.host.live is not None
    return page(
        request, asker.caller, "live_camera.html", tile=tiles[0], drawn=_drawn(tiles), has_pictures=has_pictures
    )


@router.get("/camera/{camera_id}/now", response_class=Response)
def now(
    request: Request, camera_id: CameraPath, asker: Looker, width: Annotated[int, Query(ge=16, le=8192)] = 8192
) -> Response:
    """The newest picture and what was found in it, as a form of two parts; 304 when nothing has changed since.

    A picture is at most `width` pixels wide. `Picture-Age-Seconds` is told with either answer.
    """
    live = needs(asker.host.live, "live pictures are only where cameras are read: ask the run itself")
    frame = live.latest(asker.camera(camera_id))
    if frame is None:
        raise ProblemFound(404, f"there is no picture of {camera_id} yet")
    age_seconds = (asker.host.archive().clock.now() - frame.captured_at).total_seconds()
    picture, found = _narrowed(frame.jpeg, width), _found(frame)
    mark = hashlib.blake2b(picture + found, digest_size=12).hexdigest()
    headers = {"ETag": f'"{mark}"', "Picture-Age-Seconds": f"{max(age_seconds, 0.0):.2f}"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_form(picture, found, mark), media_type=f"multipart/form-data; boundary={mark}", headers=headers)


def tiles_of(asker: Asker, cameras: Iterable[CameraView], group: str = "") -> list[Tile]:
    """How each camera is now, or each with a label."""
    return [_tile(asker, camera) for camera in cameras if not group or group in camera.labels]


def _drawn(tiles: Iterable[Tile]) -> str:
    """Others when there are other cameras, zones or lines."""
    told = [(tile.camera.id, tile.camera.zones, tile.camera.lines) for tile in tiles]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()


def _tile(asker: Asker, camera: CameraView) -> Tile:
    old_after = _old_after_seconds(asker, camera.id)
    if camera.blind is not None:
        return Tile(camera, "blind", camera.blind.reason, camera.blind.start, camera.blind.detail, old_after)
    if camera.wrong is not None:
        state: Literal["warn", "blind"] = "blind" if camera.wrong in BLIND else "warn"
        return Tile(camera, state, camera.wrong.value, camera.wrong_since, "", old_after)
    return Tile(camera, "good" if camera.last_watched else "blind", "", None, "", old_after)


def _old_after_seconds(asker: Asker, camera_id: str) -> float:
    """When a camera counts as silent, or what its slowest pace allows if that is more."""
    site = asker.host.site()
    known = site.camera(camera_id) if site else None
    if known is None:
        return DEBOUNCE_SECONDS[Condition.OFFLINE]
    silent = known.debounce_seconds(Condition.OFFLINE) or DEBOUNCE_SECONDS[Condition.OFFLINE]
    return max(silent, _FRAMES_MISSED / known.sampling.idle_fps)


def _found(frame: LatestFrame) -> bytes:
    """What the script draws over the picture."""
    behind = (frame.captured_at - frame.boxes_at).total_seconds() if frame.boxes_at else None
    told = {"boxes": [asdict(box) for box in frame.boxes], "behind_seconds": behind}
    return json.dumps(told).encode()


def _narrowed(picture: bytes, width_px: int) -> bytes:
    return _shrunk(picture, width_px) if jpeg.size_of(picture)[0] > width_px else picture


_shrunk = lru_cache(_SHRUNK_KEPT)(jpeg.shrunk)


def _form(picture: bytes, found: bytes, boundary: str) -> bytes:
    """multipart/form-data (RFC 7578), which browsers read by themselves."""
    parts = (
        (b'name="found"', b"application/json", found),
        (b'name="picture"; filename="picture.jpg"', b"image/jpeg", picture),
    )
    line = b"--" + boundary.encode()
    told = [
        line + b"\r\nContent-Disposition: form-data; " + name + b"\r\nContent-Type: " + kind + b"\r\n\r\n" + body
        for name, kind, body in parts
    ]
    return b"\r\n".join([*told, line + b"--\r\n"])
