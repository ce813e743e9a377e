"""What the stage learns of a camera and of a rule: kept, carried on, and moved by reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import Gate
from pipeline.contracts.example import ExampleSet, ReviewedVector, dump_reviewed
from pipeline.contracts.incident import Incident, Review
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.events.rule_scorers import RuleScorers
from pipeline.events.stage import EventStage
from pipeline.incidents.lifecycle import open_incident
from pipeline.settings import EventSettings
from tests.support.events import DecisionLog, TinyEncoder, at, observation, opened, play, rule, stage

SIZE = 8
SETTINGS = EventSettings(calibrate_after=600, normal_after=600)
FALL = rule(examples=["fall.jpg"])


def basis(number: int, tilt: float = 0.0) -> NDArray[np.float32]:
    """A unit vector, turned a little towards its neighbour."""
    vector = np.zeros(SIZE, np.float32)
    vector[number], vector[(number + 1) % SIZE] = np.cos(tilt), np.sin(tilt)
    return vector


def shown(_rule: Rule) -> ExampleSet:
    """A fall is the first direction, and sitting down the third."""
    return ExampleSet(basis(0)[None], basis(2)[None], ("fall.jpg",), ("sit.jpg",))


def learning_stage(*rules: Rule, **options: Any) -> EventStage:
    encoder = TinyEncoder("none", supports_text=False)
    given = {"encoder": encoder, "settings": SETTINGS, "scorers": RuleScorers(encoder, "tiny", shown)}
    return stage(*(rules or (FALL,)), model_ids={"encoder": "tiny"}, **(given | options))


def pictures(vector: NDArray[np.float32], start: float, seconds: float) -> list[Observation]:
    return [observation(start + second, embedding=vector) for second in range(round(seconds))]


def judged(candidate: Candidate, is_right: bool) -> Incident:
    incident = open_incident(candidate, at(0), will_verify=False).incident
    return incident.model_copy(update={"review": Review(is_right=is_right, by="ann", at=at(0))})


def thresholds(log: DecisionLog) -> list[float | None]:
    return [decision.threshold for decision in log.decisions if decision.gate is Gate.THRESHOLD]


def test_examples_open_a_candidate_that_says_which() -> None:
    """What is like a positive example is told, with the example's name and the vector it went by."""
    (told,) = opened(play(learning_stage(), pictures(basis(0, 0.05), 0, 10)))
    assert "fall.jpg" in told.facts[0].text
    assert (told.facts[0].kind, bool(told.embedding)) == ("examples", True)


def test_what_is_like_a_negative_example_is_not_told() -> None:
    """Sitting down is not falling."""
    assert play(learning_stage(), pictures(basis(2, 0.05), 0, 10)) == []


def test_a_rejected_alert_is_not_told_again() -> None:
    """At once, on this camera and every other: what was seen then is a negative example now."""
    events = learning_stage()
    seen = basis(0, 0.3)
    (told,) = opened(play(events, pictures(seen, 0, 10)))
    events.review(judged(told, is_right=False))
    assert play(events, pictures(seen, 100, 10)) == []


def test_an_alert_that_was_seen_by_another_encoder_teaches_no_example() -> None:
    """Its vector would mean something else here."""
    events = learning_stage()
    (told,) = opened(play(events, pictures(basis(0), 0, 10)))
    events.review(judged(told.model_copy(update={"models": {"encoder": "older"}}), is_right=False))
    assert len(opened(play(events, pictures(basis(0), 100, 10)))) == 1


def test_imported_examples_count() -> None:
    """Reviews of another site make this one's rule better before anybody here has said a word."""
    body = dump_reviewed([ReviewedVector(basis(0, 0.3), False, "elsewhere")])
    known = [Learned("", "r", LearnedKind.EXAMPLES, "tiny", at(0), body)]
    assert play(learning_stage(learned_of=lambda _: known), pictures(basis(0, 0.3), 0, 10)) == []


def test_a_threshold_is_learned_and_goes_on_in_the_next_process() -> None:
    """From what the camera shows; kept, and taken up by whoever watches the camera next."""
    log = DecisionLog()
    first = learning_stage(sink=log)
    play(first, pictures(basis(0, 0.7), 0, 1200), is_finished=False)
    assert thresholds(log)[0] == pytest.approx(0.6)
    kept = first.learned(at(1200), is_last=True)
    later = DecisionLog()
    second = learning_stage(sink=later, learned_of=lambda _: kept)
    play(second, pictures(basis(0, 0.7), 1300, 2), is_finished=False)
    assert thresholds(later)[0] == pytest.approx(thresholds(log)[-1], abs=1e-3)
    assert thresholds(later)[0] != pytest.approx(0.6)


def test_what_was_learned_of_another_rule_or_encoder_is_not_used() -> None:
    """A rule that says something else begins anew, in so many words."""
    first = learning_stage()
    play(first, pictures(basis(0, 0.7), 0, 1200), is_finished=False)
    kept = first.learned(at(1200), is_last=True)
    log = DecisionLog()
    other = rule(examples=["fire.jpg"])
    play(learning_stage(other, sink=log, learned_of=lambda _: kept), pictures(basis(4), 1300, 2), is_finished=False)
    assert thresholds(log)[0] == pytest.approx(0.6)


def test_a_fixed_threshold_stays() -> None:
    """Who writes one wants that one."""
    log = DecisionLog()
    fixed = rule(examples=["fall.jpg"], timing={"threshold": 0.5})
    events = learning_stage(fixed, sink=log)
    play(events, pictures(basis(0, 0.7), 0, 1200), is_finished=False)
    assert {*thresholds(log)} == {0.5}
    assert [one.kind for one in events.learned(at(0), is_last=True)] == [LearnedKind.NORMAL]


def test_learned_state_is_given_out_when_it_is_due() -> None:
    """Thresholds every minute, the larger normal every ten; everything at the end."""
    events = learning_stage()
    assert {one.kind for one in events.learned(at(0))} == {LearnedKind.CALIBRATION, LearnedKind.NORMAL}
    assert events.learned(at(30)) == []
    assert [one.kind for one in events.learned(at(61))] == [LearnedKind.CALIBRATION]
    assert len(events.learned(at(62), is_last=True)) == 2


def test_corrupt_state_is_left_aside() -> None:
    """It is learned anew; the watch goes on."""
    kept = learning_stage().learned(at(0), is_last=True)
    broken = [Learned(o.camera_id, o.rule_id, o.kind, o.basis, o.updated_at, b"\x00nonsense") for o in kept]
    events = learning_stage(learned_of=lambda _: broken)
    assert len(opened(play(events, pictures(basis(0), 0, 10)))) == 1


def test_unusual_is_silent_until_normal_is_known_and_then_tells() -> None:
    """Learning is said in the ledger; what never was there is told, with its novelty."""
    log = DecisionLog()
    events = learning_stage(rule(unusual=True), sink=log)
    days: Sequence[int] = range(3)
    for day in days:
        assert play(events, pictures(basis(1), day * 86_400, 1200), is_finished=False) == []
    assert any(reason.startswith("learning what is normal") for reason in log.reasons())
    told = opened(play(events, pictures(basis(5), 2 * 86_400 + 1200, 60)))
    assert len(told) == 1
    assert told[0].novelty is not None
    assert told[0].novelty > 0.9


def test_unusual_needs_something_to_learn_from() -> None:
    """Without an encoder, or where learning is switched off, the rule is refused by name."""
    with pytest.raises(ConfigError, match="r is about the unusual"):
        learning_stage(rule(unusual=True), settings=EventSettings(learn_normal=False))
