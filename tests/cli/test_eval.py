"""`sightline eval`: files in, tables, JSON and a picture out; and alerts that a run has kept."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.incident import ChangeKind, IncidentChange, IncidentStatus
from pipeline.settings import Settings
from tests.support.cli import START, incident

TRUTH = "camera,start,end,label,length\na,10,20,Falling (SW),3600\na,50,60,Falling (BW),\na,5,8,Walking,\nb,,,,3600\n"
TOLD = "video,start,end,rule,score,alert\na.mp4,11,18,fall,0.9,12\na.mp4,12,15,fall,0.5,\nb,100,120,fall,0.8,\n"
AS_FALLS = ("--as", "Falling*=fall", "--rule", "fall")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "told.csv").write_text(TOLD)
    return "--truth", str(tmp_path / "truth.csv"), "--predictions", str(tmp_path / "told.csv")


def evaluate(*arguments: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["eval", *arguments])
    return result.exit_code, result.stdout, result.stderr


def figures(criterion: str, *arguments: str) -> dict[str, Any]:
    """Of all rules and cameras together."""
    status, shown, _ = evaluate(*arguments, "--json")
    assert status == 0
    return json.loads(shown)["criteria"][criterion]["pooled"]


def test_a_table_for_each_published_rule(files: tuple[str, ...]) -> None:
    """2 falls, 1 found after 2 s, told again once; 1 false alarm in 2 h."""
    status, shown, said = evaluate(*files, *AS_FALLS)
    assert status == 0
    assert shown.count("rule fall") == 2
    line = next(line for line in shown.splitlines() if line.startswith("all"))
    assert line.split() == ["all", "2", "3", "1", "1", "1", "0.500", "0.500", "0.500", "0.50", "2.0", "2.0"]
    assert "95 % intervals (bootstrap over 2 cameras): recall 0.500–0.500" in shown
    assert said == ""


def test_json_has_every_number(files: tuple[str, ...]) -> None:
    """Counts, shares, intervals, the curve; the same for the same seed."""
    found = figures("overlap", *files, *AS_FALLS, "--at-rate", "0.25")
    assert (found["matched"], found["missed"], found["false_alarms"], found["duplicates"]) == (1, 1, 1, 1)
    assert found["precision_with_duplicates"] == pytest.approx(1 / 3)
    assert found["p_miss_at_false_alarms_per_hour"] == {"0.25": 0.5}
    assert found["det"][0] == {"threshold": 0.9, "false_alarms_per_hour": 0.0, "p_miss": 0.5}
    assert found == figures("overlap", *files, *AS_FALLS, "--at-rate", "0.25")


def test_remarks_go_to_standard_error(files: tuple[str, ...]) -> None:
    """Labels that never meet: the figures are defined, and why they are so bad is said."""
    status, shown, said = evaluate(*files, "--json")
    assert status == 0
    assert json.loads(shown)["criteria"]["overlap"]["pooled"]["recall"] == 0.0
    assert "warning: no prediction is of Falling (BW), Falling (SW), Walking" in said


def test_draws_the_curve(files: tuple[str, ...], tmp_path: Path) -> None:
    """A PNG; without scores there is nothing to draw, which is said."""
    status, _, _ = evaluate(*files, *AS_FALLS, "--det", str(tmp_path / "det.png"))
    assert status == 0
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "told.csv").write_text("camera,start,end\na,11,18\n")
    status, _, said = evaluate(*files, "--det", str(tmp_path / "none.png"))
    assert status == 2
    assert "there is no curve to draw" in said


def test_camera_hours_and_merging(files: tuple[str, ...]) -> None:
    """Hours from the command line; events that lie close are one."""
    found = figures("overlap", *files, *AS_FALLS, "--camera-hours", "10", "--merge", "30s")
    assert found["false_alarms_per_hour"] == pytest.approx(0.1)
    assert found["events"] == 1


def test_two_files_of_truth(files: tuple[str, ...], tmp_path: Path) -> None:
    """They add up; two recordings of one name are refused."""
    (tmp_path / "more.csv").write_text("camera,start,end,label,length\na,80,90,fall,\nc,1,2,fall,60\n")
    assert figures("overlap", *files, "--truth", str(tmp_path / "more.csv"), *AS_FALLS)["events"] == 4
    (tmp_path / "more.csv").write_text("camera,start,end,length\na,80,90,100\n")
    status, _, said = evaluate(*files, "--truth", str(tmp_path / "more.csv"))
    assert status == 2
    assert "a is 100.0 s long here, 3600.0 s in another file" in said


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run that told of two incidents of camera `yard`, 3 s and 100 s after `START`."""
    stores = open_stores(Settings(data_dir=tmp_path))
    for seconds, status in ((3.0, IncidentStatus.CONFIRMED), (100.0, IncidentStatus.REJECTED)):
        one = incident(seconds, status=status).model_copy(update={"last_change": 1})
        change = IncidentChange(sequence=1, kind=ChangeKind.PROVISIONAL, at=one.opened_at, incident=one)
        assert stores.incidents.commit(change, [])
    stores.close()
    return tmp_path


def test_scores_what_a_run_has_kept(kept: Path, tmp_path: Path) -> None:
    """Truth in seconds of the recording, which began at a time; incidents by the clock; some only, by their status."""
    (tmp_path / "truth.csv").write_text("camera,start,end,rule,length\nyard,1,9,loitering,3600\n")
    given = "--truth", str(tmp_path / "truth.csv"), "--data-dir", str(kept)
    begun = "--start", f"yard={START.isoformat()}"
    found = figures("window", *given, *begun)
    assert (found["recall"], found["false_alarms"], found["seconds_to_alert"]["p50"]) == (1.0, 1, 2.0)
    assert figures("window", *given, *begun, "--status", "confirmed")["false_alarms"] == 0
    assert "no time in common" in evaluate(*given)[2]


def test_hours_come_from_the_account_of_coverage(kept: Path, tmp_path: Path) -> None:
    """Where the truth does not say how long a camera was looked at: half an hour watched, an hour blind."""
    (tmp_path / "truth.csv").write_text("camera,start,end,rule\nyard,1,9,loitering\n")
    stores = open_stores(Settings(data_dir=kept))
    half, end = START + timedelta(minutes=30), START + timedelta(minutes=90)
    for layer in Layer:
        watched, blind = Interval("yard", layer, START, half), Interval("yard", layer, half, end, "offline")
        stores.coverage.extend([watched, blind])
    stores.close()
    begun = "--start", f"yard={START.isoformat()}"
    found = figures("window", "--truth", str(tmp_path / "truth.csv"), "--data-dir", str(kept), *begun)
    assert found["camera_hours"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rule", "fire"), "neither truth nor predictions know the rule 'fire'; they have: Falling (BW)"),
        (("--as", "fall"), "expected --as LABEL=RULE"),
        (("--as", "Tumble=fall"), "no label of the truth is 'Tumble'"),
        (("--format", "mot15"), "expected --format as one of auto, table"),
        (("--camera-hours", "0"), "must be more than 0"),
        (("--data-dir", "x"), "not from both"),
        (("--start", "a=2026-07-10T22:00Z"), "--start says nothing of b"),
        (("--det", "no-such-folder/det.png"), "cannot write no-such-folder/det.png"),
    ],
)
def test_wrong_usage_is_said(files: tuple[str, ...], arguments: tuple[str, ...], message: str) -> None:
    """In one sentence, with exit status 2."""
    status, _, said = evaluate(*files, *arguments)
    assert status == 2
    assert message in said


def test_predictions_must_come_from_somewhere(files: tuple[str, ...]) -> None:
    """A file or a data folder."""
    status, _, said = evaluate(*files[:2])
    assert status == 2
    assert "what was told?" in said
