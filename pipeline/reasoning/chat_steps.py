"""Any vision-language model as one that calls tools: each turn is JSON under a grammar, a legal call or the answer.

The conversation is written out as one prompt with its pictures in place. The backend's grammar sees to it that a step
is legal; where it has none, or the tokens ran out, what can be made of the text is made of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.contracts.assessment import ImagePart, Prompt, TextPart, VisionLanguageModel
from pipeline.contracts.chat import Message, Tool, ToolCall

VERSION = "steps-1"
MAX_ANSWER_CHARACTERS = 1_200
_MAX_STRING = 80
_TOOLS = """You work in steps. Each step is one JSON object: either {"step": {"tool": NAME, "arguments": {…}}} to look \
something up, or {"step": {"answer": "…"}} to answer. The tools, with the JSON Schemas of their arguments; an empty \
string means that an argument is not given:
"""
_ANSWER_ONLY = 'Answer as one JSON object: {"step": {"answer": "…"}}.'
_NEXT = "Your next step:"
_CUT_TOOL = re.compile(r'"tool"\s*:\s*"([a-z_]{1,60})"')
_CUT_ANSWER = re.compile(r'"answer"\s*:\s*"((?:[^"\\]|\\.)*)', re.DOTALL)


class StepsChat:
    """A `VisionLanguageModel` as a `ChatModel`; it must be warm. Errors are the model's."""

    def __init__(self, model: VisionLanguageModel) -> None:
        self.model_id = model.model_id
        self._model = model

    def chat(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
        """One step."""
        text = self._model.report(_prompt(messages, tools), steps_schema(tools))
        return _message(text, number=sum(len(message.calls) for message in messages))

    def close(self) -> None:
        """Free the model; may be called twice."""
        self._model.close()


def steps_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """JSON Schema of a step: one of the tools with all its arguments, or the answer. Bounded in length."""
    answer = _closed({"answer": {"type": "string", "minLength": 1, "maxLength": MAX_ANSWER_CHARACTERS}})
    calls = [
        _closed({"tool": {"type": "string", "enum": [tool.name]}, "arguments": _all_required(tool.parameters)})
        for tool in tools
    ]
    return _closed({"step": {"anyOf": [*calls, answer]} if calls else answer})


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _all_required(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument is written, in one order: a grammar with fewer ways, and what strict servers ask for."""
    return _closed({name: _bounded(each) for name, each in parameters.get("properties", {}).items()})


def _bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in ("default", "description")}
    is_free = kept.get("type") == "string" and "enum" not in kept
    return kept | {"maxLength": min(kept.get("maxLength", _MAX_STRING), _MAX_STRING)} if is_free else kept


def _prompt(messages: Sequence[Message], tools: Sequence[Tool]) -> Prompt:
    first, *rest = messages
    system = "\n".join(part.text for part in first.parts if isinstance(part, TextPart))
    described = "\n".join(
        f"{tool.name}: {tool.description} {json.dumps(tool.parameters['properties'], ensure_ascii=False)}"
        for tool in tools
    )
    how = f"{_TOOLS}{described}" if tools else _ANSWER_ONLY
    return Prompt(f"{system}\n\n{how}", (*_written(rest), TextPart(_NEXT)), VERSION)


def _written(messages: Sequence[Message]) -> Iterator[TextPart | ImagePart]:
    """Turns in order, each under the name of who speaks."""
    speakers = {"user": "The guard", "assistant": "You", "tool": "The tool", "system": "Note"}
    for message in messages:
        if message.calls:
            called = "; ".join(f"{call.name} {call.arguments[:400]}" for call in message.calls)
            yield TextPart(f"You called: {called}")
        if message.parts:
            yield TextPart(f"{speakers[message.role]}:")
            yield from message.parts


def _message(text: str, number: int) -> Message:
    """The step as a turn; of a text that was cut off what it began to be."""
    try:
        step = json.loads(text)["step"]
        if "answer" in step:
            return _answer(str(step["answer"]))
        return _call(str(step["tool"]), json.dumps(step["arguments"], ensure_ascii=False), number)
    except (ValueError, KeyError, TypeError, RecursionError):
        return _of_cut(text, number)


def _of_cut(text: str, number: int) -> Message:
    if (tool := _CUT_TOOL.search(text)) is not None:
        return _call(tool.group(1), text[tool.end() :], number)  # no JSON: the dialogue asks for it again
    answer = _CUT_ANSWER.search(text)
    return _answer(answer.group(1).replace("\\n", "\n") if answer else text)


def _answer(text: str) -> Message:
    return Message("assistant", (TextPart(text),))


def _call(name: str, arguments: str, number: int) -> Message:
    return Message("assistant", (), (ToolCall(f"step-{number}", name, arguments),))
