"""What cameras saw at any time, told to a model: times by their look, whether or not an incident was opened."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.incident import Incident
from pipeline.contracts.vectors import Among, Neighbour
from pipeline.search.archive import Archive
from pipeline.search.arguments import SearchMoments
from pipeline.search.found import Found, cite
from pipeline.search.named import asked_while, cameras_named, span_json
from pipeline.search.query import MomentSearch

_NOTE = (
    "similarity only ranks; only moments with a cite have pictures, of the others nothing but the time and what was "
    "detected is known: say so"
)
_NOT_COMPARED = "{:,} moments of that time were seen by another encoder and cannot be found by their look: say so"


class MomentTools:
    """Answers from the vectors of what was seen."""

    def __init__(self, archive: Archive, moments: MomentSearch) -> None:
        self._archive = archive
        self._moments = moments

    def search(self, wanted: SearchMoments) -> Found:
        """The moments that look most like these words, no two of a camera within a minute."""
        archive = self._archive
        asked = asked_while(archive, wanted, cameras_named(archive, wanted.camera))
        named = {key: (value,) if value else () for key, value in (("zones", wanted.zone), ("labels", wanted.label))}
        among = Among(camera_ids=asked.camera_ids, start=asked.start, end=asked.end, **named)
        found = self._moments.by_words(wanted.text, among, wanted.limit)
        moments = found.moments
        incidents = {one.incident_id: archive.incidents.get(one.incident_id) for one in moments if one.incident_id}
        rows = [self._row(one, incidents.get(one.incident_id)) for one in moments]
        data = {**span_json(archive, asked.start, asked.end), "moments": rows, "note": _NOTE}
        if found.num_not_compared:
            data["not_compared"] = _NOT_COMPARED.format(found.num_not_compared)
        known = tuple(incident for incident in incidents.values() if incident is not None)
        return Found(data, f"{len(rows)} moments", known, (asked,))

    def _row(self, moment: Neighbour, incident: Incident | None) -> dict[str, Any]:
        told: dict[str, Any] = {
            "camera": moment.camera_id,
            "at": self._archive.local(moment.captured_at),
            "similarity": round(moment.similarity, 3),
            "detected": list(moment.labels),
            "in_zones": list(moment.zones),
        }
        return told if incident is None else told | {"cite": cite(incident)}
