"""The scenes by name: screenplays that always tell the same, and situations staged anew for every seed."""

from __future__ import annotations

import difflib
import math

from pipeline.errors import ConfigError
from pipeline.scenes.corridor import corridor
from pipeline.scenes.scene import Scene
from pipeline.scenes.situations import SITUATIONS, stage
from pipeline.scenes.story import Staged
from pipeline.scenes.street import street
from pipeline.scenes.yard import empty, yard

_SCRIPTS = {"yard": yard, "street": street, "corridor": corridor, "empty": empty}
_NEAR = "near-"
_STAGED = {
    prefix + situation.replace("_", "-"): (situation, bool(prefix))
    for situation in SITUATIONS
    for prefix in (("", _NEAR) if situation != "ordinary" else ("",))
}
_LONGEST_SECONDS = 86_400.0
_SIDES_PX = (32, 7680)


def scene_names() -> tuple[str, ...]:
    """The screenplays that `open_scene` knows."""
    return tuple(_SCRIPTS)


def staged_names() -> tuple[str, ...]:
    """The situations it knows: `left-bag`, and as `near-left-bag` what only looks like it."""
    return tuple(_STAGED)


def open_scene(name: str, *, seed: int = 1, seconds: float | None = None, size: tuple[int, int] = (640, 360)) -> Scene:
    """A scene by its name; `seconds` by default its own length, `size` is (width, height) in pixels.

    Raises:
        ConfigError: an unknown name, or a seed, length or size that cannot be.
    """
    if name in _STAGED:
        return open_staged(name, seed=seed, seconds=seconds, size=size).scene
    if name not in _SCRIPTS:
        raise _unknown(name, (*_SCRIPTS, *_STAGED))
    _check(seed, seconds, size)
    return Scene(_SCRIPTS[name](seed, seconds, size), seed)


def open_staged(name: str, *, seed: int, seconds: float | None = None, size: tuple[int, int] = (640, 360)) -> Staged:
    """A staged situation by its name, with the story behind it; raises as `open_scene`."""
    if name not in _STAGED:
        raise _unknown(name, tuple(_STAGED))
    _check(seed, seconds, size)
    situation, is_near_miss = _STAGED[name]
    return stage(seed, situation=situation, near_miss=is_near_miss, size=size, seconds=seconds)


def _unknown(name: str, known: tuple[str, ...]) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
    return ConfigError(f"no scene is called {name!r}; {hint}")


def _check(seed: int, seconds: float | None, size: tuple[int, int]) -> None:
    if seed < 0:
        raise ConfigError(f"expected a seed of 0 or more, got {seed}")
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= _LONGEST_SECONDS):
        raise ConfigError(f"expected more than 0 and at most {_LONGEST_SECONDS:g} seconds, got {seconds:g}")
    if not all(_SIDES_PX[0] <= side <= _SIDES_PX[1] for side in size):
        raise ConfigError(f"expected sides of {_SIDES_PX[0]} to {_SIDES_PX[1]} pixels, got {size[0]}x{size[1]}")
