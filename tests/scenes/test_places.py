"""Places: varied by the seed, and as they say of themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.scenes.place import Place, mirrored
from pipeline.scenes.places import HELD_OUT_PLACES, PLACES
from pipeline.scenes.scene import Scene, Script
from pipeline.scenes.script import Cast, Point, stand

SIZE = (384, 216)
SEEDS = range(6)


def drawn(name: str, seed: int) -> Place:
    return PLACES[name](np.random.default_rng(seed), SIZE)


def centre(corners: tuple[Point, ...]) -> Point:
    return sum(x for x, _ in corners) / len(corners), sum(z for _, z in corners) / len(corners)


def is_walkable(place: Place, point: Point) -> bool:
    return any(area.left <= point[0] <= area.right and area.near <= point[1] <= area.far for area in place.walkable)


def test_there_are_a_dozen_places_and_two_are_kept_for_measuring() -> None:
    """The held-out ones are an outdoor and an indoor place of the twelve."""
    assert len(PLACES) >= 12
    assert set(PLACES) > HELD_OUT_PLACES
    assert {drawn(name, 0).indoor for name in HELD_OUT_PLACES} == {True, False}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_the_same_from_the_same_seed_and_another_from_another(name: str) -> None:
    """Geometry, camera and paint follow the generator alone."""
    one, again, other = (drawn(name, seed) for seed in (1, 1, 2))
    pictures = [place.paint(place.view, np.random.default_rng(5)) for place in (one, again, other)]

    assert (one.view, one.walkable, one.zones, one.lines) == (again.view, again.walkable, again.zones, again.lines)
    assert np.array_equal(pictures[0], pictures[1])
    assert one.view != other.view
    assert float(np.abs(pictures[0].astype(int) - pictures[2]).mean()) > 5
    assert (pictures[0].shape, pictures[0].dtype) == ((216, 384, 3), np.uint8)


@pytest.mark.parametrize("name", PLACES)
def test_zones_lie_in_view_where_people_walk(name: str) -> None:
    """The middle of each zone and of each line is in the picture and can be walked to."""
    for seed in SEEDS:
        place = drawn(name, seed)
        for area in (*place.zones.values(), *place.lines.values()):
            assert place.view.sees(centre(area)), (seed, area)
            assert is_walkable(place, centre(area)), (seed, area)


@pytest.mark.parametrize("name", PLACES)
def test_people_in_the_middle_are_large_enough_to_see(name: str) -> None:
    """Somebody in any zone takes up more than a tenth of the picture's height."""
    for seed in SEEDS:
        place = drawn(name, seed)
        for corners in place.zones.values():
            x, z = centre(corners)
            feet, head = place.view.project(np.array([(x, 0.0, z), (x, 1.7, z)]))[:, 1]
            assert feet - head > 0.1 * SIZE[1]


def test_cameras_hang_at_all_usual_heights() -> None:
    """From a living room's 2.4 m to 9 m on a mast, seen under many angles."""
    views = [drawn(name, seed).view for name in PLACES for seed in range(12)]
    heights, fields = [view.height for view in views], [view.field_degrees for view in views]

    assert 2.3 < min(heights) < 2.8
    assert 7.5 < max(heights) < 9.1
    assert max(fields) - min(fields) > 20


def test_fences_stand_where_people_come_close_and_places_have_ways() -> None:
    """Some places have a fence at the end of the walkable ground, some a road, some a way everybody goes."""
    places = [drawn(name, 3) for name in PLACES]
    fences = [(place, place.fence) for place in places if place.fence is not None]

    assert len(fences) >= 4
    for place, ((start, end), height) in fences:
        assert 0.9 < height < 2.6
        assert 0 < (start[1] + end[1]) / 2 - max(area.far for area in place.walkable) < 1
    assert sum(bool(place.drivable) for place in places) >= 4
    assert all(math.isclose(math.hypot(*place.one_way), 1) for place in places if place.one_way)


@pytest.mark.parametrize("name", ["yard", "shop"])
def test_a_mirrored_place_is_the_picture_turned_around(name: str) -> None:
    """Zones, fence and camera go with the picture."""
    place = drawn(name, 2)
    turned = mirrored(place)
    picture, other = (each.paint(each.view, np.random.default_rng(5)) for each in (place, turned))

    assert np.array_equal(picture[:, ::-1], other)
    for zone, corners in place.zones.items():
        expected = sorted((round(1 - x, 6), round(y, 6)) for x, y in place.view.normalised(corners))
        assert sorted((round(x, 6), round(y, 6)) for x, y in turned.view.normalised(turned.zones[zone])) == expected


def test_ground_under_a_pixel_projects_back_to_it() -> None:
    """Also with a turned camera; above the horizon there is none."""
    view = drawn("yard", 4).view
    spot = view.ground_at(100.0, 150.0)

    assert spot is not None
    assert view.project(np.array([(spot[0], 0.0, spot[1])]))[0, :2] == pytest.approx((100, 150))
    assert view.ground_at(100.0, -2000.0) is None


def test_a_person_stands_in_front_of_what_is_painted() -> None:
    """Staged at a place, they are in the picture where the truth says."""
    place = drawn("living_room", 1)
    cast = Cast(np.random.default_rng(1))
    cast.person(0.0, centre(place.zones["carpet"]), stand(5))
    script = Script("x", 5.0, place.view, place.paint, tuple(cast.actors), has_sun=False)
    bare = Script("x", 5.0, place.view, place.paint, has_sun=False)
    picture, truth = Scene(script, 1).render(1.0)
    empty, _ = Scene(bare, 1).render(1.0)
    (person,) = truth.actors
    changed = np.abs(picture.astype(int) - empty).max(axis=2) > 20
    rows, columns = np.nonzero(changed)

    assert person.box.height > 60
    assert (columns > person.box.left - 6).mean() > 0.9
    assert person.box.top - 4 < rows.min() < person.box.top + 8
