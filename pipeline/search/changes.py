"""What may be changed where that is allowed: a person's word on an incident."""

from __future__ import annotations

from pipeline.contracts.incident import IncidentChange
from pipeline.errors import ConfigError
from pipeline.search.archive import Archive, Changes
from pipeline.search.arguments import Review
from pipeline.search.found import Found, cite, find_incident


class ReviewTools:
    """Writes through what keeps incidents, as the commands do."""

    def __init__(self, archive: Archive, changes: Changes) -> None:
        self._archive = archive
        self._changes = changes

    def confirm(self, wanted: Review) -> Found:
        """It was right to tell it."""
        return self._review(wanted, is_right=True)

    def reject(self, wanted: Review) -> Found:
        """It was a false alarm."""
        return self._review(wanted, is_right=False)

    def acknowledge(self, wanted: Review) -> Found:
        """A person has seen it."""
        incident = find_incident(self._archive.incidents, wanted.id)
        return _kept(self._changes.acknowledge(incident.id, wanted.by, wanted.note))

    def _review(self, wanted: Review, *, is_right: bool) -> Found:
        incident = find_incident(self._archive.incidents, wanted.id)
        if incident.candidate.condition is not None:
            raise ConfigError(f"{cite(incident)} is about the camera itself, which is measured and not judged")
        return _kept(self._changes.review(incident.id, is_right=is_right, by=wanted.by, note=wanted.note))


def _kept(change: IncidentChange) -> Found:
    data = {"cite": cite(change.incident), "change": change.kind.value, "by_change": change.id}
    return Found(data, f"{change.kind.value} {cite(change.incident)}", (change.incident,))
