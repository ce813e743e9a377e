"""Things cut out of a picture, so that the encoder looks at each by itself.

In: regions and the labels that a rule looks at; pixels. Out: which regions are worth it, and their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.contracts.observation import Region
from pipeline.contracts.rule import ANY_OBJECT
from pipeline.contracts.values import Box, Image

MAX_CROPS = 8
"""A frame: more things than that are a crowd, for which a look at the whole picture is cheaper."""
_MIN_SIDE_PX = 16
"""Of a box's shorter side, in pixels of the full frame: under one patch of an encoder (ViT-B/16) nothing is told."""
_MARGIN = 0.1
"""Of the longer side, on every side: some surroundings help to tell what a thing does. R-CNN has 16 of 227 pixels
(arXiv 1311.2524, appendix A); boxes of small detectors are less exact."""


def worth_a_look(regions: Sequence[Region], labels: Sequence[str]) -> list[int]:
    """Indices of at most `MAX_CROPS` regions with one of `labels` (`any`: with whatever label), strongest first."""
    if not labels:
        return []
    fitting = [
        index
        for index, region in enumerate(regions)
        if (region.label in labels or ANY_OBJECT in labels) and _shorter_side(region.box) >= _MIN_SIDE_PX
    ]
    return sorted(fitting, key=lambda index: regions[index].score, reverse=True)[:MAX_CROPS]


def cut_out(pixels: Image, box: Box, scale: float = 1.0) -> Image:
    """A square around the box with a margin, moved or cut where the picture ends; `scale` takes the box to `pixels`.

    Square, because encoders cut or squeeze other pictures into one, and so lose a standing person's head and feet, or
    how a lying one differs from it.
    """
    height, width = pixels.shape[:2]
    side = max(box.width, box.height) * scale * (1 + 2 * _MARGIN)
    left, right = _span((box.left + box.right) / 2 * scale, side, width)
    top, bottom = _span((box.top + box.bottom) / 2 * scale, side, height)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _span(centre: float, side: float, size: int) -> tuple[int, int]:
    """Pixels [from, to) of about `side` around `centre`, within [0, size); at least one."""
    length = min(max(round(side), 1), size)
    start = min(max(round(centre - length / 2), 0), size - length)
    return start, start + length


def _shorter_side(box: Box) -> float:
    return min(box.width, box.height)
