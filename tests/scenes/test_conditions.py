"""Light, weather, lens, sensor and faults: the same every time, and told in the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.contracts.values import Image
from pipeline.scenes.conditions import Conditions, Fault, Lens, draw_conditions
from pipeline.scenes.places import PLACES
from pipeline.scenes.scene import Scene, Script
from pipeline.scenes.script import Cast, stand

SIZE = (384, 216)
ALL: dict[str, Conditions] = {
    "dusk": Conditions(light="dusk"),
    "infrared": Conditions(light="infrared", noise=4),
    "rain": Conditions(weather="rain"),
    "fog": Conditions(weather="fog"),
    "noise": Conditions(noise=5),
    "jpeg": Conditions(jpeg_quality=30),
    "flicker": Conditions(flicker=0.2),
    "drift": Conditions(drift=0.3),
    "shake": Conditions(shake_px=3),
    "dirt": Conditions(dirt=1.0),
    "contrast": Conditions(contrast=0.5),
    "brightness": Conditions(brightness=1.4),
    "defocus": Conditions(defocus_px=1.5),
    "covered": Conditions(faults=(Fault("covered", 0.5),)),
    "moved": Conditions(faults=(Fault("moved", 0.5),)),
    "defocused": Conditions(faults=(Fault("defocused", 0.5),)),
}


@pytest.fixture(scope="module")
def picture() -> Image:
    place = PLACES["street"](np.random.default_rng(2), SIZE)
    return place.paint(place.view, np.random.default_rng(3))


def staged(conditions: Conditions | None, seed: int = 3) -> Scene:
    place = PLACES["car_park"](np.random.default_rng(2), SIZE)
    cast = Cast(np.random.default_rng(1))
    area = place.walkable[0]
    for x in (-1.5, 0.0, 1.5):
        cast.person(0.0, (x, (area.near + area.far) / 2), stand(20))
    return Scene(
        Script("x", 20.0, place.view, place.paint, tuple(cast.actors), has_sun=False, conditions=conditions), seed
    )


def sharpness(pixels: Image) -> float:
    return float(np.abs(np.diff(pixels.astype(float), axis=1)).mean())


@pytest.mark.parametrize("name", ALL)
def test_each_condition_changes_the_picture_the_same_way_every_time(name: str, picture: Image) -> None:
    """A new uint8 picture of the same size that depends on seed and time alone; the given one is left as it was."""
    before = picture.copy()
    one, again = (ALL[name].apply(picture, 2.0, seed=4) for _ in range(2))

    assert np.array_equal(one, again)
    assert (one.shape, one.dtype) == (picture.shape, np.uint8)
    assert not np.array_equal(one, picture)
    assert np.array_equal(picture, before)


def test_no_conditions_are_no_change(picture: Image) -> None:
    """But a picture of its own."""
    seen = Conditions().apply(picture, 1.0, seed=1)

    assert np.array_equal(seen, picture)
    assert seen is not picture


@pytest.mark.parametrize("name", ["noise", "rain", "flicker", "drift", "shake", "infrared"])
def test_what_moves_differs_from_moment_to_moment(name: str, picture: Image) -> None:
    """Noise, rain and the like are not painted on."""
    lens = Lens(ALL[name], 1, SIZE)

    assert not np.array_equal(lens.apply(picture, 1.0), lens.apply(picture, 6.3))


def test_any_order_of_moments_gives_the_same_frames() -> None:
    """A scene with every condition is pure in seed and time."""
    place = PLACES["yard"](np.random.default_rng(5), SIZE)
    conditions = replace(draw_conditions(np.random.default_rng(8), place), weather="rain", shake_px=1.0, noise=3.0)
    one, other = staged(conditions), staged(conditions)
    for at in (9.0, 2.0, 5.5):
        other.render(at)
    for at in (2.0, 5.5, 9.0):
        (frame, truth), (again, truth_again) = one.render(at), other.render(at)
        assert np.array_equal(frame, again)
        assert truth == truth_again


def test_infrared_has_no_colours_and_dusk_is_darker(picture: Image) -> None:
    """By night all three channels agree."""
    grey = Conditions(light="infrared", noise=5).apply(picture, 1.0, 1)

    assert int(np.ptp(grey, axis=2).max()) == 0
    assert Conditions(light="dusk").apply(picture, 1.0, 1).mean() < 0.9 * picture.mean()


def test_noise_has_the_deviation_asked_for(picture: Image) -> None:
    """By day and by night, within a tenth."""
    for light in ("day", "infrared"):
        lens = Lens(Conditions(light=light, noise=6), 3, SIZE)  # type: ignore[arg-type]  # two of three lights
        flat = np.full_like(picture, 128)
        noisy, calm = lens.apply(flat, 1.0).astype(float), Lens(Conditions(light=light), 3, SIZE).apply(flat, 1.0)  # type: ignore[arg-type]  # as above
        assert float((noisy - calm).std()) == pytest.approx(6, rel=0.1)


def test_a_defocused_camera_loses_its_edges_and_finds_them_again(picture: Image) -> None:
    """From the fault's start to its end."""
    lens = Lens(Conditions(faults=(Fault("defocused", 2.0, 6.0),)), 1, SIZE)
    sharp, lost, found = (sharpness(lens.apply(picture, at)) for at in (1.0, 5.0, 9.0))

    assert lost < 0.5 * sharp
    assert found == sharp


def test_a_covered_camera_shows_nothing_and_the_truth_says_so() -> None:
    """Next to no detail is left, and whoever stood there is not visible."""
    scene = staged(Conditions(faults=(Fault("covered", 2.0),)), seed=4)
    (open_frame, before), (covered_frame, after) = scene.render(1.0), scene.render(5.0)

    assert sharpness(covered_frame) < 0.6 * sharpness(open_frame)
    assert all(actor.visible > 0.9 for actor in before.actors)
    assert all(actor.visible < 0.1 for actor in after.actors)


def test_boxes_go_with_a_camera_that_is_pushed() -> None:
    """After the move the people are where the truth now says: unlike the same camera's view without them."""
    scene = staged(Conditions(faults=(Fault("moved", 2.0),)))
    (_, before), (_, after) = scene.render(1.0), scene.render(5.0)
    moved = {actor.id: actor.box for actor in after.actors}

    assert all(actor.box != moved.get(actor.id) for actor in before.actors)
    for box in moved.values():
        assert 0 <= box.left < box.right <= SIZE[0]
        assert 0 <= box.top < box.bottom <= SIZE[1]


def test_shake_moves_boxes_by_about_as_much_as_it_says() -> None:
    """With 2 px of shake no box is farther than 3 from where it stands."""
    still, shaken = staged(None), staged(Conditions(shake_px=2.0))
    pairs = [
        (one.box, other.box)
        for at in (1.0, 1.3, 2.2)
        for one, other in zip(still.render(at)[1].actors, shaken.render(at)[1].actors, strict=True)
    ]
    away = [abs(one.left - other.left) for one, other in pairs]

    assert 0.2 < max(away) < 3.0


@pytest.mark.parametrize("name", ["shop", "park_path"])
def test_drawn_conditions_are_varied_and_fit_the_place(name: str) -> None:
    """It neither rains nor is foggy indoors; all three lights come."""
    rng = np.random.default_rng(1)
    place = PLACES[name](rng, SIZE)
    many = [draw_conditions(rng, place) for _ in range(200)]

    assert {each.light for each in many} == {"day", "dusk", "infrared"}
    assert {each.weather for each in many} == ({"clear"} if place.indoor else {"clear", "rain", "fog"})
    assert any(each.jpeg_quality for each in many)


@pytest.mark.parametrize("size", [(32, 32), (97, 65), (640, 360)])
def test_conditions_work_at_any_size(size: tuple[int, int]) -> None:
    """Odd and tiny pictures too."""
    busy = Conditions("dusk", "rain", noise=3, jpeg_quality=40, shake_px=1, dirt=0.5, defocus_px=0.5)
    seen = busy.apply(np.full((size[1], size[0], 3), 90, np.uint8), 1.0, 2)

    assert seen.shape == (size[1], size[0], 3)
