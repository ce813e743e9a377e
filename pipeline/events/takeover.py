"""What earlier owners of a camera have told: from where its next owner goes on.

A watcher that takes a camera over sees the last seconds of it again (`horizon.py` says how many) and knows the
candidates that were told. What was told stands: while frames go by that an earlier owner had decided on, nothing
begins or ends here, only tracks, averages and times are rebuilt. Then it goes on with what was open, under the
same ids, and with the cooldowns that run.

Frames are decided when they are replayed, or when a candidate was told that a later frame caused: of one camera,
candidates become durable in the order of the frames that cause them.

Occurrences (`enters`, `leaves`, `crosses`) need one thing more, for they are over in a frame, and two owners do not
sample the very same frames: one may see on the last replayed frame what the other would have seen on its next.
So a passage that was told is known again by its place and time, and one that was not told is made up for when it
comes so late in the replay that the earlier owner may not have got to it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState, Fact

_SAMPLES = 2
_SLACK_SECONDS = 0.5
"""Two owners see one passage within so many samples of the active rate and so much more: a passage is certain a
sample after it happened, and a thing's place is a median over 0.3 s."""
_LATE_SECONDS = 3.0
"""A passage nobody told is made up for when it was seen at most so long before the replay's end: the earlier owner may
have been overloaded, and then it sampled as thinly as once in a second or two."""
_SAME_PLACE = 0.05
"""Two sightings of one passage are nearer than this, as a share of the picture's longer side: the point lies on the
boundary in both, so only the jitter along it is left."""
_MAX_AHEAD = timedelta(seconds=60)
"""What was told is at most so far ahead of what was committed; a candidate farther ahead is of another clock."""


class Takeover:
    """What is known of one camera when it is taken over; with nothing known, a camera's first start."""

    def __init__(self, camera: Camera, known: Iterable[Candidate], lately: Iterable[Candidate] = ()) -> None:
        """`known`: what was told of this camera, in any states, oldest first; others' are left out.

        At least all that is open, and all that was told since the moment from which frames are replayed. `lately` is
        only what may happen again, and decides on no frame: nothing of it need be replayed.
        """
        known = [candidate for candidate in known if candidate.camera_id == camera.id]
        self._known = _latest(known)
        self._lately = _latest([*(candidate for candidate in lately if candidate.camera_id == camera.id), *known])
        self._samples_seconds = _SAMPLES / camera.sampling.active_fps
        self._told_until = [known_until(candidate) for candidate in self._known]

    def of_rule(self, rule_id: str) -> Heritage:
        """What is known of one rule."""
        known = [candidate for candidate in self._known if candidate.rule_id == rule_id]
        lately = [candidate for candidate in self._lately if candidate.rule_id == rule_id]
        return Heritage(known, self._samples_seconds, lately)

    def holds(self, at: datetime, *, is_replay: bool) -> bool:
        """Whether a frame was decided on before. With the first that was not, the takeover is over."""
        return is_replay or any(at < until <= at + _MAX_AHEAD for until in self._told_until)

    def leftovers(self, rule_ids: Collection[str]) -> tuple[Candidate, ...]:
        """Ends what is open and has no heir: of rules that are gone, or when a later one of its rule is open too."""
        open_ones = {candidate.rule_id: candidate for candidate in self._known if _is_open(candidate)}
        return tuple(
            ended(candidate, known_until(candidate))
            for candidate in self._known
            if _is_open(candidate)
            and (candidate.rule_id not in rule_ids or candidate is not open_ones[candidate.rule_id])
        )


class Heritage:
    """What is known of one rule on one camera, and which passages in the replay nobody has told yet."""

    def __init__(self, known: Sequence[Candidate], samples_seconds: float, lately: Iterable[Candidate] = ()) -> None:
        self.closed = tuple(candidate for candidate in lately if not _is_open(candidate))
        """What may happen again, in order of opening."""
        self.open = next((candidate for candidate in reversed(known) if _is_open(candidate)), None)
        self.opened_at = tuple(candidate.opened_at for candidate in known)
        self._told = [fact for candidate in known for fact in candidate.facts]
        self._ended_at = max((candidate.ended_at for candidate in known if candidate.ended_at), default=None)
        self._samples = timedelta(seconds=samples_seconds)
        self._tolerance_seconds = _SLACK_SECONDS + samples_seconds
        self._late: list[tuple[float, Fact]] = []
        self._decided_seconds = -math.inf

    def holds(self, at: datetime) -> bool:
        """Whether the rule was decided on: that a candidate ended was told by the earlier owner's next frame."""
        return self._ended_at is not None and self._ended_at <= at < self._ended_at + self._samples

    def untold(self, facts: Iterable[Fact], size: tuple[int, int]) -> tuple[Fact, ...]:
        """Of an occurrence rule's passages in a picture of that size, those that were not told before."""
        return tuple(fact for fact in facts if not self._was_told(fact, _SAME_PLACE * max(size)))

    def set_aside(self, seconds: float, facts: Iterable[Fact]) -> None:
        """Passages nobody told; whether they were to be told is known when the replay ends."""
        self._late += [(seconds, fact) for fact in facts]

    def decided(self, seconds: float) -> None:
        """An earlier owner had this moment."""
        self._decided_seconds = seconds
        self._late = [(at, fact) for at, fact in self._late if at >= seconds - _LATE_SECONDS]

    def take_late(self) -> tuple[Fact, ...]:
        """The passages that the earlier owner may not have got to, once."""
        late, self._late = self._late, []
        return tuple(fact for _, fact in late)

    def is_over(self, seconds: float) -> bool:
        """Whether nothing that was told can be seen any more."""
        return seconds > self._decided_seconds + 2 * self._tolerance_seconds

    def _was_told(self, fact: Fact, reach_px: float) -> bool:
        """Whether it is one of those told; each of them is met with once."""
        same = [told for told in self._told if self._is_same(told, fact, reach_px)]
        if same:
            self._told.remove(min(same, key=lambda told: abs(told.at - fact.at)))
        return bool(same)

    def _is_same(self, told: Fact, fact: Fact, reach_px: float) -> bool:
        return (
            (told.kind, told.direction) == (fact.kind, fact.direction)
            and abs((told.at - fact.at).total_seconds()) <= self._tolerance_seconds
            and told.position is not None
            and fact.position is not None
            and math.dist(told.position, fact.position) <= reach_px
        )


def ended(candidate: Candidate, at: datetime) -> Candidate:
    """The same, ended; as it was last told, for there is nothing newer."""
    return candidate.model_copy(update={"state": CandidateState.CLOSED, "ended_at": at})


def known_until(candidate: Candidate) -> datetime:
    """The last moment a candidate tells of."""
    moments = [candidate.opened_at, candidate.ended_at or candidate.opened_at]
    moments += [candidate.repeated_at] if candidate.repeated_at is not None else []
    moments += (frame.captured_at for frame in candidate.key_frames)
    return max([*moments, *(fact.at for fact in candidate.facts)])


def _latest(known: Iterable[Candidate]) -> list[Candidate]:
    """The last state of each, in order of opening; what is closed stays so, and may have been met again since."""
    latest: dict[str, Candidate] = {}
    for candidate in known:
        before = latest.get(candidate.id)
        if before is None or _is_open(before) or candidate.repeats > before.repeats:
            latest[candidate.id] = candidate
    return sorted(latest.values(), key=lambda candidate: (candidate.opened_at, candidate.id))


def _is_open(candidate: Candidate) -> bool:
    return candidate.state is not CandidateState.CLOSED
