"""A conversation with tools at any server that speaks OpenAI's chat completions, by its common subset.

Sent: messages, functions as tools, a bound of tokens; no tool choice, no streaming, no strict mode. Pictures that a
tool gave back follow as a turn of the user, since a tool's turn holds words alone. What a server refuses is left out
from then on; one that takes no tools at all is asked by constrained steps instead.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import structlog

from pipeline.contracts.assessment import ImagePart, TextPart
from pipeline.contracts.chat import ChatModel, Message, Tool, ToolCall
from pipeline.errors import InvalidMessage
from pipeline.reasoning.http import JsonHttp, RefusedRequest
from pipeline.settings import ReasoningSettings

log = structlog.get_logger()

_MAX_TOKENS, _TEMPERATURE = "max_tokens", "temperature"
_PICTURES, _TOOLS = "pictures", "tools"
_MAX_CALLS = 16
_PICTURE_WORDS = ("image", "multimodal", "vision")
_TOOL_WORDS = ("tool", "function")
_LEFT_OUT = "(a picture that this model cannot look at)"
_FOLLOWING = "The pictures that the tools gave back:"


class OpenAiChat:
    """The `ChatModel` behind a URL. Thread-safe."""

    def __init__(
        self, base_url: str, model: str, api_key: str | None, settings: ReasoningSettings, otherwise: ChatModel
    ) -> None:
        """`otherwise`: asked instead when the server takes no tools; closed with this."""
        self.model_id = f"openai:{model}"
        self._model = model
        self._max_tokens = settings.max_report_tokens
        self._http = JsonHttp(base_url, api_key, settings.timeout)
        self._otherwise = otherwise
        # It only grows, a word at a time, so threads share it without a lock.
        self._unsupported: set[str] = set()

    def chat(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
        """The assistant's next turn."""
        while True:
            if _TOOLS in self._unsupported:
                return self._otherwise.chat(messages, tools)
            try:
                return _message(self._http.post("/chat/completions", self._body(messages, tools)))
            except RefusedRequest as error:
                refused = self._refused(str(error).lower(), messages, tools)
                if refused is None or refused in self._unsupported:
                    raise
                log.warning("the model server refuses a part of the request", part=refused, error=str(error))
                self._unsupported.add(refused)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()
        self._otherwise.close()

    def _refused(self, said: str, messages: Sequence[Message], tools: Sequence[Tool]) -> str | None:
        """The part of a request that a server's refusal is about; None when it is about none that can be left out."""
        for name in (_MAX_TOKENS, _TEMPERATURE):
            if f"'{name}'" in said:
                return name
        has_pictures = any(isinstance(part, ImagePart) for message in messages for part in message.parts)
        if has_pictures and any(word in said for word in _PICTURE_WORDS):
            return _PICTURES
        return _TOOLS if tools and any(word in said for word in _TOOL_WORDS) else None

    def _body(self, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": _as_sent(messages, with_pictures=_PICTURES not in self._unsupported),
        }
        # OpenAI's reasoning models know the limit by the second name only.
        body[_MAX_TOKENS if _MAX_TOKENS not in self._unsupported else "max_completion_tokens"] = self._max_tokens
        if _TEMPERATURE not in self._unsupported:
            body[_TEMPERATURE] = 0
        if tools:
            body["tools"] = [_function(tool) for tool in tools]
        return body


def _function(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _as_sent(messages: Sequence[Message], *, with_pictures: bool) -> list[dict[str, Any]]:
    """Turns as the server reads them; pictures of tools wait until all calls of a turn are answered."""
    sent: list[dict[str, Any]] = []
    waiting: list[TextPart | ImagePart] = []
    for message in messages:
        if message.role != "tool" and waiting:
            sent.append(_pictures_turn(waiting, with_pictures=with_pictures))
            waiting = []
        if message.role == "tool":
            sent.append({"role": "tool", "tool_call_id": message.call_id, "content": _text(message.parts[:1])})
            waiting += message.parts[1:]
        elif message.calls:
            calls = [_call_as_sent(call) for call in message.calls]
            sent.append({"role": "assistant", "content": _text(message.parts), "tool_calls": calls})
        else:
            sent.append({"role": message.role, "content": _text(message.parts)})
    return [*sent, _pictures_turn(waiting, with_pictures=with_pictures)] if waiting else sent


def _pictures_turn(parts: Sequence[TextPart | ImagePart], *, with_pictures: bool) -> dict[str, Any]:
    return {"role": "user", "content": [_part(part, with_pictures) for part in (TextPart(_FOLLOWING), *parts)]}


def _part(part: TextPart | ImagePart, with_pictures: bool) -> dict[str, Any]:
    if isinstance(part, TextPart) or not with_pictures:
        return {"type": "text", "text": part.text if isinstance(part, TextPart) else _LEFT_OUT}
    url = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _call_as_sent(call: ToolCall) -> dict[str, Any]:
    """Arguments that are no JSON object are sent back empty: some servers read them and fail on them."""
    try:
        arguments = call.arguments if isinstance(json.loads(call.arguments), dict) else "{}"
    except (ValueError, RecursionError):
        arguments = "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _text(parts: Sequence[TextPart | ImagePart]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def _message(body: Mapping[str, Any]) -> Message:
    """The first choice as a turn; what has not the form of a call is none."""
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    said = first.get("message") if isinstance(first, dict) else None
    if not isinstance(said, dict):
        raise InvalidMessage("the model server answered without a message; does the URL speak chat completions?")
    content, listed = said.get("content"), said.get("tool_calls")
    calls = [_call(each) for each in (listed if isinstance(listed, list) else [])]
    return Message(
        "assistant",
        (TextPart(content),) if isinstance(content, str) and content else (),
        tuple(call for call in calls[:_MAX_CALLS] if call is not None),
    )


def _call(entry: Any) -> ToolCall | None:
    function = entry.get("function") if isinstance(entry, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        return None
    arguments = function.get("arguments")
    # Some servers give the object itself.
    text = arguments if isinstance(arguments, str) else json.dumps(arguments if arguments is not None else {})
    return ToolCall(str(entry.get("id") or f"call-{uuid4().hex[:8]}"), name, text)
