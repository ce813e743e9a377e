"""Vehicles, animals, bags and smoke."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenes.script import Cast, cycle, drive, park, put_down, run, stand, walk
from pipeline.scenes.truth import ActorTruth
from tests.support.bare_ground import FAR_M, GROUND, VIEW, seen, varied_cast


def only(cast: Cast, at_seconds: float, label: str) -> ActorTruth:
    (found,) = (truth for truth in seen(cast, at_seconds)[1] if truth.label == label)
    return found


def height_m(truth: ActorTruth, z: float = FAR_M) -> float:
    """Of its box, at a distance."""
    scale = VIEW.project(np.array([[0.0, 0.5, z]]))[0, 2]
    return float(truth.box.height / scale)


@pytest.mark.parametrize(
    ("label", "lowest", "highest"),
    [("car", 1.2, 2.4), ("truck", 1.9, 3.9), ("bicycle", 0.8, 1.3), ("motorcycle", 0.8, 1.4),
     ("dog", 0.3, 1.0), ("cat", 0.2, 0.6), ("bird", 0.1, 0.6)],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_things_have_their_size(label: str, lowest: float, highest: float, seed: int) -> None:
    """Their boxes are as tall as such things are, seen a little from above."""
    cast = varied_cast(seed)
    getattr(cast, label)(0.0, (-0.1, FAR_M), walk(0.0, FAR_M, 0.1))

    assert lowest < height_m(only(cast, 0.5, label)) < highest


@pytest.mark.parametrize("turn", np.arange(0, 2 * np.pi, np.pi / 4))
@pytest.mark.parametrize("label", ["car", "truck", "bicycle", "motorcycle", "dog", "cat", "bird"])
def test_things_are_drawn_from_any_side(label: str, turn: float) -> None:
    """Whichever way they face, they fill a good part of their box."""
    cast = varied_cast(1)
    start, end = ((sign * 0.3 * np.cos(turn), FAR_M + sign * 0.3 * np.sin(turn)) for sign in (-1, 1))
    getattr(cast, label)(0.0, start, walk(*end, 0.6))
    picture, (truth,) = seen(cast, 0.5)
    box = truth.box
    inside = picture[int(box.top) : int(box.bottom), int(box.left) : int(box.right)].astype(int)

    assert (np.abs(inside - GROUND).max(axis=2) > 60).mean() > 0.2


def test_a_car_seen_from_the_side_is_longer_than_from_the_front() -> None:
    """As long as cars are."""
    widths = []
    for end in ((0.5, FAR_M), (0.0, FAR_M + 0.5)):
        cast = varied_cast()
        cast.car(0.0, (0.0, FAR_M), drive(*end, 0.1))
        widths.append(only(cast, 1.0, "car").box.width)

    assert widths[0] > 1.6 * widths[1]


def test_a_motorcycle_that_drives_has_a_rider() -> None:
    """A person in a helmet, sitting; a parked one has nobody."""
    cast = varied_cast()
    motorcycle = cast.motorcycle(0.0, (-1.0, FAR_M), drive(1.0, FAR_M, 1.0), park(5))

    assert motorcycle == 1
    rider = only(cast, 1.0, "person")
    assert (rider.action, rider.pose) == ("cycle", "sitting")
    assert rider.box.top < only(cast, 1.0, "motorcycle").box.top
    assert [truth.label for truth in seen(cast, 4.0)[1]] == ["motorcycle"]


@pytest.mark.parametrize("label", ["backpack", "suitcase", "handbag"])
def test_a_bag_hangs_on_its_bearer(label: str) -> None:
    """Its middle is within the bearer's box, a little widened; left behind it stands on the ground, still."""
    cast = varied_cast()
    cast.person(
        0.0, (-1.0, FAR_M), walk(0.0, FAR_M, 1.0), put_down(), walk(3.0, FAR_M, 1.0), bag=label, bag_until=20  # type: ignore[arg-type]  # one of the three
    )  # fmt: skip
    person, bag = only(cast, 0.5, "person").box, only(cast, 0.5, label).box
    middle = (bag.left + bag.right) / 2

    assert person.left - person.width * 0.5 < middle < person.right + person.width * 0.5
    assert person.top < (bag.top + bag.bottom) / 2 < person.bottom
    assert only(cast, 3.0, label).box == only(cast, 15.0, label).box
    assert only(cast, 3.0, label).action == "left"


def test_a_bird_that_runs_flies() -> None:
    """Its box is above that of one that walks."""
    boxes = []
    for step in (walk(0.5, FAR_M, 0.5), run(0.5, FAR_M, 0.5)):
        cast = varied_cast()
        cast.bird(0.0, (0.0, FAR_M), step)
        boxes.append(only(cast, 0.5, "bird").box)

    assert boxes[1].bottom < boxes[0].top


def test_smoke_builds_up_and_ends() -> None:
    """Taller after six seconds than after one, never hard-edged, gone after its time."""
    cast = varied_cast()
    cast.smoke(0.0, (0.0, FAR_M), 10.0)
    young, old = (only(cast, at, "smoke") for at in (1.0, 6.0))
    picture = seen(cast, 6.0)[0].astype(int)

    assert old.box.height > 1.5 * young.box.height
    assert (old.action, old.pose) == ("rise", "")
    assert np.abs(np.diff(picture[:, :, 0], axis=1)).max() < 25
    assert seen(cast, 11.0)[1] == ()


def test_wider_smoke_is_larger() -> None:
    """The spread scales it."""
    sizes = []
    for spread in (0.5, 1.0):
        cast = varied_cast()
        cast.smoke(0.0, (0.0, FAR_M), 20.0, spread)
        sizes.append(only(cast, 8.0, "smoke").box.height)

    assert sizes[1] > 1.4 * sizes[0]


def test_everything_can_be_staged_in_a_plain_cast_too() -> None:
    """Without varied looks the new things are drawn as well."""
    cast = Cast(np.random.default_rng(2))
    cast.truck(0.0, (3.0, 14.0), park(9))
    cast.cat(0.0, (-1.0, FAR_M), stand(9))
    cast.bird(0.0, (1.0, FAR_M), stand(9))
    cast.smoke(-5.0, (-2.0, 12.0), 30.0)
    cast.person(0.0, (0.0, FAR_M), cycle((0.5, FAR_M), 0.1), bag="handbag")
    cast.motorcycle(0.0, (1.0, FAR_M), drive(1.5, FAR_M, 0.1))

    labels = {truth.label for truth in seen(cast, 1.0)[1]}
    assert labels == {"truck", "cat", "bird", "smoke", "person", "bicycle", "handbag", "motorcycle"}
