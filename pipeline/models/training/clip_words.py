"""What the clip model is asked in training beside the claims' own wordings.

Track rules as `pipeline.reasoning.prompt` puts them into words, and rules about what it cannot know: words drawn at
random, things it never saw. To those the answer is `cannot tell`.
"""

from __future__ import annotations

import numpy as np

from pipeline.scenes.claims import MARKED, Claim
from pipeline.scenes.story import Story

_UNKNOWN = (
    "a helicopter lands on the roof", "someone smokes a cigarette", "a worker without a helmet", "a giraffe",
    "water runs over the floor", "the price on the sign is wrong", "somebody laughs loudly", "a drone above the yard",
    "a person wearing a name badge", "the shelf is empty", "a person pays by card", "a broken window",
    "the gate is open", "somebody types on a keyboard", "a child eats an apple", "an umbrella lies on a chair",
    "有人在抽烟", "没有戴安全帽的工人", "货架是空的", "窗户被打破",
    "直升机降落", "有人在打电话", "地上有水", "孩子在吃苹果",
)  # fmt: skip
_UNKNOWN_HELD_OUT = (
    "a boat on the river", "someone plays the guitar", "a fire extinguisher is missing", "the door lock is rusty",
    "two people exchange money", "a monkey on the roof", "a person cuts a cable", "snow covers the stairs",
    "有人在弹吉他", "灭火器不见了", "河上有一条船", "有人在剪电线",
)  # fmt: skip


def unknown_words(rng: np.random.Generator, vocabulary: list[str], *, held_out: bool = False) -> str:
    """A rule that nothing in the scenes can answer; `vocabulary`: words to draw nonsense from."""
    if held_out or rng.random() < 0.5:
        return str(rng.choice(_UNKNOWN_HELD_OUT if held_out else _UNKNOWN))
    return " ".join(rng.choice(vocabulary, int(rng.integers(2, 8))).tolist())


def track_words(claim: Claim, story: Story) -> str | None:
    """The claim as a track rule's question; None where no track rule asks that."""
    if claim.where not in ("", "in") or claim.carrying or not claim.label:
        return None
    if claim.kind == "crosses":
        return f"{claim.label} crosses the line {story.line}"
    if claim.kind != "does":
        return None
    if claim.where == "in" and claim.count == 1 and not claim.action:
        zone = story.zone if claim.zone == MARKED else claim.zone
        stays = f" for longer than {claim.seconds:g} s" if claim.seconds else ""
        return f"{claim.label} is inside {zone}{stays}" if stays else f"{claim.label} enters {zone}"
    return _other_track_words(claim) if not claim.where else None


def _other_track_words(claim: Claim) -> str | None:
    if claim.action == "unattended" and claim.seconds:
        return f"{claim.label} was left behind: whoever brought it has been gone for {claim.seconds:g} s"
    if claim.action == "run" and claim.label == "person" and not claim.seconds and claim.count == 1:
        return "person moves faster than 1.8 of its own heights a second"
    if claim.count > 1 and not claim.action and not claim.seconds:
        return f"there are more than {claim.count - 1} of {claim.label} at once"
    return None
