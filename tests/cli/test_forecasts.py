"""`sightline forecasts list|reliability`, and what `incidents show` says of forecasts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.forecast import ForecastSource, Outcome
from pipeline.contracts.incident import ChangeKind, IncidentChange
from pipeline.settings import Settings
from tests.support.cli import START, incident
from tests.support.forecasts import checked, kept


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four forecasts of one incident."""
    stores = open_stores(Settings(data_dir=tmp_path))
    one = incident()
    stores.incidents.commit(IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=START, incident=one), ())
    stores.forecasts.save(
        [
            checked(0.8, happened=True, incident_id=one.id, within_seconds=2.0),
            checked(0.6, happened=False, incident_id=one.id, within_seconds=10.0),
            kept(
                incident_id=one.id,
                what="person 7 leaves the picture",
                outcome=Outcome.UNKNOWN,
                reason="lost from sight",
            ),
            kept(incident_id=one.id, camera_id="yard", source=ForecastSource.MODEL, what="he runs"),
        ]
    )
    stores.close()
    return tmp_path


def sightline(*arguments: object) -> str:
    """Standard output of a command that works."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_lists_what_was_foretold_and_what_became_of_it(data: Path) -> None:
    """A row each, in words."""
    shown = sightline("forecasts", "list", "--data-dir", data)
    assert "person 7 enters square" in shown
    assert "unknown (lost from sight)" in shown
    assert "not looked up" in shown


def test_a_list_for_scripts_can_be_narrowed(data: Path) -> None:
    """By source; JSON of every field."""
    (one,) = json.loads(sightline("forecasts", "list", "--data-dir", data, "--source", "model", "--json"))
    assert (one["what"], one["outcome"], one["camera_id"]) == ("he runs", None, "yard")


def test_reliability_of_each_camera_and_rule(data: Path, tmp_path: Path) -> None:
    """Counts and figures, and the plot."""
    plot = tmp_path / "plot.png"
    gate, yard = json.loads(sightline("forecasts", "reliability", "--data-dir", data, "--json", "--plot", plot))
    assert (gate["camera"], gate["forecasts"], gate["unknown"]) == ("gate", 2, 1)
    assert gate["brier"] == pytest.approx((0.04 + 0.36) / 2)
    assert (yard["pending"], yard["brier"]) == (1, None)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "all" in sightline("forecasts", "reliability", "--data-dir", data)


def test_an_incident_shows_what_was_expected(data: Path) -> None:
    """Beside what was measured, with what became of it."""
    shown = sightline("incidents", "show", incident().id, "--data-dir", data)
    assert "person 7 enters square within 2 s: 80%; it did" in shown
    assert "not known: lost from sight" in shown
    assert "he runs within 5 s: 70%; not looked up yet" in shown


def test_nothing_kept_is_said_so(tmp_path: Path) -> None:
    """No forecasts is no error."""
    open_stores(Settings(data_dir=tmp_path)).close()
    assert "no forecasts" in sightline("forecasts", "list", "--data-dir", tmp_path)
    assert "no forecasts" in sightline("forecasts", "reliability", "--data-dir", tmp_path)
