"""The recorder over a real store: once each, in order, with what is owed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Verdict
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.incident import ChangeKind, IncidentStatus, IncidentStore
from pipeline.errors import Conflict, InvalidMessage, TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from tests.support.store import START, FullStore, deliveries_of, make_assessment, make_candidate, seconds

ID = make_candidate().id
ENDED = make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(8))


@pytest.fixture
def store(sqlite_database: Database) -> IncidentStore:
    return SqlIncidentStore(sqlite_database)


@pytest.fixture
def recorder(store: IncidentStore) -> IncidentRecorder:
    return IncidentRecorder(store, deliveries_of, ManualClock(START))


def kinds(store: IncidentStore) -> list[ChangeKind]:
    return [change.kind for change in store.changes(ID)]


def test_a_whole_life_is_stored_in_order(recorder: IncidentRecorder, store: IncidentStore) -> None:
    """Opened, judged, acknowledged, closed: four changes and what is known after them."""
    recorder.candidate(make_candidate(), will_verify=True, snapshot_uri="gate/snapshot.jpg")
    recorder.assessment(make_assessment(ID))
    recorder.acknowledge(ID, "ada")
    recorder.candidate(ENDED, will_verify=True)
    assert kinds(store) == ["provisional", "confirmed", "acknowledged", "closed"]
    incident = store.get(ID)
    assert incident is not None
    assert (incident.status, incident.snapshot_uri) == (IncidentStatus.CONFIRMED, "gate/snapshot.jpg")


def test_everything_told_twice_is_stored_once(recorder: IncidentRecorder, store: IncidentStore) -> None:
    """A whole replay after a restart adds no change."""
    for _ in range(2):
        recorder.candidate(make_candidate(), will_verify=True)
        recorder.assessment(make_assessment(ID))
        recorder.attach(ID, clip_uri="gate/clip.mp4")
        recorder.candidate(ENDED, will_verify=True)
        recorder.acknowledge(ID, "ada")
    assert kinds(store) == ["provisional", "confirmed", "updated", "closed", "acknowledged"]


def test_each_change_is_stored_with_what_it_owes(recorder: IncidentRecorder, sqlite_database: Database) -> None:
    """The plan's deliveries are in the outbox with their change."""
    change = recorder.candidate(make_candidate(), will_verify=True)
    assert change is not None
    due = SqlOutbox(sqlite_database).claim_due("tester", START + seconds(99), 60)
    assert due is not None
    assert due.change == change


def test_an_incident_first_heard_of_at_its_end_opens_and_closes(
    recorder: IncidentRecorder, store: IncidentStore
) -> None:
    """Nothing is lost when the opening never arrived; the verdict is still owed."""
    change = recorder.candidate(ENDED, will_verify=True)
    assert change is not None
    assert change.kind is ChangeKind.CLOSED
    assert kinds(store) == ["provisional", "closed"]
    assert [incident.id for incident in store.claim_verdicts("tester", 60, 10)] == [ID]


def test_a_verdict_after_the_end_still_counts(recorder: IncidentRecorder, store: IncidentStore) -> None:
    """A slow model changes the status of a closed incident."""
    recorder.candidate(ENDED, will_verify=True)
    change = recorder.assessment(make_assessment(ID, Verdict.REJECTED))
    assert change is not None
    assert (change.incident.status, change.incident.closed_at) == (IncidentStatus.REJECTED, ENDED.ended_at)


def test_an_acknowledgement_told_twice_answers_the_same(recorder: IncidentRecorder) -> None:
    """Whoever asks again gets the change that was stored."""
    recorder.candidate(make_candidate(), will_verify=True)
    assert recorder.acknowledge(ID, "ada") == recorder.acknowledge(ID, "ada")


def test_who_decides_on_what_has_changed_is_told_to_look_again(
    recorder: IncidentRecorder, store: IncidentStore
) -> None:
    """Of two who read the same, the second decides nothing; who reads again, does."""
    recorder.candidate(make_candidate(), will_verify=False)
    recorder.review(ID, is_right=True, by="ada", after_change=1)
    with pytest.raises(Conflict, match="change 1 then, 2 now"):
        recorder.review(ID, is_right=False, by="olu", after_change=1)
    with pytest.raises(Conflict):
        recorder.acknowledge(ID, "olu", after_change=1)
    assert [change.sequence for change in store.changes(ID)] == [1, 2]
    assert recorder.acknowledge(ID, "olu", after_change=2).sequence == 3


def test_what_concerns_an_unknown_incident_is_set_aside(recorder: IncidentRecorder) -> None:
    """A verdict, an acknowledgement or evidence for nothing can never be stored."""
    calls = (
        lambda: recorder.assessment(make_assessment("nothing")),
        lambda: recorder.acknowledge("nothing", "ada"),
        lambda: recorder.attach("nothing", clip_uri="x"),
    )
    for call in calls:
        with pytest.raises(InvalidMessage, match="no incident 'nothing'"):
            call()


def test_concurrent_recorders_lose_nothing(recorder: IncidentRecorder, store: IncidentStore) -> None:
    """The verdict, the end, a clip and six people at the same moment: every change is stored, once."""
    recorder.candidate(make_candidate(), will_verify=True)
    work = [
        lambda: recorder.assessment(make_assessment(ID)),
        lambda: recorder.candidate(ENDED, will_verify=True),
        lambda: recorder.attach(ID, clip_uri="gate/clip.mp4"),
        *[lambda name=name: recorder.acknowledge(ID, f"person {name}") for name in range(6)],
    ]
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(call) for call in work * 2]:
            done.result()
    changes = store.changes(ID)
    assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
    assert {"confirmed", "closed", "updated"} <= set(kinds(store))
    assert {change.incident.acknowledged_by for change in changes} - {""} == {f"person {n}" for n in range(6)}
    last = changes[-1].incident
    assert (last.status, last.clip_uri) == (IncidentStatus.CONFIRMED, "gate/clip.mp4")
    assert last.closed_at is not None


def test_a_failure_between_two_changes_is_mended_by_trying_again(sqlite_database: Database) -> None:
    """When opening was stored and closing was not, the same call again closes."""
    store = FullStore(sqlite_database, ChangeKind.CLOSED)
    recorder = IncidentRecorder(store, deliveries_of, ManualClock(START))
    with pytest.raises(TransientError):
        recorder.candidate(ENDED, will_verify=True)
    recorder.candidate(ENDED, will_verify=True)
    assert kinds(store) == ["provisional", "closed"]
