"""`sightline cameras describe`: a scene card to read and paste."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.site import parse_site
from tests.support.cli import write_video
from tests.support.receiver import Receiver, Step, answer

SITE = """
site: {language: zh}
models: {vlm: "VLM"}
cameras: [{id: yard, url: rtsp://camera.invalid/stream}]
"""
CARD = {"place": "仓库的装卸区：从屋顶俯视", "normal": ["早上有卡车", "yes"], "hazards": []}


def describer() -> Step:
    def step(handler: Any) -> None:
        if handler.command == "GET":
            answer(200, json.dumps({"data": [{"id": "judge"}]}).encode())(handler)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": json.dumps(CARD)}}
        answer(200, json.dumps({"choices": [choice]}).encode(), content_type="application/json")(handler)

    return step


def describe(folder: Path, *arguments: object, vlm: str = "none") -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    (folder / "site.yaml").write_text(SITE.replace("VLM", vlm))
    runner = CliRunner(env={"COLUMNS": "200"})
    result = runner.invoke(app, ["cameras", "describe", str(folder / "site.yaml"), *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_recording_becomes_an_entry_of_the_site_file(tmp_path: Path) -> None:
    """In the site's language; what is printed is taken by the site file, which itself stays as it was."""
    clip = write_video(tmp_path / "day.mp4", seconds=2.0)
    with Receiver(otherwise=describer()) as server:
        vlm = f"openai:http://127.0.0.1:{server.port}/v1#judge"
        status, shown, problem = describe(tmp_path, "yard", "--source", clip, "--pictures", 3, vlm=vlm)
        asked = [each.body.decode() for each in server.received if b"base64" in each.body]
    assert status == 0, problem
    assert "place: 仓库的装卸区" in shown
    entry = yaml.safe_load(shown)["cameras"][0]
    entry["url"] = "rtsp://camera.invalid/stream"
    scene = parse_site(yaml.safe_dump({"cameras": [entry]}), "pasted", {}).cameras[0].scene
    assert scene is not None
    assert scene.model_dump(mode="json") == CARD
    assert asked[0].count('image_url"') == 2 * 3
    assert (tmp_path / "site.yaml").read_text() == SITE.replace("VLM", vlm)


def test_scripts_get_json(tmp_path: Path) -> None:
    """The camera and its card."""
    clip = write_video(tmp_path / "day.mp4", seconds=1.0)
    with Receiver(otherwise=describer()) as server:
        vlm = f"openai:http://127.0.0.1:{server.port}/v1#judge"
        _, shown, _ = describe(tmp_path, "yard", "--source", clip, "--json", vlm=vlm)
    assert json.loads(shown) == {"camera_id": "yard", "scene": CARD}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """A camera that is not there, and a site without a model."""
    clip = write_video(tmp_path / "day.mp4", seconds=1.0)
    status, _, problem = describe(tmp_path, "gate", "--source", clip)
    assert (status, "there are: yard" in problem) == (2, True)
    status, _, problem = describe(tmp_path, "yard", "--source", clip)
    assert (status, "write the card by hand" in problem) == (2, True)
