"""The built-in model as a vision-language model, on tiny untrained weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import ImagePart, Prompt, TextPart, Verdict
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.reasoning.model import load_model
from pipeline.reasoning.pictures import prepare
from pipeline.reasoning.prompt import look_prompt, report_prompt, verdict_prompt
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.schema import parse_report, report_schema
from pipeline.reasoning.vlm_builtin import NAME, NOT_UNDERSTOOD, BuiltinVlm, clip_of
from pipeline.settings import ReasoningSettings

pytestmark = pytest.mark.models
clips = pytest.importorskip("tests.support.clips")


@pytest.fixture
def model() -> BuiltinVlm:
    """Over tiny weights."""
    return BuiltinVlm(clips.tiny_model())


def prompts(num_frames: int = 3) -> tuple[Prompt, Prompt]:
    """Of the verdict and of the report."""
    request = clips.asked(num_frames)
    pictures = prepare(request.frames, None, 768)
    return verdict_prompt(request, pictures), report_prompt(request, pictures)


def test_a_prompt_carries_the_request_it_was_made_from() -> None:
    """Its frames are those that are shown, in their order."""
    request = clips.asked(3)
    pictures = prepare(request.frames, None, 768)[1:]
    made = verdict_prompt(request, pictures).request
    assert made is not None
    assert made.frames == request.frames[1:]


def test_the_request_becomes_a_clip() -> None:
    """Rule, zone, boxes, times and what the tracker noted."""
    clip = clip_of(clips.asked(3))
    assert (clip.rule, clip.zone_name) == ("a person climbs the fence", "fence")
    assert [frame.seconds for frame in clip.frames] == [0.0, 4.0, 8.0]
    assert clip.frames[0].regions[0].track_id == 7
    assert [(fact.kind, fact.value) for fact in clip.facts] == [("entered_zone", 6.0)]


def test_a_verdict_says_how_the_rule_was_read(model: BuiltinVlm) -> None:
    """A rule that the model does not know is told from one that it judges."""
    answer = model.verdict(prompts()[0])
    read = model.reads("a person climbs the fence")
    assert f"read the rule as: {read}" in answer.text
    assert answer.note == ("" if read.is_understood else NOT_UNDERSTOOD)


def test_a_verdict_is_of_three_probabilities(model: BuiltinVlm) -> None:
    """They add up to one, and the text says whose it is."""
    answer = model.verdict(prompts()[0])
    assert answer.yes + answer.no + answer.cannot_tell == pytest.approx(1.0, abs=1e-5)
    assert "built-in" in answer.text


def test_a_report_follows_the_schema(model: BuiltinVlm) -> None:
    """To the letter, and the contract takes it."""
    text = model.report(prompts()[1], report_schema(3))
    jsonschema.Draft202012Validator(report_schema(3)).validate(json.loads(text))
    assert parse_report(text, 3).frames


def test_a_track_rule_is_asked_in_words(model: BuiltinVlm) -> None:
    """A rule without `when:` or `ask:` is asked as the prompt words it."""
    rule = Rule.model_validate({"id": "gate", "track": {"object": "person", "inside": "fence", "longer_than": "20s"}})
    request = clips.asked(2, rule=rule)
    assert clip_of(request).rule == "person is inside fence for longer than 20 s"
    assert model.verdict(verdict_prompt(request, prepare(request.frames, None, 768))).text


def test_without_a_request_it_cannot_tell(model: BuiltinVlm) -> None:
    """A prompt about something else has a defined answer, and no report."""
    other = Prompt("Describe the place.", (TextPart("What is it?"),), "1")
    assert model.verdict(other).cannot_tell >= 0.9
    with pytest.raises(InvalidMessage, match="alarms"):
        model.report(other, {})


def test_a_second_look_is_answered_by_the_region_classifier(model: BuiltinVlm) -> None:
    """Of a known kind of thing there is a probability; of any other it cannot tell."""
    jpeg = clips.frame(0).jpeg
    known = model.verdict(look_prompt("man in a red coat", jpeg))
    assert known.yes + known.no + known.cannot_tell == pytest.approx(1.0, abs=1e-5)
    assert known.cannot_tell < 0.5
    assert model.verdict(look_prompt("fire extinguisher", jpeg)).cannot_tell >= 0.9
    assert model.verdict(replace(look_prompt("man", jpeg), parts=())).cannot_tell >= 0.9


def test_pictures_that_cannot_be_read_are_black(model: BuiltinVlm) -> None:
    """A verdict is given all the same: it cannot tell."""
    request = clips.asked(2)
    broken = replace(request, frames=tuple(replace(each, jpeg=b"garbage") for each in request.frames))
    prompt = Prompt("", (ImagePart(b"garbage"),), "1", request=broken)
    assert model.verdict(prompt).cannot_tell >= 0.9
    assert parse_report(model.report(prompt, {}), 2).frames


def test_the_reasoner_takes_it_as_any_other_model(model: BuiltinVlm) -> None:
    """A candidate becomes an assessment with its name."""
    reasoner = VlmReasoner(model, ReasoningSettings(), ManualClock(clips.START))
    assessment = reasoner.assess(clips.asked(3))
    assert assessment.model_id == f"{NAME}@test"
    assert assessment.verdict in Verdict
    assert assessment.raw_answer


def test_a_site_names_it_builtin(tmp_path: Path) -> None:
    """`vlm: builtin` loads nothing before it is warmed up, and then says what is missing."""
    assert isinstance(load_model("builtin", ReasoningSettings(), api_key=None), BuiltinVlm)
    with pytest.raises(ConfigError, match="no weights"):
        BuiltinVlm(folder=tmp_path).warm_up()


def test_it_may_be_closed_twice(model: BuiltinVlm) -> None:
    """And is loaded again when it is asked again."""
    model.close()
    model.close()
    assert model.model_id == NAME
