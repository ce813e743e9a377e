"""A small model first; a stronger one for what is uncertain, or grave.

    critical ─────────────────────────────────────────► strong
    else ─► small ─► sure ────────────────────────────► its answer
                 └─► unsure (wider where severity is high) ─► strong

A strong model that is away costs its opinion, never a verdict: the small one's answer stands, and says so.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from pipeline.clock import Clock, SystemClock
from pipeline.contracts.assessment import Answer, ImagePart, Prompt, VisionLanguageModel
from pipeline.contracts.values import Severity
from pipeline.errors import InvalidMessage, Overloaded, TransientError
from pipeline.reasoning.breaker import CircuitBreaker
from pipeline.settings import ReasoningSettings

log = structlog.get_logger()

MAX_REMEMBERED = 256
"""Verdicts whose reports may still be asked for: far more than are under way at once."""

_FAILURES = (TransientError, Overloaded, InvalidMessage)


class Ladder:
    """A `VisionLanguageModel` of two; closes both. The strong one has a breaker of its own, so that its failures
    neither cost time again and again nor count against the small one."""

    def __init__(
        self,
        small: VisionLanguageModel,
        strong: VisionLanguageModel,
        settings: ReasoningSettings,
        clock: Clock | None = None,
    ) -> None:
        self.model_id = f"{small.model_id}, then {strong.model_id}"
        self._small = small
        self._strong = strong
        self._settings = settings
        self._breaker = CircuitBreaker(settings.breaker_after, settings.breaker_for, clock or SystemClock())
        self._lock = threading.Lock()
        self._judged_by_strong: OrderedDict[bytes, bool] = OrderedDict()

    def warm_up(self) -> None:
        """Both; a strong one that does not answer yet may come later."""
        self._small.warm_up()
        try:
            self._strong.warm_up()
        except TransientError as error:
            log.warning("the stronger model is not ready; the small one judges alone until it is", error=str(error))

    def verdict(self, prompt: Prompt) -> Answer:
        """The strong model's where it is asked and answers, else the small one's, with a note if it was asked."""
        if prompt.severity is Severity.CRITICAL:
            return self._ask_strong(prompt, None)
        answer = self._ask_small(prompt)
        if is_sure(answer, prompt.severity, self._settings):
            self._remember(prompt, is_strong=False)
            return answer
        return self._ask_strong(prompt, answer)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """By the one that judged the same pictures; by the small one where the strong one is away."""
        with self._lock:
            is_strong = self._judged_by_strong.get(_pictures_of(prompt), False)
        if is_strong:
            try:
                return self._breaker.call(lambda: self._strong.report(prompt, schema))
            except _FAILURES as error:
                log.warning("the stronger model gave no report; the small one writes it", error=str(error))
        return self._small.report(prompt, schema)

    def close(self) -> None:
        """Free both; may be called twice."""
        self._small.close()
        self._strong.close()

    def _ask_small(self, prompt: Prompt) -> Answer:
        return replace(self._small.verdict(prompt), model_id=self._small.model_id)

    def _ask_strong(self, prompt: Prompt, fallback: Answer | None) -> Answer:
        """The strong model's answer, else `fallback`, else the small one's."""
        try:
            answer = self._breaker.call(lambda: self._strong.verdict(prompt))
        except _FAILURES as error:
            self._remember(prompt, is_strong=False)
            return replace(fallback or self._ask_small(prompt), note=f"the stronger model was not heard: {error}")
        self._remember(prompt, is_strong=True)
        return replace(answer, model_id=self._strong.model_id)

    def _remember(self, prompt: Prompt, *, is_strong: bool) -> None:
        with self._lock:
            key = _pictures_of(prompt)
            self._judged_by_strong[key] = is_strong
            self._judged_by_strong.move_to_end(key)
            if len(self._judged_by_strong) > MAX_REMEMBERED:
                self._judged_by_strong.popitem(last=False)


def is_sure(answer: Answer, severity: Severity, settings: ReasoningSettings) -> bool:
    """Whether P(yes) is outside the band in which a stronger model is asked, and not most of the rest on `cannot`.

    The band is the abstain band, wider by `escalate_margin` on both sides where the severity is high.
    """
    margin = settings.escalate_margin if severity is Severity.HIGH else 0.0
    if answer.yes >= settings.confirm_above + margin:
        return True
    return answer.yes <= settings.reject_below - margin and answer.no > answer.cannot_tell


def _pictures_of(prompt: Prompt) -> bytes:
    """What a verdict and the report on it have in common."""
    digest = hashlib.blake2b(digest_size=16)
    for part in prompt.parts:
        if isinstance(part, ImagePart):
            digest.update(hashlib.blake2b(part.jpeg, digest_size=16).digest())
    return digest.digest()
