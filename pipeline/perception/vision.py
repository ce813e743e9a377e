"""Detector and encoder of this process behind one call: `contracts.observation.Vision`.

In: sampled frames of any cameras, as pixels or as JPEG. Out: one `Sight` a frame, in the same order, or an
`InvalidMessage` in the place of a frame no model could take. Where a frame asks for it (`crop_labels`), the encoder
looks at the things in it too, each cut out by itself. What remembers (tracks) is left to `stage.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame
from pipeline.contracts.observation import MOVING, Detector, Encoder, Region, Sight, TextEncoder
from pipeline.contracts.rule import ANY_OBJECT
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.jpeg import Reduction, decode_frame, pixels_of
from pipeline.perception.crops import cut_out, worth_a_look
from pipeline.perception.detector import MotionDetector
from pipeline.perception.parallel import in_threads
from pipeline.settings import PerceptionSettings


class _HasFrame(Protocol):
    @property
    def frame(self) -> Frame | EncodedFrame: ...


Item = TypeVar("Item", bound=_HasFrame)
Result = TypeVar("Result")

_REDUCTIONS: tuple[Reduction, ...] = (8, 4, 2)
_TIMES_INPUT = 2
"""A JPEG that only the encoder looks at is decoded at a fraction of its size, still so many times the encoder's.
1080p for 256 px then takes 9 ms in place of 24 (decoding and the encoder's own resizing, one core), and changes
the encoder's input by a third of what JPEG at quality 85 has changed it by."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A frame with what the detector found in it, for the encoder."""

    frame: Frame | EncodedFrame
    """Decoded, perhaps smaller than the frame that was given."""
    scale: float
    """From pixels of the frame that was given to pixels of this one."""
    regions: tuple[Region, ...]
    crop_labels: tuple[str, ...]


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
            pixels = decode_frame(frame, 1 if self._cuts_out(sampled) else self._reduction(frame))
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

    def _cuts_out(self, sampled: SampledFrame) -> bool:
        """Whether things may be cut out of it, which are small enough as they are: then it is decoded whole."""
        labels = sampled.crop_labels
        may_find = self._detects_in_pixels or (bool(sampled.motion.regions) and {MOVING, ANY_OBJECT} & {*labels})
        return bool(labels and may_find)

    def _look(self, given: Sequence[SampledFrame], decoded: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        """`decoded` may be smaller than what was `given`, and then motion stands in pixels of the latter."""
        with self._detecting:
            found = each_alone(self._detector.detect, decoded if self._detects_in_pixels else given)
        encoder = self._encoder
        if encoder is None:
            return [one if isinstance(one, InvalidMessage) else Sight(one) for one in found]
        seen = [
            _Found(small.frame, small.frame.width / full.frame.width, regions, full.crop_labels)
            for full, small, regions in zip(given, decoded, found, strict=True)
            if not isinstance(regions, InvalidMessage)
        ]
        answers = each_alone(lambda some: _encoded(some, encoder), seen)
        sights = iter(answers)
        return [one if isinstance(one, InvalidMessage) else next(sights) for one in found]


def _encoded(found: Sequence[_Found], encoder: Encoder) -> list[Sight]:
    """Pictures, and what is cut out of them, go through the encoder together."""
    pictures = [pixels_of(one.frame) for one in found]
    chosen = [worth_a_look(one.regions, one.crop_labels) for one in found]
    crops = [
        cut_out(picture, one.regions[index].box, one.scale)
        for picture, one, indices in zip(pictures, found, chosen, strict=True)
        for index in indices
    ]
    vectors = encoder.encode_images([*pictures, *crops])
    if len(vectors) != len(pictures) + len(crops):
        raise StageFailed(f"expected {len(pictures) + len(crops)} vectors of the encoder, got {len(vectors)}")
    of_crops = iter(vectors[len(pictures) :])
    sights = []
    for one, whole, indices in zip(found, vectors, chosen, strict=False):
        regions = list(one.regions)
        for index in indices:
            regions[index] = replace(regions[index], embedding=next(of_crops))
        sights.append(Sight(tuple(regions), whole))
    return sights


def each_alone(call: Callable[[Sequence[Item]], list[Result]], frames: Sequence[Item]) -> list[Result | InvalidMessage]:
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
            return [result for one in frames for result in each_alone(call, [one])]
        return [error if isinstance(error, InvalidMessage) else InvalidMessage(_message(frames[0].frame, error))]
    if len(results) != len(frames):
        raise StageFailed(f"expected {len(frames)} results of a batch, got {len(results)}")
    return list(results)


def _message(frame: Frame | EncodedFrame, error: Exception) -> str:
    return f"frame {frame.sequence} of {frame.camera_id} ({frame.width}x{frame.height}) fails the model: {error}"
