"""The cameras in a watcher's care: made with their first record, dropped when their stream or assignment is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.watcher.handover import Handover
from pipeline.runtime.watcher.intake import Assignment
from pipeline.runtime.watcher.watched_camera import CameraMakers, Told, WatchedCamera


class CameraPark:
    """For the gate's thread, unless it says otherwise."""

    def __init__(self, makers: CameraMakers, handover: Handover, evidence: EvidenceKeeper) -> None:
        self._makers = makers
        self._handover = handover
        self._evidence = evidence
        self._clip_reach = timedelta(seconds=makers.settings.evidence.after)
        self._cameras: dict[str, WatchedCamera] = {}

    def __len__(self) -> int:
        return len(self._cameras)

    @property
    def cameras(self) -> list[WatchedCamera]:
        """Those in care now. Any thread."""
        return list(self._cameras.values())

    def find(self, camera: Camera, assignment: Assignment, captured_at: datetime | None) -> WatchedCamera:
        """The camera as it is watched under this assignment; `captured_at` of the frame it is wanted for."""
        watched = self._cameras.get(camera.id)
        if watched is None or watched.assignment is not assignment:
            watched = self._take_on(camera, assignment, captured_at)
        return watched

    def stream_ended(self, watched: WatchedCamera, *, is_replay: bool) -> None:
        """No more frames of it come; a later stream of the same camera begins afresh.

        In a replay an earlier owner has followed that later stream, too: what it told may be of that one.
        """
        del self._cameras[watched.id]
        if is_replay:
            self._handover.give_back(watched.id, watched.told)
        else:
            self._handover.take_told(watched.id)  # what was open is closed now

    def withdraw_alert(self, candidate: Candidate) -> None:
        """A rejected candidate that was never told gives its cooldown back, if its camera is here. Any thread."""
        watched = self._cameras.get(candidate.camera_id)
        if watched is not None:
            watched.withdraw_alert(candidate)

    def sweep(self) -> list[str]:
        """Forget the cameras of assignments that are over, closing nothing: they are another process's now.

        Gives back their ids.
        """
        lost = [watched for watched in self._cameras.values() if watched.assignment.is_revoked]
        for watched in lost:
            del self._cameras[watched.id]
            self._evidence.forget(watched.id)
        return [watched.id for watched in lost]

    def _take_on(self, camera: Camera, assignment: Assignment, captured_at: datetime | None) -> WatchedCamera:
        told = self._handover.take_told(camera.id)
        watched = self._cameras[camera.id] = self._makers.camera(camera, assignment, told)
        if captured_at is not None:
            self._schedule_clips(watched, told, captured_at)
        return watched

    def _schedule_clips(self, watched: WatchedCamera, told: Told, since: datetime) -> None:
        """Of candidates whose owner went before their seconds were over; of what is seen again, at least."""
        latest: dict[str, Candidate] = {candidate.id: candidate for candidate in told.candidates}
        for candidate in latest.values():
            if candidate.id not in told.with_clip and candidate.opened_at + self._clip_reach > since:
                self._evidence.schedule_clip(candidate, watched.ring)
