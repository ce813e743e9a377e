"""`sightline watch` on small videos, with the motion detector."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.settings import Settings
from pipeline.store.lock import DataFolderLock
from tests.support.cli import write_video


def watch(*arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner().invoke(app, ["watch", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in which something walks through from the third on."""
    return write_video(tmp_path_factory.mktemp("clips") / "walk.mp4")


def test_motion_is_told_with_a_report(clip: Path, tmp_path: Path) -> None:
    """One incident, at its place in the file, with a summary and a report that has its picture."""
    status, shown, _ = watch(clip, "--save", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert status == 0
    assert re.match(r"0:0[345]  unverified .* walk  motion: ", shown)
    assert "1 incident (1 unverified) in 0:07 of video: 80 frames read" in shown
    assert page.count("<article") == 1
    assert page.count("data:image/jpeg") >= 2


def test_nothing_moves_nothing_is_told(tmp_path: Path) -> None:
    """A still picture gives no incident, exit status 0."""
    status, shown, _ = watch(write_video(tmp_path / "still.mp4", moves=False))
    assert (status, shown.split(" in ")[0]) == (0, "0 incidents")


def test_rules_with_zones_and_lines(clip: Path) -> None:
    """What crosses a line and enters a zone is told by the rules that were asked for."""
    status, shown, _ = watch(
        clip,
        *("--zone", "right=0.6,0:1,1", "--line", "middle=0.5,0:0.5,1"),
        *("--rule", "anything enters right", "--rule", "anything crosses middle", "--json"),
    )
    lines = [json.loads(line) for line in shown.splitlines()]
    opened = [line["incident"]["rule_id"] for line in lines[:-1] if line["kind"] == "unverified"]
    assert status == 0
    assert sorted(opened) == ["anything-crosses-middle", "anything-enters-right"]
    assert (lines[-1]["type"], lines[-1]["incidents"]) == ("summary", 2)


def test_what_was_seen_stays_only_when_asked(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --data-dir the data is kept for `incidents` and `why`; without, nothing stays behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    watch(clip)
    watch(clip, "--data-dir", tmp_path / "kept")
    listed = CliRunner().invoke(app, ["incidents", "list", "--data-dir", str(tmp_path / "kept"), "--json"])
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(json.loads(listed.stdout)) == 1


def test_a_second_run_on_a_folder_is_refused(clip: Path, tmp_path: Path) -> None:
    """While one run holds the data folder, another gets one message and exit status 2."""
    settings = Settings(data_dir=tmp_path)
    with DataFolderLock(settings.data_dir):
        status, _, problem = watch(clip, "--data-dir", tmp_path)
    assert status == 2
    assert problem.startswith("error: the data folder")
    assert "in use by process" in problem


def test_runs_one_after_another_share_a_folder(clip: Path, tmp_path: Path) -> None:
    """A folder serves run after run; each adds its incidents."""
    statuses = [watch(clip, "--data-dir", tmp_path)[0] for _ in range(2)]
    listed = CliRunner().invoke(app, ["incidents", "list", "--data-dir", str(tmp_path), "--json"])
    assert statuses == [0, 0]
    assert len(json.loads(listed.stdout)) == 2


BAD_FILES = [
    ("missing.mp4", None, "there is none of that name"),
    ("empty.mp4", b"", "got an empty file"),
    ("noise.mp4", b"not a video at all" * 5000, "expected a video that FFmpeg can decode"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES, ids=[row[0] for row in BAD_FILES])
def test_a_bad_file_is_one_message(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """Missing, empty, not a video: one line on standard error, exit status 2, no report."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    status, shown, problem = watch(tmp_path / name, "--save", tmp_path / "report.html")
    assert (status, shown) == (2, "")
    assert len(problem.splitlines()) == 1
    assert message in problem
    assert not (tmp_path / "report.html").exists()


BAD_WORDS = [
    (("--rule", "person enters"), "is not one of the forms"),
    (("--rule", "person enters door", "--zone", "door=0,0:1,1"), "the motion detector cannot tell a person"),
    (("--rule", '"a person climbs"'), "needs an encoder"),
    (("--zone", "door=0,0,1,1"), "2 points make no zone"),
    (("--cooldown", "soon"), "expected a duration"),
    (("--save", "/no/such/folder/report.html"), "does not exist"),
    (("--detector", "onnx:/no/such/model.onnx"), "/no/such/model.onnx"),
]


@pytest.mark.parametrize(("words", "message"), BAD_WORDS, ids=[" ".join(row[0]) for row in BAD_WORDS])
def test_what_cannot_work_is_refused_before_it_starts(clip: Path, words: tuple[str, ...], message: str) -> None:
    """Exit status 2 and what to do, without a traceback."""
    status, _, problem = watch(clip, *words)
    assert status == 2
    assert message in problem
    assert "Traceback" not in problem


def test_an_unknown_scheme_is_refused() -> None:
    """`ftp://` is no source."""
    status, _, problem = watch("ftp://example.org/x")
    assert status == 2
    assert "'ftp'" in problem


def test_a_file_that_is_cut_short_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    """What could be read counts; a warning and the report say that the rest is missing; exit status 0."""
    whole = write_video(tmp_path / "whole.avi", seconds=12.0)
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 2 // 3])
    status, shown, problem = watch(tmp_path / "cut.avi", "--save", tmp_path / "report.html")
    assert status == 0
    assert "1 incident" in shown
    assert "ended early" in problem
    assert "cut short or damaged" in (tmp_path / "report.html").read_text()


def test_a_receiver_that_is_away_costs_no_alert(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be sent is kept, with a word on where, although the data folder was a temporary one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SIGHTLINE_DRAIN_FOR", "0.2")
    status, _, problem = watch(clip, "--webhook", "http://127.0.0.1:9/hook")
    (folder,) = tmp_path.iterdir()
    assert status == 0
    assert f"watch again with --data-dir {folder}" in problem.replace("\n", "")
