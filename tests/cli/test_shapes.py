"""Zones and lines on the command line."""

from __future__ import annotations

import pytest

from pipeline.cli.shapes import read_lines, read_zones
from pipeline.errors import ConfigError


def test_two_corners_are_a_rectangle() -> None:
    """`x1,y1:x2,y2` is the rectangle between two corners."""
    assert read_zones(["door=0.1,0.2:0.4,0.9"]) == {"door": [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9], [0.1, 0.9]]}


@pytest.mark.parametrize("text", ["a=0,0,1,0,0.5,1", "a=0,0:1,0:0.5,1", " a = 0, 0, 1, 0, 0.5, 1"])
def test_three_points_are_a_polygon(text: str) -> None:
    """Points may be separated by commas alone or by colons; spaces do not matter."""
    assert read_zones([text]) == {"a": [[0, 0], [1, 0], [0.5, 1]]}


def test_a_line_has_two_points() -> None:
    """`x1,y1:x2,y2` and `x1,y1,x2,y2` are the same line."""
    assert read_lines(["k=0,0.8:1,0.8", "m=0,0.8,1,0.8"]) == {"k": [[0, 0.8], [1, 0.8]], "m": [[0, 0.8], [1, 0.8]]}


WRONG_ZONES = [
    ("0.1,0.2:0.4,0.9", "a name and points"),
    ("door=", "a name and points"),
    ("d or=0,0:1,1", "a name is letters"),
    ("door=0.1,0.2,0.4,0.9", "2 points make no zone"),
    ("door=0.1,0.2,0.4", "3 numbers do not make pairs"),
    ("door=0.1,0.2:0.1,0.9", "no area"),
    ("door=10,20:300,400", "divide pixels"),
    ("door=a,0:1,1", "is no number"),
    ("door=nan,0:1,1", "outside 0..1"),
]


@pytest.mark.parametrize(("text", "hint"), WRONG_ZONES, ids=[text for text, _ in WRONG_ZONES])
def test_a_wrong_zone_says_what_is_wrong(text: str, hint: str) -> None:
    """Each kind of slip has its message."""
    with pytest.raises(ConfigError, match=hint):
        read_zones([text])


@pytest.mark.parametrize("text", ["k=0,0", "k=0,0:0,0", "k=0,0:1,1:0,1"])
def test_a_line_of_other_than_two_points_is_refused(text: str) -> None:
    """One point, the same point twice, or three points are no line."""
    with pytest.raises(ConfigError, match="two different points"):
        read_lines([text])


def test_a_name_given_twice_is_refused() -> None:
    """Two zones of one name would hide one of them."""
    with pytest.raises(ConfigError, match="given twice"):
        read_zones(["a=0,0:1,1", "a=0,0:0.5,0.5"])
