"""Erasing a camera's range: what goes, what stays, and what a failure leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.evidence import evidence_folder
from pipeline.contracts.incident import IncidentFilter
from pipeline.errors import TransientError
from pipeline.settings import EvidenceSettings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.erasure import Eraser
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.ledger import SqlDecisionStore
from tests.support.store import START, deliveries_of, make_candidate, opened, seconds

MINUTE = timedelta(minutes=1)
END = START + 10 * MINUTE


class BrokenEvidence(FsspecEvidenceStore):
    """Cannot delete any more after some folders."""

    num_left = 1_000

    def delete_folder(self, folder: str) -> list[str]:
        if not self.num_left:
            raise TransientError("away")
        self.num_left -= 1
        return super().delete_folder(folder)


@dataclass
class House:
    """Stores with an eraser over them."""

    incidents: SqlIncidentStore
    evidence: BrokenEvidence
    eraser: Eraser
    folder: Path

    def happened(self, at: datetime = START, camera_id: str = "gate", *, closed: datetime | None = None) -> str:
        """An incident with evidence and an owed delivery; open, unless it closed."""
        candidate = make_candidate(at, camera_id)
        for name in ("snapshot.jpg", "clip.mp4"):
            self.evidence.put(f"{evidence_folder(candidate)}/{name}", b"the secret face")
        change = opened(candidate)
        change = change.model_copy(update={"incident": change.incident.model_copy(update={"closed_at": closed})})
        assert self.incidents.commit(change, deliveries_of(change))
        return candidate.id

    def left(self) -> set[str]:
        return {incident.id for incident in self.incidents.find(IncidentFilter())}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    evidence = BrokenEvidence(str(tmp_path / "evidence"))
    return House(SqlIncidentStore(database), evidence, Eraser(database, evidence, EvidenceSettings()), tmp_path)


def test_everything_of_the_range_goes(house: House) -> None:
    """Evidence, incident, changes and deliveries, also of what is open and owes something; other cameras stay."""
    house.happened()
    other = house.happened(camera_id="yard")
    done = house.eraser.erase("gate", START, END)
    assert dict(+done.num_by_kind) == {"picture": 1, "clip": 1, "incident": 1, "change": 1, "delivery": 1}
    assert house.left() == {other}
    assert house.evidence.folders() == ["yard"]


def test_an_incident_that_overlaps_is_erased_whole(house: House) -> None:
    """With its dwell, its clip's seconds before and after; what only touches them stays."""
    at = START + 60 * MINUTE
    long_before = house.happened(at - 30 * MINUTE, closed=at - 29 * MINUTE)
    house.happened(at - 20 * MINUTE, closed=at - seconds(4))
    house.happened(at + MINUTE + seconds(4), closed=at + 5 * MINUTE)
    long_after = house.happened(at + MINUTE + seconds(6), closed=at + 5 * MINUTE)
    assert house.eraser.erase("gate", at, at + MINUTE).num_by_kind["incident"] == 2
    assert house.left() == {long_before, long_after}


def test_erasing_twice_finds_nothing(house: House) -> None:
    """The second time the numbers are zero."""
    house.happened()
    house.eraser.erase("gate", START, END)
    again = house.eraser.erase("gate", START, END)
    assert not +again.num_by_kind
    assert again.incident_ids == ()


def test_a_failure_half_way_is_finished_by_the_next_erasure(house: House) -> None:
    """Files go before the rows that name them."""
    for number in range(3):
        house.happened(START + number * MINUTE)
    house.evidence.num_left = 2
    with pytest.raises(TransientError):
        house.eraser.erase("gate", START, END)
    house.evidence.num_left = 1_000
    assert house.eraser.erase("gate", START, END).num_by_kind["incident"] == 3
    assert house.evidence.folders() == []


def test_evidence_without_an_incident_is_found(house: House) -> None:
    """Of the camera and the days of the range, also what a killed process never finished writing."""
    (house.folder / "evidence/gate/2026-03-01/0a1b").mkdir(parents=True)
    (house.folder / "evidence/gate/2026-03-01/0a1b/.half.part").write_bytes(b"half")
    house.evidence.put("gate/2026-01-01/0a1b/clip.mp4", b"another day")
    assert house.eraser.erase("gate", START, END).num_by_kind["picture"] == 1
    assert house.evidence.folders("gate") == ["2026-01-01"]


def test_counts_stay_and_their_texts_go(house: House, database: Database) -> None:
    """In the minutes of the range; the account of when the camera was watched stays too."""
    decisions, coverage = SqlDecisionStore(database), SqlCoverageStore(database)
    minute = START.replace(second=0, microsecond=0)
    for at in (minute, minute + 20 * MINUTE):
        decisions.add([DecisionCount("gate", "climb", at, Gate.DWELL, False, "dwell", 3, 0.1, 0.2, 1, "person 4")])
    coverage.extend([Interval("gate", Layer.PICTURES, START, END, "offline", "a text")])
    assert house.eraser.erase("gate", START, END).num_by_kind["detail"] == 2
    found = decisions.between("gate", minute, minute + 30 * MINUTE)
    assert [(count.count, count.detail) for count in found] == [(3, ""), (3, "person 4")]
    assert [(i.reason, i.detail) for i in coverage.between(None, START, END)] == [("offline", "")]


def test_nothing_is_left_in_the_database_file(sqlite_database: Database, tmp_path: Path) -> None:
    """Deleted rows are overwritten, and the write-ahead log is emptied."""
    store = SqlIncidentStore(sqlite_database)
    candidate = make_candidate()
    facts = tuple(fact.model_copy(update={"text": "a man in a purple raincoat " * 400}) for fact in candidate.facts)
    store.commit(opened(candidate.model_copy(update={"facts": facts})), ())
    Eraser(sqlite_database, FsspecEvidenceStore(str(tmp_path / "e")), EvidenceSettings()).erase("gate", START, END)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("sightline.db*"))
    assert b"purple" not in kept
