"""Bags on backs, in hands and on the ground, chairs, and smoke."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pipeline.scenes.draw import Brush, Drawn, Layer, haze, shade
from pipeline.scenes.looks import Look, Style
from pipeline.scenes.people import light_in_picture
from pipeline.scenes.poses import ARMS, CHEST, NECK, PELVIS, joints
from pipeline.scenes.script import Pose
from pipeline.scenes.solids import Points, around, block, draw_block, placed, shadow_of
from pipeline.scenes.view import View

_SIZES = {"suitcase": (0.22, 0.12), "backpack": (0.11, 0.16), "handbag": (0.15, 0.06)}
"""Half of the depth along the way, half of the width across, metres."""
_STRAP = (30, 28, 28)
_NUM_PUFFS = 26
_PUFF_SECONDS = 4.5
_RISE = 0.62
"""Metres a second, at spread 1."""


def draw_bag(
    brush: Brush, view: View, label: str, look: Look, pose: Pose, bearer: Look | None, *, has_sun: bool
) -> Drawn | None:
    """A bag where its bringer carries it, or on the ground beside where they stood."""
    style = look.style or Style()
    local = _bag(label, look.height, style.shape)
    is_left = pose.action == "left" or bearer is None
    local += (0.32, -0.25, 0.0) if is_left else _held_at(label, look, pose, bearer or look)
    world = placed(local, pose)
    pixels = view.project(world)
    layer = Layer(brush.pixels, around(pixels, 0.18))
    if layer.is_empty:
        return None
    if is_left:
        flat = view.project(shadow_of(world, has_sun, style.sun))
        brush.shadow([flat], 0.0, style.shadow)
    scale = float(pixels[4, 2])
    top = pixels[4:, :2].mean(axis=0)
    if label == "handbag":
        layer.ring(np.stack([pixels[4:6].mean(axis=0)[:2], top - (0, scale * 0.16), pixels[6:8].mean(axis=0)[:2]]),
                   scale * 0.025, _STRAP)  # fmt: skip
    draw_block(layer, pixels, look.shirt, look.shirt)
    if label == "suitcase":
        layer.line(top, top - (0, scale * 0.08), scale * 0.05, _STRAP)
    if label == "backpack":
        low, high = pixels[:4, :2].mean(axis=0), pixels[4:, :2].mean(axis=0)
        layer.capsule(
            low * 0.7 + high * 0.3, low * 0.65 + high * 0.35, (scale * 0.09, scale * 0.09), shade(look.shirt, 0.8)
        )
        layer.disc(high, scale * 0.06, shade(look.shirt, 1.1))
    return layer.paste(style, light_in_picture(style))


def draw_chair(brush: Brush, view: View, look: Look, pose: Pose, *, has_sun: bool) -> Drawn | None:
    """A chair, its sitter's back to its own."""
    style = look.style or Style()
    seat = block(0.22, -0.24, 0.22, 0.40, 0.45)
    back = block(-0.22, -0.27, 0.22, 0.45, look.height)
    legs = np.array([(x, y, up) for x in (0.2, -0.24) for y in (0.2, -0.2) for up in (0.0, 0.42)])
    world = placed(np.concatenate([seat, back, legs]) - (0.12, 0.0, 0.0), pose)
    pixels = view.project(world)
    layer = Layer(brush.pixels, around(pixels, 0.05))
    if layer.is_empty:
        return None
    brush.shadow([view.project(shadow_of(world[:16], has_sun, style.sun))], 0.0, style.shadow)
    scale = float(pixels[0, 2])
    for foot in range(16, 24, 2):
        layer.line(pixels[foot], pixels[foot + 1], scale * 0.05, shade(look.shirt, 0.6))
    parts = [pixels[:8], pixels[8:16]]
    for part in parts if math.sin(pose.heading) > 0 else reversed(parts):
        draw_block(layer, part, look.shirt, look.shirt)
    return layer.paste(style, light_in_picture(style))


def draw_smoke(brush: Brush, view: View, look: Look, pose: Pose) -> Drawn | None:
    """Puffs that are born at the ground, rise, drift, grow and thin out; the column takes some seconds to build."""
    style, spread = look.style or Style(), look.height
    born = (np.arange(_NUM_PUFFS) + 0.5) / _NUM_PUFFS * _PUFF_SECONDS
    age = (pose.seconds - born) % _PUFF_SECONDS
    is_out = (pose.seconds > born) & (age < _PUFF_SECONDS - 0.05)
    if not is_out.any():
        return None
    old = age / _PUFF_SECONDS
    own = np.sin((np.arange(_NUM_PUFFS) + 1) * (2.3 + style.beat))
    drift = (style.shape - 0.5) * 1.6
    sway = 0.25 * np.sin(1.1 * pose.seconds + 3 * old + style.beat) * old
    up = (0.1 + _RISE * age * (0.8 + 0.2 * own)) * spread
    x = pose.x + (drift * old**1.4 + sway + 0.3 * own * (0.3 + old)) * spread
    world = np.stack([x, up, np.full(_NUM_PUFFS, pose.z)], axis=1)
    pixels = view.project(world)
    radii = pixels[:, 2] * spread * (0.42 + 0.8 * old + 0.14 * own)
    thick = (0.8 - 0.35 * style.way) * np.clip(age * 2, 0, 1) * (1 - old) ** 0.6 * (0.75 + 0.25 * own)
    return haze(
        brush.pixels, pixels[is_out, :2], radii[is_out], thick[is_out], look.shirt, (pose.seconds * 0.5, style.weave[0])
    )


def _bag(label: str, tall: float, shape: float) -> Points:
    deep, half = _SIZES[label]
    wider = 0.85 + 0.35 * shape
    return block(deep * wider, -deep * wider, half * wider, 0.0, tall, 0.04 if label == "backpack" else 0.02)


def _held_at(label: str, look: Look, pose: Pose, bearer: Look) -> tuple[float, float, float]:
    """The bag's foot point around its bringer's feet: at the right hand, or behind the shoulders."""
    body = joints(bearer, replace(pose, action=pose.doing or "walk"))
    if label == "backpack":
        chest = body[CHEST] - (body[NECK] * 0.85 + body[PELVIS] * 0.15)
        behind = chest / max(float(np.linalg.norm(chest)), 1e-9)
        middle = body[NECK] * 0.6 + body[PELVIS] * 0.4 - behind * (0.11 + 0.09 * bearer.height / 1.7)
        return float(middle[0]), float(middle[1]), max(float(middle[2]) - look.height / 2, 0.0)
    hand = body[ARMS[1][2]]
    drop = look.height + (0.16 if label == "handbag" else 0.05)
    return float(hand[0]), float(hand[1]) - 0.04, max(float(hand[2]) - drop, 0.0)
