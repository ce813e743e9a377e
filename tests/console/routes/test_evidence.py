"""`/incidents/ID/evidence/NAME`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.store.people import AuditFilter
from tests.support.archive import BAG
from tests.support.console_api import GATE, Desk
from tests.support.reasoning import jpeg

PICTURE = f"/api/v1/incidents/{BAG.id}/evidence/picture-1"


def test_a_picture_comes_as_it_was_kept(shown: Desk) -> None:
    """To a browser that may do nothing with it but show it."""
    answer = shown.client("yuri").get(PICTURE)
    assert (answer.content, answer.headers["content-type"]) == (jpeg(1600, 900), "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_look_is_in_the_audit_log(fresh: Desk) -> None:
    """Who, of which camera, at what."""
    fresh.client("vera").get(PICTURE)
    (entry,) = fresh.book.people.audit(AuditFilter())
    assert (entry.who, entry.camera_id, entry.target) == ("vera/test", "yard", f"{BAG.id}/picture-1")


def test_evidence_of_another_group_is_not_there(shown: Desk) -> None:
    """And no more than that is said."""
    client = shown.client("gus")
    assert client.get(PICTURE).json() == client.get("/api/v1/incidents/0000/evidence/picture-1").json()


@pytest.mark.parametrize("name", ["picture-9", "clip", "snapshot", "..%2f..%2fsite.yaml", "x" * 41])
def test_what_is_not_kept_is_said_in_words(shown: Desk, name: str) -> None:
    """Nothing is reached by a name that the incident does not have, nor by one whose picture is gone."""
    answer = shown.client().get(f"/api/v1/incidents/{BAG.id}/evidence/{name}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("wanted", "part"), [("bytes=0-99", slice(0, 100)), ("bytes=-10", slice(-10, None)), ("bytes=50-", slice(50, None))]
)
def test_a_part_is_sent_as_players_ask_for_it(shown: Desk, wanted: str, part: slice) -> None:
    """206 with its place in the whole."""
    answer = shown.client().get(PICTURE, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, jpeg(1600, 900)[part])


def test_a_part_beyond_the_end_is_refused(shown: Desk) -> None:
    """416 with how much there is."""
    answer = shown.client().get(PICTURE, headers={"Range": "bytes=99999999-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(jpeg(1600, 900))}")


def test_a_signed_link_shows_one_piece_for_a_while(fresh: Desk) -> None:
    """No login; no other piece, no other incident, not later."""
    link = fresh.book.signer.sign(PICTURE, "yard", "hook", fresh.clock.now() + timedelta(minutes=5))
    anybody = fresh.client(None)
    assert anybody.get(link).status_code == 200
    assert anybody.get(link.replace("picture-1", "snapshot")).status_code == 403
    assert anybody.get(link.replace(BAG.id, GATE.id)).status_code == 403
    fresh.clock.advance(301)
    assert anybody.get(link).status_code == 403
