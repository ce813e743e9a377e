"""A conversation with tools over chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline.contracts.assessment import ImagePart, TextPart
from pipeline.contracts.chat import Message, Tool, ToolCall
from pipeline.errors import InvalidMessage, Overloaded, TransientError
from pipeline.reasoning.chat_openai import OpenAiChat
from pipeline.settings import ReasoningSettings
from tests.support.archive import ScriptedChat, calling, says, text_of
from tests.support.reasoning import Reply, Script, ScriptedServer, completion, in_turn, jpeg, serving

PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": False}
TOOL = Tool("look", "Looks.", PARAMETERS)
ASKED = [Message("system", (TextPart("You answer."),)), Message("user", (TextPart("Who?"),))]
CALLED = Message("assistant", (), (ToolCall("c1", "look", '{"text":"x"}'), ToolCall("c2", "look", "{{")))
PICTURED = Message("tool", (TextPart('{"a":1}'), TextPart("[3f2a#1]"), ImagePart(jpeg())), call_id="c1")
PLAIN = Message("tool", (TextPart('{"b":2}'),), call_id="c2")
OTHERWISE = says("by steps")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving(in_turn(completion("Nobody."))) as server:
        yield server


def chat(server: ScriptedServer, script: Script | None = None) -> OpenAiChat:
    if script is not None:
        server.script = script
    return OpenAiChat(server.url, "tiny", "key", ReasoningSettings(timeout=5), ScriptedChat([OTHERWISE]))


def refusing(part: str, message: str, then: Reply) -> Script:
    """400 with that message for as long as a body holds `part`."""

    def answer(_path: str, body: Mapping[str, Any]) -> Reply:
        return Reply(400, {"error": {"message": message}}) if part in json.dumps(body) else then

    return answer


def test_a_call_comes_back_as_the_model_wrote_it(server: ScriptedServer) -> None:
    """Name, arguments as text, the id by which its answer is known."""
    turn = chat(server, in_turn(calling(("look", {"text": "bag"}), ("look", "gar{bage")))).chat(ASKED, [TOOL])
    assert [(call.id, call.name, call.arguments) for call in turn.calls] == [
        ("call_0", "look", '{"text": "bag"}'),
        ("call_1", "look", "gar{bage"),
    ]


def test_only_the_common_subset_is_sent(server: ScriptedServer) -> None:
    """Messages, functions, a bound; no tools where none are offered."""
    talking = chat(server)
    talking.chat(ASKED, [TOOL])
    talking.chat(ASKED, [])
    first, second = server.bodies
    assert set(first) == {"model", "messages", "max_tokens", "temperature", "tools"}
    assert first["tools"][0]["function"] == {"name": "look", "description": "Looks.", "parameters": PARAMETERS}
    assert "tools" not in second


def test_pictures_of_tools_follow_all_answers_as_a_turn_of_the_user(server: ScriptedServer) -> None:
    """A tool's turn holds words alone, and nothing may stand between the answers; broken arguments go back empty."""
    chat(server).chat([*ASKED, CALLED, PICTURED, PLAIN], [TOOL])
    sent = server.bodies[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert [call["function"]["arguments"] for call in sent[2]["tool_calls"]] == ['{"text":"x"}', "{}"]
    assert [part["type"] for part in sent[5]["content"]] == ["text", "text", "image_url"]


def test_a_model_that_sees_nothing_is_told_so(server: ScriptedServer) -> None:
    """The refused request is sent again without pictures, and no picture is sent from then on."""
    talking = chat(server, refusing("image_url", "This model does not support image input", completion("Nobody.")))
    for _ in range(2):
        assert text_of(talking.chat([*ASKED, CALLED, PICTURED, PLAIN], [TOOL])) == "Nobody."
    assert len(server.bodies) == 3
    assert "cannot look at" in json.dumps(server.bodies[-1])


def test_a_server_without_tool_calls_is_asked_by_steps(server: ScriptedServer) -> None:
    """vLLM says so when it was started without a parser of tool calls."""
    said = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    talking = chat(server, refusing('"tools"', said, completion("never")))
    assert talking.chat(ASKED, [TOOL]) == OTHERWISE
    assert talking.chat(ASKED, []) == OTHERWISE
    assert len(server.bodies) == 1


def test_a_bound_known_by_another_name_is_sent_by_it(server: ScriptedServer) -> None:
    """OpenAI's reasoning models refuse `max_tokens`."""
    said = "Unsupported parameter: 'max_tokens' is not supported with this model."
    assert chat(server, refusing('"max_tokens"', said, completion("Nobody."))).chat(ASKED, [TOOL])
    assert "max_completion_tokens" in server.bodies[-1]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(500, {"error": {"message": "boom"}}), TransientError),
        (Reply(429, b"later"), Overloaded),
        (Reply(401, b"no"), InvalidMessage),
        (Reply(400, {"error": {"message": "too long"}}), InvalidMessage),
        (Reply(body=b'{"choices": [{"mess', is_cut=True), TransientError),
        (Reply(body=b"<html>"), TransientError),
        (Reply(body={"choices": []}), InvalidMessage),
        (Reply(body={"choices": [{"message": "x"}]}), InvalidMessage),
        (Reply(body=b'{"x": "' + b"y" * 2_100_000 + b'"}'), InvalidMessage),
    ],
    ids=["500", "429", "401", "400", "cut", "html", "no choice", "no message", "2 MB"],
)
def test_faults_are_named_by_what_to_do(server: ScriptedServer, reply: Reply, error: type[Exception]) -> None:
    """Again, later, or never."""
    with pytest.raises(error):
        chat(server, in_turn(reply)).chat(ASKED, [TOOL])


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"function": {"name": "look", "arguments": {"text": "x"}}}], ['{"text": "x"}']),
        ([{"function": {"name": "look"}}], ["{}"]),
        ([{"function": {"arguments": "{}"}}, 7, None, {"function": []}], []),
        ("look", []),
    ],
    ids=["object", "none", "no calls", "words"],
)
def test_what_has_another_form_is_read_or_left(server: ScriptedServer, listed: Any, expected: list[str]) -> None:
    """Some servers give the arguments as an object, or no id; what is no call is none."""
    body = {"choices": [{"message": {"content": "hm", "tool_calls": listed}}]}
    turn = chat(server, in_turn(Reply(body=body))).chat(ASKED, [TOOL])
    assert [call.arguments for call in turn.calls] == expected
    assert all(call.id for call in turn.calls)
