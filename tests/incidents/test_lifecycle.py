"""The steps of an incident's life."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.assessment import Verdict
from pipeline.contracts.candidate import Candidate, CandidateState, Fact
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.contracts.values import Severity
from pipeline.incidents import lifecycle
from tests.support.store import START, make_assessment, make_candidate, opened, seconds

NOW = START + seconds(10)


def grown(after_seconds: float = 5, **changes: Any) -> Candidate:
    """An update of the candidate with one more fact."""
    fact = Fact(kind="inside", text="still there", at=START + seconds(after_seconds))
    candidate = make_candidate(state=CandidateState.UPDATED, **changes)
    return candidate.model_copy(update={"facts": (*candidate.facts, fact)})


def closed(**changes: Any) -> Candidate:
    return make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(8), **changes)


def after(change: IncidentChange | None) -> Incident:
    assert change is not None
    return change.incident


@pytest.mark.parametrize(
    ("will_verify", "kind", "status"),
    [
        pytest.param(True, ChangeKind.PROVISIONAL, IncidentStatus.PROVISIONAL, id="judged later"),
        pytest.param(False, ChangeKind.UNVERIFIED, IncidentStatus.UNVERIFIED, id="judged by nobody"),
    ],
)
def test_an_incident_opens(will_verify: bool, kind: ChangeKind, status: IncidentStatus) -> None:
    """Provisional while a verdict is owed, unverified at once otherwise."""
    change = opened(will_verify=will_verify)
    assert (change.sequence, change.kind) == (1, kind)
    assert (change.incident.status, change.incident.awaits_verdict) == (status, will_verify)
    assert change.incident.id == change.incident.candidate.id


def test_an_opening_told_again_says_nothing() -> None:
    """The same candidate twice is one incident with one change."""
    assert lifecycle.follow_candidate(opened().incident, make_candidate(), NOW) is None


def test_growth_is_an_update() -> None:
    """New facts become the incident's candidate; its status stays."""
    change = lifecycle.follow_candidate(opened().incident, grown(), NOW)
    assert change is not None
    assert (change.sequence, change.kind, change.at) == (2, ChangeKind.UPDATED, NOW)
    assert change.incident.candidate == grown()
    assert change.incident.status is IncidentStatus.PROVISIONAL


def test_updates_told_again_say_nothing() -> None:
    """Neither the last update nor an earlier one, replayed, changes the incident."""
    incident = after(lifecycle.follow_candidate(opened().incident, grown(5), NOW))
    incident = after(lifecycle.follow_candidate(incident, grown(6), NOW))
    for replayed in (grown(6), grown(5), make_candidate()):
        assert lifecycle.follow_candidate(incident, replayed, NOW) is None


@pytest.mark.parametrize(
    ("told", "expected"), [(Severity.CRITICAL, Severity.CRITICAL), (Severity.LOW, Severity.MEDIUM)]
)
def test_severity_rises_and_never_falls(told: Severity, expected: Severity) -> None:
    """An incident is as severe as it ever was."""
    assert after(lifecycle.follow_candidate(opened().incident, grown(severity=told), NOW)).severity is expected


def test_closing_keeps_the_end_and_the_last_facts() -> None:
    """Closed: when the rule was last met, and all that was seen until then."""
    change = lifecycle.follow_candidate(opened().incident, closed(peak_score=0.95), NOW)
    assert change is not None
    assert change.kind is ChangeKind.CLOSED
    assert change.incident.closed_at == START + seconds(8)
    assert change.incident.candidate.peak_score == 0.95
    assert change.incident.awaits_verdict


def test_what_comes_after_closing_says_nothing() -> None:
    """Neither a late update nor a second closing reopens an incident."""
    incident = after(lifecycle.follow_candidate(opened().incident, closed(), NOW))
    for late in (closed(), grown(), make_candidate()):
        assert lifecycle.follow_candidate(incident, late, NOW) is None


def test_pictures_that_are_known_stay_known() -> None:
    """An update that does not name a key frame's picture again keeps the one stored before."""
    frame = make_candidate().key_frames[0]
    first = make_candidate(key_frames=(frame.model_copy(update={"uri": "gate/frame.jpg"}),))
    incident = after(lifecycle.follow_candidate(opened(first).incident, grown(), NOW))
    assert incident.candidate.key_frames[0].uri == "gate/frame.jpg"


def test_pictures_a_verdict_cites_stay_with_the_incident() -> None:
    """What was sent to the model is still there when the candidate closes with other key frames."""
    first = make_candidate().key_frames[0]
    other = first.model_copy(update={"sequence": first.sequence + 50, "captured_at": START + seconds(6)})
    incident = after(lifecycle.judge(opened().incident, make_assessment("i", frames_sent=(first.sequence,)), NOW))
    incident = after(lifecycle.follow_candidate(incident, closed(key_frames=(other,)), NOW))
    assert [frame.sequence for frame in incident.candidate.key_frames] == [first.sequence, other.sequence]
    assert incident.frame_numbers == {first.sequence: 1}


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_a_verdict_sets_the_status(verdict: Verdict, is_closed: bool) -> None:
    """Each verdict has its status and kind, also when the incident is over by then."""
    incident = opened().incident
    if is_closed:
        incident = after(lifecycle.follow_candidate(incident, closed(), NOW))
    change = lifecycle.judge(incident, make_assessment(incident.id, verdict), NOW)
    assert change is not None
    assert (change.kind.value, change.incident.status.value) == (verdict.value, verdict.value)
    assert not change.incident.awaits_verdict
    assert change.incident.closed_at == incident.closed_at


def test_only_the_first_verdict_counts() -> None:
    """The same verdict again, or another one, says nothing."""
    incident = after(lifecycle.judge(opened().incident, make_assessment("x"), NOW))
    for verdict in Verdict:
        assert lifecycle.judge(incident, make_assessment("x", verdict), NOW) is None


def test_a_verdict_nobody_asked_for_says_nothing() -> None:
    """An incident that was unverified at once owes no verdict."""
    assert lifecycle.judge(opened(will_verify=False).incident, make_assessment("x"), NOW) is None


def test_an_acknowledgement_names_who_and_when() -> None:
    """The person, the time and the note stand in the change."""
    change = lifecycle.acknowledge(opened().incident, "ada", "on my way", NOW)
    assert change is not None
    assert (change.kind, change.note) == (ChangeKind.ACKNOWLEDGED, "on my way")
    assert (change.incident.acknowledged_by, change.incident.acknowledged_at) == ("ada", NOW)


def test_the_same_person_acknowledges_once_unless_there_is_more_to_say() -> None:
    """A double click says nothing; another person or a note does."""
    incident = after(lifecycle.acknowledge(opened().incident, "ada", "", NOW))
    assert lifecycle.acknowledge(incident, "ada", "", NOW) is None
    assert lifecycle.acknowledge(incident, "ada", "all clear", NOW) is not None
    assert lifecycle.acknowledge(incident, "bob", "", NOW) is not None


def test_evidence_written_later_is_an_update_once() -> None:
    """A clip's key is added, also after closing; told again it says nothing."""
    incident = after(lifecycle.follow_candidate(opened().incident, closed(), NOW))
    change = lifecycle.attach(incident, NOW, clip_uri="gate/clip.mp4")
    assert change is not None
    assert (change.kind, change.incident.clip_uri) == (ChangeKind.UPDATED, "gate/clip.mp4")
    assert lifecycle.attach(change.incident, NOW, clip_uri="gate/clip.mp4") is None
    assert lifecycle.attach(change.incident, NOW) is None
