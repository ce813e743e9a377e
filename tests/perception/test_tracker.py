"""Track ids: unique, stable, at any sampled rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from trackers.eval.identity import compute_identity_metrics

from pipeline.contracts.observation import MOVING, Region
from pipeline.perception.onnx import YoloxDetector
from pipeline.perception.tracker import CameraTracker
from pipeline.settings import PerceptionSettings
from tests.support.perception import at, iou_matrix, read_truth, read_video, region, sampled

SETTINGS = PerceptionSettings()
RATES_FPS = [25.0, 10.0, 5.0, 2.0]


def ids_of(regions: tuple[Region, ...]) -> list[int | None]:
    return [found.track_id for found in regions]


@pytest.mark.parametrize("fps", RATES_FPS)
def test_a_walk_is_one_track(fps: float) -> None:
    """Someone who walks through the picture has one id at any sampled rate, from the second sighting on."""
    tracker = CameraTracker(SETTINGS)
    # 60 px a second: a walk of 0.9 sizes a second for a box of 40 x 100.
    seen = [ids_of(tracker.update([region(60 * n / fps)], at(n / fps))) for n in range(round(8 * fps))]
    assert seen[0] == [None]
    assert seen[1:] == [[1]] * (len(seen) - 1)


def test_a_fast_thing_is_one_track_at_five_a_second() -> None:
    """A thing that moves by its own width between two frames keeps its id."""
    tracker = CameraTracker(SETTINGS)
    seen = [ids_of(tracker.update([region(40.0 * n, label="car")], at(n / 5))) for n in range(20)]
    assert seen[1:] == [[1]] * 19


def test_uneven_times_do_not_matter() -> None:
    """Frames that come irregularly, as from an active and an idle rate, do not break a track."""
    tracker = CameraTracker(SETTINGS)
    times = [0, 0.2, 0.4, 0.6, 1.4, 1.6, 2.9, 3.0, 3.04, 3.08, 4.5]
    seen = [ids_of(tracker.update([region(60 * time)], at(time))) for time in times]
    assert seen[1:] == [[1]] * (len(times) - 1)


def test_a_thing_that_stands_still_is_one_track_at_the_idle_rate() -> None:
    """Whoever comes to stand, and is looked at every five seconds for minutes, keeps the id."""
    tracker = CameraTracker(SETTINGS)
    active = [n / 5 for n in range(30)]
    idle = [6.0 + 5 * n for n in range(48)]
    seen = [ids_of(tracker.update([region(min(60 * time, 180))], at(time))) for time in (*active, *idle)]
    assert seen[1:] == [[1]] * (len(seen) - 1)


@pytest.mark.parametrize("fps", [10.0, 5.0])
def test_an_occluded_walker_comes_back_under_the_same_id(fps: float) -> None:
    """Hidden for less than `track_memory`, a walker keeps the id; hidden for longer, there is a new one."""
    for hidden_seconds, expected in ((1.5, 1), (2.6, 2)):
        tracker = CameraTracker(PerceptionSettings(track_memory=2.0))
        last = None
        for n in range(round(8 * fps)):
            is_hidden = 3 <= n / fps < 3 + hidden_seconds
            found = tracker.update([] if is_hidden else [region(60 * n / fps)], at(n / fps))
            last = found[0].track_id if found else last
        assert last == expected


def test_two_who_cross_keep_their_ids() -> None:
    """Two who walk through each other keep their ids."""
    tracker = CameraTracker(SETTINGS)
    for n in range(60):
        pair = [region(50 + 8 * n, 100), region(530 - 8 * n, 115)]
        left, right = sorted(tracker.update(pair, at(n / 10)), key=lambda found: found.box.top)
        if n == 10:
            first = (left.track_id, right.track_id)
    assert (left.track_id, right.track_id) == first


def test_weak_detections_keep_a_track_but_start_none() -> None:
    """A track lives on through detections too weak to start one, and those alone are not even given."""
    tracker = CameraTracker(SETTINGS)
    scores = [0.9, 0.9, 0.4, 0.4, 0.4, 0.9]
    seen = [
        ids_of(tracker.update([region(6 * n, score=score), region(500, score=0.4)], at(n / 10)))
        for n, score in enumerate(scores)
    ]
    assert seen == [[None], [1], [1], [1], [1], [1]]


def test_a_weak_shadow_of_a_strong_one_is_dropped() -> None:
    """A weak box over a strong one of its kind is that one seen twice, and must not become a second track."""
    tracker = CameraTracker(SETTINGS)
    for n in range(5):
        found = tracker.update([region(6 * n), region(6 * n + 10, score=0.4)], at(n / 10))
    assert ids_of(found) == [1]


def test_a_label_is_what_the_track_was_mostly() -> None:
    """A detector that wavers between car and truck gives one track with one label."""
    tracker = CameraTracker(SETTINGS)
    labels = ["car", "car", "truck", "car", "car", "truck", "truck"]
    found = [tracker.update([region(5 * n, label=label)], at(n / 5))[0] for n, label in enumerate(labels)]
    assert {one.track_id for one in found[1:]} == {1}
    assert {one.label for one in found[1:]} == {"car"}


def test_car_and_truck_at_one_place_are_one_thing() -> None:
    """Two vehicle labels for one box are one region, the surer."""
    found = CameraTracker(SETTINGS).update([region(0, label="truck", score=0.6), region(2, label="car")], at(0))
    assert [one.label for one in found] == ["car"]


def test_a_bag_never_takes_over_its_bearers_track() -> None:
    """When the person is gone, the bag in the same place keeps its own id."""
    tracker = CameraTracker(SETTINGS)
    bag = region(10, 100, label="handbag")
    for n in range(5):
        both = {one.label: one.track_id for one in tracker.update([region(10, 100), bag], at(n / 5))}
    alone = [tracker.update([bag], at(1 + n / 5))[0] for n in range(5)]
    assert both["person"] != both["handbag"]
    assert {one.track_id for one in alone} == {both["handbag"]}


def test_cameras_share_no_counter() -> None:
    """Each camera counts its tracks from 1."""
    for _ in range(2):
        tracker = CameraTracker(SETTINGS)
        tracker.update([region(10), region(300)], at(0))
        assert sorted(str(i) for i in ids_of(tracker.update([region(12), region(302)], at(0.2)))) == ["1", "2"]


@pytest.mark.parametrize("back_to", [1.0, 0.0, -3600.0], ids=["same", "earlier", "an hour back"])
def test_time_that_goes_back_starts_new_tracks(back_to: float) -> None:
    """Ids from before are never given again, and nothing warns or fails."""
    tracker = CameraTracker(SETTINGS)
    for n in range(6):
        tracker.update([region(10)], at(n / 5))
    tracker.update([region(10)], at(back_to))
    assert ids_of(tracker.update([region(10)], at(back_to + 0.2))) == [2]


def test_blobs_of_motion_are_tracked() -> None:
    """A blob that changes its size as the gate sees more or less of it stays one track."""
    tracker = CameraTracker(SETTINGS)
    widths = [30, 50, 34, 60, 40, 28, 55]
    seen = [
        ids_of(tracker.update([region(12 * n, label=MOVING, width=width)], at(n / 5))) for n, width in enumerate(widths)
    ]
    assert seen[1:] == [[1]] * (len(widths) - 1)


def test_memory_does_not_grow() -> None:
    """Ten minutes of passers-by leave nothing behind."""
    tracker = CameraTracker(SETTINGS)
    for n in range(3000):
        tracker.update([region(30.0 * (n % 20))], at(n / 5))
    assert len(tracker._labels) < 10
    assert len(tracker._last_seen) < 10


@pytest.mark.shared
def test_identities_on_pets(shared: Path) -> None:
    """On PETS with YOLOX-nano at 5 frames a second, ids follow people as well as measured (IDF1 .75)."""
    truth = read_truth(shared / "annotations" / "mot15" / "PETS09-S2L1" / "gt.txt")
    detector = YoloxDetector(shared / "weights" / "yolox_nano.onnx", SETTINGS)
    detector.warm_up()
    tracker = CameraTracker(SETTINGS)
    true_ids, our_ids, overlaps = [], [], []
    for number, picture in read_video(shared / "videos" / "pets09_s2l1_vtest.avi", every=2):
        (found,) = detector.detect([sampled(picture.pixels, picture.pts_seconds)])
        people = truth.get(number, [])
        tracked = [one for one in tracker.update(found, picture.captured_at) if one.track_id and one.label == "person"]
        true_ids.append(np.array([identity for identity, _ in people], int))
        our_ids.append(np.array([one.track_id for one in tracked], int))
        overlaps.append(iou_matrix([box for _, box in people], [one.box for one in tracked]))
    scores = compute_identity_metrics(*_counted_from_zero(true_ids, our_ids), overlaps)
    assert scores["IDF1"] > 0.70  # the same in every run; room for another build of OpenCV


def _counted_from_zero(*ids: list[NDArray[np.int64]]) -> list[list[NDArray[np.int64]]]:
    """The evaluation wants ids without gaps."""
    known = [np.unique(np.concatenate(rows)) for rows in ids]
    return [[np.searchsorted(all_of, row) for row in rows] for all_of, rows in zip(known, ids, strict=True)]
