"""Watchers learn from the database whose alert was never told."""

from __future__ import annotations

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Verdict
from pipeline.contracts.candidate import Candidate
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.runtime.watcher.withdrawals import Withdrawals
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.local import site_of
from tests.support.store import START, make_assessment, make_candidate

SITE = """
cameras: [{id: gate, url: gate.mp4}]
rules:
  - {id: climb, track: {object: any, count_above: 0}, verify: vlm, alert: verified, cooldown: 60s}
  - {id: bag, track: {object: any, count_above: 0}, verify: vlm, cooldown: 60s}
"""


@pytest.mark.parametrize(
    ("rule_id", "verdict", "after_seconds", "is_withdrawn"),
    [
        pytest.param("climb", Verdict.REJECTED, 10, True, id="rejected, untold"),
        pytest.param("climb", Verdict.CONFIRMED, 10, False, id="confirmed"),
        pytest.param("bag", Verdict.REJECTED, 10, False, id="told at once"),
        pytest.param("climb", Verdict.REJECTED, 600, False, id="cooldown long over"),
    ],
)
def test_only_what_nobody_heard_of_is_withdrawn(
    sqlite_database: Database, rule_id: str, verdict: Verdict, after_seconds: float, is_withdrawn: bool
) -> None:
    """A rejected candidate of a rule that tells verified alerts gives its cooldown back while it lasts."""
    store, clock, withdrawn = SqlIncidentStore(sqlite_database), ManualClock(START), list[Candidate]()
    candidate = make_candidate(rule_id=rule_id)
    recorder = IncidentRecorder(store, lambda _: (), clock)
    recorder.candidate(candidate, will_verify=True)
    recorder.assessment(make_assessment(candidate.id, verdict))
    clock.advance(after_seconds)
    Withdrawals(store, site_of(SITE), withdrawn.append, clock).look()
    assert withdrawn == ([candidate] if is_withdrawn else [])
