"""The line of the ledger that says: this became an incident."""

from __future__ import annotations

from pipeline.contracts.decision import Decision, Gate
from pipeline.contracts.incident import IncidentChange


def incident_decision(change: IncidentChange) -> Decision:
    """The last gate's verdict on a candidate that was stored."""
    candidate = change.incident.candidate
    return Decision(
        candidate.camera_id,
        Gate.INCIDENT,
        True,
        f"incident {change.kind.value}",
        candidate.opened_at,
        rule_id=candidate.rule_id,
        value=candidate.peak_score,
        threshold=candidate.threshold,
        detail=candidate.id,
    )
