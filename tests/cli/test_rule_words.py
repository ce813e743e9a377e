"""The small language of `watch --rule`."""

from __future__ import annotations

import pytest

from pipeline.cli.rule_words import FORMS, read_rule, read_rules, rule_in_words
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError

READ = [
    ("person enters door", {"track": {"object": ["person"], "enters": "door"}}),
    ("a person enters the door", {"track": {"object": ["person"], "enters": "door"}}),
    ("Cars leave Yard-2", {"track": {"object": ["car"], "leaves": "Yard-2"}}),
    ("anything inside yard", {"track": {"object": ["any"], "inside": "yard"}}),
    ("person inside yard longer than 45s", {"track": {"object": ["person"], "inside": "yard", "longer_than": 45.0}}),
    ("person inside yard for 2 minutes", {"track": {"object": ["person"], "inside": "yard", "longer_than": 120.0}}),
    ("person crosses kerb", {"track": {"object": ["person"], "crosses": "kerb"}}),
    (
        "person crosses kerb right to left",
        {"track": {"object": ["person"], "crosses": "kerb", "direction": "right_to_left"}},
    ),
    ("more than 3 people", {"track": {"object": ["person"], "count_above": 3}}),
    ("more than 0 buses inside yard", {"track": {"object": ["bus"], "count_above": 0}, "zone": "yard"}),
    ("backpack or suitcase left behind 30s", {"track": {"object": ["backpack", "suitcase"], "left_behind": 30.0}}),
    ("traffic light left behind for 1 minute", {"track": {"object": ["traffic light"], "left_behind": 60.0}}),
    ("person faster than 1.8", {"track": {"object": ["person"], "faster_than": 1.8}}),
    ("car, truck or bus faster than 2", {"track": {"object": ["car", "truck", "bus"], "faster_than": 2.0}}),
    ("person or anything enters door", {"track": {"object": ["any"], "enters": "door"}}),
    ("motion", {"track": {"object": ["any"], "count_above": 0}}),
    ("motion inside the yard", {"track": {"object": ["any"], "inside": "yard"}}),
    ('"a person enters door"', {"when": "a person enters door"}),
    ("'a person lies down' inside hall", {"when": "a person lies down", "zone": "hall"}),
]


@pytest.mark.parametrize(("text", "rule"), READ, ids=[text for text, _ in READ])
def test_reads_each_form(text: str, rule: dict[str, object]) -> None:
    """A sentence of the language becomes the rule a site file would hold, which the contract accepts."""
    assert read_rule(text) == rule
    Rule.model_validate({"id": "r", **rule})


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.example)
def test_every_example_of_the_help_is_read(form: object) -> None:
    """What the help shows works."""
    assert read_rule(form.example)  # type: ignore[attr-defined]


WRONG = [
    ("person entres door", "'person enters door'"),
    ("motion insde yard", "'motion inside yard'"),
    ("person crosses", "person crosses kerb left to right"),
    ("somebody climbs the fence", "--rule '\"somebody climbs the fence\"'"),
    ("person inside yard longer than soon", "a duration such as 45s"),
    ('"no closing quote', "not one of the forms"),
    ("", "not one of the forms"),
]


@pytest.mark.parametrize(("text", "hint"), WRONG, ids=[text or "empty" for text, _ in WRONG])
def test_an_unreadable_rule_names_the_way_out(text: str, hint: str) -> None:
    """What is no rule is refused with the nearest form, or with how to hand words to the models."""
    with pytest.raises(ConfigError) as refused:
        read_rule(text)
    assert hint in str(refused.value)


SAID = [
    ({"when": "a person lies down", "zone": "hall"}, "“a person lies down” inside hall"),
    ({"when": "a fall", "object": ["person", "dog"]}, "person or dog: “a fall”"),
    ({"unusual": True}, "anything unusual"),
    ({"unusual": True, "zone": "yard"}, "anything unusual inside yard"),
    ({"examples": ["/site/fall-1.jpg", "s3://shelf/fall-2.jpg"]}, "like fall-1.jpg, fall-2.jpg"),
    (
        {"examples": {"positive": ["a/fall-1.jpg"], "negative": ["a/sit.jpg"]}, "object": "person", "zone": "hall"},
        "person: like fall-1.jpg (not like sit.jpg) inside hall",
    ),
    ({"when": "a fall", "examples": "fall-1.jpg"}, "“a fall”, like fall-1.jpg"),
    ({"examples": ["1.jpg"], "object": "any"}, "anything: like 1.jpg"),
    ({"examples": [f"{n}.jpg" for n in range(8)]}, "like 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 3 more"),
    ({"track": {"object": ["person"], "enters": "door"}}, "person enters door"),
    ({"health": "any"}, "any trouble with the camera"),
]


@pytest.mark.parametrize(("rule", "words"), SAID, ids=[words for _, words in SAID])
def test_a_rule_of_any_kind_in_words(rule: dict[str, object], words: str) -> None:
    """What a rule is about can be said in a line, whether by words, pictures, tracks or what is usual."""
    assert rule_in_words(Rule.model_validate({"id": "r", **rule})) == words


def test_ids_are_made_from_the_words_and_differ() -> None:
    """Each rule gets a readable id of its own, valid in a site file, however long its words."""
    rules = read_rules(["person enters door", "person enters door", '"' + "very long words " * 20 + '"'])
    ids = [rule["id"] for rule in rules]
    assert ids[:2] == ["person-enters-door", "person-enters-door-2"]
    assert len(set(ids)) == 3
    assert all(Rule.model_validate(rule) for rule in rules)
