"""People in any action, dressed by their style: a pose in, a finished figure on the picture out."""

from __future__ import annotations

import math

import numpy as np

from pipeline.contracts.values import Box, Image
from pipeline.scenes.draw import Brush, Drawn, Layer, shade
from pipeline.scenes.looks import Colour, Look, Style
from pipeline.scenes.poses import ARMS, CHEST, HEAD, HIPS, LEGS, NECK, PELVIS, SHOULDERS, joints
from pipeline.scenes.script import Pose
from pipeline.scenes.solids import Points, around, placed, shadow_of
from pipeline.scenes.view import View

_REACH_M = 0.24
"""Beyond the joints: the head, a hat, a coat's hem."""
_BONES = [
    bone
    for (shoulder, elbow, hand), (hip, knee, ankle, toe) in zip(ARMS, LEGS, strict=True)
    for bone in ((elbow, hand), (shoulder, elbow), (ankle, toe), (knee, ankle), (hip, knee))
]
_FROM, _TO = [bone[0] for bone in _BONES], [bone[1] for bone in _BONES]
_RADII = np.array([(0.024, 0.017), (0.034, 0.027), (0.024, 0.018), (0.034, 0.024), (0.052, 0.038)] * 2)
_IS_FLESH = np.array([True, True, False, True, True] * 2)
"""Each side's forearm, upper arm, shoe, shin and thigh: shares of the height at both ends, more on who is stout."""


def draw_person(picture: Image, view: View, look: Look, pose: Pose, *, has_sun: bool) -> Drawn | None:
    """Draw somebody with their shadow; None where nothing of them is in the picture."""
    style = look.style or Style()
    world = placed(joints(look, _turned(pose)), _turned(pose))
    pixels = view.project(world)
    size = float(pixels[PELVIS, 2]) * look.height
    if size < 1:
        return None
    layer = Layer(picture, _area(pixels))
    if layer.is_empty:
        return None
    _shadow(picture, view.project(shadow_of(world, has_sun, style.sun)), size, style)
    figure = _Figure(layer, pixels, size, look, style)
    figure.draw(_facing(view, world, pixels, size))
    return layer.paste(style, light_in_picture(style))


def light_in_picture(style: Style) -> tuple[float, float]:
    """Where the light comes from, to the right and down."""
    return -1.4 * style.sun[0], -0.7


def _turned(pose: Pose) -> Pose:
    """A climber comes down backwards."""
    total = pose.seconds + pose.left_seconds
    if pose.action != "climb" or pose.seconds < 0.62 * total:
        return pose
    return Pose(
        pose.x, pose.z, pose.heading + math.pi, pose.travelled, pose.action, pose.seconds, pose.left_seconds,
        pose.before, pose.how, pose.lift,
    )  # fmt: skip


def _area(pixels: Points) -> Box:
    return around(pixels, _REACH_M)


def _shadow(picture: Image, flat: Points, size: float, style: Style) -> None:
    strokes = [flat[list(leg[:3])] for leg in LEGS] + [flat[[PELVIS, NECK, HEAD]]]
    Brush(picture).shadow(strokes, size * 0.1 * style.bulk, style.shadow)


def _facing(view: View, world: Points, pixels: Points, size: float) -> tuple[float, Points]:
    """How much the chest faces the camera (-1 the back, 1 the front), and the way it faces in the picture."""
    middle = (world[SHOULDERS[0]] + world[SHOULDERS[1]]) / 2 * 0.93 + world[PELVIS] * 0.07
    ahead = world[CHEST] - middle
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    to_camera = np.array([0.0, view.height, 0.0]) - middle
    to_camera /= max(float(np.linalg.norm(to_camera)), 1e-9)
    seen = (pixels[SHOULDERS[0], :2] + pixels[SHOULDERS[1], :2]) / 2 * 0.93 + pixels[PELVIS, :2] * 0.07
    return float(ahead @ to_camera), (pixels[CHEST, :2] - seen) / (0.1 * size)


class _Figure:
    """One person on its layer; `size` is its height in pixels."""

    def __init__(self, layer: Layer, pixels: Points, size: float, look: Look, style: Style) -> None:
        self._layer = layer
        self._pixels = pixels
        self._size = size
        self._look = look
        self._style = style
        self._bulk = size * style.bulk
        ends = np.empty((len(_FROM), 6))
        ends[:, :2], ends[:, 3:5] = pixels[_FROM, :2], pixels[_TO, :2]
        ends[:, [2, 5]] = _RADII * np.where(_IS_FLESH, self._bulk, size)[:, None]
        self._limbs = layer.limbs(ends)

    def draw(self, facing: tuple[float, Points]) -> None:
        """Far to near: arms behind the trunk, the legs, the trunk, arms in front of it, the head."""
        front, ahead = facing
        near = self._pixels[:, 2]
        far_leg = int(near[LEGS[1][1]] < near[LEGS[0][1]])
        behind = [side for side in (0, 1) if near[ARMS[side][1]] + near[ARMS[side][2]] < 2 * near[NECK]]
        is_head_behind = near[HEAD] < near[NECK] and front < -0.7 and abs(ahead[1]) > 0.7
        for side in behind:
            self._arm(side, 0.74)
        if is_head_behind:
            self._head(front, ahead)
        self._leg(far_leg, 0.78)
        self._leg(1 - far_leg, 1.0)
        self._skirt()
        self._trunk(front, ahead)
        self._coat()
        if not is_head_behind:
            self._head(front, ahead)
        for side in (0, 1):
            if side not in behind:
                self._arm(side, 0.9)

    def _arm(self, side: int, light: float) -> None:
        sleeve, skin = shade(self._look.shirt, light), shade(self._look.skin, light)
        if self._style.pattern == "vest":
            sleeve = shade(self._look.trousers, light)
        lower = sleeve if self._style.sleeves > 0.5 else skin
        self._layer.fill(self._limbs[side * 5], lower)
        self._layer.fill(self._limbs[side * 5 + 1], sleeve)
        elbow, hand = self._pixels[ARMS[side][1]], self._pixels[ARMS[side][2]]
        self._layer.disc(hand + (hand - elbow) * 0.12, self._size * 0.021, skin)

    def _leg(self, side: int, light: float) -> None:
        cloth, skin = shade(self._look.trousers, light), shade(self._look.skin, light)
        bare = self._style.lower != "trousers"
        self._layer.fill(self._limbs[side * 5 + 2], shade(self._style.shoes, light))
        self._layer.fill(self._limbs[side * 5 + 3], skin if bare else cloth)
        self._layer.fill(self._limbs[side * 5 + 4], cloth)

    def _trunk(self, front: float, ahead: Points) -> None:
        left, right = self._pixels[SHOULDERS[0]], self._pixels[SHOULDERS[1]]
        hips = self._pixels[list(HIPS)]
        self._layer.line(hips[0], hips[1], self._bulk * 0.116, self._look.trousers)
        middle = self._pixels[PELVIS] * 0.75 + self._pixels[NECK] * 0.25
        points = np.stack([left, right, middle, *(hips * 0.72 + self._pixels[NECK] * 0.28), *hips, self._pixels[NECK]])
        radii = [self._bulk * part for part in (0.045, 0.045, 0.075, 0.06, 0.06, 0.052, 0.052, 0.028)]
        self._layer.hull(points, radii, self._look.shirt)
        self._pattern(points, front, ahead)

    def _pattern(self, points: Points, front: float, ahead: Points) -> None:
        """Stripes, another colour below, a vest, or an open jacket's shirt where the chest shows."""
        style, size = self._style, self._bulk
        neck, pelvis = self._pixels[NECK], self._pixels[PELVIS]
        across = (points[0] - points[1]) / 2
        if style.pattern == "stripes":
            for share in (0.25, 0.5, 0.75):
                spot = neck + (pelvis - neck) * share
                self._layer.line(spot - across * 1.2, spot + across * 1.2, size * 0.035, style.second)
        elif style.pattern == "two_tone":
            self._layer.hull(points[2:7], [size * part for part in (0.077, 0.063, 0.063, 0.054, 0.054)], style.second)
        elif style.pattern == "vest":
            self._layer.hull(points[:5], [size * part for part in (0.042, 0.042, 0.076, 0.061, 0.061)], style.second)
            waist = neck * 0.4 + pelvis * 0.6
            self._layer.line(waist - across * 0.9, waist + across * 0.9, size * 0.03, (206, 208, 204))
        elif style.pattern == "open" and front > 0.2:
            reach = ahead * self._size * 0.05
            self._layer.line(neck[:2] * 0.85 + pelvis[:2] * 0.15 + reach, pelvis[:2] + reach, size * 0.05, style.second)

    def _skirt(self) -> None:
        if self._style.lower == "skirt":
            self._drape(0.85, self._look.trousers)

    def _coat(self) -> None:
        if self._style.coat:
            self._drape(self._style.coat, self._look.shirt)

    def _drape(self, reach: float, colour: Colour) -> None:
        """Cloth around both thighs, down to a share of them."""
        hips = self._pixels[list(HIPS)]
        knees = self._pixels[[LEGS[0][1], LEGS[1][1]]]
        hem = hips + (knees - hips) * reach
        radii = [self._bulk * 0.064] * 2 + [self._bulk * 0.056] * 2
        self._layer.hull(np.concatenate([hips, hem]), radii, colour)

    def _head(self, front: float, ahead: Points) -> None:
        """Neck, hair, face where it shows, hat."""
        style, look = self._style, self._look
        neck, head = self._pixels[NECK, :2], self._pixels[HEAD, :2]
        up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
        radius = self._size * 0.058 * style.head
        self._layer.line(neck, head, self._bulk * 0.06, look.skin)
        cover = {"": look.hair, "long_hair": look.hair, "bald": look.skin}.get(style.hat, style.hat_colour)
        if style.hat in ("long_hair", "hood"):
            self._layer.line(head, neck - up * radius * 0.4, radius * 1.95, cover)
        self._layer.disc(head - up * radius * 0.1, radius, cover)
        self._layer.disc(head + up * radius * 0.3, radius * 0.92, cover)
        if front > -0.45:
            turn = ahead * radius * 0.42
            self._layer.disc(head + turn - up * radius * 0.22, radius * (0.66 + 0.14 * front), look.skin)
            self._layer.disc(head + turn - up * radius * 0.5, radius * 0.55, look.skin)
        if style.hat in ("cap", "helmet"):
            self._layer.disc(head + up * radius * 0.5, radius * (1.0 if style.hat == "cap" else 1.15), cover)
        if style.hat == "cap" and front > -0.6:
            brim = head + up * radius * 0.35
            self._layer.line(brim, brim + ahead * radius * 1.5, radius * 0.4, shade(cover, 0.8))
