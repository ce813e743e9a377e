"""What rules made of recordings, and each rule's figures: how often it alerts, on what, and how close it came besides.

In: incidents and counts of decisions, recording by recording. Out: numbers; words and pictures are left to others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from scipy.stats import chi2

from pipeline.contracts.decision import DecisionCount
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.evaluation.figures import CONFIDENCE, Interval
from pipeline.evaluation.near_misses import NearMiss, near_misses
from pipeline.evaluation.spans import ANY_LABEL, Event, Prediction, Truth

_HOURS_A_DAY = 24.0
_SECONDS_AN_HOUR = 3600.0
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording, read as one camera, and what came of it."""

    name: str
    """Told apart by it: `yard/walk`."""
    camera_id: str
    source: str
    """The file, without credentials."""
    rule_ids: frozenset[str]
    """The rules that looked at it."""
    started_at: datetime
    """What its first frame was taken to be from, aware."""
    seconds: float
    """Event time that was read."""
    frames_read: int
    frames_sampled: int
    incidents: tuple[Incident, ...]
    """As they stood at the end, in the order they opened."""
    counts: tuple[DecisionCount, ...]
    perception_calls: int
    perception_seconds: float
    """Spent in them, all together."""
    failure: str = ""
    """Why it could not be read to its end."""
    incident: Incident | None = None
    """The one whose clip it is, as it stands in the site's own data."""
    began_fixed: frozenset[str] = frozenset()
    """Rules without a threshold in the site file that began with the fixed one: none was learned for them as they
    stand."""

    def place_seconds(self, at: datetime) -> float:
        """Where in the recording a moment is, in seconds from its start."""
        return (at - self.started_at).total_seconds()


class Hit(NamedTuple):
    """An alert and the recording it was raised on."""

    recording: Recording
    incident: Incident


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """One rule on all recordings it looked at."""

    rule: Rule
    hours: float
    """Camera-hours read."""
    hits: tuple[Hit, ...]
    """Its alerts, in the order of the recordings."""
    statuses: Mapping[str, int]
    """How many of its incidents ended as what; those that nobody would have been told of, too."""
    num_verdicts: int
    """Incidents that a model was asked about."""
    num_calls: int
    """Requests to the model: a verdict, the report on one that was confirmed, and what was tried again."""
    num_pictures: int
    """Pictures shown to it, each counted once an incident."""
    verdict_seconds: float
    """From asking to the verdict, all incidents together."""
    near_misses: tuple[tuple[Recording, NearMiss], ...]
    """The closest first."""
    num_recordings: int
    is_of_clips: bool
    """The recordings are clips of incidents, there because a rule alerted: they stand for no other time."""

    @property
    def alerts_a_day(self) -> float | None:
        """By the camera-day, extrapolated from the hours read; None where nothing was read, and of clips."""
        return None if self.is_of_clips else _a_day(len(self.hits), self.hours)

    @property
    def alerts_a_day_interval(self) -> Interval | None:
        """95 %, as if alerts came independently (exact Poisson: Garwood, "Fiducial limits for the Poisson
        distribution", Biometrika 28, 1936)."""
        if self.alerts_a_day is None:
            return None
        num, tail = len(self.hits), (1 - CONFIDENCE) / 2
        low = float(chi2.ppf(tail, 2 * num)) / 2 if num else 0.0
        high = float(chi2.ppf(1 - tail, 2 * num + 2)) / 2
        return Interval(low / self.hours * _HOURS_A_DAY, high / self.hours * _HOURS_A_DAY)


def rule_figures(rule: Rule, recordings: Sequence[Recording]) -> RuleFigures:
    """What the rule would have done on those it looked at."""
    looked_at = [one for one in recordings if rule.id in one.rule_ids]
    found = [Hit(one, incident) for one in looked_at for incident in one.incidents if incident.rule_id == rule.id]
    judged = [hit.incident.assessment for hit in found if hit.incident.assessment and hit.incident.assessment.attempts]
    near = [(one, miss) for one in looked_at for miss in near_misses(rule.id, one.counts, one.incidents)]
    return RuleFigures(
        rule,
        sum(one.seconds for one in looked_at) / _SECONDS_AN_HOUR,
        tuple(hit for hit in found if is_alert(hit.incident, rule)),
        Counter(hit.incident.status.value for hit in found),
        len(judged),
        sum(one.attempts for one in judged),
        sum(len(one.frames_sent) for one in judged),
        sum((one.finished_at - one.started_at).total_seconds() for one in judged),
        tuple(sorted(near, key=lambda pair: -pair[1].closeness)),
        len(looked_at),
        any(one.incident is not None for one in looked_at),
    )


def is_alert(incident: Incident, rule: Rule) -> bool:
    """Whether anybody would have been told: a rule with `alert: verified` keeps to itself what the model rejects."""
    untold = (IncidentStatus.PROVISIONAL, IncidentStatus.REJECTED)
    return rule.alert == "at_once" or incident.status not in untold


def _a_day(number: int, hours: float) -> float | None:
    return number / hours * _HOURS_A_DAY if hours > 0 else None


def prediction_of(incident: Incident) -> Prediction:
    """By the clock. Told when it opened, after dwell; one that is still open lasts until then."""
    candidate = incident.candidate
    return Prediction(
        incident.camera_id,
        candidate.started_at.timestamp(),
        (candidate.ended_at or candidate.opened_at).timestamp(),
        incident.rule_id,
        candidate.peak_score,
        candidate.opened_at.timestamp(),
    )


def predictions_of(hits: Sequence[Hit]) -> list[Prediction]:
    """In seconds from the start of each recording, whose name stands for the camera."""
    told = []
    for recording, incident in hits:
        one, start = prediction_of(incident), recording.started_at.timestamp()
        moved = replace(one, start_seconds=one.start_seconds - start, end_seconds=one.end_seconds - start)
        told.append(replace(moved, camera_id=recording.name, alert_seconds=one.alerted_at - start))
    return told


def names_in_truth(truth: Truth, recordings: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Recording to what the truth calls it; those it does not speak of are left out.

    `recordings`: name to its file's name without ending, and its camera; the truth may go by either.

    Raises:
        ConfigError: it speaks of none of them, or of a camera of which there are several.
    """
    found = {}
    for name, calls in recordings.items():
        known = next((one for one in calls if one in truth.lengths), None)
        if known is not None:
            found[name] = known
    if not found:
        files = ", ".join(sorted({file for file, _ in recordings.values()}))
        there = ", ".join(sorted(truth.lengths)[:_MOST_NAMES]) or "nothing"
        raise ConfigError(f"the truth speaks of none of the recordings: it has {there}; the recordings are {files}")
    for name, known in found.items():
        file, camera_id = recordings[name]
        num_meant = sum(other == camera_id for _, other in recordings.values())
        if known != file and num_meant > 1:
            raise ConfigError(
                f"the truth speaks of {known}, which has {num_meant} recordings; name the files: {file}, …"
            )
    return found


def truth_of(truth: Truth, recordings: Sequence[Recording], names: Mapping[str, str]) -> Truth:
    """What is true of each recording in `names`, in seconds from its start: events of its rules, and those of none."""
    events: list[Event] = []
    for one in recordings:
        offset = 0.0 if truth.counts_from_start else one.started_at.timestamp()
        for event in truth.events:
            if event.camera_id == names.get(one.name) and (event.label == ANY_LABEL or event.label in one.rule_ids):
                start, end = event.start_seconds - offset, event.end_seconds - offset
                events.append(replace(event, camera_id=one.name, start_seconds=start, end_seconds=end))
    return Truth(tuple(events), {one.name: one.seconds for one in recordings if one.name in names})


def perception_ms(recordings: Sequence[Recording]) -> float | None:
    """Mean of one call of perception, milliseconds; None where there was none."""
    num_calls = sum(one.perception_calls for one in recordings)
    seconds = math.fsum(one.perception_seconds for one in recordings)
    return seconds / num_calls * 1000 if num_calls else None
