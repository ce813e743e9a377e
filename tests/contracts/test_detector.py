"""One suite for every detector: motion, the built-in one, YOLOX through OpenCV, a tiny model of transformers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.contracts.observation import Detector
from pipeline.contracts.values import Box
from pipeline.errors import StageFailed
from pipeline.perception.detector import load_detector
from pipeline.settings import PerceptionSettings
from tests.support.perception import make_yolos, sampled, yard

KINDS = [
    pytest.param("motion"),
    pytest.param("builtin", marks=pytest.mark.models),
    pytest.param("onnx", marks=pytest.mark.shared),
    pytest.param("transformers", marks=pytest.mark.models),
]


@pytest.fixture(scope="module", params=KINDS)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    spec = request.param
    if spec == "onnx":
        spec = f"onnx:{request.getfixturevalue('shared') / 'weights' / 'yolox_nano.onnx'}"
    elif spec == "transformers":
        folder = tmp_path_factory.mktemp("yolos") / "yolos"
        make_yolos(folder)
        spec = str(folder)
    # So low that models of random weights find something too.
    detector = load_detector(spec, PerceptionSettings(detector_confidence=0.001, device="cpu", batch_size=2))
    detector.warm_up()
    yield detector
    detector.close()
    detector.close()


def test_one_tuple_a_frame_in_order(detector: Detector) -> None:
    """A batch of frames of several sizes gives each frame what it gives alone."""
    frames = [
        sampled(yard(320, 240), 0.0, "a", Box(10, 20, 60, 90)),
        sampled(yard(200, 300), 0.0, "b"),
        sampled(yard(64, 64), 0.0, "c", Box(0, 0, 5, 5)),
    ]
    found = detector.detect(frames)
    assert len(found) == 3
    for frame, together in zip(frames, found, strict=True):
        (alone,) = detector.detect([frame])
        assert [r.label for r in together] == [r.label for r in alone]
        edges = [[r.box.left, r.box.top, r.box.right, r.box.bottom, r.score] for r in together]
        expected = [[r.box.left, r.box.top, r.box.right, r.box.bottom, r.score] for r in alone]
        assert np.array(edges) == pytest.approx(np.array(expected), abs=0.1)  # pixels; float32 in another order


def test_boxes_lie_inside_the_frame(detector: Detector) -> None:
    """Boxes are absolute pixels of the full frame, never empty, never outside; scores are 0 to 1."""
    (found,) = detector.detect([sampled(yard(320, 240), 0.0, "a", Box(300, 0, 320, 240))])
    assert found
    for region in found:
        assert 0 <= region.box.left < region.box.right <= 320
        assert 0 <= region.box.top < region.box.bottom <= 240
        assert 0 < region.score <= 1
        assert region.label
        assert region.track_id is None


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4320, 7680)], ids=["1x1", "3x4", "8K"])
def test_odd_sizes_are_frames_like_any_other(detector: Detector, size: tuple[int, int]) -> None:
    """The smallest and the largest pictures pass."""
    assert len(detector.detect([sampled(np.full((*size, 3), 90, np.uint8))])) == 1


def test_pixels_are_left_alone(detector: Detector) -> None:
    """A frame belongs to whoever made it."""
    pixels = yard()
    before = pixels.copy()
    detector.detect([sampled(pixels)])
    assert (pixels == before).all()


def test_no_frames_give_nothing(detector: Detector) -> None:
    """An empty batch is allowed."""
    assert detector.detect([]) == []


@pytest.mark.parametrize("spec", ["onnx:model.onnx", "some/model"])
def test_using_a_cold_model_fails_the_stage(spec: str) -> None:
    """A detector that is not warm says so instead of failing somewhere inside."""
    with pytest.raises(StageFailed, match="warm_up"):
        load_detector(spec, PerceptionSettings()).detect([sampled(yard())])
