"""Links to evidence that work by themselves for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from pipeline.console.signing import LinkSigner, SignedLink, link_signer, read_link
from pipeline.store.database import Database
from pipeline.store.people import SqlPeople
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
