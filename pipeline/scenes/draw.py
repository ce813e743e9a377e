"""The brush: OpenCV's drawing on one picture, in pixels with fractions. The only file here that knows cv2."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image
from pipeline.scenes.looks import Colour, Style

Pixel = Sequence[float] | NDArray[np.float64]
_SHIFT = 4
"""OpenCV's fixed point: 1/16 pixel, so that slow things move smoothly."""
_ENLARGED_BELOW_PX = 150
"""What is smaller is drawn at twice the size, so that a hand of one pixel still shows."""
_SHARP_PX = 0.3
"""A blur less than this changes nothing."""
_HALF_TURN = np.linspace(0, np.pi, 6)
_CIRCLE = np.array([(np.cos(turn), np.sin(turn)) for turn in np.arange(0, 2 * np.pi, np.pi / 5)])


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker colour."""
    return tuple(min(int(part * factor), 255) for part in colour)  # type: ignore[return-value]  # three in, three out


class Brush:
    """Draws on one RGB picture in place."""

    def __init__(self, pixels: Image) -> None:
        self.pixels = pixels

    def line(self, start: Pixel, end: Pixel, width_px: float, colour: Colour) -> None:
        """A line with round ends."""
        width = max(round(width_px), 1)
        cv2.line(self.pixels, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)

    def disc(self, centre: Pixel, radius_px: float, colour: Colour) -> None:
        """A filled circle."""
        radius = max(round(radius_px * 2**_SHIFT), 2**_SHIFT // 2)
        cv2.circle(self.pixels, _fixed(centre), radius, colour, -1, cv2.LINE_AA, _SHIFT)

    def polygon(self, points: NDArray[np.float64], colour: Colour) -> None:
        """A filled convex area."""
        fixed = np.rint(points[:, :2] * 2**_SHIFT).astype(np.int32)
        cv2.fillConvexPoly(self.pixels, fixed, colour, cv2.LINE_AA, _SHIFT)

    def darken(self, shapes: Sequence[NDArray[np.float64]], widths_px: Sequence[float], factor: float) -> None:
        """Multiply what lies under the strokes (polylines of the given widths; 0 fills) by `factor`, once."""
        height, width = self.pixels.shape[:2]
        reach = max(widths_px, default=0.0) + 1
        every = np.concatenate([shape[:, :2] for shape in shapes])
        left, top = np.maximum(np.floor(every.min(axis=0) - reach), 0).astype(int)
        right, bottom = np.minimum(np.ceil(every.max(axis=0) + reach), (width, height)).astype(int)
        if right <= left or bottom <= top:
            return
        area = self.pixels[top:bottom, left:right]
        mask = np.zeros(area.shape[:2], np.uint8)
        for shape, stroke in zip(shapes, widths_px, strict=True):
            points = np.rint((shape[:, :2] - (left, top)) * 2**_SHIFT).astype(np.int32)
            if stroke:
                cv2.polylines(mask, [points], False, (255,), max(round(stroke), 1), cv2.LINE_8, _SHIFT)
            else:
                cv2.fillConvexPoly(mask, points, (255,), cv2.LINE_8, _SHIFT)
        cv2.copyTo(cv2.convertScaleAbs(area, alpha=factor), mask, area)

    def shadow(self, shapes: Sequence[NDArray[np.float64]], width_px: float, factor: float) -> None:
        """Multiply what lies under the strokes (polylines; with width 0 their convex hulls) by `factor`, once, with
        a soft edge."""
        height, width = self.pixels.shape[:2]
        soft = 1 + int(width_px / 8)
        every = np.concatenate([shape[:, :2] for shape in shapes])
        (low_x, low_y), (high_x, high_y) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
        reach = width_px + 2 * soft + 1
        left, top = max(int(low_x - reach), 0), max(int(low_y - reach), 0)
        right, bottom = min(int(high_x + reach) + 1, width), min(int(high_y + reach) + 1, height)
        if right <= left or bottom <= top:
            return
        area = self.pixels[top:bottom, left:right]
        mask = np.full(area.shape[:2], 255, np.uint8)
        dark = (round(255 * factor),)
        points = np.rint((every - (left, top)) * 2**_SHIFT).astype(np.int32)
        ends = [0, *itertools.accumulate(len(shape) for shape in shapes)]
        strokes = [points[first:last] for first, last in itertools.pairwise(ends)]
        if width_px:
            cv2.polylines(mask, strokes, False, dark, max(round(width_px), 1), cv2.LINE_AA, _SHIFT)
        else:
            for stroke in strokes:
                cv2.fillConvexPoly(mask, cv2.convexHull(stroke), dark, cv2.LINE_AA, _SHIFT)
        mask = cv2.blur(mask, (2 * soft + 1, 2 * soft + 1))  # type: ignore[assignment]  # uint8 as given
        cv2.multiply(area, cv2.merge((mask, mask, mask)), dst=area, scale=1 / 255)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one actor covers: the box around it in pixels, and how much of each pixel there (uint8, 255 all)."""

    box: Box
    left: int
    top: int
    cover: NDArray[np.uint8]


class Layer:
    """A transparent sheet over a part of the picture on which one actor is drawn, in the picture's pixels.

    It is drawn at twice the size where the actor is small; `paste` shades it from the light's side, gives it its
    cloth, softens its outline and puts it on the picture.
    """

    def __init__(self, picture: Image, area: Box) -> None:
        self._picture = picture
        height, width = picture.shape[:2]
        self._left, self._top = max(int(area.left) - 3, 0), max(int(area.top) - 3, 0)
        self._right, self._bottom = min(int(area.right) + 4, width), min(int(area.bottom) + 4, height)
        self._origin = np.array((self._left, self._top), float)
        self.is_empty = self._right <= self._left or self._bottom <= self._top
        self._zoom = 2 if area.height < _ENLARGED_BELOW_PX else 1
        size = (0, 0) if self.is_empty else (self._bottom - self._top, self._right - self._left)
        self._ink = np.zeros((size[0] * self._zoom, size[1] * self._zoom, 4), np.uint8)
        """Colour times cover, and cover."""

    def line(self, start: Pixel, end: Pixel, width_px: float, colour: Colour) -> None:
        """A line with round ends."""
        width = max(round(width_px * self._zoom), 1)
        cv2.line(self._ink, self._fixed(start), self._fixed(end), (*colour, 255), width, cv2.LINE_AA, _SHIFT)

    def disc(self, centre: Pixel, radius_px: float, colour: Colour) -> None:
        """A filled circle."""
        radius = max(round(radius_px * self._zoom * 2**_SHIFT), 2**_SHIFT // 2)
        cv2.circle(self._ink, self._fixed(centre), radius, (*colour, 255), -1, cv2.LINE_AA, _SHIFT)

    def polygon(self, points: NDArray[np.float64], colour: Colour) -> None:
        """A filled convex area."""
        cv2.fillConvexPoly(self._ink, self._all_fixed(points), (*colour, 255), cv2.LINE_AA, _SHIFT)

    def ring(self, points: NDArray[np.float64], width_px: float, colour: Colour) -> None:
        """A closed outline."""
        width = max(round(width_px * self._zoom), 1)
        cv2.polylines(self._ink, [self._all_fixed(points)], True, (*colour, 255), width, cv2.LINE_AA, _SHIFT)

    def capsule(self, start: Pixel, end: Pixel, radii_px: tuple[float, float], colour: Colour) -> None:
        """A limb: round at both ends, as thick there as its two radii."""
        ends = np.array([(start[0], start[1], radii_px[0], end[0], end[1], radii_px[1])], float)
        self.fill(self.limbs(ends)[0], colour)

    def limbs(self, ends: NDArray[np.float64]) -> NDArray[np.int32]:
        """The outlines of capsules for `fill`: (N, 6) of x, y and radius at either end. All at once is much faster
        than one by one."""
        along = np.arctan2(ends[:, 4] - ends[:, 1], ends[:, 3] - ends[:, 0])[:, None]
        outlines = np.empty((len(ends), 12, 2))
        for part, (at, turns) in enumerate(((0, _HALF_TURN + np.pi / 2), (3, _HALF_TURN - np.pi / 2))):
            radius = ends[:, at + 2, None]
            outlines[:, part * 6 : part * 6 + 6, 0] = ends[:, at, None] + radius * np.cos(along + turns)
            outlines[:, part * 6 : part * 6 + 6, 1] = ends[:, at + 1, None] + radius * np.sin(along + turns)
        return self._all_fixed(outlines)

    def fill(self, outline: NDArray[np.int32], colour: Colour) -> None:
        """One of `limbs`."""
        cv2.fillConvexPoly(self._ink, outline, (*colour, 255), cv2.LINE_AA, _SHIFT)

    def hull(self, centres: NDArray[np.float64], radii_px: Sequence[float], colour: Colour) -> None:
        """The convex hull of circles: a trunk, a coat, a skirt."""
        rims = centres[:, None, :2] + np.asarray(radii_px)[:, None, None] * _CIRCLE
        points = cv2.convexHull(self._all_fixed(rims.reshape(-1, 2)))
        cv2.fillConvexPoly(self._ink, points, (*colour, 255), cv2.LINE_AA, _SHIFT)

    def paste(self, style: Style, light: tuple[float, float]) -> Drawn | None:
        """Finish the sheet and put it on the picture; None where nothing of it is in the picture.

        `light` is the way the light comes from, in the picture (x to the right, y down).
        """
        if self.is_empty:
            return None
        ink = self._ink
        if self._zoom > 1:
            size = self._right - self._left, self._bottom - self._top
            ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        if style.softness > _SHARP_PX:
            ink = cv2.GaussianBlur(ink, (3, 3), style.softness)
        cover = ink[:, :, 3]
        left, top, width, height = cv2.boundingRect(cv2.threshold(cover, 100, 255, cv2.THRESH_BINARY)[1])
        if width == 0:
            return None
        tone = _tones(cover, style, light, height)
        colours = cv2.multiply(ink[:, :, :3], cv2.merge((tone, tone, tone)), scale=1 / 128)
        self._put(colours, cover)  # type: ignore[arg-type]  # uint8 as given
        box = Box(self._left + left, self._top + top, self._left + left + width, self._top + top + height)
        return Drawn(box, self._left, self._top, cover)

    def _put(self, colours: NDArray[np.uint8], cover: NDArray[np.uint8]) -> None:
        area = self._picture[self._top : self._bottom, self._left : self._right]
        rest = cv2.bitwise_not(cover)
        behind = cv2.multiply(area, cv2.merge((rest, rest, rest)), scale=1 / 255)
        cv2.add(behind, colours, dst=area)

    def _fixed(self, point: Pixel) -> tuple[int, int]:
        zoom = self._zoom * 2**_SHIFT
        return round((float(point[0]) - self._left) * zoom), round((float(point[1]) - self._top) * zoom)

    def _all_fixed(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        scale = self._zoom * 2**_SHIFT
        fixed: NDArray[np.int32] = np.rint(points[..., :2] * scale - self._origin * scale).astype(np.int32)
        return fixed


def _tones(cover: NDArray[np.uint8], style: Style, light: tuple[float, float], height_px: int) -> NDArray[np.uint8]:
    """What the colours are multiplied with, 128 for 1: lighter where the outline faces the light, and the cloth's
    own unevenness, which goes with the actor and grows with it."""
    size = cover.shape[1], cover.shape[0]
    cell = max(height_px / 24, 1.0)
    coarse = (max(round(size[0] / cell), 3), max(round(size[1] / cell), 3))
    small = cv2.blur(cv2.resize(cover, coarse, interpolation=cv2.INTER_AREA), (3, 3)).astype(np.float32)
    slope = cv2.Sobel(small, cv2.CV_32F, 1, 0) * -light[0] + cv2.Sobel(small, cv2.CV_32F, 0, 1) * -light[1]
    x, y = style.weave
    rough = _cloth()[y : y + coarse[1] * 2, x : x + coarse[0] * 2]
    lit = cv2.resize(slope, (rough.shape[1], rough.shape[0])) * (style.contrast * 0.15)
    tones = np.clip(lit + rough * (style.roughness * 128) + 128, 30, 250).astype(np.uint8)
    grown: NDArray[np.uint8] = cv2.resize(tones, size)
    return grown


@functools.cache
def _cloth() -> NDArray[np.float32]:
    """(512, 512) float32 around 0, spread about 1: folds and weave."""
    return texture(np.random.default_rng(5), (512, 512), 1.0)[:, :, 0]


def haze(
    picture: Image,
    centres: NDArray[np.float64],
    radii_px: NDArray[np.float64],
    thickness: NDArray[np.float64],
    colour: Colour,
    billow: tuple[float, int],
) -> Drawn | None:
    """Soft clouds, each as thick in its middle as given (0 to 1), one behind the other; None outside the picture.

    `billow` is how far their pattern has risen, in cells of it, and where in it they began.
    """
    height, width = picture.shape[:2]
    left, top = np.maximum(np.floor((centres - radii_px[:, None]).min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil((centres + radii_px[:, None]).max(axis=0)), (width, height)).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    clear = np.ones((bottom - top, right - left), np.float32)
    columns = np.arange(left, right, dtype=np.float32)
    rows = np.arange(top, bottom, dtype=np.float32)
    for (x, y), radius, thick in zip(centres, radii_px / 2.2, thickness, strict=True):
        across, down = np.exp(-(((columns - x) / radius) ** 2)), np.exp(-(((rows - y) / radius) ** 2))
        clear *= 1 - np.float32(thick) * down[:, None] * across
    clear **= np.clip(1 + 0.9 * _billows(clear.shape, *billow), 0.35, 2.5)
    area = picture[top:bottom, left:right]
    area[:] = (area * clear[:, :, None] + (1 - clear[:, :, None]) * np.array(colour, np.float32) + 0.5).astype(np.uint8)
    cover = ((1 - clear) * 255).astype(np.uint8)
    x, y, wide, tall = cv2.boundingRect(cv2.threshold(cover, 40, 255, cv2.THRESH_BINARY)[1])
    if wide == 0:
        return None
    return Drawn(Box(float(left + x), float(top + y), float(left + x + wide), float(top + y + tall)), left, top, cover)


def _billows(shape: tuple[int, ...], risen: float, start: int) -> NDArray[np.float32]:
    """Unevenness around 0, about twenty cells to the larger side, which rises."""
    rows, columns = shape
    cell = max(rows, columns) / 24
    from_row = int(risen * 8) % 256
    size = max(round(rows / cell), 2), max(round(columns / cell), 2)
    part = _cloth()[from_row : from_row + size[0], start : start + size[1]]
    small = cv2.blur(part, (3, 3)) - cv2.blur(part, (15, 15))
    return cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]  # as given


def halved(pixels: Image) -> Image:
    """Half the size, each pixel the mean of four: how backdrops are smoothed."""
    size = pixels.shape[1] // 2, pixels.shape[0] // 2
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]  # uint8 as given


def exposed(pixels: Image, gain: float, grain: Image) -> Image:
    """A new picture: `pixels` times `gain` plus sensor noise (`grain`, uint8 around 128), saturated."""
    return cv2.addWeighted(pixels, gain, grain, 1.0, -128.0)  # type: ignore[return-value]  # uint8 as given


def texture(rng: np.random.Generator, size: tuple[int, int], strength: float) -> NDArray[np.float32]:
    """(H, W, 1) float32 around 0: patches of several sizes, as asphalt and concrete have."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    for cell_px, share in ((160, 0.8), (40, 0.6), (8, 0.5), (2, 0.7)):
        small = rng.normal(0, share, (height // cell_px + 2, width // cell_px + 2)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return (total * strength)[:, :, None]


def _fixed(point: Pixel) -> tuple[int, int]:
    return round(float(point[0]) * 2**_SHIFT), round(float(point[1]) * 2**_SHIFT)
