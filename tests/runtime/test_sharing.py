"""Several reasoners and alerting services on one database: all work is done, each piece by one of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.clock import SystemClock
from pipeline.contracts.bus import CandidateMessage
from pipeline.contracts.incident import IncidentStatus
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.store.database import Database
from tests.conftest import ROOT
from tests.support.model_server import judge
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.receiver import Receiver
from tests.support.services import Plant, message, wait_until
from tests.support.store import PostgresServer, sqlite_url

NUM = 40
RUN_UNTIL_KILLED = """
import sys, threading
from pathlib import Path
from tests.support.services import Plant
url, broker, prefix, folder, webhook, vlm = sys.argv[1:]
with Plant(url, int(broker), Path(folder), webhook, vlm, prefix) as plant:
    plant.reasoner(), plant.alerting()
    threading.Event().wait()
"""


@pytest.fixture(scope="module")
def proxy() -> Iterator[CuttableProxy]:
    """A broker that can be cut off."""
    with broker_behind_proxy() as proxy:
        yield proxy


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def model() -> Iterator[Receiver]:
    """Rejects everything, which takes one request each."""
    with Receiver(otherwise=judge(0.02, delay_seconds=0.05)) as model:
        yield model


def plant_on(url: str, proxy: CuttableProxy, receiver: Receiver, model: Receiver, folder: Path) -> Plant:
    return Plant(url, proxy.port, folder / "evidence", receiver.url, f"openai:http://127.0.0.1:{model.port}/v1#judge")


def candidates(number: int = NUM) -> list[CandidateMessage]:
    return [message(each, ("gate", "yard")[each % 2]) for each in range(number)]


def told(receiver: Receiver) -> Counter[str]:
    return Counter(request.headers["webhook-id"] for request in receiver.received)


def num_asked(model: Receiver) -> int:
    return sum(bool(request.body) for request in model.received)


def wait_until_done(plant: Plant, number: int = NUM) -> None:
    """Until every candidate is an incident with a verdict, and nothing is owed to anybody."""
    wait_until(lambda: len(plant.stored(IncidentStatus.REJECTED)) == number)
    wait_until(lambda: plant.outbox.counts()["pending"] == 0)


def changes_of(plant: Plant) -> set[str]:
    """The ids of all changes: each incident's opening and its verdict."""
    return {f"{incident.id}.{sequence}" for incident in plant.stored() for sequence in (1, 2)}


def test_two_of_each_do_everything_once(
    migrated_url: str, proxy: CuttableProxy, receiver: Receiver, model: Receiver, tmp_path: Path
) -> None:
    """While nobody dies each candidate is one incident, each verdict is asked for once, each change is told once."""
    with plant_on(migrated_url, proxy, receiver, model, tmp_path) as plant:
        services = [plant.reasoner(), plant.reasoner(), plant.alerting(), plant.alerting()]
        plant.publish(*candidates())
        wait_until_done(plant)
        wait_until(lambda: len(plant.news()) == 2 * NUM)
        for service in services:
            service.check_health()
        assert num_asked(model) == NUM
        assert told(receiver) == dict.fromkeys(changes_of(plant), 1)
        assert Counter(change.id for change in plant.news()) == told(receiver)


@pytest.mark.postgres
@pytest.mark.slow
def test_what_a_killed_process_had_in_hand_is_taken_up(
    postgres: PostgresServer, proxy: CuttableProxy, receiver: Receiver, tmp_path: Path
) -> None:
    """After `kill -9` of a process with verdicts and deliveries in hand another one finishes all of it."""
    url = postgres.new_database("migrated")
    slow = Receiver(otherwise=judge(0.02, delay_seconds=0.4))
    with slow as model, plant_on(url, proxy, receiver, model, tmp_path) as plant:
        line = [str(proxy.port), plant.prefix, str(tmp_path / "evidence"), receiver.url, plant.site.models.vlm]
        process = subprocess.Popen([sys.executable, "-c", RUN_UNTIL_KILLED, url, *line], cwd=ROOT)
        plant.publish(*candidates())
        wait_until(lambda: len(plant.stored(IncidentStatus.REJECTED)) >= 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        num_done = len(plant.stored(IncidentStatus.REJECTED))
        plant.reasoner(), plant.alerting()
        wait_until_done(plant)
        assert num_done < NUM
        assert set(told(receiver)) == changes_of(plant)
        assert num_asked(model) <= NUM + plant.settings.reasoning.workers


@pytest.mark.postgres
def test_a_database_that_restarts_loses_nothing(
    postgres: PostgresServer, proxy: CuttableProxy, receiver: Receiver, model: Receiver, tmp_path: Path
) -> None:
    """Candidates that come while the database is down are stored when it is back; services stay healthy."""
    url = postgres.new_database("migrated")
    with plant_on(url, proxy, receiver, model, tmp_path) as plant, capture_logs():
        services = [plant.reasoner(), plant.alerting()]
        plant.publish(*candidates(NUM // 2))
        wait_until(lambda: len(plant.stored()) > 3)
        postgres.stop()
        try:
            plant.publish(*candidates())
            time.sleep(2)
            for service in services:
                service.check_health()
                service.stats()
        finally:
            postgres.start()
        wait_until_done(plant)
        assert set(told(receiver)) == changes_of(plant)
        wait_until(lambda: {change.id for change in plant.news()} == changes_of(plant))


def test_a_cut_broker_delays_the_news_and_no_alert(
    sqlite_database: Database, proxy: CuttableProxy, receiver: Receiver, model: Receiver, tmp_path: Path
) -> None:
    """What is recorded is judged and told without a broker; the news follows when it is back, in order."""
    with plant_on(sqlite_url(tmp_path), proxy, receiver, model, tmp_path) as plant, capture_logs():
        services = [plant.reasoner(), plant.alerting()]
        plant.publish(*candidates(5))
        wait_until(lambda: len(plant.stored()) == 5)
        proxy.cut()
        try:
            recorder = IncidentRecorder(plant.incidents, plant.policy, SystemClock())
            for each in candidates(8)[5:]:
                recorder.candidate(each.candidate, will_verify=True)
            wait_until_done(plant, 8)
            for service in services:
                service.check_health()
        finally:
            proxy.mend()
        wait_until(lambda: len({change.id for change in plant.news()}) == 16)
        assert set(told(receiver)) == changes_of(plant)
        lives = [[c.sequence for c in plant.news() if c.incident.id == i.id] for i in plant.stored()]
        assert lives == [sorted(life) for life in lives]
