"""Scripts and styles of the pages, from the package alone: by name out of a table, so that no path can be climbed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Response

from pipeline.console.access import Refused
from pipeline.console.guard import Caller, guarded
from pipeline.console.roles import Action

router = APIRouter(include_in_schema=False)
_FOLDER = FilePath(__file__).parent.parent / "static"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Addresses name the version of what they give."""


@dataclass(frozen=True, slots=True)
class Static:
    """One file."""

    data: bytes
    media_type: str
    version: str


@cache
def statics() -> dict[str, Static]:
    """Every file by name."""
    paths = [path for path in sorted(_FOLDER.iterdir()) if path.suffix in _MEDIA_TYPES]
    return {path.name: _read(path) for path in paths}


def address_of(name: str) -> str:
    """Where a page finds it; `KeyError` for one that is not there."""
    return f"/static/{name}?v={statics()[name].version}"


@router.get("/static/{name}", response_class=Response)
def static(
    name: Annotated[str, Path(max_length=60)],
    caller: Annotated[Caller, guarded(Action.PUBLIC)],  # noqa: ARG001 - whoever comes
) -> Response:
    """One script or style."""
    found = statics().get(name)
    if found is None:
        raise Refused(404, f"there is no {name!r} among the console's files")
    return Response(found.data, media_type=found.media_type, headers=_FOREVER)


def _read(path: FilePath) -> Static:
    data = path.read_bytes()
    return Static(data, _MEDIA_TYPES[path.suffix], hashlib.blake2b(data, digest_size=6).hexdigest())
