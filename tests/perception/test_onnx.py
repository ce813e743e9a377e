"""YOLOX through OpenCV: geometry, truth and bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pipeline.errors import ConfigError
from pipeline.perception.onnx import YoloxDetector, letterbox
from pipeline.settings import PerceptionSettings
from tests.support.perception import iou_matrix, read_truth, read_video, sampled, yard


def test_letterbox_keeps_proportions_at_the_top_left() -> None:
    """A wide picture fills the width; below it is grey 114."""
    canvas, scale = letterbox(np.full((100, 200, 3), 7, np.uint8), (416, 416))
    assert scale == pytest.approx(2.08)
    assert canvas.shape == (416, 416, 3)
    assert (canvas[:208] == 7).all()
    assert (canvas[208:] == 114).all()


@pytest.mark.shared
def test_persons_on_pets_are_found(shared: Path) -> None:
    """Recall and precision of persons at IoU .5 on every 20th frame are those of the whole clip.

    Measured on all 795 frames: recall .91, precision .79 at confidence .35. A wrong colour order, size or
    padding costs far more than the tolerance, which is for the slice.
    """
    truth = read_truth(shared / "annotations" / "mot15" / "PETS09-S2L1" / "gt.txt")
    detector = YoloxDetector(shared / "weights" / "yolox_nano.onnx", PerceptionSettings(detector_confidence=0.35))
    detector.warm_up()
    num_hits = num_found = num_true = 0
    for number, picture in read_video(shared / "videos" / "pets09_s2l1_vtest.avi", every=20):
        (found,) = detector.detect([sampled(picture.pixels)])
        ours = [region.box for region in found if region.label == "person"]
        theirs = [box for _, box in truth.get(number, [])]
        overlap = iou_matrix(ours, theirs)
        num_hits += int((overlap[linear_sum_assignment(overlap >= 0.5, maximize=True)] >= 0.5).sum())
        num_found, num_true = num_found + len(ours), num_true + len(theirs)
    assert num_hits / num_true == pytest.approx(0.91, abs=0.04)
    assert num_hits / num_found == pytest.approx(0.78, abs=0.05)


@pytest.mark.shared
def test_the_size_is_the_models_own(shared: Path) -> None:
    """The input size is read from the model."""
    detector = YoloxDetector(shared / "weights" / "yolox_nano.onnx", PerceptionSettings())
    detector.warm_up()
    assert detector._size_px == (416, 416)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path to nothing is a configuration error that names it."""
    with pytest.raises(ConfigError, match=r"missing\.onnx, found no such file"):
        YoloxDetector(tmp_path / "missing.onnx", PerceptionSettings()).warm_up()


@pytest.mark.parametrize("content", [b"", b"not a model"], ids=["empty", "text"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no ONNX are a configuration error."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected YOLOX's own ONNX export"):
        YoloxDetector(path, PerceptionSettings()).warm_up()


@pytest.mark.shared
def test_another_kind_of_model_is_refused(shared: Path) -> None:
    """An ONNX of another layout is refused at the start, not at the first frame."""
    with pytest.raises(ConfigError, match="expected YOLOX's own ONNX export"):
        YoloxDetector(shared / "weights" / "face_RFB-320.onnx", PerceptionSettings()).warm_up()


@pytest.mark.shared
def test_nothing_is_found_under_the_confidence(shared: Path) -> None:
    """Every region is at least as sure as the settings ask."""
    detector = YoloxDetector(shared / "weights" / "yolox_nano.onnx", PerceptionSettings(detector_confidence=0.02))
    detector.warm_up()
    (found,) = detector.detect([sampled(yard())])
    assert all(region.score >= 0.02 for region in found)
    assert [region.score for region in found] == sorted((region.score for region in found), reverse=True)
