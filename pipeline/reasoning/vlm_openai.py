"""Any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, Ollama, hosted ones.

A server is asked for the best form of answer first (token probabilities, then structured output, then plain
words); what it refuses or leaves out is remembered. Trying again later is the reasoner's.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from pipeline.contracts.assessment import Answer, ImagePart, Prompt, TextPart
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.reasoning.http import JsonHttp, RefusedRequest
from pipeline.reasoning.meter import note_tokens
from pipeline.reasoning.words import WORDS, answer_of_weights, answer_of_word, word_of_answer, word_of_token
from pipeline.settings import ReasoningSettings

log = structlog.get_logger()

TOP_LOGPROBS = 20
"""The most that OpenAI and vLLM give."""
MIN_WORD_SHARE = 0.1
"""With less on the three words the model was about to write something else: a preamble, its thoughts."""
MAX_WORD_TOKENS = 64

LOGPROBS, SCHEMA, OBJECT, TEXT = "logprobs", "json_schema", "json_object", "text"
WORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": list(WORDS)}},
    "required": ["answer"],
    "additionalProperties": False,
}
WORD_AS_JSON = 'Answer as JSON: {"answer": "yes"}, {"answer": "no"} or {"answer": "cannot"}.'
_MAX_TOKENS, _TEMPERATURE = "max_tokens", "temperature"

T = TypeVar("T")


class OpenAiVlm:
    """The `VisionLanguageModel` behind a URL."""

    def __init__(self, base_url: str, model: str, api_key: str | None, settings: ReasoningSettings) -> None:
        self.model_id = f"openai:{model}"
        self._model = model
        self._max_report_tokens = settings.max_report_tokens
        self._http = JsonHttp(base_url, api_key, settings.timeout)
        # Forms and parameters this server has shown not to know. It only grows, a word at a time, so threads
        # share it without a lock: the worst is one more refused request.
        self._unsupported: set[str] = set()

    def warm_up(self) -> None:
        """Ask the server for its models.

        Raises:
            ConfigError: The server lists its models, and this one is not among them.
            TransientError: It does not answer now.
        """
        try:
            known = _model_names(self._http.get("/models"))
        except InvalidMessage as error:  # it may still know the model: not every server lists them
            log.warning("the model server does not list its models", error=str(error))
            return
        if known and self._model not in known:
            raise ConfigError(
                f"models.vlm: the server does not know the model {self._model!r}; it has {', '.join(known[:10])}"
            )

    def verdict(self, prompt: Prompt) -> Answer:
        """First-token probabilities where the server gives them, else the word it chose."""

        as_json = replace(prompt, parts=(*prompt.parts, TextPart(WORD_AS_JSON)))

        def ask(form: str) -> Answer | None:
            asked = as_json if form in (SCHEMA, OBJECT) else prompt
            return self._read_verdict(form, self._complete(asked, _verdict_request(form)))

        return self._first_accepted((LOGPROBS, SCHEMA, OBJECT, TEXT), ask)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """The report as the server wrote it; constrained by it where it can, whole or not."""

        def ask(form: str) -> str | None:
            request = {_MAX_TOKENS: self._max_report_tokens, **_response_format(form, "report", schema)}
            return _content(self._complete(prompt, request))

        return self._first_accepted((SCHEMA, OBJECT, TEXT), ask)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()

    def _first_accepted(self, forms: Iterable[str], ask: Callable[[str], T | None]) -> T:
        """What the first form gives that the server takes and the model keeps to.

        A refused form is remembered only once another one worked: a prompt that is too long is refused in
        every form.
        """
        refused: list[str] = []
        problem = InvalidMessage("expected the model to answer yes, no or cannot; it wrote something else")
        for form in forms:
            if form in self._unsupported:
                continue
            try:
                result = ask(form)
            except RefusedRequest as error:
                refused.append(form)
                problem = error
                continue
            self._unsupported.update(refused)
            if result is not None:
                return result
        raise problem

    def _read_verdict(self, form: str, body: Mapping[str, Any]) -> Answer | None:
        """The answer, or None when the model did not keep to the form."""
        content = _content(body)
        if form == LOGPROBS and (tokens := _first_token(body)):
            return _answer_of_tokens(tokens, content)
        if form == LOGPROBS:
            self._unsupported.add(LOGPROBS)
        word = word_of_answer(_answer_field(content) if form in (SCHEMA, OBJECT) else content)
        return None if word is None else answer_of_word(word, content)

    def _complete(self, prompt: Prompt, request: Mapping[str, Any]) -> dict[str, Any]:
        """One completion, asked again without (or with another name for) a parameter the server names as unknown."""
        while True:
            try:
                body = self._http.post("/chat/completions", self._body(prompt, request))
                note_tokens(*tokens_used(body))
                return body
            except RefusedRequest as error:
                named = {name for name in (_MAX_TOKENS, _TEMPERATURE) if f"'{name}'" in str(error)}
                if named <= self._unsupported:
                    raise
                self._unsupported |= named

    def _body(self, prompt: Prompt, request: Mapping[str, Any]) -> dict[str, Any]:
        body = {"model": self._model, "messages": _messages(prompt), _TEMPERATURE: 0, **request}
        if _TEMPERATURE in self._unsupported:
            del body[_TEMPERATURE]
        if _MAX_TOKENS in self._unsupported:
            # OpenAI's reasoning models know the limit by this name only.
            body["max_completion_tokens"] = body.pop(_MAX_TOKENS)
        return body


def _verdict_request(form: str) -> dict[str, Any]:
    if form == LOGPROBS:
        return {_MAX_TOKENS: 1, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return {_MAX_TOKENS: MAX_WORD_TOKENS, **_response_format(form, "verdict", WORD_SCHEMA)}


def _response_format(form: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if form == SCHEMA:
        strict = {"name": name, "strict": True, "schema": schema}
        return {"response_format": {"type": SCHEMA, "json_schema": strict}}
    return {"response_format": {"type": OBJECT}} if form == OBJECT else {}


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    content = [_part(part) for part in prompt.parts]
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": content}]


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    url = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise InvalidMessage("the model server answered without choices; does the URL speak chat completions?")
    return choices[0]


def tokens_used(body: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens read and written, as the server counts them; None for what it does not tell."""
    usage = body.get("usage")
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    read, written = (each if type(each) is int and each >= 0 else None for each in counts)
    return read, written


def _content(body: Mapping[str, Any]) -> str:
    """What the model wrote; empty when it wrote nothing."""
    message = _choice(body).get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else ""


def _first_token(body: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(token, log probability) of what the first token could have been; empty when the server does not say."""
    logprobs = _choice(body).get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    first = tokens[0] if isinstance(tokens, list) and tokens else None
    if not isinstance(first, dict):
        return []
    entries = first.get("top_logprobs") or [first]
    pairs = [(each.get("token"), each.get("logprob")) for each in entries if isinstance(each, dict)]
    return [
        (token, float(value)) for token, value in pairs if isinstance(token, str) and isinstance(value, int | float)
    ]


def _answer_of_tokens(tokens: Sequence[tuple[str, float]], text: str) -> Answer | None:
    weights = dict.fromkeys(WORDS, 0.0)
    for token, log_probability in tokens:
        word = word_of_token(token)
        if word is not None and log_probability <= 0:
            weights[word] += math.exp(log_probability)
    enough = sum(weights.values()) >= MIN_WORD_SHARE
    return answer_of_weights(list(weights.values()), text) if enough else None


def _answer_field(content: str) -> str:
    """`answer` of a JSON object; empty when there is none."""
    try:
        answer = json.loads(content)["answer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return answer if isinstance(answer, str) else ""


def _model_names(body: Mapping[str, Any]) -> list[str]:
    """Ids in an answer of `/models`; empty when it has another form."""
    models = body.get("data")
    entries = models if isinstance(models, list) else []
    return [str(each["id"]) for each in entries if isinstance(each, dict) and "id" in each]
