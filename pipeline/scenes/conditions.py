"""What stands between a scene and its picture: light, weather, lens, sensor, compression, and what goes wrong.

`Conditions` says it; a `Lens` holds what of it can be worked out once for a size and a seed. Everything depends on
seed and time alone. Pixel measures are of a picture 384 wide and grow with the width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image
from pipeline.scenes import pixels as px
from pipeline.scenes.materials import any_colour, clouds
from pipeline.scenes.place import Match, Place
from pipeline.scenes.truth import ActorTruth

Light = Literal["day", "dusk", "infrared"]
Weather = Literal["clear", "rain", "fog"]
FaultKind = Literal["covered", "moved", "defocused"]

_SLACK_PX = 64
_REFERENCE_PX = 384.0
_RAMP_SECONDS: Mapping[FaultKind, float] = {"covered": 0.6, "moved": 0.5, "defocused": 1.0}
_NUM_RAINS = 4
_SMALLEST_PX = 2.0
"""What of a box is thinner at the picture's edge is not in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something done to the camera, from a moment to another (or for good)."""

    kind: FaultKind
    start_seconds: float
    end_seconds: float = math.inf

    def share(self, at_seconds: float) -> float:
        """How far it has come, 0 to 1."""
        ramp = _RAMP_SECONDS[self.kind]
        come = min(max((at_seconds - self.start_seconds) / ramp, 0.0), 1.0)
        gone = min(max((at_seconds - self.end_seconds) / ramp, 0.0), 1.0)
        return come - gone


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the camera sees; by default perfectly."""

    light: Light = "day"
    weather: Weather = "clear"
    brightness: float = 1.0
    contrast: float = 1.0
    """About the middle grey; below 1 the picture is flat."""
    noise: float = 0.0
    """Standard deviation of the sensor's noise, grey levels."""
    jpeg_quality: int = 0
    """1 to 100; 0 leaves the picture alone."""
    flicker: float = 0.0
    """Share by which lamps change the brightness many times a second."""
    drift: float = 0.0
    """Share by which the exposure wanders within a minute or so."""
    shake_px: float = 0.0
    dirt: float = 0.0
    """0 to 1: spots and smears on the glass."""
    defocus_px: float = 0.0
    """Sigma of the blur."""
    faults: tuple[Fault, ...] = ()

    def apply(self, pixels: Image, at_seconds: float, seed: int) -> Image:
        """A new picture; for many of one size, keep a `Lens`."""
        return Lens(self, seed, (pixels.shape[1], pixels.shape[0])).apply(pixels, at_seconds)


def draw_conditions(rng: np.random.Generator, place: Place) -> Conditions:
    """Conditions as cameras have them at such a place, each flaw now and then; a real picture keeps its own light."""
    if place.match is not None:
        return _as_filmed(rng, place.match)
    light: Light = ("day", "dusk", "infrared")[int(rng.choice(3, p=[0.58, 0.18, 0.24]))]
    skies: tuple[Weather, ...] = ("clear", "rain", "fog")
    weather = "clear" if place.indoor else skies[int(rng.choice(3, p=[0.76, 0.14, 0.10]))]
    dark = 0.0 if light == "day" else 3.0
    dimmest, flattest = (0.65, 0.45) if light == "day" else (0.95, 0.75)

    def now_and_then(chance: float, low: float, high: float) -> float:
        amount = float(rng.uniform(low, high))
        return amount if rng.uniform() < chance else 0.0

    return Conditions(
        light=light,
        weather=weather,
        brightness=float(np.clip(rng.normal(1.02, 0.14), dimmest, 1.5)),
        contrast=float(rng.uniform(flattest, 0.85)) if rng.uniform() < 0.15 else float(rng.uniform(0.85, 1.2)),
        noise=float(rng.uniform(0.5, 3.5)) + float(rng.uniform(0, dark)) + now_and_then(0.12, 1, 4),
        jpeg_quality=int(rng.integers(22, 92)) if rng.uniform() < 0.8 else 0,
        flicker=now_and_then(0.15, 0.01, 0.06),
        drift=now_and_then(0.3, 0.02, 0.15),
        shake_px=now_and_then(0.12, 0.3, 1.8),
        dirt=now_and_then(0.18, 0.15, 1.0),
        defocus_px=now_and_then(0.35, 0.3, 1.3),
    )


def _as_filmed(rng: np.random.Generator, match: Match) -> Conditions:
    """A real picture has its flaws already; its noise went with the median and is put back."""
    return Conditions(
        brightness=float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.2)),
        contrast=float(rng.uniform(0.9, 1.1)),
        noise=max(match.noise * float(rng.uniform(0.8, 1.2)), 0.3),
        jpeg_quality=int(rng.integers(50, 92)),
        drift=float(rng.uniform(0.02, 0.08)) if rng.uniform() < 0.3 else 0.0,
    )


class Lens:
    """Conditions made ready for one size and seed."""

    def __init__(self, conditions: Conditions, seed: int, size: tuple[int, int]) -> None:
        self._conditions, self._seed, self._size = conditions, seed, size
        self._unit_px = size[0] / _REFERENCE_PX
        rng = np.random.default_rng((seed, 11))
        self._phases = rng.uniform(0, 2 * math.pi, 8)
        self._rates = rng.uniform(0.8, 1.2, 8)
        self._colours = _colours(conditions.light, rng)
        self._factor, self._veil = self._filters(rng)
        self._grain = self._make_grain(rng) if conditions.noise else None
        self._rains = [self._make_rain(rng) for _ in range(_NUM_RAINS)] if conditions.weather == "rain" else []
        self._turn = rng.choice([-1.0, 1.0], 3) * rng.uniform((0.2, 0.08, 4), (0.45, 0.3, 16))
        self._cover_side = int(rng.integers(4))
        self._cover_share = float(rng.uniform(0.85, 1.0)) if rng.uniform() < 0.4 else 1.0
        self._cover = self._make_cover(rng) if any(fault.kind == "covered" for fault in conditions.faults) else None

    def apply(self, pixels: Image, at_seconds: float) -> Image:
        """The picture as the camera delivers it: a new one."""
        seen = pixels
        matrix = self.matrix(at_seconds)
        if matrix is not None:
            seen = px.warped(seen, matrix)
        if self._colours is not None:
            seen = px.graded(seen, self._colours)
        blur = self._blur_px(at_seconds)
        if blur > 0.2:
            seen = px.blurred(seen, blur)
        if self._factor is not None:
            seen = px.multiplied(seen, self._factor, 2 / 255)
        if self._veil is not None:
            seen = px.added(seen, self._veil)
        seen = self._rained(seen, at_seconds)
        seen = self._exposed(seen, at_seconds)
        seen = self._with_cover(seen, at_seconds)
        quality = self._conditions.jpeg_quality
        return px.through_jpeg(seen, quality) if quality else seen

    def matrix(self, at_seconds: float) -> NDArray[np.float64] | None:
        """(2, 3): where shake or a push moves each pixel; None while the camera is still."""
        shake, moved = self._conditions.shake_px * self._unit_px, self._fault("moved", at_seconds)
        if not shake and not moved:
            return None
        t, phases, rates = at_seconds, self._phases, self._rates
        dx = shake * (math.sin(7.1 * rates[0] * t + phases[0]) + 0.6 * math.sin(23.0 * rates[1] * t + phases[1])) / 1.6
        dy = shake * (math.sin(5.3 * rates[2] * t + phases[2]) + 0.6 * math.sin(19.0 * rates[3] * t + phases[3])) / 1.6
        width, height = self._size
        angle = math.radians(float(self._turn[2])) * moved
        cos, sin = math.cos(angle), math.sin(angle)
        dx, dy = dx + moved * float(self._turn[0]) * width, dy + moved * float(self._turn[1]) * height
        x, y = width / 2, height / 2
        return np.array([[cos, -sin, x - cos * x + sin * y + dx], [sin, cos, y - sin * x - cos * y + dy]])

    def covered(self, at_seconds: float) -> Box | None:
        """What of the picture a cover hides now."""
        share = self._fault("covered", at_seconds) * self._cover_share
        if share <= 0:
            return None
        width, height = self._size
        return (
            Box(0, 0, width * share, height),
            Box(width * (1 - share), 0, width, height),
            Box(0, 0, width, height * share),
            Box(0, height * (1 - share), width, height),
        )[self._cover_side]

    def truths(self, actors: Sequence[ActorTruth], at_seconds: float) -> tuple[ActorTruth, ...]:
        """What is so in the picture as delivered: where a moved camera sees the actors, what a cover hides."""
        matrix, cover = self.matrix(at_seconds), self.covered(at_seconds)
        if matrix is None and cover is None:
            return tuple(actors)
        moved = ((actor, actor.box if matrix is None else _moved(actor.box, matrix, self._size)) for actor in actors)
        return tuple(
            replace(actor, box=box, visible=round(actor.visible * (1 - _share_in(box, cover)), 3))
            for actor, box in moved
            if box is not None
        )

    def _fault(self, kind: FaultKind, at_seconds: float) -> float:
        return max((fault.share(at_seconds) for fault in self._conditions.faults if fault.kind == kind), default=0.0)

    def _blur_px(self, at_seconds: float) -> float:
        lost = self._fault("defocused", at_seconds) * (4.0 + 3.0 * float(self._rates[4]))
        return (self._conditions.defocus_px + lost) * self._unit_px

    def _exposed(self, seen: Image, at_seconds: float) -> Image:
        """Brightness, contrast and noise."""
        wanted = self._conditions
        wander = math.sin(at_seconds * 0.16 * self._rates[5] + self._phases[5])
        gain = wanted.brightness * (1 + wanted.drift * wander)
        gain *= 1 + wanted.flicker * math.sin(at_seconds * 61.0 * self._rates[6] + self._phases[6])
        offset = 112 * (1 - wanted.contrast)
        if self._grain is None:
            same = gain == 1 and wanted.contrast == 1
            return seen.copy() if same else px.scaled(seen, gain * wanted.contrast, offset)
        width, height = self._size
        spot = np.random.default_rng((self._seed, round(at_seconds * 1000) + 2**33))
        left, top = (int(start) for start in spot.integers(_SLACK_PX, size=2))
        grain = self._grain[top : top + height, left : left + width]
        return px.blended(seen, gain * wanted.contrast, grain, offset - 128.0)

    def _rained(self, seen: Image, at_seconds: float) -> Image:
        """Streaks, others every thirtieth of a second."""
        if not self._rains:
            return seen
        moment = np.random.default_rng((self._seed, round(at_seconds * 30) + 2**34))
        which, left, top = (int(value) for value in moment.integers((_NUM_RAINS, _SLACK_PX, _SLACK_PX)))
        width, height = self._size
        return px.added(seen, self._rains[which][top : top + height, left : left + width])

    def _with_cover(self, seen: Image, at_seconds: float) -> Image:
        area = self.covered(at_seconds)
        if area is None or self._cover is None:
            return seen
        left, top, right, bottom = (round(side) for side in (area.left, area.top, area.right, area.bottom))
        seen = seen.copy()
        seen[top:bottom, left:right] = self._cover[top:bottom, left:right]
        return seen

    def _filters(self, rng: np.random.Generator) -> tuple[Image | None, Image | None]:
        """What every picture is multiplied with (128 leaves it) and what is added to it, uint8."""
        wanted, (width, height) = self._conditions, self._size
        if wanted.light == "day" and wanted.weather != "fog" and not wanted.dirt:
            return None, None
        factor = np.ones((height, width, 3), np.float32)
        veil = np.zeros((height, width, 3), np.float32)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        if wanted.light != "day":
            factor *= _night(wanted.light, rng, x, y)
        if wanted.weather == "fog":
            depth = np.clip(0.45 - 0.55 * y, 0.1, 1) * float(rng.uniform(0.35, 0.8))
            _haze(factor, veil, depth, rng.uniform(60, 90) if wanted.light == "infrared" else rng.uniform(150, 205))
        if wanted.dirt:
            _haze(factor, veil, self._dirt(rng), float(rng.uniform(30, 130)))
        return np.clip(factor * 127.5, 0, 255).astype(np.uint8), np.clip(veil, 0, 255).astype(np.uint8)

    def _dirt(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(H, W) 0 to 1: how much each spot of the glass hides, out of focus as all that is so close."""
        width, height = self._size
        spots = np.zeros((height, width), np.float32)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        for _ in range(int(rng.integers(3, 14))):
            cx, cy, reach = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.01, 0.11) * width
            spots = np.maximum(
                spots, np.exp(-((((x - cx) ** 2 + ((y - cy) * rng.uniform(0.6, 1.6)) ** 2) / reach**2) ** 2))
            )
        smear = px.enlarged(clouds(rng, ((6, 1.0), (24, 0.6)), 48), (width, height))
        hidden: NDArray[np.float32] = np.clip(0.75 * spots + 0.18 * smear, 0, 0.85) * np.float32(self._conditions.dirt)
        return hidden

    def _make_grain(self, rng: np.random.Generator) -> Image:
        """Noise around 128; by night coarser, and the same in all colours when the picture is grey."""
        width, height = self._size[0] + _SLACK_PX, self._size[1] + _SLACK_PX
        channels = 1 if self._conditions.light == "infrared" else 3
        noise = rng.standard_normal((height, width, channels), np.float32)
        coarse = rng.uniform(0.5, 0.8) if self._conditions.light != "day" else rng.uniform(0.01, 0.6)
        noise = px.smooth(noise, float(coarse)).reshape(height, width, channels)
        noise *= self._conditions.noise / float(noise.std())
        return np.clip(np.rint(noise + 128), 0, 255).astype(np.uint8).repeat(3 // channels, axis=2)

    def _make_rain(self, rng: np.random.Generator) -> Image:
        """Streaks as bright as the light allows, blurred by their speed."""
        width, height = self._size[0] + _SLACK_PX, self._size[1] + _SLACK_PX
        sheet = np.zeros((height, width), np.float32)
        length = max(int(rng.uniform(6, 18) * self._unit_px), 3)
        for _ in range(int(rng.uniform(90, 260))):
            left, top = int(rng.integers(width)), int(rng.integers(height - length))
            slant = (np.arange(length) * float(self._rates[7] - 1.0) * 1.5).astype(int)
            sheet[top + np.arange(length), np.clip(left + slant, 0, width - 1)] += rng.uniform(20, 90)
        streaks = np.clip(px.smooth(sheet, 0.6 * max(self._unit_px, 0.6)), 0, 120)
        return np.rint(streaks).astype(np.uint8)[:, :, None].repeat(3, axis=2)

    def _make_cover(self, rng: np.random.Generator) -> Image:
        """A hand, a cloth, paint: one colour with hardly anything in it, far out of focus."""
        width, height = self._size
        cloth = px.enlarged(clouds(rng, ((3, 1.0), (12, 0.4), (48, 0.2)), 48), (width, height))[:, :, None]
        colour = np.array(any_colour(rng), np.float32) * float(rng.choice([0.15, 0.4, 0.8]))
        if self._conditions.light == "infrared":
            colour[:] = colour.mean()
        grain = rng.normal(0, 1.5, (height, width, 1))
        return np.clip(colour + cloth * float(rng.uniform(2, 14)) + grain, 0, 255).astype(np.uint8)


def _colours(light: Light, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """(3, 3): how the sensor mixes colours in this light; None by day."""
    if light == "day":
        return None
    if light == "infrared":
        row = rng.uniform(0.15, 1.0, 3)
        return np.tile(row / row.sum(), (3, 1)).astype(np.float32)
    grey = np.full((3, 3), 1 / 3) * 0.45 + np.eye(3) * 0.55
    return (grey * rng.uniform((0.75, 0.8, 0.85), (1.15, 1.0, 1.2))[:, None]).astype(np.float32)


def _night(
    light: Light, rng: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, W, 3): an infra-red lamp at the camera, or the pools of some lamps at dusk."""
    if light == "infrared":
        cx, cy = rng.normal(0, 0.15, 2)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.5, 2.2))
        lamp: NDArray[np.float32] = (rng.uniform(0.2, 0.45) + rng.uniform(0.6, 1.1) * spot).astype(np.float32)
        return lamp[:, :, None].repeat(3, axis=2)
    lit = np.full((*x.shape, 3), rng.uniform(0.36, 0.65), np.float32)
    warm = rng.uniform((0.95, 0.75, 0.45), (1.1, 0.95, 0.9)).astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        cx, cy = rng.uniform(-1, 1), rng.uniform(-0.8, 0.8)
        pool = np.exp(-((x - cx) ** 2 + ((y - cy) * 1.8) ** 2) / rng.uniform(0.08, 0.5)) * rng.uniform(0.3, 0.8)
        lit += pool.astype(np.float32)[:, :, None] * warm
    return lit


def _moved(box: Box, matrix: NDArray[np.float64], size: tuple[int, int]) -> Box | None:
    """Around the moved corners, cut at the picture's edge; None outside it."""
    corners = np.array([(x, y, 1.0) for x in (box.left, box.right) for y in (box.top, box.bottom)]) @ matrix.T
    (left, top), (right, bottom) = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), size)
    if right - left < _SMALLEST_PX or bottom - top < _SMALLEST_PX:
        return None
    return Box(float(left), float(top), float(right), float(bottom))


def _share_in(box: Box, cover: Box | None) -> float:
    if cover is None:
        return 0.0
    width = min(box.right, cover.right) - max(box.left, cover.left)
    height = min(box.bottom, cover.bottom) - max(box.top, cover.top)
    return max(width, 0.0) * max(height, 0.0) / (box.width * box.height)


def _haze(factor: NDArray[np.float32], veil: NDArray[np.float32], hidden: NDArray[np.float32], tone: float) -> None:
    """Put something of one grey `tone` before what has been filtered so far, in place."""
    factor *= 1 - hidden[:, :, None]
    veil *= 1 - hidden[:, :, None]
    veil += hidden[:, :, None] * np.float32(tone)
