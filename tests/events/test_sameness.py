"""What happens while a cooldown holds: the same again, or another event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.decision import Gate
from pipeline.contracts.observation import Observation
from pipeline.contracts.values import Severity
from pipeline.events.sameness import Ordinary
from tests.support.events import (
    Actor,
    DecisionLog,
    TinyEncoder,
    at,
    closed,
    film,
    observation,
    opened,
    play,
    rule,
    stage,
)

INSIDE = {"object": "any", "inside": "square"}


def visit(start: float, seconds: float = 3.0, **who: Any) -> Actor:
    """Somebody is in the square for so long."""
    return Actor([(start, 400, 300), (start + seconds, 400, 300)], **who)


def repeats(candidates: list[Candidate]) -> list[tuple[int, float]]:
    """(how often, until when) of each telling that it happened again."""
    return [
        (c.repeats, round((c.repeated_at - at(0)).total_seconds(), 1))
        for c in candidates
        if c.repeated_at is not None and c.state is CandidateState.CLOSED
    ]


def test_what_happens_again_is_merged_into_what_was_told() -> None:
    """Two more visits within the cooldown: one alert that happened again twice, until the end of the last visit."""
    visits = [visit(0), visit(20, track_id=8), visit(40, track_id=9)]
    told = play(stage(rule(track=INSIDE, cooldown="60s")), film(80, 5, *visits))
    (alert,) = opened(told)
    assert {c.id for c in told} == {alert.id}
    assert [count for count, _ in repeats(told)] == [1, 2, 2]
    assert repeats(told)[-1][1] == pytest.approx(43, abs=0.6)


def test_the_ledger_names_the_incident_that_happened_again() -> None:
    """A cooldown's refusals stay refusals, with the id of what they were merged into."""
    log = DecisionLog()
    (alert,) = opened(
        play(stage(rule(track=INSIDE, cooldown="60s"), sink=log), film(30, 5, visit(0), visit(20, track_id=8)))
    )
    held = [decision for decision in log.decisions if decision.gate is Gate.COOLDOWN and not decision.passed]
    assert held
    assert {(decision.reason, decision.detail) for decision in held} == {("cooldown", alert.id)}


def test_repeats_are_told_ever_more_seldom_and_none_is_lost() -> None:
    """A busy door for ten minutes: a few tellings, the last of which counts every visit."""
    visits = [visit(10 * n, track_id=n + 1) for n in range(60)]
    told = play(stage(rule(track=INSIDE, cooldown="10m")), film(610, 2, *visits))
    assert len(opened(told)) == 1
    assert repeats(told)[-1][0] == 59
    assert len(repeats(told)) < 20


def test_another_kind_of_thing_breaks_through() -> None:
    """A car comes while the person's cooldown holds: an alert of its own, and the ledger says why."""
    log = DecisionLog()
    scenes = film(40, 5, visit(0), visit(20, track_id=8, label="car"))
    told = opened(play(stage(rule(track=INSIDE, cooldown="60s"), sink=log), scenes))
    assert [candidate.labels for candidate in told] == [{"person"}, {"car"}]
    (through,) = [decision for decision in log.decisions if decision.reason == "another event"]
    assert (through.gate, through.passed, through.detail) == (Gate.COOLDOWN, True, "car, not person")


@pytest.mark.parametrize(
    ("first", "second"),
    [("person", "person"), ("car", "truck"), ("dog", "cat"), ("person", "moving"), ("moving", "car")],
)
def test_what_may_be_the_same_does_not_break_through(first: str, second: str) -> None:
    """Another track, a label that detectors mix up, or none: that is not clearly another event."""
    scenes = film(40, 5, visit(0, label=first), visit(20, track_id=8, label=second))
    assert len(opened(play(stage(rule(track=INSIDE, cooldown="60s")), scenes))) == 1


def test_the_same_track_is_the_same_event_whatever_it_is_called() -> None:
    """One thing seen again as something else is no other event."""
    scenes = film(40, 5, visit(0, track_id=7), visit(20, track_id=7, label="car"))
    assert len(opened(play(stage(rule(track=INSIDE, cooldown="60s")), scenes))) == 1


def test_two_labels_in_turn_do_not_alternate() -> None:
    """Person, car, person, car …: each kind alerts once while the cooldowns hold."""
    visits = [visit(10 * n, track_id=n + 1, label=("person", "car")[n % 2]) for n in range(12)]
    told = play(stage(rule(track=INSIDE, cooldown="60s")), film(120, 5, *visits))
    in_time = [c.labels for c in opened(told) if c.opened_at < at(60)]
    assert in_time == [{"person"}, {"car"}]


def test_few_break_through_in_a_row() -> None:
    """Ten kinds of things one after the other: four alerts, the first and three that break through."""
    kinds = ["person", "car", "dog", "bicycle", "suitcase", "chair", "boat", "bench", "kite", "clock"]
    visits = [visit(8 * n, track_id=n + 1, label=kind) for n, kind in enumerate(kinds)]
    told = play(stage(rule(track=INSIDE, cooldown="5m")), film(90, 5, *visits))
    assert len(opened(told)) == 4


def test_nothing_breaks_through_at_once() -> None:
    """Within the first seconds a thing's label may still be wrong."""
    scenes = film(12, 5, visit(0, 1, height=70), visit(3.2, 1, track_id=8, label="car"))
    wanted = rule(track=INSIDE, cooldown="60s", timing={"gap": "0.5s"})
    assert len(opened(play(stage(wanted), scenes))) == 1


@pytest.mark.parametrize(("later", "alerts"), [(5, 1), (8, 2)], ids=["a few more", "many more"])
def test_a_crowd_breaks_through_the_cooldown_of_a_few(later: int, alerts: int) -> None:
    """Three people were told of; eight are another event, five are not."""
    few = [Actor([(0, 200 + 60 * n, 300), (3, 200 + 60 * n, 300)], track_id=n) for n in range(3)]
    many = [Actor([(20, 100 + 60 * n, 300), (23, 100 + 60 * n, 300)], track_id=20 + n) for n in range(later)]
    wanted = rule(track={"object": "person", "count_above": 2}, cooldown="60s")
    assert len(opened(play(stage(wanted), film(40, 5, *few, *many)))) == alerts


def _vector(*parts: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    vector = np.float32([*parts, 2.0])
    return vector / np.float32(np.linalg.norm(vector))


def _ordinary(num_pictures: int) -> Ordinary:
    noise = np.random.default_rng(0).normal(0, 0.02, (num_pictures, 4)).astype(np.float32)
    ordinary = Ordinary()
    for minute, shake in enumerate(noise):
        ordinary.note(60.0 * minute, _vector(0, 0, 0) + shake)
    return ordinary


def test_pictures_that_share_only_the_camera_are_told_apart() -> None:
    """Two happenings on one background: apart when they have nothing else in common, the same when they have."""
    ordinary = _ordinary(60)
    assert ordinary.tells_apart(_vector(1, 0, 0), _vector(-0.2, 1, 0))
    assert not ordinary.tells_apart(_vector(1, 0, 0), _vector(0.8, 0.4, 0))


def test_nothing_is_told_apart_by_looks_before_the_camera_is_known() -> None:
    """With a few pictures, or vectors of another encoder, nobody can say."""
    assert not _ordinary(10).tells_apart(_vector(1, 0, 0), _vector(-0.2, 1, 0))
    assert not _ordinary(60).tells_apart(np.float32([1, 0]), np.float32([0, 1]))


@pytest.mark.parametrize(("second_look", "alerts"), [(4.0, 1), (-4.0, 2)], ids=["same look", "another look"])
def test_a_scored_rule_tells_a_happening_of_another_look(second_look: float, alerts: int) -> None:
    """The words fit two pictures; the second breaks through where it has nothing else in common with the first."""
    shakes = np.random.default_rng(1).normal(0, 0.02, 1400)
    looks = {**dict.fromkeys(range(1200, 1205), 4.0), **dict.fromkeys(range(1220, 1225), second_look)}

    def scene(second: int) -> Observation:
        vector = np.float32([1, 0.2, looks[second]] if second in looks else [0, 1, shakes[second]])
        return observation(second, embedding=vector / np.linalg.norm(vector))

    wanted = rule(when="a red door opens", cooldown="60s", timing={"threshold": 0.6, "smoothing": 0})
    events = stage(wanted, encoder=TinyEncoder("red door"))
    assert len(opened(play(events, [scene(second) for second in range(1240)]))) == alerts


def test_a_rise_is_told_at_once() -> None:
    """What lasts ten seconds becomes critical then, whatever else is news."""
    wanted = rule(track=INSIDE, escalate={"after": "10s"})
    told = play(stage(wanted), film(20, 5, visit(0, 15)))
    rise = next(c for c in told if c.severity is Severity.CRITICAL)
    assert rise.state is CandidateState.UPDATED
    assert [c.severity for c in told if c.state is not CandidateState.UPDATED] == [Severity.MEDIUM, Severity.CRITICAL]
    assert sum(c.state is CandidateState.UPDATED for c in told) <= 2


def test_what_is_over_sooner_does_not_rise() -> None:
    """Nine seconds of it, and the wait for its end, are not ten."""
    told = play(stage(rule(track=INSIDE, escalate={"after": "10s"})), film(20, 5, visit(0, 9)))
    assert {c.severity for c in told} == {Severity.MEDIUM}


def test_what_happens_again_often_enough_rises() -> None:
    """The second repeat makes it high, told at once."""
    wanted = rule(track=INSIDE, cooldown="60s", escalate={"repeats": 2, "to": "high"})
    visits = [visit(0), visit(10, track_id=8), visit(17, track_id=9)]
    told = play(stage(wanted), film(30, 5, *visits))
    risen = [c for c in told if c.severity is Severity.HIGH]
    assert (risen[0].repeats, risen[0].state) == (2, CandidateState.CLOSED)
    assert abs((risen[0].repeated_at or at(0)) - at(17.6)) < timedelta(seconds=0.5)


def test_merging_goes_on_with_another_owner() -> None:
    """A camera changes hands between two visits: the second owner counts on for the first one's alert."""
    wanted = rule(track=INSIDE, cooldown="60s")
    scenes = film(60, 5, visit(0), visit(10, track_id=8), visit(30, track_id=8))
    first = play(stage(wanted), [s for s in scenes if s.pts_seconds < 25], is_finished=False)
    second = stage(wanted, known=first)
    second.process([s for s in scenes if 15 <= s.pts_seconds < 25], is_replay=True)
    told = play(second, [s for s in scenes if s.pts_seconds >= 25])
    assert opened(told) == []
    assert (told[-1].id, told[-1].repeats) == (first[0].id, 2)


def test_merging_goes_on_after_a_restart() -> None:
    """The store knows the last alert: what happens again after a restart is counted for it."""
    wanted = rule(track=INSIDE, cooldown="60s")
    (end,) = closed(play(stage(wanted), film(5, 5, visit(0))))
    told = play(
        stage(wanted, last_alerts={("cam", "r"): end.opened_at}, lately=[end]), film(30, 5, visit(30), start=25)
    )
    assert [(c.id, c.repeats) for c in told] == [(end.id, 1), (end.id, 1)]


def test_a_withdrawn_alert_takes_in_nothing() -> None:
    """What was never told does not happen again: the next visit is an alert of its own."""
    events = stage(rule(track=INSIDE, cooldown="60s"))
    (end,) = closed(play(events, film(8, 5, visit(0)), is_finished=False))
    events.withdraw_alert(end)
    told = play(events, film(12, 5, visit(10, track_id=8), start=8))
    assert [c.state for c in told] == ["opened", "closed"]


def test_a_break_in_the_pictures_loses_no_repeat() -> None:
    """A silence ends the tracks, not the cooldown: what was counted is told, and counting goes on."""
    wanted = rule(track=INSIDE, cooldown="5m")
    scenes = film(30, 5, visit(0), visit(20, track_id=8)) + film(20, 5, visit(100, track_id=9), start=98)
    told = play(stage(wanted), scenes)
    assert len(opened(told)) == 1
    assert told[-1].repeats == 2
