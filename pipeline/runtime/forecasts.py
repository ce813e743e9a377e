"""Forecasts on their way to the database, and what became of those that a model made.

What the tracks do is looked up where they are followed (`events.outlook`); what a model foretold in words is looked up
here, in the incidents that its camera had in that time. No alert waits for any of it: a database that is away makes
forecasts late, a long outage loses the oldest, counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.forecast import (
    ForecastFilter,
    ForecastSource,
    ForecastStore,
    KeptForecast,
    Outcome,
)
from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter, IncidentStore
from pipeline.contracts.rule import Rule
from pipeline.runtime.unwritten import Unwritten
from pipeline.site import Site
from pipeline.telemetry import Metrics

_MAX_WAITING = 20_000
"""While the database is away: some hundred bytes each."""
_CHECK_SECONDS = 10.0
_LATE = timedelta(seconds=60)
"""An incident of the time that a forecast was about may be stored so long after it."""
_MOST = 200
"""Forecasts looked up in one go, and incidents looked at for one."""
_VERBS = {
    "enters": re.compile(r"\b(enter|climb|go(es)? in|walk(s)? in|step(s)? in|get(s)? in|move(s)? in|reach)", re.I),
    "leaves": re.compile(r"\b(leav|exit|go(es)? out|walk(s)? out|move(s)? out|walk(s)? away)", re.I),
    "inside": re.compile(r"\b(stay|remain|linger|loiter|wait|keep)", re.I),
    "crosses": re.compile(r"\b(cross|pass)", re.I),
}
"""What a model may call that which a `track:` rule measures."""


class ForecastBook:
    """A `ForecastSink` that writes when the database can."""

    def __init__(self, store: ForecastStore, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._waiting = Unwritten[str, KeptForecast](store.save, _MAX_WAITING)

    def put(self, forecasts: Iterable[KeptForecast]) -> None:
        """To be written with the next `flush`."""
        now = self._clock.now()
        forecasts = list(forecasts)
        self.count(forecasts)
        num_lost = self._waiting.put({one.id: replace(one, kept_at=one.kept_at or now) for one in forecasts})
        if num_lost:
            self._metrics.invalid_items.labels("forecasts", "lost").inc(num_lost)

    def count(self, forecasts: Iterable[KeptForecast]) -> None:
        """What became of these, to the metrics; those not looked up yet do not count."""
        for one in forecasts:
            if one.outcome is None:
                continue
            self._metrics.forecasts.labels(one.source.value, one.outcome.value).inc()
            if one.outcome is not Outcome.UNKNOWN:
                error = one.probability - (one.outcome is Outcome.YES)
                self._metrics.forecast_error.labels(one.source.value).inc(error * error)

    def flush(self) -> None:
        """Write what waits; `TransientError`, and it still waits, when the database cannot now."""
        self._waiting.flush()


class ForecastDesk:
    """Takes a model's forecasts as its verdicts are stored, and looks up later what became of them."""

    def __init__(
        self, store: ForecastStore, incidents: IncidentStore, site: Site, book: ForecastBook, clock: Clock
    ) -> None:
        self._store = store
        self._incidents = incidents
        self._site = site
        self._book = book
        self._clock = clock
        self._next_check = clock.monotonic()

    def follow(self, site: Site) -> None:
        """The site file changed. Any thread."""
        self._site = site

    def note(self, change: IncidentChange) -> None:
        """A change was stored: with its verdict come the model's forecasts. Returns at once; any thread."""
        assessment = change.incident.assessment
        if assessment is not None and assessment.report is not None and change.kind.value == assessment.verdict.value:
            self._book.put(_of_report(change.incident))

    def keep(self) -> None:
        """Write what waits, and every ten seconds look up what is due; `TransientError` while the database cannot."""
        self._book.flush()
        if self._clock.monotonic() >= self._next_check:
            self.check(self._clock.now())
            self._next_check = self._clock.monotonic() + _CHECK_SECONDS

    def check(self, now: datetime) -> int:
        """Look up the model's forecasts whose time is over; how many. Several processes may, to the same effect."""
        wanted = ForecastFilter(source=ForecastSource.MODEL, is_checked=False, limit=_MOST)
        due = [one for one in self._store.find(wanted) if _due_at(one) <= now]
        looked_up = [self._looked_up(one, now) for one in due]
        self._store.save(looked_up)
        self._book.count(looked_up)
        return len(due)

    def _looked_up(self, forecast: KeptForecast, now: datetime) -> KeptForecast:
        camera = self._site.camera(forecast.camera_id)
        rules = rules_meant(forecast.what, self._site.rules_for(camera)) if camera is not None else []
        if not rules:
            reason = "cannot be checked: its words name nothing that a rule of this camera measures"
            return replace(forecast, outcome=Outcome.UNKNOWN, reason=reason, checked_at=now)
        names = {rule.id for rule in rules}
        found = [incident for incident in self._in_time(forecast) if incident.rule_id in names]
        if found:
            return replace(forecast, outcome=Outcome.YES, reason=f"incident {found[-1].id}", checked_at=now)
        reason = f"no incident of {', '.join(sorted(names))} in that time"
        return replace(forecast, outcome=Outcome.NO, reason=reason, checked_at=now)

    def _in_time(self, forecast: KeptForecast) -> list[Incident]:
        """Other incidents of the camera that opened in the time that the forecast was about."""
        wanted = IncidentFilter(
            camera_id=forecast.camera_id,
            opened_from=forecast.made_at,
            opened_before=forecast.made_at + timedelta(seconds=forecast.within_seconds),
            limit=_MOST,
        )
        return [incident for incident in self._incidents.find(wanted) if incident.id != forecast.incident_id]


def rules_meant(what: str, rules: Sequence[Rule]) -> list[Rule]:
    """The rules that measure what these words foretell: named by id, name, zone or line, and not contradicted by the
    verb. A rule without a verb of its own (`when:`) is meant by its name alone."""
    text = _plain(what)
    verbs = {verb for verb, pattern in _VERBS.items() if pattern.search(what)}
    return [rule for rule in rules if rule.enabled and _is_meant(rule, text, verbs)]


def _is_meant(rule: Rule, text: str, verbs: set[str]) -> bool:
    if _names(text, rule.id):
        return True
    own = {field.removeprefix("track.") for _, field, _ in rule.names_used} & _VERBS.keys()
    named = any(_names(text, name) for _, field, name in rule.names_used if field != "zone")
    return named and (not verbs or bool(own & verbs))


def _names(text: str, name: str) -> bool:
    return f" {_plain(name).strip()} " in text


def _plain(text: str) -> str:
    """Words in lower case with single spaces between and around them."""
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    return f" {words} "


def _of_report(incident: Incident) -> list[KeptForecast]:
    """From the last picture that the model was shown."""
    assessment = incident.assessment
    if assessment is None or assessment.report is None:
        return []
    shown = [key.captured_at for key in incident.candidate.key_frames if key.sequence in assessment.frames_sent]
    made_at = max(shown, default=incident.opened_at)
    return [
        KeptForecast(
            incident_id=incident.id,
            camera_id=incident.camera_id,
            rule_id=incident.rule_id,
            source=ForecastSource.MODEL,
            kind="",
            target="",
            track_id=None,
            what=forecast.what,
            within_seconds=float(forecast.within_seconds),
            probability=forecast.probability,
            made_at=made_at,
        )
        for forecast in assessment.report.forecasts
    ]


def _due_at(forecast: KeptForecast) -> datetime:
    """By the wall clock: a recording tells today of what happened years ago, and not faster than it was kept."""
    kept_at = forecast.kept_at or forecast.made_at
    return max(kept_at, forecast.made_at) + timedelta(seconds=forecast.within_seconds) + _LATE
