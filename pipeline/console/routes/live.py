"""Live changes, as Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipeline.console.events import ChangeFeed
from pipeline.console.models import changed_of
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking
from pipeline.console.streams import event, streamed

router = APIRouter(tags=["live"])
_LONGEST_SECONDS = 900.0
"""Then the client comes again by itself, and is asked anew who it is."""


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(503)},
)
def events(
    request: Request,
    asker: Annotated[Asker, asking(Action.SEE_INCIDENTS)],
    last_event_id: Annotated[str, Header(max_length=120)] = "",
    after: Annotated[str, Query(max_length=120, description="The same, for who can send no header at first.")] = "",
) -> EventSourceResponse:
    """Each change of an incident you may know of, within about a second: event `change`, data as a decision answers.

    With `Last-Event-ID` from the one after it on; the same change may come twice and has the same `id` in its data.
    `reset`: too much was missed; load everything again.
    """
    feed: ChangeFeed = request.app.state.feed
    return streamed(_told(feed, asker, last_event_id or after))


async def _told(feed: ChangeFeed, asker: Asker, last_id: str) -> AsyncIterator[ServerSentEvent]:
    async for each in feed.follow(last_id, _LONGEST_SECONDS):
        if each.change is None:
            yield event("reset", {}, each.id)
        elif asker.caller.may(each.change.incident.camera_id):
            yield event("change", changed_of(each.change).model_dump_json(), each.id)
