"""`/search/incidents` and `/ask`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.console.conversations import Conversations
from pipeline.errors import Overloaded, TransientError
from tests.support.archive import BAG, ENTRY, ScriptedChat, calls, says
from tests.support.console_api import GATE, Desk, desk


def events(text: str) -> list[tuple[str, Any]]:
    """(name, data) of what an event stream told."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_incidents_are_found_by_words(shown: Desk) -> None:
    """With the times of which nothing can be known."""
    page = shown.client().get("/api/v1/search/incidents?text=red bag").json()
    assert [row["id"] for row in page["items"]] == [BAG.id]
    assert page["unwatched"] == ["yard was not watched 22:16:00\N{EN DASH}22:18:00: offline"]


@pytest.mark.parametrize("query", [f"text={'x' * 10_000}", "camera=none", "since=soon", "limit=101", "rule=none"])
def test_a_search_for_nonsense_is_refused_in_words(shown: Desk, query: str) -> None:
    """10,000 characters among it."""
    answer = shown.client().get(f"/api/v1/search/incidents?{query}")
    assert answer.status_code in (404, 422)
    assert len(answer.text) < 2_000


def test_a_search_goes_through_ones_own_cameras_alone(shown: Desk) -> None:
    """Without naming them, too."""
    client = shown.client("gus")
    assert [row["id"] for row in client.get("/api/v1/search/incidents").json()["items"]] == [GATE.id]
    assert client.get("/api/v1/search/incidents?text=bag&camera=yard").status_code == 404
    assert client.get("/api/v1/search/incidents?text=gate&camera=gate").json()["items"]


@pytest.mark.parametrize("rule", ["loitering", "none"])
def test_a_search_tells_nothing_of_other_cameras_rules(shown: Desk, rule: str) -> None:
    """Neither their names nor that there are any."""
    answer = shown.client("gus").get(f"/api/v1/search/incidents?rule={rule}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is nothing here by that name")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zone=fence&camera=yard", {BAG.id, ENTRY.id}),
        ("zone=kerb", set()),
        ("label=Moving&camera=gate", {GATE.id}),
        ("label=lorry", set()),
        ("text=a bag at the gate&camera=yard", {BAG.id}),
    ],
)
def test_incidents_are_found_in_a_zone_and_with_a_thing(shown: Desk, query: str, found: set[str]) -> None:
    """By the rule's zone or what was measured, and by what the pictures show; little words find nothing."""
    page = shown.client().get(f"/api/v1/search/incidents?{query}").json()
    assert {row["id"] for row in page["items"]} == found


def test_an_answer_comes_bit_by_bit_with_its_evidence(tmp_path: Path) -> None:
    """What is looked up, then the answer; what it cites are whole ids."""
    chat = ScriptedChat([calls("search_events", {"text": "bag"}), says(f"A bag was left [{BAG.id[:8]}].")])
    with desk(tmp_path, chat=chat) as made:
        told = events(made.client().post("/api/v1/ask", json={"question": "what was left?"}).text)
    assert [name for name, _ in told] == ["call", "answer"]
    assert told[0][1]["name"] == "search_events"
    assert told[1][1]["citations"] == [{"incident": BAG.id, "frame": None}]


def test_a_model_that_cannot_now_ends_the_stream_with_a_problem(tmp_path: Path) -> None:
    """In its words."""
    with desk(tmp_path, chat=ScriptedChat([TransientError("the model's server is away")])) as made:
        ((name, problem),) = events(made.client().post("/api/v1/ask", json={"question": "what?"}).text)
    assert (name, problem["status"], problem["detail"]) == ("problem", 503, "the model's server is away")


def test_a_question_may_refer_to_the_answer_before(tmp_path: Path) -> None:
    """In the same person's conversation of that name, and in no other's."""
    chat = ScriptedChat([says("Nothing that I know of.")])
    with desk(tmp_path, chat=chat) as made:
        for who in ("ada", "ada", "olu"):
            made.client(who).post("/api/v1/ask", json={"question": f"asked by {who}", "conversation": "one"})
    heard = ["asked by ada" in str(messages[1:-1]) for messages, _ in chat.heard]
    assert heard[0] is False
    assert heard[-1] is False
    assert any(heard)


def test_an_unanswered_question_is_not_asked_over(tmp_path: Path) -> None:
    """The second in the same conversation is told to wait."""
    talks = Conversations()
    with desk(tmp_path) as made:

        def again(_messages: object, _tools: object) -> Any:
            return talks.ask("ada", "one", "and now?", chat, made.host.archive, lambda _call: None)

        chat = ScriptedChat([again])
        with pytest.raises(Overloaded, match="wait for it"):
            talks.ask("ada", "one", "what?", chat, made.host.archive, lambda _call: None)


def test_questions_need_a_model(shown: Desk) -> None:
    """501 names the setting."""
    answer = shown.client().post("/api/v1/ask", json={"question": "what?"})
    assert (answer.status_code, "models.vlm" in answer.json()["detail"]) == (501, True)


def test_an_answer_is_not_for_whoever_has_some_cameras(shown: Desk) -> None:
    """It would tell of the others."""
    assert shown.client("yuri").post("/api/v1/ask", json={"question": "what?"}).status_code == 403
