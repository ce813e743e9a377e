"""Stores each step of an incident's life with the deliveries that tell it; safe against concurrent writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.clock import Clock
from pipeline.contracts.alert import Delivery
from pipeline.contracts.assessment import Assessment
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStore, Review
from pipeline.errors import Conflict, InvalidMessage, TransientError
from pipeline.incidents import lifecycle

_MAX_RACES = 100
"""Lost in a row before giving up for now; each means that another writer got ahead on this very incident."""

Plan = Callable[[IncidentChange], Sequence[Delivery]]
"""What a change owes to whom. Pure: it may be asked about a change that is then not stored."""


class IncidentRecorder:
    """Turns what comes in into stored changes. Thread-safe; several processes may record to one store.

    What is told twice is stored once. Every method raises `TransientError` when the store cannot now; calling
    it again with the same arguments is then right, whatever was stored before.
    """

    def __init__(self, store: IncidentStore, plan: Plan, clock: Clock) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock

    def candidate(
        self, candidate: Candidate, *, will_verify: bool, snapshot_uri: str = "", clip_uri: str = ""
    ) -> IncidentChange | None:
        """A candidate opened, grew, ended or was met again; the last change it made, None when all of it was known.

        One that is first heard of when it ends makes two changes: it opens and it closes. A repeat of one that is not
        known is a repeat of what was erased since, and stays untold.
        """

        def decide(incident: Incident | None) -> IncidentChange | None:
            now, uris = self._clock.now(), {"snapshot_uri": snapshot_uri, "clip_uri": clip_uri}
            if incident is None and candidate.repeats:
                return None
            if incident is None:
                return lifecycle.open_incident(candidate, now, will_verify=will_verify, **uris)
            return lifecycle.follow_candidate(incident, candidate, now, **uris)

        change = self._record(candidate.id, decide)
        if change is not None and change.sequence == 1 and candidate.state is CandidateState.CLOSED:
            return self._record(candidate.id, decide) or change
        return change

    def assessment(self, assessment: Assessment) -> IncidentChange | None:
        """A verdict came; None when none is owed any more, `InvalidMessage` for an unknown incident."""
        incident_id = assessment.candidate_id
        return self._record(
            incident_id, lambda found: lifecycle.judge(_known(incident_id, found), assessment, self._clock.now())
        )

    def acknowledge(
        self, incident_id: str, by: str, note: str = "", *, after_change: int | None = None
    ) -> IncidentChange:
        """A person has seen it; said twice, the first change again. `InvalidMessage` for an unknown incident,
        `Conflict` when its last change is not `after_change`, where that is given."""
        change = self._record(
            incident_id,
            lambda found: lifecycle.acknowledge(
                _as_read(_known(incident_id, found), after_change), by, note, self._clock.now()
            ),
        )
        return change or self._last(incident_id, ChangeKind.ACKNOWLEDGED)

    def review(
        self, incident_id: str, *, is_right: bool, by: str, note: str = "", after_change: int | None = None
    ) -> IncidentChange:
        """A person says whether it was right to tell; said twice, the first change again. `InvalidMessage` for an
        unknown incident, `Conflict` when its last change is not `after_change`, where that is given."""
        change = self._record(
            incident_id,
            lambda found: lifecycle.review(
                _as_read(_known(incident_id, found), after_change),
                Review(is_right=is_right, by=by, at=self._clock.now(), note=note),
            ),
        )
        return change or self._last(incident_id, ChangeKind.REVIEWED)

    def attach(self, incident_id: str, *, snapshot_uri: str = "", clip_uri: str = "") -> IncidentChange | None:
        """Evidence was written later: an update. None when known; `InvalidMessage` for an unknown incident."""
        return self._record(
            incident_id,
            lambda found: lifecycle.attach(
                _known(incident_id, found), self._clock.now(), snapshot_uri=snapshot_uri, clip_uri=clip_uri
            ),
        )

    def _last(self, incident_id: str, kind: ChangeKind) -> IncidentChange:
        return next(step for step in reversed(self._store.changes(incident_id)) if step.kind is kind)

    def _record(
        self, incident_id: str, decide: Callable[[Incident | None], IncidentChange | None]
    ) -> IncidentChange | None:
        """Read, decide, store; again from the start whenever another writer took that change number."""
        for _ in range(_MAX_RACES):
            change = decide(self._store.get(incident_id))
            if change is None or self._store.commit(change, self._plan(change)):
                return change
        raise TransientError(f"incident {incident_id} is changed by others all the time; try again")


def _known(incident_id: str, incident: Incident | None) -> Incident:
    if incident is None:
        raise InvalidMessage(f"there is no incident {incident_id!r}")
    return incident


def _as_read(incident: Incident, after_change: int | None) -> Incident:
    """It, unless it has changed since the person who decides has read it."""
    if after_change in (None, incident.last_change):
        return incident
    raise Conflict(
        f"incident {incident.id} has changed since it was read (change {after_change} then, {incident.last_change} "
        "now): look at it again, then decide"
    )
