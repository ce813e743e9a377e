"""`sightline ask`, over a data folder, with a server that calls tools as a script says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.search.found import cite
from tests.support.archive import BAG, SITE, calling, fill
from tests.support.reasoning import Reply, ScriptedServer, completion, in_turn, serving

EVENING = {"camera": "yard", "from": "2026-07-10T22:00", "to": "2026-07-10T22:24"}
SEARCH = calling(("search_events", EVENING))
GOOD = completion(f"A man left a red bag [{BAG.id[:8]}#1].")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving(in_turn(SEARCH, GOOD)) as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path, server: ScriptedServer) -> Path:
    fill(tmp_path)
    (tmp_path / "site.yaml").write_text(f"{SITE}models: {{vlm: 'openai:{server.url}#tiny'}}\n")
    return tmp_path


def sightline(kept: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    where = ("--data-dir", str(kept), "--site", str(kept / "site.yaml"))
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments, *where], input=typed)
    return result.exit_code, result.stdout, result.stderr


def test_answers_with_evidence_and_with_when_nobody_watched(kept: Path) -> None:
    """The answer, the program's own sentence, the picture; what is looked up goes to standard error."""
    status, shown, progress = sightline(kept, "ask", "who left the bag at the gate this evening?")
    assert status == 0
    assert f"A man left a red bag {cite(BAG, 1)}." in shown
    assert "Note: yard was not watched 2026-07-10 22:00:00–22:14:00: not running" in shown
    assert "22:16:00–22:18:00: offline (no answer)" in shown
    assert f"{BAG.id}/1.jpg" in shown
    assert "search_events" in progress


def test_json_has_everything_for_a_script(kept: Path) -> None:
    """Answer, citations with whole ids, gaps, calls."""
    _, shown, _ = sightline(kept, "ask", "who?", "--json")
    told = json.loads(shown)
    assert [(each["incident"], each["frame"]) for each in told["citations"]] == [(BAG.id, 1)]
    assert told["calls"][0]["tool"] == "search_events"
    assert told["unwatched"]


def test_without_a_question_it_asks_for_one_again_and_again(kept: Path, server: ScriptedServer) -> None:
    """A follow-up knows what was said before; a failure does not end it, `exit` does."""
    server.script = in_turn(SEARCH, GOOD, Reply(401, b"no"), GOOD)
    status, shown, told = sightline(kept, "ask", "--json", typed="who?\nagain?\n\nand where?\nexit\nnever\n")
    assert status == 0
    assert [json.loads(line)["question"] for line in shown.splitlines()] == ["who?", "and where?"]
    assert "refused the request (401)" in told
    assert "A man left a red bag" in json.dumps(server.bodies[-1]["messages"][:-1])


def test_without_a_model_it_says_which_setting_to_set(kept: Path) -> None:
    """No model is no crash."""
    (kept / "site.yaml").write_text(SITE)
    status, _, told = sightline(kept, "ask", "who?")
    assert status == 2
    assert "models.vlm" in told


def test_of_two_models_the_stronger_answers(kept: Path, server: ScriptedServer) -> None:
    """A question is asked seldom, and is hard."""
    models = f"{{vlm: 'openai:http://127.0.0.1:9/v1#small', strong_vlm: 'openai:{server.url}#tiny'}}"
    (kept / "site.yaml").write_text(f"{SITE}models: {models}\n")
    assert sightline(kept, "ask", "who?")[0] == 0
    assert server.bodies[0]["model"] == "tiny"


def test_without_a_site_file_it_says_what_is_missing(kept: Path) -> None:
    """The model stands in the site file."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["ask", "who?", "--data-dir", str(kept)])
    assert result.exit_code == 2
    assert "--site" in result.stderr


def test_an_empty_question_is_wrong_usage(kept: Path) -> None:
    """Nothing is asked of the model."""
    assert sightline(kept, "ask", "  ")[0] == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(500, {"error": {"message": "boom"}}), "boom"),
        (Reply(body=b'{"choices": [', is_cut=True), "no whole answer"),
        (Reply(400, {"error": {"message": "context length exceeded"}}), "context length"),
    ],
    ids=["500", "cut", "too long"],
)
def test_a_server_that_fails_is_one_message(kept: Path, server: ScriptedServer, reply: Reply, expected: str) -> None:
    """Exit status 1, no traceback."""
    server.script = in_turn(reply)
    status, shown, told = sightline(kept, "ask", "who?")
    assert (status, shown) == (1, "")
    assert expected in told


def test_a_model_that_calls_for_ever_is_stopped(kept: Path, server: ScriptedServer) -> None:
    """The program answers in its place, and still says when nobody watched."""
    server.script = in_turn(SEARCH)
    status, shown, told = sightline(kept, "ask", "who?", "--steps", "3")
    assert status == 0
    assert "No answer: the model wrote none within 3 steps." in shown
    assert "Note: yard was not watched" in shown
    assert "limits" in told


def test_a_hundred_thousand_tokens_are_cut(kept: Path, server: ScriptedServer) -> None:
    """Nobody reads that; nothing can steer the terminal."""
    server.script = in_turn(SEARCH, completion("\x1b[31mword " * 100_000))
    _, shown, told = sightline(kept, "ask", "who?")
    assert len(shown) < 10_000
    assert "\x1b" not in shown
    assert "cut at 8,000" in told
