"""Admission: who is judged next, with how much of the model."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.incident import VerdictQueue, WaitingVerdict
from pipeline.reasoning.budget import Admission, Admitted, Rung, Served, ladder, make_admission, most_workers
from pipeline.reasoning.meter import Call
from pipeline.reasoning.retry import ASKING_SHARE
from pipeline.settings import ReasoningSettings

SETTINGS = ReasoningSettings(deadline=10.0 / ASKING_SHARE, workers=2)


def waiting(clock: ManualClock, name: str, camera: str = "c0", priority: float = 1.0, age: float = 0) -> WaitingVerdict:
    return WaitingVerdict(name, camera, priority, clock.now() - timedelta(seconds=age))


def queue(*heads: WaitingVerdict, in_hand: int = 0) -> VerdictQueue:
    return VerdictQueue(heads, len(heads), in_hand)


def names(admitted: list[Admitted]) -> list[str]:
    return [each.waiting.incident_id for each in admitted]


def learn(admission: Admission, clock: ManualClock, seconds: float, report_seconds: float = 0.0) -> None:
    """Ten verdicts on 8 pictures took so long each, half of them with a report."""
    for number in range(10):
        calls = [Call("verdict", 8, 100, seconds, has_answered=True)]
        if report_seconds and number % 2:
            calls.append(Call("report", 8, 100, report_seconds, has_answered=True))
        took = sum(call.seconds for call in calls)
        admission.finished(Served(Rung(8, True), took, calls, 1))


def test_with_room_all_get_all_they_ask_for() -> None:
    """A budget nobody needs changes nothing."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 2, clock)
    learn(admission, clock, 0.5, 1.0)
    (only,) = admission.choose(queue(waiting(clock, "a")), 0)
    assert (only.rung, only.degraded) == (Rung(8, True), "")


def test_the_graver_comes_first_and_age_overtakes() -> None:
    """Severity decides among the fresh; what has used most of its deadline comes before."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 1, clock)
    clock.advance(60)
    low, grave = waiting(clock, "low", "c1", 0.0), waiting(clock, "grave", "c2", 3.0)
    old = waiting(clock, "old", "c3", 0.0, age=8.5)
    assert names(admission.choose(queue(low, grave), 0)) == ["grave"]
    assert names(admission.choose(queue(low, grave, old), 0)) == ["old"]


def test_a_storm_on_one_camera_competes_with_itself() -> None:
    """Of three cameras with as much to say, one with a hundred more candidates gets a third."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 1, clock)
    had: Counter[str] = Counter()
    for turn in range(30):
        storm = [waiting(clock, f"s{turn}.{number}", "storm") for number in range(100)]
        quiet = [waiting(clock, f"{name}{turn}", name) for name in ("gate", "yard")]
        (chosen, *_) = admission.choose(queue(*storm, *quiet), 0)
        admission.started(chosen)
        had[chosen.waiting.camera_id] += 1
    assert max(had.values()) - min(had.values()) <= 1


def test_a_backlog_costs_the_report_first_then_pictures() -> None:
    """The longer the queue, the less each gets, and it says so."""
    clock = ManualClock()
    got = []
    for number in (1, 6, 10, 16):
        admission = Admission(SETTINGS, 1, clock)
        learn(admission, clock, 0.6, 1.0)
        heads = [waiting(clock, str(each), f"c{each}") for each in range(number)]
        got.append(admission.choose(queue(*heads), 0)[0])
    assert [one.rung for one in got] == [Rung(8, True), Rung(8, False), Rung(4, False), Rung(2, False)]
    assert got[2].degraded == "4 of 8 pictures, no report: the models are behind, 9 wait"


def test_what_cannot_be_in_time_is_told_at_once() -> None:
    """The least urgent of a backlog that no ladder helps, while they still have time."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 1, clock)
    learn(admission, clock, 2.0)
    heads = [waiting(clock, str(number), f"c{number}", priority=number % 4) for number in range(40)]
    chosen = admission.choose(queue(*heads), 0)
    refused = [one for one in chosen if one.rung is None]
    assert len(chosen) - len(refused) == 1
    assert 0 < len(refused) < 39
    assert min(one.waiting.priority for one in chosen if one.rung) >= max(one.waiting.priority for one in refused)
    assert refused[0].degraded == "not judged: 40 wait, and 10.0 s are left"


def test_what_waited_too_long_is_told_even_when_nothing_is_known_of_the_model() -> None:
    """A deadline that has passed needs no estimate."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 1, clock)
    late = waiting(clock, "late")
    clock.advance(11)
    (only,) = admission.choose(queue(late), 0)
    assert (only.rung, only.degraded) == (None, "not judged: it waited longer than 10 s")


def test_what_was_owed_before_a_start_has_its_deadline_from_then() -> None:
    """A restart judges what the last run left."""
    clock = ManualClock()
    (only,) = Admission(SETTINGS, 1, clock).choose(queue(waiting(clock, "left over", age=3600)), 0)
    assert only.rung == Rung(8, True)


def test_models_of_other_processes_shorten_the_wait() -> None:
    """With ten verdicts in other hands the same backlog is none."""
    clock = ManualClock()
    admission = Admission(SETTINGS, 1, clock)
    learn(admission, clock, 0.6, 1.0)
    heads = [waiting(clock, str(number), f"c{number}") for number in range(10)]
    assert admission.choose(queue(*heads, in_hand=10), 0)[0].rung == Rung(8, True)


@pytest.mark.parametrize(("frames", "pictures"), [(8, [8, 8, 4, 2]), (3, [3, 3, 1]), (1, [1, 1])])
def test_the_ladder_goes_from_all_to_the_least(frames: int, pictures: list[int]) -> None:
    """Report first, then pictures, down to one."""
    assert [rung.pictures for rung in ladder(frames)] == pictures
    assert [rung.wants_report for rung in ladder(frames)] == [True] + [False] * (len(pictures) - 1)


def test_a_server_may_take_more_than_a_model_in_the_process() -> None:
    """And with the budget off there is no admission, and `workers` it is."""
    off = ReasoningSettings(budget=False)
    assert [most_workers(vlm, ReasoningSettings()) for vlm in ("openai:http://x/v1#m", "org/model")] == [16, 2]
    assert most_workers("openai:http://x/v1#m", off) == 2
    assert make_admission("org/model", off, ManualClock()) is None
