"""`sightline train`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app

pytestmark = pytest.mark.models
_RUNNER = CliRunner(env={"COLUMNS": "200"})
_TINY = ("--size", "tiny", "--workers", "0", "--threads", "1", "--seed", "3")


def test_a_training_leaves_weights_and_can_be_resumed(tmp_path: Path) -> None:
    """One command trains, tells the held-out figures and where the weights are; `--resume` goes on with more steps."""
    done = _RUNNER.invoke(app, ["train", "--out", str(tmp_path), "--steps", "1", *_TINY])
    assert done.exit_code == 0, done.output
    assert "held out: " in done.output
    assert f"1 of 1 steps in 0.0 min: {tmp_path}/vision.safetensors, {tmp_path}/CARD.md" in done.output
    again = _RUNNER.invoke(app, ["train", "--data-dir", str(tmp_path), "--steps", "2", *_TINY, "--resume", "--json"])
    lines = [json.loads(line) for line in again.output.splitlines()]
    assert lines[-1]["steps"] == 2
    assert {"step", "held_out"} <= lines[-2].keys()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "either --minutes or --steps"),
        (("--minutes", "1", "--steps", "5"), "either --minutes or --steps"),
        (("--steps", "5", "--resume"), "nothing to resume"),
        (("--steps", "5", "--adapt", "missing.mp4"), "expected a recording at missing.mp4"),
    ],
    ids=["no length", "two lengths", "nothing there", "no footage"],
)
def test_what_cannot_be_trained_is_told_in_words(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """Exit status 2, before anything is rendered."""
    done = _RUNNER.invoke(app, ["train", "--out", str(tmp_path), *_TINY, *words])
    assert done.exit_code == 2
    assert told in done.output


def test_footage_that_is_no_video_is_told_in_words(tmp_path: Path) -> None:
    """A file that cannot be read as a recording stops the training with its name."""
    (tmp_path / "notes.mp4").write_text("no video")
    words = ["train", "--out", str(tmp_path), "--steps", "1", *_TINY, "--adapt", str(tmp_path / "notes.mp4")]
    done = _RUNNER.invoke(app, words)
    assert done.exit_code == 2
    assert "notes.mp4" in done.output
