"""The motion gate against scripted light, noise and things, at several frame rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.contracts.frame import Motion
from pipeline.contracts.values import Box, Image
from pipeline.jpeg import encode, luma_of
from pipeline.sampling.background import STAYS_VISIBLE_SECONDS
from pipeline.sampling.gate import MotionGate
from pipeline.settings import SamplingSettings
from tests.support.perception import frame, noisy, read_video, with_box, yard

RATES_FPS = [25.0, 10.0, 5.0, 2.0]
Scene = Callable[[float], Image]


def look_all(scene: Scene, fps: float, seconds: float, settings: SamplingSettings | None = None) -> list[Motion]:
    """The gate over a scripted scene: what it says of every frame, in order."""
    gate = MotionGate(settings or SamplingSettings())
    times = [number / fps for number in range(round(seconds * fps))]
    return [gate.look(frame(scene(time), time)).motion for time in times]


def active_seconds(motions: Iterable[Motion], fps: float) -> float:
    return sum(bool(motion.regions) for motion in motions) / fps


def walker(seconds: float) -> Image:
    """Nothing for 4 s; then something crosses the picture in 4 s; then nothing."""
    return with_box(yard(), round(-24 + 86 * (seconds - 4)), 90) if 4 <= seconds < 8 else yard()


@pytest.mark.parametrize("fps", RATES_FPS)
def test_a_walker_is_seen_at_every_frame_rate(fps: float) -> None:
    """A crossing of 4 s is seen for about 4 s, and nothing else is, whatever the frame rate."""
    motions = look_all(walker, fps, 14)
    assert active_seconds(motions, fps) == pytest.approx(4.0, abs=0.75)
    late = [motion for number, motion in enumerate(motions) if number / fps > 8.6]
    assert not any(motion.regions for motion in late)


def test_regions_lie_where_the_thing_is() -> None:
    """A box in full-frame pixels surrounds the thing, on a frame larger than what the gate works on."""
    still = yard(1280, 960)
    gate = MotionGate(SamplingSettings())
    for number in range(20):
        gate.look(frame(still, number / 5))
    motion = gate.look(frame(with_box(still, 700, 300, 100, 240), 4.0)).motion
    assert len(motion.regions) == 1
    assert motion.regions[0].iou(Box(700, 300, 800, 540)) > 0.85  # the gate's pixel is 4 of the frame's
    assert motion.changed_fraction == pytest.approx(100 * 240 / (1280 * 960), rel=0.3)


def test_regions_come_largest_first() -> None:
    """Two things give two regions, the larger one first."""
    gate = MotionGate(SamplingSettings())
    for number in range(20):
        gate.look(frame(yard(), number / 5))
    motion = gate.look(frame(with_box(with_box(yard(), 30, 40, 16, 30), 200, 90, 40, 90), 4.0)).motion
    assert [round(region.left, -1) for region in motion.regions] == [200, 30]


@pytest.mark.parametrize("fps", RATES_FPS)
def test_slow_light_is_no_motion(fps: float) -> None:
    """Half the light going over twenty seconds moves nothing."""
    motions = look_all(lambda seconds: (yard() * (1 - seconds / 40)).astype(np.uint8), fps, 20)
    assert active_seconds(motions, fps) == 0


@pytest.mark.parametrize("fps", RATES_FPS)
def test_a_cloud_is_no_motion(fps: float) -> None:
    """Light that changes within two seconds, and more on one side than on the other, moves nothing."""
    side = np.linspace(0.0, 0.5, 320)[None, :, None]

    def scene(seconds: float) -> Image:
        return (yard() * (1 - side * np.clip((seconds - 4) / 2, 0, 1))).astype(np.uint8)

    assert active_seconds(look_all(scene, fps, 10), fps) == 0


def test_a_switched_light_is_global_and_soon_learnt() -> None:
    """A light switched on from one side is a change of the whole picture, without regions; then all is as before."""
    lamp = np.exp(-np.linspace(0, 3, 320))[None, :, None] * 140
    rng = np.random.default_rng(3)

    def scene(seconds: float) -> Image:
        lit = yard() * (0.3 if seconds < 5 else 1.0) + (lamp if seconds >= 5 else 0)
        return noisy(np.clip(lit, 0, 255).astype(np.uint8), rng)

    motions = look_all(scene, 10, 12)
    assert any(motion.is_global for motion in motions[50:52])
    assert active_seconds(motions, 10) <= 0.3  # a light that keeps most contrast may leave a corner for a moment
    assert not any(motion.is_global for motion in motions[65:])


@pytest.mark.parametrize("fps", [25.0, 5.0])
def test_sensor_noise_is_no_motion(fps: float) -> None:
    """Noise of a dark night's camera moves nothing, from the second frame on."""
    rng = np.random.default_rng(1)
    motions = look_all(lambda _: noisy(yard() // 3, rng, 8.0), fps, 12)
    assert active_seconds(motions, fps) == 0


def test_flicker_is_no_motion() -> None:
    """Bands of mains flicker that roll through the picture move nothing."""

    def scene(seconds: float) -> Image:
        bands = 1 + 0.08 * np.sin(np.linspace(0, 6 * np.pi, 240) + 17 * seconds)
        return np.clip(yard() * bands[:, None, None], 0, 255).astype(np.uint8)

    assert active_seconds(look_all(scene, 10, 10), 10) == 0


def test_compression_is_no_motion() -> None:
    """Strong compression whose quality pulses as with key frames moves nothing."""
    rng = np.random.default_rng(2)

    def scene(seconds: float) -> Image:
        quality = 60 if round(seconds * 10) % 20 == 0 else 15
        _, data = cv2.imencode(".jpg", noisy(yard(), rng, 2.0), (cv2.IMWRITE_JPEG_QUALITY, quality))
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    assert active_seconds(look_all(scene, 10, 12), 10) == 0


def test_motion_is_seen_while_the_light_changes() -> None:
    """A walker is seen although the light fades at the same time."""
    motions = look_all(lambda seconds: (walker(seconds) * (1 - seconds / 28)).astype(np.uint8), 10, 14)
    assert active_seconds(motions, 10) == pytest.approx(4.0, abs=0.75)


@pytest.mark.parametrize("fps", [5.0, 2.0])
def test_a_thing_left_behind_stays_visible(fps: float) -> None:
    """What is put down stays in view for 90 s, then belongs to the background."""
    known = 30.0
    motions = look_all(lambda seconds: with_box(yard(), 150, 120, 20, 20) if seconds >= known else yard(), fps, 140)
    assert active_seconds(motions, fps) == pytest.approx(STAYS_VISIBLE_SECONDS, abs=1.5)
    assert all(motion.regions for motion in motions[round((known + 1) * fps) : round((known + 85) * fps)])


def test_a_thing_taken_away_leaves_no_lasting_ghost() -> None:
    """What stood there when the camera started leaves a ghost for at most four times as long as it stood."""
    motions = look_all(lambda seconds: with_box(yard(), 150, 90) if seconds < 1 else yard(), 10, 10)
    assert 0 < active_seconds(motions, 10) < 4.5
    assert not motions[-1].regions


def test_a_parked_car_that_leaves_uncovers_what_is_remembered() -> None:
    """After the background took a parked car in, the empty place is known at once when it leaves."""

    def scene(seconds: float) -> Image:
        return with_box(yard(), 150, 120, 40, 30) if 30 <= seconds < 150 else yard()

    motions = look_all(scene, 4, 170)
    assert active_seconds(motions[150 * 4 :], 4) < 2


def test_what_passes_again_and_again_is_seen_every_time() -> None:
    """After two hundred passes of the same thing over the same place the gate still reports it."""

    def scene(seconds: float) -> Image:
        since_seconds = seconds % 6
        small = yard(160, 120)
        return with_box(small, round(48 * since_seconds), 40) if since_seconds < 3 else small

    motions = look_all(scene, 2, 1230)
    assert active_seconds(motions[-24:], 2) >= 5.5


def test_the_first_frames_are_quiet() -> None:
    """A camera that starts on a noisy scene does not report the whole picture."""
    rng = np.random.default_rng(5)
    motions = look_all(lambda _: noisy(yard(), rng, 5.0), 25, 1)
    assert not any(motion.regions or motion.is_global for motion in motions)


def test_a_thing_in_the_third_frame_is_seen() -> None:
    """The gate needs no long warm-up."""
    motions = look_all(
        lambda seconds: with_box(yard(), round(400 * seconds), 90) if seconds > 0.07 else yard(), 25, 0.6
    )
    assert all(motion.regions for motion in motions[3:])


def test_sensitivity_decides_on_faint_things() -> None:
    """A thing little brighter than its background is seen with more sensitivity and missed with less."""

    def scene(seconds: float) -> Image:
        faint = yard().copy()
        if seconds >= 3:
            faint[90:150, 150:180] = np.clip(faint[90:150, 150:180].astype(int) + 16, 0, 255)
        return faint

    seen = {s: active_seconds(look_all(scene, 5, 6, SamplingSettings(sensitivity=s)), 5) for s in (0.3, 2.0)}
    assert seen[0.3] == 0
    assert seen[2.0] > 2


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (2160, 3840)], ids=["1x1", "2x500", "4K"])
def test_odd_sizes_pass(size: tuple[int, int]) -> None:
    """Any size of frame is looked at, and gives a thumbnail."""
    gate = MotionGate(SamplingSettings())
    for number in range(3):
        look = gate.look(frame(np.full((*size, 3), 90, np.uint8), number / 5))
    assert look.thumbnail.shape == (36, 64)
    assert look.motion.regions == ()


def test_another_resolution_starts_afresh() -> None:
    """A camera that changes its resolution is learnt anew, without a report."""
    gate = MotionGate(SamplingSettings())
    gate.look(frame(yard(320, 240), 0))
    assert gate.look(frame(yard(640, 360), 0.1)).motion.regions == ()


def test_luma_of_a_jpeg_is_luma_of_its_pixels() -> None:
    """The reduced decoding of a JPEG shows what the reduced pixels show, for any reduction."""
    for width, height in ((1, 1), (320, 240), (700, 300), (1281, 721), (2800, 2000), (3840, 2160)):
        picture = frame(yard(width, height))
        from_jpeg, from_pixels = luma_of(encode(picture, 95)), luma_of(picture)
        assert from_jpeg.shape == from_pixels.shape
        assert np.abs(from_jpeg.astype(int) - from_pixels).mean() < 2  # grey levels; the grain is sampled otherwise


@pytest.mark.shared
@pytest.mark.parametrize("every", [1, 5], ids=["25 fps", "5 fps"])
def test_traffic_is_found_in_the_annotated_intervals(shared: Path, every: int) -> None:
    """Cars pass the region of interest within the three annotated intervals, and at no other time."""
    zone = Box(631, 532, 841, 659)
    events = [(10, 148), (359, 490), (543, 575)]
    gate = MotionGate(SamplingSettings())
    inside = [
        number
        for number, picture in read_video(shared / "videos" / "dvrscan_traffic_camera.mp4", every)
        if any(_shared_area(region, zone) > 0.1 * zone.area for region in gate.look(picture).motion.regions)
    ]
    assert all(any(start <= number < end for number in inside) for start, end in events)
    # The second car is in the region 10 frames before its event's first frame.
    assert all(any(start - 10 <= number < end for start, end in events) for number in inside)


@pytest.mark.shared
def test_changing_light_outdoors_is_no_motion(shared: Path) -> None:
    """On a clip in which only the light changes there is not one region."""
    gate = MotionGate(SamplingSettings())
    looks = [gate.look(picture) for _, picture in read_video(shared / "videos" / "dvrscan_brightness_change.avi")]
    assert not any(look.motion.regions for look in looks)


def _shared_area(one: Box, other: Box) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0.0) * max(height, 0.0)
