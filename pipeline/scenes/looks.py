"""How actors look: the few plain figures of the first scenes, and looks drawn at random for training.

A `Style` is everything about a look that varies beyond size and four colours. An actor without one is drawn plainly.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, replace

import numpy as np

Colour = tuple[int, int, int]

_SHIRTS: tuple[Colour, ...] = (
    (176, 52, 48),
    (52, 84, 150),
    (222, 222, 214),
    (60, 116, 70),
    (212, 168, 52),
    (70, 62, 88),
)
_TROUSERS: tuple[Colour, ...] = ((42, 48, 66), (62, 56, 50), (34, 34, 38), (104, 96, 82))
_SKINS: tuple[Colour, ...] = ((232, 190, 160), (198, 146, 110), (134, 92, 66), (92, 62, 46))
_HAIRS: tuple[Colour, ...] = ((36, 28, 24), (84, 58, 36), (150, 142, 136), (168, 122, 66))
_CARS: tuple[Colour, ...] = ((150, 34, 36), (48, 74, 128), (196, 198, 200), (44, 46, 50))
_BAGS: dict[str, Colour] = {"suitcase": (150, 62, 40), "backpack": (38, 82, 92), "handbag": (96, 58, 44)}
_BAG_HEIGHTS = {"suitcase": 0.62, "backpack": 0.45, "handbag": 0.28}
_COATS: tuple[Colour, ...] = ((36, 30, 28), (120, 84, 52), (200, 190, 176), (150, 110, 70), (84, 80, 78))
_CHILDREN = 0.08
"""Share of children in a varied cast."""
_HATS = ("", "", "", "", "cap", "beanie", "hood", "long_hair", "long_hair", "bald", "helmet")
_PATTERNS = ("", "", "", "stripes", "two_tone", "vest", "open")


@dataclass(frozen=True, slots=True)
class Style:
    """What varies from actor to actor; the defaults are a plain look."""

    build: float = 1.0
    """Width of the shoulders, 1 is usual."""
    bulk: float = 1.0
    """Thickness of trunk and limbs."""
    head: float = 1.0
    """Size of the head: a child's is larger."""
    sleeves: float = 1.0
    """1 long, 0 short."""
    lower: str = "trousers"
    """`trousers`, `shorts` or `skirt`."""
    coat: float = 0.0
    """How far a coat or dress reaches down: 0 the hip, 1 the knee."""
    hat: str = ""
    hat_colour: Colour = (40, 40, 44)
    pattern: str = ""
    second: Colour = (200, 200, 196)
    """Of stripes, the lower half, a vest or an open jacket's shirt."""
    shoes: Colour = (26, 26, 28)
    swing: float = 1.0
    """Of the arms."""
    stoop: float = 0.0
    """Radians the trunk leans forward."""
    way: float = 0.3
    """0..1: which variant of a fall, a bend, a greeting is this actor's."""
    beat: float = 0.0
    """Radians: where the rhythm of its movements begins."""
    shape: float = 0.5
    """0..1: of a vehicle, from small to large; of an animal, from slim to stout."""
    weave: tuple[int, int] = (0, 0)
    """Where in the cloth its texture begins."""
    roughness: float = 0.12
    """Of the texture, share of the brightness."""
    contrast: float = 0.35
    """Between the lit and the shaded side."""
    softness: float = 0.5
    """Blur of the outline, pixels."""
    sun: tuple[float, float] = (0.55, 0.25)
    """Where the shadow of a point one metre up falls: metres in x and z."""
    shadow: float = 0.62
    """What the ground is multiplied with in the shadow."""


@dataclass(frozen=True, slots=True)
class Look:
    """How an actor is drawn."""

    height: float
    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    style: Style | None = None
    """None: as the first scenes draw it."""


class Wardrobe:
    """Dresses a cast: plainly, or each one at random under one light."""

    def __init__(self, rng: np.random.Generator, *, varied: bool) -> None:
        self._rng = rng
        self._varied = varied
        self._light = self._draw_light() if varied else Style()

    def person(self, *, is_plain: bool, hat: str | None = None) -> Look:
        """Somebody; `is_plain` where the plain figure can do all that is asked of it."""
        if self._varied:
            return self._varied_person(hat)
        height = float(self._rng.uniform(1.62, 1.90))
        look = Look(height, self._pick(_SHIRTS), self._pick(_TROUSERS), self._pick(_SKINS), self._pick(_HAIRS))
        if is_plain:
            return look
        return replace(look, style=replace(self._light, way=self._share(), beat=6 * self._share(), hat=hat or ""))

    def bag(self, label: str, bearer: Look) -> Look:
        """A backpack, a suitcase or a handbag."""
        if self._varied:
            return self._thing(_BAG_HEIGHTS[label] * self._between(0.8, 1.15), self._cloth())
        look = _of_one_colour(_BAG_HEIGHTS[label], _BAGS[label])
        return replace(look, style=self._light) if bearer.style or label == "handbag" else look

    def dog(self) -> Look:
        """A dog."""
        coat = self._pick(_HAIRS)
        return self._thing(self._between(0.35, 0.75), self._fur()) if self._varied else _of_one_colour(0.55, coat)

    def cat(self) -> Look:
        """A cat."""
        return self._thing(self._between(0.26, 0.34), self._fur())

    def bird(self) -> Look:
        """A pigeon, a crow, a gull."""
        grey = self._between(0.12, 0.9)
        return self._thing(self._between(0.24, 0.42), _rgb(0.6, 0.1 * self._share(), grey))

    def car(self) -> Look:
        """A car."""
        paint = self._pick(_CARS)
        return self._vehicle(1.38, 1.8) if self._varied else _of_one_colour(1.45, paint)

    def truck(self) -> Look:
        """A lorry or a delivery van."""
        look = self._vehicle(2.3, 3.3)
        box = (226, 226, 222) if self._share() < 0.5 else self._paint()
        return replace(look, trousers=box)

    def bicycle(self) -> Look:
        """A bicycle."""
        return self._vehicle(0.98, 1.12)

    def motorcycle(self) -> Look:
        """A motorcycle or a scooter."""
        return self._vehicle(1.0, 1.15)

    def chair(self) -> Look:
        """Something to sit on."""
        return self._thing(0.86, self._pick(((84, 60, 40), (60, 62, 66), (150, 148, 140), (40, 54, 84))))

    def smoke(self, spread: float) -> Look:
        """Smoke: from white to nearly black; its height is its spread."""
        grey = int(self._between(60, 225))
        look = _of_one_colour(spread, (grey, grey, min(grey + 4, 255)))
        return replace(look, style=self._own())

    def _draw_light(self) -> Style:
        """One sun for all: from any side, high or low; a third of the casts are under an overcast sky."""
        angle, length = self._between(0, 2 * math.pi), self._between(0.2, 1.1)
        is_overcast = self._share() < 0.35
        sun = (0.03, 0.02) if is_overcast else (length * math.cos(angle), length * math.sin(angle))
        return Style(
            sun=sun,
            shadow=self._between(0.72, 0.92) if is_overcast else self._between(0.42, 0.75),
            contrast=self._between(0.05, 0.25) if is_overcast else self._between(0.25, 0.7),
            softness=self._between(0.25, 1.1),
        )

    def _varied_person(self, hat: str | None) -> Look:
        is_child = self._share() < _CHILDREN
        height = self._between(1.05, 1.45) if is_child else float(np.clip(self._rng.normal(1.71, 0.09), 1.48, 1.98))
        bulk = float(np.clip(self._rng.normal(1.05, 0.16), 0.78, 1.6))
        lower = str(self._rng.choice(["trousers"] * 7 + ["shorts", "skirt", "skirt"]))
        upper, legs, second = self._cloth(), self._cloth(), self._cloth()
        if self._share() < 0.15:
            legs = upper
        has_coat = self._share() < 0.28
        style = replace(
            self._own(),
            build=float(np.clip(self._rng.normal(1.0, 0.1), 0.75, 1.3)),
            bulk=bulk,
            head=1.25 if is_child else self._between(0.92, 1.1),
            sleeves=0.0 if self._share() < 0.25 and not has_coat else 1.0,
            lower=lower,
            coat=self._between(0.25, 1.15) if has_coat else 0.0,
            hat=hat if hat is not None else str(self._rng.choice(_HATS)),
            hat_colour=self._cloth(),
            pattern=str(self._rng.choice(_PATTERNS)),
            second=(214, 226, 40) if self._share() < 0.15 else second,
            shoes=self._cloth(),
            swing=self._between(0.4, 1.4),
            stoop=float(np.clip(self._rng.normal(0.03, 0.05), -0.04, 0.25)),
        )
        shirt = self._pick(_COATS) if has_coat and self._share() < 0.5 else upper
        return Look(height, shirt, legs, self._skin(), self._hair(), style)

    def _own(self) -> Style:
        """The common light, and a weave, a way and a beat of its own."""
        return replace(
            self._light,
            weave=(int(self._rng.integers(192)), int(self._rng.integers(192))),
            roughness=self._between(0.03, 0.1) if self._share() < 0.6 else self._between(0.1, 0.24),
            contrast=self._light.contrast * self._between(0.8, 1.2),
            way=self._share(),
            beat=6.283 * self._share(),
            shape=self._share(),
        )

    def _thing(self, height: float, colour: Colour) -> Look:
        return replace(_of_one_colour(height, colour), style=self._own() if self._varied else self._light)

    def _vehicle(self, low: float, high: float) -> Look:
        """Of smoother stuff than cloth."""
        look = self._thing(self._between(low, high), self._paint())
        style = look.style or self._light
        return replace(look, style=replace(style, roughness=style.roughness * 0.25))

    def _cloth(self) -> Colour:
        """As people dress: mostly greys, blacks and whites, some blue, some of any colour."""
        draw = self._share()
        if draw < 0.45:
            return _rgb(self._share(), self._between(0, 0.12), float(self._rng.choice([0.12, 0.2, 0.35, 0.6, 0.9])))
        if draw < 0.65:
            return _rgb(self._between(0.56, 0.68), self._between(0.25, 0.7), self._between(0.2, 0.6))
        return _rgb(self._share(), self._between(0.2, 0.8), self._between(0.25, 0.9))

    def _paint(self) -> Colour:
        """As vehicles are painted: mostly without colour."""
        if self._share() < 0.65:
            return _rgb(0.6, self._between(0, 0.08), float(self._rng.choice([0.1, 0.2, 0.35, 0.6, 0.75, 0.9])))
        return _rgb(float(self._rng.choice([0.0, 0.02, 0.12, 0.35, 0.6, 0.63])), 0.75, self._between(0.25, 0.8))

    def _fur(self) -> Colour:
        return _rgb(self._between(0.04, 0.11), self._between(0.0, 0.6), self._between(0.12, 0.85))

    def _skin(self) -> Colour:
        return _tinted(self._pick(_SKINS), self._between(0.85, 1.08))

    def _hair(self) -> Colour:
        return _tinted(self._pick(_HAIRS), self._between(0.6, 1.2))

    def _pick(self, colours: tuple[Colour, ...]) -> Colour:
        return colours[int(self._rng.integers(len(colours)))]

    def _share(self) -> float:
        return float(self._rng.random())

    def _between(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))


def _of_one_colour(height: float, colour: Colour) -> Look:
    return Look(height, colour, colour, colour, colour)


def _tinted(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(int(part * factor), 255) for part in colour)
    return red, green, blue


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (int(255 * part) for part in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
    return red, green, blue
