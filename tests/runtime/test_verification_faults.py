"""Verdicts over a real HTTP server that fails: nothing is lost, nothing is late."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pipeline.contracts.incident import IncidentStatus
from pipeline.settings import ReasoningSettings
from tests.support.verification import Faults, verifying

FAST = ReasoningSettings(timeout=0.5, deadline=3.0, breaker_for=0.2, workers=4, server_workers=8)


def test_two_hundred_candidates_through_a_faulty_server_all_end(tmp_path: Path) -> None:
    """Slow, failing and raving: each candidate ends confirmed, rejected or unverified, and tokens are on record."""
    with verifying(tmp_path, Faults(0.002, 0.1), FAST, cameras=5) as rig:
        for number in range(200):
            rig.add(number, f"c{number % 5}")
        found = rig.wait(60)
    ended = Counter(incident.status for incident in found)
    assert sum(ended.values()) == 200
    assert IncidentStatus.PROVISIONAL not in ended
    assert ended[IncidentStatus.CONFIRMED] > 0
    judged = [one.assessment for one in found if one.assessment and one.assessment.usage and one.assessment.usage.calls]
    assert judged
    assert all(one.usage and one.usage.input_tokens > 0 for one in judged)


def test_behind_a_dead_server_all_are_told_unverified(tmp_path: Path) -> None:
    """The breaker opens, and every candidate ends with a reason."""
    with verifying(tmp_path, Faults(0.0, 0.0, is_down=True), FAST) as rig:
        for number in range(30):
            rig.add(number, "c0")
        found = rig.wait(60)
        assert rig.reasoner.breaker.changes
    assert {incident.status for incident in found} == {IncidentStatus.UNVERIFIED}
    assert all(incident.assessment and incident.assessment.reason for incident in found)


def test_a_server_far_too_slow_makes_what_cannot_be_in_time_unverified_at_once(tmp_path: Path) -> None:
    """A backlog that no ladder helps is told, with the reason, in the incident, the ledger and the metric."""
    slow = FAST.model_copy(update={"timeout": 2.0, "deadline": 2.0, "server_workers": 2, "workers": 2})
    with verifying(tmp_path, Faults(0.3, 0.3, failing=0, garbage=0), slow) as rig:
        for number in range(60):
            rig.add(number, "c0")
        found = rig.wait(60)
        metric = rig.metrics.verdicts_degraded.labels("c0", "climb", "not judged")._value.get()
    refused = [one.assessment for one in found if one.assessment and one.assessment.degraded.startswith("not judged")]
    assert 0 < len(refused) < 60
    assert metric == len(refused)
    assert any("not judged" in decision.detail for decision in rig.decisions.decisions)
