"""A console over a past that really happened, served on loopback: for browser tests, screenshots and measurements.

The data folder is a copy, so that whoever signs in may change what they like. The clock is set to the morning of that
past and runs on from there: what pages show of today is always the same, and never the day of the browser's own clock.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI

from pipeline.app.console import ConsoleSite, Parts
from pipeline.app.console_models import SiteModels
from pipeline.app.site_desk import open_desk
from pipeline.app.stores import Stores, open_stores
from pipeline.cli.asking import telling
from pipeline.cli.configuration import settings_for
from pipeline.cli.run import following
from pipeline.console.access import AccessBook
from pipeline.console.host import Host, LatestFrame, LiveBox
from pipeline.console.roles import Role
from pipeline.console.server import ConsoleServer, make_app
from pipeline.contracts.candidate import Candidate, CandidateState, candidate_id
from pipeline.contracts.chat import ChatModel, Message, Tool
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.errors import ConfigError
from pipeline.site import load_site
from tests.support.archive import ScriptedChat, calls, says, text_of
from tests.support.console_past import ENVIRONMENT, NOW, RunningClock, past_folder
from tests.support.people import PASSWORD, add_user, cheap_passwords
from tests.support.search_checks import WitnessChecks


@dataclass(frozen=True, slots=True)
class Person:
    """An account of the demo; its password is `PASSWORD`."""

    name: str
    roles: Mapping[str, Role]


PEOPLE: Mapping[str, Person] = {
    "viewer": Person("vera", {"every": Role.VIEWER}),
    "operator": Person("olu", {"every": Role.OPERATOR}),
    "admin": Person("ada", {"every": Role.ADMIN}),
    "outdoors": Person("yuri", {"outdoors": Role.OPERATOR}),
    "indoors": Person("ines", {"indoors": Role.VIEWER}),
}
"""By what they are: a viewer, an operator and an administrator of every camera, an operator of `yard`, `street` and
`dock`, a viewer of `corridor` and `hall`."""
_LOST = "dock"


class _Clock(Protocol):
    def now(self) -> datetime: ...


class KeptFrames:
    """`LiveCameras` that show again, second by second, what was seen; the dock's plug is pulled."""

    def __init__(self, folder: Path, clock: _Clock) -> None:
        self._frames = {
            camera.name: [(path.read_bytes(), _boxes(path)) for path in sorted(camera.glob("*.jpg"))]
            for camera in sorted(folder.iterdir())
        }
        self._clock = clock

    def latest(self, camera_id: str) -> LatestFrame | None:
        frames, at = self._frames.get(camera_id), self.taken_at(camera_id)
        if frames is None or at is None:
            return None
        jpeg, boxes = frames[int(at.timestamp()) % len(frames)]
        return LatestFrame(jpeg, at, boxes, at)

    def taken_at(self, camera_id: str) -> datetime | None:
        if camera_id not in self._frames:
            return None
        return NOW - timedelta(minutes=4) if camera_id == _LOST else self._clock.now().replace(microsecond=0)


def _boxes(picture: Path) -> tuple[LiveBox, ...]:
    told = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(LiveBox(label, 0.9, number, tuple(box)) for label, number, box in told)


class DemoLetters:
    """`Letters` with two, until they are sent again."""

    def __init__(self) -> None:
        self._settled: set[str] = set()

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        at = NOW - timedelta(minutes=3)
        same = {"at": at, "stage": "watcher", "topic": "sightline-frames", "published_at": at.isoformat()}
        same |= {"num_bytes": 48_211, "headers": {}, "cut": "", "left_out": 0, "redriven": 0}
        found = [
            {"id": "frames:0:41", "origin": "0:41", "key": "yard", "reason": "no JPEG: it ends too early", **same},
            {"id": "frames:1:7", "origin": "1:7", "key": "dock", "reason": "a frame of 9,000 x 9,000 pixels", **same},
        ]
        return [
            {**letter, "is_settled": letter["id"] in self._settled} for letter in found if since is None or since <= at
        ]

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        known = [str(letter["id"]) for letter in self.dead(None)]
        if unknown := set(ids or ()) - set(known):
            raise ConfigError(f"there is no dead letter {unknown.pop()}")
        self._settled |= set(ids or known)
        return [{"id": letter_id, "problem": ""} for letter_id in ids or known]


def _answering(messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
    """Looks up what the question is about, and cites what it found first."""
    del tools
    told = [text_of(message) for message in messages if message.role == "tool"]
    if not told:
        return calls("search_events", {"from": "yesterday 22:00", "to": "now", "limit": 5})
    found = re.findall(r"\b[0-9a-f]{8,20}\b", told[-1])
    if not found:
        return says("Nothing of that kind was seen, as far as the cameras were watched.")
    return says(f"Somebody was where nobody should be [{found[0]}]. The dock was not watched since 08:10.")


def beginning(like: Incident, now: datetime, **changed: Any) -> Candidate:
    """Something like that, as it begins."""
    fresh = {"id": candidate_id(like.camera_id, like.rule_id, now), "state": CandidateState.OPENED, "ended_at": None}
    candidate: Candidate = like.candidate.model_copy(update={**fresh, "started_at": now, "opened_at": now, **changed})
    return candidate


@dataclass
class Console:
    """A console that is served, and what a test may reach behind it."""

    url: str
    app: FastAPI
    host: Host
    stores: Stores
    book: AccessBook
    clock: RunningClock
    site_path: Path
    server: ConsoleServer | None = None

    def stop(self) -> None:
        """Serve no more."""
        if self.server is not None:
            self.server.stop()

    def incidents(self, **wanted: Any) -> list[Incident]:
        """Newest first."""
        return self.stores.incidents.find(IncidentFilter(**wanted))

    def happens(self, like: Incident, *, will_verify: bool = False, **changed: Any) -> Incident:
        """Something like that begins now, as the run beside the console would record it; `changed` of the candidate."""
        candidate = beginning(like, self.clock.now(), **changed)
        recorder: Any = self.host.changes
        change = recorder.candidate(candidate, will_verify=will_verify, snapshot_uri=like.snapshot_uri)
        assert change is not None
        incident: Incident = change.incident
        return incident


@contextmanager
def demo_console(folder: Path, *, port: int = 0, **given: Any) -> Iterator[Console]:
    """Serve the demo from `folder`, which is empty; `given` replaces parts of the host."""
    shutil.copytree(past_folder(), folder, dirs_exist_ok=True)
    with _environment(), _made(folder, given) as made:
        made.server = ConsoleServer(made.app, "127.0.0.1", port)
        made.url = made.server.url
        made.server.start()
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def _made(folder: Path, given: Mapping[str, Any]) -> Iterator[Console]:
    site_path, clock = folder / "site.yaml", RunningClock.at(NOW)
    site = load_site(site_path)
    settings = settings_for(site, data_dir=folder / "data")
    stores, models = open_stores(settings), SiteModels(site, settings)
    try:
        parts = Parts(
            live=KeptFrames(folder / "frames", clock),
            letters=DemoLetters(),
            desk=open_desk(site_path, settings, clock),
            models=models,
        )
        told = telling(stores, site_path, site.site.zone_info, clock)
        standing = ConsoleSite(stores, site, clock, told, parts)
        chat: ChatModel = ScriptedChat([_answering])
        host = replace(standing.host(settings), **{"chat": chat, "checks": WitnessChecks(stores), **given})
        book = standing.book(settings)
        book = AccessBook(book.people, book.access, clock, settings.access, cheap_passwords())
        for person in PEOPLE.values():
            add_user(book, person.name, **person.roles)
        with following(site_path, site, standing.follow, polls=True):
            yield Console("", make_app(host, book), host, stores, book, clock, site_path)
    finally:
        models.close()
        stores.close()


@contextmanager
def _environment() -> Iterator[None]:
    """The secrets that the site file names."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(port: int) -> None:
    """Until Ctrl-C: to look at pages while they are made."""
    with tempfile.TemporaryDirectory() as folder, demo_console(Path(folder), port=port) as console:
        names = ", ".join(f"{person.name} ({role})" for role, person in PEOPLE.items())
        print(f"{console.url} as {names}; password: {PASSWORD}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    _serve(int(sys.argv[1]) if sys.argv[1:] else 0)
