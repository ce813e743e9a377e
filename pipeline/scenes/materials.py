"""What floors and walls are made of: seamless tiles drawn by the seed, each as large as it says."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.scenes.pixels import enlarged
from pipeline.scenes.script import Colour

Field = NDArray[np.float32]
_SIDE_PX = 128
_FINE = ((4, 0.6), (16, 0.6), (32, 0.5), (128, 0.6))
"""Cells across a tile and their share: blotches, stains, grain."""


@dataclass(frozen=True, slots=True)
class Material:
    """A tile that repeats: (N, N, 3) uint8, `metres` a side."""

    tile: Image
    metres: float


def tinted(rng: np.random.Generator, colour: Colour, spread: float = 1.0) -> Colour:
    """A colour of its kind: hue, saturation and brightness drawn around it."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    hue = (hue + spread * rng.normal(0, 0.02)) % 1
    saturation = min(max(saturation * (1 + spread * rng.normal(0, 0.3)) + spread * rng.normal(0, 0.02), 0), 1)
    value = min(max(value * (1 + spread * rng.normal(0, 0.18)), 0.08), 0.97)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def any_colour(rng: np.random.Generator, *, saturation: float = 0.6) -> Colour:
    """Any colour at all, greys among them."""
    red, green, blue = colorsys.hsv_to_rgb(
        float(rng.uniform()), float(rng.uniform()) ** 1.5 * saturation, rng.uniform(0.15, 0.95)
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def clouds(rng: np.random.Generator, octaves: tuple[tuple[int, float], ...] = _FINE, side_px: int = _SIDE_PX) -> Field:
    """(N, N) float32 around 0 that repeats seamlessly: noise of several grains."""
    total = np.zeros((side_px, side_px), np.float32)
    for cells, share in octaves:
        small = np.pad(rng.normal(0, share, (cells, cells)).astype(np.float32), 2, mode="wrap")
        step = side_px // cells
        large = enlarged(small, (side_px + 4 * step, side_px + 4 * step))
        total += large[2 * step : 2 * step + side_px, 2 * step : 2 * step + side_px]
    return total


def rough(rng: np.random.Generator, colour: Colour, strength: float = 9.0, metres: float = 5.0) -> Material:
    """Asphalt, concrete, plaster, carpet: one colour, stained and grained."""
    return Material(_coloured(clouds(rng) * strength, colour), metres)


def lawn(rng: np.random.Generator, colour: Colour) -> Material:
    """Grass: blades and bare spots."""
    field = clouds(rng, ((4, 0.8), (16, 0.5), (64, 0.6), (128, 1.2))) * 14
    tile = _coloured(field, colour)
    dry = 6 * clouds(rng, ((8, 1.0), (32, 0.6)))
    tile[:, :, 0] = np.clip(tile[:, :, 0] + dry, 0, 255)
    return Material(tile, 4.0)


def slabs(
    rng: np.random.Generator, colour: Colour, *, across: int, down: int, metres: float, offset: bool, joint: float
) -> Material:
    """Tiles, paving, bricks: `across` by `down` a tile, every other row moved by half if `offset`, each of its
    own tone, with joints darker or lighter by `joint` grey levels."""
    field = clouds(rng) * 4
    tones = rng.normal(0, rng.uniform(2, 11), (down, across)).astype(np.float32)
    rows = np.arange(_SIDE_PX) * down // _SIDE_PX
    for row in range(down):
        shift = _SIDE_PX // across // 2 if offset and row % 2 else 0
        columns = (np.arange(_SIDE_PX) + shift) % _SIDE_PX * across // _SIDE_PX
        field[rows == row] += tones[row, columns]
        edge = np.flatnonzero(np.diff(columns, append=columns[:1]))
        field[np.ix_(np.flatnonzero(rows == row), edge)] += joint
    field[np.flatnonzero(np.diff(rows, append=rows[:1]))] += joint
    return Material(_coloured(field, colour), metres)


def planks(rng: np.random.Generator, colour: Colour, *, count: int, metres: float, upright: bool = False) -> Material:
    """Boards side by side, with a grain along them."""
    tones = rng.normal(0, rng.uniform(3, 10), count).astype(np.float32)
    which = np.arange(_SIDE_PX) * count // _SIDE_PX
    grain = np.repeat(clouds(rng, ((32, 0.6), (128, 0.8)))[:, ::8], 8, axis=1) * 4
    field = clouds(rng) * 2 + grain + tones[which][:, None]
    field[np.flatnonzero(np.diff(which, append=which[:1]))] -= 22
    return Material(_coloured(field.T if upright else field, colour), metres)


def ribbed(rng: np.random.Generator, colour: Colour, *, count: int, metres: float, upright: bool = True) -> Material:
    """Corrugated sheet, shutters, blinds."""
    wave = np.sin(np.arange(_SIDE_PX) * 2 * math.pi * count / _SIDE_PX).astype(np.float32) * rng.uniform(6, 20)
    field = clouds(rng) * 4 + (wave[None, :] if upright else wave[:, None])
    return Material(_coloured(field, colour), metres)


def gravel(rng: np.random.Generator, colour: Colour) -> Material:
    """Stones, as a track lies on."""
    return Material(_coloured(clouds(rng, ((8, 0.3), (32, 1.0), (64, 1.2))) * 15, colour), 3.0)


def leaves(rng: np.random.Generator, colour: Colour) -> Material:
    """A hedge or trees far off."""
    return Material(_coloured(clouds(rng, ((4, 0.8), (16, 1.0), (32, 1.0), (64, 0.9))) * 15, colour), 4.0)


def paved(rng: np.random.Generator, colour: Colour) -> Material:
    """Any outdoor pavement."""
    choice = int(rng.integers(4))
    if choice == 0:
        return rough(rng, colour, float(rng.uniform(6, 13)))
    across = (2, 4, 8)[choice - 1]
    joint = float(rng.choice([-26, -14, 14]))
    return slabs(rng, colour, across=across, down=across, metres=2.4, offset=choice == 2, joint=joint)


def floored(rng: np.random.Generator, colour: Colour) -> Material:
    """Any indoor floor."""
    choice = int(rng.integers(4))
    if choice == 0:
        return rough(rng, colour, float(rng.uniform(2, 9)))
    if choice == 1:
        return planks(rng, colour, count=12, metres=2.0, upright=bool(rng.integers(2)))
    side = float(rng.uniform(0.3, 0.8))
    count = 4 if choice == 2 else 6
    joint = float(rng.choice([-24, -12, 10]))
    return slabs(rng, colour, across=count, down=count, metres=side * count, offset=False, joint=joint)


def walled(rng: np.random.Generator, colour: Colour) -> Material:
    """Any wall: plaster, bricks, sheet or panels."""
    choice = int(rng.integers(4))
    if choice == 0:
        return slabs(rng, colour, across=8, down=24, metres=2.0, offset=True, joint=float(rng.choice([-24, 18])))
    if choice == 1:
        return ribbed(rng, colour, count=int(rng.integers(8, 20)), metres=4.0)
    if choice == 2:
        return slabs(rng, colour, across=2, down=2, metres=float(rng.uniform(2, 5)), offset=False, joint=-16)
    return rough(rng, colour, float(rng.uniform(2, 8)))


def _coloured(field: Field, colour: Colour) -> Image:
    """Darker and lighter of one colour."""
    tile: Image = np.clip(np.array(colour, np.float32) * (1 + field[:, :, None] / 128), 0, 255).astype(np.uint8)
    return tile
