"""`sightline learn-rules`: from sentences or pictures to entries of a site file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.footage import of_false_alarms
from pipeline.cli.program import app
from pipeline.contracts.incident import ChangeKind, IncidentChange, IncidentStatus, Review
from pipeline.jpeg import decode
from pipeline.reasoning.lexicon import ENTRIES
from pipeline.settings import Settings
from pipeline.site import parse_site
from tests.support.cli import START, incident, write_video
from tests.support.reasoning import jpeg
from tests.support.receiver import Receiver, Step, answer

SITE = """
models: {vlm: "VLM", encoder: some/clip}
cameras:
  - {id: yard, url: rtsp://camera.invalid/stream, masks: [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}
rules:
  - {id: yard-running-or-rushing, when: a person running, verify: none, enabled: false}
settings: {data_dir: "KEPT"}
"""
WALKING = "One person is walking along the path."


def learn(tmp_path: Path, *arguments: object, vlm: str = "none") -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    site = tmp_path / "site.yaml"
    site.write_text(SITE.replace("VLM", vlm).replace("KEPT", str(tmp_path / "kept")))
    runner = CliRunner(env={"COLUMNS": "200"})
    result = runner.invoke(app, ["learn-rules", "--camera", "yard", "--site", str(site), *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def captions(tmp_path: Path, *lines: str, name: str = "said.txt") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return path


def painter() -> Step:
    """Describes every picture alike, and answers the two questions of a batch."""

    def step(handler: Any) -> None:
        if handler.command == "GET":
            answer(200, json.dumps({"data": [{"id": "judge"}]}).encode())(handler)
            return
        asked = json.dumps(handler.server.receiver.received[-1].json["messages"])
        found: dict[str, Any] = {"sentence": WALKING}
        if "ANOMALOUS" in asked:
            found = {"rules": [{"because": [1], "rule": "a person lying on the path"}]}
        elif "NORMAL" in asked:
            found = {"rules": [{"because": [1], "rule": "people walking on the path"}]}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(found)}}
        answer(200, json.dumps({"choices": [choice]}).encode(), content_type="application/json")(handler)

    return step


@pytest.fixture
def server() -> Iterator[Receiver]:
    with Receiver(otherwise=painter()) as running:
        yield running


def vlm_of(server: Receiver) -> str:
    return f"openai:http://127.0.0.1:{server.port}/v1#judge"


def test_sentences_become_rules_that_a_site_file_takes(tmp_path: Path) -> None:
    """Switched off, for that camera, under names that are free, with the votes beside them."""
    status, shown, problem = learn(tmp_path, "--no-model", "--captions", captions(tmp_path, *[WALKING] * 30))
    assert status == 0, problem
    found = yaml.safe_load(shown)["rules"]
    assert {name: value for name, value in found[0].items() if name != "when"} == {
        "id": "yard-running-or-rushing-2",
        "cameras": "yard",
        "enabled": False,
    }
    assert "5 of 5: people walking" in shown
    taken = parse_site(SITE.split("rules:")[0] + shown, "induced", {}).rules
    assert len(taken) == len(found)
    assert not any(rule.enabled for rule in taken)


def test_a_table_of_sentences_tells_their_times(tmp_path: Path) -> None:
    """What was said seldom stands beside its rule, with when."""
    rows = [f'{second},"{WALKING}"' for second in range(60)] + ['60,"A person is running, bag in hand."']
    path = captions(tmp_path, "time,sentence", *rows, name="said.csv")
    status, shown, problem = learn(tmp_path, "--no-model", "--captions", path, "--json")
    assert status == 0, problem
    told = json.loads(shown)
    running = next(one for one in told["rules"] if "running" in one["rule"]["when"])
    assert running["evidence"] == [{"text": "A person is running, bag in hand.", "where": "said.csv at 60"}]
    assert (told["sentences"], told["batches"]) == (61, 5)


def test_a_recording_is_described_behind_the_cameras_masks(tmp_path: Path, server: Receiver) -> None:
    """The model gets pictures of the whole file, then a batch's sentences; its rules are voted on."""
    clip = write_video(tmp_path / "day.mp4", seconds=3.0)
    status, shown, problem = learn(
        tmp_path, "--source", clip, "--frames", 6, "--batches", 2, "--json", vlm=vlm_of(server)
    )
    assert status == 0, problem
    told = json.loads(shown)
    assert [one["rule"]["when"] for one in told["rules"]] == ["a person lying on the path"]
    assert told["rules"][0]["against"] == "people walking on the path"
    assert told["normal"][0]["votes"] == 2
    assert told["normal"][0]["evidence"][0]["where"] == "day.mp4 at 0.0 s"
    described = next(one.json["messages"][1]["content"] for one in server.received if "base64" in one.body.decode())
    pixels = decode(base64.b64decode(described[0]["image_url"]["url"].partition(",")[2]))
    assert pixels[:, :150].max() < 20
    assert pixels[:, 170:].mean() > 60


def test_rules_go_to_a_new_file_and_never_over_an_old_one(tmp_path: Path) -> None:
    """The site file named by mistake stays as it is."""
    given = ("--no-model", "--captions", captions(tmp_path, *[WALKING] * 30), "--output")
    status, shown, _ = learn(tmp_path, *given, tmp_path / "rules.yaml")
    assert status == 0
    assert "all switched off" in shown
    assert "enabled: false" in (tmp_path / "rules.yaml").read_text()
    status, _, problem = learn(tmp_path, *given, tmp_path / "site.yaml")
    assert (status, "it is there already" in problem) == (2, True)


def test_what_a_model_writes_stays_in_its_comment(tmp_path: Path) -> None:
    """A sentence with line breaks and control characters makes no entry of its own."""
    path = captions(tmp_path, *[WALKING] * 60, "A person is running \x1b[2J \u2028 - id: mine")
    _, shown, _ = learn(tmp_path, "--no-model", "--captions", path)
    assert "\x1b" not in shown
    assert not any(rule["id"] == "mine" for rule in yaml.safe_load(shown)["rules"])


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        ((), "said.txt", "there is no sentence in it"),
        ((WALKING,) * 4, "said.txt", "too few for 5 batches"),
        (("time,text", f"0,{WALKING}"), "said.csv", "expected the columns time,sentence"),
    ],
    ids=["empty", "few", "columns"],
)
def test_sentences_that_do_not_do_are_told(tmp_path: Path, lines: tuple[str, ...], name: str, words: str) -> None:
    """With what was expected."""
    status, _, problem = learn(tmp_path, "--no-model", "--captions", captions(tmp_path, *lines, name=name))
    assert (status, words in problem) == (2, True), problem


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "which footage?"),
        (("--source", "a.mp4", "--live", "1m"), "which footage?"),
        (("--source", "a.mp4", "--no-model"), "cannot describe pictures"),
        (("--source", "a.mp4"), "has no models.vlm"),
        (("--captions", "gone.txt"), "cannot be read as text"),
        (("--camera", "yrad", "--live", "1m"), "did you mean yard?"),
    ],
    ids=["none", "two", "no model", "no model in the site", "no file", "no camera"],
)
def test_what_cannot_work_is_told_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """As wrong usage, with what to do."""
    status, _, problem = learn(tmp_path, *arguments)
    assert (status, words in problem) == (2, True), problem


def test_a_model_that_is_away_is_told(tmp_path: Path) -> None:
    """A failure of now, not of the command."""
    clip = write_video(tmp_path / "day.mp4", seconds=1.0)
    status, _, problem = learn(tmp_path, "--source", clip, vlm="openai:http://127.0.0.1:9/v1#judge")
    assert status == 1
    assert "127.0.0.1:9" in problem


def test_a_camera_without_kept_pictures_is_told(tmp_path: Path, server: Receiver) -> None:
    """A confirmed incident is no normal footage; how to make some is said."""
    (tmp_path / "kept").mkdir()
    open_stores(Settings(data_dir=tmp_path / "kept")).close()
    status, _, problem = learn(tmp_path, "--from", "2026-01-01", vlm=vlm_of(server))
    assert (status, "incidents reject" in problem) == (2, True), problem


def test_kept_pictures_of_false_alarms_are_footage(tmp_path: Path) -> None:
    """What a person or the model rejected is described; what was confirmed or never judged is not."""
    right, wrong = (Review(is_right=is_right, by="guard", at=START) for is_right in (True, False))
    (tmp_path / "kept").mkdir()
    with closing(open_stores(Settings(data_dir=tmp_path / "kept"))) as stores:
        found = [
            incident(3.0, status=IncidentStatus.REJECTED),
            incident(30.0, status=IncidentStatus.REJECTED, review=right),
            incident(60.0, status=IncidentStatus.CONFIRMED, review=wrong),
            incident(90.0),
        ]
        for one in (each.model_copy(update={"last_change": 1}) for each in found):
            stores.evidence.put(one.candidate.key_frames[0].uri, jpeg())
            stores.incidents.commit(IncidentChange(sequence=1, kind=ChangeKind.CLOSED, at=START, incident=one), ())
        span = (START, START + timedelta(minutes=5))
        shown = of_false_alarms(stores.incidents, stores.evidence, "yard", span, 10)
    assert [where for _, where in shown] == [f"incident {found[place].id}, frame 1" for place in (0, 2)]


def test_all_that_is_unusual_is_normal_there(tmp_path: Path) -> None:
    """No rule is suggested, and that is said; the exit status is 0, for nothing failed."""
    everything = "; ".join(entry.words for entry in ENTRIES)
    status, shown, problem = learn(tmp_path, "--no-model", "--captions", captions(tmp_path, *[everything] * 20))
    assert (status, "rules: []" in shown) == (0, True)
    assert "no rule" in problem
