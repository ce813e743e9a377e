"""OpenCV on whole pictures: textures laid on planes, blur, warps, JPEG and reading videos. An adapter file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError
from pipeline.scenes.place import Match

Field = NDArray[np.float32]
_KERNEL = np.ones((3, 3), np.uint8)


def enlarged(field: Field, size: tuple[int, int]) -> Field:
    """(H, W[, C]) float32 smoothly scaled to `size` (width, height)."""
    return cv2.resize(field, size, interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]  # float32 as given


def resized(pixels: Image, size: tuple[int, int]) -> Image:
    """Another size, each pixel the mean of what it covers where it shrinks."""
    shrinks = size[0] < pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[return-value]  # uint8 as given


def lay(pixels: Image, outline_px: NDArray[np.float64], tile: Image, to_tile: NDArray[np.float64], fade: float) -> None:
    """Cover the convex `outline_px` with a repeating tile.

    Args:
        pixels: what is painted on, in place.
        outline_px: (N, 2).
        tile: (h, w, 3).
        to_tile: (3, 3), homogeneous pixels to (column, row) of the tile; its last row gives 1 / depth.
        fade: the last row's value from which the tile is seen in full; farther off it fades into its mean, since
            it would only flicker there.
    """
    height, width = pixels.shape[:2]
    left, top = np.maximum(np.floor(outline_px.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(outline_px.max(axis=0)) + 1, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return
    area = pixels[top:bottom, left:right]
    mask = np.zeros(area.shape[:2], np.uint8)
    points = np.rint((outline_px - (left, top)) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, points, (255,), cv2.LINE_8, 4)
    moved = to_tile @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], dtype=np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpPerspective(tile, moved, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_WRAP)
    nearness = moved[2, 0] * np.arange(right - left)[None] + moved[2, 1] * np.arange(bottom - top)[:, None]
    clear = np.clip((nearness + moved[2, 2]) / fade, 0, 1).astype(np.float32)[:, :, None]
    faint = clear.min(axis=(1, 2)) < 1
    mean = tile.mean(axis=(0, 1), dtype=np.float32)
    laid[faint] = (mean + (laid[faint] - mean) * clear[faint]).astype(np.uint8)
    cv2.copyTo(laid, mask, area)


def blurred(pixels: Image, sigma_px: float) -> Image:
    """Out of focus by a Gaussian."""
    return cv2.GaussianBlur(pixels, (0, 0), sigma_px)  # type: ignore[return-value]  # uint8 as given


def smooth(field: Field, sigma_px: float) -> Field:
    """A float field, blurred."""
    return cv2.GaussianBlur(field, (0, 0), sigma_px)  # type: ignore[return-value]  # float32 as given


def warped(pixels: Image, matrix: NDArray[np.float64]) -> Image:
    """Moved by (2, 3) `matrix`, old pixels to new; beyond the edge the picture is mirrored."""
    size = pixels.shape[1], pixels.shape[0]
    return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[return-value]  # uint8 as given


def scaled(pixels: Image, gain: float, offset: float = 0.0) -> Image:
    """`gain` times the picture plus `offset`, saturated."""
    return cv2.addWeighted(pixels, gain, pixels, 0.0, offset)  # type: ignore[return-value]  # uint8 as given


def multiplied(pixels: Image, factor: Image, scale: float) -> Image:
    """Pixel by pixel times `factor` times `scale`, saturated."""
    return cv2.multiply(pixels, factor, scale=scale)  # type: ignore[return-value]  # uint8 as given


def added(pixels: Image, other: Image) -> Image:
    """The sum, saturated."""
    return cv2.add(pixels, other)  # type: ignore[return-value]  # uint8 as given


def blended(pixels: Image, gain: float, other: Image, offset: float) -> Image:
    """`gain` times the picture plus the other plus `offset`, saturated."""
    return cv2.addWeighted(pixels, gain, other, 1.0, offset)  # type: ignore[return-value]  # uint8 as given


def graded(pixels: Image, matrix: NDArray[np.float32]) -> Image:
    """Colours mixed by a (3, 3) matrix of the old ones."""
    return cv2.transform(pixels, matrix)  # type: ignore[return-value]  # uint8 as given


def through_jpeg(pixels: Image, quality: int) -> Image:
    """What a camera's compression leaves of it."""
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)  # type: ignore[return-value]  # uint8; channels keep their order


def fitted(pixels: Image, standing: Image, match: Match) -> None:
    """Make what has been drawn on `standing` look like the rest of the picture, in place: tones, colours, outlines."""
    changed = differs(pixels, standing, 0)
    left, top, width, height = cv2.boundingRect(changed)
    if not width:
        return
    reach = math.ceil(3 * match.softness_px)
    rows, columns = slice(max(top - reach, 0), top + height + reach), slice(max(left - reach, 0), left + width + reach)
    area, mask = pixels[rows, columns], changed[rows, columns]
    drawn = area if match.saturation == 1 else cv2.transform(area, _washed_out(match.saturation))
    toned = cv2.convertScaleAbs(drawn, alpha=(match.white - match.black) / 255, beta=match.black)
    cv2.copyTo(toned, cv2.bitwise_and(mask, cv2.bitwise_not(_shadows(area, standing[rows, columns]))), area)
    if match.softness_px > 0.2:
        soft = cv2.GaussianBlur(area, (0, 0), match.softness_px)
        cv2.copyTo(soft, cv2.dilate(mask, _KERNEL, iterations=max(reach // 2, 1)), area)


def _shadows(area: Image, standing: Image) -> NDArray[np.uint8]:
    """(H, W) uint8, 255 where all channels are darker by the same factor than before."""
    ratio = (area.astype(np.float32) + 1) / (standing.astype(np.float32) + 1)
    is_even = ratio.max(axis=2) - ratio.min(axis=2) < 0.07
    return (is_even & (ratio[:, :, 1] < 0.97) & (ratio[:, :, 1] > 0.3)).astype(np.uint8) * 255  # type: ignore[no-any-return]  # uint8


def _washed_out(saturation: float) -> NDArray[np.float32]:
    """(3, 3): towards grey."""
    weights = np.array((0.299, 0.587, 0.114))
    return (np.eye(3) * saturation + np.tile(weights, (3, 1)) * (1 - saturation)).astype(np.float32)


def differs(pixels: Image, other: Image, threshold: int) -> NDArray[np.uint8]:
    """(H, W) uint8, 255 where any channel differs by more than `threshold`."""
    difference = cv2.absdiff(pixels, other).max(axis=2)
    mask: NDArray[np.uint8] = ((difference > threshold) * 255).astype(np.uint8)
    return mask


def closed(mask: NDArray[np.uint8], by_px: int) -> NDArray[np.uint8]:
    """A mask with gaps up to about twice `by_px` filled."""
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _KERNEL, iterations=by_px)  # type: ignore[return-value]  # uint8 as given


def paste(pixels: Image, other: Image, mask: NDArray[np.uint8]) -> None:
    """Copy `other` into `pixels` where the mask is set."""
    cv2.copyTo(other, mask, pixels)


def islands(mask: NDArray[np.uint8]) -> Sequence[tuple[int, int, int, int, int]]:
    """(left, top, width, height, area) of each connected area, pixels."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    return [tuple(int(value) for value in row) for row in stats[1:]]  # type: ignore[misc]  # five columns


def edge_sigma(pixels: Image) -> float:
    """How soft the strongest edges are: the sigma, in pixels, of the Gaussian that would make them so.

    Blurring an edge of sigma s by another of 1 lowers its slope by sqrt(s^2 + 1) / s (Zhuo and Sim, "Defocus map
    estimation from a single image", 2011).
    """
    brightness = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope, softer = (_slope(field) for field in (brightness, cv2.GaussianBlur(brightness, (0, 0), 1.0)))
    strongest = slope >= max(float(np.percentile(slope, 98.5)), 8.0)
    if not strongest.any():
        return 0.0
    ratio = float(np.median(slope[strongest] / np.maximum(softer[strongest], 1e-3)))
    return 1 / math.sqrt(max(ratio**2 - 1, 0.05))


def _slope(field: NDArray[Any]) -> Field:
    across, down = cv2.Sobel(field, cv2.CV_32F, 1, 0), cv2.Sobel(field, cv2.CV_32F, 0, 1)
    return cv2.magnitude(across, down)  # type: ignore[return-value]  # float32 as given


def read_frames(path: Path, *, at_most: int, longest_side_px: int) -> list[Image]:
    """Up to `at_most` frames of a video, evenly spread, RGB, no side longer than `longest_side_px`.

    Raises:
        ConfigError: no frame of it can be read.
    """
    reader = cv2.VideoCapture(str(path))
    try:
        total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        every = max(total // at_most, 1)
        frames: list[Image] = []
        index = 0
        while len(frames) < at_most and reader.grab():
            if index % every == 0:
                ok, picture = reader.retrieve()
                if ok:
                    frames.append(_fitted(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), longest_side_px))  # type: ignore[arg-type]  # uint8 as read
            index += 1
    finally:
        reader.release()
    if not frames:
        raise ConfigError(f"no frame can be read from {path}; expected a video")
    return frames


def _fitted(pixels: Image, longest_side_px: int) -> Image:
    height, width = pixels.shape[:2]
    factor = longest_side_px / max(width, height)
    return pixels if factor >= 1 else resized(pixels, (round(width * factor), round(height * factor)))
