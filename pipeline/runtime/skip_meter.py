"""Frames that were not looked at any further, as a metric, beside the ledger."""

from __future__ import annotations

from pipeline.contracts.decision import Decision, DecisionSink
from pipeline.telemetry import Metrics


class SkipMeter:
    """A `DecisionSink` for one sampler: counts the frames it passed over, by reason, and hands every decision on."""

    def __init__(self, decisions: DecisionSink, metrics: Metrics) -> None:
        self._decisions = decisions
        self._metrics = metrics

    def record(self, decision: Decision) -> None:
        """Count, then pass on."""
        if not decision.passed:
            self._metrics.frames_skipped.labels(decision.camera_id, decision.reason).inc()
        self._decisions.record(decision)
