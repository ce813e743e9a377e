"""Sampled frames to observations: detect, track, encode.

In: sampled frames of any cameras, each camera's in time order. Out: one observation a frame, in the same order,
or an `InvalidMessage` in the place of a frame no model could take. What the things mean is left to the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Detector, Encoder, Observation, Region
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.perception.tracker import CameraTracker
from pipeline.settings import PerceptionSettings

Result = TypeVar("Result")
Embedding = NDArray[np.float32] | None


class PerceptionStage:
    """All perception of one process. Used by one thread."""

    def __init__(
        self, detector: Detector, encoder: Encoder | None, settings: PerceptionSettings, decisions: DecisionSink
    ) -> None:
        self._detector = detector
        self._encoder = encoder
        self._settings = settings
        self._decisions = decisions
        self._trackers: dict[str, CameraTracker] = {}

    @property
    def model_ids(self) -> dict[str, str]:
        """Which models see: `detector`, and `encoder` if there is one."""
        ids = {"detector": self._detector.model_id}
        return ids if self._encoder is None else {**ids, "encoder": self._encoder.model_id}

    def warm_up(self) -> None:
        """Load the models; `ConfigError` when one cannot be had."""
        self._detector.warm_up()
        if self._encoder is not None:
            self._encoder.warm_up()

    def process(self, frames: Sequence[SampledFrame]) -> list[Observation | InvalidMessage]:
        """One result a frame, in order; a frame that cannot be processed fails only itself."""
        if not frames:
            return []
        found = each_alone(self._detector.detect, frames)
        embeddings = each_alone(self._encode, frames)
        return [
            self._observe(sampled, regions, embedding)
            for sampled, regions, embedding in zip(frames, found, embeddings, strict=True)
        ]

    def forget(self, camera_id: str) -> None:
        """Drop a camera's tracks; its next frame starts ids from 1."""
        self._trackers.pop(camera_id, None)

    def close(self) -> None:
        """Free the models; may be called twice."""
        self._detector.close()
        if self._encoder is not None:
            self._encoder.close()

    def _encode(self, frames: Sequence[SampledFrame]) -> list[Embedding]:
        if self._encoder is None:
            return [None] * len(frames)
        return list(self._encoder.encode_images([sampled.frame.pixels for sampled in frames]))

    def _observe(
        self,
        sampled: SampledFrame,
        found: tuple[Region, ...] | InvalidMessage,
        embedding: Embedding | InvalidMessage,
    ) -> Observation | InvalidMessage:
        if isinstance(found, InvalidMessage):
            return found
        if isinstance(embedding, InvalidMessage):
            return embedding
        frame = sampled.frame
        tracker = self._trackers.get(frame.camera_id)
        if tracker is None:
            tracker = self._trackers[frame.camera_id] = CameraTracker(self._settings)
        self._record(sampled, found)
        return Observation(
            camera_id=frame.camera_id,
            sequence=frame.sequence,
            captured_at=frame.captured_at,
            pts_seconds=frame.pts_seconds,
            width=frame.width,
            height=frame.height,
            regions=tracker.update(found, frame.captured_at),
            thumbnail=sampled.thumbnail,
            embedding=embedding,
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


def each_alone(
    call: Callable[[Sequence[SampledFrame]], list[Result]], frames: Sequence[SampledFrame]
) -> list[Result | InvalidMessage]:
    """Call for all frames at once; should that fail, for each by itself, so that only the bad ones fail.

    What is no fault of a frame (`ConfigError`, `TransientError`, `Overloaded`, `StageFailed`) is raised.
    """
    try:
        results = call(frames)
    except (ConfigError, TransientError, Overloaded, StageFailed):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model's library raises for a frame sets the frame aside
        if len(frames) > 1:
            return [result for sampled in frames for result in each_alone(call, [sampled])]
        return [error if isinstance(error, InvalidMessage) else InvalidMessage(_message(frames[0], error))]
    if len(results) != len(frames):
        raise StageFailed(f"expected {len(frames)} results of a batch, got {len(results)}")
    return list(results)


def _message(sampled: SampledFrame, error: Exception) -> str:
    frame = sampled.frame
    return f"frame {frame.sequence} of {frame.camera_id} ({frame.width}x{frame.height}) fails the model: {error}"
