"""Incidents found by words, and questions answered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from sse_starlette import EventSourceResponse

from pipeline.console.conversations import Conversations
from pipeline.console.models import IncidentPage, row_of
from pipeline.console.problems import ProblemFound, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, RuleQuery, TimeQuery, asking, needs
from pipeline.console.streams import Tell, told_while
from pipeline.console.system_models import Question
from pipeline.contracts.chat import ChatModel
from pipeline.search.arguments import SearchEvents
from pipeline.search.ask import Reply
from pipeline.search.events import EventTools

router = APIRouter(tags=["search"])


@router.get("/search/incidents", responses=responses(404, 503))
def search_incidents(
    asker: Annotated[Asker, asking(Action.SEARCH)],
    text: Annotated[str, Query(max_length=200, description="Words in what was seen or measured.")] = "",
    camera: CameraQuery = "",
    rule: RuleQuery = "",
    status: Literal["any", "provisional", "confirmed", "rejected", "unverified"] = "any",
    since: TimeQuery = "1 day ago",
    until: TimeQuery = "now",
    limit: Annotated[int, Query(ge=1, le=20)] = 20,
) -> IncidentPage:
    """Incidents that hold the most of the words, and when their cameras were not watched in that while."""
    if camera:
        asker.camera(camera)
    elif not asker.sees_every_camera:
        raise ProblemFound(403, f"name one of your cameras: {', '.join(asker.known_cameras())}")
    archive = asker.host.archive()
    wanted = SearchEvents.model_validate(
        {"text": text, "camera": camera, "rule": rule, "status": status, "from": since, "to": until, "limit": limit}
    )
    found = EventTools(archive).search(wanted)
    (asked,) = found.asked
    unwatched = archive.accounts.unwatched(asked.camera_ids, asked.start, asked.end)
    return IncidentPage(items=tuple(map(row_of, found.incidents)), next=None, unwatched=tuple(unwatched))


@router.post(
    "/ask",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(501, 503)},
)
def ask(request: Request, asker: Annotated[Asker, asking(Action.ASK)], asked: Question) -> EventSourceResponse:
    """An answer with its evidence: events `call` (what is looked up, while it is), then `answer` or `problem`."""
    if not asker.sees_every_camera:
        raise ProblemFound(403, "questions are answered from all cameras: it takes a role for every camera (*)")
    model: ChatModel = needs(asker.host.chat, "questions need a model: name one in the site file (models.vlm)")
    conversations: Conversations = request.app.state.conversations

    def work(tell: Tell) -> None:
        reply = conversations.ask(
            asker.name,
            asked.conversation,
            asked.question,
            model,
            asker.host.archive,
            lambda call: tell("call", asdict(call)),
        )
        tell("answer", _for_reader(reply))

    return told_while(work, request.url.path)


def _for_reader(reply: Reply) -> dict[str, object]:
    """As `sightline ask --json`, each citation with the incident it names."""
    told = asdict(reply)
    told["citations"] = [{"incident": each.incident_id, "frame": each.frame} for each in reply.citations]
    return told
