"""The meter: what an assessment took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Answer, Prompt
from pipeline.errors import TransientError
from pipeline.reasoning.meter import TOKENS_PER_PICTURE, MeteredModel, metering, note_tokens
from pipeline.reasoning.vlm_openai import tokens_used
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import GOOD_REPORT, ScriptedModel, prompt

YES = Answer(0.9, 0.05, 0.05, "yes")
PRICED = ReasoningSettings(price_input=2.0, price_output=10.0)


class Counting(ScriptedModel):
    """Takes two seconds, reads 1000 tokens and writes 10, in two requests."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__([YES])
        self._clock = clock

    def verdict(self, prompt: Prompt) -> Answer:
        self._clock.advance(2.0)
        note_tokens(600, 5)
        note_tokens(400, 5)
        return super().verdict(prompt)


def test_counted_tokens_make_the_cost() -> None:
    """Requests, seconds and tokens as the backend has them, at the prices of the settings."""
    clock = ManualClock()
    with metering() as meter:
        MeteredModel(Counting(clock), clock).verdict(prompt(num_pictures=3))
    usage = meter.usage(PRICED)
    assert (usage.calls, usage.pictures, usage.seconds) == (2, 3, 2.0)
    assert (usage.input_tokens, usage.output_tokens, usage.is_estimated) == (1000, 10, False)
    assert usage.cost == pytest.approx(0.0021)
    assert meter.usage(ReasoningSettings()).cost is None


def test_what_nobody_counts_is_estimated_by_size() -> None:
    """Pictures by their patches, words by their bytes."""
    with metering() as meter:
        MeteredModel(ScriptedModel([YES]), ManualClock()).report(prompt(num_pictures=2), {})
    usage = meter.usage(PRICED)
    assert usage.is_estimated
    assert 2 * TOKENS_PER_PICTURE < usage.input_tokens < 2 * TOKENS_PER_PICTURE + 100
    assert usage.output_tokens == -(-len(json.dumps(GOOD_REPORT)) // 4)


def test_a_call_that_fails_counts_and_meters_nest() -> None:
    """A try costs what it read; an outer meter has what the inner has."""
    model = MeteredModel(ScriptedModel([TransientError("down")]), ManualClock())
    with metering() as outer:
        with metering() as inner, pytest.raises(TransientError):
            model.verdict(prompt())
        assert outer.calls == inner.calls
    assert (outer.usage(PRICED).calls, outer.usage(PRICED).output_tokens) == (1, 0)


def test_outside_of_a_call_a_note_is_nobodys() -> None:
    """A backend may be used without a meter."""
    with metering() as meter:
        note_tokens(5, 5)
    assert not meter.calls


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 1}}, (9, 1)),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": "x"}}, (None, None)),
        ({"usage": None}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_servers_counts_are_taken_only_when_they_are_counts(body: Mapping[str, Any], tokens: object) -> None:
    """What makes no sense is estimated instead."""
    assert tokens_used(body) == tokens
