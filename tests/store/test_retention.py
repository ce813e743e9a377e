"""What is too old goes; what is still owed stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.evidence import evidence_folder
from pipeline.contracts.incident import Incident
from pipeline.incidents import lifecycle
from pipeline.settings import RetentionSettings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.ledger import SqlDecisionStore
from pipeline.store.outbox import SqlOutbox
from pipeline.store.retention import Cleared, Retention
from tests.support.store import START, deliveries_of, make_assessment, make_candidate, opened, seconds

DAY = 86_400.0
MONTH = START + timedelta(days=31)
YEAR = START + timedelta(days=370)


@dataclass
class House:
    """Stores with a retention over them."""

    database: Database
    incidents: SqlIncidentStore
    evidence: FsspecEvidenceStore
    retention: Retention

    def clear(self, now: datetime) -> Cleared:
        total = Cleared()
        while step := self.retention.step(now):
            total += step
        return total + self.retention.clear_strays(now)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    incidents, evidence = SqlIncidentStore(database), FsspecEvidenceStore(str(tmp_path / "evidence"))
    return House(database, incidents, evidence, Retention(database, incidents, evidence, RetentionSettings()))


def happened(house: House, at: datetime = START, *, is_judged: bool = True, is_over: bool = True) -> Incident:
    """An incident with a snapshot, a clip and a picture that it does not name any more."""
    candidate = make_candidate(at)
    folder = evidence_folder(candidate)
    for name in ("snapshot.jpg", "frame-00000007.jpg", "clip.mp4"):
        house.evidence.put(f"{folder}/{name}", b"picture")
    change = lifecycle.open_incident(
        candidate,
        at + seconds(3),
        will_verify=True,
        snapshot_uri=f"{folder}/snapshot.jpg",
        clip_uri=f"{folder}/clip.mp4",
    )
    assert house.incidents.commit(change, ())
    if is_judged:
        verdict = lifecycle.judge(change.incident, make_assessment(candidate.id), at + seconds(5))
        assert verdict is not None
        assert house.incidents.commit(verdict, ())
        change = verdict
    if is_over:
        ended = candidate.model_copy(update={"state": CandidateState.CLOSED, "ended_at": at + seconds(9)})
        closed = lifecycle.follow_candidate(change.incident, ended, at + seconds(9))
        assert closed is not None
        assert house.incidents.commit(closed, ())
    return house.incidents.get(candidate.id) or change.incident


def test_evidence_goes_first_and_the_incident_says_so(house: House) -> None:
    """After a month no file and no dead link is left; the incident tells why, once."""
    incident = happened(house)
    assert house.clear(MONTH) == Cleared(files=3)
    assert house.evidence.folders() == []
    found = house.incidents.get(incident.id)
    assert found is not None
    assert (found.snapshot_uri, found.clip_uri) == ("", "")
    assert "they are kept for 30 days" in house.incidents.changes(incident.id)[-1].note
    assert not house.clear(MONTH + timedelta(days=1))


def test_an_incident_goes_with_all_that_belongs_to_it(house: House) -> None:
    """Changes, finished deliveries and what evidence there still is."""
    incident = happened(house)
    assert house.clear(YEAR) == Cleared(incidents=1, files=3)
    assert house.incidents.get(incident.id) is None
    assert house.incidents.changes(incident.id) == []


def test_what_is_young_stays(house: House) -> None:
    """To the day."""
    happened(house)
    assert not house.clear(START + timedelta(days=30))


@pytest.mark.parametrize(("is_judged", "is_over"), [(False, True), (True, False)], ids=["awaits verdict", "open"])
def test_what_is_not_finished_stays(house: House, is_judged: bool, is_over: bool) -> None:
    """However old it is, with its evidence."""
    incident = happened(house, is_judged=is_judged, is_over=is_over)
    assert not house.clear(YEAR)
    assert house.incidents.get(incident.id) == incident


def test_what_owes_a_delivery_stays_until_it_is_made(house: House) -> None:
    """Whoever waits to be told is told first."""
    incident = happened(house)
    (last,) = house.incidents.changes(incident.id)[-1:]
    after = lifecycle.acknowledge(incident, "kim", "", last.at + seconds(1))
    assert after is not None
    (owed,) = deliveries_of(after)
    house.incidents.commit(after, [owed])
    assert not house.clear(YEAR)
    SqlOutbox(house.database).mark_delivered(owed.id, START)
    assert house.clear(YEAR).incidents == 1


def test_what_the_bus_has_not_heard_of_stays(database: Database, house: House) -> None:
    """News is told before it is forgotten."""
    with_bus = SqlIncidentStore(database, has_bus=True)
    house.incidents = with_bus
    happened(house)
    assert not house.clear(YEAR)


def test_a_recording_of_long_ago_is_not_old_today(house: House) -> None:
    """What counts is also when it was told."""
    change = opened(make_candidate(START - timedelta(days=1000)), will_verify=False)
    ended = change.incident.candidate.model_copy(
        update={"state": CandidateState.CLOSED, "ended_at": START - timedelta(days=1000)}
    )
    house.incidents.commit(change, ())
    closed = lifecycle.follow_candidate(change.incident, ended, START)
    assert closed is not None
    house.incidents.commit(closed, ())
    assert not house.clear(START + timedelta(days=1))


def test_strays_past_their_time_are_found(house: House) -> None:
    """Evidence whose incident is gone is nobody's; that of a known incident and young evidence stay."""
    happened(house, is_judged=False)
    house.evidence.put("gate/2026-03-01/0a1b2c/clip.mp4", b"stray")
    house.evidence.put("gate/2026-03-31/0a1b2c/clip.mp4", b"young")
    assert house.clear(START + timedelta(days=40)) == Cleared(files=1)
    assert house.evidence.folders("gate") == ["2026-03-01", "2026-03-31"]


def test_decisions_and_coverage_go_in_batches(house: House) -> None:
    """Only what is past its time, each step a bounded part."""
    decisions, coverage = SqlDecisionStore(house.database), SqlCoverageStore(house.database)
    minutes = [START.replace(second=0, microsecond=0) + timedelta(minutes=n) for n in range(7_000)]
    count = DecisionCount("gate", "climb", START, Gate.DWELL, False, "dwell", 1, None, None, None, "")
    decisions.add(
        [DecisionCount(**{name: getattr(count, name) for name in count.__slots__} | {"minute": m}) for m in minutes]
    )
    coverage.extend([Interval("gate", Layer.PICTURES, m, m + timedelta(minutes=1)) for m in minutes])
    now = minutes[-1] + timedelta(days=367)
    first = house.retention.step(now)
    assert 0 < first.decisions < 7_000
    assert 0 < first.intervals < 7_000
    assert first + house.clear(now) == Cleared(decisions=7_000, intervals=7_000)


def test_zero_keeps_for_ever(house: House) -> None:
    """Each kind by itself."""
    happened(house)
    settings = RetentionSettings(evidence=0, incidents=0, decisions=0, coverage=0)
    house.retention = Retention(house.database, house.incidents, house.evidence, settings)
    assert not house.clear(YEAR)
