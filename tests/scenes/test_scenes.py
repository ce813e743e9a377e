"""Rendered scenes: the same every time, and telling the truth about themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.contracts.values import Box
from pipeline.errors import ConfigError
from pipeline.scenes import Scene, TrueEvent, open_scene, scene_names

SMALL = (320, 180)
LABELS = {"person", "car", "dog", "backpack", "suitcase"}


@pytest.fixture(scope="module")
def yard() -> Scene:
    return open_scene("yard", seed=1)


def of_kind(scene: Scene, kind: str, *, near_miss: bool = False) -> list[TrueEvent]:
    return [event for event in scene.events if event.kind == kind and event.is_near_miss == near_miss]


def foot(scene: Scene, actor: int, at_seconds: float, size: tuple[int, int] = (640, 360)) -> tuple[float, float]:
    """Foot point of an actor's true box, fractions of the picture."""
    _, truth = scene.render(at_seconds)
    (box,) = [seen.box for seen in truth.actors if seen.id == actor]
    x, y = box.foot
    return x / size[0], y / size[1]


@pytest.mark.parametrize("name", scene_names())
def test_any_moment_is_the_same_bytes_every_time(name: str) -> None:
    """Picture and truth depend on seed and time alone: not on the object, nor on what was rendered before."""
    one, other = (open_scene(name, seed=4, seconds=20, size=SMALL) for _ in range(2))
    for at in (1.0, 9.5, 19.9):
        other.render(at)
    for at in (9.5, 1.0):
        picture, truth = one.render(at)
        again, truth_again = other.render(at)
        assert np.array_equal(picture, again)
        assert truth == truth_again


@pytest.mark.parametrize("name", scene_names())
def test_pictures_have_the_size_and_length_asked_for(name: str) -> None:
    """HWC uint8 RGB of the given size, the caller's own to keep."""
    scene = open_scene(name, seconds=5, size=SMALL)
    picture, _ = scene.render(2.0)

    assert (picture.shape, picture.dtype) == ((180, 320, 3), np.uint8)
    assert picture.flags["WRITEABLE"]
    assert scene.duration_seconds == 5


@pytest.mark.parametrize("name", scene_names())
def test_truth_stays_inside_the_picture_and_uses_known_labels(name: str) -> None:
    """Boxes lie within the frame, are not empty, and every id has one label."""
    scene = open_scene(name, seed=2, size=SMALL)
    labels: dict[int, str] = {}
    for at in np.arange(0, scene.duration_seconds, 2.3):
        for actor in scene.render(float(at))[1].actors:
            assert 0 <= actor.box.left < actor.box.right <= 320
            assert 0 <= actor.box.top < actor.box.bottom <= 180
            assert labels.setdefault(actor.id, actor.label) == actor.label
    assert set(labels.values()) <= LABELS


def test_another_seed_is_another_cast_in_the_same_place() -> None:
    """Clothes and noise change; zones and lines do not."""
    one, other = (open_scene("yard", seed=seed, size=SMALL) for seed in (1, 2))

    assert not np.array_equal(one.render(6.0)[0], other.render(6.0)[0])
    assert one.zones == other.zones
    assert one.lines == other.lines


@pytest.mark.parametrize("at_seconds", [6.0, 30.0, 66.0, 85.0, 97.0])
def test_boxes_fit_what_is_drawn(at_seconds: float) -> None:
    """What differs from the empty yard, shadows aside, lies in the boxes, and fills each of them to its edges."""
    scene, bare = open_scene("yard", seed=1), open_scene("empty", seed=1)
    picture, truth = scene.render(at_seconds)
    ground, _ = bare.render(0.0)
    gain = np.median(picture[200:].astype(float)) / np.median(ground[200:].astype(float))
    differs = np.abs(picture - ground * gain).max(axis=2) > 24
    for actor in truth.actors:
        left, top, right, bottom = (
            round(side) for side in (actor.box.left, actor.box.top, actor.box.right, actor.box.bottom)
        )
        inside = differs[top:bottom, left:right]
        rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
        margin = 4  # antialiasing, and dark shoes on dark ground
        assert rows.min() <= margin
        assert columns.min() <= margin
        assert inside.shape[0] - 1 - rows.max() <= margin
        assert inside.shape[1] - 1 - columns.max() <= margin


def test_people_near_the_camera_are_larger(yard: Scene) -> None:
    """Size follows the place on the ground: pavement, yard, far end."""
    heights = {}
    for at in (6.0, 14.0, 31.0):
        for actor in yard.render(at)[1].actors:
            if actor.label == "person" and actor.box.left > 1 and actor.box.right < 639:
                heights[actor.box.bottom] = actor.box.height
    ordered = [heights[bottom] for bottom in sorted(heights)]

    assert len(ordered) >= 3
    assert ordered == sorted(ordered)


def test_walking_moves_legs_and_standing_does_not(yard: Scene) -> None:
    """A walker's box breathes with its steps; whoever stands keeps still."""

    def widths(actor: int, moments: np.ndarray) -> list[float]:
        boxes: list[Box] = [seen.box for at in moments for seen in yard.render(float(at))[1].actors if seen.id == actor]
        return [box.width for box in boxes]

    walking = widths(1, np.arange(5.0, 6.5, 0.1))
    standing = widths(3, np.arange(32.0, 34.0, 0.1))

    assert max(walking) > 1.5 * min(walking)
    assert max(standing) - min(standing) < 0.01


def test_the_yard_shows_everything_it_is_for(yard: Scene) -> None:
    """Each kind of event once, each with its near miss."""
    true = Counter((event.kind, event.zone or event.line) for event in yard.events if not event.is_near_miss)
    near = Counter((event.kind, event.zone or event.line) for event in yard.events if event.is_near_miss)

    assert true == {
        ("enters", "fence"): 2, ("loiters", "fence"): 1, ("parks", ""): 1, ("left_behind", ""): 1,
        ("runs", ""): 1, ("crosses", "kerb"): 1, ("enters", "gate"): 1,
    }  # fmt: skip
    assert near == {
        ("passes", "fence"): 1, ("loiters", "fence"): 1, ("left_behind", ""): 1, ("light", ""): 2,
        ("loiters", "gate"): 1,
    }  # fmt: skip


def test_the_loiterer_stays_about_twenty_seconds_and_the_near_miss_a_few(yard: Scene) -> None:
    """Clear of any threshold between ten and fifteen seconds."""
    (loiters,) = of_kind(yard, "loiters")
    brief = min(of_kind(yard, "loiters", near_miss=True), key=lambda event: event.start_seconds)

    assert 15 < loiters.end_seconds - loiters.start_seconds < 30
    assert 2 < brief.end_seconds - brief.start_seconds < 8


def test_entering_is_told_to_the_moment(yard: Scene) -> None:
    """Just before, the foot point is right of the fence zone; just after, inside."""
    entry = of_kind(yard, "enters")[0]
    edge = max(x for x, _ in yard.zones["fence"])

    assert foot(yard, entry.who, entry.start_seconds - 0.7)[0] > edge - 0.02
    assert foot(yard, entry.who, entry.start_seconds + 0.7)[0] < edge


def test_crossing_the_kerb_has_a_moment_and_a_direction(yard: Scene) -> None:
    """The runner comes from the yard: from the left to the right of someone walking along the kerb."""
    (crossing,) = of_kind(yard, "crosses")
    kerb = yard.lines["kerb"][0][1]

    assert crossing.direction == "left_to_right"
    assert foot(yard, crossing.who, crossing.start_seconds - 0.3)[1] < kerb
    assert foot(yard, crossing.who, crossing.start_seconds + 0.3)[1] > kerb


def test_a_left_suitcase_stays_where_it_is_when_its_bringer_has_gone(yard: Scene) -> None:
    """From being put down to the end it stands still, and its bringer leaves the picture."""
    (left,) = of_kind(yard, "left_behind")
    before, later = ({actor.id: actor for actor in yard.render(at)[1].actors} for at in (left.start_seconds + 2, 119.0))

    assert left.end_seconds == 120
    assert before[left.who].box == later[left.who].box
    assert (later[left.who].label, later[left.who].action) == ("suitcase", "left")
    assert left.who - 1 in before
    assert left.who - 1 not in later


def test_a_bag_that_is_taken_again_is_a_near_miss(yard: Scene) -> None:
    """It is put down for some seconds, its bringer beside it, and is carried before and after."""
    (rest,) = of_kind(yard, "left_behind", near_miss=True)
    actions = [
        {actor.id: actor.action for actor in yard.render(at)[1].actors}[rest.who]
        for at in (rest.start_seconds - 1, rest.start_seconds + 1, rest.end_seconds + 1)
    ]

    assert actions == ["carried", "left", "carried"]


def test_light_changes_gradually_and_suddenly() -> None:
    """In the empty yard the mean follows the cloud over seconds and the lamp within a frame."""
    scene = open_scene("empty", seed=1, seconds=60)
    brightness = {at: float(scene.render(at)[0].mean()) for at in (1.0, 5.0, 12.0, 40.0, 52.9, 53.1, 57.0, 59.0)}

    assert brightness[12.0] < brightness[5.0] < brightness[1.0]
    assert brightness[40.0] == pytest.approx(brightness[1.0], rel=0.01)  # wind and noise
    assert brightness[53.1] < 0.85 * brightness[52.9]
    assert brightness[59.0] == pytest.approx(brightness[1.0], rel=0.01)


def test_the_empty_yard_holds_nobody_but_noise_and_wind() -> None:
    """No actor, no event but light, and no two frames alike."""
    scene = open_scene("empty", seed=1, seconds=60, size=SMALL)
    pictures = [scene.render(at) for at in (20.0, 20.1)]

    assert all(truth.actors == () for _, truth in pictures)
    assert {event.kind for event in scene.events} == {"light"}
    assert not np.array_equal(pictures[0][0], pictures[1][0])


def test_a_longer_yard_goes_through_its_two_minutes_again() -> None:
    """After two minutes the same things happen to other people; the old suitcase is gone."""
    scene = open_scene("yard", seed=1, seconds=240, size=SMALL)
    loiters = of_kind(scene, "loiters")

    assert [round(event.start_seconds - loiters[0].start_seconds) for event in loiters] == [0, 120]
    assert loiters[0].who != loiters[1].who
    assert [actor.label for actor in scene.render(125.0)[1].actors] == ["person"]


def test_events_end_with_the_scene() -> None:
    """A yard of 35 s ends in the middle of the loitering, and says so."""
    scene = open_scene("yard", seed=1, seconds=35, size=SMALL)

    assert max(event.end_seconds for event in scene.events if event.kind != "light") == 35
    assert of_kind(scene, "loiters") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "yrad"}, "did you mean yard"),
        ({"name": "moonbase"}, "there are: yard, street, corridor, empty"),
        ({"name": "yard", "seed": -1}, "seed"),
        ({"name": "yard", "seconds": 0.0}, "seconds"),
        ({"name": "yard", "size": (640, 10)}, "pixels"),
    ],
)
def test_what_cannot_be_rendered_is_refused(arguments: dict[str, object], message: str) -> None:
    """With the nearest right name, or what was expected."""
    with pytest.raises(ConfigError, match=message):
        open_scene(**arguments)  # type: ignore[arg-type]
