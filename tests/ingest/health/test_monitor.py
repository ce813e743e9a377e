"""One camera's health: what is told, when, and what is not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import cv2
import numpy as np
import pytest

from pipeline.contracts.health import Condition
from pipeline.contracts.values import Image
from tests.support.camera_health import WatchedCamera, noisy, seconds, yard


def _black(index: int) -> Image:
    return noisy(np.full((180, 320, 3), 6, np.uint8), index)


def _covered(index: int) -> Image:
    return noisy(np.full((180, 320, 3), 150, np.uint8), index)


def _moved(index: int) -> Image:
    return noisy(np.roll(yard(), 60, axis=1), index)


def _blurred(index: int) -> Image:
    return noisy(np.asarray(cv2.GaussianBlur(yard(), (0, 0), 3), np.uint8), index)


def _frozen(_: int) -> Image:
    return noisy(yard(), 1)


@pytest.mark.parametrize(
    ("see", "condition"),
    [
        (_black, Condition.BLACK),
        (_covered, Condition.COVERED),
        (_moved, Condition.MOVED),
        (_blurred, Condition.BLURRED),
        (_frozen, Condition.FROZEN),
    ],
)
def test_each_fault_of_the_picture_is_told_once_and_ends(see: Callable[[int], Image], condition: Condition) -> None:
    """After its debounce, since the last good look; over when the picture has been good for a third of that."""
    camera = WatchedCamera()
    camera.watch(60)

    camera.watch(40, see)
    assert camera.told == [f"+{condition}"]
    assert camera.changes[0].since == seconds(60) or condition is Condition.FROZEN
    assert camera.monitor.condition is condition
    camera.watch(15)

    assert camera.told == [f"+{condition}", f"-{condition}"]
    assert camera.changes[1].since == camera.changes[0].since
    assert camera.changes[1].at == seconds(101)


def test_a_fault_shorter_than_its_debounce_is_not_told() -> None:
    """Eight seconds of black, with ten of debounce."""
    camera = WatchedCamera()
    camera.watch(40)
    camera.watch(8, _black)
    camera.watch(20)

    assert camera.told == []


def test_off_is_never_told() -> None:
    """`health: {black: off}`."""
    camera = WatchedCamera(health={"black": "off"})
    camera.watch(30)
    camera.watch(30, _black)

    assert camera.told == []


def test_flapping_is_no_storm() -> None:
    """Four seconds black, four good, again and again: never ten in a row, so never told."""
    camera = WatchedCamera()
    camera.watch(30)
    for _ in range(10):
        camera.watch(4, _black)
        camera.watch(4)

    assert camera.told == []


def test_offline_before_the_first_frame_is_told_since_the_start() -> None:
    """With the reason, after the debounce."""
    camera = WatchedCamera()
    camera.lose(15, "401 unauthorized")

    assert camera.told == ["+offline"]
    assert camera.changes[0].since == seconds(0)
    assert camera.changes[0].at == seconds(10)
    assert camera.changes[0].detail == "401 unauthorized"
    assert camera.monitor.is_blind


def test_offline_ends_with_the_first_good_frame() -> None:
    """It is told with the second, and dated at the first."""
    camera = WatchedCamera()
    camera.watch(5)
    camera.lose(20)
    camera.watch(2)

    assert camera.told == ["+offline", "-offline"]
    assert camera.changes[0].since == seconds(5)
    assert camera.changes[1].at == seconds(26)
    assert not camera.monitor.is_blind


def test_a_connection_that_comes_back_in_time_is_no_outage() -> None:
    """Five seconds without a connection."""
    camera = WatchedCamera()
    camera.watch(5)
    camera.lose(5)
    camera.watch(20)

    assert camera.told == []


def test_single_frames_between_failures_are_one_outage() -> None:
    """A drip of a frame a minute, with the connection given up in between."""
    camera = WatchedCamera()
    camera.watch(5)
    for _ in range(5):
        camera.lose(60)
        camera.watch(1)

    assert camera.told == ["+offline"]


def test_silence_that_nobody_gave_up_on_is_not_offline() -> None:
    """A file that is read slowly sends nothing for minutes."""
    camera = WatchedCamera()
    camera.watch(5)
    for _ in range(300):
        camera.clock.advance(1.0)
        camera.monitor.tick()

    assert camera.told == []


def test_a_worse_condition_ends_the_lesser_one() -> None:
    """Black, then offline: one at a time; what is seen afterwards is judged anew."""
    camera = WatchedCamera()
    camera.watch(30)
    camera.watch(15, _black)
    camera.lose(15)
    camera.watch(15)

    assert camera.told == ["+black", "-black", "+offline", "-offline"]


def test_a_drip_of_frames_is_a_low_rate() -> None:
    """One frame a minute while the connection holds."""
    camera = WatchedCamera()
    camera.watch(30)
    for second in range(240):
        camera.clock.advance(1.0)
        if second % 60 == 59:
            camera.show(noisy(yard(), second))
        camera.monitor.tick()

    assert camera.told == ["+low_fps"]
    camera.watch(60)
    assert camera.told == ["+low_fps", "-low_fps"]


def test_a_file_read_slowly_has_no_low_rate() -> None:
    """Its frames are close to each other by their own time."""
    camera = WatchedCamera()
    for index in range(60):
        camera.clock.advance(10.0)
        camera.show(noisy(yard(), index), seconds(index / 2))
        camera.monitor.tick()

    assert camera.told == []


def test_a_file_read_quickly_is_judged_by_its_own_time() -> None:
    """Two minutes of pictures in no time at all; the last half is black."""
    camera = WatchedCamera()
    for index in range(120):
        camera.show(_black(index) if index >= 60 else noisy(yard(), index), seconds(index))

    assert camera.told == ["+black"]
    assert camera.changes[0].since == seconds(59)
    assert camera.changes[0].at == seconds(69)


def test_a_clock_that_is_off_is_told() -> None:
    """After its debounce, with how far; and its end."""
    camera = WatchedCamera()
    camera.monitor.clock_off(camera.clock.now(), 3600.0)
    camera.watch(15)
    camera.monitor.clock_off(camera.clock.now(), None)
    camera.watch(15)

    assert camera.told == ["+clock_wrong", "-clock_wrong"]
    assert camera.changes[0].value == 3600.0
    assert camera.changes[0].detail == "the camera's clock is 3600 s ahead"


def test_a_view_that_stays_moved_for_a_day_is_the_view() -> None:
    """It is over then, without anybody's doing."""
    camera = WatchedCamera(health={"low_fps": "off"})
    camera.watch(60)
    camera.watch(20, _moved)
    at = camera.clock.now() + timedelta(days=1)
    for index in range(40):
        camera.show(_moved(index), at + timedelta(seconds=index))
    camera.clock.advance(86_440)
    camera.watch(20, _moved)

    assert camera.told[0] == "+moved"
    assert camera.told[-1] == "-moved"


def test_frames_and_ticks_may_come_from_two_threads() -> None:
    """The changes still take turns."""
    camera = WatchedCamera()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            camera.monitor.tick()

    ticking = threading.Thread(target=tick)
    ticking.start()
    camera.watch(30)
    camera.lose(20)
    camera.watch(10)
    done.set()
    ticking.join()

    assert camera.told == ["+offline", "-offline"]
