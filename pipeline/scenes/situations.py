"""Situations and their near misses, staged: a scene to render and the story with its exact truth.

`stage` draws a place, puts the act and bystanders into it, and checks by the tracks that what a rule for the
situation asks is so, or, for the near miss, is not; a draw that does not come out as meant is drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pipeline.errors import ConfigError
from pipeline.scenes.acts import ACTS, Act, Stage
from pipeline.scenes.claims import MAIN, Claim
from pipeline.scenes.composite import RealBackground
from pipeline.scenes.conditions import Conditions, Fault, draw_conditions
from pipeline.scenes.extras import add_extras
from pipeline.scenes.place import Match, Place
from pipeline.scenes.places import HELD_OUT_PLACES, PLACES
from pipeline.scenes.scene import Scene, Script
from pipeline.scenes.script import Actor, Leg, Light, Point
from pipeline.scenes.story import Crossing, Look, Staged, Story, names_of
from pipeline.scenes.terrain import NoRoomError
from pipeline.scenes.tracks import Tracks, tracks_of

__all__ = ["SITUATIONS", "Staged", "stage"]

SITUATIONS: tuple[str, ...] = tuple(ACTS)
Timed = TypeVar("Timed", Act, Leg, Light, Fault)
_MAX_ATTEMPTS = 200
_ATTEMPTS_EACH = 25
"""Before another situation is tried, where none was asked for."""
_SECONDS = (6.0, 60.0)
"""Shortest and longest scene, unless its length is asked for."""
_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (180, 50, 45),
    "orange": (215, 120, 45),
    "yellow": (215, 180, 60),
    "green": (60, 120, 65),
    "blue": (55, 90, 165),
    "purple": (110, 65, 130),
    "brown": (105, 72, 48),
    "white": (222, 222, 216),
    "grey": (128, 128, 128),
    "black": (36, 36, 40),
}


def stage(
    seed: int,
    *,
    situation: str | None = None,
    near_miss: bool | None = None,
    place: str | None = None,
    held_out: bool = False,
    background: RealBackground | None = None,
    size: tuple[int, int] = (384, 216),
    seconds: float | None = None,
) -> Staged:
    """Stage a situation, what is not given drawn by the seed; `held_out` draws from the places kept for measuring.

    Raises:
        ConfigError: an unknown situation or place, or a place that has not what the situation needs.
    """
    _check(seed, situation, place, seconds)
    rng = np.random.default_rng((seed, 11))
    kinds = [situation] if situation else rng.permutation(SITUATIONS).tolist()
    is_near = bool(rng.random() < 0.5) if near_miss is None else near_miss
    for attempt in range(_MAX_ATTEMPTS):
        draw = np.random.default_rng((seed, 11, attempt))
        kind = kinds[attempt // _ATTEMPTS_EACH % len(kinds)]
        try:
            setting = _place(draw, place, held_out, background, size)
            return _staged(seed, draw, setting, kind, is_near and kind != "ordinary", seconds)
        except NoRoomError:
            continue
    where = place or ("the background" if background is not None else "any place")
    raise ConfigError(
        f"{situation or 'a situation'} cannot be staged in {where}: it lacks the zone, line, fence, road or room for it"
    )


def _check(seed: int, situation: str | None, place: str | None, seconds: float | None) -> None:
    if situation is not None and situation not in ACTS:
        raise ConfigError(f"no situation is called {situation!r}; there are: {', '.join(SITUATIONS)}")
    if place is not None and place not in PLACES:
        raise ConfigError(f"no place is called {place!r}; there are: {', '.join(PLACES)}")
    if seed < 0:
        raise ConfigError(f"expected a seed of 0 or more, got {seed}")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"expected more than 0 seconds, got {seconds:g}")


def _place(
    rng: np.random.Generator,
    name: str | None,
    held_out: bool,
    background: RealBackground | None,
    size: tuple[int, int],
) -> Place:
    if background is not None:
        return background.place(rng, size)
    names = [each for each in PLACES if (each in HELD_OUT_PLACES) == held_out]
    return PLACES[name or str(rng.choice(names))](rng, size)


def _staged(
    seed: int, rng: np.random.Generator, place: Place, situation: str, is_near: bool, seconds: float | None
) -> Staged:
    setting = Stage(place, rng)
    act = ACTS[situation](setting, is_near)
    add_extras(setting, act, situation)
    duration = seconds or float(np.clip(act.end_seconds + rng.uniform(1.5, 5.0), *_SECONDS))
    actors, act = _fitted(tuple(setting.cast.actors), act, duration, rng)
    conditions = _conditions(rng, place, act)
    zone = act.zone or (setting.one_of(*place.zones) if place.zones else "")
    line = act.line or (setting.one_of(*place.lines) if place.lines else "")
    tracks = tracks_of(actors, place.zones, duration)
    looks = _looks(actors, conditions.light)
    story = Story(
        situation=situation,
        is_near_miss=is_near,
        place=place.name,
        light=conditions.light,
        weather=conditions.weather,
        zone=zone,
        line=line,
        who=act.who,
        start_seconds=max(act.start_seconds, 0.0),
        end_seconds=min(act.end_seconds, duration),
        names=names_of(looks),
        near_miss=act.near_miss,
        duration_seconds=duration,
        looks=looks,
        crossings=_crossings(tracks, place.lines),
        faults=act.faults,
        has_light_change=bool(act.lights),
        one_way=setting.one_way,
        tracks=tracks,
    )
    story = _as_meant(story)
    return Staged(Scene(_script(place, actors, act, conditions, duration), seed), story)


def _fitted(
    actors: tuple[Actor, ...], act: Act, duration: float, rng: np.random.Generator
) -> tuple[tuple[Actor, ...], Act]:
    """The same act, moved in time to where it fits into the scene's length."""
    length = act.end_seconds - act.start_seconds
    if length > duration - 1.0 and act.near_miss:
        raise NoRoomError("the near miss takes longer than the scene")
    latest = max(duration - length - 0.5, 0.5)
    if 0.3 <= act.start_seconds <= latest:
        return actors, act
    shift = float(rng.uniform(min(0.5, latest), latest)) - act.start_seconds
    moved = replace(
        _later(act, shift),
        lights=tuple(_later(each, shift) for each in act.lights),
        faults=tuple(_later(each, shift) for each in act.faults),
    )
    legs = (tuple(_later(leg, shift) for leg in actor.legs) for actor in actors)
    return tuple(replace(actor, legs=each) for actor, each in zip(actors, legs, strict=True)), moved


def _later(each: Timed, seconds: float) -> Timed:
    return replace(each, start_seconds=each.start_seconds + seconds, end_seconds=each.end_seconds + seconds)


def _conditions(rng: np.random.Generator, place: Place, act: Act) -> Conditions:
    """As drawn, but for what the act is about."""
    return replace(draw_conditions(rng, place), faults=act.faults, **act.seen)


def _script(place: Place, actors: tuple[Actor, ...], act: Act, conditions: Conditions, duration: float) -> Script:
    return Script(
        name=place.name,
        duration_seconds=duration,
        view=place.view,
        paint=place.paint,
        actors=actors,
        zones=place.zones,
        lines=place.lines,
        lights=act.lights,
        trees=place.trees,
        has_sun=place.has_sun,
        conditions=conditions,
        match=None if place.match == Match() else place.match,
        occluders=place.occluders,
    )


def _looks(actors: Sequence[Actor], light: str) -> dict[int, Look]:
    """What each is called by; by infra-red there are no colours."""
    looks: dict[int, Look] = {}
    counts: dict[tuple[str, str], int] = {}
    for actor in actors:
        has_colour = light != "infrared" and actor.label not in ("dog", "cat", "bird", "smoke", "bicycle", "chair")
        colour = _colour_word(actor.look.shirt) if has_colour else ""
        key = actor.label, colour
        counts[key] = counts.get(key, 0) + 1
        looks[actor.id] = Look(actor.label, colour, counts[key])
    return {
        each: replace(look, number=look.number if counts[look.label, look.colour] > 1 else 0)
        for each, look in looks.items()
    }


def _colour_word(colour: tuple[int, int, int]) -> str:
    return min(_COLOURS, key=lambda word: math.dist(_COLOURS[word], colour))


def _crossings(tracks: Tracks, lines: Mapping[str, tuple[Point, Point]]) -> tuple[Crossing, ...]:
    """Every time a foot point passes a line between its ends."""
    found = []
    for name, (start, end) in lines.items():
        way = np.subtract(end, start)
        offsets = tracks.places - start
        sides = way[0] * offsets[..., 1] - way[1] * offsets[..., 0]
        shares = (offsets @ way) / float(way @ way)
        with np.errstate(invalid="ignore"):
            passes = (sides[:, :-1] * sides[:, 1:] <= 0) & (sides[:, :-1] != sides[:, 1:])
            passes &= (shares[:, 1:] >= 0) & (shares[:, 1:] <= 1) & (tracks.actions[:, 1:] != "carried")
        for row, column in zip(*np.nonzero(passes), strict=True):
            way_across = 1 if sides[row, column + 1] > sides[row, column] else -1
            found.append(Crossing(name, int(tracks.ids[row]), float(tracks.times[column + 1]), way_across))
    return tuple(sorted(found, key=lambda each: (each.at_seconds, each.who)))


def _as_meant(story: Story) -> Story:
    """The story with its times read off the tracks.

    Raises:
        NoRoomError: the situation does not take place after all, or its near miss turned out to be one.
    """
    claim = MAIN.get(story.situation)
    if claim is None:
        return story
    if claim.holds(story) == story.is_near_miss:
        raise NoRoomError("it did not come out as meant")
    return _timed(story, claim) if claim.kind == "does" and claim.count == 1 and not story.is_near_miss else story


def _timed(story: Story, claim: Claim) -> Story:
    mask = claim.mask(story)
    rows = [row for row, actor in enumerate(story.tracks.ids) if int(actor) in story.who and mask[row].any()]
    if not rows:
        raise NoRoomError("somebody else does it")
    columns = np.nonzero(mask[rows].any(axis=0))[0]
    start, end = (float(story.tracks.times[column]) for column in (columns[0], columns[-1]))
    if story.situation in ("fall", "left_bag", "smoke"):
        return replace(story, start_seconds=start, end_seconds=max(story.end_seconds, start + 0.5))
    return replace(story, start_seconds=start, end_seconds=max(end, start + 0.2))
