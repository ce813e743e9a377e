"""What is told of a picture and of a story: captions, questions with their answers, and (in `told`) whole reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.scenes import wording_en as en
from pipeline.scenes import wording_zh as zh
from pipeline.scenes.claims import is_blind, is_shown
from pipeline.scenes.story import Look, Story, names_of
from pipeline.scenes.told import StoryReport, ToldRelation, told
from pipeline.scenes.truth import ActorTruth, FrameTruth
from pipeline.scenes.wording import Says, says

__all__ = ["Question", "StoryReport", "captions", "crop_caption", "questions", "told"]

_MAX_TOLD = 6
_COLOURED = 0.4
"""Share of the descriptions that say a colour."""

_CROP_EN = says("{x}", "a picture of {x}", "{x} seen by a camera", "a view of {x}", "a snapshot showing {x}")
_CROP_ZH = says("{x}", "{x}的图像", "摄像机拍到的{x}", "画面中的{x}", "一张拍有{x}的快照")
_EMPTY_EN = says("nobody", "nobody and nothing that moves", "an empty scene", "no people", "a deserted scene")
_EMPTY_ZH = says("没有人", "空无一人", "没有活动物体", "空场景", "四下无人")
_STATE_EN = {
    "covered": says(
        "a covered lens",
        "a view blocked by something",
        "a camera that is covered",
        "a hidden view",
        "an obstructed lens",
    ),
    "defocused": says(
        "a blurred picture", "a picture out of focus", "an unsharp picture", "a defocused view", "a smeared image"
    ),
}
_STATE_ZH = {
    "covered": says("镜头被遮挡", "画面被挡住", "摄像机被遮住", "视野被遮盖", "镜头遭封堵"),
    "defocused": says("画面模糊", "画面失焦", "图像不清晰", "虚焦的画面", "成像朦胧"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a clip and its true answer."""

    kind: Literal["element", "relation", "why", "next"]
    question: str
    answer: str


def captions(
    truth: FrameTruth, story: Story, language: str, rng: np.random.Generator, *, held_out: bool = False
) -> tuple[str, ...]:
    """Four captions of a frame, from short to long: what is there, where and in what light, who does what, all."""
    blind = _blinding(story, truth.at_seconds)
    if blind:
        state = (_STATE_ZH if language == "zh" else _STATE_EN)[blind].pick(rng, held_out)
        return (state, _set_in(state, story, language, rng, held_out))
    seen = [actor for actor in truth.actors if _is_told(actor)]
    if not seen:
        empty = (_EMPTY_ZH if language == "zh" else _EMPTY_EN).pick(rng, held_out)
        return (empty, _set_in(empty, story, language, rng, held_out))
    counts = Counter(actor.label for actor in seen)
    joined = zh.joined_zh if language == "zh" else en.joined_en
    count = zh.count_zh if language == "zh" else en.count_en
    short = joined([count(label, num) for label, num in counts.most_common(3)])
    doing = joined(_who_does_what(seen, story.looks, language, rng, held_out))
    return (
        short,
        _set_in(short, story, language, rng, held_out),
        doing,
        _set_in(doing, story, language, rng, held_out),
    )


def crop_caption(
    actor: ActorTruth, language: str, rng: np.random.Generator, *, held_out: bool = False, look: Look | None = None
) -> str:
    """What a crop around one actor shows: `a person lying on the ground`; with its look, now and then in colour."""
    form = _CROP_ZH if language == "zh" else _CROP_EN
    colour = _colour({actor.id: look}, actor, rng) if look is not None else ""
    return form.pick(rng, held_out).format(x=_described(actor, language, rng, held_out, colour))


def questions(
    story: Story, frames: Sequence[FrameTruth], language: str, rng: np.random.Generator, *, held_out: bool = False
) -> tuple[Question, ...]:
    """What may be asked of a clip: who is there and does what, how things stand to each other, why, what next."""
    report = told(story, frames, language)
    asks = zh.ASKS if language == "zh" else en.ASKS
    names = names_of(story.looks, language)
    table = zh.DOING if language == "zh" else en.DOING
    asked = [Question("element", asks["how_many"].pick(rng, held_out), _most_people(frames, language))]
    for action in report.actions[:3]:
        doing = _doing(story.looks[action.who].label, action.what, table, rng, held_out)
        if doing:
            question = asks["does"].pick(rng, held_out).format(who=names[action.who], frame=action.first)
            asked.append(Question("element", question, doing))
    for relation in report.relations[:3]:
        question = asks["stands"].pick(rng, held_out).format(who=names[relation.subject], frame=relation.frame)
        asked.append(Question("relation", question, _related(relation, names, language)))
    asked.append(Question("why", asks["why" if report.advice else "why_not"].pick(rng, held_out), report.explanation))
    if report.forecasts:
        likeliest = max(report.forecasts, key=lambda each: each.probability)
        asked.append(Question("next", asks["next"].pick(rng, held_out), likeliest.what))
    return tuple(asked)


def _most_people(frames: Sequence[FrameTruth], language: str) -> str:
    """The largest number of people in one frame."""
    most = max(
        (sum(actor.label == "person" and is_shown(actor) for actor in frame.actors) for frame in frames), default=0
    )
    if not most:
        return (_EMPTY_ZH if language == "zh" else _EMPTY_EN).usual[0]
    return zh.count_zh("person", most) if language == "zh" else en.count_en("person", most)


def _related(relation: ToldRelation, names: Mapping[int, str], language: str) -> str:
    """`carries the red suitcase`, `outside the zone`."""
    if language == "zh":
        target = zh.TARGETS[relation.object] if isinstance(relation.object, str) else names[relation.object]
        return zh.RELATIONS[relation.kind].format(target)
    target = en.TARGETS[relation.object] if isinstance(relation.object, str) else names[relation.object]
    return f"{relation.kind} {target}"


def _is_told(actor: ActorTruth) -> bool:
    """Seen well enough, and no part of another: a carried bag, a ridden bicycle."""
    is_own = actor.action != "carried" and not (actor.label == "bicycle" and actor.action == "drive")
    return is_shown(actor) and is_own and actor.label in en.NOUNS


def _described(actor: ActorTruth, language: str, rng: np.random.Generator, held_out: bool, colour: str = "") -> str:
    doing = _doing(actor.label, actor.action, en.DOING if language != "zh" else zh.DOING, rng, held_out)
    if language == "zh":
        noun, measure = zh.NOUNS[actor.label]
        held = [f"{zh.CARRYING.pick(rng, held_out)}{zh.NOUNS[bag][0]}" for bag in actor.carrying[:1]]
        worn = [zh.coloured_zh(actor.label, colour, rng, held_out)] if colour else []
        parts = [*worn, *held, *([doing] if doing else [])]
        return f"一{measure}{'、'.join(parts)}{'的' if parts else ''}{noun}"
    one = en.coloured_en(actor.label, colour, rng, held_out)
    held = [f"{en.CARRYING.pick(rng, held_out)} {en.one_en(bag, rng, held_out)}" for bag in actor.carrying[:1]]
    return " ".join([one, *([doing] if doing else []), *held])


def _doing(label: str, action: str, table: Mapping[str, Says], rng: np.random.Generator, held_out: bool) -> str:
    """The words for an action; "" where it says nothing, as of smoke, or is a person's word for a bird's."""
    if label == "bird" and action == "run":
        return ""
    word = "crouch" if action == "bend" else action
    return table[word].pick(rng, held_out) if word in table else ""


def _colour(looks: Mapping[int, Look], actor: ActorTruth, rng: np.random.Generator) -> str:
    """Told of every other one that has any."""
    return looks[actor.id].colour if actor.id in looks and rng.random() < _COLOURED else ""


def _who_does_what(
    seen: Sequence[ActorTruth], looks: Mapping[int, Look], language: str, rng: np.random.Generator, held_out: bool
) -> list[str]:
    """The largest few, those who do alike counted together."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[ActorTruth]] = {}
    for actor in sorted(seen, key=lambda each: -each.box.area):
        groups.setdefault((actor.label, actor.action, actor.carrying), []).append(actor)
    parts = []
    for group in list(groups.values())[:_MAX_TOLD]:
        if len(group) == 1:
            parts.append(_described(group[0], language, rng, held_out, _colour(looks, group[0], rng)))
            continue
        doing = _doing(group[0].label, group[0].action, en.DOING if language != "zh" else zh.DOING, rng, held_out)
        if language == "zh":
            noun = zh.NOUNS[group[0].label][0]
            several = zh.count_zh(group[0].label, len(group)).removesuffix(noun)
            parts.append(f"{several}{doing}{'的' if doing else ''}{noun}")
        else:
            parts.append(f"{en.count_en(group[0].label, len(group))} {doing}".strip())
    return parts


def _set_in(told: str, story: Story, language: str, rng: np.random.Generator, held_out: bool) -> str:
    """With the kind of place, the light and the weather."""
    if language == "zh":
        around = [zh.LIGHTS[story.light].pick(rng, held_out), zh.WEATHERS[story.weather]]
        return f"{'，'.join(part for part in around if part)}，{zh.place_zh(story.place)}里{told}"
    around = [en.LIGHTS[story.light].pick(rng, held_out), en.WEATHERS[story.weather]]
    return " ".join([told, "in", en.place_en(story.place), *(part for part in around if part)])


def _blinding(story: Story, at_seconds: float) -> str:
    """What keeps the camera from seeing, "" when nothing does."""
    if not is_blind(story, at_seconds):
        return ""
    return next(each.kind for each in story.faults if each.kind != "moved" and each.share(at_seconds) > 0.5)
