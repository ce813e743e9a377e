"""Who is judged next, with how much of the model, and who cannot be judged in time.

    urgency = (1 + priority) ÷ share of the deadline that is left ÷ (1 + what its camera has had lately)

Priority is the severity's rank, and between whole steps how unusual and how uncertain it is. An old one of low
severity comes before a fresh grave one, and a storm on one camera competes with itself. When what waits would take more
than half of the deadline, verdicts are made cheaper, by this ladder; whoever cannot be in time even so is told at once:

    all pictures, report → all pictures → half → a quarter → `unverified`

Several processes each do this for themselves: shares and times are of what one has judged, the queue is everybody's.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.contracts.incident import VerdictQueue, WaitingVerdict
from pipeline.reasoning.concurrency import Ceiling, Rate, needed
from pipeline.reasoning.meter import Call
from pipeline.reasoning.retry import ASKING_SHARE
from pipeline.reasoning.service_times import Expected, ServiceTimes, reading_work
from pipeline.settings import ReasoningSettings

WAIT_SHARE = 0.5
"""Of the deadline, what may be spent waiting before verdicts become cheaper; the rest is for what goes wrong."""
MOST_WAIT_SHARE = 0.75
"""Of the time that is left, what a place in the queue may be expected to take: estimates err, the deadline does not."""
MIN_LEFT = 0.1
"""Age counts up to tenfold: urgency is not for what is lost."""
MAX_REFUSED = 64
"""Told at a time, so that judging goes on beside."""


@dataclass(frozen=True, slots=True)
class Rung:
    """How much of the model one verdict gets."""

    pictures: int
    wants_report: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    """One that is to be judged now, or told that it cannot be."""

    waiting: WaitingVerdict
    rung: Rung | None
    """None: `unverified` at once."""
    degraded: str = ""
    """How it is made cheaper than asked for, and why."""


@dataclass(frozen=True, slots=True)
class Served:
    """How one judgement went."""

    rung: Rung
    seconds: float
    calls: Sequence[Call]
    """Of models, as a meter saw them."""
    in_flight: int
    """Judged at the same time when it began, itself included."""


class Admission:
    """Plans verdicts. Not thread-safe: one host, under its lock."""

    def __init__(self, settings: ReasoningSettings, bound: int, clock: Clock) -> None:
        """`bound`: verdicts at the same time, whatever is measured."""
        self._settings = settings
        self._clock = clock
        self._started_at = clock.now()
        self._ladder = ladder(settings.max_frames)
        self._deadline_seconds = max(settings.deadline * ASKING_SHARE, 1e-3)
        self._ceiling = Ceiling(settings.workers, bound)
        self._rate = Rate(clock)
        self._times = ServiceTimes(clock)
        self._shares = _Shares(self._deadline_seconds, clock)
        self._num_waiting = 0

    @property
    def limit(self) -> int:
        """Verdicts at the same time."""
        expected = self._expected(self._ladder[0])
        if not expected.p95:
            return self._ceiling.limit
        return min(needed(self._rate.per_second(), self._num_waiting, expected.p95), self._ceiling.limit)

    def choose(self, queue: VerdictQueue, in_hand: int) -> list[Admitted]:
        """Who comes now, most urgent first, and who can no longer be in time. `in_hand`: being judged here."""
        self._num_waiting = queue.number
        room = max(self.limit - in_hand, 0)
        parallel = self._ceiling.limit + max(queue.in_hand - in_hand, 0)
        cheapest = self._expected(self._ladder[-1])
        chosen: list[Admitted] = []
        refused: list[Admitted] = []
        num_later = 0
        for waiting in self._by_urgency(queue.heads):
            left = self._seconds_left(waiting)
            wait_seconds = num_later * cheapest.median / parallel
            if wait_seconds > MOST_WAIT_SHARE * (left - cheapest.p95) or left <= cheapest.p95:
                refused.append(Admitted(waiting, None, self._why_refused(queue, left)))
            elif len(chosen) < room:
                chosen.append(self._admit(waiting, queue.number - len(chosen) - 1, parallel, left))
            else:
                num_later += 1
        return [*chosen, *refused[:MAX_REFUSED]]

    def started(self, admitted: Admitted) -> None:
        """It was taken in hand, and nobody else has it."""
        self._rate.add()
        if admitted.rung is not None:
            self._shares.add(admitted.waiting.camera_id)

    def finished(self, served: Served) -> None:
        """Learn from how it went; what never reached a model says nothing."""
        calls = served.calls
        if not calls:
            return
        num_verdicts = next((at for at, call in enumerate(calls) if call.kind == "report"), len(calls))
        reporting = calls[num_verdicts:]  # With what was looked at again for it.
        report_seconds = sum(call.seconds for call in reporting)
        has_failed = not any(call.has_answered for call in calls)
        work = sum(reading_work(call.pictures) for call in calls if call.has_answered)
        self._ceiling.finished(work, served.seconds, served.in_flight, has_failed=has_failed)
        if not has_failed:
            self._times.add(
                served.rung.pictures,
                served.seconds - report_seconds,
                report_seconds if reporting else None,
                wanted_report=served.rung.wants_report,
            )

    def _admit(self, waiting: WaitingVerdict, num_behind: int, parallel: int, left: float) -> Admitted:
        """The richest rung with which it is in time, and those behind it wait less than their share of the deadline."""
        best = self._ladder[0]
        for rung in self._ladder:
            expected = self._expected(rung)
            wait_seconds = num_behind * expected.median / parallel
            if expected.p95 <= left and wait_seconds <= WAIT_SHARE * (self._deadline_seconds - expected.p95):
                break
        if rung == best:
            return Admitted(waiting, rung)
        why = f"the models are behind, {num_behind} wait" if num_behind else f"{left:.1f} s are left"
        return Admitted(waiting, rung, f"{_words(rung, best)}: {why}")

    def _by_urgency(self, heads: Sequence[WaitingVerdict]) -> Iterator[WaitingVerdict]:
        """The most urgent first, each counting against those of its camera that come after it."""
        of_camera: dict[str, list[WaitingVerdict]] = defaultdict(list)
        for waiting in sorted(heads, key=self._urgency):
            of_camera[waiting.camera_id].append(waiting)
        had = {camera_id: self._shares.of(camera_id) for camera_id in of_camera}
        heap = [self._place(camera_id, line[-1], had[camera_id]) for camera_id, line in of_camera.items()]
        heapq.heapify(heap)
        while heap:
            _, _, camera_id = heapq.heappop(heap)
            line = of_camera[camera_id]
            yield line.pop()
            had[camera_id] += 1
            if line:
                heapq.heappush(heap, self._place(camera_id, line[-1], had[camera_id]))

    def _place(self, camera_id: str, waiting: WaitingVerdict, had: float) -> tuple[float, float, str]:
        return -self._urgency(waiting) / (1 + had), waiting.since.timestamp(), camera_id

    def _urgency(self, waiting: WaitingVerdict) -> float:
        return (1 + waiting.priority) / max(self._seconds_left(waiting) / self._deadline_seconds, MIN_LEFT)

    def _seconds_left(self, waiting: WaitingVerdict) -> float:
        """Until its deadline; what was owed before this began counts from then."""
        owed_since = max(waiting.since, self._started_at)
        return self._deadline_seconds - (self._clock.now() - owed_since).total_seconds()

    def _expected(self, rung: Rung) -> Expected:
        return self._times.expected(rung.pictures, with_report=rung.wants_report)

    def _why_refused(self, queue: VerdictQueue, left: float) -> str:
        if left <= 0:
            return f"not judged: it waited longer than {self._deadline_seconds:g} s"
        return f"not judged: {queue.number} wait, and {left:.1f} s are left"


class _Shares:
    """Verdicts a camera has had lately, each fading over the deadline."""

    def __init__(self, fade_seconds: float, clock: Clock) -> None:
        self._fade_seconds = fade_seconds
        self._clock = clock
        self._had: dict[str, tuple[float, float]] = {}

    def of(self, camera_id: str) -> float:
        """So many."""
        at, number = self._had.get(camera_id, (0.0, 0.0))
        return number * math.exp((at - self._clock.monotonic()) / self._fade_seconds)

    def add(self, camera_id: str) -> None:
        """One more."""
        self._had[camera_id] = self._clock.monotonic(), self.of(camera_id) + 1


def most_workers(vlm: str, settings: ReasoningSettings) -> int:
    """Verdicts at the same time with this `vlm:` of a site file: a server takes more than a model in this process."""
    is_server = vlm.startswith("openai:") and settings.budget
    return max(settings.server_workers, settings.workers) if is_server else settings.workers


def make_admission(vlm: str, settings: ReasoningSettings, clock: Clock) -> Admission | None:
    """As the settings have it; None when the budget is off."""
    return Admission(settings, most_workers(vlm, settings), clock) if settings.budget else None


def ladder(max_frames: int) -> tuple[Rung, ...]:
    """From all that is asked for to the least that is worth asking."""
    fewer = [max(max_frames // share, 1) for share in (1, 2, 4)]
    return (Rung(max_frames, True), *(Rung(pictures, False) for pictures in dict.fromkeys(fewer)))


def _words(rung: Rung, best: Rung) -> str:
    pictures = "" if rung.pictures == best.pictures else f"{rung.pictures} of {best.pictures} pictures, "
    return f"{pictures}no report"
