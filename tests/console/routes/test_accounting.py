"""`/coverage` and `/why`."""

from __future__ import annotations

import pytest

from pipeline.contracts.decision import Gate
from tests.support.cli import count
from tests.support.console_api import Desk


def test_coverage_tells_when_a_camera_was_not_watched(shown: Desk) -> None:
    """With the reason, as the command does."""
    answer = shown.client().get("/api/v1/coverage?camera=yard&since=22:14&until=22:24").json()
    (yard,) = answer["cameras"]
    assert (yard["seconds"], yard["watched_seconds"], yard["share"]) == (600, 480, 0.8)
    assert [(gap["seconds"], gap["reason"], gap["detail"]) for gap in yard["gaps"]] == [(120, "offline", "no answer")]


def test_coverage_is_of_ones_own_cameras(shown: Desk) -> None:
    """Others are not there."""
    client = shown.client("gus")
    assert [each["camera"] for each in client.get("/api/v1/coverage").json()["cameras"]] == ["gate"]
    assert client.get("/api/v1/coverage?camera=yard").status_code == 404


@pytest.mark.parametrize("query", ["since=22:20&until=22:14", "since=soon", "gaps_above=-1", "since=0001-01-01"])
def test_a_while_that_is_none_is_refused(shown: Desk, query: str) -> None:
    """In words."""
    answer = shown.client().get(f"/api/v1/coverage?{query}")
    assert (answer.status_code, len(answer.json()["detail"]) > 10) == (422, True)


def test_near_misses_are_told_with_their_numbers(fresh: Desk) -> None:
    """What came close, of one's own cameras; not what was far from it."""
    fresh.stores.decisions.add(
        [
            count(Gate.PREDICATE, "not long enough", rule="loitering", max_value=40.0, threshold=45.0),
            count(Gate.PREDICATE, "not long enough", rule="entry", max_value=4.0, threshold=45.0),
        ]
    )
    asked = "/api/v1/near-misses?since=22:00&until=22:30"
    (near,) = fresh.client("yuri").get(asked).json()["items"]
    assert (near["rule_id"], near["max_value"], near["threshold"]) == ("loitering", 40.0, 45.0)
    assert fresh.client("gus").get(asked).json()["items"] == []


def test_near_misses_of_a_year_are_refused(shown: Desk) -> None:
    """A week at once."""
    answer = shown.client().get("/api/v1/near-misses?since=2025-07-10&until=22:14")
    assert (answer.status_code, answer.json()["detail"]) == (422, "expected 7 days at most between since and until")


@pytest.mark.parametrize("rule", ["loitering", "none"])
def test_rules_of_other_cameras_are_not_there(shown: Desk, rule: str) -> None:
    """Nor are their names given to whoever asks after any."""
    answer = shown.client("gus").get(f"/api/v1/why?camera=gate&at=22:14&rule={rule}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is nothing here by that name")
    assert shown.client("yuri").get("/api/v1/why?camera=yard&at=22:14&rule=loitering").status_code == 200
    assert shown.client("gus").get("/api/v1/why?camera=gate&at=22:14&rule=camera-health").status_code == 200


def test_why_answers_with_sentences_and_gates(shown: Desk) -> None:
    """The same sentences as the command's, with numbers to draw."""
    told = shown.client().get("/api/v1/why?camera=yard&at=22:14").json()
    assert any("loitering opened an incident at 22:14:03" in sentence for sentence in told["answers"])
    assert [(gate["gate"], gate["reason"], gate["count"]) for gate in told["gates"]] == [("sampling", "no motion", 50)]
    assert told["rules"] == ["entry", "loitering"]
    assert [row["headline"] for row in told["incidents"]] == ["A bag is left at the fence"]


def test_why_knows_the_names_of_the_site(shown: Desk) -> None:
    """A mistyped rule is told the nearest."""
    answer = shown.client().get("/api/v1/why?camera=yard&at=22:14&rule=loiterin")
    assert answer.status_code == 422
    assert "did you mean loitering?" in answer.json()["detail"]


def test_why_speaks_of_ones_own_cameras(shown: Desk) -> None:
    """Another's is not there."""
    assert shown.client("gus").get("/api/v1/why?camera=yard&at=22:14").status_code == 404
