"""The API from Python, with the models that the server answers with.

with Sightline("http://127.0.0.1:8700", token) as sightline:
    for row in sightline.incidents(status=["confirmed"], since="2 hours ago"):
        print(row.headline)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from pipeline.console.models import (
    API,
    CameraList,
    CameraView,
    Changed,
    CoverageView,
    IncidentPage,
    IncidentRow,
    MomentList,
    NearMisses,
    WholeIncident,
    WhyView,
)
from pipeline.console.people_models import AuditItem, AuditPage, People, Person
from pipeline.console.problems import Problem
from pipeline.console.system_models import (
    Budgets,
    DeadDeliveries,
    HealthView,
    LetterList,
    LettersSent,
    RuleList,
    SentAgain,
    SiteVerdict,
    SiteView,
    VersionList,
)
from pipeline.errors import InvalidMessage, SightlineError, TransientError

Model = TypeVar("Model", bound=BaseModel)
_TIMEOUT_SECONDS = 30.0
_SILENCE_SECONDS = 60.0
"""A stream says something every 15 s, be it only that it is there."""


class ApiError(SightlineError):
    """The server said no, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.problem.status


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One of a stream."""

    id: str
    """Where to go on from."""
    change: Changed | None
    """None: too much was missed; load everything again."""


class Sightline:
    """One server, as one account. Not for several threads at once.

    Every method raises `ApiError` when the server says no, and `TransientError` when it cannot be reached or cannot
    now.
    """

    def __init__(self, url: str, token: str, *, http: httpx.Client | None = None) -> None:
        """`url` without `/api/v1`; `http` takes the place of a client of its own, and is closed with it."""
        self._http = http or httpx.Client(timeout=_TIMEOUT_SECONDS)
        self._base = f"{url.rstrip('/')}{API}"
        self._headers = {"Authorization": f"Bearer {token}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()

    def cameras(self) -> tuple[CameraView, ...]:
        """All that one may know of."""
        return self._get(CameraList, "/cameras").items

    def frame(self, camera_id: str) -> bytes:
        """The newest picture, JPEG."""
        return self._ask("GET", f"/cameras/{camera_id}/frame").content

    def incidents(
        self,
        *,
        camera: str = "",
        rule: str = "",
        status: Iterable[str] = (),
        reviewed: bool | None = None,
        since: str = "",
        until: str = "",
    ) -> Iterator[IncidentRow]:
        """Newest first, page by page as they are taken."""
        wanted: dict[str, Any] = {"camera": camera, "rule": rule, "since": since, "until": until}
        wanted |= {"status": list(status)} | ({} if reviewed is None else {"reviewed": reviewed})
        cursor: str | None = ""
        while cursor is not None:
            page = self._get(IncidentPage, "/incidents", **wanted, cursor=cursor)
            yield from page.items
            cursor = page.next

    def search(self, text: str, *, camera: str = "", since: str = "1 day ago", until: str = "now") -> IncidentPage:
        """Incidents that hold the most of the words."""
        return self._get(IncidentPage, "/search/incidents", text=text, camera=camera, since=since, until=until)

    def moments(
        self, like: str | bytes, *, camera: str = "", since: str = "1 day ago", until: str = "now"
    ) -> MomentList:
        """Moments that look as these words say, or like this JPEG."""
        query = {"camera": camera, "since": since, "until": until}
        if isinstance(like, str):
            return self._get(MomentList, "/search/moments", text=like, **query)
        sent = self._ask("POST", "/search/moments", {"Content-Type": "image/jpeg"}, params=query, content=like)
        return MomentList.model_validate(sent.json())

    def incident(self, incident_id: str, *, links: bool = False) -> WholeIncident:
        """Everything known of one; with `links` that open its evidence for a while, to hand on."""
        return self._get(WholeIncident, f"/incidents/{incident_id}", links=links)

    def confirm(self, incident_id: str, note: str = "", *, after_change: int | None = None) -> Changed:
        """An alert was right; 409 when its last change is not `after_change`, where that is given."""
        return self._decide(incident_id, "confirm", note, after_change)

    def reject(self, incident_id: str, note: str = "", *, after_change: int | None = None) -> Changed:
        """An alert was a false alarm; 409 as above."""
        return self._decide(incident_id, "reject", note, after_change)

    def acknowledge(self, incident_id: str, note: str = "", *, after_change: int | None = None) -> Changed:
        """A person has seen it; 409 as above."""
        return self._decide(incident_id, "acknowledge", note, after_change)

    def replay(self, incident_id: str) -> Mapping[str, Any]:
        """Judged again, beside the verdict it has."""
        found: dict[str, Any] = self._ask("POST", f"/incidents/{incident_id}/replay").json()
        return found

    def evidence(self, incident_id: str, name: str) -> bytes:
        """A picture or clip by its name."""
        return self._ask("GET", f"/incidents/{incident_id}/evidence/{name}").content

    def coverage(self, *cameras: str, since: str = "1 day ago", until: str = "now") -> CoverageView:
        """When cameras were watched."""
        return self._get(CoverageView, "/coverage", camera=list(cameras), since=since, until=until)

    def near_misses(self, *cameras: str, since: str = "1 day ago", until: str = "now") -> NearMisses:
        """Minutes in which a rule came close to an alert."""
        return self._get(NearMisses, "/near-misses", camera=list(cameras), since=since, until=until)

    def why(self, camera: str, at: str, *, rule: str = "", minutes: int = 1) -> WhyView:
        """Why there was an alert, or why there was none."""
        return self._get(WhyView, "/why", camera=camera, at=at, rule=rule, minutes=minutes)

    def rules(self) -> RuleList:
        """Those in force."""
        return self._get(RuleList, "/rules")

    def switch(self, rule_id: str, *, enabled: bool) -> SiteView:
        """A rule on or off."""
        return SiteView.model_validate(self._ask("PUT", f"/rules/{rule_id}", json={"enabled": enabled}).json())

    def site(self) -> SiteView:
        """The site file."""
        return self._get(SiteView, "/site")

    def check(self, text: str) -> SiteVerdict:
        """What is wrong with a draft of it."""
        return SiteVerdict.model_validate(self._ask("POST", "/site/check", json={"text": text}).json())

    def save(self, text: str, version: str) -> SiteView:
        """Write it in the place of `version`; 409 when that has changed."""
        sent = self._ask("PUT", "/site", json={"text": text}, headers={"If-Match": f'"{version}"'})
        return SiteView.model_validate(sent.json())

    def versions(self) -> VersionList:
        """What the site file was and is, newest first."""
        return self._get(VersionList, "/site/versions")

    def restore(self, earlier: str, version: str) -> SiteView:
        """Write the text of an earlier version in the place of `version`; 409 when that has changed."""
        sent = self._ask("POST", f"/site/versions/{earlier}/restore", headers={"If-Match": f'"{version}"'})
        return SiteView.model_validate(sent.json())

    def health(self) -> HealthView:
        """How the whole is doing."""
        return self._get(HealthView, "/health")

    def budgets(self, by: str = "rule", *, since: str = "7 days ago", until: str = "now") -> Budgets:
        """What verdicts took of models, by `rule` or `camera`."""
        return self._get(Budgets, "/budgets", by=by, since=since, until=until)

    def dead_deliveries(self) -> DeadDeliveries:
        """Messages to receivers that were given up."""
        return self._get(DeadDeliveries, "/deliveries/dead")

    def replay_deliveries(self, *ids: str) -> SentAgain:
        """Try these again; all, for none."""
        return SentAgain.model_validate(self._ask("POST", "/deliveries/dead/replay", json=_which(ids)).json())

    def dead_letters(self) -> LetterList:
        """Records of the bus that no stage could use."""
        return self._get(LetterList, "/dead-letters")

    def redrive(self, *ids: str) -> LettersSent:
        """Send these again; all, for none."""
        return LettersSent.model_validate(self._ask("POST", "/dead-letters/redrive", json=_which(ids)).json())

    def ask(self, question: str, conversation: str = "") -> Iterator[tuple[str, Any]]:
        """`call` and what is looked up, while it is; then `answer`. A problem is an `ApiError`."""
        body = {"question": question, "conversation": conversation}
        for name, _, data in self._stream("POST", "/ask", json=body):
            if name == "problem":
                raise ApiError(Problem.model_validate(data))
            yield name, data

    def events(self, last_id: str = "") -> Iterator[LiveEvent]:
        """Changes as they come, from the one after `last_id` on, for ever: when the server ends a stream, in the next.

        When the connection breaks, begin again with the id of the last one; the same change may then come twice.
        """
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            for name, last_id, data in self._stream("GET", "/events", headers=headers):
                yield LiveEvent(last_id, Changed.model_validate(data) if name == "change" else None)

    def _decide(self, incident_id: str, word: str, note: str, after_change: int | None) -> Changed:
        headers = {} if after_change is None else {"If-Match": f'"{after_change}-"'}
        answer = self._ask("POST", f"/incidents/{incident_id}/{word}", json={"note": note}, headers=headers)
        return Changed.model_validate(answer.json())

    def people(self) -> tuple[Person, ...]:
        """Every account."""
        return self._get(People, "/people").items

    def audit(self, *, who: str = "", camera: str = "", since: str = "", until: str = "") -> Iterator[AuditItem]:
        """Who looked at which evidence and who changed what, newest first, page by page as they are taken."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._get(AuditPage, "/audit", who=who, camera=camera, since=since, until=until, cursor=cursor)
            yield from page.items
            cursor = page.next

    def _get(self, model: type[Model], path: str, **query: Any) -> Model:
        found = self._ask("GET", path, params={name: value for name, value in query.items() if value != ""})
        try:
            return model.model_validate(found.json())
        except ValueError as error:
            raise InvalidMessage(f"{path}: expected a {model.__name__}; is this server of another version?") from error

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **given: Any) -> httpx.Response:
        try:
            answer = self._http.request(
                method, self._base + path, headers={**self._headers, **(headers or {})}, **given
            )
        except httpx.TransportError as error:
            raise TransientError(f"{self._base} cannot be reached: {error}") from error
        _check(answer)
        return answer

    def _stream(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **given: Any
    ) -> Iterator[tuple[str, str, Any]]:
        """(name, id, data) of each event."""
        sent = {**self._headers, **(headers or {})}
        timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=_SILENCE_SECONDS)
        try:
            with self._http.stream(method, self._base + path, headers=sent, timeout=timeout, **given) as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                yield from _read_events(answer.iter_lines())
        except httpx.TransportError as error:
            raise TransientError(f"{self._base} went away: {error}") from error


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = Problem(title=answer.reason_phrase, status=answer.status_code)
    if answer.status_code == 503:
        raise TransientError(problem.detail or problem.title)
    raise ApiError(problem)


def _read_events(lines: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """As https://html.spec.whatwg.org/multipage/server-sent-events.html has it; data is JSON."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" and "data" in fields else value
            continue
        if "data" in fields:
            yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
        fields = {}


def _which(ids: tuple[str, ...]) -> dict[str, Any]:
    return {"ids": list(ids)} if ids else {"everything": True}
