"""An incident that happens again, and one that becomes more severe."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange
from pipeline.contracts.values import Severity
from pipeline.incidents import lifecycle
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import START, make_candidate, opened, seconds

NOW = START + seconds(100)


def again(repeats: int = 1, after_seconds: float = 60, **changes: Any) -> Candidate:
    """The closed candidate, met again so often, last so long after the start."""
    return make_candidate(
        state=CandidateState.CLOSED,
        ended_at=START + seconds(8),
        repeats=repeats,
        repeated_at=START + seconds(after_seconds),
        **changes,
    )


def after(change: IncidentChange | None) -> Incident:
    assert change is not None
    return change.incident


@pytest.fixture
def over() -> Incident:
    """An incident that opened and closed."""
    ended = make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(8))
    return after(lifecycle.follow_candidate(opened().incident, ended, START + seconds(9)))


def test_a_repeat_is_counted_and_opens_nothing_again(over: Incident) -> None:
    """The closed incident says how often and until when; all else stays as it was."""
    change = lifecycle.follow_candidate(over, again(3, facts=(), key_frames=()), NOW)
    assert change is not None
    assert (change.kind, change.sequence, change.at) == (ChangeKind.REPEATED, 3, NOW)
    incident, counted = change.incident, change.incident.candidate
    assert (counted.repeats, counted.repeated_at) == (3, START + seconds(60))
    assert counted.model_copy(update={"repeats": 0, "repeated_at": None}) == over.candidate
    assert (incident.status, incident.closed_at, incident.severity) == (over.status, over.closed_at, over.severity)


@pytest.mark.parametrize("late", [again(3), again(2, 50)], ids=["the same", "an older one"])
def test_what_is_counted_already_says_nothing(over: Incident, late: Candidate) -> None:
    """Repeats told twice, or out of order, are counted once."""
    counted = after(lifecycle.follow_candidate(over, again(3), NOW))
    assert lifecycle.follow_candidate(counted, late, NOW) is None


def test_a_closed_incident_becomes_more_severe_by_repeats(over: Incident) -> None:
    """That is an update, marked as the change that raised it; it never falls again."""
    change = lifecycle.follow_candidate(over, again(3, severity=Severity.CRITICAL), NOW)
    risen = after(change)
    assert change is not None
    assert change.kind is ChangeKind.UPDATED
    assert (risen.severity, risen.risen_in, risen.candidate.severity) == (Severity.CRITICAL, 3, Severity.CRITICAL)
    later = after(lifecycle.follow_candidate(risen, again(4, 70), NOW))
    assert (later.severity, later.risen_in, later.last_change) == (Severity.CRITICAL, 3, 4)


def test_an_open_incident_becomes_more_severe() -> None:
    """An update with a higher severity is marked as the change that raised it."""
    grown = make_candidate(state=CandidateState.UPDATED, severity=Severity.HIGH)
    risen = after(lifecycle.follow_candidate(opened().incident, grown, NOW))
    assert (risen.severity, risen.risen_in) == (Severity.HIGH, 2)


def test_what_it_looks_like_stays_when_later_tellings_do_not_say() -> None:
    """Looked at once, with the opening."""
    incident = opened(make_candidate(appearance="AAAA")).incident
    ended = make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(8))
    assert after(lifecycle.follow_candidate(incident, ended, NOW)).candidate.appearance == "AAAA"


def test_a_repeat_of_what_was_erased_brings_nothing_back(sqlite_database: Database) -> None:
    """A repeat of an unknown incident is dropped."""
    store = SqlIncidentStore(sqlite_database)
    recorder = IncidentRecorder(store, lambda _: (), ManualClock(START))
    assert recorder.candidate(again(), will_verify=True) is None
    assert store.get(again().id) is None
