"""What `sightline cluster demo` does: the programs of a cluster as processes of their own, one site file for all.

In: a plan. Out: incidents as the webhook receiver gets them, and a summary that is held against the truth. The
commands it starts are the ones an operator would start.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from pipeline.app.serve_config import REASONERS, WATCHERS
from pipeline.app.stores import Stores, open_stores
from pipeline.cli.cluster_demo_result import conclude
from pipeline.cli.cluster_demo_site import SECRET_VARIABLE, DemoSite, Plan, write_site
from pipeline.cli.configuration import start_logging
from pipeline.cli.demo_receiver import DemoReceiver, Received
from pipeline.cli.demo_services import (
    last_words,
    postgres_programs,
    running,
    sightline,
    temporary_broker,
    temporary_postgres,
)
from pipeline.cli.output import EXIT_FAILED, STYLES, err, out, plain
from pipeline.cli.report import clock
from pipeline.cli.signals import stop_on_signals
from pipeline.contracts.bus import Topic
from pipeline.errors import StageFailed, TransientError
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.lag import lag_of

_READY = "replicas: "
"""`sightline cluster up` begins a line so once every application runs."""
_READY_SECONDS = 180.0
_SETTLE_SECONDS = 120.0
"""Longest wait, once the cameras have ended, for what they left on the bus and in the outbox."""
_LOOK_SECONDS = 0.5


def run_demo(plan: Plan) -> int:
    """From nothing to a summary, and back to nothing; the exit status."""
    stop = threading.Event()
    with stop_on_signals(stop, second_kills=False) as interruption:
        status = _Demo(plan, stop).run()
    return interruption.exit_status or status


class _Demo:
    """One run. Every step ends early when `stop` is set; what was started is stopped in the reverse order."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self._plan = plan
        self._stop = stop
        self._started_at = datetime.now(UTC)
        """What the first frames are said to be from: set anew when the cameras start."""
        self._cluster_log = plan.folder / "cluster.log"
        self._ingest_log = plan.folder / "ingest.log"

    def run(self) -> int:
        """The exit status; 1 also when it was stopped early."""
        with ExitStack() as closing:
            receiver = closing.enter_context(DemoReceiver(self._say_received))
            site = self._set_up(closing, receiver)
            closing.callback(lambda: err().print("stopping the stages, the database and the broker"))
            line = sightline("cluster", "up", "--site", str(site.path))
            secret = {SECRET_VARIABLE: receiver.secret}
            up = closing.enter_context(running(line, self._cluster_log, environment=secret))
            if not self._wait(_READY_SECONDS, lambda: self._is_ready(up), "the stages to start"):
                return EXIT_FAILED
            if not self._publish(site, secret, up):
                return EXIT_FAILED
            stores = open_stores(site.settings)
            closing.callback(stores.close)
            bus = KafkaBus(site.settings.bus, "demo")
            is_settled = self._wait(_SETTLE_SECONDS, lambda: _is_settled(bus, stores), "the stages to finish")
            is_good = conclude(site, stores, receiver, self._started_at, self._ingest_log, _lag(bus))
            return 0 if is_good and is_settled else EXIT_FAILED

    def _set_up(self, closing: ExitStack, receiver: DemoReceiver) -> DemoSite:
        """Broker and database, and the site file that names them."""
        servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        if servers:
            _say("broker", f"{servers}, as KAFKA_BOOTSTRAP_SERVERS says; the topics sightline-demo-… stay there")
        else:
            servers = closing.enter_context(temporary_broker(self._plan.folder / "broker.log"))
            _say("broker", f"Tansu at {servers}, in memory")
        database_url = self._database(closing)
        site = write_site(self._plan, servers, database_url, receiver.url, receiver.secret)
        start_logging(site.settings.model_copy(update={"log_level": "error"}))  # the stages have logs of their own
        _say("receiver", f"a webhook at {receiver.url}")
        _say("stages", "Ray on this machine:  sightline cluster up --site site.yaml")
        return site

    def _database(self, closing: ExitStack) -> str:
        programs = postgres_programs()
        if programs is None:
            _say("database", "SQLite (the package postgresql would bring PostgreSQL)")
            return f"sqlite:///{self._plan.folder}/sightline.db"
        url = closing.enter_context(temporary_postgres(programs))
        _say("database", "PostgreSQL, in a temporary folder")
        return url

    def _publish(self, site: DemoSite, secret: dict[str, str], up: subprocess.Popen[str]) -> bool:
        """Run ingest to the end of its cameras."""
        pace = f"{self._plan.speed:g}"
        _say("cameras", f"{', '.join(site.cameras)}:  sightline ingest site.yaml --speed {pace}")
        out().print()
        self._started_at = datetime.now(UTC).replace(microsecond=0)
        arguments = ("ingest", str(site.path), "--speed", pace, "--start-at", self._started_at.isoformat(), "--json")
        with running(sightline(*arguments), self._ingest_log, environment=secret) as ingest:
            return self._wait(None, lambda: self._has_ended(ingest, up), "the cameras to end")

    def _wait(self, seconds: float | None, is_done: Callable[[], bool], what: str) -> bool:
        """Look until it is done (True), time is up or somebody stops the demo (False)."""
        until = time.monotonic() + seconds if seconds is not None else None
        while not is_done():
            if self._stop.wait(_LOOK_SECONDS):
                return False
            if until is not None and time.monotonic() > until:
                err().print(f"waited {seconds:.0f} s for {what}; the last words of the stages were")
                err().print(last_words(self._cluster_log))
                return False
        return True

    def _is_ready(self, up: subprocess.Popen[str]) -> bool:
        _must_run("sightline cluster up", up, self._cluster_log)
        return any(line.startswith(_READY) for line in self._cluster_log.read_text(encoding="utf-8").splitlines())

    def _has_ended(self, ingest: subprocess.Popen[str], up: subprocess.Popen[str]) -> bool:
        _must_run("sightline cluster up", up, self._cluster_log)
        status = ingest.poll()
        if status not in (None, 0):
            raise StageFailed(f"sightline ingest ended with status {status}:\n{last_words(self._ingest_log)}")
        return status == 0

    def _say_received(self, message: Received) -> None:
        """One line a webhook, with where in the recording its incident opened or closed."""
        data = message.body.get("data", {})
        kind, times = str(data.get("kind", "?")), data.get("times", {})
        at = (times.get("closed_at") if kind == "closed" else None) or times.get("opened_at")
        seconds = (datetime.fromisoformat(at) - self._started_at).total_seconds() if at else 0.0
        facts = "; ".join(str(fact.get("text")) for fact in data.get("facts", ()))
        words = f"{data.get('camera')}  {data.get('rule')}: {facts}"
        signature = ("signed", "green") if message.is_genuine else ("SIGNATURE WRONG", "bold red")
        place = f"{clock(seconds):>6}  "
        out().print(Text.assemble(place, (f"{kind:<12}", STYLES.get(kind, "")), f"  {plain(words)}  ", signature))


def _say(what: str, words: str) -> None:
    out().print(Text.assemble((f"{what:<10}", "bold"), words))


def _must_run(name: str, process: subprocess.Popen[str], log: Path) -> None:
    if process.poll() is not None:
        raise StageFailed(f"{name} ended with status {process.returncode}:\n{last_words(log)}")


def _lag(bus: KafkaBus) -> int:
    return lag_of(bus, WATCHERS, Topic.FRAMES) + lag_of(bus, REASONERS, Topic.CANDIDATES)


def _is_settled(bus: KafkaBus, stores: Stores) -> bool:
    """Nothing is left on the bus, no incident is open, nothing is owed."""
    try:
        is_empty = not stores.incidents.still_open() and not stores.outbox.counts().get("pending")
        return is_empty and not _lag(bus)
    except TransientError:
        return False
