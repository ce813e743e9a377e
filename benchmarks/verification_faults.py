"""10,000 candidates through a faulty model server: 10 % of answers slow, 5 % server errors, 5 % garbage, and an outage.

A real HTTP server on loopback that speaks OpenAI's chat completions, the real verifier, reasoner and SQLite; time is
scaled down: an answer takes 20 ms, a slow one 0.8 s, the deadline is 4 s. From a third of the candidates on the server
is down for three seconds: the breaker opens, probes, and closes. Each candidate must end confirmed, rejected or
unverified, none may be lost, and 99 % must be told within the deadline.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import structlog
from measure import RESULTS, parser, save, show

from pipeline.contracts.incident import Incident
from pipeline.reasoning.breaker import BreakerState
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import serving
from tests.support.verification import Faults, Rig, verifying

mpl.use("Agg")
from matplotlib import pyplot as plt

CAMERAS = 50
SETTINGS = ReasoningSettings(timeout=1.0, deadline=4.0, breaker_for=0.5, workers=8, server_workers=32)
ANSWER_SECONDS, SLOW_SECONDS = 0.02, 0.8
DOWN_SECONDS = 3.0
FILE = "verification_faults"


def serve(line: Connection, is_down: Synchronized[int]) -> None:
    """A process's body: the faulty server, until something comes over the line."""
    faults = Faults(ANSWER_SECONDS, SLOW_SECONDS)
    # Callers that hang up are part of this: their tracebacks are not wanted.
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere), serving(faults) as server:
        line.send(server.url)
        while not line.poll(0.02):
            faults.is_down = bool(is_down.value)
            server.requests.clear()


@contextmanager
def faulty_server() -> Iterator[tuple[str, Synchronized[int]]]:
    """Its URL, and what takes it down; in a process of its own, so that its work is not the verifier's."""
    context = multiprocessing.get_context("spawn")
    line, other = context.Pipe()
    is_down = context.Value("i", 0)
    process = context.Process(target=serve, args=(other, is_down))
    process.start()
    try:
        yield line.recv(), is_down
    finally:
        line.send("stop")
        process.join()


def run(number: int, per_second: float) -> tuple[list[Incident], Rig, float, float]:
    """All incidents at the end, the rig, when it began and when the server went down (monotonic seconds)."""
    with (
        faulty_server() as (url, is_down),
        tempfile.TemporaryDirectory() as folder,
        verifying(Path(folder), url, SETTINGS, CAMERAS) as rig,
    ):
        began, down_at = time.monotonic(), float("inf")
        for count in range(number):
            time.sleep(max(began + count / per_second - time.monotonic(), 0.0))
            if count == number // 3:
                down_at, is_down.value = time.monotonic(), 1
            if time.monotonic() > down_at + DOWN_SECONDS:
                is_down.value = 0
            rig.add(count, f"c{count % CAMERAS}")
        is_down.value = 0
        return rig.wait(120), rig, began, down_at


def figures(found: list[Incident], rig: Rig, number: int) -> dict[str, Any]:
    """Of the run."""
    ended = Counter(incident.status.value for incident in found)
    seconds = np.array(rig.seconds())
    assessments = [incident.assessment for incident in found if incident.assessment]
    return {
        "candidates": number,
        **dict(ended),
        "lost": number - sum(ended[name] for name in ("confirmed", "rejected", "unverified")),
        "told_p50_s": round(float(np.quantile(seconds, 0.5)), 3),
        "told_p99_s": round(float(np.quantile(seconds, 0.99)), 3),
        "told_max_s": round(float(seconds.max()), 3),
        "deadline_s": SETTINGS.deadline,
        "within_deadline": round(float((seconds <= SETTINGS.deadline).mean()), 5),
        "degraded": round(sum(bool(each.degraded) for each in assessments) / number, 4),
        "calls": sum(each.usage.calls for each in assessments if each.usage),
        "breaker_opened": sum(state is BreakerState.OPEN for _, state in rig.reasoner.breaker.changes),
    }


def reasons(found: list[Incident]) -> list[tuple[str, int]]:
    """Why the unverified ones are: the most frequent first."""
    kept = [incident.assessment for incident in found if incident.assessment]
    why = Counter(
        " ".join("#" if any(map(str.isdigit, word)) else word for word in one.reason.split())[:90]
        for one in kept
        if one.verdict == "unverified"
    )
    return why.most_common(8)


def plot(rig: Rig, began: float, down_at: float) -> None:
    """The breaker's states, and how long each candidate waited, over time."""
    top, bottom = plt.subplots(2, 1, figsize=(9, 5), sharex=True)[1]
    changes = [(began, BreakerState.CLOSED), *rig.reasoner.breaker.changes]
    times = [at - began for at, _ in changes]
    top.step(times, [state.value for _, state in changes], where="post")
    top.axvspan(down_at - began, down_at - began + DOWN_SECONDS, alpha=0.2, color="red", label="server down")
    top.set_yticks([0, 1, 2], ["closed", "half open", "open"])
    top.set_title("circuit breaker")
    top.legend()
    first = min(rig.owed_since.values())
    points = [(rig.owed_since[one], at) for one, at in rig.told_at.items()]
    waits = [(at - since).total_seconds() for since, at in points]
    bottom.scatter([(since - first).total_seconds() for since, _ in points], waits, s=1)
    bottom.axhline(SETTINGS.deadline, color="red", linewidth=0.8, label="deadline")
    bottom.set_xlabel("seconds")
    bottom.set_ylabel("from owed to told, s")
    bottom.legend()
    plt.tight_layout()
    plt.savefig(RESULTS / f"{FILE}.png", dpi=120)


def main() -> None:
    """Run, print, keep."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--number", type=int, default=10_000)
    arguments.add_argument("--per-second", type=float, default=30.0)
    chosen = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found, rig, began, down_at = run(chosen.number, chosen.per_second)
    result = figures(found, rig, chosen.number)
    why = reasons(found)
    show("Through a faulty server", ("figure", "value"), list(result.items()))
    show("Why unverified", ("reason", "number"), why)
    if chosen.save:
        plot(rig, began, down_at)
        save(FILE, {**result, "unverified_because": dict(why)})


if __name__ == "__main__":
    main()
