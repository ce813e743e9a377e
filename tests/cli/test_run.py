"""`sightline run` on files, to their end."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.program import app
from tests.support.cli import write_video

RULES = """
rules: [{id: moving, track: {object: any, count_above: 0}}]
"""


def run(folder: Path, cameras: str, *options: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a run over `cameras`."""
    (folder / "site.yaml").write_text(cameras + RULES)
    arguments = ["run", str(folder / "site.yaml"), "--data-dir", str(folder / "data"), "--speed", "0", *options]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_files_are_run_to_their_end(tmp_path: Path) -> None:
    """Every change is a line of JSON, the last line sums up, exit status 0."""
    write_video(tmp_path / "walk.mp4")
    status, shown, _ = run(tmp_path, f"cameras: [{{id: hall, url: '{tmp_path}/walk.mp4'}}]", "--json")
    *changes, summary = [json.loads(line) for line in shown.splitlines()]
    assert status == 0
    assert [change["kind"] for change in changes if change["kind"] != "updated"] == ["unverified", "closed"]
    assert (summary["type"], summary["frames_read"], summary["incidents"]) == ("summary", 80, 1)


def test_quiet_prints_no_incidents(tmp_path: Path) -> None:
    """With --quiet standard output stays empty."""
    write_video(tmp_path / "walk.mp4")
    status, shown, _ = run(tmp_path, f"cameras: [{{id: hall, url: '{tmp_path}/walk.mp4'}}]", "--quiet")
    assert (status, shown) == (0, "")


def test_one_bad_camera_does_not_stop_the_others(tmp_path: Path) -> None:
    """What can be read is watched; what cannot is named, and the exit status is 1."""
    write_video(tmp_path / "walk.mp4")
    cameras = f"cameras: [{{id: hall, url: '{tmp_path}/walk.mp4'}}, {{id: gone, url: '{tmp_path}/gone.mp4'}}]"
    status, shown, _ = run(tmp_path, cameras, "--json")
    summary = json.loads(shown.splitlines()[-1])
    assert (status, summary["incidents"]) == (1, 1)
    assert summary["failures"][0].startswith("gone: ")


def test_a_metrics_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    """Exit status 2, before anything is read."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, problem = run(tmp_path, "cameras: [{id: hall, url: x.mp4}]", "--metrics-port", port)
    assert status == 2
    assert f"cannot serve metrics on 127.0.0.1:{port}" in problem
