"""Cars, lorries, bicycles and motorcycles of varied looks: solids and rods on a layer."""

from __future__ import annotations

import math

import numpy as np

from pipeline.scenes.draw import Brush, Drawn, Layer, shade
from pipeline.scenes.looks import Colour, Look, Style
from pipeline.scenes.people import light_in_picture
from pipeline.scenes.script import Pose
from pipeline.scenes.solids import Points, around, block, draw_block, placed, shadow_of, wheel
from pipeline.scenes.view import View

_TYRE: Colour = (24, 24, 26)
_RIM: Colour = (122, 124, 128)
_GLASS: Colour = (52, 64, 76)
_STEEL: Colour = (70, 72, 76)


class VehiclePainter:
    """Paints one vehicle on its layer."""

    def __init__(self, brush: Brush, view: View, look: Look, pose: Pose, *, has_sun: bool) -> None:
        self._brush = brush
        self._view = view
        self._look = look
        self._style = look.style or Style()
        self._pose = pose
        self._has_sun = has_sun

    def car(self) -> Drawn | None:
        """From a small hatchback to an estate or an off-roader."""
        shape, tall = self._style.shape, self._look.height
        half, wide = 1.8 + 0.65 * shape, 0.82 + 0.12 * shape
        waist = tall * 0.6
        is_saloon = 0.3 < (shape * 7) % 1 < 0.75
        body = block(half, -half, wide, 0.26, waist, 0.08)
        tail = -half * 0.72 if is_saloon else -half + 0.12
        cabin = block(half * 0.45, tail, wide * 0.9, waist - 0.02, tall, 0.5 if is_saloon else 0.3)
        bumper = block(half + 0.03, -half - 0.03, wide * 0.97, 0.22, 0.44)
        layer = self._layer(np.concatenate([body, cabin, bumper]), half * 1.1)
        if layer.is_empty:
            return None
        paint = self._look.shirt
        wheels = self._wheels(half * 0.62, wide - 0.03, 0.3 + 0.06 * shape)
        self._solid(layer, bumper, shade(paint, 0.55), shade(paint, 0.55))
        self._solid(layer, body, paint, paint)
        self._solid(layer, cabin, paint, _GLASS)
        self._wheels_on(layer, wheels)
        self._lamps(layer, half, wide * 0.75, waist * 0.75)
        return layer.paste(self._style, light_in_picture(self._style))

    def truck(self) -> Drawn | None:
        """A lorry with a box behind its cab, a flat bed, or a van of one piece."""
        shape, tall = self._style.shape, self._look.height
        half, wide = 2.6 + 1.4 * shape, 0.98 + 0.2 * shape
        front = half - (1.5 + 0.4 * shape)
        cab = block(half, front, wide * 0.96, 0.4, tall * (0.95 if shape < 0.4 else 0.8), 0.12)
        is_flat = shape > 0.85
        load = block(front - (0.0 if shape < 0.4 else 0.15), -half, wide, 0.7, 1.15 if is_flat else tall)
        frame = block(half - 0.1, -half, wide * 0.8, 0.4, 0.75)
        layer = self._layer(np.concatenate([cab, load, frame]), half * 1.1)
        if layer.is_empty:
            return None
        wheels = self._wheels(half * 0.68, wide * 0.92, 0.42 + 0.08 * shape)
        box = self._look.shirt if shape < 0.4 else self._look.trousers
        self._solid(layer, frame, _STEEL, _STEEL)
        parts = [(cab, self._look.shirt), (load, box)]
        if math.sin(self._pose.heading) < -0.02 or self._to_camera() > 0:
            parts.reverse()
        for part, paint in parts:
            self._solid(layer, part, paint, paint)
            if part is cab and parts[-1][0] is cab:
                self._windows(layer, half, front, wide, tall)
        if parts[0][0] is cab:
            self._windows(layer, half, front, wide, tall, only_sides=True)
        self._wheels_on(layer, wheels)
        self._lamps(layer, half, wide * 0.8, 0.75)
        return layer.paste(self._style, light_in_picture(self._style))

    def bicycle(self) -> Drawn | None:
        """Two rings and a frame."""
        radius = 0.33
        axles = np.array([(0.52, 0.0, radius), (-0.52, 0.0, radius)])
        frame = np.array([
            (0.40, 0.0, 0.82), (-0.14, 0.0, 0.84), (-0.06, 0.0, 0.28), (0.52, 0.0, radius), (-0.52, 0.0, radius),
            (-0.16, 0.0, 0.95), (0.36, 0.0, 1.0), (0.38, 0.24, 1.02), (0.38, -0.24, 1.02),
        ])  # fmt: skip
        layer = self._layer(np.concatenate([frame, axles * 1.7, axles * np.array((1.7, 0.0, 0.0))]), 0.35)
        if layer.is_empty:
            return None
        points = self._view.project(placed(frame, self._pose))
        scale = float(points[0, 2])
        for forward in (0.52, -0.52):
            layer.ring(wheel(self._view, self._pose, forward, 0.0, radius), scale * 0.045, _TYRE)
        for a, b in ((0, 1), (0, 2), (1, 2), (1, 4), (2, 4), (0, 3), (0, 6)):
            layer.line(points[a], points[b], scale * 0.05, self._look.shirt)
        layer.line(points[7], points[8], scale * 0.045, _STEEL)
        layer.line(points[1], points[5], scale * 0.04, _STEEL)
        saddle = points[5, :2] - points[1, :2]
        layer.line(points[5], points[5, :2] + (saddle[1] * 0.8, saddle[1] * 0.1), scale * 0.07, _TYRE)
        return layer.paste(self._style, light_in_picture(self._style))

    def motorcycle(self) -> Drawn | None:
        """Two thick wheels, a tank, an engine, a seat and a lamp."""
        radius = 0.26 + 0.06 * self._style.shape
        tank = block(0.32, -0.12, 0.15, 0.62, 0.9, 0.06)
        seat = block(-0.1, -0.75, 0.14, 0.6, 0.8, 0.05)
        engine = block(0.3, -0.35, 0.16, 0.22, 0.62)
        rods = np.array([(0.72, 0.0, radius), (0.4, 0.0, 0.98), (0.42, 0.34, 1.02), (0.42, -0.34, 1.02),
                         (-0.68, 0.0, radius), (0.52, 0.0, 0.85)])  # fmt: skip
        ends = rods * np.array((1.5, 1.0, 1.0)), rods * np.array((1.5, 1.0, 0.0))
        layer = self._layer(np.concatenate([tank, seat, engine, *ends]), 0.45)
        if layer.is_empty:
            return None
        points = self._view.project(placed(rods, self._pose))
        scale = float(points[0, 2])
        for forward in (0.72, -0.68):
            rim = wheel(self._view, self._pose, forward, 0.0, radius * 0.85)
            layer.ring(rim, scale * 0.13, _TYRE)
            layer.disc(rim.mean(axis=0), scale * 0.07, _RIM)
        layer.line(points[0], points[1], scale * 0.08, _STEEL)
        for solid, paint in ((engine, _STEEL), (seat, (34, 32, 32)), (tank, self._look.shirt)):
            self._solid(layer, solid, paint, paint)
        layer.line(points[2], points[3], scale * 0.05, _TYRE)
        layer.disc(points[5], scale * 0.1, (222, 218, 196) if self._to_camera() > 0 else shade(self._look.shirt, 0.8))
        return layer.paste(self._style, light_in_picture(self._style))

    def _layer(self, solid: Points, under_m: float) -> Layer:
        """The sheet for it, its shadow already on the ground."""
        world = placed(solid, self._pose)
        pixels = self._view.project(world)
        flat = self._view.project(shadow_of(world, self._has_sun, self._style.sun))
        if under_m > 1:
            self._brush.shadow([flat], 0.0, self._style.shadow)
        else:
            self._brush.shadow([flat], 0.0, (1 + self._style.shadow) / 2)
        return Layer(self._brush.pixels, around(pixels, 0.1))

    def _solid(self, layer: Layer, solid: Points, roof: Colour, sides: Colour) -> None:
        draw_block(layer, self._view.project(placed(solid, self._pose)), roof, sides)

    def _wheels(self, forward: float, left: float, radius: float) -> list[Points]:
        """Farthest first; the two on the side the camera sees."""
        sign = 1.0 if self._left_side_shows() else -1.0
        wheels = [wheel(self._view, self._pose, x, sign * left, radius) for x in (forward, -forward)]
        return sorted(wheels, key=lambda rim: float(rim[0, 2]))

    def _wheels_on(self, layer: Layer, wheels: list[Points]) -> None:
        for rim in wheels:
            layer.polygon(rim, _TYRE)
            layer.polygon(rim * 0.5 + rim.mean(axis=0) * 0.5, _RIM)

    def _windows(
        self, layer: Layer, front: float, back: float, wide: float, tall: float, *, only_sides: bool = False
    ) -> None:
        """A windscreen where the front shows, and the window of the side that shows."""
        low, high = tall * 0.5, tall * 0.74
        side = wide * 0.97 * (1.0 if self._left_side_shows() else -1.0)
        door = [
            (front - 0.25, side, low),
            (front - 0.3, side, high),
            (back + 0.35, side, high),
            (back + 0.35, side, low),
        ]
        screen = [(front, wide * 0.8, low), (front - 0.09, wide * 0.8, high),
                  (front - 0.09, -wide * 0.8, high), (front, -wide * 0.8, low)]  # fmt: skip
        layer.polygon(self._view.project(placed(np.array(door), self._pose)), _GLASS)
        if self._to_camera() > front and not only_sides:
            layer.polygon(self._view.project(placed(np.array(screen), self._pose)), _GLASS)

    def _lamps(self, layer: Layer, half: float, left: float, up: float) -> None:
        towards = self._to_camera()
        if abs(towards) < half:
            return
        forward = math.copysign(half + 0.02, towards)
        colour = (236, 228, 200) if towards > 0 else (180, 36, 34)
        for lamp in self._view.project(placed(np.array([(forward, left, up), (forward, -left, up)]), self._pose)):
            layer.disc(lamp, lamp[2] * 0.1, colour)

    def _to_camera(self) -> float:
        """Metres from its place to the camera along its heading: positive when the front faces it."""
        return -(self._pose.x * math.cos(self._pose.heading) + self._pose.z * math.sin(self._pose.heading))

    def _left_side_shows(self) -> bool:
        return self._pose.x * math.sin(self._pose.heading) - self._pose.z * math.cos(self._pose.heading) > 0
