"""Builders for what the command line shows: incidents, counts of decisions, small videos."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.contracts.assessment import Assessment, Element, Relation, Report, Verdict
from pipeline.contracts.candidate import Candidate, CandidateState, Fact, KeyFrame, SeenRegion, candidate_id
from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.values import Severity
from pipeline.errors import InvalidMessage

START = datetime(2026, 7, 10, 20, 14, tzinfo=UTC)
SIZE = (320, 180)


def count(gate: Gate, reason: str, *, passed: bool = False, rule: str = "loitering", **given: Any) -> DecisionCount:
    """Decisions of camera `yard` in the minute of `START`."""
    values: dict[str, Any] = {"count": 1, "min_value": None, "max_value": None, "threshold": None, "detail": ""}
    return DecisionCount(
        camera_id="yard", rule_id=rule, minute=START, gate=gate, passed=passed, reason=reason, **values | given
    )


def incident(
    seconds: float = 3.0,
    *,
    rule: str = "loitering",
    status: IncidentStatus = IncidentStatus.UNVERIFIED,
    fact: str = "moving 7 stayed in fence for 47 s (limit 45 s)",
    report: Report | None = None,
    reason: str = "",
    **given: Any,
) -> Incident:
    """An incident of camera `yard` that opened so long after `START` and lasted five seconds."""
    opened_at = START + timedelta(seconds=seconds)
    name = candidate_id("yard", rule, opened_at)
    region = SeenRegion(box=(40.0, 30.0, 90.0, 150.0), label="moving", score=0.9, track_id=7)
    candidate = Candidate(
        id=name,
        camera_id="yard",
        rule_id=rule,
        rule_version="1",
        state=CandidateState.CLOSED,
        severity=Severity.HIGH,
        started_at=opened_at,
        opened_at=opened_at,
        ended_at=opened_at + timedelta(seconds=5),
        score=1.0,
        peak_score=1.0,
        threshold=1.0,
        facts=(Fact(kind="inside", text=fact, at=opened_at, value=47.0, threshold=45.0, unit="s"),),
        key_frames=(
            KeyFrame(sequence=1, captured_at=opened_at, role="peak", score=1.0, regions=(region,), uri=f"{name}/1.jpg"),
        ),
        picture_size=SIZE,
    )
    return Incident(
        id=name,
        camera_id="yard",
        rule_id=rule,
        status=status,
        severity=Severity.HIGH,
        awaits_verdict=False,
        last_change=2,
        opened_at=opened_at,
        updated_at=opened_at,
        closed_at=opened_at + timedelta(seconds=5),
        candidate=candidate,
        assessment=_assessment(name, status, report, reason, opened_at) if report or reason else None,
        snapshot_uri=f"{name}/snapshot.jpg",
        **given,
    )


def _assessment(name: str, status: IncidentStatus, report: Report | None, reason: str, at: datetime) -> Assessment:
    return Assessment(
        candidate_id=name,
        verdict=Verdict(status.value),
        probability=0.93,
        reason=reason or (report.explanation if report else ""),
        report=report,
        model_id="test-vlm",
        started_at=at,
        finished_at=at,
    )


def hostile_report(text: str) -> Report:
    """A model's report in which every word is `text`."""
    return Report(
        title=text,
        explanation=text,
        frames=(1,),
        elements=(Element(name=text, frame=1, box=(0.1, 0.1, 0.4, 0.9)),),
        relations=(Relation(subject=text, relation=text, object=text, frame=1),),
        forecast=text,
        advice=text,
    )


class PictureShelf:
    """An `EvidenceStore` in memory, with one grey picture under every key, or none at all."""

    def __init__(self, *, is_empty: bool = False) -> None:
        self._is_empty = is_empty
        grey = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        self._jpeg = cv2.imencode(".jpg", grey)[1].tobytes()

    def get(self, key: str) -> bytes:
        if self._is_empty:
            raise InvalidMessage(f"no evidence under {key!r}")
        return self._jpeg

    def put(self, key: str, data: bytes) -> str:
        return key

    def delete(self, key: str) -> bool:
        return False

    def locate(self, key: str) -> str:
        return f"/evidence/{key}"

    def folders(self, folder: str = "") -> list[str]:
        return []

    def delete_folder(self, folder: str) -> list[str]:
        return []


def write_video(path: Path, *, seconds: float = 8.0, fps: int = 10, moves: bool = True) -> Path:
    """A textured picture, 320x180, with a bright block that walks through from the third second on."""
    width, height = SIZE
    rng = np.random.default_rng(5)
    backdrop = cv2.GaussianBlur(rng.integers(60, 140, (height, width, 3), dtype=np.uint8), (0, 0), 3)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, SIZE)
    for number in range(int(seconds * fps)):
        picture = backdrop.copy()
        left = int((number / fps - 3.0) * 80)
        if moves and left > -30:
            cv2.rectangle(picture, (left, 60), (left + 30, 140), (240, 240, 240), -1)
        writer.write(picture)
    writer.release()
    return path
