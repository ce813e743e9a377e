"""How far back a camera is to be seen again, so that its rules stand as if they had never looked away.

What is open, and since when, is known from what was told (`takeover.py`); what has to be seen again is what
nobody tells: who is where, how long they have been there, and what scores were like.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.camera import Camera
from pipeline.contracts.rule import Rule
from pipeline.events.left_behind import BRINGER_SECONDS
from pipeline.events.state_machine import PACES, SCORED, TIME_CONSTANTS, kind_of
from pipeline.settings import EventSettings, PerceptionSettings

_SETTLE_SECONDS = 5.0
"""Until gate, tracker and boundaries are as they would be: a background, a speed, a side of the line for everyone
who lingers near it."""
_HEARTBEATS = 2
"""What stands still is seen by heartbeats alone, and the tracker gives it an id with the second."""


def rewind_seconds(
    cameras: Iterable[tuple[Camera, tuple[Rule, ...]]], events: EventSettings, perception: PerceptionSettings
) -> float:
    """The longest that any of these cameras needs; 0 without rules."""
    return max((_of_camera(camera, rules, events, perception) for camera, rules in cameras), default=0.0)


def rule_seconds(rule: Rule) -> float:
    """What the rule's own durations need: until it is met, until that counts, and until it is over."""
    pace, timing, track = PACES[kind_of(rule)], rule.timing, rule.track
    dwell = pace.dwell_seconds if timing.dwell is None else timing.dwell
    gap = pace.gap_seconds if timing.gap is None else timing.gap
    smoothing = TIME_CONSTANTS * timing.smoothing if kind_of(rule) == SCORED else 0.0
    limit = 0.0
    if track is not None and track.left_behind is not None:
        limit = track.left_behind + BRINGER_SECONDS
    elif track is not None and track.longer_than is not None:
        limit = track.longer_than
    return limit + smoothing + dwell + gap


def _of_camera(camera: Camera, rules: Iterable[Rule], events: EventSettings, perception: PerceptionSettings) -> float:
    longest = max((rule_seconds(rule) for rule in rules if rule.enabled), default=None)
    if longest is None:
        return 0.0
    memory = events.track_memory + perception.track_memory
    return longest + memory + _HEARTBEATS / camera.sampling.idle_fps + _SETTLE_SECONDS
