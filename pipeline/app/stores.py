"""What is kept, opened: the same for both runtimes and for the commands that only look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.contracts.alert import Outbox
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.forecast import ForecastStore
from pipeline.contracts.incident import IncidentStore
from pipeline.contracts.learned import LearnedStore
from pipeline.contracts.vectors import VectorStore
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.erasure import Eraser
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.forecasts import SqlForecastStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.learned import SqlLearnedStore
from pipeline.store.ledger import SqlDecisionStore
from pipeline.store.outbox import SqlOutbox
from pipeline.store.retention import Retention
from pipeline.store.vectors import LanceVectorStore
from pipeline.tracing import OFF, Tracing

_SQLITE_FILE = "sightline.db"


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept, opened."""

    database: Database
    incidents: IncidentStore
    outbox: Outbox
    decisions: SqlDecisionStore
    evidence: EvidenceStore
    coverage: CoverageStore
    learned: LearnedStore
    forecasts: ForecastStore
    vectors: VectorStore
    retention: Retention
    eraser: Eraser

    def close(self) -> None:
        """Close the database; may be called twice."""
        self.vectors.close()
        self.database.close()


def open_stores(settings: Settings, *, must_exist: bool = False, tracing: Tracing = OFF) -> Stores:
    """Open database and evidence; several processes may. `ConfigError` says what is wrong with the folder.

    `must_exist` refuses to make a new database: for commands that look at what a run has kept, which still
    work while the disk is full.
    """
    url = settings.database_url or _sqlite_url(settings.data_dir, must_exist)
    database = Database(url)
    database.migrate()
    if not must_exist:
        database.check_writable()
    evidence = open_evidence(settings)
    vectors = LanceVectorStore(settings.search.url or str(settings.data_dir.absolute() / "vectors"))
    incidents = SqlIncidentStore(database, has_bus=bool(settings.bus.servers), tracing=tracing)
    return Stores(
        database,
        incidents,
        SqlOutbox(database),
        SqlDecisionStore(database),
        evidence,
        SqlCoverageStore(database),
        SqlLearnedStore(database),
        SqlForecastStore(database),
        vectors,
        Retention(
            database,
            incidents,
            evidence,
            settings.retention,
            vectors=vectors,
            vectors_for_seconds=settings.search.keep_for,
        ),
        Eraser(database, evidence, settings.evidence, vectors),
    )


def open_evidence(settings: Settings) -> FsspecEvidenceStore:
    """Where pictures and clips are kept."""
    return FsspecEvidenceStore(settings.evidence.url or str(settings.data_dir.absolute() / "evidence"))


def _sqlite_url(data_dir: Path, must_exist: bool) -> str:
    file = data_dir.absolute() / _SQLITE_FILE
    if must_exist and not file.exists():
        raise ConfigError(
            f"no Sightline data in {data_dir}: expected {file.name} there; "
            "name the folder a run has written with --data-dir or SIGHTLINE_DATA_DIR"
        )
    return f"sqlite:///{quote(str(file))}"
