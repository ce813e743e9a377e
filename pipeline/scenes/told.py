"""The report a good model would write over some frames of a story: nothing in it that they do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.contracts.assessment import RelationKind
from pipeline.scenes import wording_en as en
from pipeline.scenes import wording_zh as zh
from pipeline.scenes.claims import LABELS, MAIN, NEAR_M, is_blind, is_shown
from pipeline.scenes.story import Story, names_of
from pipeline.scenes.telling import Forecast
from pipeline.scenes.telling_en import TALES as TALES_EN
from pipeline.scenes.telling_zh import TALES as TALES_ZH
from pipeline.scenes.truth import ActorTruth, FrameTruth

_CLOSE_M = 1.6
"""People this close to each other are next to each other."""
_MAX_ELEMENTS = 6
_MAX_RELATIONS = 8
"""As the report's contract has it."""

Target = int | Literal["zone", "line", "fence"]
"""What a relation points to: an actor's id, or a part of the place."""


@dataclass(frozen=True, slots=True)
class ToldElement:
    """A thing the report names: in which of the frames (from 1) it is seen best."""

    name: str
    frame: int
    actor: int


@dataclass(frozen=True, slots=True)
class ToldRelation:
    """How an actor stands to another, or to the zone, line or fence, in a frame."""

    subject: int
    kind: RelationKind
    object: Target
    frame: int


@dataclass(frozen=True, slots=True)
class ToldAction:
    """What an actor does, a word of `ActorTruth.action`, from one frame to another."""

    who: int
    what: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StoryReport:
    """A whole report as a model should write it."""

    elements: tuple[ToldElement, ...]
    relations: tuple[ToldRelation, ...]
    actions: tuple[ToldAction, ...]
    title: str
    explanation: str
    forecasts: tuple[Forecast, ...]
    advice: str


def told(story: Story, frames: Sequence[FrameTruth], language: str) -> StoryReport:
    """What a good report over these frames says; nothing in it that they do not show."""
    clear = {number: frame for number, frame in enumerate(frames, 1) if not is_blind(story, frame.at_seconds)}
    tale = (TALES_ZH if language == "zh" else TALES_EN)[tale_of(story, frames)]
    names = names_of(story.looks, language)
    filled = _fill(story, frames, names, language)
    elements = _elements(story, clear, names)
    ids = {element.actor for element in elements}
    return StoryReport(
        elements=elements,
        relations=_relations(story, clear, ids),
        actions=_actions(clear, ids),
        title=_sentence(tale.title, filled),
        explanation=_sentence(tale.explanation, filled),
        forecasts=tuple(each._replace(what=each.what.format_map(filled)) for each in tale.forecasts),
        advice=_sentence(tale.advice, filled),
    )


def tale_of(story: Story, frames: Sequence[FrameTruth]) -> str:
    """The situation, or what happens in its place, where the frames show it; else `ordinary`."""
    claim = MAIN.get(story.situation)
    if claim is None or not frames:
        return "ordinary"
    if not story.is_near_miss:
        return story.situation if claim.is_true(story, frames) else "ordinary"
    during = any(story.start_seconds <= frame.at_seconds <= story.end_seconds for frame in frames)
    return story.near_miss if during else "ordinary"


def _sentence(text: str, filled: Mapping[str, str]) -> str:
    sentence = text.format_map(filled)
    return sentence[:1].upper() + sentence[1:]


def _fill(story: Story, frames: Sequence[FrameTruth], names: Mapping[int, str], language: str) -> dict[str, str]:
    """What a tale's gaps are filled with."""
    who = [names[actor] for actor in story.who]
    last = frames[-1].at_seconds if frames else story.duration_seconds
    seconds = max(min(story.end_seconds, last) - story.start_seconds, 1.0)
    if language == "zh":
        zone = f"{zh.ZONES[story.zone]}区域" if story.zone in zh.ZONES else "标记区域"
        nobody, thing, place = "某人", "包裹", zh.place_zh(story.place)
    else:
        zone = f"the {story.zone.replace('_', ' ')} zone" if story.zone else "the marked zone"
        nobody, thing, place = "somebody", "the bag", en.place_en(story.place)
    return {
        "who": who[0] if who else nobody,
        "other": who[1] if len(who) > 1 else nobody,
        "bag": who[1] if len(who) > 1 else thing,
        "zone": zone,
        "place": place,
        "seconds": str(round(seconds)),
        "count": str(len(who)),
    }


def _elements(story: Story, clear: Mapping[int, FrameTruth], names: Mapping[int, str]) -> tuple[ToldElement, ...]:
    """Those the story is about, then the largest others, each in the frame that shows it best."""
    best: dict[int, tuple[float, int]] = {}
    for number, frame in clear.items():
        during = story.start_seconds - 0.3 <= frame.at_seconds <= story.end_seconds + 0.3
        for actor in frame.actors:
            worth = actor.visible * actor.box.area * (4.0 if during and actor.id in story.who else 1.0)
            if is_shown(actor) and worth > best.get(actor.id, (0.0, 0))[0]:
                best[actor.id] = worth, number
    others = sorted((actor for actor in best if actor not in story.who), key=lambda actor: -best[actor][0])
    ordered = [actor for actor in story.who if actor in best] + others
    return tuple(ToldElement(names[actor], best[actor][1], actor) for actor in ordered[:_MAX_ELEMENTS])


def _actions(clear: Mapping[int, FrameTruth], ids: set[int]) -> tuple[ToldAction, ...]:
    """Each stretch of frames in which somebody does the same."""
    told: list[ToldAction] = []
    for who in sorted(ids):
        for number, frame in clear.items():
            for actor in frame.actors:
                if actor.id != who or not is_shown(actor):
                    continue
                before = told[-1] if told and told[-1].who == who else None
                if before and before.what == actor.action:
                    told[-1] = ToldAction(who, actor.action, before.first, number)
                else:
                    told.append(ToldAction(who, actor.action, number, number))
    return tuple(told)


def _relations(story: Story, clear: Mapping[int, FrameTruth], ids: set[int]) -> tuple[ToldRelation, ...]:
    """To the zone, the line and the fence, to bags, and to each other; each once, where it is first seen."""
    found: dict[tuple[int, RelationKind, Target], int] = {}
    before: dict[int, FrameTruth] = {}
    for number, frame in clear.items():
        seen = [actor for actor in frame.actors if actor.id in ids and is_shown(actor)]
        for actor in seen:
            for kind, target in [
                *_to_place(story, frame, actor, before.get(actor.id)),
                *_to_bags(story, frame, actor, clear, number),
                *_to_others(story, frame, actor, seen),
            ]:
                found.setdefault((actor.id, kind, target), number)
        before |= {actor.id: frame for actor in seen}
    main = sorted(found.items(), key=lambda each: (each[0][0] not in story.who, each[1]))
    return tuple(ToldRelation(who, kind, target, number) for (who, kind, target), number in main[:_MAX_RELATIONS])


def _to_place(
    story: Story, frame: FrameTruth, actor: ActorTruth, before: FrameTruth | None
) -> list[tuple[RelationKind, Target]]:
    told: list[tuple[RelationKind, Target]] = []
    if actor.label in LABELS["bag"] and actor.action == "carried":
        return told
    if story.zone:
        distance = _distance(story, actor.id, frame)
        kind = RelationKind.INSIDE if distance < 0 else RelationKind.OUTSIDE
        told.append((RelationKind.NEXT_TO if 0 <= distance <= NEAR_M else kind, "zone"))
        was = _distance(story, actor.id, before) if before else distance
        if (was < 0) != (distance < 0):
            told.append((RelationKind.ENTERS if distance < 0 else RelationKind.LEAVES, "zone"))
    if actor.action == "climb":
        told.append((RelationKind.CLIMBS, "fence"))
    return told


def _to_bags(
    story: Story, frame: FrameTruth, actor: ActorTruth, clear: Mapping[int, FrameTruth], number: int
) -> list[tuple[RelationKind, Target]]:
    """Of a person to what they bring: carrying, putting down, picking up, walking away from, riding."""
    told: list[tuple[RelationKind, Target]] = []
    tracks = story.tracks
    earlier = [frame for at, frame in clear.items() if at < number]
    for other in frame.actors:
        if tracks.bringers[tracks.row(other.id)] != actor.id:
            continue
        if other.label == "bicycle":
            told += [(RelationKind.RIDES, other.id)] if actor.action == "cycle" else []
            continue
        was = {each.action for past in earlier[-1:] for each in past.actors if each.id == other.id}
        if other.action == "carried":
            told.append((RelationKind.PICKS_UP if was == {"left"} else RelationKind.CARRIES, other.id))
        elif was == {"carried"}:
            told.append((RelationKind.PUTS_DOWN, other.id))
        elif tracks.unattended()[tracks.row(other.id), story.tracks.column(frame.at_seconds)]:
            told.append((RelationKind.AWAY_FROM, other.id))
    return told


def _to_others(
    story: Story, frame: FrameTruth, actor: ActorTruth, seen: Sequence[ActorTruth]
) -> list[tuple[RelationKind, Target]]:
    """Of a person to other people close by, and of a tailgater to who goes ahead."""
    told: list[tuple[RelationKind, Target]] = []
    if actor.label != "person":
        return told
    for other in seen:
        if other.label != "person" or other.id == actor.id:
            continue
        if story.situation == "tailgating" and not story.is_near_miss and (actor.id, other.id) == story.who:
            told.append((RelationKind.FOLLOWS, other.id))
        if _apart(story, actor.id, other.id, frame) > _CLOSE_M:
            continue
        together = {"fight": RelationKind.HITS, "greet": RelationKind.TALKS_TO}
        is_alike = actor.action == other.action
        told.append((together.get(actor.action, RelationKind.NEXT_TO) if is_alike else RelationKind.NEXT_TO, other.id))
    return told


def _distance(story: Story, actor: int, frame: FrameTruth) -> float:
    """Metres to the zone's border, negative inside; far away where it cannot be told."""
    distance = story.tracks.zone_distances[story.zone][story.tracks.row(actor), story.tracks.column(frame.at_seconds)]
    return float(np.nan_to_num(distance, nan=1e3))


def _apart(story: Story, one: int, other: int, frame: FrameTruth) -> float:
    tracks, column = story.tracks, story.tracks.column(frame.at_seconds)
    apart = np.linalg.norm(tracks.places[tracks.row(one), column] - tracks.places[tracks.row(other), column])
    return float(np.nan_to_num(apart, nan=1e3))
