"""Detector and encoder of this process behind one call: `contracts.observation.Vision`.

In: sampled frames of any cameras, as pixels or as JPEG. Out: one `Sight` a frame, in the same order, or an
`InvalidMessage` in the place of a frame no model could take. What remembers (tracks) is left to `stage.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame
from pipeline.contracts.observation import Detector, Encoder, Region, Sight, TextEncoder
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.jpeg import Reduction, decode_frame, pixels_of
from pipeline.perception.detector import MotionDetector
from pipeline.perception.parallel import in_threads
from pipeline.settings import PerceptionSettings

Result = TypeVar("Result")
Embedding = NDArray[np.float32] | None

_REDUCTIONS: tuple[Reduction, ...] = (8, 4, 2)
_TIMES_INPUT = 2
"""A JPEG that only the encoder looks at is decoded at a fraction of its size, still so many times the encoder's.
1080p for 256 px then takes 9 ms in place of 24 (decoding and the encoder's own resizing, one core), and changes
the encoder's input by a third of what JPEG at quality 85 has changed it by."""


class LocalVision:
    """The models of this process. The detector has one call at a time; another call's JPEGs are decoded meanwhile."""

    def __init__(self, detector: Detector, encoder: Encoder | None, settings: PerceptionSettings) -> None:
        self.model_ids: Mapping[str, str] = {"detector": detector.model_id}
        if encoder is not None:
            self.model_ids = {**self.model_ids, "encoder": encoder.model_id}
        self.words: TextEncoder | None = encoder
        self._detector = detector
        self._encoder = encoder
        self._num_threads = settings.threads
        self._detecting = threading.Lock()
        self._detects_in_pixels = not isinstance(detector, MotionDetector)

    def warm_up(self) -> None:
        """Load the models; `ConfigError` when one cannot be had."""
        self._detector.warm_up()
        if self._encoder is not None:
            self._encoder.warm_up()

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        """One answer a frame, in order; a JPEG is decoded once, or never when no model looks at pixels."""
        decoded = self._decoded(frames)
        pairs = [(given, one) for given, one in zip(frames, decoded, strict=True) if isinstance(one, SampledFrame)]
        sights = iter(self._look([given for given, _ in pairs], [one for _, one in pairs]))
        return [one if isinstance(one, InvalidMessage) else next(sights) for one in decoded]

    def close(self) -> None:
        """Free the models; may be called twice."""
        self._detector.close()
        if self._encoder is not None:
            self._encoder.close()

    def _decoded(self, frames: Sequence[SampledFrame]) -> list[SampledFrame | InvalidMessage]:
        """The frames as the models want them, all as pixels if one looks at pixels."""
        looks_at_pixels = self._detects_in_pixels or self._encoder is not None
        if not looks_at_pixels or all(isinstance(sampled.frame, Frame) for sampled in frames):
            return list(frames)
        return in_threads(self._decode, frames, self._num_threads)

    def _decode(self, sampled: SampledFrame) -> SampledFrame | InvalidMessage:
        frame = sampled.frame
        if isinstance(frame, Frame):
            return sampled
        try:
            pixels = decode_frame(frame, self._reduction(frame))
        except InvalidMessage as error:
            return InvalidMessage(f"frame {frame.sequence} of {frame.camera_id}: {error}")
        decoded = Frame(frame.camera_id, frame.sequence, frame.captured_at, frame.pts_seconds, pixels)
        return replace(sampled, frame=decoded)

    def _reduction(self, frame: EncodedFrame) -> Reduction:
        side = None if self._encoder is None else self._encoder.input_side_px
        if self._detects_in_pixels or side is None:
            return 1
        shorter = min(frame.width, frame.height)
        return next((factor for factor in _REDUCTIONS if shorter >= factor * _TIMES_INPUT * side), 1)

    def _look(self, given: Sequence[SampledFrame], decoded: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        """`decoded` may be smaller than what was `given`, and then motion stands in pixels of the latter."""
        with self._detecting:
            found = each_alone(self._detector.detect, decoded if self._detects_in_pixels else given)
        embeddings = each_alone(self._encode, decoded)
        return [_sight(*both) for both in zip(found, embeddings, strict=True)]

    def _encode(self, frames: Sequence[SampledFrame]) -> list[Embedding]:
        if self._encoder is None:
            return [None] * len(frames)
        return list(self._encoder.encode_images([pixels_of(sampled.frame) for sampled in frames]))


def _sight(
    regions: tuple[Region, ...] | InvalidMessage, embedding: Embedding | InvalidMessage
) -> Sight | InvalidMessage:
    if isinstance(regions, InvalidMessage):
        return regions
    return embedding if isinstance(embedding, InvalidMessage) else Sight(regions, embedding)


def each_alone(
    call: Callable[[Sequence[SampledFrame]], list[Result]], frames: Sequence[SampledFrame]
) -> list[Result | InvalidMessage]:
    """Call for all frames at once; should that fail, for each by itself, so that only the bad ones fail.

    What is no fault of a frame (`ConfigError`, `TransientError`, `Overloaded`, `StageFailed`) is raised.
    """
    if not frames:
        return []
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
