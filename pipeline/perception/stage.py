"""Sampled frames to observations: see, track.

In: sampled frames of any cameras, each camera's in time order, and what the models made of them. Out: one
observation a frame, in the same order, or an `InvalidMessage` in the place of a frame no model could take. What
the things mean is left to the rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Observation, Region, Sight, Vision
from pipeline.errors import InvalidMessage
from pipeline.perception.tracker import CameraTracker
from pipeline.settings import PerceptionSettings


class PerceptionStage:
    """All perception of one process, by a warm `vision` that it leaves to its maker. Used by one thread."""

    def __init__(self, vision: Vision, settings: PerceptionSettings, decisions: DecisionSink) -> None:
        self._vision = vision
        self._settings = settings
        self._decisions = decisions
        self._trackers: dict[str, CameraTracker] = {}

    def process(self, frames: Sequence[SampledFrame]) -> list[Observation | InvalidMessage]:
        """One result a frame, in order; a frame that cannot be processed fails only itself."""
        return self.observe(frames, self._vision.see(frames))

    def observe(
        self, frames: Sequence[SampledFrame], sights: Sequence[Sight | InvalidMessage]
    ) -> list[Observation | InvalidMessage]:
        """The same for frames that were seen already: tracks and decisions alone, no model."""
        return [
            sight if isinstance(sight, InvalidMessage) else self._observe(sampled, sight)
            for sampled, sight in zip(frames, sights, strict=True)
        ]

    def forget(self, camera_id: str) -> None:
        """Drop a camera's tracks; its next frame starts ids from 1."""
        self._trackers.pop(camera_id, None)

    def _observe(self, sampled: SampledFrame, sight: Sight) -> Observation:
        frame = sampled.frame
        tracker = self._trackers.get(frame.camera_id)
        if tracker is None:
            tracker = self._trackers[frame.camera_id] = CameraTracker(self._settings)
        self._record(sampled, sight.regions)
        return Observation(
            camera_id=frame.camera_id,
            sequence=frame.sequence,
            captured_at=frame.captured_at,
            pts_seconds=frame.pts_seconds,
            width=frame.width,
            height=frame.height,
            regions=tracker.update(sight.regions, frame.captured_at),
            thumbnail=sampled.thumbnail,
            embedding=sight.embedding,
            is_global_change=sampled.motion.is_global,
        )

    def _record(self, sampled: SampledFrame, found: Sequence[Region]) -> None:
        """Whether anything was found that could start a track, with the surest score."""
        best = max((region.score for region in found), default=0.0)
        is_found = best >= self._settings.track_start
        self._decisions.record(
            Decision(
                camera_id=sampled.frame.camera_id,
                gate=Gate.PERCEPTION,
                passed=is_found,
                reason="something found" if is_found else "nothing found",
                at=sampled.frame.captured_at,
                value=best,
                threshold=self._settings.track_start,
            )
        )
