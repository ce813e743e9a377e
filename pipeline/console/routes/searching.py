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
from pipeline.console.routes.asked import Asker, RuleQuery, asking, needs
from pipeline.console.routes.moments import Where
from pipeline.console.streams import Tell, told_while
from pipeline.console.system_models import Question
from pipeline.contracts.chat import ChatModel
from pipeline.contracts.incident import IncidentStatus
from pipeline.errors import ConfigError
from pipeline.search.ask import Reply
from pipeline.search.events import incidents_in, is_about, matching, shows
from pipeline.search.found import Asked
from pipeline.search.named import check_rule
from pipeline.search.query import MAX_CHARACTERS

router = APIRouter(tags=["search"])


@router.get("/search/incidents", responses=responses(404, 503))
def search_incidents(
    where: Where,
    text: Annotated[str, Query(max_length=MAX_CHARACTERS, description="Words in what was seen or measured.")] = "",
    rule: RuleQuery = "",
    status: Literal["any", "provisional", "confirmed", "rejected", "unverified"] = "any",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> IncidentPage:
    """Incidents that hold the most of the words, and when their cameras were not watched in that while.

    Of a zone are those whose rule names it or that measured something in it; of a label, those that show such a thing.
    """
    asker, archive = where.asker, where.asker.host.archive()
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"expected at most {MAX_CHARACTERS} characters to look for, got {len(text):,}")
    statuses = () if status == "any" else (IncidentStatus(status),)
    asked = Asked(where.camera_names, where.start, where.end)
    there = incidents_in(archive, asked, "", check_rule(archive, asker.rule(rule)), statuses, where.camera_ids)
    there = [one for one in there if any(is_about(one, zone, archive.rules) for zone in where.zones) or not where.zones]
    there = [one for one in there if any(shows(one, label) for label in where.labels) or not where.labels]
    found = matching(there, text)[:limit]
    unwatched = archive.accounts.unwatched(asked.camera_ids, asked.start, asked.end)
    visible = [one for one in found if asker.caller.may(one.camera_id)]
    return IncidentPage(items=tuple(map(row_of, visible)), next=None, unwatched=tuple(unwatched))


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
