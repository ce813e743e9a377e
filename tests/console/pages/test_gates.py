"""The answer to `why` as a chain of gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from pipeline.console.models import GapView, GateCount, WhyView, row_of
from pipeline.console.pages.gates import Chain, State, Step, told_by
from pipeline.console.pages.scales import number
from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.rule import Rule
from tests.support.cli import START, count, incident

LOITERING = Rule.model_validate({"id": "loitering", "track": {"object": "any", "inside": "fence", "longer_than": 45}})
CROWD = Rule.model_validate({"id": "loitering", "track": {"object": "any", "count_above": 2}})
SCORED = Rule.model_validate({"id": "loitering", "when": "somebody climbs over the fence"})
MOVED = count(
    Gate.SAMPLING, "motion", passed=True, rule=NO_RULE, count=9, min_value=0.01, max_value=0.2, threshold=0.01
)
STILL = count(Gate.SAMPLING, "no motion", rule=NO_RULE, count=50, min_value=0.0, max_value=0.005, threshold=0.01)
FOUND = count(
    Gate.PERCEPTION, "something found", passed=True, rule=NO_RULE, min_value=0.7, max_value=0.9, threshold=0.5
)
NOTHING = count(Gate.PERCEPTION, "nothing found", rule=NO_RULE, min_value=0.0, max_value=0.2, threshold=0.5)
STAYED = count(Gate.PREDICATE, "not long enough", count=7, min_value=1.0, max_value=40.0, threshold=45.0)
NOBODY = count(Gate.PREDICATE, "nothing inside", min_value=0.0, max_value=0.0, threshold=45.0)
SHORT = count(Gate.DWELL, "dwell", min_value=0.5, max_value=1.0, threshold=2.0)
OPENED = count(Gate.COOLDOWN, "opened", passed=True, min_value=47.0, max_value=47.0, threshold=45.0, detail="a person")


def view(
    *counts: DecisionCount,
    rules: Sequence[str] = ("loitering",),
    incidents: Sequence[Incident] = (),
    unwatched: Sequence[GapView] = (),
) -> WhyView:
    """An answer about a minute."""
    return WhyView(
        camera="yard",
        start=START,
        end=START + timedelta(minutes=1),
        answers=tuple(f"about {rule}" for rule in rules),
        rules=tuple(rules),
        unwatched=tuple(unwatched),
        gates=tuple(GateCount.model_validate(asdict(each)) for each in counts),
        incidents=tuple(map(row_of, incidents)),
    )


def gap(seconds: float) -> GapView:
    return GapView(start=START, end=START + timedelta(seconds=seconds), seconds=seconds, reason="offline", detail="")


def chain(*counts: DecisionCount, rule: Rule | None = LOITERING, **given: Any) -> Chain:
    """Of the one rule."""
    (told,) = told_by(view(*counts, **given), {rule.id: rule} if rule else {}).chains
    return told


def step(told: Chain, gate: Gate) -> Step:
    return next(each for each in told.steps if each.gate is gate)


ENDED = {
    "nothing moved": ((STILL,), Gate.SAMPLING),
    "nothing was found": ((MOVED, NOTHING, NOBODY), Gate.PERCEPTION),
    "nothing was inside": ((MOVED, FOUND, NOBODY), Gate.PREDICATE),
    "it did not stay": ((MOVED, FOUND, NOBODY, STAYED), Gate.PREDICATE),
    "it did not last": ((MOVED, FOUND, STAYED, SHORT), Gate.DWELL),
    "told just before": (
        (MOVED, FOUND, count(Gate.COOLDOWN, "cooldown", max_value=3.0, threshold=60.0)),
        Gate.COOLDOWN,
    ),
    "off hours": ((MOVED, FOUND, count(Gate.SCHEDULE, "out of schedule")), Gate.SCHEDULE),
    "nobody took it": ((OPENED, count(Gate.DELIVERY, "given up")), Gate.DELIVERY),
}


@pytest.mark.parametrize("name", ENDED)
def test_the_furthest_gate_that_stopped_anything_answers(name: str) -> None:
    """Unless nothing was there to be measured at all."""
    counts, gate = ENDED[name]
    told = chain(*counts)
    assert (told.state, told.stopped_at) == (State.STOPPED, gate)


def test_a_measure_stands_beside_what_it_takes() -> None:
    """On one scale, in its unit; the nearest of several refusals is the one that is shown."""
    told = step(chain(MOVED, FOUND, NOBODY, STAYED), Gate.PREDICATE)
    (shown,) = told.shown
    assert shown.scale is not None
    assert (shown.reason, shown.scale.measured_words, shown.scale.needed_words) == ("not long enough", "1–40", "45")
    assert (shown.scale.unit, shown.scale.is_enough) == ("s", False)
    assert shown.scale.low < shown.scale.high < (shown.scale.needed or 0) < 100
    assert [link.reason for link in told.rest] == ["nothing inside"]


def test_more_than_two_takes_three() -> None:
    """Two are not enough, though the number is reached."""
    two = count(Gate.PREDICATE, "too few", min_value=2.0, max_value=2.0, threshold=2.0)
    (shown,) = step(chain(two, rule=CROWD), Gate.PREDICATE).shown
    assert shown.scale is not None
    assert (shown.scale.is_more_than, shown.scale.is_enough) == (True, False)


def test_an_opening_carries_the_conditions_numbers() -> None:
    """They are drawn at the condition, and the gates between were passed."""
    told = chain(MOVED, FOUND, STAYED, OPENED)
    (shown,) = step(told, Gate.PREDICATE).shown
    assert shown.scale is not None
    assert (shown.reason, shown.scale.measured_words, shown.detail) == ("met", "47", "a person")
    assert (step(told, Gate.DWELL).state, step(told, Gate.PREDICATE).state) == (State.PASSED, State.PARTLY)
    assert step(told, Gate.COOLDOWN).links[0].scale is None


def test_what_was_met_off_hours_says_so() -> None:
    """A schedule keeps the share of what a stay takes: seconds again."""
    off = count(Gate.SCHEDULE, "out of schedule", min_value=0.2, max_value=1.2, threshold=1.0)
    told = chain(MOVED, FOUND, off)
    (shown,) = step(told, Gate.PREDICATE).shown
    assert shown.scale is not None
    assert (shown.passed, shown.scale.measured_words, shown.scale.unit) == (True, "9–54", "s")
    assert told.stopped_at is Gate.SCHEDULE


def test_a_rule_that_is_switched_off_ends_there() -> None:
    """The ledger has no line about it."""
    told = chain(MOVED, FOUND, rule=LOITERING.model_copy(update={"enabled": False}))
    assert (told.stopped_at, step(told, Gate.SCHEDULE).links[0].reason) == (Gate.SCHEDULE, "rule disabled")


def test_words_have_a_score_and_no_condition() -> None:
    """One of the two gates is shown, whichever the rule has."""
    low = count(Gate.THRESHOLD, "below threshold", min_value=0.1, max_value=0.4, threshold=0.6)
    told = chain(MOVED, FOUND, low, rule=SCORED)
    assert [each.gate for each in told.steps][:2] == [Gate.SCHEDULE, Gate.THRESHOLD]
    assert Gate.THRESHOLD not in [each.gate for each in chain(STAYED).steps]


def test_an_incident_is_an_alert() -> None:
    """Also one that the model rejected, unless the rule waits for its word."""
    rejected = incident(3.0, status=IncidentStatus.REJECTED)
    patient = LOITERING.model_copy(update={"alert": "verified"})
    assert chain(OPENED, incidents=[rejected]).state is State.ALERT
    assert chain(OPENED, incidents=[rejected], rule=patient).state is State.REJECTED
    assert chain(OPENED, incidents=[rejected]).stopped_at is None


def test_what_was_not_watched_says_so_first() -> None:
    """Whatever the gates say of the rest; some seconds only are told at the camera."""
    assert (chain(STILL, unwatched=[gap(58)]).state, chain(unwatched=[gap(20)]).state) == (State.BLIND, State.BLIND)
    some = told_by(view(MOVED, FOUND, STAYED, unwatched=[gap(20)]), {})
    assert (some.chains[0].state, some.common[0].state, some.common[0].is_mixed) == (State.STOPPED, State.PARTLY, True)


def test_nothing_known_is_no_answer() -> None:
    """Neither a count nor a gap."""
    assert (chain().state, chain().steps) == (State.UNKNOWN, ())


def test_the_closest_rule_comes_first() -> None:
    """Alerts, then what came furthest, then what was nearest there."""
    near = [count(Gate.PREDICATE, "not long enough", rule=name, max_value=n, min_value=n, threshold=45.0) for name, n in
            (("a", 1.0), ("b", 30.0))]  # fmt: skip
    lasting = count(Gate.DWELL, "dwell", rule="c", min_value=0.1, max_value=0.1, threshold=2.0)
    told = told_by(view(MOVED, FOUND, *near, lasting, rules="abcd", incidents=[incident(3.0, rule="d")]), {})
    assert [each.rule_id for each in told.chains] == ["d", "c", "b", "a"]
    assert told.chains[2].answer == "about b"


def test_minutes_are_added_up() -> None:
    """Counts, and how far the measure ranged."""
    later = DecisionCount(**asdict(STAYED) | {"minute": START + timedelta(minutes=1), "max_value": 44.0, "count": 3})
    (shown,) = step(chain(STAYED, later), Gate.PREDICATE).shown
    assert shown.scale is not None
    assert (shown.count, shown.scale.measured_words) == (10, "1–44")


def test_a_repetition_names_the_alert_it_repeats() -> None:
    """By its id, to be linked."""
    told = chain(count(Gate.COOLDOWN, "cooldown", max_value=3.0, min_value=3.0, threshold=60.0, detail="abc"))
    (link,) = step(told, Gate.COOLDOWN).links
    assert (link.incident_id, link.detail) == ("abc", "")


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0"), (0.0512, "0.051"), (1.0, "1"), (9.96, "10"), (45.25, "45.2"), (3600.0, "3600")]
)
def test_numbers_are_short(value: float, words: str) -> None:
    """Two or three figures."""
    assert number(value) == words
