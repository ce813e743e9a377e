"""The verifier: a verdict is asked for once and kept until it can be stored."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment, Verdict, VerificationRequest
from pipeline.contracts.incident import ChangeKind, IncidentChange
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.runtime.verification import Verifier
from pipeline.settings import ReasoningSettings
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.telemetry import Metrics
from tests.support.cli import PictureShelf
from tests.support.context import judged
from tests.support.local import site_of
from tests.support.perception import DecisionList
from tests.support.reasoning import well_behaved
from tests.support.store import START, FullStore, deliveries_of, make_candidate
from tests.support.verification import verifying

SITE = """
cameras: [{id: gate, url: gate.mp4}]
rules: [{id: climb, track: {object: any, count_above: 0}}]
"""


class CountingReasoner:
    """Confirms everything, and counts how often it is asked."""

    def __init__(self) -> None:
        self.num_asked = 0

    def warm_up(self) -> None: ...

    def assess(self, request: VerificationRequest) -> Assessment:
        self.num_asked += 1
        at = request.queued_at
        return Assessment(
            candidate_id=request.candidate.id,
            verdict=Verdict.CONFIRMED,
            reason="it is so",
            started_at=at,
            finished_at=at + timedelta(seconds=1),
        )

    def close(self) -> None: ...


def test_a_verdict_that_cannot_be_stored_is_kept_not_asked_for_again(sqlite_database: Database) -> None:
    """The model is paid for once, however often the database cannot take its answer."""
    store = FullStore(sqlite_database, ChangeKind.CONFIRMED, num_times=2)
    clock, reasoner = ManualClock(START), CountingReasoner()
    recorder = IncidentRecorder(store, deliveries_of, clock)
    recorder.candidate(make_candidate(), will_verify=True)
    told, is_told = list[IncidentChange](), threading.Event()

    def on_change(change: IncidentChange) -> None:
        told.append(change)
        is_told.set()

    verifier = Verifier(
        store, recorder, reasoner, PictureShelf(), site_of(SITE), 1, DecisionList(), Metrics(), clock,
        on_change=on_change,
        on_rejected_untold=lambda _: None,
        owner="tester",
    )  # fmt: skip
    verifier.submit_waiting()
    assert is_told.wait(30)
    verifier.close()
    assert (reasoner.num_asked, [change.kind for change in told]) == (1, [ChangeKind.CONFIRMED])


def test_a_request_brings_its_context(sqlite_database: Database) -> None:
    """The site's policy, the camera's card, and what a person said of the last one of the rule."""
    store, clock = SqlIncidentStore(sqlite_database), ManualClock(START)
    recorder = IncidentRecorder(store, deliveries_of, clock)
    assert store.commit(judged(make_candidate(START - timedelta(hours=1)), is_right=False, note="the gardener"), [])
    recorder.candidate(make_candidate(), will_verify=True)
    asked, is_told = list[VerificationRequest](), threading.Event()

    class Listening(CountingReasoner):
        def assess(self, request: VerificationRequest) -> Assessment:
            asked.append(request)
            return super().assess(request)

    site = SITE.replace("url: gate.mp4", "url: gate.mp4, scene: {place: a gate}") + "site: {policy: Only people count.}"
    verifier = Verifier(
        store, recorder, Listening(), PictureShelf(), site_of(site), 1, DecisionList(), Metrics(), clock,
        on_change=lambda _: is_told.set(),
        on_rejected_untold=lambda _: None,
        owner="tester",
    )  # fmt: skip
    verifier.submit_waiting()
    assert is_told.wait(30)
    verifier.close()
    context = asked[0].context
    assert (context.policy, context.scene.place) == ("Only people count.", "a gate")
    assert [one.outcome for one in context.precedents] == ["a person said: a false alarm (the gardener)"]


def test_with_room_a_verdict_gets_all_and_its_tokens_are_counted(tmp_path: Path) -> None:
    """Eight pictures, nothing taken away, and the metric says what it cost."""
    settings = ReasoningSettings(deadline=60.0, workers=1, server_workers=1)
    with verifying(tmp_path, well_behaved(), settings) as rig:
        rig.add(0, "c0")
        (incident,) = rig.wait(30)
        assert incident.assessment is not None
        assert (incident.assessment.degraded, len(incident.assessment.frames_sent)) == ("", 8)
        tokens = rig.metrics.reasoning_tokens.labels("c0", "climb", "input")._value.get()
    assert incident.assessment.usage is not None
    assert tokens == incident.assessment.usage.input_tokens > 0


def test_the_claims_of_reports_are_counted(tmp_path: Path) -> None:
    """Those that the evidence bears out, and those that were removed, by rule."""
    settings = ReasoningSettings(deadline=60.0, workers=1, server_workers=1)
    with verifying(tmp_path, well_behaved(), settings) as rig:
        rig.add(0, "c0")
        (incident,) = rig.wait(30)
        told = [rig.metrics.claims.labels("climb", outcome)._value.get() for outcome in ("supported", "removed")]
    assert incident.assessment is not None
    grounding = incident.assessment.grounding
    assert grounding is not None
    assert told == [grounding.num_supported, len(grounding.removed)]
    assert sum(told) == grounding.num_checked == 4
