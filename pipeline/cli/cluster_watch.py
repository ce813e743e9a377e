"""What a person sees of a cluster: applications as they come up, incidents as they happen, and how it all is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.table import Table

from pipeline.app.serve_config import ALERTING, REASONERS, WATCHERS
from pipeline.app.stores import open_stores
from pipeline.cli.output import EXIT_FAILED, EXIT_USAGE, counted, err, out, plain, say_error, say_warning
from pipeline.contracts.incident import IncidentChange, IncidentFilter, IncidentStore
from pipeline.errors import TransientError
from pipeline.runtime.serving.autoscale import AGE_STAT, LAG_STAT
from pipeline.runtime.serving.ray_cluster import FAILED, RUNNING, ApplicationState
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.cli.screens import Screen
    from pipeline.runtime.serving.ray_cluster import RayCluster

_LOOK_SECONDS = 0.5
_TELL_SECONDS = 30.0
_LATEST = 50
"""Incidents whose changes are followed."""
_PULLING = (WATCHERS, REASONERS, ALERTING)


_TOLD_BETTER = ("Task ServeController.", "Task build_serve_application")
"""What Ray says when Serve is shut down, and with a traceback when an application cannot be built."""


class OwnOutput:
    """Standard output for this command's own lines: Ray prints there too, from threads of its own.

    While it is entered, whatever else is printed goes to standard error.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._stdout = sys.stdout
        self._is_dropped = False

    def __enter__(self) -> OwnOutput:
        sys.stdout = cast(TextIO, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout = self._stdout

    def changed(self, change: IncidentChange) -> None:
        """Show an incident's change where it belongs."""
        with redirect_stdout(self._stdout):
            self._screen.changed(change)

    def write(self, text: str) -> int:
        """As of a file; a line that is better told elsewhere is dropped with its end."""
        if text != "\n":
            self._is_dropped = any(words in text for words in _TOLD_BETTER)
        if not self._is_dropped:
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """As of a file."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """As of a file."""
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    """A cluster at one moment."""

    applications: tuple[ApplicationState, ...]
    behind: Mapping[str, Mapping[str, float]]
    """Of the stages that pull: `oldest_age_seconds`, `lag` and whatever else they say, over all replicas."""
    verdicts_owed: int | None = None
    deliveries: Mapping[str, int] | None = None
    """By state; None when nobody was asked."""

    @property
    def is_all_running(self) -> bool:
        """Something runs, and nothing does not."""
        return bool(self.applications) and all(one.status == RUNNING for one in self.applications)

    def as_json(self) -> dict[str, Any]:
        """For a script."""
        applications = [{**asdict(one), "behind": self.behind.get(one.name)} for one in self.applications]
        return {
            "running": self.is_all_running,
            "applications": applications,
            "verdicts_owed": self.verdicts_owed,
            "deliveries": self.deliveries,
        }


def look(cluster: RayCluster, settings: Settings | None) -> Seen:
    """Ask everything; the database only with `settings`."""
    applications = tuple(cluster.applications())
    names = {one.name for one in applications}
    behind = {name: _together(name, cluster.stats(name)) for name in _PULLING if name in names}
    if settings is None:
        return Seen(applications, behind)
    stores = open_stores(settings, must_exist=True)
    try:
        return Seen(applications, behind, stores.incidents.verdicts_owed().number, stores.outbox.counts())
    finally:
        stores.close()


def show(seen: Seen) -> None:
    """A table, and what is owed."""
    if not seen.applications:
        out().print("no applications: sightline cluster up --site site.yaml starts them")
        return
    table = Table("application", "state", "replicas", "oldest", "lag", box=None, pad_edge=False)
    for one in seen.applications:
        behind = seen.behind.get(one.name, {})
        oldest = f"{behind[AGE_STAT]:.1f} s" if behind else "-"
        lag = f"{behind[LAG_STAT]:.0f}" if behind else "-"
        table.add_row(one.name, _word(one), str(one.replicas.get(RUNNING, 0)), oldest, lag)
    out().print(table)
    for one in seen.applications:
        if one.reason and one.status != RUNNING:
            out().print(plain(f"{one.name}: {one.reason}"))
    if seen.deliveries is not None:
        pending, dead = seen.deliveries.get("pending", 0), seen.deliveries.get("dead", 0)
        out().print(
            f"owed: {counted(seen.verdicts_owed or 0, 'verdict')}, {counted(pending, 'delivery', 'deliveries')} "
            f"({dead} given up)"
        )


def settle(cluster: RayCluster, names: Sequence[str], stop: threading.Event) -> int:
    """Tell how the applications come up until all run (0), one cannot (1, or 2 for its configuration), or `stop`."""
    told: dict[str, str] = {}
    while not stop.is_set():
        states = [one for one in cluster.applications() if one.name in names]
        _tell_changes(states, told)
        # Ray starts a replica whose configuration is wrong twice more before it gives up: nothing will have changed.
        failed = [one for one in states if one.status == FAILED or one.is_misconfigured]
        if failed:
            return _tell_failure(failed, states)
        if len(states) == len(names) and all(one.status == RUNNING for one in states):
            return 0
        stop.wait(_LOOK_SECONDS)
    return 0


def watch_until(cluster: RayCluster, settings: Settings, screen: OwnOutput, stop: threading.Event) -> int:
    """Print incidents at once and the stages now and then, until `stop` (0) or until the stages are gone (1)."""
    stores = open_stores(settings)
    news = IncidentNews(stores.incidents)
    told: dict[str, str] = {one.name: _row(one) for one in cluster.applications()}
    tell_at = time.monotonic()
    try:
        while not stop.wait(_LOOK_SECONDS):
            try:
                states = cluster.applications()
                for change in news.read():
                    screen.changed(change)
                if not states and not stop.is_set():
                    say_error("the stages were stopped from elsewhere")
                    return EXIT_FAILED
                _tell_changes(states, told)
                if time.monotonic() >= tell_at:
                    tell_at = time.monotonic() + _TELL_SECONDS
                    err().print(_line(look(cluster, None)))
            except TransientError as error:
                say_warning(f"{error}; looking again")
    finally:
        stores.close()
    return 0


class IncidentNews:
    """Changes of incidents since it was made, read from the database."""

    def __init__(self, incidents: IncidentStore) -> None:
        self._incidents = incidents
        self._known = {one.id: one.last_change for one in incidents.find(IncidentFilter(limit=_LATEST))}

    def read(self) -> Iterator[IncidentChange]:
        """What is new, the incident that opened first first."""
        latest = self._incidents.find(IncidentFilter(limit=_LATEST))
        known, self._known = self._known, {one.id: one.last_change for one in latest}
        for incident in reversed(latest):
            if incident.last_change > known.get(incident.id, 0):
                yield from self._since(incident.id, known.get(incident.id, 0))

    def _since(self, incident_id: str, sequence: int) -> Iterator[IncidentChange]:
        return (change for change in self._incidents.changes(incident_id) if change.sequence > sequence)


def _tell_changes(states: Sequence[ApplicationState], told: dict[str, str]) -> None:
    for one in states:
        row = _row(one)
        if told.get(one.name) != row:
            told[one.name] = row
            err().print(row)


def _row(one: ApplicationState) -> str:
    """Its name, its state, and what Serve says while it is neither up nor failed."""
    row = f"{one.name:<10} {_word(one)}"
    is_between = one.status not in (RUNNING, FAILED)
    return f"{row}: {plain(one.reason).splitlines()[0]}" if is_between and one.reason else row


def _tell_failure(failed: Sequence[ApplicationState], states: Sequence[ApplicationState]) -> int:
    for one in failed:
        say_error(f"{one.name} cannot run: {one.reason}")
    others = [f"{one.name} {_word(one)}" for one in states if one not in failed]
    if others:
        err().print(f"the others: {', '.join(others)}")
    return EXIT_USAGE if all(one.is_misconfigured for one in failed) else EXIT_FAILED


def _word(one: ApplicationState) -> str:
    words = {RUNNING: "runs", FAILED: "failed", "DEPLOYING": "starts", "DELETING": "stops", "NOT_STARTED": "waits"}
    return words.get(one.status, one.status.lower())


def _line(seen: Seen) -> str:
    parts = []
    for one in seen.applications:
        behind = seen.behind.get(one.name)
        late = f", oldest {behind[AGE_STAT]:.1f} s, lag {behind[LAG_STAT]:.0f}" if behind else ""
        parts.append(f"{one.name} {one.replicas.get(RUNNING, 0)}{late}")
    return "replicas: " + "; ".join(parts)


def _together(name: str, stats: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The oldest of all; the sum of what each replica owns, but what alerting owes is the same for all."""
    if not stats:
        return {}
    lags = [one.get(LAG_STAT, 0.0) for one in stats]
    return {
        AGE_STAT: max(one.get(AGE_STAT, 0.0) for one in stats),
        LAG_STAT: max(lags) if name == ALERTING else sum(lags),
    }
