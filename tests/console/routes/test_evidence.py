"""`/incidents/ID/evidence/NAME`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.console.roles import Scope
from pipeline.console.tokens import make_token
from pipeline.jpeg import size_of
from pipeline.store.people import AuditFilter
from tests.support.archive import BAG
from tests.support.console_api import GATE, Desk, desk
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


def test_an_answer_holds_links_to_hand_on_when_asked(fresh: Desk) -> None:
    """They work as the others do; without asking, and for a token that may see no pictures, there are none."""
    address = f"/api/v1/incidents/{BAG.id}"

    def link_of(client: TestClient, query: str = "?links=true", **headers: str) -> str:
        items = client.get(f"{address}{query}", headers=headers).json()["evidence"]
        return str(next(item["link"] for item in items if item["name"] == "picture-1"))

    assert fresh.client(None).get(link_of(fresh.client("vera"))).content == jpeg(1600, 900)
    assert link_of(fresh.client("vera"), "") == ""
    narrow, kept = make_token("vera", "narrow", {Scope.READ}, fresh.clock.now(), for_seconds=60)
    fresh.book.people.add_token(kept)
    assert link_of(fresh.client(None), Authorization=f"Bearer {narrow}") == ""


def test_a_picture_may_be_had_smaller(tmp_path: Path) -> None:
    """The whole, or the part in which something was found, in the same shape; never larger than it is."""
    told = BAG.model_copy(update={"candidate": BAG.candidate.model_copy(update={"picture_size": (1600, 900)})})
    with desk(tmp_path, [told]) as made:
        answers = [made.client().get(f"{PICTURE}?width={more}") for more in ("160", "160&closer=true", "1900")]
    assert [size_of(answer.content) for answer in answers] == [(160, 90), (160, 90), (1600, 900)]
    assert answers[0].headers["etag"] != answers[1].headers["etag"]


def test_who_has_the_smaller_picture_already_is_not_sent_it_again(shown: Desk) -> None:
    """By an ETag of its own, which the picture as it was kept does not have."""
    client = shown.client()
    tag = client.get(f"{PICTURE}?width=160").headers["etag"]
    answers = [client.get(path, headers={"If-None-Match": tag}) for path in (f"{PICTURE}?width=160", PICTURE)]
    assert [answer.status_code for answer in answers] == [304, 200]


@pytest.mark.parametrize("width", ["0", "5000", "x"])
def test_a_width_that_no_page_needs_is_refused(shown: Desk, width: str) -> None:
    """422 with what was expected."""
    assert shown.client().get(f"{PICTURE}?width={width}").status_code == 422
