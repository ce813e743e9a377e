"""Places under the sky: street, car park, platform, yard, park path, loading dock.

Each draws its own size, camera, materials and clutter from the generator. Distances grow with z away from the
camera; what is painted stands behind or beside where people walk.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.contracts.values import Image
from pipeline.scenes.backdrop import Tree
from pipeline.scenes.decor import Decorator
from pipeline.scenes.materials import any_colour, gravel, lawn, leaves, paved, ribbed, rough, tinted, walled
from pipeline.scenes.place import Area, Place, across, aimed, line_at, reach
from pipeline.scenes.script import Colour
from pipeline.scenes.view import View

_ASPHALT: Colour = (108, 108, 110)
_PAVING: Colour = (150, 145, 138)
_BRICK: Colour = (150, 112, 92)
_GREEN: Colour = (84, 108, 60)
_PAINTS: tuple[Colour, ...] = ((210, 210, 204), (212, 176, 60), (196, 190, 176))


def street(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A road between two pavements, a zebra crossing, houses behind."""
    near = float(rng.uniform(5.0, 7.5))
    kerb = near + float(rng.uniform(3.5, 5.0))
    far = kerb + float(rng.uniform(6.0, 8.0))
    houses = far + float(rng.uniform(2.2, 3.4))
    view = aimed(rng, size, float(rng.uniform(4.0, 8.5)), float(rng.uniform(46, 62)), near, houses)
    crossing, door = float(rng.uniform(-3, 3)), float(rng.uniform(-5, 5))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, tinted(rng, (190, 200, 208)))
        _houses(scene, houses, door, float(rng.uniform(7, 12)))
        scene.floor(-40, 40, 0.5, houses, paved(rng, tinted(rng, _PAVING)))
        scene.floor(-40, 40, kerb, far, rough(rng, tinted(rng, _ASPHALT), 10))
        for z in (kerb, far - 0.2):
            scene.ground(-40, 40, z, z + 0.22, tinted(rng, (186, 184, 178), 0.4))
        scene.stains(-14, 14, kerb, far, 24)
        for z in np.arange(kerb + 0.6, far - 0.6, 1.1):
            scene.ground(crossing - 1.7, crossing + 1.7, float(z), float(z) + 0.55, (204, 204, 198))
        middle = (kerb + far) / 2
        for x in np.arange(-30, 30, 3.2):
            if abs(x + 0.7 - crossing) > 3:
                scene.ground(float(x), float(x) + 1.5, middle, middle + 0.14, (204, 204, 198))
        _shadow_across(scene, near, houses)
        return scene.photograph()

    mid, side = (kerb + far) / 2, reach(view, houses) + 2.5
    return Place(
        "street", view, paint,
        walkable=(Area(-side, side, near - 1.5, houses - 0.5),),
        zones={
            "footpath": across(view, near + 0.3, kerb),
            "road": across(view, kerb + 0.2, far - 0.2),
            "crossing": Area(crossing - 2, crossing + 2, kerb, far).corners,
            "door": Area(door - 1.6, door + 1.6, far, houses - 0.1).corners,
        },
        lines={"kerb": line_at(view, kerb), "middle": line_at(view, mid)},
        drivable=(Area(-side - 4, side + 4, kerb + 1.2, far - 1.2),),
        one_way=(1.0, 0.0),
        trees=_trees(rng, houses - 0.2, 2),
    )  # fmt: skip


def car_park(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Bays at the back before a fence, a lane, a path for walkers in front."""
    near = float(rng.uniform(4.5, 7.0))
    path = near + float(rng.uniform(2.4, 3.4))
    lane = path + float(rng.uniform(5.0, 6.5))
    back = lane + float(rng.uniform(4.6, 5.6))
    view = aimed(rng, size, float(rng.uniform(4.5, 9.0)), float(rng.uniform(46, 62)), near, back)
    high = float(rng.uniform(1.6, 2.4))
    gate = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(2.5, 5.0))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, tinted(rng, (186, 198, 208)))
        scene.face(-60, 60, back + 9, 0, float(rng.uniform(4, 9)), leaves(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, back, back + 9, lawn(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, 0.5, back, rough(rng, tinted(rng, _ASPHALT), 11))
        scene.floor(-60, 60, 0.5, path, paved(rng, tinted(rng, _PAVING)))
        scene.stains(-15, 15, path, back, 36)
        mark = _PAINTS[int(rng.integers(2))]
        for x in np.arange(-20.0, 20.0, 2.6):
            scene.stroke((float(x), 0, lane), (float(x), 0, back - 0.2), 0.11, mark)
        scene.ground(-60, 60, path - 0.12, path, tinted(rng, (188, 186, 180), 0.4))
        _fenced(scene, back, high, gate)
        _shadow_across(scene, near, back)
        return scene.photograph()

    side = reach(view, back) + 2.5
    return Place(
        "car_park", view, paint,
        walkable=(Area(-side, side, near - 1.5, back - 0.4),),
        zones={
            "footpath": across(view, near + 0.3, path - 0.1),
            "road": across(view, path + 0.2, lane),
            "bay": Area(-5.2, 5.2, lane + 0.1, back - 1.6).corners,
            "fence": across(view, back - 2.4, back - 0.1),
            "gate": Area(gate - 1.7, gate + 1.7, back - 2.2, back - 0.1).corners,
        },
        lines={"kerb": line_at(view, path), "lane": line_at(view, lane)},
        drivable=(Area(-side - 4, side + 4, path + 1.3, lane - 1.0),),
        fence=(line_at(view, back), high),
        one_way=(1.0, 0.0),
        trees=_trees(rng, back + 5, 2),
    )  # fmt: skip


def platform(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A platform with its yellow line, the track behind it, a wall beyond."""
    near = float(rng.uniform(3.0, 4.5))
    edge = near + float(rng.uniform(4.5, 6.5))
    beyond = edge + float(rng.uniform(3.4, 4.4))
    view = aimed(rng, size, float(rng.uniform(2.8, 5.0)), float(rng.uniform(60, 80)), near, beyond)
    is_inside = bool(rng.integers(2))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (60, 62, 66) if is_inside else tinted(rng, (190, 200, 208)))
        high = 6.0 if is_inside else float(rng.uniform(1.4, 3.5))
        scene.face(-40, 40, beyond + 0.6, 0, high, walled(rng, tinted(rng, (168, 166, 158))))
        for x in np.arange(-15.0, 15.0, float(rng.uniform(3.0, 5.0))):
            if rng.uniform() < 0.7:
                scene.picture(float(x), float(x) + float(rng.uniform(1, 2.4)), beyond + 0.58, 0.9, min(2.4, high - 0.1))
        scene.floor(-40, 40, edge, beyond + 0.6, gravel(rng, tinted(rng, (104, 98, 90))))
        for x in np.arange(-30.0, 30.0, 0.7):
            scene.ground(float(x), float(x) + 0.26, edge + 0.9, beyond - 0.3, tinted(rng, (92, 84, 74), 0.4))
        for z in (edge + 1.3, beyond - 0.7):
            scene.stroke((-30, 0.1, z), (30, 0.1, z), 0.09, tinted(rng, (150, 140, 130), 0.5))
        scene.floor(-40, 40, 0.5, edge, paved(rng, tinted(rng, (156, 152, 146))))
        scene.ground(-40, 40, edge - 0.95, edge - 0.7, tinted(rng, (214, 178, 58), 0.4))
        scene.ground(-40, 40, edge - 0.2, edge, (206, 204, 198))
        scene.stains(-8, 8, near, edge - 1, 16)
        return scene.photograph()

    side = reach(view, beyond) + 2.5
    return Place(
        "platform", view, paint,
        walkable=(Area(-side, side, near - 1.2, beyond),),
        zones={
            "platform": across(view, near + 0.3, edge - 0.8),
            "track": across(view, edge, beyond),
        },
        lines={"edge": line_at(view, edge), "yellow line": line_at(view, edge - 0.8)},
        has_sun=not is_inside,
        indoor=is_inside,
        one_way=(1.0, 0.0),
    )  # fmt: skip


def yard(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A depot: pavement, bays, a hall with a gate behind, a stretch of fence beside it."""
    near = float(rng.uniform(5.0, 7.5))
    kerb = near + float(rng.uniform(2.6, 3.6))
    back = kerb + float(rng.uniform(8.5, 11.0))
    view = aimed(rng, size, float(rng.uniform(4.5, 9.0)), float(rng.uniform(46, 62)), near, back)
    split, gate, high = float(rng.uniform(-1.5, 0.5)), float(rng.uniform(3.0, 5.0)), float(rng.uniform(1.7, 2.4))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, tinted(rng, (188, 198, 206)))
        scene.face(-60, 60, back + 12, 0, 7, leaves(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, back, back + 12, rough(rng, tinted(rng, (128, 122, 112)), 12))
        scene.floor(-60, 60, 0.5, back, rough(rng, tinted(rng, _ASPHALT), 11))
        hall = ribbed(rng, tinted(rng, (146, 150, 152)), count=int(rng.integers(8, 18)), metres=4.0)
        scene.face(split + 0.6, 40, back, 0, float(rng.uniform(5, 9)), hall)
        scene.face(
            gate - 1.7,
            gate + 1.7,
            back - 0.02,
            0,
            3.2,
            ribbed(rng, any_colour(rng), count=14, metres=4.0, upright=False),
        )
        for x in np.arange(gate + 2.6, 20.0, 3.4):
            scene.window(float(x), float(x) + 1.6, back - 0.03, 1.8, 3.0)
        scene.floor(-60, 60, 0.5, kerb, paved(rng, tinted(rng, _PAVING)))
        scene.ground(-60, 60, kerb - 0.15, kerb + 0.1, tinted(rng, (190, 188, 182), 0.4))
        scene.stains(-14, 14, kerb, back, 40)
        scene.lattice(-40, split, back, high, tinted(rng, (112, 118, 120)), 0.035)
        mark = _PAINTS[int(rng.integers(3))]
        scene.outline(Area(gate - 1.9, gate + 1.9, back - 3.6, back - 0.3).corners, 0.12, mark)
        _shadow_across(scene, near, back)
        return scene.photograph()

    wide, side = reach(view, back - 3.4), reach(view, back) + 2.5
    return Place(
        "yard", view, paint,
        walkable=(Area(-side, side, near - 1.5, back - 0.4),),
        zones={
            "footpath": across(view, near + 0.3, kerb - 0.1),
            "road": across(view, kerb + 0.4, kerb + 4.4),
            "fence": Area(-wide, split - 0.2, back - 3.4, back - 0.1).corners,
            "gate": Area(gate - 1.9, gate + 1.9, back - 3.6, back - 0.1).corners,
        },
        lines={"kerb": line_at(view, kerb)},
        drivable=(Area(-side - 4, side + 4, kerb + 1.4, kerb + 4.0),),
        fence=(((-wide, back), (split, back)), high),
        trees=_trees(rng, back + 6, 2),
    )  # fmt: skip


def park_path(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A footpath through a lawn, with a bench, bushes and trees; a low fence around the beds behind."""
    near = float(rng.uniform(4.0, 7.0))
    path = near + float(rng.uniform(2.2, 3.6))
    lawn_from = path + float(rng.uniform(2.4, 3.6))
    back = lawn_from + float(rng.uniform(5.0, 7.0))
    view = aimed(rng, size, float(rng.uniform(3.2, 7.0)), float(rng.uniform(46, 66)), near, back)
    high = float(rng.uniform(1.0, 1.6))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, tinted(rng, (196, 206, 214)))
        scene.face(-60, 60, back + 14, 0, float(rng.uniform(5, 12)), leaves(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, 0.5, back + 14, lawn(rng, tinted(rng, _GREEN)))
        made_of = gravel if rng.integers(2) else paved
        scene.floor(-60, 60, path, lawn_from, made_of(rng, tinted(rng, (160, 150, 132))))
        for _ in range(int(rng.integers(3, 8))):
            scene.bush(float(rng.uniform(-16, 16)), back + float(rng.uniform(1.5, 6)), float(rng.uniform(0.8, 2.4)))
        scene.lattice(-30, 30, back, high, tinted(rng, (90, 88, 80)), 0.04)
        bench = float(rng.uniform(-5, 5))
        scene.block(bench - 0.9, bench + 0.9, back + 0.3, back + 0.7, 0, 0.45, tinted(rng, (120, 84, 54)))
        scene.wall(bench - 0.9, bench + 0.9, back + 0.7, 0.5, 0.9, tinted(rng, (130, 92, 60)))
        scene.stains(-12, 12, near, back, 12)
        for _ in range(int(rng.integers(1, 5))):
            x, z = float(rng.uniform(-9, 9)), float(rng.uniform(near, back))
            around = np.linspace(0, 2 * math.pi, 9)[:-1]
            scene.cast(tuple((x + 2 * float(np.cos(a)), z + 0.9 * float(np.sin(a))) for a in around), 0.8)
        return scene.photograph()

    side = reach(view, back) + 2.5
    return Place(
        "park_path", view, paint,
        walkable=(Area(-side, side, near - 1.5, back - 0.4),),
        zones={
            "footpath": across(view, path, lawn_from),
            "lawn": across(view, lawn_from + 0.1, back - 0.3),
            "fence": across(view, back - 1.8, back - 0.1),
        },
        lines={"path edge": line_at(view, lawn_from)},
        fence=(line_at(view, back), high),
        one_way=(-1.0, 0.0),
        trees=_trees(rng, back + 3, 3),
    )  # fmt: skip


def loading_dock(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Shutters in a long wall, marked bays before them, a road, a path for walkers, a fence at one side."""
    near = float(rng.uniform(4.5, 6.5))
    path = near + float(rng.uniform(2.2, 3.0))
    road = path + float(rng.uniform(4.4, 5.6))
    back = road + float(rng.uniform(4.0, 5.2))
    view = aimed(rng, size, float(rng.uniform(4.0, 8.0)), float(rng.uniform(46, 62)), near, back)
    first, step = float(rng.uniform(-2.5, -0.5)), float(rng.uniform(4.0, 4.8))
    high = float(rng.uniform(1.8, 2.4))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, tinted(rng, (184, 194, 202)))
        scene.face(-60, 60, back + 12, 0, 8, leaves(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, back, back + 12, lawn(rng, tinted(rng, _GREEN)))
        scene.floor(-60, 60, 0.5, back, paved(rng, tinted(rng, (134, 134, 132))))
        scene.floor(-60, 60, path, road, rough(rng, tinted(rng, _ASPHALT), 10))
        scene.face(first - 2, 60, back, 0, float(rng.uniform(5, 9)), walled(rng, tinted(rng, (160, 158, 150))))
        shutter, mark = any_colour(rng), _PAINTS[int(rng.integers(2))]
        for x in np.arange(first, 22.0, step):
            scene.wall(float(x) - 0.2, float(x) + 3.0, back - 0.02, 0, 3.5, (52, 54, 56))
            scene.face(
                float(x), float(x) + 2.8, back - 0.03, 0, 3.3, ribbed(rng, shutter, count=16, metres=4.0, upright=False)
            )
            scene.stroke((float(x) - 0.4, 0, road), (float(x) - 0.4, 0, back), 0.12, mark)
        scene.stains(-12, 14, path, back, 36)
        scene.lattice(-40, first - 2, back, high, tinted(rng, (120, 124, 126)), 0.035)
        for z in (path, road):
            scene.ground(-60, 60, z - 0.06, z + 0.06, mark)
        _shadow_across(scene, near, back)
        return scene.photograph()

    wide, side = reach(view, road), reach(view, back) + 2.5
    return Place(
        "loading_dock", view, paint,
        walkable=(Area(-side, side, near - 1.5, back - 0.4),),
        zones={
            "footpath": across(view, near + 0.3, path - 0.1),
            "road": across(view, path + 0.2, road - 0.2),
            "dock": Area(first, wide, road + 0.1, back - 0.1).corners,
            "gate": Area(first, first + 2.8, back - 2.4, back - 0.1).corners,
            "fence": Area(-wide, first - 2.0, back - 2.4, back - 0.1).corners,
        },
        lines={"kerb": line_at(view, path), "dock line": line_at(view, road)},
        drivable=(Area(-side - 4, side + 4, path + 1.2, road - 1.0),),
        fence=(((-wide, back), (first - 2, back)), high),
        one_way=(1.0, 0.0),
        trees=_trees(rng, back + 6, 1),
    )  # fmt: skip


def _houses(scene: Decorator, z: float, door: float, high: float) -> None:
    """A row of fronts, each of its own material; one door where it is wanted, windows elsewhere."""
    rng, x = scene.rng, -36.0
    while x < 36:
        wide = float(rng.uniform(6, 11))
        scene.face(x, x + wide, z, 0, high + float(rng.uniform(-2, 2)), walled(rng, tinted(rng, _BRICK, 2.0)))
        x += wide
    for at in np.arange(-22.0, 22.0, float(rng.uniform(2.6, 4.0))):
        for low in (1.0, 4.0):
            if abs(at + 0.7 - door) > 1.9:
                if low < 2 and rng.uniform() < 0.25:
                    scene.picture(float(at), float(at) + 1.9, z - 0.04, 0.6, 2.4)
                else:
                    scene.window(float(at), float(at) + 1.3, z - 0.04, low, low + 1.6)
    scene.door(door - 0.6, door + 0.6, z - 0.05, 2.2, any_colour(rng))


def _fenced(scene: Decorator, z: float, high: float, gate: float) -> None:
    """A fence across the picture with a gate in it."""
    colour = tinted(scene.rng, (106, 112, 114))
    scene.lattice(-40, gate - 1.6, z, high, colour, 0.035)
    scene.lattice(gate + 1.6, 40, z, high, colour, 0.035)
    scene.lattice(gate - 1.5, gate + 1.5, z, high, any_colour(scene.rng), 0.05)


def _shadow_across(scene: Decorator, near: float, far: float) -> None:
    """Half of the time a building behind the camera or beside the picture throws its shadow."""
    rng = scene.rng
    if rng.uniform() < 0.5:
        return
    left, right = sorted(float(x) for x in rng.uniform(-16, 16, 2))
    lean = float(rng.uniform(-4, 4))
    until = float(rng.uniform(near, far))
    scene.cast(((left, 0.8), (right, 0.8), (right + lean, until), (left + lean, until)), float(rng.uniform(0.62, 0.85)))


def _trees(rng: np.random.Generator, z: float, at_most: int) -> tuple[Tree, ...]:
    """Trees that sway, behind everything."""
    count = int(rng.integers(at_most + 1))
    return tuple(
        Tree(float(rng.uniform(-14, 14)), z, float(rng.uniform(3.8, 6.2)), int(rng.integers(30, 60)))
        for _ in range(count)
    )
