"""Which of two models is asked, and what holds when the stronger one is away."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog
from pydantic import ValidationError

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Answer, ImagePart
from pipeline.contracts.values import Severity
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, TransientError
from pipeline.reasoning.ladder import Ladder
from pipeline.reasoning.model import load_judge
from pipeline.settings import ReasoningSettings
from pipeline.site import Models
from tests.support.reasoning import ScriptedModel, jpeg, prompt

SETTINGS = ReasoningSettings(confirm_above=0.6, reject_below=0.4, escalate_margin=0.15, breaker_after=2)
STRONG = Answer(0.99, 0.01, 0.0, "strong", model_id="scripted")


def _answer(yes: float, cannot_tell: float = 0.0) -> Answer:
    return Answer(yes, 1 - yes - cannot_tell, cannot_tell, "small", model_id="scripted")


def _ladder(small: ScriptedModel, strong: ScriptedModel, clock: ManualClock | None = None) -> Ladder:
    return Ladder(small, strong, SETTINGS, clock or ManualClock())


@pytest.mark.parametrize(
    ("yes", "severity", "asks_strong"),
    [
        (0.95, Severity.MEDIUM, False),
        (0.05, Severity.LOW, False),
        (0.5, Severity.LOW, True),
        (0.41, Severity.MEDIUM, True),
        (0.65, Severity.MEDIUM, False),
        (0.65, Severity.HIGH, True),
        (0.3, Severity.HIGH, True),
        (0.2, Severity.HIGH, False),
    ],
)
def test_the_unsure_and_the_grave_go_up(yes: float, severity: Severity, asks_strong: bool) -> None:
    """Inside the abstain band, wider at severity high, the stronger model's answer is the answer."""
    small, strong = ScriptedModel([_answer(yes)]), ScriptedModel([STRONG])
    answer = _ladder(small, strong).verdict(replace(prompt(), severity=severity))
    assert answer == (STRONG if asks_strong else _answer(yes))
    assert strong.calls == (["verdict"] if asks_strong else [])


def test_critical_goes_straight_up() -> None:
    """Nobody waits for the small model's opinion first."""
    small, strong = ScriptedModel([_answer(0.01)]), ScriptedModel([STRONG])
    assert _ladder(small, strong).verdict(replace(prompt(), severity=Severity.CRITICAL)) == STRONG
    assert small.calls == []


def test_cannot_tell_goes_up() -> None:
    """A small P(yes) is no certainty where `cannot` has most of the rest."""
    small, strong = ScriptedModel([_answer(0.05, cannot_tell=0.9)]), ScriptedModel([STRONG])
    assert _ladder(small, strong).verdict(prompt()) == STRONG


@pytest.mark.parametrize("error", [TransientError("refused"), Overloaded("429"), InvalidMessage("too long")])
@pytest.mark.parametrize("severity", [Severity.MEDIUM, Severity.CRITICAL])
def test_a_strong_model_that_is_away_costs_its_opinion_only(error: Exception, severity: Severity) -> None:
    """The small one's answer stands and says so; it writes the report too."""
    small, strong = ScriptedModel([_answer(0.5)], ["small's"]), ScriptedModel([error], ["strong's"])
    ladder, wanted = _ladder(small, strong), replace(prompt(), severity=severity)
    answer = ladder.verdict(wanted)
    assert (answer.yes, answer.text) == (0.5, "small")
    assert str(error) in answer.note
    assert ladder.report(wanted, {}) == "small's"


@pytest.mark.parametrize(
    ("yes", "strong", "who"),
    [(0.95, STRONG, "small"), (0.5, STRONG, "large"), (0.5, TransientError("gone"), "small")],
    ids=["sure", "unsure", "the stronger one away"],
)
def test_an_answer_says_whose_it_is(yes: float, strong: Answer | Exception, who: str) -> None:
    """The name of the model whose probabilities they are."""
    small_model, strong_model = ScriptedModel([_answer(yes)]), ScriptedModel([strong])
    small_model.model_id, strong_model.model_id = "small", "large"
    assert _ladder(small_model, strong_model).verdict(prompt()).model_id == who


def test_a_strong_model_that_keeps_failing_is_spared() -> None:
    """Its own breaker opens; the small one is not held back by it, and it is tried again after the pause."""
    small, strong = ScriptedModel([_answer(0.5)]), ScriptedModel([TransientError("no"), TransientError("no"), STRONG])
    clock = ManualClock()
    ladder = _ladder(small, strong, clock)
    answers = [ladder.verdict(prompt()) for _ in range(4)]
    assert len(strong.calls) == 2
    assert "circuit open" in answers[-1].note
    clock.advance(SETTINGS.breaker_for)
    assert ladder.verdict(prompt()) == STRONG


def test_the_one_that_judged_writes_the_report() -> None:
    """By the pictures: the report's prompt has the verdict's pictures and another question."""
    small, strong = ScriptedModel([_answer(0.9), _answer(0.5)], ["small's"]), ScriptedModel([STRONG], ["strong's"])
    ladder, sure, unsure = _ladder(small, strong), prompt(), prompt()
    unsure = replace(unsure, parts=(*unsure.parts, ImagePart(jpeg(value=30))))
    ladder.verdict(sure)
    ladder.verdict(unsure)
    assert ladder.report(replace(unsure, parts=unsure.parts[1:]), {}) == "strong's"
    assert ladder.report(sure, {}) == "small's"


def test_a_strong_model_lost_before_its_report_is_stood_in_for() -> None:
    """The small one writes it."""
    small, strong = ScriptedModel([_answer(0.5)], ["small's"]), ScriptedModel([STRONG], [TransientError("gone")])
    ladder = _ladder(small, strong)
    ladder.verdict(prompt())
    assert ladder.report(prompt(), {}) == "small's"


def test_a_small_model_that_fails_fails() -> None:
    """What is wrong with the one that judges everything is the reasoner's to try again."""
    with pytest.raises(TransientError, match="down"):
        _ladder(ScriptedModel([TransientError("down")]), ScriptedModel([STRONG])).verdict(prompt())


def test_a_ladder_is_loaded_named_and_closed_as_one() -> None:
    """The site names both; the id says both; a strong one without a small one is refused."""
    models = Models(vlm="openai:http://near/v1#small", strong_vlm="openai:https://far/v1#large")
    judge = load_judge(models, SETTINGS)
    assert judge is not None
    assert judge.model_id == "openai:small, then openai:large"
    judge.close()
    judge.close()
    with pytest.raises(ValidationError, match="beside a vlm"):
        Models(strong_vlm="openai:https://far/v1#large")
    with pytest.raises(ConfigError, match=r"models\.strong_vlm: expected"):
        load_judge(Models(vlm="openai:http://near/v1#small", strong_vlm="ftp:x"), SETTINGS)


def test_a_strong_model_that_is_not_ready_does_not_stop_the_start() -> None:
    """A warning says so; both are warmed up, the small one first."""

    class Late(ScriptedModel):
        def warm_up(self) -> None:
            raise TransientError("not yet")

    small = ScriptedModel([STRONG])
    with structlog.testing.capture_logs() as logs:
        _ladder(small, Late([STRONG])).warm_up()
    assert small.calls == ["warm_up"]
    assert "judges alone" in logs[0]["event"]
