"""What the tracker would have measured in a staged scene: the facts of `pipeline.events`, from the truth.

The same kinds, units and meanings (a stay counts from the moment it is inside, a bag's time from when its bringer
was gone, a speed in own heights a second), with the errors of a tracker: values that are off, facts that are missing,
now and then a wrong one. A passage's value is how long ago it was, as `facts.clip_facts` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.models.clip import MAX_FACTS, ClipFact
from pipeline.scenes.story import Story
from pipeline.scenes.tracks import STEP_SECONDS, Mask

_HEIGHTS_M = {"person": 1.75, "car": 1.5, "truck": 2.6, "motorcycle": 1.4, "bicycle": 1.5, "dog": 0.6, "cat": 0.35}
_RUN_HEIGHTS = 1.8
"""The usual limit of `faster_than`: a run."""
_STOOD_SECONDS = 3.0
_STOOD_METRES_PER_SECOND = 0.2
_BEFORE_SECONDS = 3.0
"""Notes go back so far before the first key frame."""
_LIMITS_SECONDS = (5.0, 8.0, 10.0, 15.0, 20.0, 30.0)
_VALUE_NOISE, _SPEED_NOISE = 0.06, 0.12
"""Of the logarithm."""
_LOST = 0.08
"""Share of facts that the tracker never had."""


def tracked_facts(
    story: Story, start: float, end: float, seen: Sequence[int], rng: np.random.Generator
) -> list[ClipFact]:
    """What is known at `end` of the actors `seen` (ids, which are also the track ids).

    In half of the clips with what rules about tracks would say, in others with the notes alone (as for a `when:`
    rule), in some with nothing (no tracker).
    """
    mode = rng.choice(["facts", "notes", "none"], p=[0.55, 0.33, 0.12])
    if mode == "none":
        return []
    found = list(_measured(story, start, end, seen, rng)) if mode == "facts" else []
    found += [each for actor in seen for each in _notes(story, start, end, actor)]
    if mode == "notes" and rng.random() < 0.5:
        found.insert(0, ClipFact("when", float(rng.uniform(0.2, 0.95)), unit="score"))
    kept = [_noisy(fact, rng) for fact in found if rng.random() >= _LOST]
    order = rng.permutation(len(kept)) if len(kept) > MAX_FACTS else range(len(kept))
    return [kept[index] for index in sorted(list(order)[:MAX_FACTS])]


def _measured(
    story: Story, start: float, end: float, seen: Sequence[int], rng: np.random.Generator
) -> Iterator[ClipFact]:
    """What rules of each verb would have measured; those that are met."""
    limit = float(rng.choice(_LIMITS_SECONDS))
    for actor in seen:
        stay = _since(_inside(story, actor), story, end)
        if stay >= limit:
            yield ClipFact("stays", stay, limit, "s", actor, story.zone)
        alone = _since(story.tracks.unattended()[story.tracks.row(actor)], story, end)
        if alone >= limit:
            yield ClipFact("left_behind", alone, limit, "s", actor)
        speed = _speed(story, actor, end)
        if speed > _RUN_HEIGHTS:
            yield ClipFact("faster_than", speed, _RUN_HEIGHTS, "heights/s", actor)
        if stay > 0:
            yield from _presence(story, actor, stay, start, end, rng)
    for crossing in story.crossings:
        if start - _BEFORE_SECONDS <= crossing.at_seconds <= end and crossing.who in seen:
            way = "right_to_left" if crossing.way > 0 else "left_to_right"
            yield ClipFact(way, end - crossing.at_seconds, None, "s", crossing.who, crossing.line)
    yield from _count(story, end, rng)


def _presence(
    story: Story, actor: int, stay: float, start: float, end: float, rng: np.random.Generator
) -> Iterator[ClipFact]:
    """Of a rule with `inside`, and of one with `enters` where it was seen outside before."""
    if rng.random() < 0.3:
        yield ClipFact("inside", None, None, "", actor, story.zone)
    column = _column(story, end - stay)
    came_from_outside = column > 0 and story.tracks.actions[story.tracks.row(actor), column - 1] != ""
    if came_from_outside and end - stay >= start - _BEFORE_SECONDS and rng.random() < 0.6:
        yield ClipFact("enters", stay, None, "s", actor, story.zone)


def _count(story: Story, end: float, rng: np.random.Generator) -> Iterator[ClipFact]:
    people = (story.tracks.labels == "person")[:, None] & (story.tracks.actions != "")
    there = int(people[:, _column(story, end)].sum())
    limit = int(rng.integers(1, 6))
    if there > limit:
        yield ClipFact("count_above", float(there), float(limit), "objects")


def _notes(story: Story, start: float, end: float, actor: int) -> Iterator[ClipFact]:
    """As `events.track_notes` has them."""
    tracks, row = story.tracks, story.tracks.row(actor)
    first, last = _column(story, max(start - _BEFORE_SECONDS, 0.0)), _column(story, end)
    there = np.nonzero(tracks.actions[row, first : last + 1] != "")[0] + first
    if not len(there):
        return
    if there[0] > first:
        yield ClipFact("appeared", end - float(tracks.times[there[0]]), None, "s", actor)
    elapsed = float(tracks.times[there[-1]] - tracks.times[there[0]])
    moved = float(np.linalg.norm(tracks.places[row, there[-1]] - tracks.places[row, there[0]]))
    if moved >= _height(story, actor):
        yield ClipFact("moved", elapsed, None, "s", actor)
    elif elapsed >= _STOOD_SECONDS:
        yield ClipFact("stood", elapsed, None, "s", actor)
    if story.zone:
        inside = _inside(story, actor)[first : last + 1]
        for change in np.nonzero(inside[1:] != inside[:-1])[0]:
            kind = "entered_zone" if inside[change + 1] else "left_zone"
            yield ClipFact(kind, end - float(tracks.times[first + change + 1]), None, "s", actor, story.zone)
    if there[-1] < last - 1.0 / STEP_SECONDS:
        yield ClipFact("last_seen", end - float(tracks.times[there[-1]]), None, "s", actor)


def _inside(story: Story, actor: int) -> Mask:
    """(T,): inside the story's zone."""
    tracks = story.tracks
    if story.zone not in tracks.zone_distances:
        return np.zeros(len(tracks.times), bool)
    with np.errstate(invalid="ignore"):
        inside: Mask = tracks.zone_distances[story.zone][tracks.row(actor)] < 0
    return inside


def _since(holds: NDArray[np.bool_], story: Story, end: float) -> float:
    """Seconds for which it has held without a break, at `end`."""
    column = _column(story, end)
    broken = np.nonzero(~holds[: column + 1])[0]
    return float(column - (broken[-1] if len(broken) else -1)) * STEP_SECONDS


def _speed(story: Story, actor: int, end: float) -> float:
    """Over the last second in which it is there, own heights a second."""
    column = _column(story, end)
    speeds = story.tracks.speeds[story.tracks.row(actor), max(column - 10, 0) : column + 1]
    known = speeds[~np.isnan(speeds)]
    return float(np.median(known)) / _height(story, actor) if len(known) else 0.0


def _height(story: Story, actor: int) -> float:
    return _HEIGHTS_M.get(str(story.tracks.labels[story.tracks.row(actor)]), 1.0)


def _column(story: Story, at_seconds: float) -> int:
    return min(max(round(at_seconds / STEP_SECONDS), 0), len(story.tracks.times) - 1)


def _noisy(fact: ClipFact, rng: np.random.Generator) -> ClipFact:
    if fact.value is None or fact.kind == "count_above":
        return fact
    spread = _SPEED_NOISE if fact.kind == "faster_than" else _VALUE_NOISE
    value = fact.value * float(np.exp(rng.normal(0, spread)))
    return ClipFact(fact.kind, value, fact.threshold, fact.unit, fact.track_id, fact.place)
