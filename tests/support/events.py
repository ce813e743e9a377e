"""Synthetic tracks and observations for the tests of events: exact paths with jitter, dropouts and id switches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.decision import Decision, DecisionSink, NullDecisionSink
from pipeline.contracts.observation import Encoder, Observation, Region
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box, Image
from pipeline.errors import StageFailed
from pipeline.events.stage import EventStage
from pipeline.settings import EventSettings

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
WIDTH, HEIGHT = 768, 576
SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
"""A zone in the middle: x 192–576, y 144–432."""
UPWARD = ((0.5, 1.0), (0.5, 0.0))
"""A line at x = 384, walked upwards: its left is the picture's left."""


def at(seconds: float) -> datetime:
    """So long after the start of every test."""
    return START + timedelta(seconds=seconds)


class DecisionLog:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def reasons(self, rule_id: str = "r") -> list[str]:
        return [decision.reason for decision in self.decisions if decision.rule_id == rule_id]


def box_at(foot: tuple[float, float], height: float = 70.0, width: float | None = None) -> Box:
    """A box that stands on `foot`; as wide as a walker unless told."""
    half = (height * 0.4 if width is None else width) / 2
    return Box(foot[0] - half, foot[1] - height, foot[0] + half, foot[1])


@dataclass
class Actor:
    """Something that moves along straight lines between (seconds, x, y) corners, seen imperfectly."""

    corners: Sequence[tuple[float, float, float]]
    track_id: int | Callable[[float], int] = 7
    label: str = "person"
    height: float = 70.0
    width: float | None = None
    jitter_px: float = 0.0
    hidden: Sequence[tuple[float, float]] = ()
    """[from, to) in seconds in which it is not detected."""
    seed: int = 0
    _noise: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._noise = np.random.default_rng(self.seed)

    def region(self, seconds: float) -> Region | None:
        """What the tracker gives for it at that time."""
        times = [corner[0] for corner in self.corners]
        if not times[0] <= seconds <= times[-1] or any(a <= seconds < b for a, b in self.hidden):
            return None
        x = float(np.interp(seconds, times, [corner[1] for corner in self.corners]))
        y = float(np.interp(seconds, times, [corner[2] for corner in self.corners]))
        box = box_at((x, y), self.height, self.width)
        left, top, right, bottom = self._noise.normal(0.0, self.jitter_px, 4)
        track_id = self.track_id(seconds) if callable(self.track_id) else self.track_id
        shaken = Box(box.left + left, box.top + top, box.right + right, box.bottom + bottom)
        return Region(shaken, self.label, 0.8, track_id)


def observation(seconds: float, *regions: Region, **changes: Any) -> Observation:
    """One observation so long after the start."""
    values: dict[str, Any] = {
        "camera_id": "cam",
        "sequence": round(seconds * 1000),
        "captured_at": at(seconds),
        "pts_seconds": seconds,
        "width": WIDTH,
        "height": HEIGHT,
        "regions": regions,
        "thumbnail": np.full((36, 64), 90, np.uint8),
    }
    return Observation(**(values | changes))


def film(seconds: float, fps: float, *actors: Actor, start: float = 0.0) -> list[Observation]:
    """Observations of [start, start + seconds) at `fps`."""
    times = [start + index / fps for index in range(round(seconds * fps))]
    return [
        observation(time, *(region for actor in actors if (region := actor.region(time)) is not None)) for time in times
    ]


def rule(**body: Any) -> Rule:
    """A rule called `r` without a cooldown unless told."""
    return Rule.model_validate({"id": "r", "cooldown": 0, **body})


def stage(*rules: Rule, sink: DecisionSink | None = None, encoder: Encoder | None = None, **options: Any) -> EventStage:
    """A stage with one camera `cam` on which `square` and `line` are drawn."""
    camera = Camera.model_validate(
        {"id": "cam", "url": "synthetic:none", "zones": {"square": SQUARE}, "lines": {"line": UPWARD}}
        | options.pop("camera", {})
    )
    zone = options.pop("zone", ZoneInfo("UTC"))
    settings = options.pop("settings", EventSettings())
    return EventStage([(camera, rules)], settings, zone, encoder, sink or NullDecisionSink(), **options)


def play(events: EventStage, observations: Sequence[Observation], *, is_finished: bool = True) -> list[Candidate]:
    """All candidates of a film, those of the end included."""
    told: list[Candidate] = []
    for answer in events.process(observations):
        assert not isinstance(answer, StageFailed), answer
        told.extend(answer)
    return [*told, *(events.finish("cam") if is_finished else ())]


def opened(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Only the openings."""
    return [candidate for candidate in candidates if candidate.state is CandidateState.OPENED]


def closed(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Only the closings."""
    return [candidate for candidate in candidates if candidate.state is CandidateState.CLOSED]


class TinyEncoder:
    """Three dimensions: the rule's words, everything else, and nothing."""

    model_id = "tiny"
    logit_scale = 20.0

    def __init__(self, words: str, supports_text: bool = True) -> None:
        self._words = words
        self.supports_text = supports_text

    def warm_up(self) -> None: ...

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return np.tile(np.float32([0, 1, 0]), (len(images), 1))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([np.float32([1, 0, 0]) if self._words in text else np.float32([0, 1, 0]) for text in texts])

    def close(self) -> None: ...


def embedding(likeness: float) -> NDArray[np.float32]:
    """A picture whose cosine is `likeness` to the words and `1 - likeness` to everything else, roughly."""
    vector = np.float32([likeness, 1 - likeness, 0])
    return vector / np.linalg.norm(vector)
