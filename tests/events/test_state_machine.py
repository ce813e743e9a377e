"""The state machine alone: scores in, openings and closings out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.decision import Gate, NullDecisionSink
from pipeline.contracts.rule import Rule
from pipeline.events.reading import Reading
from pipeline.events.state_machine import Moment, RuleMachine, Transition
from tests.support.events import DecisionLog, at, rule

UTC_ZONE = ZoneInfo("UTC")
WORDS = {"when": "a red door opens"}
LASTING = {"track": {"inside": "square"}}
INSTANT = {"track": {"enters": "square"}}

Script = Iterable[tuple[float, float | None]]
"""(seconds, score)"""


def machine(body: dict[str, object], sink: DecisionLog | None = None, last: float | None = None) -> RuleMachine:
    wanted: Rule = rule(**body)
    return RuleMachine("cam", wanted, sink or NullDecisionSink(), None if last is None else at(last))


def drive(subject: RuleMachine, script: Script, *, is_finished: bool = True) -> list[Transition]:
    told: list[Transition] = []
    for seconds, score in script:
        told += subject.update(Moment.of(at(seconds), UTC_ZONE), Reading(score, reason="not met"))
    return told + (subject.reset() if is_finished else [])


def spans(transitions: Sequence[Transition]) -> list[tuple[float, float, float]]:
    """(started, opened, ended) of each candidate, in seconds."""
    return [
        tuple(round((moment - at(0)).total_seconds(), 3) for moment in (t.started_at, t.opened_at, t.ended_at))  # type: ignore[operator, misc]
        for t in transitions
        if t.ended_at is not None
    ]


def steps(until: float, *met: tuple[float, float], fps: float = 10) -> list[tuple[float, float]]:
    """Score 1 in each [from, to), else 0, at `fps`."""
    times = [index / fps for index in range(round(until * fps))]
    return [(time, float(any(a <= time + 1e-9 < b for a, b in met))) for time in times]


@pytest.mark.parametrize(
    ("body", "script", "expected"),
    [
        (LASTING, steps(10, (2, 5)), [(2.0, 2.5, 4.9)]),
        (LASTING, steps(10, (2, 2.4)), []),
        (LASTING, steps(10, (2, 4), (5, 7)), [(2.0, 2.5, 6.9)]),
        (LASTING, steps(15, (2, 4), (7, 9)), [(2.0, 2.5, 3.9), (7.0, 7.5, 8.9)]),
        (LASTING | {"timing": {"dwell": 0, "gap": 0}}, steps(5, (1, 2), (3, 4)), [(1.0, 1.0, 1.9), (3.0, 3.0, 3.9)]),
        (INSTANT, [(0, 0), (1, 1), (2, 0)], [(1.0, 1.0, 1.0)]),
        (INSTANT, [(0, 1), (0.1, 1)], [(0.0, 0.0, 0.0), (0.1, 0.1, 0.1)]),
        (INSTANT | {"timing": {"gap": 1}}, [(0, 1), (0.5, 1), (1, 0), (5, 1)], [(0.0, 0.0, 0.5), (5.0, 5.0, 5.0)]),
        (LASTING, [(0, 1), (5, 1), (10, 0), (15, 0)], [(0.0, 5.0, 5.0)]),
        (LASTING | {"cooldown": 10}, steps(30, (0, 2), (8, 14)), [(0.0, 0.5, 1.9), (8.0, 10.5, 13.9)]),
        (LASTING | {"cooldown": 10}, steps(30, (0, 2), (6, 9)), [(0.0, 0.5, 1.9)]),
    ],
    ids=[
        "dwell then open",
        "shorter than dwell",
        "gap is merged",
        "beyond the gap",
        "no dwell, no gap",
        "an instant",
        "two instants",
        "instants joined by gap",
        "slow frames are no gap",
        "still on when the cooldown is over",
        "over within the cooldown",
    ],
)
def test_timing(body: dict[str, object], script: Script, expected: list[tuple[float, float, float]]) -> None:
    """Each score sequence gives exactly these candidates."""
    assert spans(drive(machine(body), script)) == expected


def test_words_are_smoothed_over_seconds() -> None:
    """One frame of certainty in a second of doubt is no event; two seconds of it are."""
    flash = [(n / 10, 1.0 if n == 20 else 0.1) for n in range(60)]
    lasting = [(n / 10, 1.0 if 20 <= n < 40 else 0.1) for n in range(90)]
    assert drive(machine(WORDS), flash) == []
    assert len(spans(drive(machine(WORDS), lasting))) == 1


def test_hysteresis() -> None:
    """Between off and on a score keeps the state it found."""
    timing = {"timing": {"smoothing": 0, "dwell": 0, "gap": 0}}
    script = [(0, 0.5), (1, 0.7), (2, 0.5), (3, 0.45), (4, 0.39), (5, 0.5)]
    assert spans(drive(machine(WORDS | timing), script)) == [(1.0, 1.0, 3.0)]


@pytest.mark.parametrize("fps", [25, 10, 5, 2])
@pytest.mark.parametrize("body", [WORDS, LASTING], ids=["words", "lasting"])
def test_frame_rates_agree(body: dict[str, object], fps: float) -> None:
    """25, 10, 5 and 2 frames a second give the same candidates, to within one frame interval of the slowest."""
    script = steps(60, (5, 15), (17, 22), (40, 50), fps=fps)
    reference = spans(drive(machine(body), steps(60, (5, 15), (17, 22), (40, 50), fps=25)))
    found = spans(drive(machine(body), script))
    assert len(found) == len(reference) == 2
    for one, other in zip(found, reference, strict=True):
        assert one == pytest.approx(other, abs=0.75)


@given(
    st.lists(st.tuples(st.floats(0.01, 8), st.one_of(st.none(), st.floats(0, 1))), max_size=80),
    st.sampled_from([WORDS, LASTING, INSTANT]),
    st.sampled_from([0.0, 5.0]),
)
def test_every_opening_has_one_closing(
    moves: list[tuple[float, float | None]], body: dict[str, object], cooldown: float
) -> None:
    """Whatever the scores, openings and closings alternate and belong together, and times are in order."""
    times = itertools.accumulate(step for step, _ in moves)
    told = drive(machine(body | {"cooldown": cooldown}), zip(times, (score for _, score in moves), strict=True))
    assert [t.state.value for t in told] == ["opened", "closed"] * (len(told) // 2)
    for opening, closing in zip(told[::2], told[1::2], strict=True):
        assert opening.started_at == closing.started_at
        assert closing.ended_at is not None
        assert closing.started_at <= closing.opened_at <= closing.ended_at
    starts = [t.started_at for t in told[::2]]
    assert len(set(starts)) == len(starts)


def test_cooldown_resumes_after_a_restart() -> None:
    """An alert told before the restart still keeps the rule quiet."""
    assert spans(drive(machine(LASTING | {"cooldown": 60}, last=-30), steps(20, (5, 10)))) == []
    assert len(spans(drive(machine(LASTING | {"cooldown": 60}, last=-59), steps(20, (5, 10))))) == 1


def test_the_same_opening_again_after_a_restart() -> None:
    """Replaying the seconds before a crash opens the same candidate again, for its id to be recognised."""
    assert spans(drive(machine(LASTING | {"cooldown": 60}, last=5.5), steps(20, (5, 10)))) == [(5.0, 5.5, 9.9)]


def test_a_withdrawn_alert_gives_its_cooldown_back() -> None:
    """A candidate that nobody was told of does not keep the next one quiet; the one before it still may."""
    subject = machine(LASTING | {"cooldown": 10})
    (opening, _) = drive(subject, steps(6, (0, 2)))
    subject.withdraw_alert(opening.opened_at)
    later = [(seconds + 6, score) for seconds, score in steps(6, (0, 2))]
    assert len(spans(drive(subject, later))) == 1


def test_a_clock_set_back_does_not_silence_a_rule() -> None:
    """An alert far in the future, by a clock that was wrong, is no reason for quiet."""
    assert len(spans(drive(machine(LASTING | {"cooldown": 60}, last=86_400), steps(20, (5, 10))))) == 1


@pytest.mark.parametrize(
    ("body", "script", "gate", "reason", "value", "threshold"),
    [
        (LASTING, [(0, 0.0)], Gate.PREDICATE, "not met", 0.0, 1.0),
        (LASTING, [(0, 1.0), (0.2, 1.0)], Gate.DWELL, "dwell", 0.2, 0.5),
        (
            LASTING | {"cooldown": 60},
            [(0, 1.0), (1, 1.0), (4, 0.0), (10, 1.0), (12, 1)],
            Gate.COOLDOWN,
            "cooldown",
            11,
            60,
        ),
        (LASTING | {"schedule": "01:00-02:00"}, [(0, 1.0)], Gate.SCHEDULE, "out of schedule", 1.0, 1.0),
        (WORDS, [(0, 0.3)], Gate.THRESHOLD, "not met", 0.3, 0.6),
    ],
    ids=["predicate", "dwell", "cooldown", "schedule", "threshold"],
)
def test_every_refusal_is_on_record(
    body: dict[str, object], script: Script, gate: Gate, reason: str, value: float | None, threshold: float | None
) -> None:
    """The gate that held a rule up says so, with the numbers it compared."""
    log = DecisionLog()
    drive(machine(body, log), script)
    last = log.decisions[-1]
    assert (last.gate, last.passed, last.reason, last.threshold) == (gate, False, reason, threshold)
    assert last.value == (None if value is None else pytest.approx(value))


def test_one_decision_an_observation() -> None:
    """Every observation leaves exactly one decision of the rule."""
    log = DecisionLog()
    script = steps(20, (2, 8), (12, 13))
    drive(machine(LASTING, log), script)
    assert len(log.decisions) == len(script)
    assert log.reasons().count("opened") == 2


def test_a_missing_score_is_not_met() -> None:
    """Observations without a score neither open nor hold open."""
    script = [(n / 10, 1.0 if n < 30 else None) for n in range(100)]
    (span,) = spans(drive(machine(WORDS), script))
    assert span == (0.0, 1.0, 2.9)


def test_an_event_under_way_when_the_schedule_begins() -> None:
    """It opens then, and starts then."""
    body = LASTING | {"schedule": "12:01-13:00"}
    ((started, opened, _),) = spans(drive(machine(body), steps(120, (10, 100), fps=2)))
    assert (started, opened) == (60.0, 60.0)


def test_the_end_of_the_schedule_closes() -> None:
    """What is open when the schedule ends is closed."""
    body = LASTING | {"schedule": "11:00-12:01"}
    ((_, _, ended),) = spans(drive(machine(body), steps(120, (10, 100), fps=2), is_finished=False))
    assert ended == 59.5


def test_the_site_clock_counts() -> None:
    """Schedules are read on the site's wall clock: noon UTC is 13:00 in Berlin in winter."""
    subject = machine(INSTANT | {"schedule": "13:00-13:01"})
    told = subject.update(Moment.of(at(0) + timedelta(seconds=1), ZoneInfo("Europe/Berlin")), Reading(1.0))
    assert len(told) == 1
