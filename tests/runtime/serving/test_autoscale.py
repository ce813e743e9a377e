"""How many replicas a stage that pulls should have, on traces of what its replicas report."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace

import pytest

from pipeline.runtime.serving.autoscale import (
    FramesInHandPolicy,
    Limits,
    Load,
    OldestAgePolicy,
    loads_of,
    wanted_replicas,
)

LIMIT = 2.0
LAG = 64.0
Point = namedtuple("Point", "timestamp value")


def load(age: float, earlier: float | None = None, lag: float = 0.0, busy: float = 0.0, waiting: float = 0.0) -> Load:
    return Load(age / LIMIT, (age if earlier is None else earlier) / LIMIT, lag / LAG, busy, waiting)


def wanted(target: int, *loads: Load) -> int:
    return wanted_replicas(target, loads)


def test_a_burst_asks_for_more_in_proportion_to_the_age() -> None:
    """Two replicas whose oldest frames are twice too old become four."""
    assert wanted(2, load(4.0, 1.0), load(4.0, 1.0)) == 4


def test_an_age_far_beyond_the_limit_asks_for_three_times_as_many() -> None:
    """However old the backlog, one step is bounded."""
    assert wanted(2, load(500.0), load(500.0)) == 6


def test_a_slow_ramp_adds_one_at_a_time() -> None:
    """Just over the limit, one more is wanted."""
    assert wanted(4, *[load(2.1, 2.0)] * 4) == 5


def test_nothing_is_added_while_replicas_are_still_to_report() -> None:
    """What was asked for a moment ago has not worked yet: the age says nothing of it."""
    assert wanted(6, load(50.0), load(50.0)) == 6


def test_nothing_is_added_while_a_backlog_is_worked_off() -> None:
    """An age that falls is on its way under the limit."""
    assert wanted(4, *[load(20.0, 30.0)] * 4) == 4


def test_nothing_is_added_before_a_stage_that_is_slow_itself() -> None:
    """Watchers that wait for the encoder would wait the more, the more there are."""
    assert wanted(2, load(30.0, 20.0, waiting=0.9), load(30.0, 20.0, waiting=0.8)) == 2
    assert wanted(2, load(30.0, 20.0, waiting=0.3), load(30.0, 20.0, waiting=0.2)) == 6


def test_a_backlog_that_hardly_falls_asks_for_more() -> None:
    """Two seconds in ten of sixty would take minutes."""
    assert wanted(2, load(60.0, 61.0), load(60.0, 61.0)) == 6


def test_idle_falls_back_to_one() -> None:
    """Without work one replica looks for it."""
    assert wanted(8, *[load(0.0)] * 8) == 1


def test_a_busy_stage_that_keeps_up_is_left_alone() -> None:
    """Four replicas that use most of their CPUs would be late with three, though no frame is old now."""
    assert wanted(4, *[load(0.2, busy=0.7)] * 4) == 4


def test_fewer_are_kept_by_what_the_cpus_do() -> None:
    """Four replicas at a third of their CPUs fit into two."""
    assert wanted(4, *[load(0.2, busy=0.33)] * 4) == 2


def test_fewer_only_when_the_lag_fits() -> None:
    """Four replicas with 150 records in hand fit into three."""
    assert wanted(4, *[load(0.1, lag=37.5)] * 4) == 3


def test_between_half_the_limit_and_the_limit_nothing_changes() -> None:
    """A band in which neither direction is asked for keeps the number from swinging."""
    assert wanted(3, *[load(1.5)] * 3) == 3


def test_without_reports_nothing_changes() -> None:
    """Missing metrics are no idleness."""
    assert wanted(5) == 5


@pytest.mark.parametrize(("num_replicas", "most"), [(2, 4), (3, 4), (4, 4), (8, 8)])
def test_one_stuck_replica_does_not_call_for_many(num_replicas: int, most: int) -> None:
    """It is restarted by its health check; the others do their work."""
    target = num_replicas
    for _ in range(20):
        loads = [load(9_999.0), *[load(0.3, busy=0.5)] * (target - 1)]
        target = max(target, wanted(target, *loads))
    assert target <= most


def test_a_surplus_can_go_though_some_replicas_cannot_start() -> None:
    """Eight are wanted, three found room, and there is nothing to do."""
    assert wanted(8, *[load(0.0)] * 3) == 1


def test_a_replica_that_gave_half_a_report_is_left_out() -> None:
    """Age without lag is a replica that has just begun."""
    raw = {
        "oldest_age_seconds": {"a": [Point(1, 3.0), Point(2, 5.0)], "b": [Point(2, 9.0)]},
        "lag": {"a": [Point(2, 8)]},
    }
    assert loads_of(raw, Limits(LIMIT, LAG)) == [Load(2.5, 1.5, 0.125, 0.0)]


def test_ray_asks_for_every_deployment_of_an_application() -> None:
    """The adapter answers each context's target, changed by its own loads."""
    raw = {"oldest_age_seconds": {"a": [Point(1, 0.5), Point(9, 4.0)]}, "lag": {"a": [Point(9, 100.0)]}}
    contexts = {
        "late": SimpleNamespace(target_num_replicas=1, raw_metrics=raw),
        "new": SimpleNamespace(target_num_replicas=2, raw_metrics={}),
    }
    assert OldestAgePolicy(age_limit_seconds=LIMIT, lag_limit=LAG)(contexts) == ({"late": 2, "new": 2}, {})


def owing(verdicts: float, age: float) -> dict[str, dict[str, list[Point]]]:
    """Two reasoners that keep up with candidates, and owe so many verdicts together."""
    stats = {"oldest_age_seconds": 0.1, "lag": 0.0, "verdicts_owed": verdicts, "oldest_verdict_age_seconds": age}
    return {name: {replica: [Point(1, value)] for replica in "ab"} for name, value in stats.items()}


REASONERS = Limits(LIMIT, LAG, verdict_age_limit_seconds=30.0, verdicts_limit=2.0)


def test_verdicts_that_wait_too_long_ask_for_more() -> None:
    """Candidates are recorded in time, but the oldest verdict is owed for twice its limit."""
    assert wanted_replicas(2, loads_of(owing(40.0, 60.0), REASONERS)) == 4


def test_verdicts_under_way_keep_their_replicas() -> None:
    """Four verdicts at a time keep two replicas at work, though none is owed for long; one does for two."""
    assert wanted_replicas(2, loads_of(owing(4.0, 5.0), REASONERS)) == 2
    assert wanted_replicas(2, loads_of(owing(2.0, 5.0), REASONERS)) == 1


@pytest.mark.parametrize(
    ("in_hand", "wanted"),
    [
        pytest.param([[4, 8]], 1, id="little"),
        pytest.param([[90, 90], [90, 90]], 4, id="much"),
        pytest.param([[256, 256]], 4, id="one watcher has sent all it may: at most twice as many at a time"),
        pytest.param([[64, 32], [40, 32]], 2, id="two are enough"),
        pytest.param([[0, 0], [0, 0]], 1, id="idle"),
        pytest.param([[], []], 2, id="no report yet"),
    ],
)
def test_frames_in_hand_ask_for_encoders(in_hand: list[list[float]], wanted: int) -> None:
    """Replicas enough for 48 frames each, whether those came in many calls or in few."""
    raw = {"frames_in_hand": {str(number): [Point(1, value) for value in each] for number, each in enumerate(in_hand)}}
    context = SimpleNamespace(target_num_replicas=2, raw_metrics=raw)
    assert FramesInHandPolicy(frames_limit=48.0)({"encoder": context}) == ({"encoder": wanted}, {})
