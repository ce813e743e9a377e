"""What `ask`, `mcp` and the console share: what a run has kept, opened as an archive that tools can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from pipeline.app.ask import Telling, make_archive, site_encoder
from pipeline.app.stores import Stores
from pipeline.cli.configuration import kept_data, settings_for
from pipeline.cli.coverage import unwatched
from pipeline.cli.times import read_moment, window_around
from pipeline.cli.why import answers, chain
from pipeline.cli.why_command import for_script, question_about
from pipeline.clock import Clock, SystemClock
from pipeline.contracts.decision import NO_RULE, DecisionCount
from pipeline.search.archive import Archive, Gap, Watched
from pipeline.settings import Settings
from pipeline.site import Site, load_site
from pipeline.store.gaps import accounts, watched_seconds

_MOST_GATES = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A data folder, opened for questions."""

    archive: Archive
    stores: Stores
    site: Site | None
    settings: Settings


@contextmanager
def opened_archive(data_dir: Path | None, site_path: Path | None) -> Iterator[Opened]:
    """What a run has kept, for the length of a `with`."""
    clock = SystemClock()
    site = load_site(site_path) if site_path else None
    settings = settings_for(site, data_dir=data_dir)
    words = site_encoder(site, settings)
    try:
        with kept_data(data_dir, site_path) as (stores, zone):
            told = telling(stores, site_path, zone, clock)
            archive = make_archive(
                stores, site, zone, clock, accounts=told.accounts, read_time=told.read_time, words=words
            )
            yield Opened(archive, stores, site, settings)
    finally:
        words.close()


def telling(stores: Stores, site_path: Path | None, zone: tzinfo, clock: Clock) -> Telling:
    """The commands' ways with times and accounts. Names are looked up in the site file as it stands then."""

    def why(camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        window = window_around(at, window_seconds)
        return for_script(question_about(stores, zone, site_path, camera_id, rule_id, window))

    return Telling(
        zone=zone,
        read_time=lambda text: read_moment(text, clock.now(), zone).at,
        accounts=_KeptAccounts(stores, site_path, zone, clock),
        why=why,
    )


@dataclass(frozen=True, slots=True)
class _KeptAccounts:
    """Coverage and ledger in the words of the commands that tell of them."""

    stores: Stores
    site_path: Path | None
    zone: tzinfo
    clock: Clock

    def watched(self, camera_id: str, start: datetime, end: datetime) -> Watched:
        """One camera in [start, end)."""
        (account,) = accounts(self.stores.coverage, [camera_id], start, end, self.clock.now())
        return Watched(
            seconds=sum(stretch.seconds for stretch in account.stretches),
            watched_seconds=watched_seconds(account.stretches),
            gaps=tuple(Gap(gap.start, gap.end, gap.reason, gap.detail) for gap in account.blind),
            last_watched=max((s.end for s in account.stretches if not s.is_blind), default=None),
        )

    def unwatched(self, camera_ids: Sequence[str], start: datetime, end: datetime) -> list[str]:
        """A sentence for each camera that was not watched all the time."""
        return unwatched(self.stores, camera_ids, start, end, self.zone)

    def why(self, camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        """The sentences of `sightline why`, and its gates."""
        window = window_around(at, window_seconds)
        question = question_about(self.stores, self.zone, self.site_path, camera_id, rule_id, window)
        gates = [_gate(link) for link in chain(question.counts, rule_id)]
        return {"answers": answers(question), "gates": gates[:_MOST_GATES]}


def _gate(link: DecisionCount) -> str:
    """`dwell of loitering stopped 12 times: not long enough, 12 at most, needs 45`."""
    whose = f" of {link.rule_id}" if link.rule_id != NO_RULE else ""
    most = f", {link.max_value:.3g} at most" if link.max_value is not None else ""
    needs = f", needs {link.threshold:g}" if link.threshold is not None else ""
    verb = "passed" if link.passed else "stopped"
    return f"{link.gate.value}{whose} {verb} {link.count} times: {link.reason}{most}{needs}"
