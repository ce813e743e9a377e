"""A verifier with all that is real around it: SQLite, the reasoner, HTTP to a scripted model server on loopback."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clock import SystemClock
from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.budget import make_admission, most_workers
from pipeline.reasoning.model import load_model
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.verification import Verifier
from pipeline.settings import ReasoningSettings
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.telemetry import Metrics
from tests.support.local import site_of
from tests.support.perception import DecisionList
from tests.support.reasoning import Reply, Script, completion, jpeg, serving, well_behaved
from tests.support.store import make_candidate, sqlite_url

POLL_SECONDS = 0.05


class OnePicture:
    """An `EvidenceStore` that has the same small picture under every key."""

    def __init__(self) -> None:
        self._jpeg = jpeg()

    def get(self, key: str) -> bytes:
        return self._jpeg


@dataclass
class Rig:
    """What the tests of verification look at."""

    store: SqlIncidentStore
    recorder: IncidentRecorder
    verifier: Verifier
    reasoner: VlmReasoner
    metrics: Metrics
    decisions: DecisionList
    owed_since: dict[str, datetime] = field(default_factory=dict)
    told_at: dict[str, datetime] = field(default_factory=dict)

    def add(self, number: int, camera_id: str, **changes: Any) -> None:
        """One more candidate that owes a verdict."""
        keys = make_candidate().key_frames
        shots = [keys[0].model_copy(update={"sequence": at, "uri": f"{at}.jpg"}) for at in range(8)]
        now = SystemClock().now()
        candidate = make_candidate(
            now + timedelta(microseconds=number), camera_id, picture_size=(64, 48), key_frames=tuple(shots), **changes
        )
        self.owed_since[candidate.id] = now
        self.recorder.candidate(candidate, will_verify=True)
        self.verifier.wake()

    def wait(self, max_seconds: float) -> list[Incident]:
        """All incidents, once none owes a verdict, or when the time is over."""
        until = time.monotonic() + max_seconds
        while self.store.verdicts_owed().number and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return self.store.find(IncidentFilter(limit=1_000_000))

    def seconds(self) -> list[float]:
        """From owed to told, of each that was told."""
        return [(at - self.owed_since[one]).total_seconds() for one, at in self.told_at.items()]


@contextmanager
def verifying(folder: Path, script: Script | str, settings: ReasoningSettings, cameras: int = 1) -> Iterator[Rig]:
    """A running verifier over a new database in `folder`, and the server's script or the URL of one that runs; cameras
    are `c0`, `c1`…"""
    names = ", ".join(f"{{id: c{number}, url: c{number}.mp4}}" for number in range(cameras))
    clock, database = SystemClock(), Database(sqlite_url(folder))
    database.migrate()
    store, metrics, decisions = SqlIncidentStore(database), Metrics(), DecisionList()
    with _url(script) as url:
        vlm = f"openai:{url}#tiny"
        site = site_of(f"cameras: [{names}]\nrules: [{{id: climb, track: {{object: any, count_above: 0}}}}]\n")
        model = load_model(vlm, settings, api_key=None)
        assert model is not None
        reasoner = VlmReasoner(model, settings, clock)
        recorder = IncidentRecorder(store, lambda _: [], clock)
        told_at: dict[str, datetime] = {}

        def note(change: IncidentChange) -> None:
            told_at[change.incident.id] = clock.now()

        verifier = Verifier(
            store, recorder, reasoner, OnePicture(), site, most_workers(vlm, settings), decisions, metrics, clock,
            on_change=note, on_rejected_untold=lambda _: None, owner="rig",
            admission=make_admission(vlm, settings, clock),
        )  # fmt: skip
        stop = threading.Event()
        thread = threading.Thread(target=verifier.run, args=(stop,))
        thread.start()
        try:
            yield Rig(store, recorder, verifier, reasoner, metrics, decisions, told_at=told_at)
        finally:
            stop.set()
            verifier.wake()
            thread.join()
            verifier.close()
            reasoner.close()
            database.close()


@contextmanager
def _url(script: Script | str) -> Iterator[str]:
    if isinstance(script, str):
        yield script
    else:
        with serving(script) as server:
            yield server.url


@dataclass
class Faults:
    """A script with these shares of slow answers, server errors and garbage; all others take `seconds`."""

    seconds: float
    slow_seconds: float
    slow: float = 0.10
    failing: float = 0.05
    garbage: float = 0.05
    wait: Callable[[float], object] = time.sleep
    is_down: bool = False
    """Everything fails, until it is taken back."""

    def __post_init__(self) -> None:
        self._random = random.Random(6)
        self._well = well_behaved()

    def __call__(self, path: str, body: Mapping[str, Any]) -> Reply:
        if path.endswith("/models"):
            return self._well(path, body)
        dice, kind = self._random.random(), self._random.randrange(3)
        self.wait(self.slow_seconds if dice < self.slow else self.seconds)
        if self.is_down or self.slow <= dice < self.slow + self.failing:
            return Reply((500, 502, 503)[kind], {"error": {"message": "out of memory"}})
        if dice >= 1 - self.garbage:
            return (
                Reply(body=b"<html>gateway</html>"),
                completion("\ufffd\ufffd maybe {"),
                Reply(body={"choices": []}),
            )[kind]
        return self._well(path, body)
