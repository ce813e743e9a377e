"""`/incidents`: lists, pages, one, decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archive import BAG, ENTRY
from tests.support.cli import incident
from tests.support.console_api import GATE, Desk, desk

MANY = [incident(float(second // 2), rule=f"rule-{second}") for second in range(7)]
"""Two at a time."""


def ids(client_answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["id"] for row in client_answer["items"]]


def test_incidents_come_newest_first_with_their_pictures(shown: Desk) -> None:
    """Each with its headline and where its evidence is."""
    rows = shown.client().get("/api/v1/incidents").json()["items"]
    assert [row["id"] for row in rows] == [GATE.id, ENTRY.id, BAG.id]
    assert rows[2]["headline"] == "A bag is left at the fence"
    assert [each["name"] for each in rows[2]["evidence"]] == ["snapshot", "picture-1"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("camera=gate", [GATE.id]),
        ("rule=loitering", [BAG.id]),
        ("status=confirmed&status=rejected", [GATE.id, BAG.id]),
        ("since=2026-07-10T22:15&until=22:17", [ENTRY.id]),
        ("severity=high&severity=low&camera=gate", [GATE.id]),
        ("severity=low", []),
        ("reviewed=true", []),
    ],
)
def test_filters_are_those_of_the_command(shown: Desk, query: str, wanted: list[str]) -> None:
    """Times at the site's clock."""
    assert ids(shown.client().get(f"/api/v1/incidents?{query}").json()) == wanted


def test_pages_tell_every_incident_once(tmp_path: Path) -> None:
    """Also those that opened in the same moment, and while new ones come."""
    with desk(tmp_path, MANY) as made:
        client, seen, cursor = made.client(), [], ""
        while cursor is not None:
            page = client.get("/api/v1/incidents", params={"limit": 2, "cursor": cursor}).json()
            seen += ids(page)
            cursor = page["next"]
    assert seen == [one.id for one in sorted(MANY, key=lambda one: (one.opened_at, one.id), reverse=True)]


def test_nothing_found_says_when_nobody_watched(shown: Desk) -> None:
    """No incidents is not "nothing happened"."""
    page = shown.client().get("/api/v1/incidents?camera=yard&since=22:15&until=22:19&rule=loitering").json()
    assert page["items"] == []
    assert page["unwatched"] == ["yard was not watched 22:16:00\N{EN DASH}22:18:00: offline"]


@pytest.mark.parametrize(
    "query", ["cursor=x", "since=soon", "limit=0", "status=sure", f"rule={'x' * 10_000}", "since=0001-01-01"]
)
def test_a_wrong_question_is_told_what_was_expected(shown: Desk, query: str) -> None:
    """As a problem of bounded length."""
    answer = shown.client().get(f"/api/v1/incidents?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert 10 < len(answer.json()["detail"]) <= 1_000


def test_one_incident_is_told_in_full(shown: Desk) -> None:
    """With its life, and an ETag that begins with its last change."""
    answer = shown.client().get(f"/api/v1/incidents/{BAG.id}")
    whole = answer.json()
    assert whole["incident"]["assessment"]["report"]["title"] == "A bag is left at the fence"
    assert [step["kind"] for step in whole["changes"]] == ["confirmed"]
    assert answer.headers["etag"].startswith('"1-')


def test_an_incident_of_another_group_is_one_that_is_not_there(shown: Desk) -> None:
    """Ids cannot be guessed at."""
    client = shown.client("gus")
    assert client.get(f"/api/v1/incidents/{BAG.id}").json() == client.get("/api/v1/incidents/0000").json()
    assert client.get(f"/api/v1/incidents/{GATE.id}").status_code == 200


def test_a_decision_is_kept_with_who_made_it(fresh: Desk) -> None:
    """Whoever asks is who says so, whatever the body claims."""
    answer = fresh.client("yuri").post(f"/api/v1/incidents/{BAG.id}/reject", json={"note": "the gardener"})
    assert answer.status_code == 200, answer.text
    kept = fresh.stores.incidents.get(BAG.id)
    assert kept is not None
    assert kept.review is not None
    assert (kept.review.is_right, kept.review.by, kept.review.note) == (False, "yuri/test", "the gardener")


def test_an_acknowledgement_needs_no_body(fresh: Desk) -> None:
    """A key pressed is enough."""
    changed = fresh.client("olu").post(f"/api/v1/incidents/{BAG.id}/acknowledge").json()
    assert (changed["kind"], changed["incident"]["acknowledged_by"]) == ("acknowledged", "olu/test")


def test_of_two_operators_who_decide_at_once_the_second_is_told_to_look_again(fresh: Desk) -> None:
    """If-Match with what both have read: 409, and the first word stands."""
    read = fresh.client().get(f"/api/v1/incidents/{BAG.id}").headers["etag"]
    answers = [
        fresh.client(who).post(f"/api/v1/incidents/{BAG.id}/{word}", headers={"If-Match": read})
        for who, word in (("olu", "confirm"), ("yuri", "reject"))
    ]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "look at it again" in answers[1].json()["detail"]
    kept = fresh.stores.incidents.get(BAG.id)
    assert kept is not None
    assert kept.review is not None
    assert kept.review.is_right


def test_a_viewer_decides_nothing(fresh: Desk) -> None:
    """403 names the role that is lacking, and nothing is written."""
    answer = fresh.client("vera").post(f"/api/v1/incidents/{BAG.id}/confirm")
    assert (answer.status_code, "operator" in answer.json()["detail"]) == (403, True)
    assert fresh.stores.incidents.get(BAG.id) == BAG.model_copy(update={"last_change": 1})


def test_nobody_judges_where_there_is_no_model(shown: Desk) -> None:
    """501 says what to name."""
    answer = shown.client().post(f"/api/v1/incidents/{BAG.id}/replay")
    assert (answer.status_code, "models.vlm" in answer.json()["detail"]) == (501, True)
