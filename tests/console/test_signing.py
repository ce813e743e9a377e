"""Links to evidence that work by themselves for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import ManualClock
from pipeline.console.access import Refused
from pipeline.console.signing import LinkSigner, SignedLink, alert_links, link_signer, read_link
from pipeline.settings import AccessSettings
from pipeline.store.database import Database
from pipeline.store.people import SqlPeople
from tests.support.alerting import make_change, make_channel
from tests.support.people import access_book
from tests.support.receiver import Receiver
from tests.support.store import START

PATH = "/api/v1/incidents/ångström 1/evidence/snapshot"


def opened(url: str) -> tuple[str, SignedLink]:
    parts = urlsplit(url)
    link = read_link(dict(parse_qsl(parts.query)))
    assert link is not None
    return unquote(parts.path), link


def test_a_link_comes_back_as_it_was_made() -> None:
    """Through a URL: path, camera, for whom, until when, to the second."""
    path, link = opened(LinkSigner(b"key").sign(PATH, "yard", "guards & co", START))
    assert path == PATH
    assert (link.camera_id, link.made_for, link.expires_at) == ("yard", "guards & co", START.replace(microsecond=0))
    assert LinkSigner(b"key").is_genuine(path, link)


@pytest.mark.parametrize(
    "change",
    [
        {"camera_id": "vault"},
        {"made_for": "eve"},
        {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)},
        {"signature": ""},
        {"signature": "\ud800"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_link_is_not_genuine(change: dict[str, object]) -> None:
    """Nothing in it can be changed, nor its path, nor the key."""
    path, link = opened(LinkSigner(b"key").sign(PATH, "yard", "guards", START))
    assert not LinkSigner(b"key").is_genuine(path, replace(link, **change))  # type: ignore[arg-type]
    assert not LinkSigner(b"key").is_genuine(path + "/../vault", link)
    assert not LinkSigner(b"other").is_genuine(path, link)


@pytest.mark.parametrize("expires", ["", "soon", "9" * 30, "9" * 5000, "-9999999999999", "nan"])
def test_a_time_that_is_none_is_long_past(expires: str) -> None:
    """Never an error."""
    link = read_link({"signature": "x", "expires": expires})
    assert link is not None
    assert link.expires_at <= datetime(1970, 1, 1, tzinfo=UTC)


def test_a_query_without_a_signature_is_no_link() -> None:
    """So a session or a token is asked for."""
    assert read_link({"camera": "yard"}) is None


def test_all_processes_on_a_database_share_the_key(sqlite_database: Database) -> None:
    """What one signs another takes, also after a restart."""
    path, link = opened(link_signer(SqlPeople(sqlite_database)).sign(PATH, "yard", "guards", START))
    assert link_signer(SqlPeople(sqlite_database)).is_genuine(path, link)


def told(database: Database, clock: ManualClock, *, is_test: bool = False) -> dict[str, Any]:
    """The data of a message to the channel `guards`."""
    links = alert_links(AccessSettings(public_url="https://sightline.example.org/"), database, clock)
    with Receiver() as receiver:
        channel = make_channel(receiver.url, allow_private=True)
        WebhookSender("depot-7", "UTC", links=links).post(make_change("confirmed"), channel, is_test=is_test)
        (request,) = receiver.received
    data: dict[str, Any] = request.json["data"]
    return data


def test_a_message_carries_links_that_the_console_takes(sqlite_database: Database) -> None:
    """To the incident's page, and to its pictures for as long as `access.alert_link` says, named after the channel."""
    clock = ManualClock()
    book = access_book(sqlite_database, clock)
    data = told(sqlite_database, clock)
    assert data["page"] == "https://sightline.example.org/review/incident1"
    address = data["evidence"]["key_frames"][0]["picture_url"]
    assert address.startswith("https://sightline.example.org/api/v1/incidents/incident1/evidence/picture-1?")
    path, link = opened(address)
    assert book.of_link(path, link).name == "link for channel guards"
    clock.advance(AccessSettings().alert_link)
    with pytest.raises(Refused, match="too old"):
        book.of_link(path, link)


def test_a_test_message_carries_no_links(sqlite_database: Database) -> None:
    """Nothing has happened that they could show."""
    data = told(sqlite_database, ManualClock(), is_test=True)
    assert (data["page"], data["evidence"]["snapshot_url"]) == (None, None)


def test_nobody_is_sent_to_an_address_that_nobody_knows(sqlite_database: Database) -> None:
    """Without `access.public_url` messages name evidence by its keys alone."""
    assert alert_links(AccessSettings(), sqlite_database, ManualClock()) is None
