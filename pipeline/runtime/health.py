"""What is wrong with cameras becomes incidents like any other: changes of health in, candidates of the site's health
rules out, and gaps in the coverage where nothing could be seen.

A condition opens one candidate for each rule that names it, and its end closes the same one. What a rule cannot be
told yet (out of schedule, cooldown) it is told when it can, if the condition still lasts. Incidents that an earlier run
left open go on when the condition is found again, and are closed when it is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState, Fact, KeyFrame, candidate_id
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.health import BLIND, SEVERITY, Condition, HealthChange
from pipeline.contracts.rule import Rule
from pipeline.events.schedule import is_scheduled
from pipeline.events.watch import rule_version
from pipeline.runtime.coverage import CoverageBook
from pipeline.sampling.ring import FrameRing
from pipeline.site import Site

WORDS = {
    Condition.OFFLINE: "camera offline",
    Condition.FROZEN: "picture frozen",
    Condition.BLACK: "picture black",
    Condition.COVERED: "view covered",
    Condition.MOVED: "camera moved",
    Condition.BLURRED: "picture blurred",
    Condition.LOW_FPS: "too few frames",
    Condition.CLOCK_WRONG: "camera's clock wrong",
}
_FOUND_AGAIN_SECONDS = 60.0
"""Beyond its debounce, how long a condition of an earlier run may take to be found again."""

_Key = tuple[str, str, Condition]
"""Camera, rule, condition."""


@dataclass(frozen=True, slots=True)
class _Inherited:
    """An incident that an earlier run left open, until it is known whether it goes on."""

    candidate: Candidate
    until: datetime


class HealthDesk:
    """A `HealthListener` for all cameras of a process. Thread-safe; `tick` about once a second."""

    def __init__(
        self,
        site: Site,
        ring_of: Callable[[str], FrameRing | None],
        tell: Callable[[Candidate], object],
        coverage: CoverageBook,
        decisions: DecisionSink,
        clock: Clock,
    ) -> None:
        """`ring_of` gives the last seconds of a camera; `tell` takes a candidate without blocking."""
        self._site = site
        self._ring_of = ring_of
        self._tell = tell
        self._coverage = coverage
        self._decisions = decisions
        self._clock = clock
        self._lock = threading.Lock()
        self._lasting: dict[tuple[str, Condition], HealthChange] = {}
        self._open: dict[_Key, Candidate] = {}
        self._last_opened: dict[_Key, datetime] = {}
        self._inherited: dict[_Key, _Inherited] = {}

    def inherit(self, open_before: Iterable[Candidate]) -> None:
        """What an earlier run left open; candidates that are not about cameras themselves are passed over."""
        with self._lock:
            for candidate in open_before:
                condition = candidate.condition
                if condition is not None:
                    key = candidate.camera_id, candidate.rule_id, condition
                    self._inherited[key] = self._inherit(candidate, condition)

    def changed(self, change: HealthChange) -> None:
        """See `HealthListener`."""
        condition = change.condition
        self._decisions.record(
            Decision(
                change.camera_id, Gate.CAMERA, not change.is_on, condition.value, change.at,
                value=change.value, threshold=change.threshold, detail=change.detail,
            )
        )  # fmt: skip
        if condition in BLIND:
            self._cover(change)
        with self._lock:
            if change.is_on:
                self._lasting[change.camera_id, condition] = change
                self._open_due(change, change.at)
            else:
                self._lasting.pop((change.camera_id, condition), None)
                self._close(change.camera_id, condition, change.at)

    def tick(self) -> None:
        """Open what could not be opened yet; close what an earlier run left open and is not found again."""
        now = self._clock.now()
        with self._lock:
            for change in self._lasting.values():
                self._open_due(change, max(now, change.at))
            for key in [key for key, inherited in self._inherited.items() if inherited.until <= now]:
                self._tell(_closed(self._inherited.pop(key).candidate, now))

    def follow(self, site: Site) -> None:
        """The site file changed."""
        with self._lock:
            self._site = site

    def forget(self, camera_id: str) -> None:
        """A camera is not read here any more: what was wrong with it is over."""
        now = self._clock.now()
        with self._lock:
            for condition in [condition for camera, condition in self._lasting if camera == camera_id]:
                self._lasting.pop((camera_id, condition))
                self._close(camera_id, condition, now)

    def _cover(self, change: HealthChange) -> None:
        if change.is_on:
            self._coverage.blind(change.camera_id, change.condition.value, change.since, change.detail)
        else:
            self._coverage.sighted(change.camera_id, change.condition.value, change.at)

    def _open_due(self, change: HealthChange, now: datetime) -> None:
        camera = self._site.camera(change.camera_id)
        for rule in self._site.health_rules_for(camera) if camera else ():
            key = change.camera_id, rule.id, change.condition
            if key not in self._open and self._is_due(rule, key, now):
                self._last_opened[key] = now
                inherited = self._inherited.pop(key, None)
                self._open[key] = inherited.candidate if inherited else self._opened(rule, change, now)
                if inherited is None:
                    self._tell(self._open[key])

    def _is_due(self, rule: Rule, key: _Key, now: datetime) -> bool:
        if not rule.enabled or key[2] not in (rule.health or ()):
            return False
        last = self._last_opened.get(key)
        is_resting = last is not None and (now - last).total_seconds() < rule.cooldown
        return not is_resting and is_scheduled(rule.schedule, now.astimezone(self._site.site.zone_info))

    def _opened(self, rule: Rule, change: HealthChange, now: datetime) -> Candidate:
        condition = change.condition
        frames = tuple(_frames_for(self._ring_of(change.camera_id), change))
        is_graded = "severity" in rule.model_fields_set
        return Candidate(
            id=candidate_id(change.camera_id, f"{rule.id}/{condition}", change.since),
            camera_id=change.camera_id,
            rule_id=rule.id,
            rule_version=rule_version(rule),
            state=CandidateState.OPENED,
            severity=rule.severity if is_graded else SEVERITY[condition],
            started_at=change.since,
            opened_at=now,
            score=1.0,
            peak_score=1.0,
            threshold=1.0,
            facts=(_fact(change),),
            key_frames=tuple(key for key, _ in frames),
            picture_size=frames[0][1] if frames else (0, 0),
        )

    def _close(self, camera_id: str, condition: Condition, at: datetime) -> None:
        for key in [key for key in self._open if key[0] == camera_id and key[2] is condition]:
            self._tell(_closed(self._open.pop(key), at))

    def _inherit(self, candidate: Candidate, condition: Condition) -> _Inherited:
        camera: Camera | None = self._site.camera(candidate.camera_id)
        debounce_seconds = (camera.debounce_seconds(condition) if camera else None) or 0.0
        return _Inherited(candidate, self._clock.now() + timedelta(seconds=debounce_seconds + _FOUND_AGAIN_SECONDS))


def _fact(change: HealthChange) -> Fact:
    return Fact(
        kind=change.condition.value,
        text=f"{WORDS[change.condition]}: {change.detail}" if change.detail else WORDS[change.condition],
        at=change.since,
        value=change.value,
        threshold=change.threshold,
    )


def _frames_for(ring: FrameRing | None, change: HealthChange) -> Iterator[tuple[KeyFrame, tuple[int, int]]]:
    """The last good picture, which goes into the snapshot, and what is seen since, where anything is."""
    good = ring.nearest(change.since) if ring else None
    now = ring.nearest(change.at) if ring else None
    if good is not None:
        yield _key_frame(good, "peak")
    if now is not None and good is not None and now.captured_at > good.captured_at:
        yield _key_frame(now, "different")


def _key_frame(frame: EncodedFrame, role: str) -> tuple[KeyFrame, tuple[int, int]]:
    key = KeyFrame.model_validate(
        {"sequence": frame.sequence, "captured_at": frame.captured_at, "role": role, "score": 1.0}
    )
    return key, (frame.width, frame.height)


def _closed(candidate: Candidate, at: datetime) -> Candidate:
    ended_at = max(at, candidate.opened_at)
    return candidate.model_copy(update={"state": CandidateState.CLOSED, "ended_at": ended_at})
