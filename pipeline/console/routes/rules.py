"""Rules in force, and the site file: read, checked, saved, tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from sse_starlette import EventSourceResponse

from pipeline.console.host import DrawnCamera, Shape, ShapeKind, SiteDesk, SiteText
from pipeline.console.problems import ProblemFound, Wrong, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking, needs, tagged
from pipeline.console.streams import told_by
from pipeline.console.system_models import (
    Drawing,
    DrawnDraft,
    DrawnView,
    RuleList,
    RuleView,
    SiteDraft,
    SiteVerdict,
    SiteView,
    Switch,
    Trial,
    VersionList,
    VersionView,
)
from pipeline.errors import SiteProblem

router = APIRouter(tags=["rules"])
Checker = Annotated[Asker, asking(Action.CHECK_RULES)]
Changer = Annotated[Asker, asking(Action.CHANGE_RULES)]
IfMatch = Annotated[str, Header(max_length=200, description="The ETag of the site file as you read it.")]
VersionPath = Annotated[str, Path(max_length=40)]
_MOST_PROBLEMS = 200


@router.get("/rules", response_model=RuleList, responses=responses(503))
def list_rules(request: Request, asker: Annotated[Asker, asking(Action.SEE_RULES)]) -> Response:
    """The rules that look at a camera you may know of, off ones among them."""
    return tagged(request, RuleList(items=rules_of(asker)))


def rules_of(asker: Asker) -> tuple[RuleView, ...]:
    """In the order of the site file."""
    site = asker.host.site()
    seen = asker.caller.visible([camera.id for camera in site.cameras]) if site else []
    cameras = [camera for camera in site.cameras if camera.id in seen] if site else []
    told = [
        RuleView(rule=rule, cameras=tuple(camera.id for camera in cameras if camera.matches(rule.cameras)))
        for rule in (site.all_rules if site else ())
    ]
    return tuple(each if asker.sees_every_camera else _without_others(each) for each in told if each.cameras)


def _without_others(view: RuleView) -> RuleView:
    """What a rule itself says of its cameras may name others than those that one may know of."""
    if not view.rule.cameras:
        return view
    return view.model_copy(update={"rule": view.rule.model_copy(update={"cameras": view.cameras})})


@router.put("/rules/{rule_id}", responses=responses(404, 409, 501, 503))
def switch_rule(rule_id: Annotated[str, Path(max_length=63)], asker: Changer, switch: Switch) -> SiteView:
    """Switch a rule on or off in the site file; a run follows it."""
    site = asker.host.site()
    if site is None or all(rule.id != rule_id for rule in site.rules):
        raise asker.missing(f"the site file has no rule {rule_id!r}")
    return _view(desk_of(asker).switch(rule_id, asker.name, is_on=switch.enabled))


@router.get("/site", responses=responses(501, 503))
def read_site(response: Response, asker: Checker) -> SiteView:
    """The site file as it stands."""
    text = desk_of(asker).read()
    response.headers["ETag"] = f'"{text.version}"'
    return _view(text)


@router.post("/site/check", responses=responses(501, 503))
def check_site(asker: Checker, draft: SiteDraft) -> SiteVerdict:
    """What is wrong with a draft, by line, as `sightline check` says it, and what it draws; nothing is written."""
    desk = desk_of(asker)
    problems = desk.problems(draft.text)
    return SiteVerdict(
        problems=_told(problems),
        remarks=() if problems else _told(desk.remarks(draft.text)),
        cameras=tuple(map(_drawn, desk.drawn(draft.text))),
    )


@router.post("/site/draw", responses=responses(501, 503))
def draw(asker: Checker, drawing: Drawing) -> DrawnDraft:
    """A draft with a zone, line or mask put, moved or taken out, all else as it was; nothing is written."""
    shape = Shape(drawing.kind, drawing.name, drawing.points)
    return DrawnDraft(text=desk_of(asker).draw(drawing.text, drawing.camera, shape))


@router.put("/site", responses=responses(409, 501, 503))
def save_site(response: Response, asker: Changer, draft: SiteDraft, if_match: IfMatch) -> SiteView:
    """Write the site file whole, in the place of the version you have read: 409 when somebody else was first."""
    return _saved(response, asker, draft.text, if_match)


@router.get("/site/versions", responses=responses(501, 503))
def list_versions(asker: Checker) -> VersionList:
    """What the site file was and is."""
    kept = desk_of(asker).versions()
    return VersionList(items=tuple(VersionView(version=one.version, at=one.at, by=one.by) for one in kept))


@router.get("/site/versions/{version}", responses=responses(404, 501, 503))
def one_version(asker: Checker, version: VersionPath) -> SiteView:
    """What the site file said then."""
    return _view(desk_of(asker).version(version))


@router.post("/site/versions/{version}/restore", responses=responses(404, 409, 501, 503))
def restore_version(response: Response, asker: Changer, version: VersionPath, if_match: IfMatch) -> SiteView:
    """Write that text again in the place of the version you have read; it is a new version, to be undone like any."""
    return _saved(response, asker, desk_of(asker).version(version).text, if_match)


@router.post(
    "/site/backtest",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(501, 503)},
)
def backtest(request: Request, asker: Annotated[Asker, asking(Action.BACKTEST)], trial: Trial) -> EventSourceResponse:
    """Try a draft's rules on kept incidents: events `progress`, then `result` or `problem`."""
    return told_by(steps_of(asker, trial), request.url.path)


def steps_of(asker: Asker, trial: Trial) -> Iterator[tuple[str, Any]]:
    """Of a backtest: name and data. `ConfigError` at once for a while that is none."""
    start, end = asker.span(trial.since, trial.until)
    found = desk_of(asker).backtest(trial.text, trial.rules, start.isoformat(), end.isoformat())
    return (("progress" if "of" in step else "result", dict(step)) for step in found)


def _saved(response: Response, asker: Asker, text: str, if_match: str) -> SiteView:
    version = if_match.strip().strip('"')
    if not version or version == "*":
        raise ProblemFound(422, "If-Match: expected the ETag of the site file as it was read")
    saved = desk_of(asker).save(text, version, asker.name)
    response.headers["ETag"] = f'"{saved.version}"'
    return _view(saved)


def _told(found: Sequence[SiteProblem]) -> tuple[Wrong, ...]:
    first = found[:_MOST_PROBLEMS]
    return tuple(Wrong(where=one.where, message=one.message, line=one.line, hint=one.hint) for one in first)


def _drawn(camera: DrawnCamera) -> DrawnView:
    def of(kind: ShapeKind) -> dict[str, tuple[tuple[float, float], ...]]:
        return {shape.name: shape.points for shape in camera.shapes if shape.kind == kind}

    return DrawnView(id=camera.id, zones=of("zones"), lines=of("lines"), masks=tuple(of("masks").values()))


def desk_of(asker: Asker) -> SiteDesk:
    """Of this site; 501 where there is none."""
    return needs(asker.host.desk, "there is no site file here: name it with --site")


def _view(text: SiteText) -> SiteView:
    return SiteView(text=text.text, version=text.version)
