"""`sightline learned`: what was learned, looked at, carried elsewhere and forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.example import ReviewedVector, dump_reviewed, load_reviewed
from pipeline.contracts.incident import ChangeKind, IncidentChange, Review
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.values import pack_vector
from pipeline.events.calibration import Calibration
from pipeline.events.state_machine import FixedLevels
from pipeline.settings import Settings
from tests.support.cli import START, incident


def levels() -> bytes:
    """Of three hours at 0.2, and one review."""
    subject = Calibration(
        FixedLevels(0.6, 0.4), alerts_per_day=1, after_seconds=6 * 3600, dwell_seconds=1, smoothing_seconds=1
    )
    for number in range(181):
        subject.note(START.timestamp() + 60 * number, 0.2)
    subject.reviewed("i1", START.timestamp(), 0.7, False)
    return subject.dump()


SEEN = ReviewedVector(np.float32([1, 0]), True, "incident 3f2a")
CLIMB = Learned("yard", "climb", LearnedKind.CALIBRATION, "clip-1", START, levels())
NORMAL = Learned("yard", "", LearnedKind.NORMAL, "clip-1", START, b"\x00bank\xff")
EXAMPLES = Learned("", "climb", LearnedKind.EXAMPLES, "clip-1", START, dump_reviewed([SEEN]))
GATE = replace(CLIMB, camera_id="gate", rule_id="fall")
ALL = [CLIMB, NORMAL, EXAMPLES, GATE]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder in which two cameras have learned."""
    return folder(tmp_path / "kept", ALL)


def folder(path: Path, learned: list[Learned]) -> Path:
    path.mkdir()
    stores = open_stores(Settings(data_dir=path))
    stores.learned.save(learned)
    stores.close()
    return path


def stored(path: Path) -> list[Learned]:
    stores = open_stores(Settings(data_dir=path))
    found = stores.learned.load()
    stores.close()
    return found


def learned(kept: Path, *arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a command on the folder."""
    line = ["learned", *map(str, arguments), "--data-dir", str(kept)]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, line)
    return result.exit_code, result.stdout, result.stderr


def test_lists_what_is_known_of_each(kept: Path) -> None:
    """Camera, rule, kind, learned from, updated, threshold, size; the camera's rows alone on request."""
    status, shown, _ = learned(kept, "list")
    assert status == 0
    row = next(line for line in shown.splitlines() if line.startswith("yard") and "climb" in line)
    assert row.split()[:8] == ["yard", "climb", "calibration", "3.0", "h", "2026-07-10", "20:14:00", "0.647"]
    assert "(all)" in shown
    assert "gate" not in learned(kept, "list", "--camera", "yard")[1]


def test_json_has_every_number(kept: Path) -> None:
    """With the kinds that only their owners can read passing as what they are."""
    status, shown, _ = learned(kept, "list", "--json")
    found = {(one["camera_id"], one["kind"]): one for one in json.loads(shown)}
    assert status == 0
    assert found["yard", "calibration"]["watched_seconds"] == 3 * 3600
    assert found["yard", "calibration"]["reviews_wrong"] == 1
    assert found["yard", "normal"]["size_bytes"] == 6
    assert "threshold" not in found["", "examples"]


def test_shows_where_a_threshold_comes_from(kept: Path) -> None:
    """In the words of the calibration; of one rule or of the whole camera."""
    status, shown, _ = learned(kept, "show", "yard", "climb")
    assert status == 0
    assert "fixed threshold: 3 h of 6 h watched, 1 review" in shown
    assert "reviews: 0 right, 1 wrong" in shown
    assert "normal" in learned(kept, "show", "yard")[1]


def test_of_what_has_learned_nothing_it_says_so(kept: Path, tmp_path: Path) -> None:
    """An unknown camera is wrong usage; an empty list is an answer."""
    status, _, said = learned(kept, "show", "roof")
    assert (status, "nothing learned of roof" in said) == (2, True)
    status, shown, _ = learned(folder(tmp_path / "empty", []), "list")
    assert (status, "nothing learned yet" in shown) == (0, True)


def test_what_was_exported_is_imported_elsewhere(kept: Path, tmp_path: Path) -> None:
    """To the last byte, with its time and basis."""
    file, other = tmp_path / "learned.json", folder(tmp_path / "other", [])
    assert learned(kept, "export", file)[1].startswith("4 entries written")
    assert learned(other, "import", file)[0] == 0
    assert stored(other) == stored(kept)


def test_one_camera_can_be_carried(kept: Path, tmp_path: Path) -> None:
    """With what concerns all cameras; out and in."""
    file, other = tmp_path / "learned.json", folder(tmp_path / "other", [])
    learned(kept, "export", file)
    learned(other, "import", file, "--camera", "gate")
    assert {one.camera_id for one in stored(other)} == {"", "gate"}


def test_what_is_newer_here_stays(kept: Path, tmp_path: Path) -> None:
    """And is named; the rest is taken."""
    file = tmp_path / "learned.json"
    learned(kept, "export", file)
    newer = replace(CLIMB, updated_at=START + timedelta(hours=1))
    other = folder(tmp_path / "other", [newer])
    status, shown, said = learned(other, "import", file)
    assert (status, "3 entries taken" in shown) == (0, True)
    assert "yard, climb, calibration: what is here is newer" in said
    assert newer in stored(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "is of version 2, and this Sightline reads version 1"),
        ({"format": "something"}, "expected what `sightline learned export` writes"),
        ({"learned": [{"camera_id": "yard"}]}, "learned.0.rule_id is wrong"),
        ({"learned": None}, "learned is wrong"),
    ],
    ids=["version", "another file", "a field missing", "no entries"],
)
def test_a_wrong_file_is_refused_in_clear_words(kept: Path, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """As wrong usage, and nothing is taken."""
    file, other = tmp_path / "learned.json", folder(tmp_path / "other", [])
    learned(kept, "export", file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    status, _, said = learned(other, "import", file)
    assert (status, words in said) == (2, True)
    assert stored(other) == []


def test_a_damaged_calibration_is_refused_with_its_name(kept: Path, tmp_path: Path) -> None:
    """Nothing of its file is taken."""
    file = tmp_path / "learned.json"
    learned(folder(tmp_path / "bad", [replace(CLIMB, body=CLIMB.body[:-9]), NORMAL]), "export", file)
    status, _, said = learned(kept, "import", file)
    assert (status, "yard, climb, calibration: a calibration of" in said) == (2, True)
    assert "nothing was taken" in said


@pytest.mark.parametrize("text", [None, "not JSON", "[]", "\udcff"], ids=["no file", "text", "a list", "no UTF-8"])
def test_what_is_no_export_is_refused(kept: Path, tmp_path: Path, text: str | None) -> None:
    """Whatever it is."""
    file = tmp_path / "learned.json"
    if text is not None:
        file.write_text(text, errors="surrogateescape")
    status, _, said = learned(kept, "import", file)
    assert (status, str(file) in said) == (2, True)


def test_a_damaged_calibration_is_shown_as_such(tmp_path: Path) -> None:
    """The rest of the list is not lost for it."""
    kept = folder(tmp_path / "bad", [replace(CLIMB, body=b"SLC9"), NORMAL])
    assert "damaged" in learned(kept, "list")[1]
    assert "begun afresh at the next start" in learned(kept, "show", "yard")[1]


def test_reviews_go_along_as_examples(kept: Path, tmp_path: Path) -> None:
    """With those that were imported before, so that another site's rule begins with what this one's people said."""
    stores = open_stores(Settings(data_dir=kept))
    seen = incident(3.0, rule="climb")
    models, embedding = {"encoder": "clip-1"}, pack_vector(np.float32([0, 1]))
    candidate = seen.candidate.model_copy(update={"embedding": embedding, "models": models})
    review = Review(is_right=False, by="ann", at=START)
    judged = seen.model_copy(update={"candidate": candidate, "review": review, "last_change": 1})
    change = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=START, incident=judged)
    assert stores.incidents.commit(change, ())
    stores.close()
    file = tmp_path / "learned.json"
    assert learned(kept, "export", file)[0] == 0
    other = folder(tmp_path / "other", [])
    assert learned(other, "import", file)[0] == 0
    (found,) = [one for one in stored(other) if one.kind is LearnedKind.EXAMPLES]
    assert [one.is_positive for one in load_reviewed(found.body)] == [True, False]


def test_forgets_what_was_named(kept: Path) -> None:
    """After a question, or at once with --yes; never everything by mistake."""
    assert learned(kept, "forget")[0] == 2
    assert learned(kept, "forget", "--all", "--camera", "yard", "--yes")[0] == 2
    assert learned(kept, "forget", "--camera", "yard")[0] != 0
    assert len(stored(kept)) == 4
    assert learned(kept, "forget", "--camera", "yard", "--rule", "climb", "--yes")[1] == "1 entry forgotten\n"
    assert json.loads(learned(kept, "forget", "--all", "--yes", "--json")[1]) == {"forgotten": 3}
