"""Everything dies at random moments under load, in a cluster of real processes: no incident is lost, none doubled.

Four cameras (rendered scenes, read from files) through `sightline ingest`, `sightline cluster up` with replicas of
every stage and a tiny encoder, PostgreSQL, a model server that is slow, and a receiver that dedupes by the webhook's
id. What must be found is known from the same files on one machine, without faults. `SIGHTLINE_KILLS` says how many
faults there are (`make chaos` has more), `SIGHTLINE_SEED` which and when.

The broker (Tansu) keeps everything in memory, so it cannot be restarted without losing what it holds: its connections
are cut or stalled instead.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.app.serve_config import REASONERS, WATCHERS
from pipeline.app.stores import Stores, open_stores
from pipeline.contracts.bus import Topic
from pipeline.contracts.incident import IncidentFilter, IncidentStatus
from pipeline.errors import TransientError
from pipeline.settings import load_settings
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.lag import lag_of
from tests.support.faults import (
    BrokerCut,
    DatabaseStop,
    Fault,
    Guards,
    HeadKill,
    IngestKill,
    ReceiverOutage,
    ReplicaKill,
)
from tests.support.local import incidents_of, run_site, site_of
from tests.support.model_server import judge
from tests.support.perception import make_clip
from tests.support.processes import (
    APPLICATIONS,
    FPS,
    ClusterUp,
    IngestRounds,
    cameras_and_rules,
    render_clips,
    wait_until,
)
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.receiver import Receiver
from tests.support.store import PostgresServer, postgres_programs

KILLS = int(os.environ.get("SIGHTLINE_KILLS", "9"))
SEED = int(os.environ.get("SIGHTLINE_SEED", "7"))
IS_SHORT = KILLS < 20
ROUND_SECONDS = 24.0 if IS_SHORT else 48.0
"""Of film; its pace is that of a clock."""
MOST_QUIET_SECONDS = 4.0 if IS_SHORT else 8.0
"""Longest random wait before a fault, once what it breaks is there."""
TWO_AT_ONCE = 0.2
"""Share of faults that come with another one."""
TOLERANCE = timedelta(seconds=1.5 / FPS)
"""An incident opens within one sampling interval of when it should; the half is for rounding."""
READY_SECONDS = 240.0
DRAIN_SECONDS = 300.0
PREFIX = "faults"
WEIGHTS = {WATCHERS: 3.0, "ingest": 1.0, "head": 0.3}
"""How often a kind is chosen, where that is not 2: watchers hold most, a head takes longest to come up."""
MODELS = """
site: {{name: faults}}
models: {{encoder: "{encoder}", vlm: "openai:http://127.0.0.1:{vlm}/v1#judge"}}
channels: {{guards: {{webhook: "http://127.0.0.1:{receiver}/hook", allow_private: true, timeout: 2s}}}}
settings:
  data_dir: "{data}"
  database_url: "{database}"
  drain_for: 10s
  bus: {{servers: "127.0.0.1:{broker}", prefix: {prefix}, partitions: 4, session_timeout: 6s,
         late_after: 1h, fresh_for: 2h}}
  cluster:
    watchers: &two {{min: 2, max: 2, num_cpus: 0.2}}
    reasoners: *two
    encoder: &one {{min: 1, max: 1, num_cpus: 0.2}}
    alerting: *one
  alerting: {{retry_from: 0.05s, retry_to: 0.5s}}
  reasoning: {{deadline: 1h}}
"""

Occurrence = tuple[str, str, datetime]
"""Camera, rule, and when it opened."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cluster needs, each behind something that breaks it."""

    site: Path
    server: PostgresServer
    database_url: str
    broker: CuttableProxy
    guards: Guards
    to_guards: CuttableProxy


@dataclass(slots=True)
class Tally:
    """Occurrences that were expected against those that were found."""

    found: int = 0
    lost: list[Occurrence] = field(default_factory=list)
    doubled: list[Occurrence] = field(default_factory=list)
    strange: list[Occurrence] = field(default_factory=list)
    """Found, and nowhere near anything that was expected."""

    def __str__(self) -> str:
        return f"{self.found} found, {len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.strange)} strange"


def tally(expected: Iterable[Occurrence], seen: Iterable[Occurrence]) -> Tally:
    """Match them one to one, in time order, within the tolerance."""
    result, rest = Tally(), sorted(seen)
    wanted = sorted(expected)
    for occurrence in wanted:
        match = next((each for each in rest if _is_same(each, occurrence)), None)
        if match is None:
            result.lost.append(occurrence)
        else:
            rest.remove(match)
            result.found += 1
    for each in rest:
        is_second = any(_is_same(each, occurrence) for occurrence in wanted)
        (result.doubled if is_second else result.strange).append(each)
    return result


def _is_same(first: Occurrence, second: Occurrence) -> bool:
    return first[:2] == second[:2] and abs(first[2] - second[2]) <= TOLERANCE


@contextmanager
def surroundings(folder: Path, clips: dict[str, Path], chance: random.Random) -> Iterator[Surroundings]:
    with ExitStack() as closing:
        server = PostgresServer(postgres_programs())
        closing.callback(server.remove)
        broker = closing.enter_context(broker_behind_proxy())
        vlm = closing.enter_context(Receiver(otherwise=judge(0.99, delay_seconds=0.4)))
        guards = closing.enter_context(Guards(chance))
        to_guards = closing.enter_context(CuttableProxy(guards.port))
        make_clip(folder / "encoder")
        site = folder / "site.yaml"
        text = MODELS.format(
            encoder=folder / "encoder",
            vlm=vlm.port,
            receiver=to_guards.port,
            data=folder / "data",
            database=(database_url := server.new_database()),
            broker=broker.port,
            prefix=PREFIX,
        )
        site.write_text(text + cameras_and_rules(clips))
        yield Surroundings(site, server, database_url, broker, guards, to_guards)


def truth(folder: Path, clips: dict[str, Path]) -> list[tuple[str, str, timedelta]]:
    """Camera, rule and time since the first frame of every incident, on one machine without faults."""
    site = site_of("site: {name: truth}\n" + cameras_and_rules(clips))
    start_at = datetime(2026, 1, 1, tzinfo=UTC)
    run_site(site, folder / "truth", start_at=start_at)
    return [(each.camera_id, each.rule_id, each.opened_at - start_at) for each in incidents_of(site, folder / "truth")]


class Strikes:
    """Chooses faults and moments, and keeps count."""

    def __init__(self, faults: Sequence[Fault], chance: random.Random, log: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._faults = {fault.name: fault for fault in faults}
        self._chance = chance
        self._log = log
        self._to_come = self._chance.sample(list(self._faults), len(self._faults))

    def strike(self) -> None:
        """One fault, or two at once, when what they break is there; and what mends it."""
        faults = self._choose()
        for fault in faults:
            wait_until(lambda fault=fault: fault.can_strike, READY_SECONDS, f"{fault.name} to come back")  # type: ignore[misc]
        time.sleep(self._chance.uniform(0.0, MOST_QUIET_SECONDS))
        for fault in faults:
            self._note(f"strikes {fault.name}")
            fault.strike()
            self.counts[fault.name] += 1
        time.sleep(self._chance.uniform(0.2, 3.0))
        for fault in faults:
            fault.mend()
            self._note(f"mended {fault.name}")

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {name}" for name, number in sorted(self.counts.items()))
        return f"{self.counts.total()} faults ({kinds}; the broker's connections are cut or stalled, it never restarts)"

    def _choose(self) -> list[Fault]:
        """Every kind once at first; then by their weights."""
        if self._to_come:
            return [self._faults[self._to_come.pop()]]
        names = list(self._faults)
        chosen = self._chance.choices(names, [WEIGHTS.get(name, 2.0) for name in names], k=2)
        is_pair = self._chance.random() < TWO_AT_ONCE and chosen[0] != chosen[1] and "head" not in chosen
        return [self._faults[name] for name in chosen[: 1 + is_pair]]

    def _note(self, what: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {what}\n")


def all_faults(around: Surroundings, up: ClusterUp, rounds: IngestRounds, chance: random.Random) -> list[Fault]:
    """One of each kind."""
    return [
        *(ReplicaKill(up, application, chance) for application in APPLICATIONS),
        BrokerCut(around.broker, chance),
        DatabaseStop(around.server),
        ReceiverOutage(around.guards, around.to_guards, chance),
        IngestKill(rounds),
        HeadKill(up),
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What there is when all is done."""

    expected: int
    stored: Tally
    """Incidents in the database."""
    told: Tally
    """Incidents whose opening the receiver has, by its dedupe."""
    statuses: Counter[IncidentStatus]
    untold: tuple[str, ...]
    """Deliveries that count as made and that the receiver does not have."""
    num_told: int
    num_repeated: int
    num_failed: int
    drain_seconds: float

    @property
    def is_perfect(self) -> bool:
        is_whole = all(not (each.lost or each.doubled or each.strange) for each in (self.stored, self.told))
        return is_whole and not self.untold and set(self.statuses) == {IncidentStatus.CONFIRMED}

    def __str__(self) -> str:
        unverified = self.statuses.total() - self.statuses[IncidentStatus.CONFIRMED]
        return (
            f"  {self.expected} incidents expected\n  database: {self.stored}; {unverified} without a verdict although "
            f"the model was up\n  receiver: {self.told}; "
            f"{self.num_told} changes told, {len(self.untold)} lost, {self.num_repeated} repeats deduped, "
            f"{self.num_failed} attempts failed\n  drained in {self.drain_seconds:.0f} s"
        )

    def details(self) -> str:
        """What is not perfect, line by line."""
        lines = [
            f"{where} {kind}: {camera} {rule} {at.isoformat()}"
            for where, result in (("database", self.stored), ("receiver", self.told))
            for kind in ("lost", "doubled", "strange")
            for camera, rule, at in getattr(result, kind)
        ]
        return "\n".join([*lines, *(f"untold: {one}" for one in self.untold)])


def outcome(around: Surroundings, expected: Sequence[Occurrence]) -> Outcome:
    """Wait until nothing is left to do, and count."""
    settings = load_settings(site_of(around.site.read_text()).settings)
    stores, bus = open_stores(settings), KafkaBus(settings.bus, "test")
    try:
        drain_seconds = wait_until(lambda: is_drained(bus, stores), DRAIN_SECONDS, "everything to drain")
        incidents = stores.incidents.find(IncidentFilter(limit=1_000_000))
    finally:
        stores.close()
    lines = [each.model_dump_json() for each in incidents]
    (around.site.parent / "incidents.jsonl").write_text("\n".join(lines))  # for whoever looks for what went wrong
    accepted = dict(around.guards.accepted)
    openings = [body["data"] for body in accepted.values() if body["data"]["kind"] == "provisional"]
    return Outcome(
        expected=len(expected),
        stored=tally(expected, [(each.camera_id, each.rule_id, each.opened_at) for each in incidents]),
        told=tally(expected, [(each["camera"], each["rule"], _opened_at(each)) for each in openings]),
        statuses=Counter(each.status for each in incidents),
        untold=tuple(sorted(made_deliveries(around.database_url) - {f"{number}.guards" for number in accepted})),
        num_told=len(accepted),
        num_repeated=around.guards.num_repeated,
        num_failed=around.guards.num_failed,
        drain_seconds=drain_seconds,
    )


def made_deliveries(database_url: str) -> set[str]:
    """Ids of all but those of the last moment, which may still be under way."""
    with psycopg.connect(database_url) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM deliveries WHERE state <> 'pending'")}


def _opened_at(data: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(data["times"]["opened_at"])


def is_drained(bus: KafkaBus, stores: Stores) -> bool:
    try:
        is_told = not stores.outbox.counts().get("pending") and not stores.incidents.verdicts_owed().number
        is_read = not lag_of(bus, WATCHERS, Topic.FRAMES) + lag_of(bus, REASONERS, Topic.CANDIDATES)
        return is_told and is_read and not stores.incidents.still_open()
    except TransientError:
        return False


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.models
@pytest.mark.timeout(900 + 30 * KILLS)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After any number of faults every incident is in the database and at the receiver, once, with its verdict."""
    chance = random.Random(SEED)
    clips = render_clips(tmp_path, ROUND_SECONDS)
    with surroundings(tmp_path, clips, chance) as around, ExitStack() as closing:
        up, rounds = (
            ClusterUp(around.site, tmp_path / "cluster.log"),
            IngestRounds(around.site, tmp_path / "ingest.log"),
        )
        closing.callback(up.kill)
        closing.callback(rounds.abandon)
        strikes = Strikes(all_faults(around, up, rounds, chance), chance, tmp_path / "faults.log")
        up.start()
        expected = truth(tmp_path, clips)
        wait_until(lambda: up.is_ready, READY_SECONDS, "the cluster to come up")
        rounds.start()
        while strikes.counts.total() < KILLS:
            strikes.strike()
        rounds.finish(READY_SECONDS)
        result = outcome(around, [(*of[:2], at + of[2]) for at in rounds.starts for of in expected])
    with capsys.disabled():
        print(f"\n{strikes}, seed {SEED}, {len(rounds.starts)} rounds of {len(clips)} cameras\n{result}")
    (tmp_path / "result.txt").write_text(f"{strikes}\n{result}\n{result.details()}\n")
    assert not rounds.failures
    assert result.is_perfect, result.details()
