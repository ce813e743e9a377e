"""Pictures that were kept as evidence: found by what they show, and shown.

Only the peak of an incident has an embedding; what opened no incident left no picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline import jpeg
from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.incident import Incident
from pipeline.contracts.values import unpack_vector
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.search.archive import Archive
from pipeline.search.arguments import GetFrames, SearchFrames
from pipeline.search.events import incidents_in, seen_in
from pipeline.search.found import Asked, Found, Shown, cite, find_incident, numbered_frames, row
from pipeline.search.named import asked_while, cameras_named, span_json

_AROUND = timedelta(hours=1)
"""A picture further from the time that was asked for is none of that time."""
_MOMENT = timedelta(minutes=1)
"""Around the time asked for: the while in which it matters whether the camera was watched."""
_LONG_SIDE_PX = 1024
_QUALITY = 85
_NO_WORDS = (
    "pictures cannot be found by words here: the site has no encoder that reads them (models.encoder); "
    "use like with an incident's id, or search_events with text"
)


@dataclass(frozen=True, slots=True)
class _Near:
    """A key frame, and how far it is from the time that was asked for."""

    apart: timedelta
    incident: Incident
    number: int
    key: KeyFrame

    @property
    def cite(self) -> str:
        return cite(self.incident, self.number)


class FrameTools:
    """Answers from candidates' embeddings and the evidence store."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def search(self, wanted: SearchFrames) -> Found:
        """The incidents whose peak is nearest to words or to another incident, by cosine similarity."""
        archive = self._archive
        if bool(wanted.text) == bool(wanted.like):
            raise ConfigError("expected either text or like, and not both")
        asked = asked_while(archive, wanted, cameras_named(archive, wanted.camera))
        model_id, target, of_itself = self._words(wanted.text) if wanted.text else self._like(wanted.like)
        ranked = []
        for incident in incidents_in(archive, asked, wanted.camera, None):
            vector = _vector(incident, model_id)
            if vector is not None and vector.shape == target.shape and incident.id != of_itself:
                ranked.append((float(vector @ target), incident))
        ranked.sort(key=lambda each: -each[0])
        best = ranked[: wanted.limit]
        rows = [
            row(incident, archive) | {"cite": cite(incident, _peak(incident)), "similarity": round(similarity, 3)}
            for similarity, incident in best
        ]
        note = "similarity only ranks: look at the pictures before you say what they show"
        data = {**span_json(archive, asked.start, asked.end), "compared": len(ranked), "frames": rows, "note": note}
        return Found(data, f"{len(best)} of {len(ranked)} pictures", tuple(each for _, each in best), (asked,))

    def get(self, wanted: GetFrames) -> Found:
        """Pictures of a camera nearest to a time, an hour away at most."""
        archive = self._archive
        cameras = cameras_named(archive, wanted.camera)
        at = archive.read_time(wanted.at)
        asked = Asked(cameras, at - _AROUND, at + _AROUND)
        frames = []
        num_missing = 0
        for near in self._near(asked, at):
            picture = self._picture(near.key)
            num_missing += picture is None
            frames += [(near, picture)] if picture is not None else []
            if len(frames) == wanted.count:
                break
        rows = [
            {"cite": near.cite, "at": archive.local(near.key.captured_at), "seen": seen_in(near.key)}
            for near, _ in frames
        ]
        data = {"camera": wanted.camera, "at": archive.local(at), "frames": rows, "no_longer_kept": num_missing}
        incidents = tuple({near.incident.id: near.incident for near, _ in frames}.values())
        pictures = tuple(Shown(near.cite, picture) for near, picture in frames)
        moment = Asked(cameras, at - _MOMENT, at + _MOMENT)
        return Found(data, f"{len(rows)} pictures", incidents, (moment,), pictures)

    def _near(self, asked: Asked, at: datetime) -> list[_Near]:
        """Key frames of that while that were kept, the nearest to `at` first."""
        near = [
            _Near(abs(key.captured_at - at), incident, number, key)
            for incident in incidents_in(self._archive, asked, asked.camera_ids[0], None)
            for number, key in numbered_frames(incident).items()
            if key.uri and abs(key.captured_at - at) <= _AROUND
        ]
        return sorted(near, key=lambda each: each.apart)

    def _picture(self, key: KeyFrame) -> bytes | None:
        """Small enough to be sent; None when it is no longer kept."""
        try:
            return _reduced(self._archive.evidence.get(key.uri))
        except InvalidMessage:
            return None

    def _words(self, text: str) -> tuple[str, NDArray[np.float32], str]:
        encoder = self._archive.words()
        if encoder is None or not encoder.supports_text:
            raise ConfigError(_NO_WORDS)
        return encoder.model_id, encoder.encode_texts([text])[0], ""

    def _like(self, incident_id: str) -> tuple[str, NDArray[np.float32], str]:
        incident = find_incident(self._archive.incidents, incident_id)
        model_id = incident.candidate.models.get("encoder", "")
        vector = _vector(incident, model_id)
        if vector is None:
            raise ConfigError(f"of incident {cite(incident)} no embedding is kept: the site had no encoder then")
        return model_id, vector, incident.id


def _vector(incident: Incident, model_id: str) -> NDArray[np.float32] | None:
    """Unit length; None when there is none in the space of that model."""
    if incident.candidate.models.get("encoder", "") != model_id:
        return None
    vector = unpack_vector(incident.candidate.embedding)
    norm = float(np.linalg.norm(vector)) if vector is not None else 0.0
    return vector / norm if vector is not None and norm else None


def _peak(incident: Incident) -> int:
    """The number of the frame that its embedding was made from."""
    frames = numbered_frames(incident)
    return next((number for number, key in frames.items() if key.role == "peak"), next(iter(frames), 1))


def _reduced(picture: bytes) -> bytes:
    """At a half, a quarter or an eighth when it is longer than 1024 pixels."""
    long_side = max(jpeg.size_of(picture))
    if long_side <= _LONG_SIDE_PX:
        return picture
    factor: jpeg.Reduction = 2 if long_side <= 2 * _LONG_SIDE_PX else 4 if long_side <= 4 * _LONG_SIDE_PX else 8
    return jpeg.encode_pixels(jpeg.decode(picture, factor), _QUALITY)
