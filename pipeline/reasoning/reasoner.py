"""Candidate → assessment: verdict first, and a report only of what was confirmed.

Whatever the model or its server does ends in an assessment that says why; admission, priorities and the
incident's life are the host's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from pipeline.clock import Clock
from pipeline.contracts.assessment import (
    Assessment,
    Report,
    Verdict,
    VerificationRequest,
    VisionLanguageModel,
)
from pipeline.errors import InvalidMessage, SightlineError, TransientError
from pipeline.reasoning.breaker import CircuitBreaker
from pipeline.reasoning.pictures import Picture, choose, prepare
from pipeline.reasoning.prompt import report_prompt, verdict_prompt, zone_of
from pipeline.reasoning.retry import retry
from pipeline.reasoning.schema import parse_report, printable, report_schema
from pipeline.reasoning.verdict import decide
from pipeline.settings import ReasoningSettings

log = structlog.get_logger()

MAX_RAW_CHARACTERS = 20_000
MAX_REASON_CHARACTERS = 1000
REPORT_TRIES = 2
"""A report that does not hold is asked for once more; sampling on a server often mends it."""

T = TypeVar("T")


class VlmReasoner:
    """The `Reasoner` over any `VisionLanguageModel`; one circuit breaker for all threads."""

    def __init__(self, model: VisionLanguageModel, settings: ReasoningSettings, clock: Clock) -> None:
        self._model = model
        self._settings = settings
        self._clock = clock
        self._breaker = CircuitBreaker(settings.breaker_after, settings.breaker_for, clock)

    def warm_up(self) -> None:
        """Load the model or ask its server; `ConfigError` when that cannot work.

        A server that does not answer yet may come later, so that is only logged.
        """
        try:
            self._model.warm_up()
        except TransientError as error:
            log.warning("the model server is not ready; candidates stay unverified until it is", error=str(error))

    def assess(self, request: VerificationRequest) -> Assessment:
        """Judge one candidate; blocks for at most what is left of `deadline`, and the request then under way."""
        judgement = _Judgement(self._model, self._settings, self._clock, self._breaker, request)
        assessment = judgement.run()
        log.info(
            "assessed",
            camera=request.candidate.camera_id,
            rule=request.rule.id,
            candidate=request.candidate.id,
            verdict=str(assessment.verdict),
            reason=assessment.reason,
        )
        return assessment

    def close(self) -> None:
        """Free the model."""
        self._model.close()


class _Judgement:
    """One candidate on its way to an assessment."""

    def __init__(
        self,
        model: VisionLanguageModel,
        settings: ReasoningSettings,
        clock: Clock,
        breaker: CircuitBreaker,
        request: VerificationRequest,
    ) -> None:
        self._model = model
        self._settings = settings
        self._clock = clock
        self._breaker = breaker
        self._request = request
        self._started_at = clock.now()
        queued_at = request.queued_at or self._started_at
        self._waited_seconds = max((self._started_at - queued_at).total_seconds(), 0.0)
        self._until = clock.monotonic() + settings.deadline - self._waited_seconds
        self._verdict = Verdict.UNVERIFIED
        self._reason = ""
        self._probability: float | None = None
        self._report: Report | None = None
        self._prompt_version = ""
        self._num_unreadable = 0
        self._frames_sent: tuple[int, ...] = ()
        self._attempts = 0
        self._raw = ""

    def run(self) -> Assessment:
        """Verdict, report, assessment."""
        if self._waited_seconds > self._settings.deadline:
            waited = f"waited {self._waited_seconds:.0f} s for a verdict, the limit is {self._settings.deadline:.0f} s"
            self._conclude(Verdict.UNVERIFIED, waited)
            return self._assessment()
        pictures = self._pictures()
        if not pictures:
            self._conclude(Verdict.UNVERIFIED, "there is no picture to judge")
            return self._assessment()
        try:
            self._judge(pictures)
        except SightlineError as error:
            self._conclude(Verdict.UNVERIFIED, str(error))
        if self._verdict is Verdict.CONFIRMED:
            self._explain(pictures)
        return self._assessment()

    def _pictures(self) -> list[Picture]:
        zone = zone_of(self._request)
        chosen = choose(self._request.frames, self._request.candidate, self._settings.max_frames)
        pictures = prepare(chosen, zone[1] if zone else None, self._settings.max_side_px)
        self._num_unreadable = len(chosen) - len(pictures)
        return pictures

    def _judge(self, pictures: list[Picture]) -> None:
        prompt = verdict_prompt(self._request, pictures)
        self._prompt_version = prompt.version
        self._frames_sent = tuple(picture.frame.sequence for picture in pictures)
        answer = self._ask(lambda: self._model.verdict(prompt))
        self._raw, self._probability = answer.text, min(max(answer.yes, 0.0), 1.0)
        self._conclude(*decide(answer, self._settings))

    def _explain(self, pictures: list[Picture]) -> None:
        """Add the report. A server that fails now costs the report only; an answer that does not hold, twice,
        puts the verdict itself in doubt."""
        prompt, schema = report_prompt(self._request, pictures), report_schema(len(pictures))
        said, problem = self._reason, ""
        for _ in range(REPORT_TRIES):
            try:
                self._raw = self._ask(lambda: self._model.report(prompt, schema))
            except SightlineError as error:
                return self._conclude(Verdict.CONFIRMED, f"{said}; no report: {error}")
            try:
                self._report = parse_report(self._raw, len(pictures))
            except InvalidMessage as error:
                problem = str(error)
            else:
                return self._conclude(Verdict.CONFIRMED, self._report.explanation or said)
        return self._conclude(Verdict.UNVERIFIED, f"{said}, but its report does not hold: {problem}")

    def _ask(self, action: Callable[[], T]) -> T:
        def attempt() -> T:
            self._attempts += 1
            return action()

        return retry(
            lambda: self._breaker.call(attempt),
            attempts=self._settings.attempts,
            until=self._until,
            clock=self._clock,
        )

    def _conclude(self, verdict: Verdict, reason: str) -> None:
        self._verdict, self._reason = verdict, reason

    def _assessment(self) -> Assessment:
        unreadable = f" ({self._num_unreadable} pictures could not be read)" if self._num_unreadable else ""
        return Assessment(
            candidate_id=self._request.candidate.id,
            verdict=self._verdict,
            probability=self._probability,
            reason=printable(self._reason)[:MAX_REASON_CHARACTERS] + unreadable,
            report=self._report,
            model_id=self._model.model_id,
            prompt_version=self._prompt_version,
            started_at=self._started_at,
            finished_at=self._clock.now(),
            frames_sent=self._frames_sent,
            attempts=self._attempts,
            raw_answer=printable(self._raw)[:MAX_RAW_CHARACTERS],
        )
