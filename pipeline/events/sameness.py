"""Is this another event, or the last one again? What a rule told while its cooldown holds, and what is like it.

While a cooldown holds, what meets the rule is merged into what was told: that candidate happened again. What is clearly
another event breaks through. Clear is

- another kind of thing: a dog, and not the person that was told of. Kinds that detectors take for each other (a van is
  a car or a truck from one frame to the next) are one kind, and what only moves is of none;
- twice as many at once, and at least three more;
- for a rule with a score, a picture whose vector has no more in common with what was told, the camera's ordinary
  picture taken away, than two ordinary pictures have.

Another track alone is not: where many pass, each is another track, and every alert of a busy door would break through.
The same track is the same event whatever it is called by now.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.observation import MOVING
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Severity, unpack_vector
from pipeline.events.reading import Reading
from pipeline.events.state_machine import UNKNOWN_LIKENESS, Likeness, Moment

Vector = NDArray[np.float32]

_CONFUSED = (
    frozenset({"car", "truck", "bus", "train"}),
    frozenset({"bicycle", "motorcycle"}),
    frozenset({"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"}),
)
"""Labels of COCO that count as one kind: neighbours within its groups `vehicle` and `animal` (Lin et al., "Microsoft
COCO", ECCV 2014, figure 11), which a detector mixes up at a distance."""
_FLOOR_SECONDS = 5.0
"""Nothing breaks through so soon: a thing that has just come has one label now and another in a moment."""
_MAX_THROUGH = 3
"""Alerts that break through in one unbroken run of cooldowns: together with the first a screenful, not a storm."""
_MORE_TIMES, _MORE_BY = 2.0, 3.0
_TOLD_EVERY_SECONDS = 5.0
_TOLD_SHARE = 0.25
"""Repeats are told at most this often, and ever more seldom, as a candidate's growth is."""

_SAMPLE_EVERY_SECONDS = 60.0
_SAMPLES = 64
"""An hour's pictures, one a minute: what the camera is like now, light included."""
_MIN_PAIRS = 16
"""Fewer pairs have no median worth going by: its error is a quarter of the spread (1.25 / sqrt(16))."""


class Ordinary:
    """What a camera's pictures are like while a rule is not met, and how much two of them have in common. Bounded."""

    def __init__(self) -> None:
        self._mean: Vector | None = None
        self._last: Vector | None = None
        self._num = 0
        self._likenesses: deque[float] = deque(maxlen=_SAMPLES)
        self._next_seconds = -np.inf

    def note(self, seconds: float, vector: Vector | None) -> None:
        """Take in one picture's vector; most are passed over."""
        if vector is None or (seconds < self._next_seconds and self._next_seconds - seconds <= _SAMPLE_EVERY_SECONDS):
            return
        self._next_seconds = seconds + _SAMPLE_EVERY_SECONDS
        if self._mean is None or self._last is None or vector.shape != self._mean.shape:
            self._mean, self._last, self._num = vector.astype(np.float32), vector, 1
            self._likenesses.clear()
            return
        self._likenesses.append(_cosine(vector - self._mean, self._last - self._mean))
        self._num = min(self._num + 1, _SAMPLES)
        self._mean = self._mean + (vector - self._mean) / np.float32(self._num)
        self._last = vector

    def tells_apart(self, one: Vector, other: Vector) -> bool:
        """Whether these have no more in common than two ordinary pictures; False while too little is known."""
        if self._mean is None or len(self._likenesses) < _MIN_PAIRS or not one.shape == other.shape == self._mean.shape:
            return False
        return _cosine(one - self._mean, other - self._mean) <= statistics.median(self._likenesses)


class _Told:
    """One candidate that was told, and how often it happened again."""

    def __init__(self, candidate: Candidate, *, knows_tracks: bool) -> None:
        self.most = 0.0
        self.vector: Vector | None = None
        self.labels: frozenset[str] = frozenset()
        self.track_ids: set[int] = set()
        """Empty when they are another process's: a tracker counts from 1."""
        self.again_seconds: float | None = None
        """When it was last met again, and since when without a break."""
        self.since_seconds = 0.0
        self.update(candidate, knows_tracks=knows_tracks)
        self._reported = candidate
        self._reported_seconds = -np.inf

    def update(self, candidate: Candidate, *, knows_tracks: bool = True) -> None:
        """It is told as it is now."""
        self.candidate = self._reported = candidate
        self.most = max([self.most, *(f.value or 0.0 for f in candidate.facts if f.kind == "count_above")])
        self.vector = unpack_vector(candidate.embedding)
        self.labels = candidate.labels
        if knows_tracks:
            self.track_ids |= {fact.track_id for fact in candidate.facts if fact.track_id is not None}

    def repeat(self, moment: Moment, gap_seconds: float) -> None:
        """It is met again; interruptions up to `gap_seconds` are none."""
        is_new = self.again_seconds is None or moment.seconds - self.again_seconds > gap_seconds
        if is_new:
            self.since_seconds = moment.seconds
        self.again_seconds = moment.seconds
        repeats = self.candidate.repeats + is_new
        self.candidate = self.candidate.model_copy(update={"repeats": repeats, "repeated_at": moment.at})

    def report(self, moment: Moment, escalate_to: Severity) -> Candidate | None:
        """The candidate as it is to be told again now, if it is: a rise at once, repeats ever more seldom."""
        risen = escalate_to.rank > self.candidate.severity.rank
        if risen:
            self.candidate = self.candidate.model_copy(update={"severity": escalate_to})
        lasted_seconds = moment.seconds - self.candidate.opened_at.timestamp()
        wait_seconds = max(_TOLD_EVERY_SECONDS, _TOLD_SHARE * lasted_seconds)
        has_more = self.candidate.repeats > self._reported.repeats
        if risen or (has_more and moment.seconds - self._reported_seconds >= wait_seconds):
            self._reported_seconds = moment.seconds
            return self.rest()
        return None

    def rest(self) -> Candidate | None:
        """What of it is not told yet."""
        if self.candidate == self._reported:
            return None
        self._reported = self.candidate
        return self.candidate


class ToldLately:
    """What one rule told on one camera while its cooldown holds. For one thread, `withdraw` aside."""

    def __init__(self, rule: Rule, gap_seconds: float, before: Iterable[Candidate] = ()) -> None:
        """`before`: what earlier owners of the camera told, in order of opening."""
        self._rule = rule
        self._gap_seconds = gap_seconds
        self._told = [_Told(candidate, knows_tracks=False) for candidate in before][-_MAX_THROUGH - 1 :]
        self.ordinary = Ordinary()

    def __bool__(self) -> bool:
        """Whether there is anything to be compared with."""
        return bool(self._told)

    def note(self, candidate: Candidate) -> None:
        """A candidate is told: it opened, grew or ended."""
        if self._rule.cooldown <= 0:
            return
        told = next((told for told in self._told if told.candidate.id == candidate.id), None)
        if told is None:
            self._told = [*self._told[-_MAX_THROUGH:], _Told(candidate, knows_tracks=True)]
        else:
            told.update(candidate)

    def rest(self) -> list[Candidate]:
        """What happened again and is not told yet."""
        return [rest for each in self._told if (rest := each.rest()) is not None]

    def over(self, moment: Moment) -> list[Candidate]:
        """With the cooldown of the last one all are forgotten; what of them is not told yet."""
        if self._is_cooling(moment):
            return []
        rest, self._told = self.rest(), []
        return rest

    def withdraw(self, candidate: Candidate) -> None:
        """It was never told to anybody: nothing is merged into it. Any thread."""
        self._told = [told for told in self._told if told.candidate.id != candidate.id]

    def compare(self, moment: Moment, reading: Reading, labels: Mapping[int, str]) -> Likeness:
        """What `reading` is, beside what was told; `labels` by track id."""
        told = self._told
        if not told:
            return UNKNOWN_LIKENESS
        differences = [self._difference(each, reading, labels) for each in told]
        same = next((each for each, word in zip(told[::-1], differences[::-1], strict=True) if not word), None)
        since_seconds = moment.seconds - told[-1].candidate.opened_at.timestamp()
        is_held = len(told) > _MAX_THROUGH or abs(since_seconds) < _FLOOR_SECONDS
        if same is None and not is_held:
            return Likeness(differences[-1], "")
        return Likeness("", (same or told[-1]).candidate.id)

    def repeat(self, moment: Moment, likeness: Likeness) -> list[Candidate]:
        """The cooldown held it back: it is the one named again; what is to be told of that now."""
        told = next((each for each in self._told if each.candidate.id == likeness.same_as), None)
        if told is None:
            return []
        told.repeat(moment, self._gap_seconds)
        lasted_seconds = moment.seconds - told.since_seconds
        report = told.report(moment, severity_of(self._rule, lasted_seconds, told.candidate.repeats))
        return [report] if report is not None else []

    def _is_cooling(self, moment: Moment) -> bool:
        last = self._told[-1].candidate if self._told else None
        return last is not None and (
            last.state is not CandidateState.CLOSED
            or abs(moment.seconds - last.opened_at.timestamp()) < self._rule.cooldown
        )

    def _difference(self, told: _Told, reading: Reading, labels: Mapping[int, str]) -> str:
        """Why it is another event than that; empty when it is the same, or nobody can say."""
        track_ids = {fact.track_id for fact in reading.facts if fact.track_id is not None}
        if track_ids & told.track_ids:
            return ""
        seen = {labels[track_id] for track_id in track_ids if track_id in labels} - {MOVING}
        if seen and told.labels and not _kinds(seen) & _kinds(told.labels):
            return f"{' and '.join(sorted(seen))}, not {' and '.join(sorted(told.labels))}"
        count = max((fact.value or 0.0 for fact in reading.facts if fact.kind == "count_above"), default=0.0)
        if told.most and count >= told.most * _MORE_TIMES and count >= told.most + _MORE_BY:
            return f"{count:g} at once, not {told.most:g}"
        if reading.vector is None or told.vector is None or not self.ordinary.tells_apart(reading.vector, told.vector):
            return ""
        return "it looks like something else"


def severity_of(rule: Rule, lasted_seconds: float, repeats: int) -> Severity:
    """How severe what has lasted so long, or happened again so often, is."""
    escalate = rule.escalate
    if escalate is None:
        return rule.severity
    is_long = escalate.after is not None and lasted_seconds >= escalate.after
    is_often = escalate.repeats is not None and repeats >= escalate.repeats
    return escalate.to if is_long or is_often else rule.severity


def _kinds(labels: Iterable[str]) -> frozenset[str | frozenset[str]]:
    return frozenset(next((kind for kind in _CONFUSED if label in kind), label) for label in labels)


def _cosine(one: Vector, other: Vector) -> float:
    """-1..1; 0 for a vector without length."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > 0 else 0.0
