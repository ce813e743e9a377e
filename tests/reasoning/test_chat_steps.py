"""Any vision-language model as one that calls tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from pipeline.contracts.assessment import ImagePart, TextPart
from pipeline.contracts.chat import Message, Tool, ToolCall
from pipeline.reasoning.chat_steps import StepsChat, steps_schema
from pipeline.reasoning.vlm_transformers import TransformersVlm
from pipeline.settings import ReasoningSettings
from tests.support.archive import text_of
from tests.support.reasoning import ScriptedModel, jpeg, make_idefics3

PARAMETERS = {
    "type": "object",
    "properties": {
        "camera": {"type": "string", "maxLength": 8, "default": ""},
        "status": {"type": "string", "enum": ["any", "confirmed"], "default": "any"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
    },
    "required": [],
    "additionalProperties": False,
}
TOOLS = [Tool("look", "Looks.", PARAMETERS), Tool("count", "Counts.", PARAMETERS)]
ASKED = [Message("system", (TextPart("You answer."),)), Message("user", (TextPart("Who?"),))]
GIVEN = {"camera": "yard", "status": "any", "limit": 3}


def step(said: Any, tools: list[Tool] = TOOLS) -> Message:
    text = said if isinstance(said, str) else json.dumps({"step": said})
    return StepsChat(ScriptedModel([], [text])).chat(ASKED, tools)


def test_a_call_and_an_answer_are_told_apart() -> None:
    """Arguments go on as JSON, to be checked like any other's."""
    (call,) = step({"tool": "look", "arguments": GIVEN}).calls
    assert (call.name, json.loads(call.arguments)) == ("look", GIVEN)
    answer = step({"answer": "A man [3f2a]."})
    assert (text_of(answer), answer.calls) == ("A man [3f2a].", ())


@pytest.mark.parametrize(
    ("cut", "name", "text"),
    [
        ('{"step": {"tool": "look", "arguments": {"cam', "look", ""),
        ('{"step": {"answer": "A man left a b', "", "A man left a b"),
        ("A man left it.", "", "A man left it."),
        ("", "", ""),
        ("[1]", "", "[1]"),
    ],
    ids=["call", "answer", "words", "nothing", "list"],
)
def test_of_a_text_that_was_cut_is_made_what_can_be_made(cut: str, name: str, text: str) -> None:
    """A call that was cut off comes without JSON, so that it is asked for again."""
    turn = step(cut)
    assert "".join(call.name for call in turn.calls) == name
    assert text_of(turn) == text


def test_the_schema_takes_legal_steps_alone() -> None:
    """One of the tools with all its arguments, or the answer; without tools the answer alone."""
    validator = jsonschema.Draft202012Validator(steps_schema(TOOLS))
    assert validator.is_valid({"step": {"tool": "look", "arguments": GIVEN}})
    assert not validator.is_valid({"step": {"tool": "find", "arguments": GIVEN}})
    assert not validator.is_valid({"step": {"tool": "look", "arguments": GIVEN | {"limit": 99}}})
    assert not jsonschema.Draft202012Validator(steps_schema([])).is_valid(
        {"step": {"tool": "look", "arguments": GIVEN}}
    )


def test_the_conversation_is_written_out_in_order_with_its_pictures() -> None:
    """Who spoke, what was called, what came back."""
    seen: list[Any] = []

    class Listening(ScriptedModel):
        def report(self, prompt: Any, schema: Any) -> str:
            seen.append(prompt)
            return super().report(prompt, schema)

    called = Message("assistant", (), (ToolCall("c", "look", "{}"),))
    answered = Message("tool", (TextPart("[3f2a#1]"), ImagePart(jpeg())), call_id="c")
    StepsChat(Listening([], ['{"step":{"answer":"x"}}'])).chat([*ASKED, called, answered], TOOLS)
    (prompt,) = seen
    assert "look: Looks." in prompt.system
    told = [part.text if isinstance(part, TextPart) else "PICTURE" for part in prompt.parts]
    assert told == ["The guard:", "Who?", "You called: look {}", "The tool:", "[3f2a#1]", "PICTURE", "Your next step:"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformersVlm]:
    folder = tmp_path_factory.mktemp("vlm")
    make_idefics3(folder)
    model = TransformersVlm(str(folder), ReasoningSettings(max_report_tokens=200, timeout=60))
    model.warm_up()
    yield model
    model.close()


@pytest.mark.models
@pytest.mark.parametrize("question", ["Who?", "yes no cannot", "是", "frame fence"])
def test_a_model_of_random_weights_makes_legal_steps(model: TransformersVlm, question: str) -> None:
    """The grammar holds: each step is a call with arguments that are legal, or an answer."""
    asked = [ASKED[0], Message("user", (TextPart(question), ImagePart(jpeg())))]
    turn = StepsChat(model).chat(asked, TOOLS)
    for call in turn.calls:
        jsonschema.validate(json.loads(call.arguments), PARAMETERS)
    assert len(turn.calls) == 1 or text_of(turn)


@pytest.mark.models
def test_a_model_of_random_weights_answers_when_only_an_answer_is_left(model: TransformersVlm) -> None:
    """Without tools there is nothing but words."""
    turn = StepsChat(model).chat(ASKED, [])
    assert not turn.calls
    assert text_of(turn)
