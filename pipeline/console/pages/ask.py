"""Ask: a conversation about what was kept, its answers citing incidents and pictures.

Questions go to the API, which streams what is looked up and then the answer; here are the page around it and the
sources of an answer as people look at them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.console.models import IncidentRow, evidence_keys, row_of
from pipeline.console.pages.shell import page
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking
from pipeline.errors import ConfigError

router = APIRouter(prefix="/ask", include_in_schema=False)
_CITED = re.compile(r"(?P<incident>[A-Za-z0-9_-]{1,63})(?:~(?P<frame>\d{1,4}))?")
_MOST_CITED = 24


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer rests on."""

    incident: IncidentRow
    frames: tuple[int, ...]
    pictures: tuple[str, ...]
    """Names of what is shown of it: the frames that are cited, else the picture that shows it best."""


@router.get("")
def ask_page(
    request: Request,
    asker: Annotated[Asker, asking(Action.ASK)],
    question: Annotated[str, Query(max_length=2_000, description="Already typed.")] = "",
) -> HTMLResponse:
    """The conversation, still empty."""
    return page(
        request,
        asker.caller,
        "ask.html",
        question=question,
        has_model=asker.host.chat is not None,
        sees_all=asker.sees_every_camera,
    )


@router.get("/sources")
def sources(
    request: Request,
    asker: Annotated[Asker, asking(Action.SEE_INCIDENTS)],
    cite: Annotated[list[str], Query(max_length=_MOST_CITED, description="INCIDENT or INCIDENT~FRAME.")],
) -> HTMLResponse:
    """The incidents that an answer cites, with their pictures."""
    cited: dict[str, list[int]] = {}
    for text in cite:
        match = _CITED.fullmatch(text)
        if match is None:
            raise ConfigError(f"expected INCIDENT or INCIDENT~FRAME, got {text[:80]!r}")
        frames = cited.setdefault(match["incident"], [])
        frames += [int(match["frame"])] if match["frame"] else []
    shown = [_source(asker, incident_id, tuple(dict.fromkeys(frames))) for incident_id, frames in cited.items()]
    return page(request, asker.caller, "_ask_sources.html", sources=shown)


def _source(asker: Asker, incident_id: str, frames: tuple[int, ...]) -> Source:
    incident = asker.incident(incident_id)
    row, kept = row_of(incident), evidence_keys(incident)
    pictures = tuple(name for frame in frames if (name := f"picture-{frame}") in kept)
    return Source(row, frames, pictures or ((row.picture,) if row.picture else ()))
