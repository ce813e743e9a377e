"""Normal pictures of one camera for `learn-rules`: of a recording, of the live camera, or kept as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus, IncidentStore
from pipeline.errors import ConfigError, InvalidMessage, TransientError
from pipeline.ingest.capture import PictureWish
from pipeline.ingest.source import is_live, open_source
from pipeline.jpeg import encode, size_of
from pipeline.settings import IngestSettings

_JPEG_QUALITY = 90
_SECONDS_BETWEEN = 2.0
"""Between two pictures of a recording that does not say how long it is."""
_MOST_INCIDENTS = 1000

Shown = tuple[EncodedFrame, str]
"""A picture, and for a person which one it is."""


def of_recording(camera: Camera, file: str, faces: str, number: int, settings: IngestSettings) -> Iterator[Shown]:
    """About `number` pictures, evenly over the file, with the camera's masks burnt in.

    Raises:
        ConfigError: it cannot be read as video, or is a live camera.
    """
    recorded = camera.model_copy(update={"url": SecretStr(file), "fallback_url": None})
    if is_live(recorded):
        raise ConfigError("--source is a recording; for the live camera say --live DURATION")
    source = open_source(recorded, settings, SystemClock(), wish=PictureWish(faces=faces))
    try:
        stride = max((source.expected_frames or 0) // number, 1)
        begun_at, last_at, name = None, None, Path(file).name
        while (frame := source.read()) is not None:
            begun_at = begun_at or frame.captured_at
            is_due = frame.sequence % stride == 0 if source.expected_frames else _is_later(frame.captured_at, last_at)
            if is_due:
                last_at = frame.captured_at
                yield _encoded(frame), f"{name} at {(last_at - begun_at).total_seconds():.1f} s"
    finally:
        source.close()


def of_live(camera: Camera, faces: str, number: int, seconds: float, settings: IngestSettings) -> Iterator[Shown]:
    """`number` pictures over so many seconds of the camera as it is now; `TransientError` when it does not answer."""
    source = open_source(camera, settings, SystemClock(), wish=PictureWish(fps=1.0, faces=faces))
    try:
        begun_at, last_at = None, None
        while (frame := source.read()) is not None:
            begun_at = begun_at or frame.captured_at
            if (frame.captured_at - begun_at).total_seconds() > seconds:
                return
            if last_at is None or (frame.captured_at - last_at).total_seconds() >= seconds / number:
                last_at = frame.captured_at
                yield _encoded(frame), f"live at {last_at:%Y-%m-%d %H:%M:%S} UTC"
        raise TransientError(f"the camera {camera.id} ended before {seconds:g} s were over")
    finally:
        source.close()


def of_false_alarms(
    incidents: IncidentStore, evidence: EvidenceStore, camera_id: str, span: tuple[datetime, datetime], number: int
) -> list[Shown]:
    """Key frames kept of what was found to be no event, by a person or else by the model, in [start, end).

    What was confirmed, or never judged, is not known to be normal and left out.
    """
    wanted = IncidentFilter(camera_id=camera_id, opened_from=span[0], opened_before=span[1], limit=_MOST_INCIDENTS)
    found = sorted((one for one in incidents.find(wanted) if _is_false(one)), key=lambda one: one.opened_at)
    pictures = [shown for one in found for shown in _key_frames(one, evidence)]
    stride = max(-(-len(pictures) // number), 1)
    return pictures[::stride]


def _is_false(incident: Incident) -> bool:
    if incident.candidate.condition is not None:
        return False
    if incident.review is not None:
        return not incident.review.is_right
    return incident.status is IncidentStatus.REJECTED


def _key_frames(incident: Incident, evidence: EvidenceStore) -> Iterator[Shown]:
    for one in incident.candidate.key_frames:
        if not one.uri:
            continue
        try:
            jpeg = evidence.get(one.uri)
            width, height = size_of(jpeg)
        except InvalidMessage:  # its time was over
            continue
        frame = EncodedFrame(incident.camera_id, one.sequence, one.captured_at, 0.0, width, height, jpeg)
        yield frame, f"incident {incident.id}, frame {one.sequence}"


def _is_later(at: datetime, last_at: datetime | None) -> bool:
    return last_at is None or (at - last_at).total_seconds() >= _SECONDS_BETWEEN


def _encoded(frame: Frame | EncodedFrame) -> EncodedFrame:
    return encode(frame, _JPEG_QUALITY) if isinstance(frame, Frame) else frame
