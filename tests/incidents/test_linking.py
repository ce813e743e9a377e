"""Which incidents of different cameras may be one happening."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.candidate import Fact
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import Incident, Link
from pipeline.contracts.values import Box, pack_vector
from pipeline.incidents.appearance import describe, likeness
from pipeline.incidents.linking import links
from tests.support.store import START, make_candidate, opened, seconds

RED, BLUE, GREEN = (40, 40, 200), (200, 60, 40), (60, 180, 60)
"""BGR."""
FULL = Box(0, 0, 40, 100)
Colour = tuple[int, int, int]


def person(upper: Colour, lower: Colour, light: tuple[float, float, float] = (1, 1, 1)) -> NDArray[np.uint8]:
    """A picture of somebody in two colours before grey noise, in some light."""
    noise = np.random.default_rng(3).normal(0, 8, (100, 40, 3))
    picture = np.full((100, 40, 3), 128.0)
    picture[:50, 8:32], picture[50:, 8:32] = upper, lower
    return np.clip((picture + noise) * light, 0, 255).astype(np.uint8)


def looks(upper: Colour, lower: Colour, light: tuple[float, float, float] = (1, 1, 1)) -> NDArray[np.float32]:
    look = describe(person(upper, lower, light), FULL)
    assert look is not None
    return look


def incident(camera_id: str, after_seconds: float, lasts: float | None = 5, **changes: Any) -> Incident:
    """One that started so long after the start; open when it does not last."""
    start = START + seconds(after_seconds)
    made = opened(make_candidate(start, camera_id, **changes)).incident
    return made.model_copy(update={"closed_at": start + seconds(lasts) if lasts is not None else None})


def linked(one: Incident, *others: Incident, within_seconds: float = 120) -> list[Link]:
    return links(one, others, within_seconds=within_seconds, min_likeness=0.9)


def test_the_same_clothes_look_alike_in_another_light() -> None:
    """Darker and yellower light keeps somebody more alike than other clothes do."""
    seen = looks(RED, BLUE)
    again = likeness(seen, looks(RED, BLUE, (0.5, 0.65, 0.7)))
    other, swapped = likeness(seen, looks(GREEN, RED)), likeness(seen, looks(BLUE, RED))
    assert again is not None
    assert other is not None
    assert swapped is not None
    assert again > max(other, swapped) + 0.1


def test_size_does_not_matter() -> None:
    """The same picture at half the size gives nearly the same description."""
    small = cv2.resize(person(RED, BLUE), (20, 50), interpolation=cv2.INTER_AREA).astype(np.uint8)
    look = describe(small, Box(0, 0, 20, 50))
    assert look is not None
    assert (likeness(looks(RED, BLUE), look) or 0) > 0.95


@pytest.mark.parametrize("box", [Box(0, 0, 4, 50), Box(39, 0, 90, 100), Box(200, 0, 240, 100)])
def test_what_is_too_small_has_no_looks(box: Box) -> None:
    """A few pixels, or a box at or beyond the picture's edge, are not described."""
    assert describe(person(RED, BLUE), box) is None


def test_looks_of_other_makers_are_not_compared() -> None:
    """A vector of another length says nothing."""
    assert likeness(looks(RED, BLUE), np.ones(3, np.float32)) is None


def test_what_looks_alike_and_is_near_in_time_is_linked() -> None:
    """The same clothes a minute later on another camera; other clothes are not, nor is the same camera."""
    red, green = pack_vector(looks(RED, BLUE)), pack_vector(looks(GREEN, GREEN))
    one = incident("gate", 65, appearance=red)
    (link,) = linked(
        one,
        incident("yard", 0, appearance=red, rule_id="other"),
        incident("hall", 0, appearance=green),
        incident("gate", 0, appearance=red),
    )
    assert link.other_id == incident("yard", 0, rule_id="other").id
    assert link.seconds_apart == 60
    assert link.similarity == pytest.approx(1, abs=0.01)


def test_what_is_too_long_ago_is_not_linked() -> None:
    """The window counts from the end of the earlier; what is still open lasts."""
    red = pack_vector(looks(RED, BLUE))
    one = incident("gate", 600, appearance=red)
    assert not linked(one, incident("yard", 0, appearance=red))
    assert [link.seconds_apart for link in linked(one, incident("yard", 0, None, appearance=red))] == [0]


@pytest.mark.parametrize(
    ("after_seconds", "changes", "is_linked"),
    [
        (8, {}, True),
        (12, {}, False),
        (8, {"rule_id": "other"}, True),
        (8, {"rule_id": "other", "facts": ()}, False),
    ],
    ids=["same rule, at once", "same rule, later", "another rule, same kind of thing", "another rule, of nothing"],
)
def test_without_looks_it_takes_the_same_kind_at_the_same_time(
    after_seconds: float, changes: dict[str, Any], is_linked: bool
) -> None:
    """Nothing is known of what they look like: linked by rule or label, when they overlap or nearly do."""
    found = linked(incident("gate", after_seconds, **changes), incident("yard", 0))
    assert [link.similarity for link in found] == [None] * is_linked


def test_an_encoder_that_sees_two_things_parts_what_colours_join() -> None:
    """Where both things were seen by one encoder, its cosine bounds the likeness."""
    red = pack_vector(looks(RED, BLUE))
    fact = Fact(kind="when", text="t", at=START, value=0.9, unit="score", track_id=4, position=(1.0, 2.0))
    seen = {"appearance": red, "models": {"encoder": "e"}, "facts": (fact,)}
    one = incident("gate", 10, **seen, embedding=pack_vector(np.float32([1, 0])))
    assert linked(one, incident("yard", 0, **seen, embedding=pack_vector(np.float32([1, 0]))))
    assert not linked(one, incident("yard", 0, **seen, embedding=pack_vector(np.float32([0.6, 0.8]))))


def test_troubles_of_cameras_are_not_linked() -> None:
    """That two cameras are offline at once is not one thing seen twice."""
    offline = (Fact(kind=Condition.OFFLINE.value, text="offline", at=START),)
    assert not linked(incident("gate", 0, facts=offline), incident("yard", 0, facts=offline))
