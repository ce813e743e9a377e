"""`sightline backtest --history`: rules tried on the clips of alerts that were given."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.clock import SystemClock
from pipeline.contracts.incident import Incident, IncidentFilter, Review
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.incidents import lifecycle
from pipeline.settings import load_settings
from tests.cli.test_backtest import backtest, figures
from tests.support.cli import write_video
from tests.support.local import run_site, site_of

GATE = "  - {id: gate, url: rtsp://camera.invalid/other}\n"
NIGHT = datetime(2026, 7, 10, 22, 30, tzinfo=UTC)
SITE = """
cameras:
  - id: yard
    url: "URL"
    zones: {left: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    lines: {middle: [[0.5, 0], [0.5, 1]]}
GATErules:
  - {id: crosses, cameras: yard, track: {crosses: middle}, schedule: "22:00-06:00"}
settings: {data_dir: "KEPT"}
""".replace("GATE", GATE)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was kept of three nights on which something walked through; no word of it was said yet."""
    folder = tmp_path_factory.mktemp("ran")
    site = site_of(SITE.replace("URL", str(write_video(folder / "walk.mp4"))).replace(GATE, ""))
    for night in range(3):
        run_site(site, folder / "kept", start_at=NIGHT + timedelta(days=night))
    return folder / "kept"


@pytest.fixture
def kept(ran: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(ran, tmp_path / "kept"))


def write_site(kept: Path, name: str = "site.yaml", **changes: str) -> Path:
    """A site file for that data, whose camera is live."""
    text = SITE.replace("URL", "rtsp://camera.invalid/stream").replace("KEPT", str(kept))
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = kept.parent / name
    path.write_text(text)
    return path


def incidents_in(kept: Path) -> list[Incident]:
    """Oldest first."""
    stores = open_stores(load_settings(None, data_dir=kept), must_exist=True)
    try:
        return stores.incidents.find(IncidentFilter())[::-1]
    finally:
        stores.close()


def say(kept: Path, incident: Incident, *, is_right: bool) -> None:
    """A person's word on it."""
    stores = open_stores(load_settings(None, data_dir=kept), must_exist=True)
    try:
        change = lifecycle.review(incident, Review(is_right=is_right, by="ann", at=SystemClock().now()))
        assert change is not None
        assert stores.incidents.commit(change, ())
    finally:
        stores.close()


def shares(side: dict[str, Any], rule: str, of: str) -> dict[str, tuple[int, int]]:
    found = side["rules"][rule]["history"][of]
    return {kind: (share["told"], share["of"]) for kind, share in found.items()}


def test_each_rule_by_what_people_said(kept: Path) -> None:
    """A rule that is met in every clip tells the right ones, the false ones and the others, and each is counted."""
    first, second, _ = incidents_in(kept)
    say(kept, first, is_right=True)
    say(kept, second, is_right=False)
    (side,) = figures(write_site(kept), "--history")["sites"]
    assert shares(side, "crosses", "crosses") == {"right": (1, 1), "wrong": (1, 1), "not_reviewed": (1, 1)}
    assert [one["incident"] for one in side["recordings"]] == [one.id for one in incidents_in(kept)]
    assert "3 of 3 incidents have a clip" in side["notes"]
    assert "nothing has been learned of yard" in side["notes"]
    assert any("not told to the rules while they see its own clip" in note for note in side["notes"])


def test_clips_say_nothing_of_a_day(kept: Path) -> None:
    """No rate is extrapolated from clips that are there because of an alert, and a note says what they cannot show."""
    status, shown, _ = backtest(write_site(kept), "--history")
    assert status == 0
    assert "rule     alerts  clips  VLM calls  near misses" in shown
    assert "neither what is missed over all time" in " ".join(shown.split())
    assert "3 of 3 (29–100 %)" in shown


def test_every_clip_at_its_own_time(kept: Path) -> None:
    """A rule that is on by day tells nothing of what was at night, though no --start was given."""
    site = write_site(kept, **{"22:00-06:00": "06:00-22:00"})
    (side,) = figures(site, "--history")["sites"]
    assert shares(side, "crosses", "crosses")["not_reviewed"] == (0, 3)
    assert "out of schedule" in {gate["reason"] for gate in side["rules"]["crosses"]["gates"]}


def test_a_rule_that_was_not_there_then(kept: Path) -> None:
    """It has no alerts of its own, so it is measured by those of the rule that had; side by side with it."""
    old = write_site(kept)
    new = write_site(
        kept, "new.yaml", **{"id: crosses": "id: lingers", "crosses: middle": "inside: left, longer_than: 60s"}
    )
    first, second = figures(old, "--history", "--against", new)["sites"]
    assert shares(first, "crosses", "crosses")["not_reviewed"] == (3, 3)
    assert first["rules"]["crosses"]["alerts_a_camera_day"] is None
    assert shares(second, "lingers", "crosses")["not_reviewed"] == (0, 3)
    assert any(note.startswith("lingers waits 60 s, longer than any clip") for note in second["notes"])


def test_from_and_to_choose_incidents(kept: Path) -> None:
    """Of three nights the middle one."""
    day = NIGHT.date() + timedelta(days=1)
    chosen = ("--from", f"{day}T00:00", "--to", f"{day + timedelta(days=1)}T00:00")
    (side,) = figures(write_site(kept), "--history", *chosen)["sites"]
    assert [one["incident"] for one in side["recordings"]] == [incidents_in(kept)[1].id]


def test_it_says_what_the_rules_began_with(kept: Path) -> None:
    """With history what was learned, and until when; files begin fresh unless it is asked for; --fresh is silent."""
    stores = open_stores(load_settings(None, data_dir=kept), must_exist=True)
    stores.learned.save([Learned("yard", "", LearnedKind.NORMAL, "clip", NIGHT, b"bank")])
    stores.close()
    site, told = write_site(kept), "thresholds and the normal of yard as learned on 2026-07-10"
    last = ("--history", "--from", f"{NIGHT.date() + timedelta(days=2)}T00:00")
    asked = [(*last,), (*last, "--fresh"), ("synthetic:yard?seconds=1",), ("synthetic:yard?seconds=1", "--learned")]
    notes = [figures(site, *arguments)["sites"][0]["notes"] for arguments in asked]
    assert [told in each for each in notes] == [True, False, False, True]


def test_a_draft_on_standard_input(kept: Path) -> None:
    """It is tried in place of what the file says, under the file's name, and every step is a line of JSON."""
    site = write_site(kept)
    draft = site.read_text().replace("crosses: middle", "inside: left, longer_than: 60s")
    result = CliRunner().invoke(app, ["backtest", str(site), "--draft", "--steps", "--history"], input=draft)
    *steps, told = [json.loads(line) for line in result.stdout.splitlines()]
    assert steps == [{"done": number, "of": 3} for number in range(4)]
    (side,) = told["sites"]
    assert side["site"] == str(site)
    assert shares(side, "crosses", "crosses")["not_reviewed"] == (0, 3)


def test_a_draft_that_is_wrong_is_refused_under_the_files_name(kept: Path) -> None:
    """With every problem, and exit status 2."""
    site = write_site(kept)
    result = CliRunner().invoke(app, ["backtest", str(site), "--draft", "--history"], input="cameras: []\n")
    assert result.exit_code == 2
    assert f"{site}: line 1: cameras" in result.stderr


def test_clips_that_cannot_be_read_are_left_out(kept: Path) -> None:
    """One that is gone and one that is damaged count for nothing and are named with the reason; the third counts."""
    gone, damaged, _ = incidents_in(kept)
    (kept / "evidence" / gone.clip_uri).unlink()
    (kept / "evidence" / damaged.clip_uri).write_bytes(b"no video")
    (side,) = figures(write_site(kept), "--history")["sites"]
    (note,) = [note for note in side["notes"] if "left out" in note]
    assert note.startswith("2 clips left out")
    assert f"yard/{gone.id[:8]} (no evidence" in note
    assert f"yard/{damaged.id[:8]}" in note
    assert shares(side, "crosses", "crosses")["not_reviewed"] == (1, 1)


def test_the_sites_data_stays_as_it_is(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No incident, picture or anything learned is added, and no clip is left behind."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    before = incidents_in(kept), sorted(kept.rglob("*.jpg"))
    figures(write_site(kept), "--history")
    assert (incidents_in(kept), sorted(kept.rglob("*.jpg"))) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_report_has_the_table(kept: Path, tmp_path: Path) -> None:
    """The page shows whose alerts were told again, and the pictures of it."""
    status, _, _ = backtest(write_site(kept), "--history", "--report", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert status == 0
    assert "told again" in page
    assert "3 of 3 (29–100 %)" in page
    assert page.count("<article") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--history", "x.mp4"), "leave the files out"),
        (("--history", "--start", "22:00"), "every clip is read at its own time"),
        (("--history", "--truth", "truth.csv"), "what people said of the alerts is the truth"),
        (("x.mp4", "--from", "22:00"), "--from and --to go with --history"),
        (("--history", "--camera", "yrd"), "no camera 'yrd' (did you mean yard?)"),
        (("--history", "--camera", "gate"), "no rule that is tried looks at camera gate"),
        (("--history", "--from", "2026-08-01T00:00"), "no incidents of yard are kept in that time"),
    ],
    ids=["files", "start", "truth", "from", "camera", "unwatched", "nothing"],
)
def test_what_does_not_go_with_history(kept: Path, arguments: tuple[str, ...], words: str) -> None:
    """One message that says what is wrong, and exit status 2."""
    status, shown, problem = backtest(write_site(kept), *arguments)
    assert (status, shown) == (2, "")
    assert words in problem


def test_no_data_of_a_site(tmp_path: Path) -> None:
    """A site that never ran has no history, and its folder is not made."""
    status, _, problem = backtest(write_site(tmp_path / "kept"), "--history")
    assert status == 2
    assert "no Sightline data in" in problem
    assert not (tmp_path / "kept").exists()
