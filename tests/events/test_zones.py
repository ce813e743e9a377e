"""Geometry of zones and lines in pixels."""

from __future__ import annotations

import math

import pytest

from pipeline.events.zones import Area, Edge

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


@pytest.mark.parametrize(
    ("point", "depth"),
    [((50, 50), 25), ((30, 50), 5), ((20, 50), -5), ((25, 50), 0), ((20, 20), -math.sqrt(50)), ((75, 75), 0)],
    ids=["centre", "inside", "outside", "on the edge", "off a corner", "on a corner"],
)
def test_depth(point: tuple[float, float], depth: float) -> None:
    """Positive inside, negative outside, in pixels."""
    assert Area("a", SQUARE, 100, 100).depth_px(*point) == pytest.approx(depth)


def test_order_of_corners_does_not_matter() -> None:
    """Clockwise and anticlockwise polygons are the same zone."""
    assert Area("a", SQUARE[::-1], 100, 100).depth_px(30, 50) == pytest.approx(5)


def test_concave_zone() -> None:
    """The notch of an L is outside."""
    shape = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0))
    area = Area("a", shape, 100, 100)
    assert area.depth_px(75, 75) == pytest.approx(-25)
    assert area.depth_px(25, 75) == pytest.approx(25)


def test_the_pictures_border_is_no_edge() -> None:
    """In a zone along the lower border, somebody cut off by the border stands well inside."""
    low = ((0.0, 0.8), (1.0, 0.8), (1.0, 1.0), (0.0, 1.0))
    assert Area("a", low, 100, 100).depth_px(99, 100) == pytest.approx(20, abs=0.1)


def test_the_whole_picture() -> None:
    """A zone of the whole picture holds everything, infinitely deep."""
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert Area("a", whole, 100, 100).depth_px(100, 100) == math.inf
    assert Area("a", whole, 1, 1).depth_px(0, 0) == math.inf


def test_degenerate_zone() -> None:
    """A zone without an area holds nothing and raises nothing."""
    flat = ((0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    area = Area("a", flat, 100, 100)
    assert area.depth_px(50, 40) == pytest.approx(-10)
    assert area.max_band_px == 0


@pytest.mark.parametrize(
    ("line", "point", "left"),
    [
        (((0.5, 1.0), (0.5, 0.0)), (40, 50), 10),
        (((0.5, 1.0), (0.5, 0.0)), (60, 50), -10),
        (((0.0, 0.5), (1.0, 0.5)), (50, 40), 10),
        (((1.0, 0.5), (0.0, 0.5)), (50, 40), -10),
    ],
    ids=["up, left", "up, right", "to the right, above", "to the left, above"],
)
def test_sides_of_a_line(line: tuple, point: tuple[float, float], left: float) -> None:  # type: ignore[type-arg]
    """Left is the left hand of somebody walking from the first to the second point."""
    assert Edge("e", line, 100, 100).left_px(*point) == pytest.approx(left)


def test_ends_of_a_line() -> None:
    """Beside the line counts, past its ends does not."""
    edge = Edge("e", ((0.2, 0.5), (0.8, 0.5)), 100, 100)
    assert edge.is_within_ends(50, 10, 0)
    assert edge.is_within_ends(83, 50, 5)
    assert not edge.is_within_ends(83, 50, 2)


def test_a_line_of_one_point() -> None:
    """It has no sides and nothing crosses it."""
    edge = Edge("e", ((0.5, 0.5), (0.5, 0.5)), 100, 100)
    assert edge.left_px(10, 10) == 0
    assert not edge.is_within_ends(50, 50, 10)
