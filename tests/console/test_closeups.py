"""Which part of a picture is shown where there is no room for the whole."""

from __future__ import annotations

import pytest

from pipeline.console.closeups import WHOLE, about, surroundings
from pipeline.contracts.candidate import SeenRegion
from pipeline.contracts.incident import Incident
from tests.support.cli import incident


def seen(*boxes: tuple[float, float, float, float], tracks: tuple[int | None, ...] = (), fact_of: int = 7) -> Incident:
    """An incident of 320 x 180 with these regions in its picture, about one track."""
    told = incident()
    (key,) = told.candidate.key_frames
    regions = tuple(
        SeenRegion(box=box, label="person", score=0.9, track_id=tracks[number] if tracks else None)
        for number, box in enumerate(boxes)
    )
    facts = tuple(fact.model_copy(update={"track_id": fact_of}) for fact in told.candidate.facts)
    changed = {"key_frames": (key.model_copy(update={"regions": regions}),), "facts": facts}
    return told.model_copy(update={"candidate": told.candidate.model_copy(update=changed)})


def test_it_holds_what_was_found_in_the_middle_and_keeps_the_shape() -> None:
    """Twice as large as what was found."""
    left, top, right, bottom = surroundings(seen((112, 45, 208, 135)), "picture-1")
    assert (left, top, right, bottom) == pytest.approx((0.0, 0.0, 1.0, 1.0))
    left, top, right, bottom = surroundings(seen((152, 72, 168, 108)), "picture-1")
    assert (left, top, right, bottom) == pytest.approx((0.3, 0.3, 0.7, 0.7))


def test_at_the_edge_it_stays_within_the_picture() -> None:
    """And is never too small to know the place."""
    assert surroundings(seen((316, 0, 320, 4)), "picture-1") == pytest.approx((0.7, 0.0, 1.0, 0.3))


def test_what_the_facts_are_about_counts_before_what_else_was_there() -> None:
    """By its track; without one, everything."""
    told = seen((0, 0, 10, 10), (300, 160, 320, 180), tracks=(7, 8))
    assert [region.track_id for region in about(told, told.candidate.key_frames[0])] == [7]
    other = seen((0, 0, 10, 10), (300, 160, 320, 180), tracks=(7, 8), fact_of=9)
    assert len(about(other, other.candidate.key_frames[0])) == 2


@pytest.mark.parametrize("name", ["picture-9", "snapshot", "clip"])
def test_what_has_no_regions_is_shown_whole(name: str) -> None:
    """As is a picture of unknown size."""
    assert surroundings(seen((0, 0, 10, 10)), name) == WHOLE
