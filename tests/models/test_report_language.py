"""The clip model's report language: what is written can be read, and whatever is written is a report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.contracts.assessment import RelationKind
from pipeline.contracts.values import Box, Severity
from pipeline.models import report_language as language
from pipeline.models.clip import Clip, ClipFact, ClipFrame, ClipRegion, bounded
from pipeline.models.report_language import Present, ReportPlan, SeenAction, SeenElement, SeenForecast, SeenRelation
from pipeline.models.report_words import as_report
from pipeline.reasoning.schema import parse_report, report_schema
from pipeline.scenes.telling_en import TALES

PLAN = ReportPlan(
    tale="intrusion",
    severity=Severity.HIGH,
    elements=(SeenElement("person", 0, 1), SeenElement("car", 1, None)),
    relations=(
        SeenRelation(0, RelationKind.INSIDE, language.ZONE, 1),
        SeenRelation(0, RelationKind.NEXT_TO, 1, 0),
    ),
    actions=(SeenAction(0, "walk", 0, 1),),
    forecasts=(SeenForecast(1, 30), SeenForecast(0, 70)),
)
PRESENT = Present((2, 1), has_zone=True)


def a_clip(num_frames: int = 2, **fields: object) -> Clip:
    """Grey frames with two things each."""
    regions = (ClipRegion(Box(10, 10, 20, 40), "person", 7), ClipRegion(Box(30, 10, 36, 20), "dog"))
    frames = tuple(ClipFrame(np.full((48, 64, 3), 90, np.uint8), float(n), regions) for n in range(num_frames))
    return bounded(replace(Clip(frames, "somebody in the gate", zone=((0, 0), (1, 0), (1, 1))), **fields))


def written(rng: np.random.Generator, present: Present) -> list[int]:
    """Tokens drawn at random from those that can follow."""
    writer, tokens = language.Writer(present), list[int]()
    while not writer.is_done:
        allowed = writer.allowed()
        tokens.append(int(rng.choice(allowed)))
        writer.take(tokens[-1])
    return tokens


def test_a_plan_comes_back_from_its_tokens() -> None:
    """What is encoded is decoded again, and every token of it is allowed where it stands."""
    tokens = language.encode(PLAN)
    writer = language.Writer(PRESENT)
    for token in tokens:
        writer.take(token)
    assert writer.is_done
    assert language.decode(tokens) == PLAN


@pytest.mark.parametrize("spoken", ["en", "zh", "tlh"])
def test_anything_that_can_be_written_is_a_valid_report(spoken: str) -> None:
    """A thousand random decodings follow the schema to the letter and are read without a complaint."""
    rng = np.random.default_rng(1)
    jsonschema = pytest.importorskip("jsonschema")
    clip = a_clip(3, zone_name="gate", facts=(ClipFact("stays", 21.0, 15.0, "s", 7),))
    check = jsonschema.Draft202012Validator(report_schema(3))
    for _ in range(334):
        plan = language.decode(written(rng, Present((2, 2, 2), has_zone=True)))
        body = as_report(plan, clip, (1, 2, 3), spoken)
        check.validate(body)
        report = parse_report(json.dumps(body, ensure_ascii=False), 3)
        assert len(report.elements) == len(plan.elements)


def test_nothing_is_longer_than_the_decoder_can_write() -> None:
    """A writer that never ends a section of its own will still ends."""
    writer, count = language.Writer(Present((4,) * 8, has_zone=True)), 0
    while not writer.is_done:
        writer.take(writer.allowed()[-1])
        count += 1
    assert count <= language.MAX_TOKENS


def test_what_cannot_follow_is_refused() -> None:
    """A region that is not there is not taken."""
    writer = language.Writer(Present((1,), has_zone=False))
    for token in language.encode(ReportPlan())[:2]:
        writer.take(token)
    beyond = language.encode(ReportPlan(elements=(SeenElement("person", 0, 3),)))[2:4]
    writer.take(beyond[0])
    with pytest.raises(ValueError, match="cannot follow"):
        writer.take(beyond[1])


def test_a_report_points_to_what_was_seen() -> None:
    """Boxes are those of the regions, frames have the numbers given, a track keeps its number."""
    body = as_report(PLAN, a_clip(zone_name="gate"), (1, 5), "en")
    assert body["elements"][0] == {"name": "dog", "frame": 1, "box": [469, 208, 562, 417]} | {"name": "person"}
    assert body["elements"][1]["box"] is None
    assert body["frames"] == [1, 5]
    assert body["relations"][0]["object"] == "gate"
    assert body["title"] == "Somebody in gate"
    assert "goes into gate" in body["explanation"]


def test_the_thing_a_sentence_names_has_its_tracks_number() -> None:
    """`person 7` is the element, the one who acts, and the one the explanation speaks of."""
    plan = replace(PLAN, elements=(SeenElement("person", 0, 0),), relations=())
    body = as_report(plan, a_clip(zone_name="gate"), (1, 2), "en")
    assert body["elements"][0]["name"] == body["actions"][0]["who"] == "person 7"
    assert body["explanation"].startswith("Person 7 goes into gate")


def test_where_nothing_unusual_is_seen_the_actions_are_told() -> None:
    """A rule about something ordinary gets a report of what is done, not that nothing happens."""
    plan = ReportPlan(elements=(SeenElement("person", 0, 0),), actions=(SeenAction(0, "sit", 0, 1),))
    body = as_report(plan, a_clip(), (1, 2), "zh")
    assert body["title"] == "人员7坐着"


def test_reports_say_who_wrote_them() -> None:
    """In either language the reader is told that it is the built-in model."""
    assert "built-in" in as_report(PLAN, a_clip(), (1, 2), "en")["severity_reason"]
    assert "内置" in as_report(PLAN, a_clip(), (1, 2), "zh")["severity_reason"]


def test_every_tale_fits_the_contract_in_both_languages() -> None:
    """Titles and sentences keep within the report's bounds with the longest names."""
    clip = a_clip(zone_name="z" * 63)
    for tale in TALES:
        for spoken in ("en", "zh"):
            body = as_report(replace(PLAN, tale=tale, forecasts=()), clip, (1, 2), spoken)
            assert len(body["title"]) <= 120
            assert len(body["explanation"]) <= 600
            assert len(body["advice"]) <= 300
