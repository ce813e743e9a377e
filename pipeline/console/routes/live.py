"""Live changes, as Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipeline.console.events import ChangeFeed
from pipeline.console.guard import Caller, anew
from pipeline.console.models import changed_of
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking
from pipeline.console.streams import event, streamed
from pipeline.errors import SightlineError

router = APIRouter(tags=["live"])
_LONGEST_SECONDS = 900.0
"""Then the client comes again by itself, and is asked anew who it is."""
_ANEW_SECONDS = 2.0
"""So long it is believed who follows and what they may: changes come in bursts, and to a hundred at once."""


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
    return streamed(_told(feed, request, asker.caller, last_event_id or after))


async def _told(feed: ChangeFeed, request: Request, caller: Caller, last_id: str) -> AsyncIterator[ServerSentEvent]:
    clock = caller.book.clock
    asked_at = clock.monotonic()
    async for each in feed.follow(last_id, _LONGEST_SECONDS):
        if clock.monotonic() - asked_at >= _ANEW_SECONDS:
            try:
                caller = await run_sync(anew, request, caller)
            except SightlineError:
                return  # signed out or shut out meanwhile, or the database is away: whoever comes again is asked
            asked_at = clock.monotonic()
        if each.change is None:
            yield event("reset", {}, each.id)
        elif caller.may(each.change.incident.camera_id):
            yield event("change", changed_of(each.change).model_dump_json(), each.id)
