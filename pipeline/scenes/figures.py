"""The plain people, dogs, cars and bags of the first scenes, and the way to the varied ones.

Each is a handful of points in metres around its place on the ground, projected at once; a person's come from
a gait whose phase is the distance walked, so that feet do not slide.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.contracts.values import Box
from pipeline.scenes.animals import draw_beast, draw_bird
from pipeline.scenes.bags import draw_bag, draw_chair, draw_smoke
from pipeline.scenes.draw import Brush, Drawn, shade
from pipeline.scenes.people import draw_person
from pipeline.scenes.script import Actor, Colour, Pose
from pipeline.scenes.solids import Points, around, block, draw_block, placed, shadow_of, wheel
from pipeline.scenes.vehicles import VehiclePainter
from pipeline.scenes.view import View

_SHADOW_FACTOR = 0.62
_TYRE: Colour = (26, 26, 28)
_GLASS: Colour = (58, 72, 86)
_LAMP: Colour = (236, 226, 190)


def draw_actor(brush: Brush, view: View, actor: Actor, pose: Pose, *, has_sun: bool) -> Box:
    """Draw one actor with its shadow; the box around it in pixels, not yet cut at the picture's edge, and empty where
    a varied actor is outside the picture."""
    drawn = draw_figure(brush, view, actor, pose, has_sun=has_sun)
    return Box(0.0, 0.0, 0.0, 0.0) if drawn is None else drawn if isinstance(drawn, Box) else drawn.box


def draw_figure(brush: Brush, view: View, actor: Actor, pose: Pose, *, has_sun: bool) -> Drawn | Box | None:
    """Draw one actor with its shadow. A plain figure gives its box, a varied one also what it covers; None where
    nothing of a varied one is in the picture."""
    if actor.look.style is not None:
        return _varied(brush, view, actor, pose, has_sun)
    if actor.label == "person":
        return _person(brush, view, actor, pose, has_sun)
    if actor.label == "car":
        return _car(brush, view, actor, pose)
    if actor.label == "dog":
        return _dog(brush, view, actor, pose, has_sun)
    return _bag(brush, view, actor, pose, has_sun)


def _varied(brush: Brush, view: View, actor: Actor, pose: Pose, has_sun: bool) -> Drawn | None:
    label, look = actor.label, actor.look
    if label == "person":
        return draw_person(brush.pixels, view, look, pose, has_sun=has_sun)
    if label in ("dog", "cat"):
        return draw_beast(brush, view, look, pose, is_cat=label == "cat", has_sun=has_sun)
    if label == "bird":
        return draw_bird(brush, view, look, pose, has_sun=has_sun)
    if label == "smoke":
        return draw_smoke(brush, view, look, pose)
    if label == "chair":
        return draw_chair(brush, view, look, pose, has_sun=has_sun)
    if label in ("backpack", "suitcase", "handbag"):
        return draw_bag(brush, view, label, look, pose, actor.bearer, has_sun=has_sun)
    painter = VehiclePainter(brush, view, look, pose, has_sun=has_sun)
    paint = {"truck": painter.truck, "bicycle": painter.bicycle, "motorcycle": painter.motorcycle}
    return paint.get(label, painter.car)()


# Joints of a person, in the order `_joints` gives them; then the strokes between them.
_HEAD, _NECK, _PELVIS = 0, 1, 2
_SHOULDERS, _HIPS = (3, 4), (5, 6)
_LEGS = ((5, 7, 8, 9), (6, 10, 11, 12))
_ARMS = ((3, 13, 14), (4, 15, 16))
_REACH = np.array([0.072, 0.05, 0.08, 0.05, 0.05, 0.06, 0.06, *(0.04, 0.025, 0.02) * 2, *(0.03, 0.025) * 2])


def _joints(height: float, pose: Pose) -> Points:
    """(17, 3) of (forward, left, up), metres: head, neck, pelvis, shoulders, hips, legs, arms."""
    is_running, is_moving = pose.action == "run", pose.action in ("walk", "run")
    stride = height * (1.45 if is_running else 0.88)
    phase = 2 * math.pi * pose.travelled / stride
    swing = (0.75 if is_running else 0.42) if is_moving else 0.0
    flexed = (1.5 if is_running else 0.75) if is_moving else 0.0
    lean = 0.06 if is_running else 0.015
    joints = np.zeros((17, 3))
    joints[_HEAD] = lean * 1.6, 0.0, 0.925
    joints[_NECK] = lean, 0.0, 0.83
    joints[_PELVIS] = 0.0, 0.0, 0.50
    for side, sign in ((0, 1.0), (1, -1.0)):
        joints[_SHOULDERS[side]] = lean, sign * 0.115, 0.80
        joints[_HIPS[side]] = 0.0, sign * 0.055, 0.50
        leg = phase + side * math.pi
        thigh = swing * math.sin(leg)
        shin = thigh - flexed * max(0.0, math.cos(leg))
        _bend(joints, _LEGS[side][:3], (0.245, thigh), (0.235, shin))
        joints[_LEGS[side][3]] = joints[_LEGS[side][2]] + (0.075, 0.0, -0.012)
        upper = -0.8 * thigh
        _bend(joints, _ARMS[side], (0.165, upper), (0.155, upper + (1.4 if is_running else 0.25)))
        joints[list(_ARMS[side][1:]), 1] += sign * 0.02
    joints[:, 2] -= joints[[leg[3] for leg in _LEGS], 2].min() - 0.01
    return joints * height


def _bend(joints: Points, chain: tuple[int, ...], upper: tuple[float, float], lower: tuple[float, float]) -> None:
    """Hang two bones of (length, angle from straight down) on the first joint of the chain."""
    for parent, child, (length, angle) in zip(chain, chain[1:], (upper, lower), strict=False):
        joints[child] = joints[parent] + (length * math.sin(angle), 0.0, -length * math.cos(angle))


def _person(brush: Brush, view: View, actor: Actor, pose: Pose, has_sun: bool) -> Box:
    height, look = actor.look.height, actor.look
    world = placed(_joints(height, pose), pose)
    pixels = view.project(world)
    size = float(pixels[_PELVIS, 2]) * height
    _person_shadow(brush, view.project(shadow_of(world, has_sun)), size)
    far = int(pixels[_HIPS[1], 2] < pixels[_HIPS[0], 2])
    _limb(brush, pixels, _ARMS[far], size * 0.048, shade(look.shirt, 0.7), look.skin)
    _limb(brush, pixels, _LEGS[far], size * 0.066, shade(look.trousers, 0.75), _TYRE)
    _limb(brush, pixels, _LEGS[1 - far], size * 0.066, look.trousers, _TYRE)
    brush.line(pixels[_PELVIS], pixels[_NECK] * 0.85 + pixels[_PELVIS] * 0.15, size * 0.135, look.shirt)
    brush.polygon(pixels[[_SHOULDERS[0], _SHOULDERS[1], _HIPS[1], _HIPS[0]]], look.shirt)
    brush.line(pixels[_SHOULDERS[0]], pixels[_SHOULDERS[1]], size * 0.085, look.shirt)
    _limb(brush, pixels, _ARMS[1 - far], size * 0.048, shade(look.shirt, 0.88), look.skin)
    _head(brush, pixels, pose, size, look.skin, look.hair)
    return around(pixels, _REACH * height)


def _person_shadow(brush: Brush, flat: Points, size: float) -> None:
    strokes = [flat[list(leg[:3])] for leg in _LEGS] + [flat[[_PELVIS, _NECK, _HEAD]]]
    brush.darken(strokes, [size * 0.07, size * 0.07, size * 0.16], _SHADOW_FACTOR)


def _limb(brush: Brush, pixels: Points, chain: tuple[int, ...], width_px: float, colour: Colour, end: Colour) -> None:
    """Upper and lower bone, tapering; the last stretch (shoe, hand) in its own colour."""
    brush.line(pixels[chain[0]], pixels[chain[1]], width_px, colour)
    brush.line(pixels[chain[1]], pixels[chain[2]], width_px * 0.8, colour)
    if len(chain) > 3:
        brush.line(pixels[chain[2]], pixels[chain[3]], width_px * 0.7, end)
    else:
        brush.disc(pixels[chain[2]], width_px * 0.5, end)


def _head(brush: Brush, pixels: Points, pose: Pose, size: float, skin: Colour, hair: Colour) -> None:
    brush.line(pixels[_NECK], pixels[_HEAD], size * 0.055, skin)
    brush.disc(pixels[_HEAD], size * 0.066, hair)
    if math.sin(pose.heading) < 0.5:
        face = pixels[_HEAD, :2] + (size * 0.02 * math.cos(pose.heading), size * 0.018)
        brush.disc(face, size * 0.052, skin)


def _car(brush: Brush, view: View, actor: Actor, pose: Pose) -> Box:
    paint = actor.look.shirt
    body = placed(block(2.1, -2.1, 0.86, 0.32, 0.86, 0.08), pose)
    cabin = placed(block(0.95, -1.7, 0.76, 0.84, 1.45, 0.42), pose)
    under = placed(block(2.15, -2.15, 0.95, 0.0, 0.0), pose)
    parts = [view.project(part) for part in (body, cabin, under)]
    brush.darken([parts[2][:4]], [0.0], 0.5)
    wheels = [wheel(view, pose, x, y) for x in (1.32, -1.32) for y in (0.84, -0.84)]
    wheels.sort(key=lambda rim: float(rim[0, 2]))
    for rim in wheels:
        brush.polygon(rim, _TYRE)
    draw_block(brush, parts[0], paint, paint)
    draw_block(brush, parts[1], paint, _GLASS)
    for rim in wheels[2:]:
        brush.polygon(rim, _TYRE)
        brush.disc(rim.mean(axis=0), float(rim[0, 2]) * 0.15, (120, 122, 126))
    _lamps(brush, view, pose)
    return around(np.concatenate([*parts[:2], *wheels]), 0.0)


def _lamps(brush: Brush, view: View, pose: Pose) -> None:
    """Head lamps when the front faces the camera, tail lamps when the back does."""
    towards_camera = -(pose.x * math.cos(pose.heading) + pose.z * math.sin(pose.heading))
    if abs(towards_camera) < 2.1:
        return
    is_front_seen = towards_camera > 0
    forward = math.copysign(2.09, towards_camera)
    for lamp in view.project(placed(np.array([(forward, 0.62, 0.66), (forward, -0.62, 0.66)]), pose)):
        brush.disc(lamp, lamp[2] * 0.10, _LAMP if is_front_seen else (196, 40, 36))


def _dog(brush: Brush, view: View, actor: Actor, pose: Pose, has_sun: bool) -> Box:
    tall, coat = actor.look.height, actor.look.shirt
    phase = 2 * math.pi * pose.travelled / 0.7
    reach = 0.12 if pose.action == "walk" else 0.0
    feet = [
        (x + reach * math.sin(phase + turn), y, 0.02)
        for x, y, turn in ((0.28, 0.08, 0.0), (0.28, -0.08, math.pi), (-0.28, 0.08, math.pi), (-0.28, -0.08, 0.0))
    ]
    wag = 0.06 * math.sin(phase * 1.7)
    trunk = [(0.30, 0.0, tall * 0.72), (-0.30, 0.0, tall * 0.70), (0.46, 0.0, tall * 0.98), (0.58, 0.0, tall * 0.92)]
    world = placed(np.array([*feet, *trunk, (-0.50, wag, tall * 0.95)]), pose)
    pixels, flat = view.project(world), view.project(shadow_of(world, has_sun))
    scale = float(pixels[4, 2])
    brush.darken([flat[[4, 5]], flat[[4, 0]], flat[[5, 2]]], [scale * 0.2, scale * 0.06, scale * 0.06], _SHADOW_FACTOR)
    for foot, hip in ((0, 4), (1, 4), (2, 5), (3, 5)):
        brush.line(pixels[hip], pixels[foot], scale * 0.07, shade(coat, 0.8))
    brush.line(pixels[4], pixels[5], scale * 0.22, coat)
    brush.line(pixels[4], pixels[6], scale * 0.13, coat)
    brush.line(pixels[6], pixels[7], scale * 0.12, shade(coat, 1.15))
    brush.line(pixels[5], pixels[8], scale * 0.05, coat)
    return around(pixels, np.array([0.03] * 4 + [0.11, 0.11, 0.07, 0.06, 0.03]))


def _bag(brush: Brush, view: View, actor: Actor, pose: Pose, has_sun: bool) -> Box:
    """A suitcase hangs from the hand, a backpack on the back; both stand on the ground when put down."""
    tall, colour = actor.look.height, actor.look.shirt
    if actor.label == "suitcase":
        forward, left, lift, deep, half = 0.0, -0.30, 0.22, 0.24, 0.11
    else:
        forward, left, lift, deep, half = -0.20, 0.0, 0.98, 0.11, 0.16
    if pose.action == "left":
        forward, left, lift = 0.32, -0.25, 0.0
    local = block(forward + deep, forward - deep, half, lift, lift + tall, 0.03)
    local[:, 1] += left
    world = placed(local, pose)
    pixels = view.project(world)
    if pose.action == "left":
        flat = view.project(shadow_of(world, has_sun))
        brush.darken([flat[[0, 1, 2, 3]], flat[[0, 4, 5, 1]], flat[[1, 5, 6, 2]]], [0.0] * 3, _SHADOW_FACTOR)
    draw_block(brush, pixels, colour, colour)
    handle = pixels[4:, :2].mean(axis=0)
    brush.line(handle, handle - (0, pixels[4, 2] * 0.07), pixels[4, 2] * 0.04, _TYRE)
    return around(np.vstack([pixels, (*(handle - (0, pixels[4, 2] * 0.07)), 0.0)]), 0.0)
