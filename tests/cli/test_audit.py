"""`sightline audit`: the audit log, read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.store.database import Database
from pipeline.store.people import AuditEntry, SqlPeople
from tests.support.store import START, seconds, sqlite_url

ENTRIES = [
    AuditEntry.of(START, "anna", "see evidence", camera_id="yard", target="i1/clip", address="10.0.0.1"),
    AuditEntry.of(START + seconds(60), "eve", "review", camera_id="gate", target="\x1b[31mi2", is_allowed=False),
]


def audit(folder: Path, *arguments: str) -> str:
    line = ["audit", "--data-dir", str(folder), *arguments]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, line)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with two entries."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    for entry in ENTRIES:
        SqlPeople(database).note(entry)
    database.close()
    return tmp_path


def test_the_log_is_shown_newest_first(folder: Path) -> None:
    """Who, what, which camera, what of it, from where, whether refused; nothing steers the terminal."""
    assert audit(folder).splitlines() == [
        "2026-03-01 22:01:00  eve  review  gate  \N{REPLACEMENT CHARACTER}[31mi2  (refused)",
        "2026-03-01 22:00:00  anna  see evidence  yard  i1/clip  from 10.0.0.1",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--who", "anna"], ["anna"]),
        (["--camera", "gate"], ["eve"]),
        (["--since", "2026-03-01T22:00:30Z"], ["eve"]),
        (["--limit", "1"], ["eve"]),
        (["--who", "nobody"], []),
    ],
)
def test_the_log_by_person_camera_and_time(folder: Path, arguments: list[str], expected: list[str]) -> None:
    """As JSON for scripts."""
    assert [row["who"] for row in json.loads(audit(folder, "--json", *arguments))] == expected


def test_an_empty_log_says_so(folder: Path) -> None:
    """In words."""
    assert audit(folder, "--who", "nobody") == "nothing in the audit log\n"
