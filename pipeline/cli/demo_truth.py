"""What the demo's scene holds and which rules are to find it; found incidents against the scene's truth. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.scenes import Scene, TrueEvent

LOITERING_SECONDS = 15.0
"""The scene's people loiter for more than 15 s, or are near misses of less than 10 s."""
LEFT_SECONDS = 15.0
"""A bag left for good is alone for longer; the near miss is taken again within 9 s."""
_EARLY_SECONDS = 2.0
_LATE_SECONDS = 3.0
"""An incident belongs to an event when it opens from so much before to so much after it: boxes are wider than
feet, and a passage must be certain before it counts."""


def demo_rules() -> list[dict[str, Any]]:
    """Rules that need no models: whatever moves counts (a person, to a detector that knows one)."""
    return [
        {"id": "fence-entry", "track": {"object": "any", "enters": "fence"}, "severity": "medium", "cooldown": 0},
        {
            "id": "loitering",
            "track": {"object": "any", "inside": "fence", "longer_than": LOITERING_SECONDS},
            "severity": "high",
            "cooldown": 0,
        },
        {"id": "kerb-crossing", "track": {"object": "any", "crosses": "kerb"}, "severity": "low", "cooldown": 0},
        {"id": "left-bag", "track": {"object": "any", "left_behind": LEFT_SECONDS}, "severity": "high", "cooldown": 0},
        {"id": "gate-entry", "track": {"object": "any", "enters": "gate"}, "severity": "medium", "cooldown": 0},
    ]


@dataclass(frozen=True, slots=True)
class Planted:
    """One thing the scene does on purpose, with the rule that is to tell of it (or must not)."""

    rule_id: str
    start_seconds: float
    """From when on the rule may fire."""
    end_seconds: float
    text: str
    is_near_miss: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """Found against planted."""

    found: Mapping[Planted, float]
    """Planted event to the second at which it was found."""
    missed: Sequence[Planted]
    quiet: Sequence[Planted]
    """Near misses that were not alerted."""
    false: Sequence[tuple[str, float]]
    """(rule, seconds) of incidents that nothing planted explains."""

    @property
    def is_perfect(self) -> bool:
        """All found, nothing else alerted."""
        return not self.missed and not self.false


def planted_in(scene: Scene) -> list[Planted]:
    """What the demo's rules have to do with, in time order."""
    found = [
        planted
        for event in scene.events
        for planted in _planted(event)
        if planted.start_seconds < scene.duration_seconds
    ]
    return sorted(found, key=lambda planted: planted.start_seconds)


def _planted(event: TrueEvent) -> list[Planted]:
    start, end = event.start_seconds, event.end_seconds
    near = event.is_near_miss
    if event.kind == "enters" and event.zone in {"fence", "gate"}:
        return [Planted(f"{event.zone}-entry", start, start, f"somebody enters {event.zone}")]
    if event.kind == "crosses":
        way = event.direction.replace("_", " ")
        return [Planted("kerb-crossing", start, start, f"somebody crosses {event.line} from {way}")]
    if event.kind == "loiters" and event.zone == "fence":
        text = f"somebody stays in fence for {end - start:.0f} s"
        return [Planted("loitering", start if near else start + LOITERING_SECONDS, end, text, near)]
    if event.kind == "passes" and event.zone == "fence":
        return [Planted("fence-entry", start, end, "somebody walks close by fence, never in it", near)]
    if event.kind == "left_behind":
        text = f"a bag is put down and {'taken again' if near else 'left'}"
        return [Planted("left-bag", start if near else start + LEFT_SECONDS, end, text, near)]
    if event.kind == "light":
        return [Planted("fence-entry", start, end, "the light changes", near)]
    return []


def score(planted: Sequence[Planted], incidents: Sequence[tuple[str, float]]) -> Score:
    """Match incidents, (rule, seconds from the start), to what was planted, each at most once."""
    unexplained = sorted(incidents, key=lambda incident: incident[1])
    found: dict[Planted, float] = {}
    for event in (event for event in planted if not event.is_near_miss):
        match = next((incident for incident in unexplained if _explains(event, incident)), None)
        if match is not None:
            unexplained.remove(match)
            found[event] = match[1]
    return Score(
        found=found,
        missed=[event for event in planted if not event.is_near_miss and event not in found],
        quiet=[e for e in planted if e.is_near_miss and not any(_explains(e, incident) for incident in unexplained)],
        false=unexplained,
    )


def _explains(event: Planted, incident: tuple[str, float]) -> bool:
    rule_id, seconds = incident
    in_time = event.start_seconds - _EARLY_SECONDS <= seconds <= event.end_seconds + _LATE_SECONDS
    return rule_id == event.rule_id and in_time
