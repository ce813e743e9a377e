"""The demo's second part: its form and its honesty, whatever the shipped models make of the scenes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.demo_verdicts import QUESTIONS, Judged, Staging
from pipeline.cli.demo_verdicts_shown import demo_verdicts
from pipeline.cli.program import app
from pipeline.contracts.incident import IncidentStatus
from pipeline.scenes.claims import MAIN
from pipeline.scenes.library import open_staged
from pipeline.settings import Settings
from tests.support.cli import incident


def _staging(name: str) -> Staging:
    return Staging(name, open_staged(name, seed=1, size=(160, 90)), Path("unused.mp4"))


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("camera", "status", "is_right"),
    [
        ("fall", IncidentStatus.CONFIRMED, True),
        ("fall", IncidentStatus.REJECTED, False),
        ("fall", IncidentStatus.UNVERIFIED, False),
        ("near-fall", IncidentStatus.REJECTED, True),
        ("near-fall", IncidentStatus.CONFIRMED, False),
        ("near-fall", IncidentStatus.UNVERIFIED, False),
    ],
)
def test_a_verdict_is_right_when_it_is_as_planted(camera: str, status: IncidentStatus, is_right: bool) -> None:
    """What is planted is to be confirmed and its near miss rejected; not to be sure is not right."""
    judged = Judged(_staging(camera), incident(status=status, reason="as the model says"), ())
    assert judged.is_right is is_right


@pytest.mark.parametrize(("camera", "is_right"), [("fall", False), ("near-fall", True)])
def test_no_alarm_is_right_for_a_near_miss_alone(camera: str, is_right: bool) -> None:
    """Where the tracks raise no alarm, what is planted is missed and a near miss is told from it."""
    assert Judged(_staging(camera), None, ()).is_right is is_right


def test_each_rule_asks_for_what_its_scene_plants() -> None:
    """Every question is of a situation whose near miss can be staged, and knows a zone where it asks about one."""
    for situation, question in QUESTIONS.items():
        assert (question.in_zone_seconds is not None) == (MAIN[situation].where == "in")
        assert "marked area" in question.words or question.in_zone_seconds is None


def test_the_question_is_put_when_the_story_is_over() -> None:
    """What is asked of the whole picture waits for the story's end, and not for the scene's."""
    staging = _staging("fall")
    asked_at = staging.wait_seconds + 0.6
    assert staging.story.end_seconds - 1 <= asked_at <= staging.story.duration_seconds


@pytest.mark.models
def test_every_camera_has_a_result_held_against_what_is_planted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One situation and its near miss: each has an outcome, told right or wrong as planted; and the counts agree."""
    assert demo_verdicts(Settings(data_dir=tmp_path), ["fall"], as_json=True) == 0
    *cameras, counts = _lines(capsys.readouterr().out)
    assert [(each["camera"], each["expected"]) for each in cameras] == [
        ("fall", "confirmed"),
        ("near-fall", "rejected"),
    ]
    for each in cameras:
        assert each["verdict"] in ("confirmed", "rejected", "unverified", None)
        assert each["is_right"] == (each["verdict"] in {each["expected"], None if each["near_miss"] else ""})
        assert bool(each["explanation"]) == (each["verdict"] == "confirmed")
    assert (counts["cameras"], counts["right"]) == (2, sum(each["is_right"] for each in cameras))
    assert counts["peak_memory_mib"] > 0


def test_without_the_models_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the models extra is not installed: a plain sentence, and no failure of the demo."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert demo_verdicts(Settings(data_dir=tmp_path), ["fall"]) == 0
    assert "left out here: the built-in models need torch" in capsys.readouterr().out


def test_the_demo_tells_scripts_as_json(tmp_path: Path) -> None:
    """With --json every line is JSON: incidents, webhooks, and at last what was planted and found."""
    line = ["demo", "--json", "--no-models", "--seconds", "60", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0
    told = _lines(result.stdout)
    assert {each["type"] for each in told} == {"change", "webhook", "scene"}
    assert told[-1]["is_perfect"]
    assert all(each["is_genuine"] for each in told if each["type"] == "webhook")
