"""`sightline backtest` on small videos, with the motion detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from tests.support.cli import write_video
from tests.support.model_server import judge
from tests.support.receiver import Receiver

SITE = """
models: {vlm: "VLM"}
cameras:
  - id: yard
    url: rtsp://camera.invalid/stream
    zones: {left: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    lines: {middle: [[0.5, 0], [0.5, 1]]}
  - id: gate
    url: rtsp://camera.invalid/other
rules:
  - {id: stays, cameras: yard, track: {inside: left, longer_than: 4s}, enabled: true}
  - {id: crosses, cameras: yard, track: {crosses: middle}, schedule: "22:00-06:00"}
  - {id: crowd, cameras: gate, track: {count_above: 5}, enabled: false}
channels:
  guards: {webhook: "WEBHOOK", allow_private: true}
settings: {data_dir: "KEPT", database_url: "sqlite:////nowhere/site.db"}
"""


def write_site(path: Path, *, vlm: str = "none", webhook: str = "https://example.com/h", **changes: str) -> Path:
    text = SITE.replace("VLM", vlm).replace("WEBHOOK", webhook).replace("KEPT", str(path.parent / "kept"))
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def backtest(*arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner().invoke(app, ["backtest", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def figures(*arguments: object) -> dict[str, Any]:
    """The JSON of a backtest that ran."""
    status, shown, problem = backtest(*arguments, "--json")
    assert status == 0, problem
    return dict(json.loads(shown))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in which something walks through from left to right, from the third on."""
    return write_video(tmp_path_factory.mktemp("clips") / "walk.mp4")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path / "site.yaml")


def test_alerts_rates_and_places(site: Path, clip: Path) -> None:
    """The rule that is met alerts once, at its place in the file, with its rate and the hours it is taken from."""
    (done,) = figures(site, "--camera", f"yard={clip}")["sites"]
    crosses = done["rules"]["crosses"]
    (hit,) = crosses["hits"]
    assert (hit["recording"], hit["status"]) == ("yard/walk", "unverified")
    assert 4 < hit["at_seconds"] < 7
    assert crosses["camera_hours"] == pytest.approx(8 / 3600, rel=0.05)
    assert crosses["alerts_a_camera_day"] == pytest.approx(24 / crosses["camera_hours"])


def test_a_near_miss_is_told_with_its_number(site: Path, clip: Path) -> None:
    """What stayed two of four seconds is no alert, but is named with both numbers and with what the gates counted."""
    status, shown, _ = backtest(site, clip, "--rule", "stays")
    assert status == 0
    assert "stays       0" in shown
    assert "0:00–0:07  yard/walk  nothing stayed in left longer than 2 s (needs 4 s)" in shown
    assert "predicate     stopped" in shown
    assert "crosses" not in shown


def test_two_site_files_side_by_side(site: Path, clip: Path, tmp_path: Path) -> None:
    """What both find is found by both; what only the laxer rule finds is its own, with the difference in numbers."""
    lax = write_site(tmp_path / "lax.yaml", **{"longer_than: 4s": "longer_than: 1s"})
    found = figures(site, "--against", lax, "--source", clip)["comparison"]
    _, shown, _ = backtest(site, "--against", lax, "--source", clip)
    assert [pair[0]["rule"] for pair in found["both"]] == ["crosses"]
    assert found["only_first"] == []
    assert [hit["rule"] for hit in found["only_second"]] == ["stays"]
    assert "stays: alerts +1, near misses -1" in shown


def test_a_single_rule_on_each_side_is_one_rule(site: Path, clip: Path, tmp_path: Path) -> None:
    """Two versions under two names are compared with each other."""
    renamed = write_site(tmp_path / "renamed.yaml", **{"id: crosses": "id: passes"})
    found = figures(site, clip, "--against", renamed, "--rule", "crosses", "--rule", "passes")["comparison"]
    assert [[hit["rule"] for hit in pair] for pair in found["both"]] == [["crosses", "passes"]]


def test_truth_scores_the_alerts(site: Path, clip: Path, tmp_path: Path) -> None:
    """Truth by the file's name finds the alert right; recordings it does not speak of are not scored, and told."""
    (tmp_path / "truth.csv").write_text("camera,start,end,label\nwalk,3,7,walk\n")
    other = write_video(tmp_path / "other.mp4", seconds=2, moves=False)
    asked = (site, clip, other, "--rule", "crosses", "--truth", tmp_path / "truth.csv", "--as", "walk=crosses")
    (done,) = figures(*asked)["sites"]
    pooled = done["truth"]["criteria"]["window"]["pooled"]
    assert (pooled["events"], pooled["matched"], pooled["false_alarms"]) == (1, 1, 0)
    assert any("yard/other" in note for note in done["notes"])


def test_the_report_stands_alone(site: Path, clip: Path, tmp_path: Path) -> None:
    """One page with figures, near misses and the alert's pictures, and no address to fetch anything from."""
    status, shown, _ = backtest(site, clip, "--report", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert status == 0
    assert f"report: {tmp_path / 'page.html'}" in shown
    assert page.count("<article") == 1
    assert page.count("data:image/jpeg") >= 2
    assert "longer than 2 s (needs 4 s)" in page
    assert "http" not in page.replace("http-equiv", "")


def test_schedules_count_once_the_time_is_known(site: Path, clip: Path) -> None:
    """Without --start a rule is tried at any hour, and that is said; with it, only when it would have been on."""
    (anytime,) = figures(site, clip, "--rule", "crosses")["sites"]
    (noon,) = figures(site, clip, "--rule", "crosses", "--start", "2026-03-01T12:00")["sites"]
    (night,) = figures(site, clip, "--rule", "crosses", "--start", "2026-03-01T23:00")["sites"]
    assert [done["rules"]["crosses"]["alerts"] for done in (anytime, noon, night)] == [1, 0, 1]
    assert "schedules are left aside" in anytime["notes"][0]
    assert "out of schedule" in {gate["reason"] for gate in noon["rules"]["crosses"]["gates"]}


def test_nobody_is_told_and_nothing_is_kept(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No channel hears of it, the site's data folder and database are not touched, the temporary folder goes."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with Receiver() as receiver:
        site = write_site(tmp_path / "site.yaml", webhook=receiver.url)
        (done,) = figures(site, clip)["sites"]
    assert done["rules"]["crosses"]["alerts"] == 1
    assert receiver.received == []
    assert not (tmp_path / "kept").exists()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_model_is_asked_and_counted(tmp_path: Path, clip: Path) -> None:
    """A verdict and the report on it are two calls; with --no-verify there are none, and that is said."""
    with Receiver(otherwise=judge(0.95)) as vlm:
        site = write_site(tmp_path / "site.yaml", vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge")
        (asked,) = figures(site, clip, "--rule", "crosses")["sites"]
        (spared,) = figures(site, clip, "--rule", "crosses", "--no-verify")["sites"]
    model = asked["rules"]["crosses"]["vlm"]
    assert asked["rules"]["crosses"]["incidents"] == {"confirmed": 1}
    assert (model["verdicts"], model["calls"]) == (1, 2)
    assert model["pictures"] >= 1
    assert spared["rules"]["crosses"]["vlm"]["calls"] == 0
    assert "--no-verify" in spared["notes"][-1]


def test_a_rule_that_is_off_can_be_tried(site: Path, clip: Path) -> None:
    """Named, it runs, on its own camera; not named, it is left out."""
    (named,) = figures(site, clip, "--rule", "crowd")["sites"]
    (all_on,) = figures(site, clip)["sites"]
    assert [one["name"] for one in named["recordings"]] == ["gate/walk"]
    assert list(all_on["rules"]) == ["stays", "crosses"]


def test_two_recordings_of_one_camera_are_apart(site: Path, clip: Path, tmp_path: Path) -> None:
    """Files of one name are numbered, and the second does not suffer the first's cooldown."""
    same = write_video(tmp_path / "walk.mp4")
    (done,) = figures(site, "--rule", "crosses", "--camera", f"yard={clip}", "--camera", f"yard={same}")["sites"]
    assert [hit["recording"] for hit in done["rules"]["crosses"]["hits"]] == ["yard/walk", "yard/walk#2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "which recordings?"),
        (("nowhere.mp4",), "nowhere.mp4: expected a video file, there is none of that name"),
        (("--camera", "yrd=x.mp4"), "no camera 'yrd' (did you mean yard?)"),
        (("--camera", "x.mp4"), "expected --camera CAMERA=FILE"),
        (("--camera", "gate=x.mp4"), "no rule that is tried looks at camera gate"),
        (("x.mp4", "--rule", "stay"), "no rule 'stay' (did you mean stays?)"),
        (("x.mp4", "--rule", "camera-health"), "about the camera's health"),
        (("rtsp://u:secret-word@camera/1",), "rtsp://***@camera/1 is a live camera"),
        (("x.mp4", "--against", "nowhere.yaml"), "no site file at nowhere.yaml"),
        (("synthetic:yard?seconds=2", "--report", "/nowhere/page.html"), "--report /nowhere/page.html: the folder"),
        (("synthetic:yard?seconds=2", "--truth", "nowhere.csv"), "nowhere.csv"),
    ],
    ids=["nothing", "missing", "camera", "form", "unwatched", "rule", "health", "live", "site", "report", "truth"],
)
def test_what_cannot_be_tried_is_refused(site: Path, arguments: tuple[str, ...], words: str) -> None:
    """Before anything is read: one message that says what is wrong, and exit status 2."""
    status, shown, problem = backtest(site, *arguments)
    assert (status, shown) == (2, "")
    assert problem.startswith("error: ")
    assert words in problem


def test_a_file_that_is_cut_short_is_told(site: Path, clip: Path, tmp_path: Path) -> None:
    """It counts for as long as it could be read, and a note says how much of it that was."""
    broken = tmp_path / "broken.avi"
    whole = write_video(tmp_path / "whole.avi").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    (done,) = figures(site, broken, "--rule", "crosses")["sites"]
    assert 0 < done["recordings"][0]["seconds"] < 7
    assert "cut short" in done["notes"][-1]
