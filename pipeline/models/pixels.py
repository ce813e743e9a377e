"""Pictures as the trunk wants them: regions cut out and letterboxed, whole frames brought to one size.

In: RGB pictures of any size, at least one pixel, or grey ones (H, W), and boxes in pixels. Out: uint8 arrays with a
fourth channel, the largest absolute difference of the three colours to the background. The only file here that
knows cv2.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image

CROP_SIDE_PX = 64
FRAME_SIZE_PX = (160, 96)
"""(width, height) of a whole frame."""
_MARGIN = 1.15
"""A region is its box so much wider and higher: what stands around a thing tells of it."""
_GREY = 114
_LEAST_WIDE = 1.2
"""From this ratio of width to height on a picture is a camera's, not a cut-out of a person."""

Planes = NDArray[np.uint8]
"""(H, W, 4): red, green, blue, difference."""


def as_rgb(image: Image) -> Image:
    """Three channels; grey pictures are repeated, a fourth channel is dropped."""
    if image.ndim == 2:
        image = image[:, :, None]
    return np.ascontiguousarray(np.repeat(image, 3, 2) if image.shape[2] < 3 else image[:, :, :3])


def with_difference(image: Image, background: Image | None) -> Planes:
    """The picture and its difference to the background; zero without one or with one of another size."""
    image = as_rgb(image)
    planes = np.zeros((*image.shape[:2], 4), np.uint8)
    planes[:, :, :3] = image
    if background is not None and background.shape == image.shape:
        red, green, blue = cv2.split(cv2.absdiff(image, background))
        planes[:, :, 3] = cv2.max(cv2.max(red, green), blue)
    return planes


def cut_region(planes: Planes, box: Box, side_px: int = CROP_SIDE_PX) -> Planes:
    """(side, side, 4): the box with its margin, letterboxed; grey where there is no picture.

    A box outside the picture, or with no area, is moved to the nearest pixel.
    """
    height, width = planes.shape[:2]
    centre_x, centre_y = box.centre
    half_x, half_y = max(box.width, 1.0) * _MARGIN / 2, max(box.height, 1.0) * _MARGIN / 2
    left = min(max(int(centre_x - half_x), 0), width - 1)
    top = min(max(int(centre_y - half_y), 0), height - 1)
    right = min(max(int(np.ceil(centre_x + half_x)), left + 1), width)
    bottom = min(max(int(np.ceil(centre_y + half_y)), top + 1), height)
    return letterboxed(planes[top:bottom, left:right], side_px)


def letterboxed(planes: Planes, side_px: int = CROP_SIDE_PX) -> Planes:
    """The whole of it in the middle of a grey square."""
    height, width = planes.shape[:2]
    scale = side_px / max(height, width)
    inner = resized(planes, (max(round(width * scale), 1), max(round(height * scale), 1)))
    square = np.empty((side_px, side_px, 4), np.uint8)
    square[:] = (_GREY, _GREY, _GREY, 0)
    top, left = (side_px - inner.shape[0]) // 2, (side_px - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def whole_frame(planes: Planes, size_px: tuple[int, int] = FRAME_SIZE_PX) -> Planes:
    """The frame at the trunk's size; its shape gives way."""
    return resized(planes, size_px)


def is_frame(image: Image) -> bool:
    """Whether a picture is looked at as a camera's view; else as a cut-out, letterboxed."""
    return bool(image.shape[1] >= _LEAST_WIDE * image.shape[0])


def resized(pixels: NDArray[np.uint8], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """(width, height): means of areas when it shrinks, straight lines when it grows."""
    shrinks = size_px[0] * size_px[1] < pixels.shape[0] * pixels.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size_px, interpolation=way), np.uint8)
