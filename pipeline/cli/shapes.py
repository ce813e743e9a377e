"""Zones and lines as they stand on the command line: `door=0.1,0.2:0.4,0.9`, `kerb=0,0.8:1,0.8`.

In: `NAME=NUMBERS`. Out: the name and points as fractions of the picture, as the site file has them.
"""

from __future__ import annotations

import re

from pipeline.errors import ConfigError

Points = list[list[float]]

ZONE_FORMS = "door=0.1,0.2:0.4,0.9 (two corners of a rectangle) or door=0.1,0.2,0.4,0.2,0.3,0.9 (three or more points)"
LINE_FORMS = "kerb=0.0,0.8:1.0,0.8 (from a first to a second point)"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
_MIN_POINTS = 3


def read_zones(texts: list[str]) -> dict[str, Points]:
    """Every `--zone`, by name; `ConfigError` for a wrong one or a name given twice."""
    zones: dict[str, Points] = {}
    for text in texts:
        name, corners, points = _named_points("--zone", text, ZONE_FORMS)
        _refuse_twice("--zone", name, zones)
        zones[name] = _polygon(text, corners, points)
    return zones


def read_lines(texts: list[str]) -> dict[str, Points]:
    """Every `--line`, by name; `ConfigError` for a wrong one or a name given twice."""
    lines: dict[str, Points] = {}
    for text in texts:
        name, _, points = _named_points("--line", text, LINE_FORMS)
        _refuse_twice("--line", name, lines)
        if len(points) != 2 or points[0] == points[1]:
            raise ConfigError(f"--line {text!r}: a line has two different points: {LINE_FORMS}")
        lines[name] = points
    return lines


def _refuse_twice(option: str, name: str, known: dict[str, Points]) -> None:
    if name in known:
        raise ConfigError(f"{option} {name!r} is given twice; each needs a name of its own")


def _polygon(text: str, has_corners: bool, points: Points) -> Points:
    """The points of a zone; two corners become the rectangle between them."""
    if has_corners and len(points) == 2:
        (left, top), (right, bottom) = points
        if left == right or top == bottom:
            raise ConfigError(f"--zone {text!r}: the rectangle has no area; give two opposite corners")
        return [[left, top], [right, top], [right, bottom], [left, bottom]]
    if len(points) < _MIN_POINTS:
        raise ConfigError(f"--zone {text!r}: {len(points)} points make no zone; write {ZONE_FORMS}")
    return points


def _named_points(option: str, text: str, forms: str) -> tuple[str, bool, Points]:
    """(name, whether points are separated by `:`, points) of `NAME=NUMBERS`."""
    name, equals, body = text.partition("=")
    name = name.strip()
    if not equals or not body.strip():
        raise ConfigError(f"{option} {text!r}: expected a name and points, {forms}")
    if not _NAME.match(name):
        raise ConfigError(f"{option} {text!r}: a name is letters, digits, `_`, `.` or `-`, e.g. {forms}")
    numbers = [_fraction(option, text, word) for word in re.split(r"[,:]", body)]
    if len(numbers) % 2:
        raise ConfigError(f"{option} {text!r}: {len(numbers)} numbers do not make pairs of x,y; write {forms}")
    return name, ":" in body, [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _fraction(option: str, text: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ConfigError(f"{option} {text!r}: {word.strip()!r} is no number") from None
    if not 0 <= value <= 1:
        raise ConfigError(
            f"{option} {text!r}: {word.strip()} is outside 0..1; points are fractions of the picture, "
            "so divide pixels by its width (x) and height (y)"
        )
    return value
