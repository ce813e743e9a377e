"""From sights to observations: order, cameras apart, time that goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.contracts.decision import DecisionSink, Gate, NullDecisionSink
from pipeline.contracts.frame import Frame, Motion, SampledFrame
from pipeline.contracts.observation import Observation
from pipeline.contracts.values import Box
from pipeline.errors import InvalidMessage
from pipeline.jpeg import encode
from pipeline.perception.detector import MotionDetector
from pipeline.perception.stage import PerceptionStage
from pipeline.perception.vision import LocalVision
from pipeline.settings import PerceptionSettings
from tests.support.perception import DecisionList, MeanEncoder, frame, sampled, yard

SETTINGS = PerceptionSettings()


def good(seconds: float, camera_id: str = "yard", left: float = 20.0) -> SampledFrame:
    return sampled(yard(), seconds, camera_id, Box(left, 100, left + 40, 200))


def stage(decisions: DecisionSink | None = None, encoder: MeanEncoder | None = None) -> PerceptionStage:
    vision = LocalVision(MotionDetector(SETTINGS), encoder, SETTINGS)
    return PerceptionStage(vision, SETTINGS, decisions or NullDecisionSink())


def ids(seen: Sequence[Observation | InvalidMessage]) -> list[int | None]:
    return [one.regions[0].track_id for one in seen if isinstance(one, Observation)]


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
    assert set(ids(seen[2:])) == {1}


def test_interleaved_cameras_are_tracked_as_if_alone() -> None:
    """Frames of two cameras that come over a bus in any order give each camera the tracks it has by itself."""
    rng = np.random.default_rng(3)
    alone = {
        camera_id: [good(n / 5, camera_id, 20 + way * n) for n in range(20)] for camera_id, way in (("a", 5), ("b", 9))
    }
    mixed = [camera_id for camera_id in alone for _ in range(20)]
    rng.shuffle(mixed)
    waiting = {camera_id: iter(frames) for camera_id, frames in alone.items()}
    order = [next(waiting[camera_id]) for camera_id in mixed]
    target = stage()
    seen = [one for start in range(0, 40, 7) for one in target.process(order[start : start + 7])]
    for camera_id, frames in alone.items():
        own = [one for one in seen if isinstance(one, Observation) and one.camera_id == camera_id]
        expected = stage().process(frames)
        assert [one.regions for one in own] == [one.regions for one in expected if isinstance(one, Observation)]


def test_what_was_seen_elsewhere_is_observed_alike() -> None:
    """`observe` makes of sights what `process` makes of frames; a frame no model could take stays one."""
    frames = [good(n / 5, "a", 20 + 5 * n) for n in range(6)]
    sights = list(LocalVision(MotionDetector(SETTINGS), None, SETTINGS).see(frames))
    target, wrong = stage(), InvalidMessage("no picture")
    seen = target.observe(frames[:3], [*sights[:2], wrong]) + target.observe(frames[3:], sights[3:])
    assert seen[2] is wrong
    assert ids(seen) == [None, 1, 1, 1, 1]


def test_frames_as_jpeg_are_observed_alike() -> None:
    """Size, times and regions are those of the frame, whichever kind it is."""
    given = [good(n / 5, "a", 20 + 5 * n) for n in range(3)]
    as_jpeg = [replace(one, frame=encode(one.frame, 85)) for one in given if isinstance(one.frame, Frame)]
    for ours, theirs in zip(stage().process(given), stage().process(as_jpeg), strict=True):
        assert isinstance(ours, Observation)
        assert isinstance(theirs, Observation)
        assert (theirs.sequence, theirs.captured_at, theirs.width, theirs.height, theirs.regions) == (
            ours.sequence,
            ours.captured_at,
            ours.width,
            ours.height,
            ours.regions,
        )


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
    assert ids(target.process([good(0), good(0.2)])) == [None, 1]


def test_a_camera_that_is_taken_over_again_starts_anew() -> None:
    """Frames that restart earlier in time, after `forget`, give what a new process gives, in the same batch too."""
    frames = [good(n / 5, "a", 20 + 5 * n) for n in range(10)]
    other = [good(n / 5, "b", 300 - 5 * n) for n in range(12)]
    target = stage()
    target.process([*frames[4:], *other[:6]])
    target.forget("a")
    seen = target.process(
        [
            one
            for both in zip(frames, [*other[6:], *[good(3 + n / 5, "b") for n in range(4)]], strict=True)
            for one in both
        ]
    )
    again = [one for one in seen if isinstance(one, Observation) and one.camera_id == "a"]
    expected = stage().process(frames)
    assert [one.regions for one in again] == [one.regions for one in expected if isinstance(one, Observation)]
    assert ids([one for one in seen if isinstance(one, Observation) and one.camera_id == "b"][:6]) == [1] * 6


def test_every_observation_leaves_a_decision() -> None:
    """The ledger can tell that perception found nothing, and how sure it would have had to be."""
    decisions = DecisionList()
    stage(decisions=decisions).process([good(0), sampled(yard(), 0.2)])
    assert [(one.passed, one.reason, one.gate) for one in decisions.decisions] == [
        (True, "something found", Gate.PERCEPTION),
        (False, "nothing found", Gate.PERCEPTION),
    ]
    assert decisions.decisions[1].threshold == SETTINGS.track_start
