"""What one assessment takes of models: calls, pictures, tokens, seconds, cost.

`metering()` opens a meter for the thread's context; `MeteredModel` times every call and puts it on all meters that are
open; a backend that knows its tokens says so with one line, `note_tokens(…)`. What no backend counted is estimated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pipeline.clock import Clock
from pipeline.contracts.assessment import Answer, ImagePart, Prompt, TextPart, Usage, VisionLanguageModel
from pipeline.settings import ReasoningSettings

BYTES_PER_TOKEN = 4
"""Of English text in the tokenizers of today; Chinese takes about 3 bytes a character and 1 token."""
TOKENS_PER_PICTURE = 405
"""768 × 432 px in Qwen-VL's patches of 28 px: 27 × 15."""

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One call of a model, whether it answered or not."""

    kind: Literal["verdict", "report"]
    pictures: int
    text_bytes: int
    seconds: float = 0.0
    has_answered: bool = False
    answer_bytes: int = 0
    requests: int = 0
    """Those a backend noted."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """As a backend counted; None when it did not."""

    @property
    def is_estimated(self) -> bool:
        """By size, since no backend counted."""
        return self.input_tokens is None or self.output_tokens is None

    def tokens(self) -> tuple[int, int]:
        """Read and written: as counted, else by size; of a call that failed, nothing was written."""
        read, written = self.input_tokens, self.output_tokens
        if read is None:
            read = self.text_bytes // BYTES_PER_TOKEN + self.pictures * TOKENS_PER_PICTURE
        return read, -(-self.answer_bytes // BYTES_PER_TOKEN) if written is None else written


@dataclass(slots=True)
class Meter:
    """The calls of one assessment, in order. Not thread-safe: an assessment keeps to its thread."""

    calls: list[Call] = field(default_factory=list)

    def usage(self, settings: ReasoningSettings) -> Usage:
        """All calls added up, at the settings' prices."""
        tokens = [call.tokens() for call in self.calls]
        read, written = sum(each[0] for each in tokens), sum(each[1] for each in tokens)
        cost = (read * settings.price_input + written * settings.price_output) / 1e6
        return Usage(
            calls=sum(max(call.requests, 1) for call in self.calls),
            pictures=sum(call.pictures for call in self.calls),
            input_tokens=read,
            output_tokens=written,
            is_estimated=any(call.is_estimated for call in self.calls),
            seconds=sum(call.seconds for call in self.calls),
            cost=cost if settings.price_input or settings.price_output else None,
        )


_meters: ContextVar[tuple[Meter, ...]] = ContextVar("meters", default=())
_call: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def metering() -> Iterator[Meter]:
    """A meter for what is asked within; one inside another counts for both."""
    meter = Meter()
    token = _meters.set((*_meters.get(), meter))
    try:
        yield meter
    finally:
        _meters.reset(token)


def note_tokens(input_tokens: int | None, output_tokens: int | None) -> None:
    """A backend's count for one request, those of pictures included, None when it has none; without effect outside of
    a metered call."""
    call = _call.get()
    if call is None:
        return
    call.requests += 1
    if input_tokens is not None:
        call.input_tokens = (call.input_tokens or 0) + input_tokens
    if output_tokens is not None:
        call.output_tokens = (call.output_tokens or 0) + output_tokens


class MeteredModel:
    """A `VisionLanguageModel` as it is, with every call on the open meters."""

    def __init__(self, model: VisionLanguageModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    @property
    def model_id(self) -> str:
        """Of the model inside."""
        return self._model.model_id

    def warm_up(self) -> None:
        """As the model inside."""
        self._model.warm_up()

    def verdict(self, prompt: Prompt) -> Answer:
        """As the model inside."""
        return self._measured("verdict", prompt, 0, lambda: self._model.verdict(prompt), lambda answer: answer.text)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """As the model inside."""
        schema_bytes = len(json.dumps(schema))
        return self._measured("report", prompt, schema_bytes, lambda: self._model.report(prompt, schema), str)

    def close(self) -> None:
        """As the model inside."""
        self._model.close()

    def _measured(
        self,
        kind: Literal["verdict", "report"],
        prompt: Prompt,
        more_bytes: int,
        action: Callable[[], T],
        text_of: Callable[[T], str],
    ) -> T:
        call = Call(kind, *_size(prompt))
        call.text_bytes += more_bytes
        began, token = self._clock.monotonic(), _call.set(call)
        try:
            answer = action()
            call.has_answered, call.answer_bytes = True, max(len(text_of(answer).encode(errors="replace")), 1)
        finally:
            call.seconds = self._clock.monotonic() - began
            _call.reset(token)
            for meter in _meters.get():
                meter.calls.append(call)
        return answer


def _size(prompt: Prompt) -> tuple[int, int]:
    """Pictures, and bytes of text."""
    words = [prompt.system, *(part.text for part in prompt.parts if isinstance(part, TextPart))]
    pictures = sum(isinstance(part, ImagePart) for part in prompt.parts)
    return pictures, sum(len(text.encode(errors="replace")) for text in words)
