"""Rules in force, and the site file: read, checked, saved, tried."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from sse_starlette import EventSourceResponse

from pipeline.console.host import SiteDesk, SiteText
from pipeline.console.problems import ProblemFound, Wrong, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking, needs, tagged
from pipeline.console.streams import Tell, told_while
from pipeline.console.system_models import RuleList, RuleView, SiteDraft, SiteVerdict, SiteView, Switch, Trial

router = APIRouter(tags=["rules"])
Checker = Annotated[Asker, asking(Action.CHECK_RULES)]
Changer = Annotated[Asker, asking(Action.CHANGE_RULES)]
IfMatch = Annotated[str, Header(max_length=200, description="The ETag of the site file as you read it.")]
_MOST_PROBLEMS = 200


@router.get("/rules", response_model=RuleList, responses=responses(503))
def list_rules(request: Request, asker: Annotated[Asker, asking(Action.SEE_RULES)]) -> Response:
    """The rules that look at a camera you may know of, off ones among them."""
    site = asker.host.site()
    seen = asker.caller.visible([camera.id for camera in site.cameras]) if site else []
    cameras = [camera for camera in site.cameras if camera.id in seen] if site else []
    told = [
        RuleView(rule=rule, cameras=tuple(camera.id for camera in cameras if camera.matches(rule.cameras)))
        for rule in (site.all_rules if site else ())
    ]
    return tagged(request, RuleList(items=tuple(each for each in told if each.cameras)))


@router.put("/rules/{rule_id}", responses=responses(404, 409, 501, 503))
def switch_rule(rule_id: Annotated[str, Path(max_length=63)], asker: Changer, switch: Switch) -> SiteView:
    """Switch a rule on or off in the site file; a run follows it."""
    site = asker.host.site()
    if site is None or all(rule.id != rule_id for rule in site.rules):
        raise asker.missing(f"the site file has no rule {rule_id!r}")
    return _view(_desk(asker).switch(rule_id, asker.name, is_on=switch.enabled))


@router.get("/site", responses=responses(501, 503))
def read_site(response: Response, asker: Checker) -> SiteView:
    """The site file as it stands."""
    text = _desk(asker).read()
    response.headers["ETag"] = f'"{text.version}"'
    return _view(text)


@router.post("/site/check", responses=responses(501, 503))
def check_site(asker: Checker, draft: SiteDraft) -> SiteVerdict:
    """What is wrong with a draft, by line, as `sightline check` says it; nothing is written."""
    found = _desk(asker).problems(draft.text)[:_MOST_PROBLEMS]
    told = [Wrong(where=p.where, message=p.message, line=p.line, hint=p.hint) for p in found]
    return SiteVerdict(problems=tuple(told))


@router.put("/site", responses=responses(409, 501, 503))
def save_site(response: Response, asker: Changer, draft: SiteDraft, if_match: IfMatch) -> SiteView:
    """Write the site file whole, in the place of the version you have read: 409 when somebody else was first."""
    version = if_match.strip().strip('"')
    if not version or version == "*":
        raise ProblemFound(422, "If-Match: expected the ETag of the site file as it was read")
    text = _desk(asker).save(draft.text, version, asker.name)
    response.headers["ETag"] = f'"{text.version}"'
    return _view(text)


@router.post(
    "/site/backtest",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(501, 503)},
)
def backtest(request: Request, asker: Annotated[Asker, asking(Action.BACKTEST)], trial: Trial) -> EventSourceResponse:
    """Try a draft's rules on kept incidents: events `progress`, then `result` or `problem`."""
    desk = _desk(asker)

    def work(tell: Tell) -> None:
        for step in desk.backtest(trial.text, trial.rules, trial.since, trial.until):
            tell("progress" if "of" in step else "result", dict(step))

    return told_while(work, request.url.path)


def _desk(asker: Asker) -> SiteDesk:
    return needs(asker.host.desk, "there is no site file here: name it with --site")


def _view(text: SiteText) -> SiteView:
    return SiteView(text=text.text, version=text.version)
