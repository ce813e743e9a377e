"""How the whole is doing: cameras, what is owed and since when, what was given up, what models took, what runs here.

Each part is a fragment of its own, so that one that cannot be told now (a bus that is away) leaves the others.
"""

from __future__ import annotations

import platform
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.console.models import CameraView
from pipeline.console.pages.live import tiles_of
from pipeline.console.pages.shell import page
from pipeline.console.roles import Action
from pipeline.console.routes import system
from pipeline.console.routes.asked import Asker, asking
from pipeline.console.routes.cameras import list_cameras
from pipeline.console.routes.verifying import Shared
from pipeline.console.system_models import SpentView
from pipeline.errors import TransientError

router = APIRouter(prefix="/system", include_in_schema=False)
System = Annotated[Asker, asking(Action.SEE_SYSTEM)]
By = Literal["rule", "camera"]
Days = Annotated[int, Query(ge=1, le=366)]
_LATE = timedelta(minutes=2)
"""What has been owed for longer is late: `reasoning.deadline` as it stands unless somebody changes it."""
_LIBRARIES = (
    *("fastapi", "uvicorn", "pydantic", "sqlalchemy", "numpy", "opencv-python", "lancedb"),
    *("onnxruntime", "torch", "transformers", "ray", "kafka-python"),
)
_ADDED_UP = ("verdicts", "calls", "pictures", "input_tokens", "output_tokens", "seconds", "degraded")


@router.get("")
def overview(request: Request, asker: System, checking: Shared, by: By = "rule", days: Days = 7) -> HTMLResponse:
    """The page."""
    host = asker.host
    return page(
        request,
        asker.caller,
        "system.html",
        **_now(asker),
        **_spent(asker, checking, by, days),
        given_up=system.dead_deliveries(asker).items,
        has_bus=host.letters is not None,
        site=host.site(),
        cards=host.cards() if host.cards else (),
        program=host.version,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}",
        libraries=_libraries(),
    )


@router.get("/now")
def now(request: Request, asker: System) -> HTMLResponse:
    """Cameras and what is owed."""
    return page(request, asker.caller, "_system_now.html", **_now(asker))


@router.get("/deliveries")
def deliveries(request: Request, asker: System) -> HTMLResponse:
    """Messages that were given up."""
    return page(request, asker.caller, "_system_deliveries.html", given_up=system.dead_deliveries(asker).items)


@router.get("/letters")
def letters(request: Request, asker: System) -> HTMLResponse:
    """Records of the bus that no stage could use; reading them takes the bus, which may be away."""
    try:
        found, problem = system.dead_letters(asker).items, ""
    except TransientError as error:
        found, problem = (), str(error)
    return page(request, asker.caller, "_system_letters.html", letters=found[::-1], problem=problem)


@router.get("/budget")
def budget(request: Request, asker: System, checking: Shared, by: By = "rule", days: Days = 7) -> HTMLResponse:
    """What models took."""
    return page(request, asker.caller, "_system_budget.html", **_spent(asker, checking, by, days))


def _now(asker: Asker) -> dict[str, Any]:
    tiles = tiles_of(asker, list_cameras(asker).items)
    newest = {tile.camera.id: at for tile in tiles if (at := _newest_frame_at(tile.camera))}
    return {
        "health": system.health(asker),
        "tiles": tiles,
        "newest": newest,
        "oldest": min(((at, camera_id) for camera_id, at in newest.items()), default=None),
        "late_seconds": _LATE.total_seconds(),
    }


def _newest_frame_at(camera: CameraView) -> datetime | None:
    """Of the picture that is at hand, or else what the account of the last hour says: in a cluster pictures are only
    fetched while somebody looks."""
    return camera.frame_at or camera.last_watched


def _spent(asker: Asker, checking: Shared, by: By, days: int) -> dict[str, Any]:
    told = system.budgets(asker, checking, by, f"{days} days ago")
    return {"spent": told.items, "searches": told.searches, "total": _total(told.items), "by": by, "days": days}


def _total(items: tuple[SpentView, ...]) -> SpentView:
    """Of all rules, or all cameras, together."""
    costs = [one.cost for one in items if one.cost is not None]
    return SpentView(
        name="",
        **{name: sum(getattr(one, name) for one in items) for name in _ADDED_UP},
        is_estimated=any(one.is_estimated for one in items),
        cost=sum(costs) if costs else None,
    )


@cache
def _libraries() -> dict[str, str]:
    """Name to version, of those that are installed."""
    return {name: found for name in _LIBRARIES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
