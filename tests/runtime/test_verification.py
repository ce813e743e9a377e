"""The verifier: a verdict is asked for once and kept until it can be stored."""

from __future__ import annotations

import threading
from datetime import timedelta

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment, Verdict, VerificationRequest
from pipeline.contracts.incident import ChangeKind, IncidentChange
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.runtime.verification import Verifier
from pipeline.store.database import Database
from pipeline.telemetry import Metrics
from tests.support.cli import PictureShelf
from tests.support.local import site_of
from tests.support.perception import DecisionList
from tests.support.store import START, FullStore, deliveries_of, make_candidate

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
