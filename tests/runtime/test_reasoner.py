"""The reasoner service: candidates from a real broker to incidents, verdicts and news."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.contracts.bus import CandidateMessage, Topic
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import ChangeKind, IncidentStatus
from pipeline.errors import StageFailed
from pipeline.store.database import Database
from tests.support.broker import running_broker
from tests.support.model_server import judge
from tests.support.receiver import Receiver, hang
from tests.support.services import Plant, candidate, ending, message, wait_until
from tests.support.store import sqlite_url

OPENED_CHANGES = [ChangeKind.PROVISIONAL, ChangeKind.CONFIRMED, ChangeKind.CLOSED]


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


@pytest.fixture
def url(sqlite_database: Database, tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def plant(url: str, broker: int, tmp_path: Path) -> Iterator[Plant]:
    """Without a model, and without a receiver that listens."""
    with Plant(url, broker, tmp_path / "evidence", "http://127.0.0.1:9/hook") as plant:
        yield plant


def with_model(url: str, broker: int, folder: Path, model: Receiver) -> Plant:
    vlm = f"openai:http://127.0.0.1:{model.port}/v1#judge"
    return Plant(url, broker, folder / "evidence", "http://127.0.0.1:9/hook", vlm)


def test_a_candidate_lives_from_the_bus_to_the_bus(url: str, broker: int, tmp_path: Path) -> None:
    """Opened, judged, ended: stored with what is owed to channels, and each change told on `incidents` in order."""
    with Receiver(otherwise=judge(0.95)) as model, with_model(url, broker, tmp_path, model) as plant:
        service = plant.reasoner()
        plant.publish(message(1))
        wait_until(lambda: bool(plant.stored(IncidentStatus.CONFIRMED)))
        plant.publish(ending(1))
        wait_until(lambda: plant.stored()[0].closed_at is not None)
        wait_until(lambda: len(plant.news()) == 3)
        service.check_health()
        assert [change.kind for change in plant.news()] == OPENED_CHANGES
        assert plant.news() == plant.incidents.changes(candidate(1).id)
        assert len(plant.outbox.of_incident(candidate(1).id)) == 3


def test_what_is_told_twice_is_one_incident(plant: Plant) -> None:
    """A candidate that comes again, as after a watcher's crash, changes nothing."""
    plant.reasoner()
    plant.publish(message(1), message(1), ending(1), ending(1), message(1), message(2, "yard"))
    wait_until(lambda: len(plant.stored()) == 2 and plant.stored()[-1].closed_at is not None)
    assert [change.sequence for change in plant.incidents.changes(candidate(1).id)] == [1, 2]


def test_without_a_model_nothing_waits_for_one(plant: Plant) -> None:
    """A candidate that asks for a verdict nobody can give is unverified at once."""
    plant.reasoner()
    plant.publish(message(1, will_verify=True))
    wait_until(lambda: len(plant.stored(IncidentStatus.UNVERIFIED)) == 1)


def test_a_model_that_hangs_holds_up_no_alert(url: str, broker: int, tmp_path: Path) -> None:
    """Candidates are stored, with their deliveries, and done on the bus, while every verdict waits."""
    with Receiver([judge(0.5)], otherwise=hang()) as model, with_model(url, broker, tmp_path, model) as plant:
        service = plant.reasoner()
        plant.publish(*[message(number) for number in range(30)])
        wait_until(lambda: len(plant.stored(IncidentStatus.PROVISIONAL)) == 30)
        wait_until(lambda: service.stats()["lag"] == 0)
        stats = service.stats()
        assert plant.outbox.counts()["pending"] == 30
        assert stats["verdicts_owed"] == 30
        assert stats["oldest_verdict_age_seconds"] > 0
        service.check_health()
        model.is_closing.set()


def test_what_cannot_be_read_is_set_aside(plant: Plant) -> None:
    """A record that is no candidate becomes a dead letter with its reason; the next one is stored."""
    service = plant.reasoner()
    plant.publish_raw(b"{not json", schema="candidate-message/1")
    plant.publish_raw(b"{}", schema="candidate-message/9")
    plant.publish(message(1))
    wait_until(lambda: len(plant.stored()) == 1)
    wait_until(lambda: service.stats()["lag"] == 0)
    letters = plant.records(Topic.DEAD_LETTERS)
    assert {letter.value for letter in letters} == {b"{not json", b"{}"}
    assert all(letter.headers["stage"] == "reasoner" and letter.headers["reason"] for letter in letters)


def test_a_rule_nobody_knows_is_kept_and_told_to_nobody(plant: Plant) -> None:
    """Its channels are unknown with it: the incident is stored, unverified, and that is logged."""
    unknown: Candidate = candidate(1).model_copy(update={"rule_id": "gone"})
    with capture_logs() as logs:
        plant.reasoner()
        plant.publish(CandidateMessage(candidate=unknown, will_verify=True))
        wait_until(lambda: len(plant.stored(IncidentStatus.UNVERIFIED)) == 1)
    assert plant.outbox.counts()["pending"] == 0
    assert "told to nobody" in str(logs)


def test_a_clip_that_comes_later_is_attached(plant: Plant) -> None:
    """A second message with the clip updates the incident, also when it is closed."""
    plant.reasoner()
    clip = ending(1).model_copy(update={"clip_uri": "gate/clip.mp4"})
    plant.publish(message(1), ending(1), clip)
    wait_until(lambda: len(plant.stored()) == 1 and plant.stored()[0].clip_uri == "gate/clip.mp4")
    assert plant.stored()[0].closed_at is not None


def test_a_fault_of_the_program_is_seen(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """When recording dies of an error that waiting does not cure, the service is to be restarted; nothing is lost."""
    service = plant.reasoner()
    monkeypatch.setattr(service._intake, "_record", lambda _: 1 / 0)
    with capture_logs():
        plant.publish(message(1))
        wait_until(lambda: any(worker.error for worker in service._intake.work.workers))
    with pytest.raises(StageFailed, match="division by zero"):
        service.check_health()


def test_a_stop_frees_what_is_in_hand(url: str, broker: int, tmp_path: Path) -> None:
    """Verdicts that are not done when the time to drain is over are another service's at once."""
    with Receiver([judge(0.5)], otherwise=hang()) as model, with_model(url, broker, tmp_path, model) as plant:
        service = plant.reasoner()
        plant.publish(message(1))
        wait_until(lambda: len(plant.stored()) == 1 and not plant.incidents.claim_verdicts("other", 0, 1))
        stopper = threading.Thread(target=service.stop, args=(0.1,))
        stopper.start()
        wait_until(lambda: bool(plant.incidents.claim_verdicts("other", 60, 1)))
        model.is_closing.set()
        stopper.join(30)
        wait_until(lambda: not any(thread.name.startswith("verify") for thread in threading.enumerate()))
