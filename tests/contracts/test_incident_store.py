"""What every `IncidentStore` promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.contracts.assessment import Verdict
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.incident import IncidentFilter, IncidentStatus, IncidentStore
from pipeline.incidents import lifecycle
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from tests.support.store import START, deliveries_of, followed, make_assessment, make_candidate, opened, seconds


@pytest.fixture
def store(database: Database) -> IncidentStore:
    return SqlIncidentStore(database)


def test_a_committed_incident_is_read_back_equal(store: IncidentStore) -> None:
    """Nothing of an incident or its change is lost on the way through the database."""
    change = opened()
    assert store.commit(change, deliveries_of(change))
    assert store.get(change.incident.id) == change.incident
    assert store.changes(change.incident.id) == [change]


def test_an_unknown_incident_is_none(store: IncidentStore) -> None:
    """Asking for what is not there is no error."""
    assert store.get("nothing") is None
    assert store.changes("nothing") == []


def test_a_change_number_can_be_taken_once(store: IncidentStore) -> None:
    """The second writer of a change number is told so, and leaves no trace."""
    first = opened()
    assert store.commit(first, [])
    assert not store.commit(first, deliveries_of(first))
    winner, loser = followed(first), followed(first, 9)
    assert store.commit(winner, [])
    assert not store.commit(loser, deliveries_of(loser))
    assert store.changes(first.incident.id) == [first, winner]
    assert store.get(first.incident.id) == winner.incident


def test_a_lost_race_owes_nothing(store: IncidentStore, database: Database) -> None:
    """The deliveries of a change that was not stored are not stored either."""
    first = opened()
    store.commit(first, deliveries_of(first))
    assert not store.commit(first, deliveries_of(first, ["police"]))
    assert SqlOutbox(database).counts()["pending"] == 1


def test_a_change_that_skips_a_number_is_refused(store: IncidentStore) -> None:
    """Changes are numbered without holes."""
    first = opened()
    second = followed(first)
    assert not store.commit(second, [])
    store.commit(first, [])
    assert not store.commit(followed(second), [])


def test_concurrent_writers_lose_no_change(store: IncidentStore) -> None:
    """Eight writers on one incident: all their changes are there, numbered without holes or doubles."""
    store.commit(opened(), [])
    incident_id = opened().incident.id

    def write(writer: int) -> None:
        for step in range(5):
            is_stored = False
            while not is_stored:
                incident = store.get(incident_id)
                assert incident is not None
                change = lifecycle.acknowledge(incident, f"{writer}-{step}", "", START)
                assert change is not None
                is_stored = store.commit(change, deliveries_of(change))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    changes = store.changes(incident_id)
    assert [change.sequence for change in changes] == list(range(1, 42))
    names = {change.incident.acknowledged_by for change in changes[1:]}
    assert names == {f"{writer}-{step}" for writer in range(8) for step in range(5)}


def test_find_lists_newest_first_up_to_the_limit(store: IncidentStore) -> None:
    """A list begins with the latest incident."""
    for minute in (2, 1, 3):
        store.commit(opened(make_candidate(START + timedelta(minutes=minute))), [])
    found = store.find(IncidentFilter(limit=2))
    assert [incident.opened_at for incident in found] == [START + seconds(182), START + seconds(122)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(IncidentFilter(camera_id="gate"), {"gate/climb", "gate/bag"}, id="camera"),
        pytest.param(IncidentFilter(rule_id="climb"), {"gate/climb", "yard/climb"}, id="rule"),
        pytest.param(IncidentFilter(statuses=(IncidentStatus.UNVERIFIED,)), {"yard/climb"}, id="status"),
        pytest.param(IncidentFilter(opened_from=START + seconds(62)), {"gate/bag", "yard/climb"}, id="from"),
        pytest.param(IncidentFilter(opened_before=START + seconds(62)), {"gate/climb"}, id="before"),
    ],
)
def test_find_filters(store: IncidentStore, wanted: IncidentFilter, expected: set[str]) -> None:
    """Each filter leaves what it names; times are half-open."""
    store.commit(opened(make_candidate(START, "gate", "climb")), [])
    store.commit(opened(make_candidate(START + seconds(60), "gate", "bag")), [])
    store.commit(opened(make_candidate(START + seconds(120), "yard", "climb"), will_verify=False), [])
    assert {f"{i.camera_id}/{i.rule_id}" for i in store.find(wanted)} == expected


def test_times_of_other_zones_are_the_same_moments(store: IncidentStore) -> None:
    """A filter in local time finds by the moment, to the microsecond."""
    store.commit(opened(), [])
    local = (START + seconds(2)).astimezone(timezone(timedelta(hours=-7)))
    assert store.find(IncidentFilter(opened_from=local))
    assert not store.find(IncidentFilter(opened_from=local + timedelta(microseconds=1)))


def test_verdicts_owed_are_listed_oldest_first_until_given(store: IncidentStore) -> None:
    """After a restart the verifications still owed are found again."""
    late, early = opened(make_candidate(START + seconds(60))), opened()
    for change in (late, early, opened(make_candidate(START + seconds(30)), will_verify=False)):
        store.commit(change, [])
    assert store.awaiting_verdict(10) == [early.incident, late.incident]
    assert store.awaiting_verdict(1) == [early.incident]
    verdict = lifecycle.judge(early.incident, make_assessment(early.incident.id), START)
    assert verdict is not None
    store.commit(verdict, [])
    assert store.awaiting_verdict(10) == [late.incident]


def test_open_incidents_are_listed_until_closed(store: IncidentStore) -> None:
    """After a restart the incidents nobody closed are found again."""
    first, second = opened(), opened(make_candidate(START + seconds(60)))
    store.commit(second, [])
    store.commit(first, [])
    assert store.still_open() == [first.incident, second.incident]
    ended = make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(9))
    closed = lifecycle.follow_candidate(first.incident, ended, START)
    assert closed is not None
    store.commit(closed, [])
    assert store.still_open() == [second.incident]


def test_the_last_alert_is_the_latest_told_incident_of_a_rule(store: IncidentStore) -> None:
    """Cooldowns resume from the last incident with a delivery, per camera and rule."""
    for at, camera in ((START, "gate"), (START + seconds(60), "gate"), (START + seconds(30), "yard")):
        change = opened(make_candidate(at, camera))
        store.commit(change, deliveries_of(change))
    assert store.last_alerts() == {("gate", "climb"): START + seconds(62), ("yard", "climb"): START + seconds(32)}


def test_an_incident_that_told_nobody_and_was_rejected_is_no_alert(store: IncidentStore) -> None:
    """A rule that tells only verified incidents is not silenced by one that was rejected."""
    change = opened()
    store.commit(change, [])
    assert store.last_alerts() == {}
    rejected = lifecycle.judge(change.incident, make_assessment(change.incident.id, Verdict.REJECTED), START)
    assert rejected is not None
    store.commit(rejected, [])
    assert store.last_alerts() == {}


@pytest.mark.parametrize("verdict", [Verdict.CONFIRMED, Verdict.UNVERIFIED])
def test_an_incident_that_stands_is_an_alert_even_without_channels(store: IncidentStore, verdict: Verdict) -> None:
    """A site without channels has cooldowns too."""
    change = opened()
    store.commit(change, [])
    judged = lifecycle.judge(change.incident, make_assessment(change.incident.id, verdict), START)
    assert judged is not None
    store.commit(judged, [])
    assert store.last_alerts() == {("gate", "climb"): START + seconds(2)}


def test_once_told_always_told(store: IncidentStore) -> None:
    """A later change without deliveries does not undo that the incident was told."""
    change = opened()
    store.commit(change, deliveries_of(change))
    store.commit(followed(change), [])
    assert ("gate", "climb") in store.last_alerts()


def test_a_store_keeps_its_incidents_when_it_is_opened_again(store: IncidentStore, database: Database) -> None:
    """Closing and opening the database changes nothing that was committed."""
    change = opened(make_candidate(datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)))
    store.commit(change, deliveries_of(change))
    database.close()
    assert store.get(change.incident.id) == change.incident
