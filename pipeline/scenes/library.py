"""The scenes by name."""

from __future__ import annotations

import difflib
import math

from pipeline.errors import ConfigError
from pipeline.scenes.corridor import corridor
from pipeline.scenes.scene import Scene
from pipeline.scenes.street import street
from pipeline.scenes.yard import empty, yard

_SCRIPTS = {"yard": yard, "street": street, "corridor": corridor, "empty": empty}
_LONGEST_SECONDS = 86_400.0
_SIDES_PX = (32, 7680)


def scene_names() -> tuple[str, ...]:
    """What `open_scene` knows."""
    return tuple(_SCRIPTS)


def open_scene(name: str, *, seed: int = 1, seconds: float | None = None, size: tuple[int, int] = (640, 360)) -> Scene:
    """A scene by its name; `seconds` by default its own length, `size` is (width, height) in pixels.

    Raises:
        ConfigError: an unknown name, or a seed, length or size that cannot be.
    """
    if name not in _SCRIPTS:
        near = difflib.get_close_matches(name, _SCRIPTS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(_SCRIPTS)}"
        raise ConfigError(f"no scene is called {name!r}; {hint}")
    if seed < 0:
        raise ConfigError(f"expected a seed of 0 or more, got {seed}")
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= _LONGEST_SECONDS):
        raise ConfigError(f"expected more than 0 and at most {_LONGEST_SECONDS:g} seconds, got {seconds:g}")
    if not all(_SIDES_PX[0] <= side <= _SIDES_PX[1] for side in size):
        raise ConfigError(f"expected sides of {_SIDES_PX[0]} to {_SIDES_PX[1]} pixels, got {size[0]}x{size[1]}")
    return Scene(_SCRIPTS[name](seed, seconds, size), seed)
