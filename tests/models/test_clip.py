"""The clip model on tiny untrained weights: any clip has an answer of the right form."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.candidate import Fact
from pipeline.contracts.values import Box
from pipeline.errors import ConfigError
from pipeline.models.clip import CANNOT_TELL, MAX_FRAMES, MAX_REGIONS, Clip, ClipFact, ClipFrame, ClipRegion, bounded
from pipeline.models.facts import FACT_KINDS, clip_facts, fact_numbers
from pipeline.models.rule_numbers import asked_seconds
from pipeline.reasoning.schema import parse_report

pytestmark = pytest.mark.models
clips = pytest.importorskip("tests.support.clips")

STRANGE = {
    "one frame": clips.clip(1),
    "no frame": clips.clip(0),
    "60 frames": clips.clip(60),
    "grey frames": Clip(tuple(ClipFrame(clips.picture(seed=n)[:, :, 0], float(n)) for n in range(4)), "a fall"),
    "one pixel": Clip((ClipFrame(np.full((1, 1, 3), 7, np.uint8), 0.0),), "a fall"),
    "a tall picture": Clip((ClipFrame(clips.picture(7, 1300), 0.0),), "a fall"),
    "sizes that differ": Clip(tuple(ClipFrame(clips.picture(40 + n, 64), float(n)) for n in range(4)), "a fall"),
    "black": Clip((ClipFrame(np.zeros((48, 64, 3), np.uint8), 0.0),), "a fall"),
    "unknown words": clips.clip(rule="xqzt ۞ 𓀀 \ud800 " * 40),
    "no words": clips.clip(rule="  "),
    "an unknown language": clips.clip(rule="누가 울타리를 넘는다", language="tlh"),
    "a zone outside": clips.clip(zone=((2.0, 2.0), (3.0, 2.0), (3.0, 3.0)), zone_name="far"),
    "a zone without an area": clips.clip(zone=((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)), zone_name="dot"),
    "boxes outside": Clip(
        (ClipFrame(clips.picture(), 0.0, (ClipRegion(Box(900, 900, 950, 950), "person"),)),), "a fall"
    ),
    "boxes that are none": Clip(
        (ClipFrame(clips.picture(), 0.0, (ClipRegion(Box(float("nan"), 0, 9, 9), "cow", 1),)),), "a fall"
    ),
    "times that run back": Clip(tuple(ClipFrame(clips.picture(), -float(n)) for n in range(3)), "a fall"),
    "100 facts": clips.clip(facts=(ClipFact("stays", float("inf"), -1.0, "s", 99),) * 100),
}


@pytest.mark.parametrize("name", STRANGE)
def test_every_clip_has_a_verdict(name: str) -> None:
    """Probabilities that add up to one, whatever comes in."""
    verdict = clips.tiny_model().verdict(STRANGE[name])
    assert verdict.yes + verdict.no + verdict.cannot_tell == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["no frame", "one pixel", "black", "no words"])
def test_where_there_is_nothing_to_judge_by_it_cannot_tell(name: str) -> None:
    """No picture, no content, no rule: low confidence in either answer."""
    assert clips.tiny_model().verdict(STRANGE[name]).cannot_tell >= 0.9


def test_what_is_not_understood_cannot_be_told() -> None:
    """Whatever the pictures show."""
    model, plain = clips.tiny_model(), clips.clip()
    unknown = next(
        rule for rule in (f"word {number}" for number in range(500)) if not model.reader.meaning(rule).is_understood
    )
    assert model.verdict(replace(plain, rule=unknown)) == CANNOT_TELL


@pytest.mark.parametrize("name", ["one frame", "60 frames", "sizes that differ", "boxes that are none", "100 facts"])
def test_every_clip_has_a_report(name: str) -> None:
    """It cites frames of the clip by their numbers, and fits the contract."""
    clip = STRANGE[name]
    body = clips.tiny_model().report(clip)
    assert parse_report(json.dumps(body), len(clip.frames)).frames


def test_the_same_clip_has_the_same_answer() -> None:
    """Nothing is drawn at random."""
    model = clips.tiny_model()
    assert model.verdict(clips.clip()) == model.verdict(clips.clip())
    assert model.report(clips.clip()) == model.report(clips.clip())


def test_the_rule_the_zone_and_the_facts_are_heard() -> None:
    """Another rule, zone or fact gives another verdict on the same pictures."""
    model, plain = clips.tiny_model(), clips.clip()
    zone: Any = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    others = [
        replace(plain, rule="a car is parked"),
        replace(plain, zone=zone),
        replace(plain, facts=(ClipFact("stays", 30.0, 10.0, "s", 7),)),
    ]
    answers = {model.verdict(clip).yes for clip in [plain, *others]}
    assert len(answers) == 4


def test_a_long_clip_is_cut_to_its_bounds() -> None:
    """At most eight frames, first and last among them; of each frame what is tracked, then what is large."""
    crowd = tuple(ClipRegion(Box(n, 0, n + 10 + n, 40), "person", n if n in (0, 3) else None) for n in range(9))
    clip = Clip(tuple(ClipFrame(clips.picture(), float(n), crowd) for n in range(60)), "a crowd")
    kept = bounded(clip)
    assert [len(kept.frames), kept.frames[0].seconds, kept.frames[-1].seconds] == [MAX_FRAMES, 0.0, 59.0]
    assert [region.track_id for region in kept.frames[0].regions] == [3, 0, None, None][:MAX_REGIONS]
    assert kept.frames[0].num_things == 9


def test_facts_are_read_as_the_tracker_writes_them() -> None:
    """A stay has its limit, a passage how long ago it was, a note what it says."""
    now = clips.START
    told = [
        Fact(
            kind="inside",
            text="person 7 stayed in yard for 21 s (limit 15 s)",
            at=now,
            value=21,
            threshold=15,
            unit="s",
        ),
        Fact(kind="crosses", text="car 2 crossed kerb from left to right", at=now, direction="left_to_right"),
    ]
    notes = [
        Fact(kind="note", text="person 7 appeared at the left", at=now),
        Fact(kind="note", text="person 7 stood at the lower centre for 1 min 05 s", at=now),
        Fact(kind="note", text="person 7 entered yard", at=now + timedelta(seconds=3)),
    ]
    read = clip_facts(told, notes, now + timedelta(seconds=10))
    assert [(fact.kind, fact.value, fact.place) for fact in read] == [
        ("stays", 21.0, "yard"), ("left_to_right", 10.0, "kerb"), ("entered_zone", 7.0, "yard"),
        ("stood", 65.0, ""), ("appeared", 10.0, ""),
    ]  # fmt: skip


def test_numbers_of_facts_stay_within_their_bounds() -> None:
    """Whatever is measured."""
    for value in (None, 0.0, 1e9, float("nan"), float("-inf")):
        for kind in (*FACT_KINDS, "new"):
            numbers = fact_numbers(ClipFact(kind, value, value), "yard")
            assert all(np.isfinite(numbers))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("for longer than 20 s", 20.0),
        ("more than three people", 0.0),
        ("at least twelve seconds", 12.0),
        ("2 or more bags for half a minute", 30.0),
        ("3 people for a minute", 60.0),
        ("waits a minute and a half", 90.0),
        ("forty-five seconds", 45.0),
        ("twenty five minutes", 1500.0),
        ("a hundred seconds", 100.0),
        ("seventy seconds", 70.0),
        ("two and a half minutes", 150.0),
        ("an hour and a half", 5400.0),
        ("1,000 seconds", 1000.0),
        ("1.2345 s", 1.2345),
        ("12+ seconds", 12.0),
        ("12 consecutive seconds", 12.0),
        ("停留超过30s就报警", 30.0),
        ("逗留5min报警", 300.0),
        ("一百二十秒", 120.0),
        ("三〇秒", 30.0),
        ("一个半小时", 5400.0),
        ("两分半钟", 150.0),
        ("FİVE MINUTES", 0.0),
        ("ſix minutes", 360.0),
        ("gate 3, 20 s", 20.0),
        ("one hundred and twenty seconds", 120.0),
        ("two hundred seconds", 200.0),
        ("1 minute 30 seconds", 90.0),
        ("2 min 30 s", 150.0),
        ("1分30秒", 90.0),
        ("一分三十秒", 90.0),
        ("一千秒", 1000.0),
        ("一" * 5000 + "秒", 0.0),
        ("百" * 1500 + "秒", 0.0),
        ("9" * 400 + " s", 0.0),
        ("\ud800 5 s", 5.0),
        ("stays half an hour", 1800.0),
        ("parked for 1.5 hours", 5400.0),
        ("超过十五秒", 15.0),
        ("两个人停留二十五秒", 25.0),
        ("两个人停留半小时", 1800.0),
        ("2 min", 120.0),
        ("a person falls", 0.0),
    ],
)
def test_a_duration_is_found_in_a_rules_words(text: str, seconds: float) -> None:
    """Digits and words, English and Chinese, in seconds."""
    assert asked_seconds(text) == seconds


def test_weights_of_another_trunk_are_refused(tmp_path: Path) -> None:
    """A clip model reads features of the trunk it was trained over, and says so."""
    from pipeline.models.clip_model import load_clip_model
    from pipeline.models.weights import CLIP, write_weights

    clips.tiny_weights(tmp_path)
    write_weights(tmp_path, CLIP, {}, {"vision": "another", "size": "tiny"})
    with pytest.raises(ConfigError, match="trained over another"):
        load_clip_model(folder=tmp_path)
