"""A real camera's own view as a place: actors rendered into it stand on its ground and share its light and noise.

In come frames of any video; the background is their median, so what passes through does not matter. The ground
plane follows from how tall walkers are at which row of the picture; with none to be seen it is a guess that suits
most cameras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError
from pipeline.scenes import pixels as px
from pipeline.scenes.place import Area, Match, Occluder, Place, line_at, mirrored, reach
from pipeline.scenes.script import Point
from pipeline.scenes.view import View

_PERSON_M, _DEEP_M = 1.72, 0.3
"""A walker's height, and from foot to foot: seen from above, that makes the box taller."""
_FIELD_DEGREES = 56.0
"""Horizontal angle of view taken for granted: a 4 mm lens on a usual sensor has 60 to 80, an 8 mm one 35 to 45."""
_FEWEST_WALKERS, _FEW_WALKERS = 20, 8
"""So many tell the whole plane; so many only the camera's height, if the horizon is taken for granted."""
_USUAL = (4.2, 20.0)
"""The camera's height, metres, and pitch, degrees, where nobody walks."""
_BADLY_FITTED = 0.15
"""Walkers whose heights are off by more than this share, half of them, do not stand on one plane."""
_LONGEST_SIDE_PX = 640
_NUM_FRAMES = 48
_FIGURES_SIGMA_PX = 0.5
"""How soft drawn figures are of themselves."""
_FLOOR_FROM = 0.45
"""Row, as a share of the height, below which a picture is taken to show floor when nobody was seen to walk."""
_FAR_SHARE = 0.13
"""Of the picture's height: what a person must take up where people still go."""


@dataclass(frozen=True)
class RealBackground:
    """A fixed camera's empty view, and how things look and stand in it."""

    name: str
    pixels: Image
    view: View
    noise: float
    """Standard deviation of its noise, grey levels."""
    walkers: tuple[Box, ...]
    """Boxes of what passed through, as far as it looked like people."""
    hides: NDArray[np.bool_]
    """(H, W): what walkers pass behind."""

    @classmethod
    def from_file(cls, path: Path, *, boxes: Sequence[Box] | None = None) -> RealBackground:
        """From a video file; `boxes` of walkers in its own pixels, if they are known.

        Raises:
            ConfigError: it cannot be read, or has fewer than three frames.
        """
        frames = px.read_frames(path, at_most=_NUM_FRAMES, longest_side_px=_LONGEST_SIDE_PX)
        return cls.from_frames(frames, name=path.stem, boxes=boxes)

    @classmethod
    def from_frames(
        cls, frames: Sequence[Image], *, name: str = "background", boxes: Sequence[Box] | None = None
    ) -> RealBackground:
        """From frames of one size of a camera that does not move; the more and the farther apart the better.

        Raises:
            ConfigError: fewer than three frames, or not all of one size.
        """
        if len(frames) < 3:
            raise ConfigError(f"expected at least 3 frames to tell the background from what moves, got {len(frames)}")
        if len({frame.shape for frame in frames}) > 1:
            raise ConfigError("expected frames of one size")
        background: Image = np.median(np.stack(frames), axis=0).astype(np.uint8)
        noise = float(np.median([_noise(frame, background) for frame in frames]))
        moving = [_moving(frame, background, noise) for frame in frames]
        walkers = tuple(boxes) if boxes is not None else tuple(box for mask in moving for box in _walkers(mask))
        view = _ground_plane(walkers, (background.shape[1], background.shape[0]))
        return cls(name, background, view, noise, walkers, _hiding(moving))

    def place(self, rng: np.random.Generator, size: tuple[int, int]) -> Place:
        """The view at a size (cut to its shape), half of the time mirrored, with a zone and a line somewhere in it."""
        picture, hides, view = self._cut(size)
        ground = self._walkable(view)
        place = Place(
            name=self.name,
            view=view,
            paint=lambda _view, _rng: picture,
            walkable=(ground,),
            zones={"area": _zone(rng, view, ground)},
            lines={"line": line_at(view, float(rng.uniform(*_middle(ground))))},
            has_sun=False,
            one_way=(float(rng.choice([-1.0, 1.0])), 0.0),
            match=_match(picture, self.noise),
            occluders=self._occluders(hides, view),
        )
        return mirrored(place) if rng.integers(2) else place

    def _cut(self, size: tuple[int, int]) -> tuple[Image, NDArray[np.bool_], View]:
        """Picture, mask and view of its middle, in the shape and size asked for."""
        height, width = self.pixels.shape[:2]
        factor = max(size[0] / width, size[1] / height)
        wide, high = round(size[0] / factor), round(size[1] / factor)
        rows = slice((height - high) // 2, (height - high) // 2 + high)
        columns = slice((width - wide) // 2, (width - wide) // 2 + wide)
        picture = px.resized(np.ascontiguousarray(self.pixels[rows, columns]), size)
        mask = px.resized(np.ascontiguousarray(self.hides[rows, columns]).astype(np.uint8) * 255, size) > 127
        focal = self.view.focal_px * factor
        field = 2 * math.degrees(math.atan(size[1] * (16 / 9) / 2 / focal))
        return picture, mask, View(size, self.view.height, self.view.pitch_degrees, field)

    def _walkable(self, view: View) -> Area:
        """From the lower edge to where people become small, or to where they were seen to go."""
        width, height = view.size
        bottom = view.ground_at(width / 2, height * 0.97)
        near = bottom[1] if bottom else 2.0
        far = view.focal_px * _PERSON_M / (_FAR_SHARE * height)
        feet = [spot[1] for box in self.walkers if (spot := self.view.ground_at(*box.foot)) is not None]
        if len(feet) >= _FEW_WALKERS:
            far = min(far, float(np.percentile(feet, 97)) + 0.5)
        elif (middle := view.ground_at(width / 2, height * _FLOOR_FROM)) is not None:
            far = min(far, middle[1])
        far = max(far, near + 3.0)
        side = reach(view, far) + 2.0
        return Area(-side, side, max(near - 1.0, 1.0), far)

    def _occluders(self, hides: NDArray[np.bool_], view: View) -> tuple[Occluder, ...]:
        """Everything that hides, as near as the lowest row it reaches: whoever stands beyond that row is behind it."""
        found = []
        for left, top, wide, high, _ in px.islands(hides.astype(np.uint8) * 255):
            foot = view.ground_at(left + wide / 2, top + high)
            mask = np.zeros_like(hides)
            mask[top : top + high, left : left + wide] = hides[top : top + high, left : left + wide]
            if foot is not None:
                found.append(Occluder(mask, foot[1]))
        return tuple(found)


def _noise(frame: Image, background: Image) -> float:
    """Standard deviation of what is neither background nor motion, from the mean deviation of a Gaussian."""
    away = frame.astype(np.int16) - background
    away = np.abs(away - np.median(away))
    return float(away[away < 12].mean() * 1.2533)


def _moving(frame: Image, background: Image, noise: float) -> NDArray[np.uint8]:
    """(H, W), 255 where something is that is not background."""
    return px.differs(frame, background, round(18 + 4 * noise))


def _walkers(moving: NDArray[np.uint8]) -> list[Box]:
    """Boxes of what is as upright as a person and wholly in the picture."""
    height, width = moving.shape
    boxes = []
    for left, top, wide, high, area in px.islands(px.closed(moving, 3)):
        is_whole = left > 1 and top > 1 and left + wide < width - 1 and top + high < height - 1
        if is_whole and high > 0.05 * height and 1.4 < high / wide < 4.5 and area > 0.4 * wide * high:
            boxes.append(Box(float(left), float(top), float(left + wide), float(top + high)))
    return boxes


def _ground_plane(walkers: Sequence[Box], size: tuple[int, int]) -> View:
    """The camera's height and pitch under which walkers are as tall as people; robustly fitted."""
    usual = View(size, _USUAL[0], _USUAL[1], _FIELD_DEGREES)
    if len(walkers) < _FEW_WALKERS:
        return usual
    feet, heights = np.array([box.bottom for box in walkers]), np.array([box.height for box in walkers])

    def misfit(camera: NDArray[np.float64]) -> NDArray[np.float64]:
        view = replace(usual, height=float(camera[0]), pitch_degrees=float(camera[1]) if len(camera) > 1 else _USUAL[1])
        off: NDArray[np.float64] = np.log(_seen_heights(view, feet) / heights)
        return off

    if len(walkers) >= _FEWEST_WALKERS:
        found = least_squares(misfit, _USUAL, bounds=((1.0, -5.0), (25.0, 85.0)), loss="soft_l1", f_scale=0.1)
        if float(np.median(np.abs(found.fun))) < _BADLY_FITTED:
            return replace(usual, height=float(found.x[0]), pitch_degrees=float(found.x[1]))
    height_only = least_squares(misfit, _USUAL[:1], bounds=(2.0, 8.0), loss="soft_l1", f_scale=0.1)
    return replace(usual, height=float(height_only.x[0]))


def _seen_heights(view: View, feet: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels from head to foot of people with their feet at these rows, in the middle; 1 above the horizon."""
    pitch, down = math.radians(view.pitch_degrees), (feet - view.size[1] / 2) / view.focal_px
    falls = np.maximum(math.sin(pitch) + down * math.cos(pitch), 1e-3)
    z = (math.cos(pitch) - down * math.sin(pitch)) * view.height / falls
    heads = view.project(np.stack([np.zeros_like(z), np.full_like(z, _PERSON_M), z], axis=1))
    deep = _DEEP_M * math.sin(max(pitch, 0.0)) * heads[:, 2]
    tall: NDArray[np.float64] = np.maximum(feet - heads[:, 1] + deep, 1.0)
    return tall


def _hiding(moving: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """What stays as it is while people pass there: in the middle of something that moves, often, yet never moving."""
    inside = np.zeros(moving[0].shape, np.int32)
    moved = np.zeros(moving[0].shape, np.int32)
    for mask in moving:
        filled = px.closed(mask, 5)
        for left, top, wide, high, area in px.islands(filled):
            if area > 0.35 * wide * high and high > 0.05 * mask.shape[0]:
                rows, columns = slice(top, top + high), slice(left + wide // 5, left + wide - wide // 5)
                inside[rows, columns] += filled[rows, columns] > 0
                moved[rows, columns] += mask[rows, columns] > 0
    still = (inside >= 6) & (moved < 0.2 * inside)
    tidy = px.closed(still.astype(np.uint8) * 255, 1)
    kept = np.zeros(still.shape, np.bool_)
    for left, top, wide, high, area in px.islands(tidy):
        if area >= 60 and high >= 2 * wide:
            kept[top : top + high, left : left + wide] |= tidy[top : top + high, left : left + wide] > 0
    return kept


def _match(picture: Image, noise: float) -> Match:
    """Tones, colours and sharpness of the picture; a picture of next to nothing but one tone keeps room for figures."""
    dark, light = (float(level) for level in np.percentile(picture.mean(axis=2), (1, 99)))
    dark, light = min(dark, 40.0), max(light, 190.0)
    spread = float((picture.max(axis=2).astype(np.float32) - picture.min(axis=2)).mean())
    softness = math.sqrt(max(px.edge_sigma(picture) ** 2 - _FIGURES_SIGMA_PX**2, 0.0))
    return Match(
        softness_px=min(softness, 3.0),
        black=dark,
        white=light,
        saturation=0.0 if spread < 2 else float(np.clip(spread / 22, 0.45, 1.0)),
        noise=noise,
    )


def _zone(rng: np.random.Generator, view: View, ground: Area) -> tuple[Point, ...]:
    """A quarter or so of the ground in view."""
    near = ground.near + 1.0 + float(rng.uniform(0.1, 0.4)) * (ground.far - ground.near - 1.0)
    far = near + float(rng.uniform(0.35, 0.6)) * (ground.far - near)
    wide = reach(view, near)
    left = float(rng.uniform(-0.9, 0.1)) * wide
    right = left + float(rng.uniform(0.5, 0.9)) * wide
    return Area(left, right, near, far).corners


def _middle(ground: Area) -> tuple[float, float]:
    deep = ground.far - ground.near
    return ground.near + 0.35 * deep, ground.near + 0.65 * deep
