"""Remarks about the words of rules."""

from __future__ import annotations

import re

import pytest
import yaml

from pipeline.contracts.rule import Rule
from pipeline.events.captions import shipped_captions
from pipeline.events.wording import remarks
from tests.support.events import TinyEncoder, rule
from tests.support.words import BagOfWords

BAG = BagOfWords()

UNSCORABLE = [
    ("nobody wears a helmet", "does not read negations", "bare head"),
    ("a worker without a helmet", "does not read negations", "what is seen instead"),
    ("more than 3 people at the till", "cannot count", "track: {object: person, count_above: 3}"),
    ("at least five cars in the yard", "cannot count", "track: {object: car, count_above: 4}"),
    ("a man stands at the door for longer than 5 minutes", "how long", "inside: ZONE, longer_than: 5m}"),
    ("a car is parked for 90 seconds", "how long", "{object: car, inside: ZONE, longer_than: 90s}"),
    ("people walk from left to right", "which way", "crosses: LINE, direction: left_to_right}"),
    ("a car crosses the white line", "which way", "{object: car, crosses: LINE"),
    ("an unattended suitcase", "somebody went away", "left_behind: 30s}"),
    ("a truck drives too fast", "speed", "{object: truck, faster_than: 1.8}"),
    ("suspicious behaviour at the door", "what somebody thinks", "unusual: true"),
    ("a man intends to steal a bike", "intention", "when: a person cuts a bicycle lock"),
    ("somebody screams in the hall", "no ears", "what is seen"),
    ("an unauthorised person in the lab", "knows nobody", "enters: ZONE"),
    ("Mr Smith enters the hall", "knows nobody", "schedule:"),
    ("a man climbs the fence or a car enters", "their mixture", "when: a man climbs the fence, and another with"),
    ("a person walks in the yard at night", "the clock", 'schedule: "22:00-06:00"'),
    ("a person", "there all day", "track: {object: person, inside: ZONE}"),
    ("Cars", "there all day", "track: {object: car, inside: ZONE}"),
    ("fire", "single word", "who does what and where"),
    ("person " * 60, "60 words", "ask:"),
    ("有人翻越围栏", "script", "in English"),
    ("человек лезет через забор", "script", "SigLIP 2"),
]


@pytest.mark.parametrize(("words", "problem", "suggestion"), UNSCORABLE, ids=[words[:40] for words, _, _ in UNSCORABLE])
def test_words_that_an_encoder_cannot_score(words: str, problem: str, suggestion: str) -> None:
    """Each kind is named, with what to write instead."""
    (remark,) = remarks(rule(when=words))
    assert problem in remark.problem
    assert suggestion in remark.suggestion


GOOD = [
    "a person climbs over the fence",
    "two men punch each other in the car park",
    "a person lies on the floor of the corridor",
    "smoke rising from a machine",
    "a person hides behind a parked car",
    "workers loading and unloading a van",
    "a child leans over the balcony railing",
    "a truck drives over the kerb",
]


@pytest.mark.parametrize("words", [*GOOD, *(c.text for c in shipped_captions()[::40] if "at night" not in c.text)])
def test_plain_words_have_no_remarks(words: str) -> None:
    """Who does what, and where: nothing is to be said of that."""
    assert remarks(rule(when=words)) == ()


def test_a_suggestion_takes_the_rules_own_zone_and_object() -> None:
    """What can be pasted already has the right names, and the site file takes it."""
    (remark,) = remarks(rule(when="it stands there for 2 minutes", zone="gate", object=["car", "truck"]))
    pasted = re.search(r"track: (\{.*?\})", remark.suggestion)
    assert pasted is not None
    track = Rule.model_validate({"id": "r", "track": yaml.safe_load(pasted[1])}).track
    assert track is not None
    assert (track.object, track.inside, track.longer_than) == (("car", "truck"), "gate", 120.0)


def test_an_encoder_of_many_languages_reads_other_scripts() -> None:
    """SigLIP 2 was trained on them."""
    assert remarks(rule(when="有人翻越围栏"), model_id="google/siglip2-base-patch16-224") == ()


@pytest.mark.parametrize("body", [{"track": {"inside": "a"}}, {"unusual": True}, {"examples": "a.jpg"}])
def test_rules_without_words_have_no_remarks(body: dict[str, object]) -> None:
    """There is nothing to read."""
    assert remarks(rule(**body), encoder=BAG) == ()


def test_words_that_mean_an_ordinary_scene() -> None:
    """With an encoder, a rule for what is seen every day is told with the scene it cannot be told from."""
    (remark,) = remarks(rule(when="a person is walking a dog on a lead"), encoder=BAG)
    assert "cannot tell it from “a person walking a dog on a lead”" in remark.problem
    assert remarks(rule(when="a person climbs over the fence"), encoder=BAG) == ()


def test_two_rules_that_say_the_same() -> None:
    """With an encoder, rules for the same cameras and zone with nearly the same words are told."""
    climb = rule(when="a person climbs over the fence")
    twin = Rule(id="twin", when="persons climbing over the fences")
    (remark,) = remarks(climb, encoder=BAG, others=[climb, twin])
    assert "rule twin" in remark.problem
    for other in ({"zone": "gate"}, {"enabled": False}, {"when": "a car on the lawn"}):
        assert remarks(climb, encoder=BAG, others=[twin.model_copy(update=other)]) == ()


def test_other_cameras_make_other_rules() -> None:
    """The same words for other cameras are no repetition."""
    one = rule(when="a person climbs over the fence", cameras=["a"])
    other = Rule(id="other", when="a person climbs over the fence", cameras=("b",))
    assert remarks(one, encoder=BAG, others=[other]) == ()


def test_an_encoder_without_words_adds_nothing() -> None:
    """A rule is still read without one."""
    assert len(remarks(rule(when="nobody is there"), encoder=TinyEncoder("x", supports_text=False))) == 1


@pytest.mark.parametrize("words", ["{} {x} {0!r}", "more than " + "9" * 5000, "a " * 9000, "\"': {}[]&*!|>%@`"])
def test_odd_words_are_no_trouble(words: str) -> None:
    """Braces, endless numbers and walls of text are read like any other."""
    assert isinstance(remarks(rule(when=words)), tuple)
