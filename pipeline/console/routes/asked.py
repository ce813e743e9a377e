"""What every route is handed: who asks, where the console stands, which cameras they may know of."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from pipeline.console.access import Refused
from pipeline.console.guard import Caller, guarded
from pipeline.console.host import Host
from pipeline.console.problems import ProblemFound
from pipeline.console.roles import EVERY_CAMERA, Action
from pipeline.contracts.incident import Incident
from pipeline.errors import ConfigError

Part = TypeVar("Part")
CameraQuery = Annotated[str, Query(max_length=63, description="Only of this camera.")]
RuleQuery = Annotated[str, Query(max_length=63, description="Only of this rule.")]
TimeQuery = Annotated[
    str, Query(max_length=40, description="At the site's time: 22:14, yesterday 22:14, 2 hours ago, now; or ISO 8601.")
]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for what, and where."""

    caller: Caller
    host: Host

    @property
    def name(self) -> str:
        """Of whoever asks."""
        return self.caller.principal.name

    @property
    def sees_every_camera(self) -> bool:
        """Those that have left the site among them."""
        return self.caller.may(EVERY_CAMERA)

    def known_cameras(self) -> list[str]:
        """Those of the site and of kept data that they may know of, by name."""
        return self.caller.visible(sorted(self.host.archive().cameras))

    def camera_ids(self, wanted: str = "") -> tuple[str, ...] | None:
        """Which cameras a list is about: None for every one."""
        if wanted:
            return (self.camera(wanted),)
        return None if self.sees_every_camera else tuple(self.known_cameras())

    def cameras(self, wanted: Sequence[str] | None) -> list[str]:
        """Those that were named, each once; all that they may know of, for none."""
        return [self.camera(name) for name in dict.fromkeys(wanted)] if wanted else self.known_cameras()

    def camera(self, camera_id: str) -> str:
        """The camera's id; one that they may not know of is one that is not there."""
        self.caller.require(camera_id)
        if camera_id not in self.host.archive().cameras:
            raise self.missing(f"there is no camera {camera_id!r}")
        return camera_id

    def rule(self, rule_id: str) -> str:
        """The rule's id; one that looks at none of the cameras they may know of is one that is not there."""
        site = self.host.site()
        if not rule_id or site is None or self.sees_every_camera:
            return rule_id
        rule = site.rule(rule_id)
        if rule is None or not any(self.caller.may(each.id) and each.matches(rule.cameras) for each in site.cameras):
            raise self.missing(f"there is no rule {rule_id!r}")
        return rule_id

    def incident(self, incident_id: str, target: str = "") -> Incident:
        """One they may do this with, by its whole id; `target` is what the audit log says of it."""
        found = self.host.archive().incidents.get(incident_id)
        if found is None:
            raise self.missing(f"there is no incident {incident_id!r}")
        self.caller.require(found.camera_id, target or incident_id)
        return found

    def missing(self, words: str) -> Refused:
        """404; in the very words of what may not be known of, to whoever may not know of everything."""
        return Refused(404, words if self.sees_every_camera else "there is nothing here by that name")

    def span(self, since: str, until: str) -> tuple[datetime, datetime]:
        """[since, until) as typed; `ConfigError` when it is empty or says nothing."""
        start, end = (self.moment(text) for text in (since, until))
        if start >= end:
            raise ConfigError(f"since ({start:%Y-%m-%d %H:%M:%S}Z) must be before until ({end:%Y-%m-%d %H:%M:%S}Z)")
        return start, end

    def moment(self, text: str) -> datetime:
        """Aware UTC of a time as typed."""
        try:
            return self.host.archive().read_time(text)
        except OverflowError:
            raise ConfigError(f"{text!r} is beyond the calendar") from None


def asking(action: Action) -> Any:
    """The dependency of a route on which `action` is done; its value is an `Asker`."""

    def asker(request: Request, caller: Annotated[Caller, guarded(action)]) -> Asker:
        return Asker(caller, request.app.state.host)

    return Depends(asker)


def needs(part: Part | None, what: str) -> Part:
    """A part of the program that is not everywhere; 501 says what is missing."""
    if part is None:
        raise ProblemFound(501, what)
    return part


def tagged(
    request: Request, answer: BaseModel | bytes, media_type: str = "application/json", prefix: str = ""
) -> Response:
    """An answer with its ETag, or 304 for whoever has it already. Never kept by what stands between."""
    body = answer if isinstance(answer, bytes) else answer.model_dump_json().encode()
    tag = f'"{prefix}{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
