"""The console of a program: what it can look at and do there, handed to it as one `Host`.

`sightline run` and `sightline api` make it by the same function, over stores of their own: whatever the console asks
of the database, the run's own connections are not waited for. What one of them cannot tell stays None, and the
console says so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.app.ask import Telling, make_archive
from pipeline.app.console_models import SiteModels
from pipeline.app.lessons import KeptLessons
from pipeline.app.model_cards import model_cards
from pipeline.app.replay import judge_again
from pipeline.app.stores import Stores
from pipeline.clock import Clock
from pipeline.console.access import Access, AccessBook
from pipeline.console.host import Host, Letters, LiveCameras, SiteDesk
from pipeline.contracts.incident import Incident
from pipeline.errors import ConfigError, Overloaded
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.checking import ModelChecks
from pipeline.search.archive import Archive
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.people import SqlPeople


@dataclass(frozen=True, slots=True)
class Parts:
    """What not every program has."""

    live: LiveCameras | None = None
    letters: Letters | None = None
    desk: SiteDesk | None = None
    models: SiteModels | None = None
    """None without a site file."""


class ConsoleSite:
    """The site as it is now, and what follows from it for the console. `follow` may be called from any thread."""

    def __init__(self, stores: Stores, site: Site | None, clock: Clock, telling: Telling, parts: Parts) -> None:
        self._stores = stores
        self._clock = clock
        self._telling = telling
        self._parts = parts
        self._policy = DeliveryPolicy(*(rules_and_channels(site) if site else ({}, {})), clock)
        self.site = site
        self.archive = self._archive(site)

    def follow(self, site: Site) -> None:
        """The site file changed; `TransientError`, and nothing done, while the database is away."""
        self.archive = self._archive(site)
        self._policy.follow(*rules_and_channels(site))
        self.site = site

    def host(self, settings: Settings) -> Host:
        """For `pipeline.console.server.make_app`."""
        parts, models = self._parts, self._parts.models
        return Host(
            site=lambda: self.site,
            archive=lambda: self.archive,
            outbox=self._stores.outbox,
            coverage=self._stores.coverage,
            decisions=self._stores.decisions,
            changes=IncidentRecorder(self._stores.incidents, self._policy, self._clock),
            why=self._telling.why,
            version=version("sightline"),
            live=parts.live,
            desk=parts.desk,
            letters=parts.letters,
            replays=_Replays(self, self._stores, models, settings, self._clock) if models and models.judges else None,
            moments=self.archive.moments if models and models.sees else None,
            chat=models.chat if models else None,
            # Not with the built-in model alone, which knows nothing but alarms.
            checks=ModelChecks(models.judge, settings.reasoning, self._clock)
            if models and models.judges and models.chat
            else None,
            forecasts=self._stores.forecasts,
            lessons=KeptLessons(self._stores, self._telling.zone),
            cards=lambda: model_cards(self.site),
        )

    def book(self, settings: Settings) -> AccessBook:
        """Who may; a camera's labels are those of the site as it is now."""
        access = Access(lambda camera_id: self.archive.cameras.get(camera_id, ()))
        return AccessBook(SqlPeople(self._stores.database), access, self._clock, settings.access)

    def _archive(self, site: Site | None) -> Archive:
        models = self._parts.models
        return make_archive(
            self._stores,
            site,
            self._telling.zone,
            self._clock,
            accounts=self._telling.accounts,
            read_time=self._telling.read_time,
            words=models.encoder if models else lambda: None,
        )


class _Replays:
    """One at a time: verdicts on what happens now come first."""

    def __init__(
        self, standing: ConsoleSite, stores: Stores, models: SiteModels, settings: Settings, clock: Clock
    ) -> None:
        self._standing = standing
        self._stores = stores
        self._models = models
        self._settings = settings.reasoning
        self._clock = clock
        self._turn = threading.Lock()

    def __call__(self, incident: Incident) -> Mapping[str, Any]:
        """See `Replays`."""
        site = self._standing.site
        if site is None:
            raise ConfigError("to judge again takes the site file: name it with --site")
        if not self._turn.acquire(blocking=False):
            raise Overloaded("another incident is being judged again: try it in a while")
        try:
            found = judge_again(self._stores, incident, site, self._settings, self._models.judge, self._clock)
        finally:
            self._turn.release()
        return found.for_script()
