"""People in every action: drawn as told, and told as drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.scenes.script import (
    Cast,
    Step,
    bend,
    climb,
    crouch,
    cycle,
    fall,
    fight,
    greet,
    lie,
    put_down,
    run,
    sit,
    stand,
    walk,
)
from tests.support.bare_ground import FAR_M, VIEW, bare, person_at, seen, varied_cast

ACTIONS: dict[str, tuple[Step, str]] = {
    "stand": (stand(4), "upright"),
    "walk": (walk(1.0, FAR_M, 0.5), "upright"),
    "run": (run(4.0, FAR_M, 2.0), "upright"),
    "crouch": (crouch(4), "crouched"),
    "bend": (bend(4), "crouched"),
    "sit": (sit(4), "sitting"),
    "lie": (lie(4), "lying"),
    "fight": (fight(4), "upright"),
    "greet": (greet(4), "upright"),
    "climb": (climb((0.5, FAR_M), 4), "upright"),
    "cycle": (cycle((1.0, FAR_M), 0.5), "sitting"),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_every_action_is_told_with_its_pose(action: str, seed: int) -> None:
    """The truth names the action and how the body is held."""
    step, pose = ACTIONS[action]
    person = person_at(1.0, step, seed=seed)

    assert (person.action, person.pose) == (action, pose)


@pytest.mark.parametrize("action", sorted(ACTIONS.keys() - {"sit"}))
def test_boxes_fit_what_is_drawn(action: str) -> None:
    """What differs from the ground reaches the edges of the boxes and not past them, but for shadows under the feet."""
    cast = varied_cast(5)
    cast.person(0.0, (0.0, FAR_M), ACTIONS[action][0])
    picture, truths = seen(cast, 1.2)
    differs = np.abs(picture.astype(int) - bare()).max(axis=2) > 60
    box = truths[0].box
    for other in truths[1:]:
        box = type(box)(
            min(box.left, other.box.left), min(box.top, other.box.top),
            max(box.right, other.box.right), max(box.bottom, other.box.bottom),
        )  # fmt: skip
    rows, columns = np.nonzero(differs.any(axis=1))[0], np.nonzero(differs.any(axis=0))[0]

    assert rows.min() >= box.top - 2
    assert abs(columns.min() - box.left) <= 6
    assert abs(columns.max() - box.right) <= 6


def test_lying_is_wide_and_crouching_is_low() -> None:
    """A lying body is wider than tall, a crouched one well under its standing height, for every build."""
    for seed in range(6):
        standing, lying = (person_at(2.0, step, seed=seed).box for step in (stand(4), lie(4, how="front")))
        crouching, stooping = (person_at(2.0, step, seed=seed).box for step in (crouch(4), bend(4, how="stoop")))
        assert lying.width > 1.5 * lying.height
        assert crouching.height < 0.75 * standing.height
        assert stooping.height < 0.85 * standing.height


@pytest.mark.parametrize("how", ["front", "back", "left", "right"])
def test_a_fall_goes_from_upright_to_lying_without_a_jump(how: str) -> None:
    """The body gets lower from one tenth of a second to the next, and the fall ends as lying begins."""
    steps = stand(1), fall(0.9, how=how), lie(3, how=how)  # type: ignore[arg-type]  # one of the four
    heights = [person_at(float(at), *steps).box.height for at in np.arange(0.9, 2.0, 0.1)]
    before, after = person_at(1.899, *steps), person_at(1.901, *steps)

    assert all(later < earlier + 6 for earlier, later in itertools.pairwise(heights))
    assert heights[-1] < 0.6 * heights[0]
    assert [seen.pose for seen in (before, after)] == ["lying", "lying"]
    assert before.box.height == pytest.approx(after.box.height, abs=2)
    assert person_at(1.1, *steps).pose == "upright"


def test_getting_up_takes_its_time() -> None:
    """Right after lying, somebody who stands is still told as lying; two seconds later as upright."""
    steps = lie(2), stand(4)

    assert [person_at(at, *steps).pose for at in (2.2, 4.0)] == ["lying", "upright"]


def test_fighting_and_waving_move_and_standing_does_not() -> None:
    """Arms change the outline of who fights or waves many times a second; who stands keeps it."""

    def restlessness(step: Step) -> float:
        widths = [person_at(float(at), step).box.width for at in np.arange(1.0, 3.0, 0.1)]
        return float(np.abs(np.diff(widths)).sum())

    assert restlessness(fight(5)) > 10
    assert restlessness(greet(5, how="wave", facing=(0.0, 0.0))) > 5
    assert restlessness(stand(5)) < 3


def test_climbing_goes_up_and_over() -> None:
    """In the middle the feet are well above where they began; in the end they are on the ground on the other side."""
    steps = (climb((1.0, FAR_M), 4.0, height=1.6),)
    start, top, end = (person_at(at, *steps).box for at in (0.05, 2.0, 3.95))

    assert top.bottom < start.bottom - 30
    assert end.bottom == pytest.approx(start.bottom, abs=8)
    assert end.left > start.left + 20


def test_a_rider_has_a_bicycle_that_waits_and_stays() -> None:
    """It stands there before the ride, goes along, and stays where the ride ended."""
    cast = varied_cast()
    rider = cast.person(0.0, (-2.0, FAR_M), walk(-1.0, FAR_M, 1.0), cycle((1.0, FAR_M), 1.0), walk(2.0, FAR_M, 1.0))
    actions = []
    for at in (0.5, 2.0, 3.5):
        actions.append({truth.label: truth.action for truth in seen(cast, at)[1]})

    assert rider == 1
    assert actions == [
        {"person": "walk", "bicycle": "parked"},
        {"person": "cycle", "bicycle": "drive"},
        {"person": "walk", "bicycle": "parked"},
    ]


def test_bags_are_told_of_their_bearer_while_they_are_carried() -> None:
    """After it was put down, the person carries nothing."""
    cast = varied_cast()
    cast.person(0.0, (-1.0, FAR_M), walk(0.0, FAR_M, 1.0), put_down(), stand(3), bag="handbag", bag_until=9)
    carrying = [seen(cast, at)[1] for at in (0.5, 4.0)]

    assert [{truth.label: truth.carrying for truth in truths} for truths in carrying] == [
        {"person": ("handbag",), "handbag": ()},
        {"person": (), "handbag": ()},
    ]


def test_what_hides_somebody_is_taken_off_their_visible_share() -> None:
    """Alone it is 1; behind a lorry it is nearly nothing, and the lorry's own stays 1."""
    cast = varied_cast()
    cast.person(0.0, (0.0, FAR_M + 3), stand(9))
    alone = seen(cast, 1.0)[1][0].visible
    cast.truck(0.0, (0.5, FAR_M), Step("parked", seconds=9))
    person, truck = seen(cast, 1.0)[1]

    assert alone == 1.0
    assert person.visible < 0.3
    assert (truck.label, truck.visible) == ("truck", 1.0)


def test_a_chair_is_drawn_and_not_told() -> None:
    """It stands there before its sitter comes."""
    cast = varied_cast()
    cast.person(5.0, (0.0, FAR_M), sit(4))
    picture, truths = seen(cast, 0.0)

    assert truths == ()
    assert (picture != bare()).any()


def test_looks_vary_with_the_seed_and_only_with_it() -> None:
    """The same seed gives the same bytes; forty people look like forty."""
    cast, again = varied_cast(9), varied_cast(9)
    for each in (cast, again):
        for _ in range(40):
            each.person(0.0, (0.0, FAR_M), walk(1.0, FAR_M))

    assert cast.actors == again.actors
    assert np.array_equal(seen(cast, 0.3)[0], seen(again, 0.3)[0])
    assert len({actor.look for actor in cast.actors}) == 40


def test_a_plain_cast_keeps_its_plain_figures() -> None:
    """Only who is asked for more than walking, standing and running gets a style, and nobody else's clothes change."""
    one, other = Cast(np.random.default_rng(1)), Cast(np.random.default_rng(1))
    one.person(0.0, (0.0, 9.0), walk(1.0, 9.0))
    one.person(0.0, (0.0, 9.0), fall(), lie(2))
    other.person(0.0, (0.0, 9.0), walk(1.0, 9.0))
    other.person(0.0, (0.0, 9.0), stand(1))

    assert one.actors[0] == other.actors[0]
    assert one.actors[1].look.style is not None
    assert one.actors[1].look.shirt == other.actors[1].look.shirt


@pytest.mark.parametrize("place", [(0.0, 0.2), (0.0, -4.0), (40.0, 9.0), (0.0, 4000.0), (0.0, 2.0)])
def test_who_is_out_of_the_picture_is_neither_drawn_nor_told(place: tuple[float, float]) -> None:
    """Under, behind or beside the camera, or too far to be seen: a defined answer."""
    cast = varied_cast()
    cast.person(0.0, place, walk(place[0] + 0.1, place[1], 0.01), bag="backpack")
    cast.motorcycle(0.0, place, walk(place[0] + 0.1, place[1], 0.01))
    _, truths = seen(cast, 1.0, has_sun=True)

    for truth in truths:
        assert 0 <= truth.box.left < truth.box.right <= VIEW.size[0]
        assert 0 <= truth.box.top < truth.box.bottom <= VIEW.size[1]
