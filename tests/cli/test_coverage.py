"""`sightline coverage`, and what `incidents` and `why` say of time that was not watched."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import NO_RULE, Gate
from pipeline.settings import Settings
from tests.support.cli import START, count

SITE = """
site: {name: depot, timezone: Europe/Berlin}
cameras:
  - {id: yard, url: x.mp4, zones: {fence: [[0, 0], [1, 0], [1, 1]]}}
  - {id: gate, url: y.mp4}
rules:
  - {id: entry, cameras: [yard], track: {enters: fence}}
"""
RANGE = ("--from", "2026-07-10T22:14", "--to", "2026-07-10T22:24")
"""Ten minutes from `START` on, at the site's time."""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Camera `yard` was offline from the second to the fourth of ten minutes, and briefly later; `gate` never ran."""
    (tmp_path / "site.yaml").write_text(SITE)
    stores = open_stores(Settings(data_dir=tmp_path))
    stores.coverage.extend(
        [
            part(0, 60),
            part(60, 180, "offline", "no answer within 10 s \x1b[31m"),
            part(180, 400),
            part(400, 403, "no frames"),
            part(403, 600),
            part(0, 600, layer=Layer.RULES),
            part(300, 330, "model failed", layer=Layer.RULES, rule_id="entry"),
        ]
    )
    stores.decisions.add([count(Gate.SAMPLING, "no motion", rule=NO_RULE, count=50)])
    stores.close()
    return tmp_path


def part(
    start: float, end: float, reason: str = "", detail: str = "", layer: Layer = Layer.PICTURES, rule_id: str = ""
) -> Interval:
    times = START + timedelta(seconds=start), START + timedelta(seconds=end)
    return Interval("yard", layer, *times, reason, detail, rule_id)


def sightline(kept: Path, *arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a command on the site."""
    where = ("--data-dir", str(kept), "--site", str(kept / "site.yaml"))
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, [*map(str, arguments), *where])
    return result.exit_code, result.stdout, result.stderr


def test_tells_the_share_and_the_gaps_at_the_sites_time(kept: Path) -> None:
    """A line a camera and rule, a row a gap with its length and reason; nothing can steer the terminal."""
    status, shown, _ = sightline(kept, "coverage", *RANGE)
    assert status == 0
    assert "yard: watched 79.50% of 10m00s, 2 gaps" in shown
    assert "yard, entry: watched 74.50% of 10m00s, 3 gaps" in shown
    assert "gate: not running: never watched" in shown
    row = next(line for line in shown.splitlines() if "no answer" in line)
    assert row.split()[1:6] == ["2026-07-10", "22:15:00", "2026-07-10", "22:17:00", "2m00s"]
    assert "\x1b" not in shown


def test_json_has_every_number(kept: Path) -> None:
    """Cameras, their rules and the total; gaps with start, end, seconds, reason and detail."""
    _, shown, _ = sightline(kept, "coverage", *RANGE, "--camera", "yard", "--json")
    (yard,) = json.loads(shown)["cameras"]
    assert (yard["seconds"], yard["watched_seconds"], yard["never_watched"]) == (600, 477, False)
    assert [(gap["seconds"], gap["reason"]) for gap in yard["gaps"]] == [(120, "offline"), (3, "no frames")]
    assert yard["rules"]["entry"]["watched_seconds"] == 447
    assert json.loads(shown)["total"]["share"] == pytest.approx(0.795)


def test_short_gaps_can_be_left_out(kept: Path) -> None:
    """They still count in the share."""
    _, shown, _ = sightline(kept, "coverage", *RANGE, "--gaps-above", "5s", "--camera", "yard", "--json")
    (yard,) = json.loads(shown)["cameras"]
    assert [gap["reason"] for gap in yard["gaps"]] == ["offline"]
    assert yard["watched_seconds"] == 477


def test_gaps_are_exported_as_a_table(kept: Path) -> None:
    """Times with the site's offset, so that a spreadsheet and a script agree."""
    assert sightline(kept, "coverage", *RANGE, "--camera", "yard", "--csv", kept / "gaps.csv")[0] == 0
    with (kept / "gaps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["start"] == "2026-07-10T22:15:00+02:00"
    assert [(row["rule"], row["seconds"], row["reason"]) for row in rows[:3]] == [
        ("", "120.000", "offline"),
        ("", "3.000", "no frames"),
        ("entry", "120.000", "offline"),
    ]


def test_a_range_that_ends_before_it_begins_is_wrong_usage(kept: Path) -> None:
    """Exit status 2 and both times."""
    status, _, problem = sightline(kept, "coverage", "--from", "2026-07-10T22:24", "--to", "2026-07-10T22:14")
    assert status == 2
    assert "must be before --to" in problem


def test_no_incidents_is_not_nothing_happened(kept: Path) -> None:
    """When the camera was not watched, and why, is said with it."""
    asked = ("incidents", "list", "--camera", "yard", "--since", "2026-07-10T22:14", "--until", "2026-07-10T22:20")
    _, shown, _ = sightline(kept, *asked)
    assert shown.startswith("no incidents\nbut yard was not watched 2026-07-10 22:15:00")
    assert "22:17:00: offline (no answer within 10 s" in shown


def test_a_scripts_list_stays_a_list(kept: Path) -> None:
    """The reservation goes to standard error, for every camera of the site."""
    asked = ("incidents", "list", "--since", "2026-07-10T22:14", "--until", "2026-07-10T22:20", "--json")
    _, shown, remark = sightline(kept, *asked)
    assert json.loads(shown) == []
    assert "yard was not watched" in remark
    assert "gate was not watched" in remark


def test_watched_time_without_incidents_needs_no_reservation(kept: Path) -> None:
    """Then it is what it says."""
    asked = ("incidents", "list", "--camera", "yard", "--since", "2026-07-10T22:18", "--until", "2026-07-10T22:20")
    assert sightline(kept, *asked)[1] == "no incidents\n"


def test_why_adds_when_the_camera_was_blind(kept: Path) -> None:
    """Frames of the rest of the time do not answer for it."""
    asked = ("why", "--camera", "yard", "--at", "2026-07-10T22:15", "--window", "3m", "--rule", "entry")
    _, shown, _ = sightline(kept, *asked)
    first = shown.splitlines()[0]
    assert "nothing moved in 50 frames looked at. But yard was not watched" in first
    assert "offline (no answer within 10 s" in first
    answer = json.loads(sightline(kept, *asked, "--json")[1])
    assert [gap["seconds"] for gap in answer["unwatched"]] == [120]


def test_why_tells_the_reason_of_a_blind_minute(kept: Path) -> None:
    """Instead of that nothing is known."""
    _, shown, _ = sightline(kept, "why", "--camera", "yard", "--at", "2026-07-10T22:16", "--rule", "entry")
    assert "No alert for entry at 22:16: yard was not watched 2026-07-10 22:16:00" in shown
    assert "offline" in shown
