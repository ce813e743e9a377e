"""`sightline incidents replay`: an incident judged again, beside the verdict it had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.events.watch import rule_version
from pipeline.settings import Settings
from pipeline.site import load_site
from tests.support.cli import SIZE, hostile_report, incident
from tests.support.reasoning import ScriptedServer, serving, textured, well_behaved

SITE = """
site: {{name: depot, timezone: Europe/Berlin}}
models: {{vlm: "openai:{url}#tiny"}}
cameras:
  - {{id: yard, url: x.mp4, zones: {{fence: [[0, 0], [1, 0], [1, 1]]}}}}
rules:
  - {{id: loitering, track: {{inside: fence, longer_than: 45s}}}}
"""
KEPT = incident(3.0, status=IncidentStatus.CONFIRMED, report=hostile_report("a \x1b[31mman"))
REPORT = {
    "frames": [1],
    "elements": [{"name": "man", "frame": 1, "box": [125, 166, 281, 833]}, {"name": "dog", "frame": 4, "box": None}],
    "title": "A man waits",
    "explanation": "A man waits at the fence.",
}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A model that says yes and reports a man, and a dog that nothing bears out."""
    with serving(well_behaved(report=json.dumps(REPORT))) as running:
        yield running


@pytest.fixture
def kept(tmp_path: Path, server: ScriptedServer) -> Path:
    """A data folder with one incident and its picture, and a site file."""
    (tmp_path / "site.yaml").write_text(SITE.format(url=server.url))
    _keep(tmp_path, KEPT)
    return tmp_path


def _keep(folder: Path, seen: Incident) -> None:
    stores = open_stores(Settings(data_dir=folder))
    change = IncidentChange(
        sequence=1, kind=ChangeKind.CONFIRMED, at=seen.opened_at, incident=seen.model_copy(update={"last_change": 1})
    )
    assert stores.incidents.commit(change, [])
    stores.evidence.put(seen.candidate.key_frames[0].uri, textured(*SIZE))
    stores.close()


def _replay(folder: Path, *more: object) -> tuple[int, str, str]:
    arguments = ["incidents", "replay", KEPT.id, "--data-dir", folder, "--site", folder / "site.yaml", *more]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def _stored(folder: Path) -> tuple[Incident | None, int]:
    stores = open_stores(Settings(data_dir=folder))
    found = stores.incidents.get(KEPT.id), len(stores.incidents.changes(KEPT.id))
    stores.close()
    return found


def test_both_verdicts_stand_side_by_side(kept: Path) -> None:
    """Then and now, with versions, claims and what was removed of them; control characters reach no terminal."""
    status, shown, _ = _replay(kept)
    assert status == 0
    assert "Changed since: model, rule version, prompt version, pictures." in shown
    assert "test-vlm" in shown
    assert "openai:tiny" in shown
    assert "A man waits at the fence." in shown
    assert "1 of 2 claims removed:" in shown
    assert "dog in picture 4: picture 4 was not sent" in shown
    assert "\x1b" not in shown


def test_a_replay_writes_nothing(kept: Path) -> None:
    """The incident keeps its verdict, and nobody is told anything."""
    before = _stored(kept)
    assert _replay(kept)[0] == 0
    assert _stored(kept) == before


def test_a_replay_can_be_kept_in_a_file(kept: Path) -> None:
    """As the same JSON that scripts get."""
    status, shown, _ = _replay(kept, "--json", "--save", kept / "replay.json")
    assert status == 0
    saved = json.loads((kept / "replay.json").read_text())
    assert saved == json.loads(shown)
    assert (saved["incident"], saved["missing_pictures"]) == (KEPT.id, [])
    assert saved["then"]["model_id"] == "test-vlm"
    assert saved["now"]["report"]["title"] == "A man waits"
    assert saved["versions"]["model"] == {"then": "test-vlm", "now": "openai:tiny"}


def test_nothing_has_changed(tmp_path: Path, server: ScriptedServer) -> None:
    """With the same model, rule, wording, context and pictures the two verdicts can be compared."""
    (tmp_path / "site.yaml").write_text(SITE.format(url=server.url))
    rule = load_site(tmp_path / "site.yaml").rules[0]
    candidate = KEPT.candidate.model_copy(update={"rule_version": rule_version(rule)})
    _keep(tmp_path, KEPT.model_copy(update={"candidate": candidate}))
    now = json.loads(_replay(tmp_path, "--json")[1])["now"]
    assert KEPT.assessment is not None
    assessment = KEPT.assessment.model_validate(now)
    (other := tmp_path / "other").mkdir()
    (other / "site.yaml").write_text(SITE.format(url=server.url))
    _keep(other, KEPT.model_copy(update={"candidate": candidate, "assessment": assessment}))
    assert "The same model was asked in the same words about the same pictures." in _replay(other)[1]


def test_pictures_that_are_no_longer_kept_are_told(kept: Path) -> None:
    """Without any there is nothing to judge, and both say so."""
    (kept / "evidence" / KEPT.candidate.key_frames[0].uri).unlink()
    status, shown, _ = _replay(kept)
    assert status == 0
    assert "(1 no longer kept)" in shown
    assert "there is no picture to judge" in shown


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param(("loitering", "entry"), "no rule 'loitering'", id="rule gone"),
        pytest.param(("id: yard", "id: gate"), "no camera 'yard'", id="camera gone"),
        pytest.param(("openai:", "odd:"), "models.vlm", id="no such model"),
        pytest.param(('vlm: "', 'vlm: none # "'), "no model judges", id="no model"),
    ],
)
def test_what_cannot_be_replayed_says_why(kept: Path, wrong: tuple[str, str], says: str) -> None:
    """Status 2 and one sentence, before any model is asked."""
    path = kept / "site.yaml"
    path.write_text(path.read_text().replace(*wrong).replace("none # ", "none} #"))
    status, _, error = _replay(kept)
    assert status == 2
    assert says in error


def test_another_model_can_be_asked(kept: Path) -> None:
    """`--model` stands for the site's."""
    status, _, error = _replay(kept, "--model", "none")
    assert status == 2
    assert "no model judges" in error
