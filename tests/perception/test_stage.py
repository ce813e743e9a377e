"""Perception as a whole: order, isolation of bad frames, cameras apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.decision import Gate, NullDecisionSink
from pipeline.contracts.frame import Motion, SampledFrame
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.values import Box, Image
from pipeline.errors import InvalidMessage, StageFailed, TransientError
from pipeline.perception.detector import MotionDetector
from pipeline.perception.stage import PerceptionStage
from pipeline.settings import PerceptionSettings
from tests.support.perception import DecisionList, frame, sampled, yard

SETTINGS = PerceptionSettings()
BAD_LUMA = 13


class MeanEncoder:
    """An encoder whose vectors tell the picture's mean colour."""

    model_id = "mean"
    supports_text = False
    logit_scale = 1.0

    def warm_up(self) -> None:
        pass

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        means = np.array([image.mean(axis=(0, 1)) + 1 for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class ScriptedDetector(MotionDetector):
    """Motion, but a batch with a picture of luma 13 in it raises what it was told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__(SETTINGS)
        self._error = error

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        if any((one.frame.pixels == BAD_LUMA).all() for one in frames):
            raise self._error
        return super().detect(frames)


def bad(seconds: float, camera_id: str = "yard") -> SampledFrame:
    return sampled(np.full((48, 64, 3), BAD_LUMA, np.uint8), seconds, camera_id)


def good(seconds: float, camera_id: str = "yard", left: float = 20.0) -> SampledFrame:
    return sampled(yard(), seconds, camera_id, Box(left, 100, left + 40, 200))


def stage(**parts: object) -> PerceptionStage:
    return PerceptionStage(
        detector=parts.get("detector", MotionDetector(SETTINGS)),  # type: ignore[arg-type]
        encoder=parts.get("encoder"),  # type: ignore[arg-type]
        settings=SETTINGS,
        decisions=parts.get("decisions", NullDecisionSink()),  # type: ignore[arg-type]
    )


def test_one_observation_a_frame_in_order() -> None:
    """A batch of several cameras comes back frame for frame, with what was seen and when."""
    frames = [good(0, "a"), good(0, "b", 200), good(0.2, "a", 26), good(0.2, "b", 194)]
    seen = stage(encoder=MeanEncoder()).process(frames)
    assert all(isinstance(one, Observation) for one in seen)
    for one, given in zip(seen, frames, strict=True):
        assert isinstance(one, Observation)
        assert (one.camera_id, one.sequence, one.captured_at, one.pts_seconds) == (
            given.frame.camera_id,
            given.frame.sequence,
            given.frame.captured_at,
            given.frame.pts_seconds,
        )
        assert (one.width, one.height, one.thumbnail) == (320, 240, given.thumbnail)
        assert one.embedding is not None
        assert np.linalg.norm(one.embedding) == pytest.approx(1)


def test_cameras_do_not_share_tracks() -> None:
    """Each camera counts its own tracks from 1, also within one batch."""
    target = stage()
    frames = [good(n / 5, camera_id, 20 + 5 * n) for n in range(4) for camera_id in ("a", "b")]
    seen = target.process(frames[:3]) + target.process(frames[3:])
    assert {one.regions[0].track_id for one in seen[2:] if isinstance(one, Observation)} == {1}


def test_a_bad_frame_fails_only_itself() -> None:
    """What one frame does to the model is said in its place; the others of the batch are observed."""
    target = stage(detector=ScriptedDetector(RuntimeError("shape mismatch")))
    seen = target.process([good(0), bad(0.2), good(0.4, left=24)])
    assert [type(one) for one in seen] == [Observation, InvalidMessage, Observation]
    assert "frame 200 of yard (64x48) fails the model: shape mismatch" in str(seen[1])


@pytest.mark.parametrize("error", [StageFailed("broken"), TransientError("busy")])
def test_what_is_no_frames_fault_is_raised(error: Exception) -> None:
    """A broken worker is not taken for a row of bad frames."""
    with pytest.raises(type(error)):
        stage(detector=ScriptedDetector(error)).process([good(0), bad(0.2)])


def test_a_model_that_loses_frames_fails_the_stage() -> None:
    """A batch must come back whole; which answer belongs to which frame could not be told otherwise."""

    class Forgetful(MotionDetector):
        def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
            return super().detect(frames)[1:]

    with pytest.raises(StageFailed, match="expected 2 results of a batch, got 1"):
        stage(detector=Forgetful(SETTINGS)).process([good(0), good(0.2)])


def test_a_global_change_is_passed_on() -> None:
    """That the whole picture changed stands in the observation."""
    changed = SampledFrame(frame(yard()), Motion((), 0.9, is_global=True), np.zeros((36, 64), np.uint8), "motion")
    (seen,) = stage().process([changed])
    assert isinstance(seen, Observation)
    assert seen.is_global_change


def test_a_forgotten_camera_starts_anew() -> None:
    """After `forget` a camera's ids start from 1."""
    target = stage()
    target.process([good(0), good(0.2), good(0.4)])
    target.forget("yard")
    target.forget("never seen")
    seen = target.process([good(0), good(0.2)])
    assert [one.regions[0].track_id for one in seen if isinstance(one, Observation)] == [None, 1]


def test_every_observation_leaves_a_decision() -> None:
    """The ledger can tell that perception found nothing, and how sure it would have had to be."""
    decisions = DecisionList()
    stage(decisions=decisions).process([good(0), sampled(yard(), 0.2)])
    assert [(one.passed, one.reason, one.gate) for one in decisions.decisions] == [
        (True, "something found", Gate.PERCEPTION),
        (False, "nothing found", Gate.PERCEPTION),
    ]
    assert decisions.decisions[1].threshold == SETTINGS.track_start


def test_models_are_named() -> None:
    """Which models see is known before they are loaded."""
    assert stage(encoder=MeanEncoder()).model_ids == {"detector": "motion", "encoder": "mean"}
    assert stage().model_ids == {"detector": "motion"}


def test_an_empty_batch_is_nothing() -> None:
    """No frames, no observations; closing twice is allowed."""
    target = stage(encoder=MeanEncoder())
    target.warm_up()
    assert target.process([]) == []
    target.close()
    target.close()
