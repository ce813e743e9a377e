"""Places under a roof: corridor, shop, living room, office, warehouse, stairs hall.

As in `outdoors`, what is painted stands behind or beside where people walk.
"""

from __future__ import annotations

import numpy as np

from pipeline.contracts.values import Image
from pipeline.scenes.decor import Decorator
from pipeline.scenes.draw import shade
from pipeline.scenes.materials import any_colour, floored, rough, tinted, walled
from pipeline.scenes.place import Area, Place, aimed, reach
from pipeline.scenes.script import Colour
from pipeline.scenes.view import View

_FLOOR: Colour = (148, 138, 124)
_WALL: Colour = (190, 186, 176)
_CEILING: Colour = (214, 212, 206)
_WOOD: Colour = (132, 96, 64)
_LIT: Colour = (252, 250, 242)


def corridor(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Doors on both sides, one at the end, lamps, a mark across the floor."""
    near = float(rng.uniform(2.4, 3.4))
    half, far = float(rng.uniform(1.5, 2.6)), near + float(rng.uniform(11, 16))
    view = aimed(rng, size, float(rng.uniform(2.5, 3.2)), float(rng.uniform(66, 84)), near, far)
    door, mark = near + float(rng.uniform(3.5, 5.5)), near + float(rng.uniform(2.2, 3.4))
    side = float(rng.choice([-1.0, 1.0]))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (44, 46, 50))
        _room(scene, half, far, float(rng.uniform(2.8, 3.4)))
        wood = tinted(rng, _WOOD, 2.0)
        scene.door(-0.9, 0.9, far, 2.2, wood)
        scene.side_door(side * half, door, door + 1.1, 2.1, wood)
        for z in np.arange(near, far - 1.5, float(rng.uniform(2.4, 4.0))):
            other = float(z) + float(rng.uniform(0, 1))
            if rng.uniform() < 0.6:
                scene.side_door(-side * half, other, other + 1.0, 2.1, wood)
            elif rng.uniform() < 0.7:
                low, colour = float(rng.uniform(1.0, 1.6)), any_colour(rng)
                scene.side_patch(-side * half * 0.995, other, other + 0.9, low, low + 0.7, colour)
        scene.ground(-half, half, mark - 0.06, mark + 0.06, tinted(rng, (196, 168, 60)))
        scene.stains(-half, half, near, far, 8)
        return scene.photograph(1.5)

    beside = sorted((side * (half - 0.1), side * (half - 1.4)))
    return Place(
        "corridor", view, paint,
        walkable=(Area(0.3 - half, half - 0.3, near - 1.0, far - 0.4),),
        zones={
            "door": Area(beside[0], beside[1], door - 0.4, door + 1.6).corners,
            "far door": Area(-1.2, 1.2, far - 2.2, far - 0.1).corners,
        },
        lines={"mark": ((-half, mark), (half, mark))},
        has_sun=False, indoor=True, one_way=(0.0, 1.0),
    )  # fmt: skip


def shop(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Shelves along the walls, a counter at the back, a door beside it."""
    near = float(rng.uniform(2.6, 3.6))
    half, far = float(rng.uniform(3.0, 4.4)), near + float(rng.uniform(6.5, 9.5))
    view = aimed(rng, size, float(rng.uniform(2.6, 3.6)), float(rng.uniform(66, 86)), near, far)
    counter, high = float(rng.uniform(-half + 1.2, -1.1)), float(rng.uniform(1.7, 2.2))
    door = float(rng.uniform(0.9, half - 0.9))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (50, 52, 56))
        _room(scene, half, far, float(rng.uniform(2.8, 3.6)))
        scene.shelves(-half, door - 1.0, far - 0.1, high, int(rng.integers(3, 6)))
        scene.door(door - 0.6, door + 0.6, far - 0.02, 2.2, tinted(rng, (110, 130, 140), 2.0))
        for side in (-1, 1):
            scene.side_shelves(side * (half - 0.35), near - 1, far - 0.4, high, int(rng.integers(3, 6)))
        scene.block(counter - 1.0, counter + 1.0, far - 1.1, far - 0.6, 0, 1.0, tinted(rng, _WOOD, 2.0))
        scene.block(counter - 0.3, counter + 0.1, far - 1.0, far - 0.8, 1.0, 1.35, (60, 62, 66))
        scene.stains(-half, half, near, far, 6)
        return scene.photograph(1.5)

    return Place(
        "shop", view, paint,
        walkable=(Area(0.7 - half, half - 0.7, near - 1.0, far - 1.3), Area(door - 0.8, door + 0.8, near, far - 0.3)),
        zones={
            "counter": Area(counter - 1.3, counter + 1.3, far - 3.0, far - 1.2).corners,
            "door": Area(door - 0.9, door + 0.9, far - 2.0, far - 0.2).corners,
            "aisle": Area(-0.9, half - 0.8, near + 0.6, far - 3.2).corners,
        },
        lines={"till": ((-half, far - 3.0), (half, far - 3.0))},
        has_sun=False, indoor=True,
    )  # fmt: skip


def living_room(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A sofa, pictures and a window at the back wall, a carpet in the middle, a door."""
    near = float(rng.uniform(1.8, 2.6))
    half, far = float(rng.uniform(2.4, 3.4)), near + float(rng.uniform(3.6, 5.2))
    view = aimed(rng, size, float(rng.uniform(2.4, 2.9)), float(rng.uniform(70, 92)), near, far)
    sofa, door = float(rng.uniform(-half + 1.2, -0.8)), float(rng.uniform(0.95, half - 0.7))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (60, 58, 56))
        _room(scene, half, far, float(rng.uniform(2.6, 3.0)))
        _carpet(scene, near, far, half)
        scene.door(door - 0.45, door + 0.45, far, 2.05, tinted(rng, _WOOD, 2.0))
        left = sofa - float(rng.uniform(0.2, 0.9))
        (scene.window if rng.integers(2) else scene.picture)(left, left + float(rng.uniform(0.8, 1.6)), far, 1.2, 2.1)
        for side in (-1.0, 1.0):
            low, start = float(rng.uniform(0.9, 1.4)), near + float(rng.uniform(0.4, 2.0))
            scene.side_patch(side * half * 0.995, start, start + 1.1, low, low + 0.8, any_colour(rng))
        cloth = any_colour(rng, saturation=0.8)
        scene.block(sofa - 1.0, sofa + 1.0, far - 0.3, far - 0.05, 0, 0.85, shade(cloth, 0.8))
        scene.block(sofa - 1.0, sofa + 1.0, far - 0.85, far - 0.3, 0, 0.42, cloth)
        for x in (sofa - 1.1, sofa + 1.0):
            scene.block(x, x + 0.15, far - 0.85, far - 0.1, 0, 0.6, shade(cloth, 0.9))
        for x in (sofa - 0.6, sofa + 0.3):
            scene.wall(x, x + 0.4, far - 0.35, 0.42, 0.8, any_colour(rng))
        scene.bush(half - 0.4, far - 0.4, float(rng.uniform(0.6, 1.3)))
        return scene.photograph(1.5)

    return Place(
        "living_room", view, paint,
        walkable=(Area(0.4 - half, half - 0.4, near - 0.8, far - 1.0), Area(door - 0.45, door + 0.45, near, far - 0.2)),
        zones={
            "door": Area(door - 0.8, door + 0.8, far - 1.9, far - 0.2).corners,
            "sofa": Area(sofa - 1.2, sofa + 1.2, far - 1.8, far - 0.8).corners,
            "carpet": Area(-1.0, 1.0, near + 0.8, far - 1.3).corners,
        },
        lines={"middle": ((-half, (near + far) / 2), (half, (near + far) / 2))},
        has_sun=False, indoor=True,
    )  # fmt: skip


def office(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Desks with screens along the walls, windows and a door at the back."""
    near = float(rng.uniform(2.2, 3.2))
    half, far = float(rng.uniform(2.8, 4.0)), near + float(rng.uniform(5.5, 8.5))
    view = aimed(rng, size, float(rng.uniform(2.5, 3.1)), float(rng.uniform(68, 90)), near, far)
    door = float(rng.uniform(-half + 1.2, half - 1.2))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (56, 58, 60))
        _room(scene, half, far, float(rng.uniform(2.6, 3.1)))
        scene.door(door - 0.5, door + 0.5, far, 2.1, tinted(rng, _WOOD, 2.0))
        for x in np.arange(-half + 0.3, half - 1.2, 1.5):
            if abs(x + 0.5 - door) > 1.2:
                (scene.window if rng.uniform() < 0.7 else scene.picture)(float(x), float(x) + 1.0, far, 1.0, 2.2)
        top = tinted(rng, (178, 164, 146), 1.5)
        for side in (-1, 1):
            inner, outer = sorted((side * half, side * (half - 0.75)))
            for z in np.arange(far - 1.6, near - 0.5, -1.9):
                scene.block(inner, outer, float(z), float(z) + 1.5, 0, 0.74, top)
                x = side * (half - 0.3)
                scene.block(x - 0.1, x + 0.1, float(z) + 0.4, float(z) + 1.0, 0.74, 1.15, (40, 42, 46))
                scene.block(x - 0.25, x - 0.1, float(z) + 0.1, float(z) + 0.3, 0.74, 0.86, any_colour(rng))
        scene.stains(-half, half, near, far, 4)
        return scene.photograph(1.5)

    return Place(
        "office", view, paint,
        walkable=(Area(1.05 - half, half - 1.05, near - 1.0, far - 0.4),),
        zones={
            "door": Area(door - 1.0, door + 1.0, far - 2.0, far - 0.1).corners,
            "desk": Area(half - 2.2, half - 1.0, near + 1.2, far - 1.0).corners,
        },
        lines={"threshold": ((door - 1.6, far - 2.2), (door + 1.6, far - 2.2))},
        has_sun=False, indoor=True, one_way=(0.0, 1.0),
    )  # fmt: skip


def warehouse(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """Racks along an aisle, a gate at its end, marked lanes on the floor."""
    near = float(rng.uniform(4.0, 5.5))
    half, far = float(rng.uniform(3.2, 4.6)), near + float(rng.uniform(10, 14))
    view = aimed(rng, size, float(rng.uniform(3.5, 6.5)), float(rng.uniform(58, 76)), near, far)
    lane, stop = float(rng.uniform(0.9, 1.4)), near + float(rng.uniform(3.5, 5.5))

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (58, 60, 64))
        _room(scene, half + 1.6, far, float(rng.uniform(6.5, 9.0)))
        scene.face(-1.9, 1.9, far - 0.02, 0, 3.4, walled(rng, tinted(rng, (120, 124, 130), 2.0)))
        for side in (-1, 1):
            scene.side_shelves(
                side * half, near - 2.5, far - 1.0, float(rng.uniform(3.5, 5.5)), int(rng.integers(3, 5))
            )
            steel = tinted(rng, (60, 84, 140), 2.0)
            for z in np.arange(near - 2, far - 0.8, 2.6):
                scene.stroke((side * half * 0.98, 0, float(z)), (side * half * 0.98, 4.6, float(z)), 0.1, steel)
        mark = tinted(rng, (214, 178, 58))
        for x in (-lane - 0.3, half - 0.5):
            scene.stroke((x, 0, near - 2), (x, 0, far), 0.09, mark)
        scene.ground(-lane - 0.3, half - 0.5, stop - 0.06, stop + 0.06, mark)
        scene.stains(-half, half, near, far, 24)
        return scene.photograph()

    return Place(
        "warehouse", view, paint,
        walkable=(Area(0.4 - half, half - 0.4, near - 1.0, far - 0.5),),
        zones={
            "rack": Area(-half + 0.1, -half + 1.8, near + 1.0, far - 1.5).corners,
            "gate": Area(-1.9, 1.9, far - 2.6, far - 0.1).corners,
            "footpath": Area(-half + 0.3, -lane - 0.3, near + 0.5, far - 0.5).corners,
            "road": Area(-lane - 0.2, half - 0.5, near + 0.5, far - 0.5).corners,
        },
        lines={"stop line": ((-half, stop), (half, stop))},
        drivable=(Area(0.6 - lane, half - 1.2, near + 0.5, far - 0.6),),
        has_sun=False, indoor=True, one_way=(0.0, 1.0),
    )  # fmt: skip


def stairs_hall(rng: np.random.Generator, size: tuple[int, int]) -> Place:
    """A hall with stairs up at the back between two railings, an entrance beside them, columns at the walls."""
    near = float(rng.uniform(3.6, 5.0))
    half, far = float(rng.uniform(4.5, 6.0)), near + float(rng.uniform(7.5, 10.0))
    view = aimed(rng, size, float(rng.uniform(3.2, 5.5)), float(rng.uniform(60, 80)), near, far)
    stairs, wide, door = (
        float(rng.uniform(-2.4, -1.4)),
        float(rng.uniform(1.2, 1.8)),
        float(rng.uniform(1.6, half - 1.2)),
    )

    def paint(view: View, rng: np.random.Generator) -> Image:
        scene = Decorator(view, rng, (60, 62, 64))
        _room(scene, half, far + 2.4, float(rng.uniform(4.5, 6.5)))
        scene.face(stairs + wide + 0.2, half, far, 0, 6, walled(rng, tinted(rng, _WALL)))
        scene.face(-half, stairs - wide - 0.2, far, 0, 6, walled(rng, tinted(rng, _WALL)))
        stone = rough(rng, tinted(rng, (160, 154, 144)), 5)
        for step in range(7, -1, -1):
            z = far + step * 0.3
            scene.floor(stairs - wide, stairs + wide, z, z + 0.3, stone, up=0.17 * (step + 1))
            scene.wall(
                stairs - wide,
                stairs + wide,
                z,
                0.17 * step,
                0.17 * (step + 1),
                shade(tinted(rng, (126, 122, 114), 0.2), 0.8),
            )
        for x in (stairs - wide, stairs + wide):
            scene.stroke((x, 0.9, far), (x, 2.3, far + 2.4), 0.07, (70, 72, 76))
            scene.stroke((x, 0, far), (x, 0.9, far), 0.07, (70, 72, 76))
        scene.door(door - 1.0, door + 1.0, far - 0.02, 2.4, tinted(rng, (96, 116, 124), 2.0))
        for x in np.arange(stairs + wide + 0.6, door - 1.4, 1.5):
            scene.picture(float(x), float(x) + 0.9, far - 0.02, 1.2, 2.4)
        for x in (-half + 0.2, half - 0.2):
            scene.post(x, far - 0.4, 6, 0.4, tinted(rng, (170, 166, 158)))
        return scene.photograph(1.5)

    inner = min(half - 0.7, reach(view, far) + 1)
    return Place(
        "stairs_hall", view, paint,
        walkable=(Area(-inner, inner, near - 1.0, far - 0.4),),
        zones={
            "stairs": Area(stairs - wide, stairs + wide, far - 2.0, far - 0.1).corners,
            "door": Area(door - 1.0, door + 1.0, far - 1.5, far - 0.1).corners,
        },
        lines={"threshold": ((door - 1.6, far - 2.2), (door + 1.6, far - 2.2))},
        has_sun=False, indoor=True, one_way=(0.0, 1.0),
    )  # fmt: skip


def _room(scene: Decorator, half: float, far: float, high: float) -> None:
    """Floor, ceiling with lamps, three walls with a skirting."""
    rng, high = scene.rng, max(high, scene.camera_m + 0.3)
    colour, made_of = tinted(rng, _WALL, 1.5), walled(rng, tinted(rng, _WALL, 1.5))
    scene.floor(-half, half, 0.3, far, rough(rng, tinted(rng, _CEILING, 0.6), 4), up=high)
    scene.face(-half, half, far, 0, high, made_of)
    for x in (-half, half):
        scene.side(x, 0.3, far, 0, high, made_of)
    scene.floor(-half, half, 0.3, far, floored(rng, tinted(rng, _FLOOR, 1.5)))
    skirting = shade(colour, float(rng.uniform(0.4, 1.1)))
    for x in (-half, half):
        scene.side_patch(x * 0.995, 1, far, 0, 0.14, skirting)
    scene.wall(-half, half, far - 0.01, 0, 0.14, skirting)
    _lamps(scene, half, far, high)


def _lamps(scene: Decorator, half: float, far: float, high: float) -> None:
    """In the ceiling, and their light on the floor."""
    rng = scene.rng
    gap, wide = float(rng.uniform(2.0, 3.6)), float(rng.uniform(0.15, 0.6))
    columns = [0.0] if half < 2.8 else [-half / 2, half / 2]
    for z in np.arange(1.5, far - 1, gap):
        for x in columns:
            up, end = high - 0.01, float(z) + 0.9
            left, right = x - wide, x + wide
            scene.patch(((left, up, float(z)), (right, up, float(z)), (right, up, end), (left, up, end)), _LIT)
            around = np.linspace(0, 2 * np.pi, 14)[:-1]
            pool = tuple((x + 1.0 * float(np.cos(a)), float(z) + 0.8 * float(np.sin(a))) for a in around)
            scene.cast(pool, float(rng.uniform(1.03, 1.1)))


def _carpet(scene: Decorator, near: float, far: float, half: float) -> None:
    rng = scene.rng
    wide, start = float(rng.uniform(0.5, 0.8)) * half, near + float(rng.uniform(0.3, 0.9))
    scene.floor(
        -wide, wide, start, far - 1.0, rough(rng, any_colour(rng, saturation=0.8), float(rng.uniform(6, 16)), 2.0)
    )
    scene.outline(Area(-wide + 0.1, wide - 0.1, start + 0.1, far - 1.1).corners, 0.05, any_colour(rng))
