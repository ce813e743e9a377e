"""Scenes to train on: a situation in a drawn place, a gallery, or either over the view of a real recording."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.training.gallery import gallery, looked_at
from pipeline.scenes import Scene
from pipeline.scenes.composite import RealBackground
from pipeline.scenes.place import Place
from pipeline.scenes.places import HELD_OUT_PLACES, PLACES
from pipeline.scenes.situations import stage
from pipeline.scenes.story import Staged, Story, key_times
from pipeline.scenes.terrain import NoRoomError

_SIZES_PX = ((384, 216), (480, 270), (640, 360), (640, 360), (640, 480))
REAL_SHARE = 0.5
"""Share of the scenes over a site's own recordings, when there are any."""


@dataclass(frozen=True, slots=True)
class Set:
    """A scene, when to look at it, and what it tells; galleries tell nothing."""

    scene: Scene
    times: tuple[float, ...]
    story: Story | None


def situation(rng: np.random.Generator, moments: int, *, is_held_out: bool, footage: Sequence[Path]) -> Set:
    """Any situation or its near miss; held out: in the places that are kept for measuring."""
    size = _SIZES_PX[int(rng.integers(len(_SIZES_PX)))]
    background = _any_background(rng, footage)
    staged = stage_over(int(rng.integers(2**31)), background, is_held_out=is_held_out, size=size)
    return Set(staged.scene, key_times(staged.story, moments, rng), staged.story)


def check_room(footage: Sequence[Path]) -> None:
    """`ConfigError` names the recording before whose view nothing can be staged."""
    for path in footage:
        background = background_of(path)
        try:
            stage(0, background=background)
        except ConfigError as error:
            raise ConfigError(f"{path.name}: {error}; leave it out, or film more of the ground") from error


def stage_over(seed: int, background: RealBackground | None, *, is_held_out: bool, size: tuple[int, int]) -> Staged:
    """Any situation before a real background; in a drawn place without one, or where it has room for nothing."""
    if background is not None:
        with contextlib.suppress(ConfigError):
            return stage(seed, background=background, size=size)
    return stage(seed, held_out=is_held_out, size=size)


def crowded(rng: np.random.Generator, moments: int, *, is_held_out: bool, footage: Sequence[Path]) -> Set:
    """A gallery in such a place."""
    size = _SIZES_PX[int(rng.integers(len(_SIZES_PX)))]
    background = _any_background(rng, footage)
    while True:
        place = background.place(rng, size) if background is not None else _place(rng, size, is_held_out)
        try:
            return Set(gallery(rng, place, moments), looked_at(moments), None)
        except NoRoomError:
            background = None


def _place(rng: np.random.Generator, size: tuple[int, int], is_held_out: bool) -> Place:
    names = [name for name in PLACES if (name in HELD_OUT_PLACES) == is_held_out]
    return PLACES[names[int(rng.integers(len(names)))]](rng, size)


def _any_background(rng: np.random.Generator, footage: Sequence[Path]) -> RealBackground | None:
    if not footage or rng.random() >= REAL_SHARE:
        return None
    return background_of(footage[int(rng.integers(len(footage)))])


@functools.lru_cache(maxsize=16)
def background_of(path: Path) -> RealBackground:
    """Of a recording; read once."""
    return RealBackground.from_file(path)
