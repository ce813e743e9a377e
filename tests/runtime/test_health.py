"""Changes of a camera's health become candidates of the site's health rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline import jpeg
from pipeline.clock import ManualClock
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.coverage import Interval
from pipeline.contracts.decision import Gate
from pipeline.contracts.frame import Frame
from pipeline.contracts.health import Condition, HealthChange
from pipeline.contracts.values import Severity
from pipeline.runtime.coverage import CoverageBook, NoCoverage
from pipeline.runtime.health import HealthDesk
from pipeline.sampling.ring import FrameRing
from pipeline.settings import SamplingSettings
from tests.support.ingest import KeptDecisions
from tests.support.local import site_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CAMERAS = "cameras: [{id: gate, url: 'rtsp://192.0.2.1/'}, {id: yard, url: 'rtsp://192.0.2.2/', labels: [outdoor]}]\n"


class KeptCoverage(NoCoverage):
    """Keeps the intervals that were written last."""

    def __init__(self) -> None:
        self.intervals: list[Interval] = []

    def extend(self, intervals: object) -> None:
        self.intervals += list(intervals)  # type: ignore[call-overload]


class Desk:
    """A desk with what it told; made by the text of a site file's rules."""

    def __init__(self, rules: str = "", at: datetime = NOON) -> None:
        self.clock = ManualClock(at)
        self.told: list[Candidate] = []
        self.decisions = KeptDecisions()
        self.kept = KeptCoverage()
        self.coverage = CoverageBook(self.kept, self.clock)
        self.ring = FrameRing(SamplingSettings(ring_fps=1))
        site = site_of(CAMERAS + rules)
        self.desk = HealthDesk(site, lambda _: self.ring, self.told.append, self.coverage, self.decisions, self.clock)

    def begins(self, condition: Condition = Condition.OFFLINE, camera: str = "gate", after: float = 10) -> None:
        now = self.clock.now()
        since = now - timedelta(seconds=after)
        self.desk.changed(HealthChange(camera, condition, True, since, now, "no answer within 10 s"))

    def ends(self, condition: Condition = Condition.OFFLINE, camera: str = "gate") -> None:
        now = self.clock.now()
        self.desk.changed(HealthChange(camera, condition, False, now - timedelta(seconds=60), now, ""))

    def later(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.desk.tick()

    def sees(self, seconds_ago: float) -> None:
        at = self.clock.now() - timedelta(seconds=seconds_ago)
        pixels = np.full((90, 160, 3), 90, np.uint8)
        self.ring.add(jpeg.encode(Frame("gate", int(1000 - seconds_ago), at, 0.0, pixels), 85), must_keep=True)

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(candidate.facts[0].kind, candidate.state.value) for candidate in self.told]


def test_without_a_rule_every_condition_is_told() -> None:
    """The default rule opens one candidate, graded by the condition, and its end closes the same one."""
    desk = Desk()
    desk.begins()
    desk.later(60)
    desk.ends()
    opened, closed = desk.told
    assert (opened.rule_id, opened.severity, opened.condition) == ("camera-health", Severity.HIGH, Condition.OFFLINE)
    assert opened.started_at == NOON - timedelta(seconds=10)
    assert opened.facts[0].text == "camera offline: no answer within 10 s"
    assert (closed.id, closed.state) == (opened.id, CandidateState.CLOSED)
    assert closed.ended_at == NOON + timedelta(seconds=60)


def test_conditions_are_told_apart() -> None:
    """Two of one camera, or the same of two, are incidents of their own, whatever moment they began at."""
    desk = Desk()
    desk.begins(Condition.BLACK)
    desk.begins(Condition.BLURRED)
    desk.begins(Condition.BLACK, camera="yard")
    assert len({candidate.id for candidate in desk.told}) == 3


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{id: dark, health: black}", [("black", "opened")]),
        ("{id: any, health: any}", [("offline", "opened"), ("black", "opened")]),
        ("{id: other, health: any, cameras: outdoor}", []),
        ("{id: idle, health: any, enabled: false}", []),
    ],
)
def test_rules_choose_conditions_and_cameras(rule: str, told: list[tuple[str, str]]) -> None:
    """With rules about health in the site file, those hold and no others."""
    desk = Desk(f"rules: [{rule}]")
    desk.begins(Condition.OFFLINE)
    desk.begins(Condition.BLACK)
    assert desk.states == told


def test_a_rule_that_names_a_severity_means_it() -> None:
    """Else the condition's own counts."""
    desk = Desk("rules: [{id: a, health: offline, severity: low}, {id: b, health: offline}]")
    desk.begins()
    assert [candidate.severity for candidate in desk.told] == [Severity.LOW, Severity.HIGH]


def test_what_lasts_into_the_schedule_is_told_then() -> None:
    """A camera that is dark by day may be dark; when night comes and it still is, that is an incident."""
    desk = Desk('rules: [{id: night, health: black, schedule: "12:30-13:00"}]')
    desk.begins(Condition.BLACK)
    desk.later(60)
    assert desk.told == []
    desk.later(1800)
    assert [candidate.opened_at for candidate in desk.told] == [NOON + timedelta(seconds=1860)]


def test_a_cooldown_delays_and_loses_nothing() -> None:
    """A camera that comes and goes is told again when the rest is over, if it is away then."""
    desk = Desk("rules: [{id: away, health: offline, cooldown: 5m}]")
    desk.begins()
    desk.ends()
    desk.later(30)
    desk.begins()
    assert desk.states == [("offline", "opened"), ("offline", "closed")]
    desk.later(300)
    assert desk.states[2:] == [("offline", "opened")]


def test_what_an_earlier_run_left_open_goes_on() -> None:
    """Found again, the same incident stays open and is closed by the recovery."""
    desk, before = Desk(), Desk()
    before.begins()
    desk.desk.inherit(before.told)
    desk.later(20)
    desk.begins()
    desk.later(200)
    desk.ends()
    assert [(candidate.id, candidate.state.value) for candidate in desk.told] == [(before.told[0].id, "closed")]


def test_what_an_earlier_run_left_open_and_is_over_is_closed() -> None:
    """Not found again in time, it ended while nobody looked."""
    desk, before = Desk(), Desk()
    before.begins()
    desk.desk.inherit(before.told)
    desk.later(60)
    assert desk.told == []
    desk.later(30)
    assert [(candidate.id, candidate.state.value) for candidate in desk.told] == [(before.told[0].id, "closed")]


def test_the_last_good_picture_goes_with_it() -> None:
    """The snapshot shows the moment before the trouble, another picture the trouble."""
    desk = Desk()
    for seconds_ago in (15, 11, 5, 1):
        desk.sees(seconds_ago)
    desk.begins(Condition.COVERED)
    good, now = desk.told[0].key_frames
    assert (good.role, good.captured_at) == ("peak", NOON - timedelta(seconds=11))
    assert (now.role, now.captured_at) == ("different", NOON - timedelta(seconds=1))
    assert desk.told[0].picture_size == (160, 90)


def test_a_blind_camera_is_no_longer_watched() -> None:
    """From the last good moment on; a camera that is merely blurred still is."""
    desk = Desk()
    for second in range(-12, 1):
        desk.coverage.seen("gate", NOON + timedelta(seconds=second))
    desk.begins(Condition.BLURRED)
    desk.begins(Condition.BLACK)
    desk.coverage.flush()
    assert [(each.reason, each.start) for each in desk.kept.intervals if each.reason] == [
        ("black", NOON - timedelta(seconds=10))
    ]


def test_every_change_is_in_the_ledger() -> None:
    """`why` finds it, whether or not a rule was there to tell it."""
    desk = Desk("rules: [{id: dark, health: black}]")
    desk.begins()
    desk.ends()
    kept = [(each.gate, each.passed, each.reason) for each in desk.decisions.decisions]
    assert kept == [(Gate.CAMERA, False, "offline"), (Gate.CAMERA, True, "offline")]


@pytest.mark.parametrize(
    "act",
    [
        lambda desk: desk.desk.forget("gate"),
        lambda desk: (desk.desk.follow(site_of(CAMERAS)), desk.ends()),
    ],
    ids=["camera removed", "rule removed"],
)
def test_what_is_open_is_closed_whatever_becomes_of_the_site(act: Callable[[Desk], object]) -> None:
    """A camera, or a rule, that leaves the site file takes its incidents with it."""
    desk = Desk("rules: [{id: away, health: offline}]")
    desk.begins()
    act(desk)
    assert desk.states == [("offline", "opened"), ("offline", "closed")]
