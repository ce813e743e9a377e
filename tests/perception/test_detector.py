"""The motion detector and the choice of detectors."""

from __future__ import annotations

import pytest

from pipeline.contracts.observation import MOVING
from pipeline.contracts.values import Box
from pipeline.perception.detector import MotionDetector, TransformersDetector, load_detector
from pipeline.perception.onnx import YoloxDetector
from pipeline.settings import PerceptionSettings
from tests.support.perception import sampled, yard


@pytest.mark.parametrize("track_start", [0.3, 0.5, 0.9])
def test_every_moving_region_may_start_a_track(track_start: float) -> None:
    """However small, a region's score reaches what starts a track; the larger, the surer."""
    detector = MotionDetector(PerceptionSettings(track_start=track_start))
    (found,) = detector.detect([sampled(yard(), 0, "yard", Box(0, 0, 200, 200), Box(0, 0, 4, 4))])
    assert [region.label for region in found] == [MOVING, MOVING]
    assert track_start <= found[1].score < found[0].score <= 1


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("motion", MotionDetector),
        ("onnx:models/yolox.onnx", YoloxDetector),
        ("PekingU/rtdetr_r50vd", TransformersDetector),
    ],
)
def test_the_site_file_names_the_detector(spec: str, kind: type) -> None:
    """Each form of `models.detector` gives its detector, without loading anything."""
    assert isinstance(load_detector(spec, PerceptionSettings()), kind)
