"""`sightline budget`: what verdicts took of the models."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.contracts.assessment import Usage
from pipeline.contracts.incident import Incident
from pipeline.incidents import lifecycle
from pipeline.search.spending import spent_by
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import START, make_assessment, make_candidate, opened, seconds, sqlite_url

USAGE = Usage(calls=2, pictures=8, input_tokens=3000, output_tokens=100, seconds=2.5, cost=0.01)


def _judged(number: int, camera: str, degraded: str = "", usage: Usage | None = USAGE) -> list[Incident]:
    first = opened(make_candidate(START + seconds(number), camera))
    verdict = make_assessment(first.incident.id, usage=usage, degraded=degraded)
    change = lifecycle.judge(first.incident, verdict, START)
    assert change is not None
    return [first.incident, change.incident]


def test_usage_is_added_up_and_refusals_count_as_degraded() -> None:
    """Of three verdicts one was not made: a third is degraded, the cost is of two."""
    found = [
        _judged(0, "gate")[1], _judged(1, "gate")[1], _judged(2, "gate", "not judged: 9 wait", usage=None)[1],
        _judged(3, "yard")[0],
    ]  # fmt: skip
    (gate,) = spent_by("camera", found)
    assert (gate.name, gate.verdicts, gate.degraded, gate.calls) == ("gate", 3, 1, 4)
    assert (gate.input_tokens, gate.output_tokens, gate.seconds, gate.cost) == (6000, 200, 5.0, 0.02)


def test_the_command_shows_it_for_people_and_for_scripts(tmp_path: Path) -> None:
    """A table by rule, or JSON; without verdicts, what brings them."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    line = ["budget", "--data-dir", str(tmp_path)]
    runner = CliRunner(env={"COLUMNS": "200"})
    assert "no verdicts yet" in runner.invoke(app, line).stdout
    store = SqlIncidentStore(database)
    first = opened()
    store.commit(first, [])
    change = lifecycle.judge(first.incident, make_assessment(first.incident.id, usage=USAGE), START)
    assert change is not None
    store.commit(change, [])
    database.close()
    shown = runner.invoke(app, line).stdout
    assert "climb" in shown
    assert "3,000" in shown
    (row,) = json.loads(runner.invoke(app, [*line, "--json"]).stdout)
    assert (row["name"], row["cost"]) == ("climb", 0.01)
