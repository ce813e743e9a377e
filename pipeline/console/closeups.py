"""Which part of a picture to show where there is no room for the whole: what was found, with its surroundings."""

from __future__ import annotations

from pipeline.contracts.candidate import KeyFrame, SeenRegion
from pipeline.contracts.incident import Incident
from pipeline.search.found import numbered_frames

Part = tuple[float, float, float, float]
"""Left, top, right, bottom, as fractions of the picture's sides."""
WHOLE: Part = (0.0, 0.0, 1.0, 1.0)
_AROUND = 2.0
"""The part is so many times as large as what was found: one sees where it is."""
_MIN_SIDE = 0.3


def surroundings(incident: Incident, name: str) -> Part:
    """Of `picture-2`; the whole of a picture in which nothing was found."""
    width, height = incident.candidate.picture_size
    key = next((key for number, key in numbered_frames(incident).items() if name == f"picture-{number}"), None)
    regions = about(incident, key) if key else ()
    if not regions or not width or not height:
        return WHOLE
    left, top = (min(region.box[side] for region in regions) for side in (0, 1))
    right, bottom = (max(region.box[side] for region in regions) for side in (2, 3))
    share = max((right - left) / width, (bottom - top) / height) * _AROUND
    side = min(max(share, _MIN_SIDE), 1.0)
    x, y = (_begin((low + high) / 2 / full, side) for low, high, full in ((left, right, width), (top, bottom, height)))
    return x, y, x + side, y + side


def about(incident: Incident, key: KeyFrame) -> tuple[SeenRegion, ...]:
    """What the facts name of what was found in a picture; everything that was, where they name none of it."""
    tracks = {fact.track_id for fact in incident.candidate.facts if fact.track_id is not None}
    return tuple(region for region in key.regions if region.track_id in tracks) or key.regions


def _begin(centre: float, side: float) -> float:
    return min(max(centre - side / 2, 0.0), 1.0 - side)
