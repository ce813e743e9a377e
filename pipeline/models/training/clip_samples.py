"""Staged scenes as questions to the clip model: what is seen, claims with their truth, the report.

In: a seed and a number. Out: samples, a pure function of both and of the frozen trunk. What is claimed has no words
here: it is judged as it is meant. What is seen goes through the same `clip_eyes.look_at` as in use, from boxes with the
errors of a detector and a tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image
from pipeline.models.clip import Clip, ClipFrame, ClipRegion
from pipeline.models.clip_eyes import SeenArrays, look_at
from pipeline.models.report_language import SITUATIONS
from pipeline.models.training.clip_facts import tracked_facts
from pipeline.models.training.clip_report import report_tokens
from pipeline.models.training.rule_words import parts_of
from pipeline.models.training.staging import REAL_SHARE, background_of, stage_over
from pipeline.models.vision import VisionModel
from pipeline.scenes.claims import MAIN, Claim, claims_for
from pipeline.scenes.story import Staged, Story, key_times
from pipeline.scenes.truth import ActorTruth, FrameTruth

YES, NO, CANNOT = 0, 1, 2
"""A rule's truth, in the order of the verdict's logits."""
UNTOLD = -1
SPLITS: dict[str, int] = {"train": 0, "calibration": 700_000_000, "held_out": 800_000_000}
"""What samples are for, and what is added to their seed: `calibration` has other people and moments than training,
`held_out` other places too."""
_SIZES_PX, _SIZE_SHARES = ((384, 216), (480, 270), (640, 360)), (0.6, 0.2, 0.2)
_NUM_FRAMES, _FRAME_SHARES = (6, 8, 5, 4, 3, 2, 1), (0.44, 0.16, 0.12, 0.1, 0.08, 0.05, 0.05)
_BLANK = 0.02
"""Share of clips whose pictures are black, grey or white through and through: nothing can be told of them."""
_NO_ZONE = 0.12
_NO_BOXES = 0.06
_MOTION_ONLY = 0.25
"""Share of clips in which the detector knows motion alone: everything is called `moving`."""
_LEAST_PX = 6.0
_UNKNOWN = 0.3
"""Share of clips that are asked something unknown."""


@dataclass(frozen=True, slots=True)
class AskedRule:
    """One rule of a clip."""

    claim: Claim | None
    """None: something that no scene can show."""
    truth: int
    """`YES`, `NO` or `CANNOT`."""
    is_own: bool
    """It is what a rule for the clip's situation asks: yes for the situation, no for its near miss."""

    @property
    def parts(self) -> tuple[int, ...]:
        """What it asks: of each of `CLAIM_PARTS` the index."""
        return parts_of(self.claim)

    @property
    def seconds(self) -> float:
        """How long it asks for; 0: not said."""
        return 0.0 if self.claim is None else self.claim.seconds

    @property
    def about(self) -> str:
        """The action or the state."""
        return "" if self.claim is None else self.claim.action or self.claim.state


@dataclass(frozen=True, slots=True)
class ClipSample:
    """One clip."""

    seen: SeenArrays
    rules: tuple[AskedRule, ...]
    situations: NDArray[np.int8]
    """(len(SITUATIONS),): 1 it is shown, 0 it is not, `UNTOLD` these frames do not tell."""
    report: tuple[int, ...]
    """Tokens, `END` last; empty where there is nothing to report of."""
    situation: str
    is_near_miss: bool
    place: str


def make_samples(
    seed: int,
    number: int,
    model: VisionModel,
    *,
    clips: int,
    split: str = "train",
    footage: Sequence[Path] = (),
) -> list[ClipSample]:
    """The `clips` clips of one staged scene; `split`: of `SPLITS`."""
    rng = np.random.default_rng((SPLITS[split] + seed, number, 5))
    is_held_out = split == "held_out"
    staged = _staged(rng, is_held_out, footage, REAL_SHARE if split == "train" else 1.0)
    return [_sample(staged, rng, model) for _ in range(clips)]


def _staged(rng: np.random.Generator, is_held_out: bool, footage: Sequence[Path], real: float) -> Staged:
    """Any situation or near miss anywhere; with `footage`, a share `real` of them before a real background."""
    background = background_of(footage[int(rng.integers(len(footage)))]) if footage and rng.random() < real else None
    size = _SIZES_PX[int(rng.choice(len(_SIZES_PX), p=_SIZE_SHARES))]
    return stage_over(int(rng.integers(2**31)), background, is_held_out=is_held_out, size=size)


def _sample(staged: Staged, rng: np.random.Generator, model: VisionModel) -> ClipSample:
    story = staged.story
    times = key_times(story, int(rng.choice(_NUM_FRAMES, p=_FRAME_SHARES)), rng)
    rendered = [staged.scene.render(at) for at in times]
    truths = [truth for _, truth in rendered]
    is_blank = rng.random() < _BLANK
    images = [_blank(image, rng) if is_blank else image for image, _ in rendered]
    has_zone = bool(story.zone) and rng.random() >= _NO_ZONE
    clip = _clip(staged, images, truths, rng, has_zone=has_zone)
    kept, seen = look_at(clip, model)
    rules = _rules(staged, truths, rng, has_zone=has_zone, is_blank=is_blank)
    return ClipSample(
        seen,
        tuple(rules),
        np.full(len(SITUATIONS), UNTOLD, np.int8) if is_blank else _situations(story, truths),
        () if is_blank else report_tokens(story, truths, kept),
        story.situation,
        story.is_near_miss,
        story.place,
    )


def _clip(
    staged: Staged, images: Sequence[Image], truths: Sequence[FrameTruth], rng: np.random.Generator, *, has_zone: bool
) -> Clip:
    story, start = staged.story, truths[0].at_seconds
    has_boxes, is_motion, has_tracks = rng.random() >= _NO_BOXES, rng.random() < _MOTION_ONLY, rng.random() >= 0.1
    frames = []
    for image, truth in zip(images, truths, strict=True):
        size = (image.shape[1], image.shape[0])
        regions = [
            ClipRegion(box, "moving" if is_motion else actor.label, actor.id if has_tracks else None)
            for actor in (truth.actors if has_boxes else ())
            if (box := _detected(actor, size, rng)) is not None
        ]
        frames.append(ClipFrame(image, truth.at_seconds - start, tuple(regions)))
    tracked = sorted({region.track_id for frame in frames for region in frame.regions if region.track_id is not None})
    facts = tracked_facts(story, start, truths[-1].at_seconds, tracked, rng) if tracked else []
    zone = staged.scene.zones[story.zone] if has_zone else None
    return Clip(tuple(frames), "", zone=zone, zone_name=story.zone if has_zone else "", facts=tuple(facts))


def _detected(actor: ActorTruth, size: tuple[int, int], rng: np.random.Generator) -> Box | None:
    """The box as a detector has it: missing for what is hidden, small or unlucky, and shaken."""
    box = actor.box
    is_missed = rng.random() < (0.5 if actor.action == "carried" else 0.06)
    if is_missed or actor.visible < 0.25 or box.height < _LEAST_PX or box.width < _LEAST_PX / 2:
        return None
    left, right = (side + rng.normal(0, 0.04) * box.width for side in (box.left, box.right))
    top, bottom = (side + rng.normal(0, 0.03) * box.height for side in (box.top, box.bottom))
    shaken = Box(max(left, 0.0), max(top, 0.0), min(right, size[0]), min(bottom, size[1]))
    return shaken if shaken.width >= 2 and shaken.height >= 2 else None


def _rules(
    staged: Staged, truths: Sequence[FrameTruth], rng: np.random.Generator, *, has_zone: bool, is_blank: bool
) -> list[AskedRule]:
    own = MAIN.get(staged.story.situation)
    rules = []
    for claim in claims_for(staged, truths, rng):
        if has_zone or not claim.where:
            truth = None if is_blank else claim.is_true(staged.story, truths)
            rules.append(AskedRule(claim, CANNOT if truth is None else YES if truth else NO, claim == own))
    if rng.random() < _UNKNOWN or not rules:
        rules.append(AskedRule(None, CANNOT, is_own=False))
    return rules


def _situations(story: Story, truths: Sequence[FrameTruth]) -> NDArray[np.int8]:
    """By the claim that stands for each; `ordinary` when none of those that can be told is so."""
    told = {name: claim.is_true(story, truths) for name, claim in MAIN.items()}
    told["ordinary"] = False if any(told.values()) else None if None in told.values() else True
    return np.array([UNTOLD if told[name] is None else int(bool(told[name])) for name in SITUATIONS], np.int8)


def _blank(image: Image, rng: np.random.Generator) -> Image:
    level = (0, 12, 128, 250)[int(rng.integers(4))]
    return np.clip(rng.normal(level, 2.0, image.shape), 0, 255).astype(np.uint8)
