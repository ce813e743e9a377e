"""What a search has found, looked at by the site's model: each result's verdict as soon as there is one."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from fastapi import Request as HttpRequest
from pydantic import Field, model_validator
from sse_starlette import EventSourceResponse

from pipeline import jpeg
from pipeline.console.checking import Checking, Result
from pipeline.console.models import Request, evidence_keys, media_type_of
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking, needs
from pipeline.console.streams import told_by
from pipeline.errors import ConfigError
from pipeline.search.query import MAX_CHARACTERS, read_example

router = APIRouter(prefix="/search", tags=["search"])
MOST_RESULTS = 24
_QUALITY = 90
_NO_MODEL = (
    "results are not verified here: the site file names no model that can be asked about pictures (models.vlm; the "
    "built-in one knows alarms alone)"
)


def checking_of(request: HttpRequest) -> Checking:
    """The application's."""
    checking: Checking = request.app.state.checking
    return checking


Shared = Annotated[Checking, Depends(checking_of)]


class FoundPicture(Request):
    """A result of a search that has a picture."""

    incident: Annotated[str, Field(max_length=63)]
    picture: Annotated[str, Field(max_length=40, description="snapshot, picture-1 …")]


class LookedFor(Request):
    """What was looked for, and what was found."""

    words: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""
    example: Annotated[str, Field(max_length=700_000, description="A JPEG picture in base64.")] = ""
    results: Annotated[tuple[FoundPicture, ...], Field(min_length=1, max_length=MOST_RESULTS)]

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.words.strip() and not self.example:
            raise ValueError("say what was looked for: words, example, or both")
        return self


@router.post(
    "/verify",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(404, 501, 503)},
)
def verify(
    request: HttpRequest, asker: Annotated[Asker, asking(Action.SEARCH)], asked: LookedFor, checking: Shared
) -> EventSourceResponse:
    """The model's word on each result: events `checked` as they come, `waiting` while alerts come first, then `done`
    with what it took, or `problem`. Closing the connection ends it."""
    results = [_result(asker, each) for each in asked.results]
    checks = needs(asker.host.checks, _NO_MODEL)
    example = _example(asked.example) if asked.example else None
    looks = checking.looks(checks, asker.host.archive(), results, asked.words.strip(), example)
    return told_by(looks, request.url.path)


def _result(asker: Asker, found: FoundPicture) -> Result:
    incident = asker.incident(found.incident)
    key = evidence_keys(incident).get(found.picture, "")
    if media_type_of(key) != "image/jpeg":
        raise asker.missing(f"incident {incident.id} has no picture called {found.picture!r}")
    return Result(incident.id, found.picture, key)


def _example(text: str) -> bytes:
    """As JPEG again: what a model is sent was read by us first."""
    try:
        sent = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ConfigError("expected the example as a JPEG picture in base64") from error
    return jpeg.encode_pixels(read_example(sent), _QUALITY)
