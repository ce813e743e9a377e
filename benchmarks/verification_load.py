"""The load at which a published verifier collapses, 50 cameras with 5.5 verifications a minute each, in simulated time.

Published (NVIDIA VSS, alert verification end to end, one H100 for the model): 20 streams 2.83 s on average, 30 streams
4.44 s, 50 streams 24.6 s with a p99 of 85 s. The server here answers n requests at a time at C·n / (n + a) a second:
the two published averages below the collapse give C = 4.37 verifications a second and a = 7.2, and the third follows:
at 4.58 offered the queue grows. A verdict on 8 pictures reads 60 % of a published verification (20.3 requests a second
that write one token against 12.1 that write 100), less with fewer pictures; a report is counted as a whole one. Half of
the verdicts confirm: with reports to write, the load is 10 % above what collapsed.

Admission, ladder and concurrency are the product's own classes, driven by a discrete-event simulation. With `--real`,
instead, three minutes of the 50 cameras in real time over HTTP, with the whole verifier and SQLite, beside as many
minutes simulated (ten seeds): whether the simulation tells the truth. That server's clock may run faster (`--speed`),
with deadline and timeouts shortened alike; then what this machine itself takes weighs as many times more.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from measure import parser, save, show, spread

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment
from pipeline.contracts.incident import VerdictQueue, WaitingVerdict
from pipeline.contracts.values import Severity
from pipeline.reasoning.budget import Admission, Admitted, Rung, Served, most_workers
from pipeline.reasoning.meter import Call
from pipeline.reasoning.retry import ASKING_SHARE
from pipeline.reasoning.service_times import reading_work
from pipeline.reasoning.vlm_openai import MAX_WORD_TOKENS
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import GOOD_REPORT, Reply, completion, well_behaved
from tests.support.verification import verifying

PER_SECOND, HALF_AT = 4.367, 7.18
"""C and a: from T = (a / C) / (1 - offered / C) at 20 and 30 streams."""
READING, REPORT = 12.1 / 20.3, 1.0
CONFIRMED = 0.5
PER_MINUTE = 5.5
DEADLINE_SECONDS = 10.0
FULL = Rung(8, wants_report=True)
OPENAI = "openai:http://model/v1#judge"
REAL_CAMERAS, REAL_SECONDS, REAL_SEEDS = 50, 180.0, 10
GRAVITIES = (0.3, 0.4, 0.2, 0.1)
"""Shares of low, medium, high and critical candidates."""


@dataclass(slots=True)
class Request:
    """One verification on the server."""

    admitted: Admitted
    began: float
    in_flight: int
    will_confirm: bool
    left: float
    """Work to be done, in published verifications."""
    calls: list[Call]
    call_began: float
    until: float
    """Its deadline, on the simulation's clock."""


@dataclass
class Outcome:
    """What became of a run's candidates."""

    seconds: list[float]
    """From owed to told, of those that a model judged."""
    refused_seconds: list[float]
    kinds: Counter[str]


class Simulation:
    """Arrivals, the queue, and the server; time moves from event to event."""

    def __init__(
        self,
        cameras: int,
        settings: ReasoningSettings,
        seed: int,
        *,
        storm_camera: float = 0.0,
        whole_work: float = 0.0,
    ) -> None:
        """`storm_camera`: candidates a second of one more; `whole_work`: of every request, without a report."""
        self.clock = ManualClock()
        self.random = random.Random(seed)
        self.rates = [PER_MINUTE / 60] * cameras + ([storm_camera] if storm_camera else [])
        self.settings = settings
        self.admission = Admission(settings, most_workers(OPENAI, settings), self.clock) if settings.budget else None
        self.whole_work = whole_work
        self.workers = settings.server_workers
        self.waiting: dict[str, WaitingVerdict] = {}
        self.server: list[Request] = []
        self.outcome = Outcome([], [], Counter())
        self.by_camera: dict[str, list[float]] = {}
        self.most_at_once = 0

    def run(self, seconds: float) -> Outcome:
        """Arrivals for so long, then until all are told."""
        until, number = seconds, 0
        arrival = self.random.expovariate(sum(self.rates))
        while arrival < until or self.waiting or self.server:
            now = self.clock.monotonic()
            finish = min((min(one.left / self._rate(), one.until - now) for one in self.server), default=float("inf"))
            if arrival < until and arrival - now <= finish:
                self._advance(arrival - now)
                self._arrive(number)
                number += 1
                arrival += self.random.expovariate(sum(self.rates))
            else:
                self._advance(finish)
            self._finish()
            self._admit()
        return self.outcome

    def _rate(self) -> float:
        """Of each request, in published verifications a second."""
        return PER_SECOND / (len(self.server) + HALF_AT)

    def _advance(self, seconds: float) -> None:
        done = seconds * self._rate()
        self.clock.advance(seconds)
        for request in self.server:
            request.left -= done

    def _arrive(self, number: int) -> None:
        camera = self.random.choices(range(len(self.rates)), self.rates)[0]
        priority = self.random.choices((0.0, 1.0, 2.0, 3.0), GRAVITIES)[0] + self.random.random() * 0.75
        one = WaitingVerdict(str(number), f"c{camera}", priority, self.clock.now())
        self.waiting[one.incident_id] = one

    def _finish(self) -> None:
        now = self.clock.monotonic()
        for request in [one for one in self.server if one.until - now <= 1e-9 < one.left]:
            self._cut(request)
        for request in [one for one in self.server if one.left <= 1e-9]:
            rung = request.admitted.rung or FULL
            kind = "report" if request.calls else "verdict"
            request.calls.append(Call(kind, rung.pictures, 0, now - request.call_began, has_answered=True))
            if kind == "verdict" and request.will_confirm and rung.wants_report:
                request.left, request.call_began = REPORT, now
                continue
            self.server.remove(request)
            self._judged(request, rung)

    def _cut(self, request: Request) -> None:
        """Its deadline has come: the product's requests end there, with what there is by then."""
        self.server.remove(request)
        if request.calls:
            self._judged(request, Rung(FULL.pictures, wants_report=False))
        else:
            self.outcome.refused_seconds.append(self.settings.deadline * ASKING_SHARE)
            self.outcome.kinds["not judged"] += 1

    def _judged(self, request: Request, rung: Rung) -> None:
        seconds = (self.clock.now() - request.admitted.waiting.since).total_seconds()
        self.outcome.seconds.append(seconds)
        self.by_camera.setdefault(request.admitted.waiting.camera_id, []).append(seconds)
        self.outcome.kinds[_kind(rung)] += 1
        if self.admission:
            took = self.clock.monotonic() - request.began
            self.admission.finished(Served(rung, took, request.calls, request.in_flight))

    def _admit(self) -> None:
        chosen = self._chosen()
        while chosen:  # Until there is no room: who was refused leaves some.
            for admitted in chosen:
                self._take(admitted)
            chosen = self._chosen()
        self.most_at_once = max(self.most_at_once, len(self.server))

    def _chosen(self) -> list[Admitted]:
        if self.admission is None:
            by_priority = sorted(self.waiting.values(), key=self._place)
            return [Admitted(one, FULL) for one in by_priority[: self.workers - len(self.server)]]
        queue = VerdictQueue(tuple(self.waiting.values()), len(self.waiting), len(self.server))
        return self.admission.choose(queue, len(self.server))

    def _place(self, one: WaitingVerdict) -> tuple[float, datetime]:
        return (0.0 if self.whole_work else -one.priority), one.since

    def _take(self, admitted: Admitted) -> None:
        one = self.waiting.pop(admitted.waiting.incident_id)
        if self.admission:
            self.admission.started(admitted)
        waited = (self.clock.now() - one.since).total_seconds()
        if admitted.rung is None or waited > self.settings.deadline:
            self.outcome.refused_seconds.append(waited)
            self.outcome.kinds["not judged"] += 1
            return
        now, confirm = self.clock.monotonic(), not self.whole_work and self.random.random() < CONFIRMED
        work = self.whole_work or verdict_work(admitted.rung.pictures)
        until = now - waited + self.settings.deadline * ASKING_SHARE
        self.server.append(Request(admitted, now, len(self.server) + 1, confirm, work, [], now, until))


def verdict_work(pictures: int) -> float:
    """In published verifications."""
    return READING * reading_work(pictures) / reading_work(8)


def _kind(rung: Rung) -> str:
    return "full" if rung == FULL else f"{rung.pictures} pictures"


def figures(outcome: Outcome) -> dict[str, Any]:
    """Of one run."""
    total = outcome.kinds.total()
    seconds = np.array(outcome.seconds or [0.0])
    told = np.array(outcome.seconds + outcome.refused_seconds)
    return {
        "candidates": total,
        "mean_s": round(float(seconds.mean()), 2),
        "p50_s": round(float(np.quantile(seconds, 0.5)), 2),
        "p99_s": round(float(np.quantile(seconds, 0.99)), 2),
        "p99_told_s": round(float(np.quantile(told, 0.99)), 2),
        "max_told_s": round(float(told.max()), 2),
        **{kind: round(outcome.kinds[kind] / total, 4) for kind in ("full", *_DEGRADED)},
        "degraded": round(sum(outcome.kinds[kind] for kind in _DEGRADED) / total, 4),
    }


_DEGRADED = ("8 pictures", "4 pictures", "2 pictures", "not judged")


def settings_of(*, budget: bool, scale: float = 1.0) -> ReasoningSettings:
    """The defaults, with a deadline of 10 s where there is a budget to keep it, and every picture sent: the run over
    HTTP has one and the same for all, of which seven in eight would be left out as alike."""
    deadline = DEADLINE_SECONDS if budget else ReasoningSettings().deadline
    return ReasoningSettings(budget=budget, deadline=deadline / scale, timeout=60 / scale, alike_below=0)


def published(cameras: int, seconds: float, seed: int) -> Outcome:
    """The server by itself, one request a verification, first come first served: what the published table measured."""
    settings = ReasoningSettings(budget=False, deadline=1e6, server_workers=256)  # As many as come.
    return Simulation(cameras, settings, seed, whole_work=1.0).run(seconds)


def simulated(seconds: float, seeds: int) -> list[dict[str, Any]]:
    """All loads, with and without the budget."""
    rows = []
    for cameras in (20, 30, 50, 75):
        alone = [published(cameras, seconds, seed) for seed in range(seeds)]
        rows.append({"cameras": cameras, "budget": "server alone", **figures(_together(alone))})
        for budget in (False, True):
            runs = [Simulation(cameras, settings_of(budget=budget), seed).run(seconds) for seed in range(seeds)]
            rows.append({"cameras": cameras, "budget": "on" if budget else "off", **figures(_together(runs))})
    return rows


def _together(runs: Sequence[Outcome]) -> Outcome:
    kinds: Counter[str] = Counter()
    for run in runs:
        kinds.update(run.kinds)
    return Outcome(
        [each for run in runs for each in run.seconds], [each for run in runs for each in run.refused_seconds], kinds
    )


def storm(seconds: float) -> dict[str, Any]:
    """One camera with 300 candidates a minute beside 30 quiet ones: what the quiet ones get."""
    simulation = Simulation(30, settings_of(budget=True), 1, storm_camera=5.0)
    outcome = simulation.run(seconds)
    quiet = [each for camera, times in simulation.by_camera.items() if camera != "c30" for each in times]
    return {
        "quiet_judged": len(quiet),
        "quiet_expected": round(30 * PER_MINUTE / 60 * seconds),
        "quiet_p99_s": round(float(np.quantile(quiet, 0.99)), 2),
        "storm_judged": len(simulation.by_camera.get("c30", [])),
        "not_judged": outcome.kinds["not judged"],
    }


class SlowServer:
    """The same server over HTTP, `speed` times as fast: work progresses at the same shared rate."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._lock = threading.Lock()
        self._num = 0
        self._random = random.Random(3)

    def __call__(self, path: str, body: Mapping[str, Any]) -> Reply:
        if path.endswith("/models"):
            return well_behaved()(path, body)
        is_verdict = body["max_tokens"] <= MAX_WORD_TOKENS
        pictures = sum(part.get("type") == "image_url" for part in body["messages"][1]["content"])
        self._work(verdict_work(pictures) if is_verdict else REPORT)
        if not is_verdict:
            return completion(json.dumps(GOOD_REPORT))
        confirms = self._random.random() < CONFIRMED
        return completion(
            "yes" if confirms else "no", {"Yes": 0.9 if confirms else 0.1, "No": 0.1 if confirms else 0.9}
        )

    def _work(self, left: float) -> None:
        with self._lock:
            self._num += 1
        at = time.monotonic()
        while left > 0:
            rate = self._speed * PER_SECOND / (self._num + HALF_AT)
            time.sleep(min(0.02, max(left / rate, 0.001)))
            now = time.monotonic()
            left, at = left - (now - at) * rate, now
        with self._lock:
            self._num -= 1


def real(cameras: int, seconds: float, speed: float) -> Outcome:
    """The whole verifier against `SlowServer`; `seconds` of arrivals, and all times, on the simulation's scale."""
    dice = random.Random(5)
    with (
        tempfile.TemporaryDirectory() as folder,
        verifying(Path(folder), SlowServer(speed), settings_of(budget=True, scale=speed), cameras) as rig,
    ):
        began, at, number = time.monotonic(), 0.0, 0
        while at < seconds / speed:
            time.sleep(max(began + at - time.monotonic(), 0.0))
            rig.add(number, f"c{dice.randrange(cameras)}", severity=dice.choices(list(Severity), GRAVITIES)[0])
            number += 1
            at += dice.expovariate(speed * cameras * PER_MINUTE / 60)
        found = {one.id: one.assessment for one in rig.wait(60)}
    outcome = Outcome([], [], Counter())
    for one, since in rig.owed_since.items():
        took = (rig.told_at.get(one, since) - since).total_seconds() * speed
        _count(outcome, found[one], took)
    return outcome


def _count(outcome: Outcome, assessment: Assessment | None, seconds: float) -> None:
    if assessment is None or assessment.probability is None:
        outcome.refused_seconds.append(seconds)
        outcome.kinds["not judged"] += 1
    else:
        outcome.seconds.append(seconds)
        rung = Rung(len(assessment.frames_sent), wants_report=not assessment.degraded)
        outcome.kinds[_kind(rung)] += 1


def compare(seconds: float, speed: float) -> dict[str, Any]:
    """The same load over HTTP and simulated, and how far the simulation's seeds lie apart."""
    runs = [Simulation(REAL_CAMERAS, settings_of(budget=True), seed).run(seconds) for seed in range(REAL_SEEDS)]
    each = [figures(run) for run in runs]
    return {
        "seconds": seconds,
        "speed": speed,
        "simulated": figures(_together(runs)),
        "simulated_seeds": {name: spread([one[name] for one in each]) for name in ("p50_s", "p99_s", "degraded")},
        "real": figures(real(REAL_CAMERAS, seconds, speed)),
    }


_COLUMNS = ("mean_s", "p50_s", "p99_s", "p99_told_s", "max_told_s", "full", *_DEGRADED, "degraded")


def main() -> None:
    """Run, print, keep."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--seconds", type=float, default=1000.0, help="of arrivals, simulated")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--real", action="store_true", help="over HTTP and simulated, three minutes of each")
    arguments.add_argument("--speed", type=float, default=1.0, help="of the server's clock with --real")
    chosen = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if chosen.real:
        name, result = "verification_load_real", _show_compared(compare(REAL_SECONDS, chosen.speed))
    else:
        name, result = "verification_load", _show_simulated(chosen.seconds, chosen.seeds)
    if chosen.save:
        save(name, result)


def _show_compared(result: dict[str, Any]) -> dict[str, Any]:
    rows = [(run, *(result[run][column] for column in _COLUMNS)) for run in ("real", "simulated")]
    show("50 cameras over HTTP, and simulated", ("run", *_COLUMNS), rows)
    print("simulated, median (least–most) of its seeds:", result["simulated_seeds"])
    return result


def _show_simulated(seconds: float, seeds: int) -> dict[str, Any]:
    rows = simulated(seconds, seeds)
    show(
        "Verified alerts (published: 20 cameras 2.83 s, 30: 4.44 s, 50: 24.6 s with p99 85 s)",
        ("cameras", "budget", *_COLUMNS),
        [(row["cameras"], row["budget"], *(row[name] for name in _COLUMNS)) for row in rows],
    )
    result = {"simulated": rows, "storm": storm(seconds)}
    show("A storm on one camera beside 30 quiet ones", ("figure", "value"), list(result["storm"].items()))
    return result


if __name__ == "__main__":
    main()
