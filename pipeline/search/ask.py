"""The dialogue: a question, a model that calls tools, and an answer whose citations hold.

The model is never trusted: what it calls is checked, what it repeats is not run again, what it cites must have been
looked up, steps, tokens and seconds are bounded, and when a camera was blind the program says so itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.contracts.assessment import ImagePart, TextPart
from pipeline.contracts.chat import ChatModel, Message, ToolCall
from pipeline.contracts.incident import Incident
from pipeline.errors import Overloaded, TransientError
from pipeline.search.archive import Archive
from pipeline.search.blindness import blind_sentences
from pipeline.search.citations import Checked, Citation, check
from pipeline.search.found import Asked, Found, cite, cut
from pipeline.search.prompt import ANSWER_NOW, CITE, LOOK_FIRST, MEND, as_data, system_prompt
from pipeline.search.toolbox import Toolbox

_MAX_QUESTION_CHARACTERS = 2_000
_MAX_ANSWER_CHARACTERS = 8_000
_MAX_KNOWN_LISTED = 12
_BYTES_A_TOKEN = 3
"""English JSON has about 3 to 4 bytes a token, Chinese about 3."""
_PICTURE_TOKENS = 1_000
_RETRY_SECONDS = 1.0
_LATELY = timedelta(days=1)
_THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may take."""

    steps: int = 8
    """Turns of the model, the answer among them."""
    calls_a_step: int = 4
    tokens: int = 16_000
    """Of one request, estimated; one tool's answer (some 2,000) may go beyond."""
    seconds: float = 180.0
    """After so long the next turn must be the answer."""
    remembered: int = 4
    """Questions with their answers that a follow-up question can refer to."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that was called."""

    name: str
    arguments: str
    found: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, checked."""

    text: str
    """The model's words, with only the citations that hold."""
    unwatched: tuple[str, ...]
    """What the program adds: when the cameras that were asked about were not watched."""
    citations: tuple[Citation, ...]
    removed: tuple[str, ...]
    """Citations that did not hold."""
    calls: tuple[Call, ...]
    steps: int
    note: str = ""
    """What a reader must know of the answer: that it cites nothing, that it was cut short."""


@dataclass(slots=True)
class _Turn:
    """What happens while one question is answered."""

    question: str
    until: float
    messages: list[Message]
    calls: list[Call] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    done: set[tuple[str, str]] = field(default_factory=set)
    is_mended: bool = False


class Dialogue:
    """Questions and answers over one archive, remembering the last few. One thread."""

    def __init__(
        self,
        model: ChatModel,
        toolbox: Toolbox,
        archive: Archive,
        limits: Limits | None = None,
        on_call: Callable[[Call], None] = lambda _call: None,
    ) -> None:
        self._model = model
        self._toolbox = toolbox
        self._archive = archive
        self._limits = limits or Limits()
        self._on_call = on_call
        self._history: list[tuple[str, str]] = []
        self._known: dict[str, Incident] = {}

    def ask(self, question: str) -> Reply:
        """The answer to one question. Raises what the model raises when it cannot be had."""
        question = as_data(question.strip())[:_MAX_QUESTION_CHARACTERS]
        turn = _Turn(question, self._archive.clock.monotonic() + self._limits.seconds, self._opening(question))
        for step in range(1, self._limits.steps + 1):
            is_last = step == self._limits.steps or self._is_spent(turn)
            message = self._next(turn, is_last=is_last)
            if message.calls and not is_last:
                self._answer_calls(turn, message)
                continue
            checked = check(_words(message), self._known)
            wish = "" if is_last or turn.is_mended else self._wish(turn, checked)
            if not wish:
                return self._finish(turn, checked, step, is_last=is_last)
            turn.is_mended = True
            turn.messages += [_said("assistant", checked.text or "…"), _said("user", wish)]
        raise ValueError(f"expected at least one step, got {self._limits.steps}")

    def incident(self, incident_id: str) -> Incident:
        """One that was cited."""
        return self._known[incident_id]

    def _opening(self, question: str) -> list[Message]:
        messages = [_said("system", system_prompt(self._archive, self._limits.steps))]
        for asked, answered in self._history[-self._limits.remembered :]:
            messages += [_said("user", asked), _said("assistant", answered)]
        return [*messages, _said("user", question)]

    def _is_spent(self, turn: _Turn) -> bool:
        return self._archive.clock.monotonic() >= turn.until or _tokens(turn.messages) >= self._limits.tokens

    def _next(self, turn: _Turn, *, is_last: bool) -> Message:
        """The model's next turn, asked for once more when the model cannot now."""
        messages = [*turn.messages, _said("user", ANSWER_NOW)] if is_last else turn.messages
        tools = () if is_last else self._toolbox.tools
        try:
            return self._model.chat(messages, tools)
        except (TransientError, Overloaded):
            self._archive.clock.sleep(_RETRY_SECONDS)
            return self._model.chat(messages, tools)

    def _answer_calls(self, turn: _Turn, message: Message) -> None:
        """Every call gets an answer, as the protocol asks; those beyond the limits one that says so."""
        turn.messages.append(message)
        for number, call in enumerate(message.calls):
            if number >= self._limits.calls_a_step or self._is_spent(turn):
                text = '{"error":"not looked up: too much at once; answer, or ask for less"}'
                turn.messages.append(Message("tool", (TextPart(text),), call_id=call.id))
                continue
            found = self._run(turn, call)
            turn.messages.append(Message("tool", _parts(found), call_id=call.id))

    def _run(self, turn: _Turn, call: ToolCall) -> Found:
        key = call.name, "".join(call.arguments.split())
        if key in turn.done:
            found = Found(
                {"error": "asked before with the same arguments: its answer is above; go on or answer"},
                "asked before",
                is_error=True,
            )
        else:
            turn.done.add(key)
            found = self._toolbox.call(call.name, call.arguments)
            self._known.update({incident.id: incident for incident in found.incidents})
            turn.asked += found.asked
        told = Call(cut(call.name, 60), cut(call.arguments, 300), found.summary, found.is_error)
        turn.calls.append(told)
        self._on_call(told)
        return found

    def _wish(self, turn: _Turn, checked: Checked) -> str:
        """What the model should do better, once; empty when the answer may stand."""
        known = ", ".join(cite(incident) for incident in list(self._known.values())[-_MAX_KNOWN_LISTED:]) or "none"
        if checked.removed:
            return MEND.format(wrong=", ".join(checked.removed[:10]), known=known)
        if not checked.citations and self._known and turn.asked:
            return CITE.format(known=known)
        return "" if turn.asked or checked.citations else LOOK_FIRST

    def _finish(self, turn: _Turn, checked: Checked, step: int, *, is_last: bool) -> Reply:
        text = checked.text[:_MAX_ANSWER_CHARACTERS]
        if not text:
            text = f"No answer: the model wrote none within {step} steps."
        notes = ["it was cut at 8,000 characters"] if len(checked.text) > _MAX_ANSWER_CHARACTERS else []
        notes += ["the look-ups ended at the limits of steps, time or tokens"] if is_last else []
        notes += ["it cites no incident"] if not checked.citations else []
        notes += [f"citations removed that do not hold: {len(checked.removed)}"] if checked.removed else []
        self._history.append((turn.question, cut(text, 1_500)))
        asked = turn.asked or [self._presumably(turn.question)]
        unwatched = blind_sentences(self._archive, asked)
        return Reply(text, unwatched, checked.citations, checked.removed, tuple(turn.calls), step, "; ".join(notes))

    def _presumably(self, question: str) -> Asked:
        """Of a question that nothing was looked up for: the cameras it names, or all, and the last day."""
        now = self._archive.clock.now()
        named = [name for name in self._archive.cameras if name.casefold() in question.casefold()]
        return Asked(tuple(named or self._archive.cameras), now - _LATELY, now)


def _said(role: str, text: str) -> Message:
    return Message(role, (TextPart(text),))  # type: ignore[arg-type]  # one of the four roles


def _words(message: Message) -> str:
    """What the model wrote for the reader, without its thoughts."""
    text = "\n".join(part.text for part in message.parts if isinstance(part, TextPart))
    return _THOUGHTS.sub("", text).strip()


def _parts(found: Found) -> tuple[TextPart | ImagePart, ...]:
    """A tool's answer; each picture stands behind the words by which it is cited."""
    parts: list[TextPart | ImagePart] = [TextPart(as_data(found.text))]
    for picture in found.pictures:
        parts += [TextPart(picture.cite), ImagePart(picture.jpeg)]
    return tuple(parts)


def _tokens(messages: Sequence[Message]) -> int:
    """An estimate."""
    num_bytes = sum(len(call.arguments.encode()) for message in messages for call in message.calls)
    num_pictures = 0
    for part in (part for message in messages for part in message.parts):
        if isinstance(part, TextPart):
            num_bytes += len(part.text.encode())
        else:
            num_pictures += 1
    return num_bytes // _BYTES_A_TOKEN + _PICTURE_TOKENS * num_pictures
