"""What a camera asks to be hidden, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.ingest.privacy import PrivacyFilter, masked_share
from tests.support.ingest import START, camera

UPPER_HALF = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))


def test_nothing_to_hide_gives_the_same_array_back() -> None:
    """No copy is made for a camera without masks and blur, whatever the site's model."""
    privacy = PrivacyFilter.of(camera("rtsp://a/b"), "onnx:/no/such/file")
    pixels = np.zeros((4, 4, 3), np.uint8)
    assert privacy.is_empty
    assert privacy.apply(pixels, START) is pixels


def test_a_mask_is_black_and_read_only() -> None:
    """The filter burns the camera's polygons in."""
    privacy = PrivacyFilter.of(camera("rtsp://a/b", masks=(UPPER_HALF,)), "none")
    hidden = privacy.apply(np.full((100, 60, 3), 200, np.uint8))
    assert not privacy.is_empty
    assert not hidden[:50].any()
    assert (hidden[51:] == 200).all()
    assert not hidden.flags.writeable


@pytest.mark.parametrize(
    ("left", "top", "right", "bottom", "share"),
    [(0.2, 0.1, 0.8, 0.4, 1.0), (0.2, 0.25, 0.8, 0.75, 0.5), (0.0, 0.6, 1.0, 1.0, 0.0)],
    ids=["all", "half", "none"],
)
def test_the_share_of_a_zone_under_masks(left: float, top: float, right: float, bottom: float, share: float) -> None:
    """Right to a hundredth."""
    zone = ((left, top), (right, top), (right, bottom), (left, bottom))
    assert masked_share((UPPER_HALF, UPPER_HALF), zone) == pytest.approx(share, abs=0.01)


def test_blur_without_a_model_is_refused() -> None:
    """Rather than show faces, the camera does not start."""
    with pytest.raises(ConfigError, match=r"models\.faces: expected onnx:PATH"):
        PrivacyFilter.of(camera("rtsp://a/b", blur_faces=True), "none")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    """The message says which file was looked for."""
    with pytest.raises(ConfigError, match=r"absent\.onnx"):
        PrivacyFilter.of(camera("rtsp://a/b", blur_faces=True), f"onnx:{tmp_path / 'absent.onnx'}")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Garbage instead of a model is a configuration error, not a crash."""
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"not a model" * 100)
    with pytest.raises(ConfigError, match="cannot use"):
        PrivacyFilter.of(camera("rtsp://a/b", blur_faces=True), f"onnx:{path}")


@pytest.mark.shared
def test_masks_and_blur_go_together(shared: Path) -> None:
    """A camera with both has its mask, and a model that found nothing in a grey picture changes no more."""
    model = f"onnx:{shared / 'weights' / 'face_RFB-320.onnx'}"
    privacy = PrivacyFilter.of(camera("rtsp://a/b", masks=(UPPER_HALF,), blur_faces=True), model)
    hidden = privacy.apply(np.full((240, 320, 3), 128, np.uint8), START)
    assert not hidden[:120].any()
    assert (hidden[121:] == 128).all()
