"""The alerting service: what is owed goes out, whoever else is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.clock import SystemClock
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import StageFailed
from pipeline.store.database import Database
from pipeline.store.outbox import SqlOutbox
from tests.support.broker import free_port, running_broker
from tests.support.receiver import Receiver, answer, hang
from tests.support.services import Plant, candidate, wait_until
from tests.support.store import deliveries_of, opened, sqlite_url


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


def plant_for(receiver: Receiver, database: Database, broker: int, folder: Path) -> Plant:
    return Plant(sqlite_url(folder), broker, folder / "evidence", receiver.url)


def owe(plant: Plant, number: int) -> list[IncidentChange]:
    """Incidents stored with a delivery each, due now."""
    changes, now = [opened(candidate(each)) for each in range(number)], SystemClock().now()
    for change in changes:
        owed = [each.model_copy(update={"created_at": now, "next_attempt_at": now}) for each in deliveries_of(change)]
        plant.incidents.commit(change, owed)
    return changes


def test_what_is_owed_is_sent_without_news(sqlite_database: Database, broker: int, tmp_path: Path) -> None:
    """Nobody needs to say that there is something: the outbox is looked at."""
    with Receiver() as receiver, plant_for(receiver, sqlite_database, broker, tmp_path) as plant:
        changes = owe(plant, 3)
        service = plant.alerting()
        receiver.wait_for(3)
        wait_until(lambda: plant.outbox.counts()["delivered"] == 3)
        service.check_health()
        assert service.stats() == {"lag": 0.0, "oldest_age_seconds": 0.0}
        assert {request.headers["webhook-id"] for request in receiver.received} == {change.id for change in changes}


def test_alerts_need_no_broker(sqlite_database: Database, tmp_path: Path) -> None:
    """With no broker at all what is owed goes out, and the service is healthy."""
    with Receiver() as receiver:
        plant = plant_for(receiver, sqlite_database, free_port(), tmp_path)
        owe(plant, 2)
        with capture_logs():
            service = plant.alerting()
            receiver.wait_for(2)
            service.check_health()
            plant.__exit__()


def test_a_receiver_that_was_down_hears_of_everything(sqlite_database: Database, broker: int, tmp_path: Path) -> None:
    """While it answers nothing but errors the deliveries stay owed, and count; then each arrives."""
    is_up = threading.Event()
    with Receiver(otherwise=lambda handler: answer(204 if is_up.is_set() else 503)(handler)) as receiver:
        with plant_for(receiver, sqlite_database, broker, tmp_path) as plant, capture_logs():
            changes = owe(plant, 5)
            service = plant.alerting()
            receiver.wait_for(10)
            wait_until(lambda: service.stats()["lag"] > 0)
            is_up.set()
            wait_until(lambda: plant.outbox.counts() == {"pending": 0, "delivered": 5, "dead": 0})
        assert {request.headers["webhook-id"] for request in receiver.received} == {change.id for change in changes}


def test_a_stop_leaves_what_hangs_to_others(sqlite_database: Database, broker: int, tmp_path: Path) -> None:
    """An attempt that is cut short is another service's at once, under the same id."""
    with Receiver([hang()]) as receiver, plant_for(receiver, sqlite_database, broker, tmp_path) as plant:
        owe(plant, 1)
        service = plant.alerting()
        receiver.wait_for(1)
        with capture_logs():
            service.stop(0.1)
        plant.alerting()
        assert len({request.headers["webhook-id"] for request in receiver.wait_for(2)}) == 1


def test_a_worker_that_died_is_seen(
    sqlite_database: Database, broker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the program in the delivering thread makes the service unhealthy."""
    with Receiver() as receiver, plant_for(receiver, sqlite_database, broker, tmp_path) as plant, capture_logs():
        monkeypatch.setattr(SqlOutbox, "claim_due", lambda *_: 1 / 0)
        service = plant.alerting()
        wait_until(lambda: service._workers[0].error is not None)
        with pytest.raises(StageFailed, match="the delivery worker failed: division by zero"):
            service.check_health()
