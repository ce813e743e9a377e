"""A conversation with a model that may call tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipeline.contracts.assessment import ImagePart, TextPart


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of the arguments: an object, closed."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model wants called. Never trusted: arguments are checked against the schema."""

    id: str
    name: str
    arguments: str
    """JSON as the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[TextPart | ImagePart, ...] = ()
    calls: tuple[ToolCall, ...] = field(default=())
    """Of an assistant's turn."""
    call_id: str = ""
    """Of a tool's turn: which call it answers."""


class ChatModel(Protocol):
    """A model that holds a conversation. Raises as `VisionLanguageModel` does."""

    model_id: str

    def chat(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
        """The assistant's next turn: words, or calls of tools, or both."""
        ...

    def close(self) -> None:
        """Free the model; may be called twice."""
        ...
