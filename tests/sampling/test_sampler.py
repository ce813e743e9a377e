"""A camera's sampling as a whole: what is sampled, what is recorded, and odd input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.decision import Gate
from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame
from pipeline.contracts.values import Box
from pipeline.errors import InvalidMessage
from pipeline.jpeg import encode
from pipeline.sampling.sampler import CameraSampler
from pipeline.settings import SamplingSettings
from tests.support.perception import DecisionList, at, camera, frame, read_video, with_box, yard


def sampler(**limits: float) -> tuple[CameraSampler, DecisionList]:
    decisions = DecisionList()
    return CameraSampler(camera(**limits), SamplingSettings(), decisions), decisions


def walk(fps: float = 10.0, seconds: float = 20.0) -> list[Frame]:
    """A silent scene in which something crosses from the 8th to the 12th second."""
    times = [n / fps for n in range(round(seconds * fps))]
    return [frame(with_box(yard(), round(-24 + 86 * (t - 8)), 90) if 8 <= t < 12 else yard(), t) for t in times]


def offer_all(
    target: CameraSampler, frames: Sequence[Frame | EncodedFrame], active_share: float = 1.0
) -> list[SampledFrame]:
    offered = [target.offer(one, active_share=active_share) for one in frames]
    return [sampled for sampled in offered if sampled is not None]


def offer_walk(target: CameraSampler, fps: float = 10.0, seconds: float = 20.0) -> list[SampledFrame]:
    return offer_all(target, walk(fps, seconds))


def test_motion_is_sampled_at_the_active_rate() -> None:
    """Before motion a heartbeat, during it and a while after it the active rate, then a heartbeat again."""
    target, _ = sampler(active_fps=5, idle_fps=0.5, active_for=2)
    taken = [(sampled.frame.pts_seconds, sampled.reason) for sampled in offer_walk(target)]
    assert taken[0] == (0.0, "first")
    assert {reason for seconds, reason in taken if 0 < seconds < 8} == {"heartbeat"}
    assert sum(8 <= seconds < 12 for seconds, _ in taken) == pytest.approx(20, abs=2)
    assert {reason for seconds, reason in taken if 12.5 < seconds < 13.5} == {"active"}
    assert {reason for seconds, reason in taken if seconds > 15} == {"heartbeat"}


def test_every_frame_leaves_a_decision() -> None:
    """Sampled or not, each frame is recorded once, with its time, its reason and the numbers compared."""
    target, decisions = sampler(active_fps=2)
    taken = offer_walk(target)
    assert len(decisions.decisions) == 200
    assert sum(decision.passed for decision in decisions.decisions) == len(taken)
    assert {"first", "motion", "active", "heartbeat", "no motion", "over camera rate"} == set(decisions.reasons())
    quiet = next(decision for decision in decisions.decisions if decision.reason == "no motion")
    assert (quiet.gate, quiet.camera_id, quiet.value, quiet.threshold) == (Gate.SAMPLING, "yard", 0.0, 0.0005)
    over = next(decision for decision in decisions.decisions if decision.reason == "over camera rate")
    assert over.threshold == 2


@pytest.mark.parametrize("camera_fps", [5.0, 10.0, 12.0, 25.0, 30.0])
def test_the_ring_holds_no_frame_beside_a_sampled_one(camera_fps: float) -> None:
    """While the active rate is the ring's own, the ring keeps the sampled frames and hardly another."""
    target, _ = sampler(active_fps=5, active_for=60)
    frames = offer_walk(target, camera_fps)
    num_active = sum(sampled.frame.pts_seconds >= 8 for sampled in frames)
    assert num_active <= len(target.ring.between(at(8), at(20))) <= num_active + 3


def test_a_sampled_frame_carries_what_the_gate_saw() -> None:
    """Regions and thumbnail come with the frame, which is handed on untouched."""
    target, _ = sampler()
    moving = next(sampled for sampled in offer_walk(target) if sampled.reason == "motion")
    assert moving.motion.regions
    assert moving.thumbnail.shape == (36, 64)
    assert moving.thumbnail.dtype == np.uint8


def test_sampled_frames_stand_in_the_ring() -> None:
    """A candidate can have the picture of every sampled frame."""
    target, _ = sampler()
    taken = offer_walk(target)
    held = {encoded.captured_at for encoded in target.ring.between(at(0), at(20))}
    assert {sampled.frame.captured_at for sampled in taken} <= held


def test_a_timestamp_that_went_back_is_refused() -> None:
    """A straggler is not sampled, is recorded, and disturbs nothing."""
    target, decisions = sampler()
    target.offer(frame(yard(), 5.0))
    assert target.offer(frame(yard(), 4.5)) is None
    assert target.offer(frame(yard(), 5.0)) is None
    assert decisions.reasons() == ["first", "timestamp went back", "timestamp went back"]
    assert len(target.ring.between(at(0), at(10))) == 1


def test_a_clock_set_back_is_followed_after_a_while() -> None:
    """A camera whose clock goes back an hour is blind for two seconds, not for an hour."""
    target, decisions = sampler()
    target.offer(frame(yard(), 3600.0))
    taken = [target.offer(frame(yard(), n / 10)) for n in range(40)]
    assert decisions.reasons().count("timestamp went back") == 20
    assert taken[20] is not None


def test_light_that_changes_everywhere_is_looked_at() -> None:
    """A change of the whole picture is sampled as activity, without regions, and the ledger tells."""
    target, decisions = sampler(idle_fps=0.1)
    for n in range(50):
        target.offer(frame(yard() // 4, n / 10))
    switched = target.offer(frame(yard(), 5.0))
    assert switched is not None
    assert switched.motion.is_global
    assert switched.motion.regions == ()
    assert decisions.decisions[-1].detail == "the whole picture changed"


@pytest.mark.parametrize("size", [(1, 1), (480, 640), (4320, 7680)], ids=["1x1", "640x480", "8K"])
def test_a_change_of_resolution_goes_on(size: tuple[int, int]) -> None:
    """A stream that changes its size, to whatever, is sampled on, and motion is found again."""
    target, _ = sampler(active_fps=10)
    for n in range(10):
        target.offer(frame(yard(), n / 10))
    target.offer(frame(np.full((*size, 3), 80, np.uint8), 1.0))
    for n in range(20):
        target.offer(frame(yard(), 2 + n / 10))
    moving = target.offer(frame(with_box(yard(), 100, 90), 4.0))
    assert moving is not None
    assert moving.motion.regions


def test_a_walk_that_comes_as_jpeg_is_sampled_as_well() -> None:
    """The same frames are sampled, for the same reasons, and what is handed on is the frame that came."""
    (as_pixels, said), (as_jpeg, said_of_jpeg) = sampler(active_fps=5), sampler(active_fps=5)
    frames = walk(seconds=14)
    encoded = [encode(one, 85) for one in frames]
    taken = offer_all(as_jpeg, encoded)
    assert [one.frame.sequence for one in taken] == [one.frame.sequence for one in offer_all(as_pixels, frames)]
    assert said_of_jpeg.reasons() == said.reasons()
    assert {id(one.frame) for one in taken} <= {id(one) for one in encoded}
    assert {one.jpeg for one in as_jpeg.ring.between(at(0), at(20))} <= {one.jpeg for one in encoded}


@pytest.mark.parametrize(
    "damage",
    [{"jpeg": b"no picture"}, {"width": 640, "height": 480}],
    ids=["no jpeg", "another size"],
)
def test_a_broken_jpeg_changes_nothing(damage: dict[str, object]) -> None:
    """It is an `InvalidMessage` for the caller; the frames after it are sampled as if it had not come."""
    (target, said), (unharmed, expected) = sampler(), sampler()
    frames = [encode(one, 85) for one in walk(5)]
    offer_all(unharmed, frames)
    for one in frames:
        with pytest.raises(InvalidMessage, match="expected a JPEG"):
            target.offer(replace(one, **damage))  # type: ignore[arg-type]
        target.offer(one)
    assert said.decisions == expected.decisions


@pytest.mark.parametrize("share", [0.5, 0.3, 0.0])
def test_an_overloaded_host_thins_the_active_rate(share: float) -> None:
    """Of the active rate its share is left, evenly spread, and heartbeats go on, during motion too."""
    target, decisions = sampler(active_fps=10, idle_fps=0.5, active_for=60)
    taken = [one.frame.pts_seconds for one in offer_all(target, walk(10, 18), active_share=share)]
    assert [seconds for seconds in taken if seconds < 8] == [0.0, 2.0, 4.0, 6.0]
    active = [seconds for seconds in taken if seconds >= 8]
    assert len(active) == pytest.approx(100 * max(share, 0.05), abs=1)
    assert max(np.diff(active)) <= (2 / (10 * share) if share else 2.4)
    late = next(one for one in decisions.decisions if one.reason == "overloaded")
    assert (late.gate, late.passed, late.threshold) == (Gate.SAMPLING, False, 10 * share)


def test_the_ledger_tells_overload_from_the_cameras_own_rate() -> None:
    """Only frames that the camera's rate would have allowed are `overloaded`."""
    (thinned, said), (usual, expected) = sampler(active_fps=5), sampler(active_fps=5)
    frames = walk()
    taken = offer_all(thinned, frames, active_share=0.5)
    offer_all(usual, frames)
    assert said.reasons().count("over camera rate") == expected.reasons().count("over camera rate")
    missing = sum(one.passed for one in expected.decisions) - len(taken)
    assert said.reasons().count("overloaded") == missing > 10


def test_overload_that_passes_leaves_no_trace() -> None:
    """Once the host is in time again, frames are sampled at the active rate as before."""
    target, _ = sampler(active_fps=10, active_for=60)
    frames = walk(10, 20)
    offer_all(target, frames[:100], active_share=0.25)
    assert len(offer_all(target, frames[100:])) == 100


@pytest.mark.shared
@pytest.mark.parametrize(
    "clip", ["dvrscan_traffic_camera.mp4", "dvrscan_brightness_change.avi", "pets09_s2l1_vtest.avi"]
)
def test_cameras_are_sampled_alike_from_pixels_and_from_jpeg(shared: Path, clip: str) -> None:
    """On real clips every decision is the same, and of the regions as many agree as two JPEGs of one frame allow.

    Whole frames that were JPEG once, then looked at as pixels, agree with the original in 95 % (traffic) and 99 %
    (PETS) of the regions: the rest is what compression does to small ones.
    """
    (as_pixels, said), (as_jpeg, said_of_jpeg) = sampler(active_fps=10), sampler(active_fps=10)
    ours: list[Box] = []
    matched = 0
    for _, picture in read_video(shared / "videos" / clip, 4):
        one, other = as_pixels.offer(picture), as_jpeg.offer(encode(picture, 85))
        if one is not None and other is not None:
            ours += [*one.motion.regions, *other.motion.regions]
            matched += _num_matched(one, other) + _num_matched(other, one)
    assert said_of_jpeg.reasons() == said.reasons()
    assert matched >= 0.93 * len(ours)


def _num_matched(one: SampledFrame, other: SampledFrame) -> int:
    return sum(any(box.iou(its) > 0.5 for its in other.motion.regions) for box in one.motion.regions)
