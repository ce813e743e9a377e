"""The sentence that answers `why`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.cli.why import Question, answers, chain
from pipeline.contracts.coverage import Layer
from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.contracts.incident import IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.store.gaps import Stretch
from tests.support.cli import START, count, incident

MINUTE = timedelta(minutes=1)
LOITERING = Rule.model_validate(
    {
        "id": "loitering",
        "track": {"object": "any", "inside": "fence", "longer_than": 45},
        "schedule": "sat 22:00-06:00",
        "alert": "verified",
    }
)
ASKED = Question("yard", START, START + MINUTE, ZoneInfo("Europe/Berlin"), (), (), {"loitering": LOITERING})

LOOKED = count(Gate.SAMPLING, "motion", passed=True, rule=NO_RULE, count=50)
STILL = count(Gate.SAMPLING, "no motion", rule=NO_RULE, count=550)

NO_ALERT = [
    ("nothing recorded", [], "nothing is known of yard then; Sightline was not watching it"),
    (
        "camera offline",
        [count(Gate.CAMERA, "offline", rule=NO_RULE, detail="no route to host")],
        "the camera was not to be read: no route to host",
    ),
    ("no motion", [STILL], "nothing moved in 550 frames looked at"),
    (
        "overloaded",
        [STILL, count(Gate.PERCEPTION, "overloaded", rule=NO_RULE, count=3)],
        "overloaded and dropped 3 frames",
    ),
    (
        "mostly no motion",
        [LOOKED, STILL, count(Gate.PREDICATE, "nothing inside")],
        "nothing moved in 550 of 600 frames; in those looked at, nothing that counts was in fence",
    ),
    (
        "some frames overloaded",
        [
            LOOKED,
            count(Gate.PERCEPTION, "nothing found", rule=NO_RULE, count=10, max_value=0.1, threshold=0.5),
            count(Gate.PERCEPTION, "overloaded", rule=NO_RULE, count=30),
            count(Gate.PREDICATE, "nothing inside", count=10),
        ],
        "the machine was overloaded and dropped 30 of 40 frames; in those looked at, nothing that counts was in fence",
    ),
    (
        "never sampled while something moved",
        [STILL, count(Gate.SAMPLING, "over camera rate", rule=NO_RULE, count=30, threshold=0.1)],
        "at one frame in 10 s (active_fps 0.1) sampling looked at the camera 0 times and passed over 30 frames",
    ),
    (
        "sampled as usual",
        [
            LOOKED,
            count(Gate.SAMPLING, "over camera rate", rule=NO_RULE, count=300, threshold=2.0),
            count(Gate.PREDICATE, "nothing inside"),
        ],
        ": nothing that counts was in fence.",
    ),
    ("out of schedule", [LOOKED, count(Gate.SCHEDULE, "out of schedule")], ": the rule is off at that time"),
    (
        "met before the schedule began",
        [
            count(Gate.SCHEDULE, "out of schedule", max_value=1.0, min_value=0.0, threshold=1.0),
            count(Gate.PREDICATE, "nothing inside", count=90),
        ],
        "it was met, but the rule is off at that time, by its schedule (on sat 22:00-06:00)",
    ),
    (
        "elsewhere",
        [LOOKED, STILL, count(Gate.PREDICATE, "nothing inside", count=40), count(Gate.PREDICATE, "only elsewhere")],
        ": something that counts was seen in 1 frame, but never in fence.",
    ),
    (
        "there, but not long",
        [
            count(Gate.PREDICATE, "only elsewhere", count=40),
            count(Gate.PREDICATE, "not long enough", max_value=0.0, threshold=45.0),
        ],
        ": nothing stayed in fence longer than 0 s (needs 45 s).",
    ),
    (
        "there, but not seen coming",
        [count(Gate.PREDICATE, "only elsewhere", count=40), count(Gate.PREDICATE, "inside, not passing", count=9)],
        ": something that counts was in fence in 9 frames, but was not seen entering it.",
    ),
    ("nothing there", [LOOKED, count(Gate.PREDICATE, "nothing inside")], "nothing that counts was in fence"),
    (
        "too short",
        [
            LOOKED,
            count(Gate.PREDICATE, "nothing inside", count=40),
            count(Gate.PREDICATE, "not long enough", max_value=12.04, min_value=0.0, threshold=45.0),
        ],
        "nothing stayed in fence longer than 12 s (needs 45 s)",
    ),
    (
        "dwell",
        [LOOKED, STILL, count(Gate.DWELL, "dwell", max_value=0.25, threshold=0.5)],
        "it was met, but for 0.25 s at most (needs 0.5 s)",
    ),
    (
        "cooldown",
        [count(Gate.PREDICATE, "nothing inside"), count(Gate.COOLDOWN, "cooldown", max_value=31.5, threshold=60.0)],
        "it was met, but the last alert had gone out 31.5 s before at most (cooldown 60 s)",
    ),
    (
        "score",
        [count(Gate.THRESHOLD, "below threshold", max_value=0.4149, threshold=0.6)],
        "the score was 0.41 at most (needs 0.60)",
    ),
    (
        "unknown reason",
        [count(Gate.PREDICATE, "fell over", max_value=3.0, threshold=4.0, detail="twice")],
        "fell over, 3 at most (needs 4) (twice)",
    ),
    ("only passed", [LOOKED], "the sampling gate was passed 50 times, and nothing followed"),
]


@pytest.mark.parametrize(("counts", "reason"), [row[1:] for row in NO_ALERT], ids=[row[0] for row in NO_ALERT])
def test_says_what_the_furthest_gate_said(counts: list[DecisionCount], reason: str) -> None:
    """Without an alert, the answer is what held up whatever came closest."""
    (sentence,) = answers(replace(ASKED, counts=counts))
    assert sentence.startswith("No alert for loitering at 22:14: ")
    assert reason in sentence


def test_an_alert_is_told_with_its_facts() -> None:
    """An incident that opened then answers, whatever the gates stopped besides."""
    (sentence,) = answers(replace(ASKED, counts=[STILL], incidents=[incident(3.0), incident(40.0)]))
    assert sentence == (
        "loitering opened an incident at 22:14:03, and 1 more: "
        "moving 7 stayed in fence for 47 s (limit 45 s) (unverified)."
    )


def test_a_rejected_alert_says_what_the_model_said() -> None:
    """One that was told at once, or may have been, is named with its verdict."""
    seen = incident(3.0, status=IncidentStatus.REJECTED, reason="it is a cat")
    (sentence,) = answers(replace(ASKED, incidents=[seen], rules={}))
    assert "(rejected: it is a cat)" in sentence


def test_a_rejected_alert_of_a_rule_that_waits_for_the_model_was_none() -> None:
    """A verdict of no is the reason why nobody was bothered."""
    seen = incident(3.0, status=IncidentStatus.REJECTED, reason="it is a cat.")
    (sentence,) = answers(replace(ASKED, incidents=[seen]))
    assert sentence == (
        "No alert for loitering at 22:14: moving 7 stayed in fence for 47 s (limit 45 s) at 22:14:03, "
        "but it was rejected: it is a cat."
    )


def test_an_incident_still_open_is_why_no_second_one_came() -> None:
    """What opened before the time asked for and was open still is named as such."""
    (sentence,) = answers(replace(ASKED, incidents=[incident(-120.0)]))
    assert "had opened an incident at 22:12:03" not in sentence
    assert sentence.startswith("loitering had opened an incident at 22:12:00 already")


def test_a_rule_that_is_off_says_so() -> None:
    """`enabled: false` explains the silence."""
    off = {"loitering": LOITERING.model_copy(update={"enabled": False})}
    (sentence,) = answers(replace(ASKED, rules=off))
    assert "switched off" in sentence


def test_a_rule_that_was_on_then_is_not_said_to_have_been_off() -> None:
    """What the ledger has of that time counts, not what the site file says now."""
    off = {"loitering": LOITERING.model_copy(update={"enabled": False})}
    (sentence,) = answers(replace(ASKED, rules=off, counts=[count(Gate.PREDICATE, "nothing inside")]))
    assert sentence.endswith("nothing that counts was in fence.")


def test_a_mask_over_the_zone_is_told() -> None:
    """Where nothing can be seen, that nothing was seen is half the answer."""
    asked = replace(ASKED, counts=[count(Gate.PREDICATE, "nothing inside")], masked={"fence": 0.4, "door": 1.0})
    (sentence,) = answers(asked)
    assert sentence.endswith("was in fence; but 40% of fence lies under a privacy mask, where nothing is seen.")


@pytest.mark.parametrize(
    ("seconds", "reason", "is_all"),
    [(56, "black", True), (40, "black", False), (56, "ended", False)],
    ids=["nearly all", "partly", "after the recording"],
)
def test_blindness_is_the_answer_where_it_is_nearly_all_of_the_time(seconds: int, reason: str, is_all: bool) -> None:
    """Else it is added to what the rule said of the rest."""
    gap = Stretch(START, START + timedelta(seconds=seconds), reason, layer=Layer.PICTURES)
    (sentence,) = answers(replace(ASKED, counts=[count(Gate.PREDICATE, "nothing inside")], blind=[gap]))
    assert ("nothing that counts" not in sentence) == is_all
    assert "yard was not watched" in sentence


def test_a_rule_about_the_camera_is_not_answered_by_what_the_camera_saw() -> None:
    """That nothing moved is no reason why nothing was wrong with it."""
    rule = Rule.model_validate({"id": "camera-health", "health": "any"})
    asked = replace(ASKED, counts=(STILL,), rules={rule.id: rule}, rule_id=rule.id)
    (answer,) = answers(asked)
    assert answer.endswith("nothing that the rule names lasted long enough.")


def test_every_rule_gets_its_own_answer() -> None:
    """Without --rule there is a sentence for each rule that looked."""
    counts = [count(Gate.PREDICATE, "nothing inside"), count(Gate.PREDICATE, "nothing crossed", rule="kerb")]
    sentences = answers(replace(ASKED, counts=counts, incidents=[incident(3.0, rule="gate")]))
    assert [sentence.split(" at ")[0] for sentence in sentences] == [
        "gate opened an incident",
        "No alert for kerb",
        "No alert for loitering",
    ]


def test_a_longer_window_names_both_ends() -> None:
    """Ten minutes are not one."""
    (sentence,) = answers(replace(ASKED, end=START + 10 * MINUTE))
    assert "between 22:14 and 22:24" in sentence


def test_the_chain_adds_minutes_up_in_the_order_of_gates() -> None:
    """Counts of several minutes become one line a reason, with the extremes of what was measured."""
    early = count(Gate.DWELL, "dwell", max_value=0.2, min_value=0.1, threshold=0.5, count=2)
    late = replace(early, minute=START + MINUTE, max_value=0.4, min_value=0.3, count=3)
    first, second = chain([early, late, STILL])
    assert (first.gate, second.gate) == (Gate.SAMPLING, Gate.DWELL)
    assert (second.count, second.min_value, second.max_value) == (5, 0.1, 0.4)


def test_the_chain_of_a_rule_leaves_out_the_other_rules() -> None:
    """The camera's own decisions stay."""
    other = count(Gate.PREDICATE, "nothing crossed", rule="kerb")
    assert [link.rule_id for link in chain([other, STILL, count(Gate.DWELL, "dwell")], "loitering")] == [
        "",
        "loitering",
    ]
