"""Pictures that go with an incident: key frames and snapshot at once, the clip when its seconds are over.

An alert never waits for a picture it cannot have: when evidence cannot be stored, that is logged and counted
and the incident goes out without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState, KeyFrame
from pipeline.contracts.evidence import EvidenceStore, evidence_folder
from pipeline.contracts.forecast import Course, Expected, most_telling
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box, pack_vector, utc_text
from pipeline.errors import InvalidMessage, TransientError
from pipeline.incidents.appearance import describe
from pipeline.jpeg import decode_bgr
from pipeline.sampling.ring import FrameRing
from pipeline.settings import EvidenceSettings
from pipeline.store.pictures import annotate, encode_clip
from pipeline.telemetry import FaultLog, Metrics

log = structlog.get_logger()
_MAX_CLIPS_IN_HAND = 8
_SAME_PLACE = timedelta(seconds=0.1)
"""In so much time a walker makes a twelfth of their own height: the box still holds them."""
_SAME_MOMENT = timedelta(seconds=1)
"""A ring that has let go of a moment has pictures of later ones: no evidence of it."""


@dataclass(frozen=True, slots=True)
class _PendingClip:
    candidate: Candidate
    ring: FrameRing
    start: datetime
    end: datetime


class EvidenceKeeper:
    """Writes key frames, snapshots and clips, one thread at a time for a camera; clips are encoded on one more."""

    def __init__(
        self,
        store: EvidenceStore,
        settings: EvidenceSettings,
        metrics: Metrics,
        attach_clip: Callable[[Candidate, str], object],
        *,
        waits_for_clips: bool = True,
    ) -> None:
        """`attach_clip` is called on the thread of the clips.

        `waits_for_clips`: who brings the time of a clip that finds no room waits (files); without it the clip
        waits, and loses its oldest pictures should the ring let go of them meanwhile.
        """
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._attach_clip = attach_clip
        self._waits_for_clips = waits_for_clips
        self._kept: dict[tuple[str, str], dict[int, str]] = {}
        """Camera and candidate to the keys of its pictures, by sequence; until it closes."""
        self._changed = threading.Condition()
        """Guards what is said of clips."""
        self._pending: dict[str, list[_PendingClip]] = {}
        self._num_in_hand = 0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self._fault = FaultLog("evidence", "incidents go out without it")

    def keep(
        self, candidate: Candidate, ring: FrameRing, camera: Camera | None, rule: Rule | None
    ) -> tuple[Candidate, str]:
        """Store the key frames, found in the ring; give back the candidate with their keys, and what it is about
        looked at when it opens; and the snapshot's key ("" if none)."""
        kept = self._kept.setdefault((candidate.camera_id, candidate.id), {})
        kept |= {key.sequence: key.uri for key in candidate.key_frames if key.uri}  # by who told it before
        frames = {key.sequence: _picture(ring, key) for key in candidate.key_frames}
        for key in candidate.key_frames:
            picture = frames[key.sequence]
            if not kept.get(key.sequence) and picture is not None:
                kept[key.sequence] = self._put(candidate, f"frame-{key.sequence:08d}.jpg", picture.jpeg)
        candidate = candidate.model_copy(
            update={
                "key_frames": tuple(
                    key.model_copy(update={"uri": kept.get(key.sequence, "")}) for key in candidate.key_frames
                )
            }
        )
        if candidate.state is CandidateState.OPENED:
            candidate = candidate.model_copy(update={"appearance": _appearance(candidate, frames)})
        if candidate.state is CandidateState.CLOSED:
            self._kept.pop((candidate.camera_id, candidate.id), None)
        snapshot = "" if candidate.state is CandidateState.CLOSED else self._snapshot(candidate, camera, rule, frames)
        return candidate, snapshot

    def schedule_clip(self, candidate: Candidate, ring: FrameRing) -> None:
        """Note that the seconds around this opening are wanted as a clip; the ring has them, or will."""
        start = min(candidate.started_at, candidate.opened_at) - timedelta(seconds=self._settings.before)
        end = candidate.opened_at + timedelta(seconds=self._settings.after)
        with self._changed:
            self._pending.setdefault(candidate.camera_id, []).append(_PendingClip(candidate, ring, start, end))

    def frame_seen(self, camera_id: str, captured_at: datetime) -> None:
        """Time has come this far on a camera: start the clips whose seconds are over."""
        if camera_id not in self._pending:
            return
        with self._changed:
            waiting = self._pending.pop(camera_id, [])
            due = [clip for clip in waiting if clip.end <= captured_at]
            begun = due if self._waits_for_clips else due[: _MAX_CLIPS_IN_HAND - self._num_in_hand]
            if later := [clip for clip in waiting if clip not in begun]:
                self._pending[camera_id] = later
        self._start(begun)

    def stream_ended(self, camera_id: str) -> None:
        """No more frames: make the clips of what there is."""
        with self._changed:
            waiting = self._pending.pop(camera_id, [])
        self._start(waiting)

    def forget(self, camera_id: str) -> None:
        """The camera is another process's now, and so is what was to come of its candidates."""
        with self._changed:
            self._pending.pop(camera_id, None)
        for key in list(self._kept):
            if key[0] == camera_id:
                self._kept.pop(key, None)

    def close(self) -> None:
        """Finish the clips in hand."""
        self._executor.shutdown(wait=True)

    def _snapshot(
        self, candidate: Candidate, camera: Camera | None, rule: Rule | None, frames: Mapping[int, EncodedFrame | None]
    ) -> str:
        peak = next((key for key in candidate.key_frames if key.role == "peak"), None)
        picture = frames.get(peak.sequence) if peak else None
        if peak is None or picture is None:
            return ""
        courses = _courses(candidate, peak)
        used = {(kind, name) for kind, _, name in rule.names_used} if rule else set()
        used |= {(kind, one.target) for _, one in courses if one is not None for kind in ("zone", "line")}
        zones = {name: zone for name, zone in (camera.zones if camera else {}).items() if ("zone", name) in used}
        lines = {name: line for name, line in (camera.lines if camera else {}).items() if ("line", name) in used}
        caption = f"{candidate.camera_id}  {candidate.rule_id}  {utc_text(peak.captured_at)}"
        try:
            ways = [(course, one.words if one is not None else "") for course, one in courses]
            drawn = annotate(picture.jpeg, peak.regions, zones, lines, caption, ways)
        except InvalidMessage as error:
            log.warning("snapshot not drawn", incident=candidate.id, error=str(error))
            return ""
        return self._put(candidate, "snapshot.jpg", drawn)

    def _put(self, candidate: Candidate, name: str, data: bytes) -> str:
        try:
            key = self._store.put(f"{evidence_folder(candidate)}/{name}", data)
        except (TransientError, InvalidMessage) as error:
            self._metrics.invalid_items.labels("evidence", "not stored").inc()
            self._fault.failed(error, incident=candidate.id, name=name)
            return ""
        self._fault.worked()
        return key

    def _start(self, clips: Sequence[_PendingClip]) -> None:
        for clip in clips:
            with self._changed:
                self._changed.wait_for(lambda: self._num_in_hand < _MAX_CLIPS_IN_HAND)
                self._num_in_hand += 1
            frames = clip.ring.between(clip.start, clip.end)
            self._executor.submit(self._write, clip.candidate, frames).add_done_callback(self._written)

    def _written(self, _: Future[None]) -> None:
        with self._changed:
            self._num_in_hand -= 1
            self._changed.notify()

    def _write(self, candidate: Candidate, frames: Sequence[EncodedFrame]) -> None:
        try:
            clip = encode_clip(frames, self._settings.fps)
        except (InvalidMessage, TransientError) as error:
            self._metrics.invalid_items.labels("evidence", "clip not made").inc()
            log.warning("clip not made", incident=candidate.id, error=str(error))
            return
        uri = self._put(candidate, "clip.mp4", clip)
        if not uri:
            return
        try:
            self._attach_clip(candidate, uri)
        except TransientError as error:
            log.warning("clip not attached", incident=candidate.id, error=str(error))
        except InvalidMessage:
            log.info("clip deleted: its incident was erased meanwhile", incident=candidate.id)
            self._store.delete(uri)


def _appearance(candidate: Candidate, frames: Mapping[int, EncodedFrame | None]) -> str:
    """Of the one thing that the candidate is about, from the picture that shows it largest; "" when there is none."""
    track_ids = {fact.track_id for fact in candidate.facts if fact.track_id is not None}
    shown = [
        (Box(*region.box), picture)
        for key in candidate.key_frames
        for region in key.regions
        if len(track_ids) == 1 and region.track_id in track_ids and (picture := frames[key.sequence]) is not None
        if abs(picture.captured_at - key.captured_at) <= _SAME_PLACE
    ]
    if not shown:
        return ""
    box, picture = max(shown, key=lambda each: each[0].area)
    try:
        return pack_vector(describe(decode_bgr(picture.jpeg), box))
    except InvalidMessage as error:
        log.warning("what a thing looks like is not known", incident=candidate.id, error=str(error))
        return ""


def _courses(candidate: Candidate, peak: KeyFrame) -> list[tuple[Course, Expected | None]]:
    """The ways that begin in that picture, each with the most telling thing that is expected of its track."""
    return [
        (course, most_telling([one for one in candidate.outlook if one.track_id == course.track_id]))
        for course in candidate.courses
        if abs(course.made_at - peak.captured_at) <= _SAME_MOMENT
    ]


def _picture(ring: FrameRing, key: KeyFrame) -> EncodedFrame | None:
    nearest = ring.nearest(key.captured_at)
    return nearest if nearest is not None and abs(nearest.captured_at - key.captured_at) <= _SAME_MOMENT else None
