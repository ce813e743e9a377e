"""Real views as places: the ground where people walk, and figures that look as if filmed there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError
from pipeline.scenes.composite import RealBackground
from pipeline.scenes.conditions import draw_conditions
from pipeline.scenes.pixels import blurred, edge_sigma
from pipeline.scenes.place import Place
from pipeline.scenes.places import PLACES
from pipeline.scenes.scene import Scene, Script
from pipeline.scenes.script import Cast, stand
from pipeline.scenes.view import View

SIZE = (384, 216)


def filmed(place: Place, *, num_people: int = 5, num_frames: int = 24, noise: float = 3.0) -> list[Image]:
    """A rendered camera's frames with people who are elsewhere in each."""
    rng = np.random.default_rng(3)
    area, frames = place.walkable[0], []
    bare = place.paint(place.view, np.random.default_rng(1))
    for _ in range(num_frames):
        cast = Cast(rng)
        for _ in range(num_people):
            cast.person(0.0, (float(rng.uniform(-3, 3)), float(rng.uniform(area.near + 2, area.far))), stand(9))
        script = Script("x", 9.0, place.view, lambda _view, _rng: bare, tuple(cast.actors), has_sun=False)
        picture, _ = Scene(script, 1).render(1.0)
        grain = rng.normal(0, noise, picture.shape)
        frames.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return frames


@pytest.fixture(scope="module")
def known() -> tuple[Place, RealBackground]:
    place = PLACES["car_park"](np.random.default_rng(6), (640, 360))
    return place, RealBackground.from_frames(filmed(place))


def composite(background: RealBackground, seed: int = 2) -> tuple[Scene, Scene, Place]:
    """A scene with somebody in the middle of the ground, and the same without."""
    rng = np.random.default_rng(seed)
    place = background.place(rng, SIZE)
    conditions = draw_conditions(rng, place)
    cast = Cast(rng)
    cast.person(0.0, place.walkable[0].centre, stand(9))

    def scene(people: bool) -> Scene:
        actors = tuple(cast.actors) if people else ()
        return Scene(
            Script("x", 9.0, place.view, place.paint, actors, has_sun=False, conditions=conditions, match=place.match),
            4,
        )

    return scene(True), scene(False), place


def test_the_background_is_empty_and_its_noise_known(known: tuple[Place, RealBackground]) -> None:
    """What passed through is gone; the noise that was added is measured."""
    place, background = known
    bare = place.paint(place.view, np.random.default_rng(1))

    assert float(np.abs(background.pixels.astype(int) - bare).mean()) < 2
    assert background.noise == pytest.approx(3.0, rel=0.15)


def test_the_ground_plane_follows_from_walkers(known: tuple[Place, RealBackground]) -> None:
    """Somebody in the middle of the ground comes out as tall as the true camera would show them, within a fifth."""
    place, background = known
    area = place.walkable[0]

    def height_at(view: View, row: float) -> float:
        spot = view.ground_at(view.size[0] / 2, row)
        assert spot is not None
        feet, head = view.project(np.array([(spot[0], 0.0, spot[1]), (spot[0], 1.75, spot[1])]))[:, 1]
        return float(feet - head)

    for z in (area.near + 3, area.far - 2):
        row = float(place.view.project(np.array([(0.0, 0.0, z)]))[0, 1])
        assert height_at(background.view, row) == pytest.approx(height_at(place.view, row), rel=0.2)


def test_given_boxes_are_believed() -> None:
    """Walkers known from elsewhere fix the plane: heights that grow by 0.3 px a row from a horizon at row 40."""
    frames = [np.full((240, 320, 3), 90 + index, np.uint8) for index in range(3)]
    boxes = [Box(100.0, row - 0.3 * (row - 40), 120.0, float(row)) for row in range(100, 230, 4)]
    view = RealBackground.from_frames(frames, boxes=boxes).view
    spot = view.ground_at(160.0, 200.0)

    assert spot is not None
    feet, head = view.project(np.array([(spot[0], 0.0, spot[1]), (spot[0], 1.7, spot[1])]))[:, 1]
    assert feet - head == pytest.approx(48, rel=0.12)


def test_figures_have_the_tones_of_the_picture_they_stand_in(known: tuple[Place, RealBackground]) -> None:
    """In a pale background nothing of a figure is black; in a grey one nothing has a colour."""
    pale = [
        np.clip(60 + frame // 2, 0, 255).mean(axis=2, keepdims=True).repeat(3, axis=2) for frame in filmed(known[0])
    ]
    background = RealBackground.from_frames([frame.astype(np.uint8) for frame in pale])
    staged, empty, place = composite(background)
    picture, bare = staged.render(1.0)[0].astype(int), empty.render(1.0)[0]
    changed = np.abs(picture - bare).max(axis=2) > 25

    assert place.match is not None
    assert place.match.saturation == 0
    assert changed.sum() > 50
    assert picture[changed].min() > 15
    assert np.median(np.ptp(picture[changed], axis=1)) < 25  # the noise and the compression are in colour


def test_soft_backgrounds_get_soft_figures(known: tuple[Place, RealBackground]) -> None:
    """The blur of a picture's edges is measured to about a third of a pixel, and figures follow it."""
    place, _ = known
    bare = place.paint(place.view, np.random.default_rng(1))
    sigmas = [edge_sigma(blurred(bare, sigma)) for sigma in (1.0, 2.0)]
    soft = RealBackground.from_frames([blurred(frame, 3.0) for frame in filmed(place, num_frames=5)])
    match = soft.place(np.random.default_rng(1), SIZE).match

    assert sigmas == [pytest.approx(1.1, abs=0.4), pytest.approx(2.1, abs=0.5)]
    assert match is not None
    assert match.softness_px > 1.0


def test_the_truth_of_a_composite_is_where_the_figure_is(known: tuple[Place, RealBackground]) -> None:
    """What differs from the empty view lies in the box."""
    staged, empty, _ = composite(known[1])
    picture, truth = staged.render(1.0)
    bare, _ = empty.render(1.0)
    (person,) = truth.actors
    rows, columns = np.nonzero(np.abs(picture.astype(int) - bare).max(axis=2) > 40)

    assert len(rows) > 30
    assert np.mean((columns > person.box.left - 4) & (columns < person.box.right + 4)) > 0.95
    assert np.mean((rows > person.box.top - 4) & (rows < person.box.bottom + 4)) > 0.95


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([np.zeros((60, 80, 3), np.uint8)] * 2, "at least 3 frames"),
        ([np.zeros((60, 80, 3), np.uint8)] * 2 + [np.zeros((60, 90, 3), np.uint8)], "one size"),
    ],
)
def test_too_little_to_tell_a_background_is_refused(frames: list[Image], message: str) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError, match=message):
        RealBackground.from_frames(frames)


def test_what_is_not_a_video_is_refused(tmp_path: Path) -> None:
    """With its path."""
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(ConfigError, match=r"notes\.mp4"):
        RealBackground.from_file(path)


def test_a_black_picture_is_still_a_place() -> None:
    """Nothing to measure gives the usual camera and no failure."""
    place = RealBackground.from_frames([np.zeros((120, 160, 3), np.uint8)] * 4).place(np.random.default_rng(1), SIZE)

    assert place.walkable[0].far > place.walkable[0].near
    assert all(place.view.sees(area.centre) for area in place.walkable)


@pytest.mark.shared
def test_a_real_courtyard_has_a_camera_on_a_mast(shared: Path) -> None:
    """PETS 2009, view 1: the camera hangs at some metres and looks down; people come out as tall as they were."""
    background = RealBackground.from_file(shared / "videos" / "pets09_s2l1_vtest.avi")
    view = background.view
    ratios = []
    for box in background.walkers:
        spot = view.ground_at(*box.foot)
        assert spot is not None
        feet, head = view.project(np.array([(spot[0], 0.0, spot[1]), (spot[0], 1.7, spot[1])]))[:, 1]
        ratios.append(float(feet - head) / box.height)

    assert 4 < view.height < 9
    assert 10 < view.pitch_degrees < 30
    assert np.median(ratios) == pytest.approx(1, abs=0.12)
    assert len(background.walkers) >= 20


@pytest.mark.shared
@pytest.mark.parametrize(
    "video", ["tud_campus.mp4", "intel_store-aisle-detection.gif", "dvrscan_brightness_change.avi"]
)
def test_any_video_gives_a_place_to_stage_in(shared: Path, video: str) -> None:
    """Street level, a shop, a portrait picture: the ground is in view and somebody on it is in the picture."""
    staged, _, place = composite(RealBackground.from_file(shared / "videos" / video))
    picture, truth = staged.render(1.0)

    assert picture.shape == (216, 384, 3)
    assert len(truth.actors) == 1
    assert place.walkable[0].near < place.walkable[0].far
