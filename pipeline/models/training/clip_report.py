"""What `scenes.told` says of a story, as tokens of the report language.

What the language has no word for (the fence, a line) and what goes beyond its bounds is left out; an element whose
region no detector gave in that frame points to another frame with it, or to the frame alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.values import Severity
from pipeline.models.clip import Clip
from pipeline.models.report_language import (
    ACTIONS,
    MAX_ACTIONS,
    MAX_ELEMENTS,
    MAX_FORECASTS,
    MAX_RELATIONS,
    NAMES,
    PERCENTS,
    ZONE,
    ReportPlan,
    SeenAction,
    SeenElement,
    SeenForecast,
    SeenRelation,
    encode,
    nearest,
)
from pipeline.scenes.story import Story
from pipeline.scenes.told import StoryReport, ToldElement, told
from pipeline.scenes.truth import ActorTruth, FrameTruth

_SEVERITIES = {
    "fall": Severity.CRITICAL, "smoke": Severity.CRITICAL, "fight": Severity.HIGH, "intrusion": Severity.HIGH,
    "climbing": Severity.HIGH, "left_bag": Severity.HIGH, "covered": Severity.HIGH, "ordinary": Severity.LOW,
}  # fmt: skip
"""Of situations; others are medium, near misses low."""
_SAME_IOU = 0.4
"""A detected box this much like an actor's is the actor's."""


def report_tokens(story: Story, truths: Sequence[FrameTruth], kept: Clip) -> tuple[int, ...]:
    """The report over these frames, which are the clip's; `END` last."""
    return tuple(encode(plan_of(told(story, truths, "en"), story, truths, kept)))


def plan_of(report: StoryReport, story: Story, truths: Sequence[FrameTruth], kept: Clip) -> ReportPlan:
    """The report with its words as the language's, its things as the clip's regions."""
    elements = report.elements[:MAX_ELEMENTS]
    index = {element.actor: number for number, element in enumerate(elements)}
    return ReportPlan(
        story.near_miss or story.situation,
        Severity.LOW if story.is_near_miss else _SEVERITIES.get(story.situation, Severity.MEDIUM),
        tuple(_element(element, truths, kept) for element in elements),
        _relations(report, index, has_zone=kept.zone is not None),
        _actions(report, index),
        tuple(
            SeenForecast(number, nearest(100 * each.probability, PERCENTS))
            for number, each in enumerate(report.forecasts[:MAX_FORECASTS])
        ),
    )


def _relations(report: StoryReport, index: dict[int, int], *, has_zone: bool) -> tuple[SeenRelation, ...]:
    found = []
    for each in report.relations:
        target = ZONE if each.object == "zone" and has_zone else index.get(each.object)  # type: ignore[arg-type]  # words are no keys of it
        if each.subject in index and target is not None and target != index[each.subject]:
            found.append(SeenRelation(index[each.subject], each.kind, target, each.frame - 1))
    return tuple(found[:MAX_RELATIONS])


def _actions(report: StoryReport, index: dict[int, int]) -> tuple[SeenAction, ...]:
    """Those of whom the story is about first."""
    found = [
        SeenAction(index[each.who], each.what if each.what in ACTIONS else "other", each.first - 1, each.last - 1)
        for each in report.actions
        if each.who in index
    ]
    return tuple(sorted(found, key=lambda action: (action.who, action.first))[:MAX_ACTIONS])


def _element(element: ToldElement, truths: Sequence[FrameTruth], kept: Clip) -> SeenElement:
    """In the frame it is told of, or in the nearest other one that has a region for it."""
    told_in = element.frame - 1
    for frame in sorted(range(len(truths)), key=lambda number: abs(number - told_in)):
        actor = next((each for each in truths[frame].actors if each.id == element.actor), None)
        region = None if actor is None else _region(actor, kept, frame)
        if actor is not None and region is not None:
            return SeenElement(_name(actor), frame, region)
    actor = next(each for each in truths[told_in].actors if each.id == element.actor)
    return SeenElement(_name(actor), told_in, None)


def _region(actor: ActorTruth, kept: Clip, frame: int) -> int | None:
    likeness = [region.box.iou(actor.box) for region in kept.frames[frame].regions]
    best = max(range(len(likeness)), key=likeness.__getitem__, default=None)
    return best if best is not None and likeness[best] >= _SAME_IOU else None


def _name(actor: ActorTruth) -> str:
    return actor.label if actor.label in NAMES else "thing"
