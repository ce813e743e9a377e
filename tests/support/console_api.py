"""The API over a real data folder, and people of each role to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipeline.app.lessons import KeptLessons
from pipeline.app.site_desk import open_desk
from pipeline.app.stores import Stores, open_stores
from pipeline.cli.times import read_moment, window_around
from pipeline.cli.why_command import for_script, question_about
from pipeline.clock import ManualClock
from pipeline.console.access import Access, AccessBook
from pipeline.console.host import Host, LatestFrame
from pipeline.console.roles import Role, Scope
from pipeline.console.server import make_app
from pipeline.console.tokens import make_token
from pipeline.contracts.incident import Incident
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.search.archive import Archive
from pipeline.settings import Settings
from pipeline.site import Site, load_site
from pipeline.store.people import SqlPeople, User
from tests.support.archive import BAG, ENTRY, archive_of, fill, seconds
from tests.support.cli import incident
from tests.support.reasoning import jpeg

GATE = incident(200.0, rule="entry", fact="something came in at the gate", status=BAG.status)
GATE = GATE.model_copy(
    update={
        "id": "9" * 20,
        "camera_id": "gate",
        "candidate": GATE.candidate.model_copy(update={"id": "9" * 20, "camera_id": "gate"}),
    }
)
"""An incident of another camera than `yard`."""
PEOPLE: Mapping[str, Mapping[str, Role]] = {
    "ada": {"*": Role.ADMIN},
    "olu": {"*": Role.OPERATOR},
    "vera": {"*": Role.VIEWER},
    "yuri": {"yard": Role.OPERATOR},
    "gus": {"gate": Role.OPERATOR},
}


class StillCameras:
    """`LiveCameras` of which `yard` has one picture."""

    def latest(self, camera_id: str) -> LatestFrame | None:
        return LatestFrame(jpeg(64, 36), seconds(590)) if camera_id == "yard" else None

    def taken_at(self, camera_id: str) -> datetime | None:
        return seconds(590) if camera_id == "yard" else None


@dataclass
class Desk:
    """An API with its people, and the parts a test may reach behind it."""

    app: FastAPI
    host: Host
    stores: Stores
    book: AccessBook
    clock: ManualClock
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, who: str | None = "ada") -> TestClient:
        """One of `PEOPLE` with a token of all scopes; None for nobody."""
        client = TestClient(self.app, raise_server_exceptions=False)
        if who is not None:
            client.headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return client


@contextmanager
def desk(folder: Path, incidents: Sequence[Incident] = (BAG, ENTRY, GATE), **given: Any) -> Iterator[Desk]:
    """The API over these incidents, half an hour after `START`; `given` replaces parts of the host."""
    fill(folder, incidents)
    clock = ManualClock(seconds(1800))
    settings = Settings(data_dir=folder)
    stores = open_stores(settings)
    try:
        host = replace(_host(folder, stores, clock), **given)
        site = load_site(folder / "site.yaml")
        access = Access(lambda camera_id: camera.labels if (camera := site.camera(camera_id)) else ())
        book = AccessBook(SqlPeople(stores.database), access, clock, settings.access)
        made = Desk(make_app(host, book), host, stores, book, clock)
        made.tokens = {name: _person(book, name, roles, clock.now()) for name, roles in PEOPLE.items()}
        yield made
    finally:
        stores.close()


def _host(folder: Path, stores: Stores, clock: ManualClock) -> Host:
    path = folder / "site.yaml"
    site: Site = load_site(path)
    archive: Archive = archive_of(
        stores,
        clock=clock,
        zone=site.site.zone_info,
        read_time=lambda text: read_moment(text, clock.now(), site.site.zone_info).at,
    )

    def why(camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        window = window_around(at, window_seconds)
        return for_script(question_about(stores, site.site.zone_info, path, camera_id, rule_id, window))

    return Host(
        site=lambda: site,
        archive=lambda: archive,
        outbox=stores.outbox,
        coverage=stores.coverage,
        decisions=stores.decisions,
        changes=IncidentRecorder(stores.incidents, lambda _change: (), clock),
        why=why,
        version="0.0.0",
        live=StillCameras(),
        forecasts=stores.forecasts,
        lessons=KeptLessons(stores, site.site.zone_info),
        desk=open_desk(path, Settings(data_dir=folder), clock),
    )


def _person(book: AccessBook, name: str, roles: Mapping[str, Role], now: datetime) -> str:
    """Make an account, and a token for an hour."""
    assert book.people.add_user(User(name, {group: role.value for group, role in roles.items()}, "", now))
    token, kept = make_token(name, "test", set(Scope), now, for_seconds=3600)
    book.people.add_token(kept)
    return token
