"""Dogs, cats and birds of varied looks."""

from __future__ import annotations

import math

import numpy as np

from pipeline.scenes.draw import Brush, Drawn, Layer, shade
from pipeline.scenes.looks import Look, Style
from pipeline.scenes.people import light_in_picture
from pipeline.scenes.script import Pose
from pipeline.scenes.solids import around, placed, shadow_of
from pipeline.scenes.view import View

_FLIES_M = 1.6
"""How high a bird flies."""


def draw_beast(brush: Brush, view: View, look: Look, pose: Pose, *, is_cat: bool, has_sun: bool) -> Drawn | None:
    """A dog or a cat: four legs, a trunk, a neck and head with a snout, ears, a tail."""
    style, tall = look.style or Style(), look.height
    long = tall * (0.62 if is_cat else 0.5 + 0.1 * style.shape)
    local = np.concatenate([_feet(pose, tall, long, style.beat), _trunk(pose, tall, long, is_cat=is_cat)])
    world = placed(local, pose)
    pixels = view.project(world)
    layer = Layer(brush.pixels, around(pixels, tall * 0.3))
    if layer.is_empty:
        return None
    flat = view.project(shadow_of(world, has_sun, style.sun))
    scale = float(pixels[4, 2]) * tall
    brush.shadow([flat[[4, 5]], flat[[0, 4]], flat[[2, 5]]], scale * 0.22, style.shadow)
    coat, stout = look.shirt, scale * (0.13 + 0.06 * style.shape)
    for foot, hip, light in ((1, 4, 0.72), (3, 5, 0.72), (0, 4, 0.9), (2, 5, 0.9)):
        layer.capsule(pixels[hip], pixels[foot], (scale * 0.07, scale * 0.04), shade(coat, light))
    layer.capsule(pixels[5], pixels[8], (scale * 0.05, scale * 0.025), shade(coat, 0.85))
    layer.capsule(pixels[4], pixels[5], (stout * 1.05, stout * (1.0 if is_cat else 0.85)), coat)
    layer.capsule(pixels[4], pixels[6], (stout * 0.75, scale * 0.09), coat)
    layer.disc(pixels[6], scale * (0.125 if is_cat else 0.12), shade(coat, 1.08))
    layer.capsule(pixels[6], pixels[7], (scale * 0.09, scale * 0.05), shade(coat, 1.12))
    for ear in (9, 10):
        layer.capsule(pixels[6], pixels[ear], (scale * 0.05, scale * 0.025), shade(coat, 0.8))
    return layer.paste(style, light_in_picture(style))


def draw_bird(brush: Brush, view: View, look: Look, pose: Pose, *, has_sun: bool) -> Drawn | None:
    """A bird: on the ground with its wings closed; when it runs, in the air and beating them."""
    style, tall = look.style or Style(), look.height
    is_flying = pose.action == "run"
    lift = _FLIES_M if is_flying else 0.0
    beat = math.sin(2 * math.pi * 4.5 * pose.seconds + style.beat) if is_flying else 0.0
    bob = 0.06 * math.sin(20 * pose.travelled)
    span, raised = (tall * 1.3, tall * (0.25 + 0.9 * beat)) if is_flying else (0.0, 0.0)
    local = np.array([
        (0.2, 0, 0.62), (-0.28, 0, 0.5), (0.42 + bob, 0, 0.9), (0.62 + bob, 0, 0.87), (-0.75, 0, 0.42),
        (0.02, 0.1, 0.0), (0.02 + bob, -0.1, 0.0), (0.0, 0, 0.6), (0.0, 0, 0.6),
    ]) * tall  # fmt: skip
    local[7:, 1], local[7:, 2] = (span, -span), tall * 0.6 + raised
    local[:, 2] += lift
    world = placed(local, pose)
    pixels = view.project(world)
    layer = Layer(brush.pixels, around(pixels, tall * 0.4))
    if layer.is_empty:
        return None
    scale = float(pixels[0, 2]) * tall
    flat = view.project(shadow_of(world, has_sun, style.sun))
    brush.shadow([flat[[0, 1]]], scale * 0.4, style.shadow)
    coat = look.shirt
    for foot in () if is_flying else (5, 6):
        layer.line(pixels[0] * 0.5 + pixels[1] * 0.5, pixels[foot], scale * 0.05, (150, 96, 70))
    layer.capsule(pixels[1], pixels[4], (scale * 0.14, scale * 0.07), shade(coat, 0.75))
    for wing in (7, 8):
        layer.hull(pixels[[0, 1, wing]], [scale * 0.1, scale * 0.12, scale * 0.04], shade(coat, 0.85))
    layer.capsule(pixels[0], pixels[1], (scale * 0.22, scale * 0.17), coat)
    layer.capsule(pixels[0], pixels[2], (scale * 0.15, scale * 0.11), shade(coat, 0.9))
    layer.line(pixels[2], pixels[3], scale * 0.06, (190, 150, 60))
    return layer.paste(style, light_in_picture(style))


def _feet(pose: Pose, tall: float, long: float, beat: float) -> np.ndarray:
    """Four feet, front left first: diagonal pairs at a walk, front and hind pairs at a run."""
    phase = 2 * math.pi * pose.travelled / (tall * (2.4 if pose.action == "run" else 1.3)) + beat
    reach = {"walk": 0.24, "run": 0.5}.get(pose.action, 0.0) * tall
    turns = (0.0, 0.5, math.pi, math.pi + 0.5) if pose.action == "run" else (0.0, math.pi, math.pi, 0.0)
    feet = []
    for (forward, left), turn in zip(((long, 1), (long, -1), (-long, 1), (-long, -1)), turns, strict=True):
        lift = max(0.0, math.cos(phase + turn)) * reach * 0.35
        feet.append((forward + reach * math.sin(phase + turn), left * tall * 0.13, 0.02 + lift))
    return np.array(feet)


def _trunk(pose: Pose, tall: float, long: float, *, is_cat: bool) -> np.ndarray:
    """Shoulder, hip, head, snout, tail and ears."""
    wag = 0.15 * tall * math.sin(9 * pose.seconds + 5 * pose.travelled)
    head = (long * 1.35, 0.0, tall * (0.88 if is_cat else 1.0))
    snout = 0.16 if is_cat else 0.34
    tail = (-long * 1.5, wag, tall * (1.1 if is_cat else 0.95))
    ears = [(head[0] - 0.02, side * tall * 0.1, head[2] + tall * (0.17 if is_cat else 0.1)) for side in (1, -1)]
    return np.array([
        (long * 0.9, 0.0, tall * 0.68), (-long * 0.9, 0.0, tall * 0.66), head,
        (head[0] + snout * tall, 0.0, head[2] - 0.08 * tall), tail, *ears,
    ])  # fmt: skip
