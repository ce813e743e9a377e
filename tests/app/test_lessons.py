"""What people's words have changed, looked up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from pipeline.app.lessons import KeptLessons
from pipeline.app.stores import Stores, open_stores
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, Review
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.settings import Settings
from tests.support.cli import START, incident


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(data_dir=tmp_path))
    yield opened
    opened.close()


def keep(stores: Stores, told: Incident, *, is_right: bool) -> None:
    """With a person's word."""
    review = Review(is_right=is_right, by="anna", at=told.opened_at)
    said = told.model_copy(update={"review": review, "last_change": 1})
    assert stores.incidents.commit(IncidentChange(sequence=1, kind=ChangeKind.REVIEWED, at=START, incident=said), [])


def test_words_are_counted_by_rule_and_week(stores: Stores) -> None:
    """Of what opened since, on the cameras that were asked about."""
    for second, is_right in ((1.0, True), (2.0, True), (3.0, False)):
        keep(stores, incident(second), is_right=is_right)
    keep(stores, incident(4.0, rule="entry"), is_right=True)
    lessons = KeptLessons(stores, UTC)
    (entry, loitering) = lessons.records(START)
    assert (loitering.rule_id, loitering.num_right, loitering.num_wrong) == ("loitering", 2, 1)
    assert loitering.interval[0] < 2 / 3 < loitering.interval[1]
    assert lessons.records(START, ["yard"], "entry") == [entry]
    assert lessons.records(START, ["gate"]) == []
    assert lessons.records(START + timedelta(hours=1)) == []


def test_a_damaged_calibration_teaches_nothing(stores: Stores) -> None:
    """The next start begins it afresh."""
    stores.learned.save([Learned("yard", "climb", LearnedKind.CALIBRATION, "b", START, b"junk")])
    assert KeptLessons(stores, UTC).threshold("yard", "climb") is None
    assert KeptLessons(stores, UTC).threshold("yard", "other") is None
