"""Candidate → assessment: verdict first, and a report only of what was confirmed.

    pictures and context ─► verdict (calibrated by reviews; a rejection asked again without words in the scene)
        ─► report ─► its claims against the evidence ─► assessment

Whatever the model or its server does ends in an assessment that says why; admission, priorities and the
incident's life are the host's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog

from pipeline.clock import Clock
from pipeline.contracts.assessment import (
    Answer,
    Assessment,
    Grounding,
    Report,
    Usage,
    Verdict,
    VerificationRequest,
    VisionLanguageModel,
)
from pipeline.errors import InvalidMessage, SightlineError, TransientError
from pipeline.reasoning.breaker import CircuitBreaker
from pipeline.reasoning.context import context_text
from pipeline.reasoning.grounding import check, lost_subject, with_withheld
from pipeline.reasoning.meter import MeteredModel, metering
from pipeline.reasoning.pictures import Picture, choose, mark_alike, prepare
from pipeline.reasoning.prompt import look_prompt, report_prompt, verdict_prompt, zone_of
from pipeline.reasoning.protected import without_protected
from pipeline.reasoning.retry import ASKING_SHARE, retry
from pipeline.reasoning.safety import asks_again, settle
from pipeline.reasoning.schema import parse_report, printable, report_schema
from pipeline.reasoning.verdict import decide
from pipeline.reasoning.verdict_calibration import calibrate, calibration_note
from pipeline.settings import ReasoningSettings

log = structlog.get_logger()

MAX_RAW_CHARACTERS = 20_000
MAX_REASON_CHARACTERS = 1000
REPORT_TRIES = 2
"""A report that does not hold is asked for once more; sampling on a server often mends it."""
_MAJORITY = 0.5
_BEHIND = "the models are behind"

T = TypeVar("T")


class VlmReasoner:
    """The `Reasoner` over any `VisionLanguageModel`; one circuit breaker for all threads."""

    def __init__(self, model: VisionLanguageModel, settings: ReasoningSettings, clock: Clock) -> None:
        self._model = MeteredModel(model, clock)
        self._settings = settings
        self._clock = clock
        self.breaker = CircuitBreaker(settings.breaker_after, settings.breaker_for, clock)

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
        judgement = _Judgement(self._model, self._settings, self._clock, self.breaker, request)
        assessment = judgement.run()
        log.info(
            "assessed",
            camera=request.candidate.camera_id,
            rule=request.rule.id,
            candidate=request.candidate.id,
            verdict=str(assessment.verdict),
            reason=assessment.reason,
            claims_removed=len(assessment.grounding.removed) if assessment.grounding else 0,
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
        self._until = clock.monotonic() + settings.deadline * ASKING_SHARE - self._waited_seconds
        self._verdict = Verdict.UNVERIFIED
        self._reason = ""
        self._probability: float | None = None
        self._raw_probability: float | None = None
        self._report: Report | None = None
        self._grounding: Grounding | None = None
        self._model_id = model.model_id
        self._prompt_version = ""
        self._num_unreadable = 0
        self._frames_sent: tuple[int, ...] = ()
        self._attempts = 0
        self._raw = ""
        self._cheaper: list[str] = []
        self._note = ""
        self._safety = ""
        self._context, self._context_version = context_text(
            request.context,
            settings.context_tokens,
            now=request.candidate.opened_at,
            zone=ZoneInfo(request.timezone),
            rule_id=request.rule.id,
        )

    def run(self) -> Assessment:
        """Verdict, report, assessment."""
        with metering() as meter:
            self._run()
        return self._assessment(meter.usage(self._settings))

    def _run(self) -> None:
        if self._waited_seconds > self._settings.deadline:
            waited = f"waited {self._waited_seconds:.0f} s for a verdict, the limit is {self._settings.deadline:.0f} s"
            self._conclude(Verdict.UNVERIFIED, waited)
            return
        pictures = self._pictures()
        if not pictures:
            self._conclude(Verdict.UNVERIFIED, "there is no picture to judge")
            return
        try:
            self._judge(pictures)
        except SightlineError as error:
            self._conclude(Verdict.UNVERIFIED, str(error))
        if self._verdict is Verdict.CONFIRMED and self._request.wants_report:
            self._explain(pictures)
        elif self._verdict is Verdict.CONFIRMED:
            self._cheaper.append("no report")

    def _pictures(self) -> list[Picture]:
        zone, limit = zone_of(self._request), self._settings.max_frames
        wanted = min(limit, self._request.max_frames or limit)
        available = min(limit, len(self._request.frames))
        chosen = choose(self._request.frames, self._request.candidate, wanted)
        if len(chosen) < available:
            self._cheaper.append(f"{len(chosen)} of {available} pictures")
        pictures = prepare(chosen, zone[1] if zone else None, self._settings.max_side_px)
        self._num_unreadable = len(chosen) - len(pictures)
        return mark_alike(pictures, self._settings.alike_below)

    def _judge(self, pictures: list[Picture]) -> None:
        self._frames_sent = tuple(picture.frame.sequence for picture in pictures)
        raw, calibrated = self._answer(pictures)
        self._model_id = self._who_gave(raw)
        self._raw, self._raw_probability, self._note = raw.text, _bounded(raw.yes), raw.note
        self._probability = _bounded(calibrated.yes)
        verdict, reason = decide(calibrated, self._settings)
        self._conclude(verdict, reason + calibration_note(raw, calibrated))
        if self._verdict is Verdict.REJECTED:
            self._doubt(pictures)

    def _answer(self, pictures: list[Picture]) -> tuple[Answer, Answer]:
        """As the model gave it, and as this rule's reviews would have it."""
        prompt = verdict_prompt(self._request, pictures, self._context)
        self._prompt_version = prompt.version
        raw = self._ask(lambda: self._model.verdict(prompt))
        return raw, calibrate(raw, self._request.context.reviewed, self._who_gave(raw), prompt.version)

    def _who_gave(self, answer: Answer) -> str:
        """Of a ladder, the model that judged: reviews of one say nothing of the other."""
        return answer.model_id or self._model.model_id

    def _doubt(self, pictures: list[Picture]) -> None:
        """Ask a rejection again where words in the scene may have driven it."""
        covered = asks_again(pictures)
        if covered is None:
            return
        try:
            again, _ = decide(self._answer(covered)[1], self._settings)
        except SightlineError as error:
            log.warning("a rejection could not be asked for again", error=str(error))
            settled = settle(Verdict.REJECTED, None)
        else:
            settled = settle(Verdict.REJECTED, again)
        self._safety = settled.note
        if settled.verdict is not Verdict.REJECTED:
            self._conclude(settled.verdict, settled.note)

    def _explain(self, pictures: list[Picture]) -> None:
        """Add the report. A server that fails now costs the report only; an answer that does not hold, twice,
        puts the verdict itself in doubt."""
        prompt = report_prompt(self._request, pictures, self._context)
        schema = report_schema(len(pictures))
        said, problem = self._reason, ""
        for _ in range(REPORT_TRIES):
            try:
                self._raw = self._ask(lambda: self._model.report(prompt, schema))
            except SightlineError as error:
                return self._conclude(Verdict.CONFIRMED, f"{said}; no report: {error}")
            try:
                report = parse_report(self._raw, len(pictures))
            except InvalidMessage as error:
                problem = str(error)
            else:
                return self._ground(report, pictures)
        return self._conclude(Verdict.UNVERIFIED, f"{said}, but its report does not hold: {problem}")

    def _ground(self, report: Report, pictures: list[Picture]) -> None:
        """Keep what the evidence bears out; without the thing the rule is about, nothing is confirmed."""
        report, withheld = without_protected(report)
        looks = self._settings.second_looks
        look = self._look if looks else None
        supported, grounding = check(report, self._request, pictures, look, max_looks=looks)
        self._grounding = with_withheld(grounding, withheld)
        lost = lost_subject(report, supported, self._request)
        if lost:
            said = f"{self._reason}, but nothing bears out what it reports"
            return self._conclude(Verdict.UNVERIFIED, f"{said}: {lost}")
        self._report = supported
        return self._conclude(Verdict.CONFIRMED, supported.explanation or self._reason)

    def _look(self, jpeg: bytes, name: str) -> bool | None:
        """Whether the model sees `name` in a crop; None when it cannot tell or does not answer."""
        prompt = look_prompt(name, jpeg)
        try:
            answer = self._ask(lambda: self._model.verdict(prompt))
        except SightlineError as error:
            log.warning("a second look was not answered", error=str(error))
            return None
        return answer.yes >= _MAJORITY if max(answer.yes, answer.no) >= _MAJORITY else None

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

    def _degraded(self) -> str:
        behind = f"{', '.join(self._cheaper)}: {_BEHIND}" if self._cheaper else ""
        return "; ".join(each for each in (behind, self._note) if each)

    def _conclude(self, verdict: Verdict, reason: str) -> None:
        self._verdict, self._reason = verdict, reason

    def _assessment(self, usage: Usage) -> Assessment:
        unreadable = f" ({self._num_unreadable} pictures could not be read)" if self._num_unreadable else ""
        return Assessment(
            candidate_id=self._request.candidate.id,
            verdict=self._verdict,
            probability=self._probability,
            reason=printable(self._reason)[:MAX_REASON_CHARACTERS] + unreadable,
            report=self._report,
            model_id=self._model_id,
            prompt_version=self._prompt_version,
            started_at=self._started_at,
            finished_at=self._clock.now(),
            frames_sent=self._frames_sent,
            attempts=self._attempts,
            raw_answer=printable(self._raw)[:MAX_RAW_CHARACTERS],
            raw_probability=self._raw_probability,
            grounding=self._grounding,
            usage=usage,
            degraded=self._degraded(),
            safety=self._safety,
            context_version=self._context_version,
        )


def _bounded(probability: float) -> float:
    return min(max(probability, 0.0), 1.0)
