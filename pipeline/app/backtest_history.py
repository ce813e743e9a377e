"""What a site has kept, as recordings to try rules on: the clips of its incidents, and what it has learned.

In: the site's settings, by which its database and evidence are found. Out: incidents, their clips one by one as files,
and what rules know to begin with. Nothing of the site's is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from pipeline.app.backtest import Known, Take
from pipeline.app.stores import open_stores
from pipeline.contracts.camera import Camera
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.settings import Settings

_MOST_INCIDENTS = 100_000
_MOST_REVIEWS = 2000
"""The latest, as a run takes in at its start."""


@dataclass(frozen=True, slots=True)
class History:
    """What is kept of a time."""

    incidents: tuple[Incident, ...]
    """Oldest first, with and without a clip; those about a camera's health are left out."""
    evidence: EvidenceStore
    settings: Settings
    """The site's, which say how long a clip is."""

    def take(self, incident: Incident, camera: Camera) -> Take:
        """The clip of an incident, to be read as this camera; its file is yet to be fetched."""
        return Take(f"{camera.id}/{incident.id[:8]}", camera, self._begins_at(incident), incident)

    def _begins_at(self, incident: Incident) -> datetime:
        """As `EvidenceKeeper` cuts it: before the event began, or as far back as pictures were held."""
        candidate, evidence = incident.candidate, self.settings.evidence
        start = min(candidate.started_at, candidate.opened_at) - timedelta(seconds=evidence.before)
        held_for = self.settings.sampling.ring_for - evidence.after
        return max(start, candidate.opened_at - timedelta(seconds=held_for))

    def fetch(self, take: Take, folder: Path) -> Take:
        """With its clip as a file in the folder, in the place of the one before.

        `InvalidMessage` when there is none any more, `TransientError` when it cannot be had now.
        """
        clip = self.evidence.get(take.source)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "clip.mp4"
        file.write_bytes(clip)
        camera = take.camera.model_copy(update={"url": SecretStr(str(file)), "fallback_url": None})
        return replace(take, camera=camera)


def read_history(settings: Settings, start: datetime | None, end: datetime | None) -> History:
    """The incidents that opened in [start, end), aware; `ConfigError` where nothing is kept."""
    stores = open_stores(settings, must_exist=True)
    try:
        wanted = IncidentFilter(opened_from=start, opened_before=end, limit=_MOST_INCIDENTS)
        found = [one for one in stores.incidents.find(wanted) if one.candidate.condition is None]
    finally:
        stores.close()
    return History(tuple(reversed(found)), stores.evidence, settings)


def read_known(settings: Settings) -> Known:
    """What the site has learned until now; `ConfigError` where nothing is kept."""
    stores = open_stores(settings, must_exist=True)
    try:
        learned = stores.learned.load()
        reviewed = stores.incidents.find(IncidentFilter(is_reviewed=True, limit=_MOST_REVIEWS))
    finally:
        stores.close()
    return Known(tuple(learned), tuple(sorted(reviewed, key=lambda incident: incident.updated_at)))
