"""What verdicts took of models, added up by rule or camera."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.assessment import Usage
from pipeline.contracts.incident import Incident


@dataclass(slots=True)
class Spent:
    """What the verdicts of one rule or camera took."""

    name: str
    verdicts: int = 0
    calls: int = 0
    pictures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False
    """Some of the tokens were not counted by their model."""
    seconds: float = 0.0
    cost: float | None = None
    degraded: int = 0
    """Made cheaper than asked for, or not made at all."""

    def add(self, incident: Incident) -> None:
        """One more, if it was judged."""
        assessment = incident.assessment
        if assessment is None:
            return
        self.verdicts += 1
        self.degraded += bool(assessment.degraded)
        if assessment.usage is not None:
            self.add_usage(assessment.usage)

    def add_usage(self, usage: Usage) -> None:
        """What one verdict took, or one look at a picture."""
        self.calls += usage.calls
        self.pictures += usage.pictures
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.is_estimated |= usage.is_estimated
        self.seconds += usage.seconds
        if usage.cost is not None:
            self.cost = (self.cost or 0.0) + usage.cost


def spent_by(by: Literal["rule", "camera"], found: Iterable[Incident]) -> list[Spent]:
    """Added up, the most seconds first."""
    sums: dict[str, Spent] = defaultdict(lambda: Spent(""))
    for incident in found:
        sums[incident.rule_id if by == "rule" else incident.camera_id].add(incident)
    for name, one in sums.items():
        one.name = name
    return sorted((one for one in sums.values() if one.verdicts), key=lambda one: (-one.seconds, one.name))
