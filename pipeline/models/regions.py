"""What a region shows: names of things, poses, actions, what is carried; and the heads that tell them.

The words are those of the scenes' truth and COCO's; `nothing` is a region with no thing in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.models.trunk import AttentionPool, Size

NOTHING = "nothing"
LABELS = (
    "person", "bicycle", "motorcycle", "car", "truck", "dog", "cat", "bird", "backpack", "suitcase", "handbag",
    "smoke", NOTHING,
)  # fmt: skip
POSES = ("upright", "crouched", "sitting", "lying")
ACTIONS = (
    "stand", "walk", "run", "crouch", "bend", "climb", "lie", "sit", "fall", "fight", "greet", "cycle",
)  # fmt: skip
"""Of persons."""
CARRIED = ("backpack", "suitcase", "handbag")


@dataclass(frozen=True, slots=True)
class RegionLook:
    """What one region looks like."""

    label: str
    """`""` when there is nothing."""
    score: float
    """Probability of the label (of nothing, when it is `""`)."""
    pose: str
    """Of a person; else `""`."""
    pose_score: float
    action: str
    """Of a person; else `""`."""
    embedding: NDArray[np.float32]
    """(width,): what the heads see."""
    labels: dict[str, float]
    """Probability of every label, `nothing` among them."""
    action_score: float = 0.0
    carrying: dict[str, float] = field(default_factory=dict)
    """Of a person: what of `CARRIED`, and how probably."""


class RegionHeads(nn.Module):
    """Tokens of a region to one feature and from it to scores."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.pool = AttentionPool(size.width)
        self.label = nn.Linear(size.width, len(LABELS))
        self.pose = nn.Linear(size.width, len(POSES))
        self.action = nn.Linear(size.width, len(ACTIONS))
        self.carrying = nn.Linear(size.width, len(CARRIED))

    def forward(self, tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(N, T, width) to the feature (N, width) and the logits by the head's name."""
        feature: Tensor = self.pool(tokens)
        heads = {"label": self.label, "pose": self.pose, "action": self.action, "carrying": self.carrying}
        return feature, {name: head(feature).float() for name, head in heads.items()}


def looks(feature: Tensor, logits: dict[str, Tensor]) -> list[RegionLook]:
    """The heads' answers in words."""
    features = feature.float().cpu().numpy()
    labels, poses, actions = (logits[name].softmax(-1).cpu().numpy() for name in ("label", "pose", "action"))
    carried = logits["carrying"].sigmoid().cpu().numpy()
    return [_look(*row) for row in zip(features, labels, poses, actions, carried, strict=True)]


def _look(
    feature: NDArray[np.float32],
    labels: NDArray[np.float32],
    poses: NDArray[np.float32],
    actions: NDArray[np.float32],
    carried: NDArray[np.float32],
) -> RegionLook:
    label = LABELS[int(labels.argmax())]
    is_person = label == "person"
    return RegionLook(
        label="" if label == NOTHING else label,
        score=float(labels.max()),
        pose=POSES[int(poses.argmax())] if is_person else "",
        pose_score=float(poses.max()) if is_person else 0.0,
        action=ACTIONS[int(actions.argmax())] if is_person else "",
        action_score=float(actions.max()) if is_person else 0.0,
        embedding=feature,
        labels=dict(zip(LABELS, labels.tolist(), strict=True)),
        carrying=dict(zip(CARRIED, carried.tolist(), strict=True)) if is_person else {},
    )
