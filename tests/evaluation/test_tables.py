"""The scorer's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.evaluation.spans import Event, Prediction
from pipeline.evaluation.tables import read_predictions, read_truth


def write(folder: Path, text: str, name: str = "given.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_table(tmp_path: Path) -> None:
    """Events, a camera without any, and lengths; a video's name is that of its file."""
    text = "video,start,end,label,length\nclips/a.mp4,1.5,00:00:08,fall,60\na,20,,fall,\ncam.1,,,,30\n"
    found = read_truth(write(tmp_path, text))
    assert found.events == (Event("a", 1.5, 8.0, "fall"), Event("a", 20.0, 20.0, "fall"))
    assert found.lengths == {"a": 60.0, "cam.1": 30.0}
    assert found.counts_from_start


def test_moments_are_seconds_since_1970(tmp_path: Path) -> None:
    """ISO 8601 with its zone."""
    text = "camera,start,end\nyard,2026-07-10T22:14:03+02:00,2026-07-10T20:14:05Z\n"
    found = read_truth(write(tmp_path, text))
    assert found.events == (Event("yard", 1783714443.0, 1783714445.0),)
    assert not found.counts_from_start


def test_predictions_with_score_and_time_of_alert(tmp_path: Path) -> None:
    """Score and alert may be missing; `rule` is the label."""
    text = "camera,rule,start,end,score,alert\na,fall,1,5,0.5,3\na,fall,6,7,,\na,fall,8,9,nan,\n"
    first, second, third = read_predictions(write(tmp_path, text))
    assert first == Prediction("a", 1, 5, "fall", 0.5, 3)
    assert (second.score, second.alerted_at) == (None, 6)
    assert third.usable_score == float("-inf")


def test_json_as_list_or_with_lengths(tmp_path: Path) -> None:
    """A list of rows, or lengths and events."""
    rows = '[{"camera": "a", "start": 1, "end": 2}]'
    assert read_truth(write(tmp_path, rows, "a.json")).lengths == {"a": None}
    whole = f'{{"lengths": {{"a": 60, "b.mp4": 30}}, "events": {rows}}}'
    found = read_truth(write(tmp_path, whole, "b.json"))
    assert (found.lengths, len(found.events)) == ({"a": 60.0, "b": 30.0}, 1)


def test_a_table_without_rows_has_no_events(tmp_path: Path) -> None:
    """Nothing happened is an answer."""
    assert read_truth(write(tmp_path, "camera,start,end\n")).events == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "expected a first line such as camera,start,end"),
        ("a.csv", "when,what\n1,2\n", "expected a first line such as camera,start,end"),
        ("a.csv", "camera,start,speed\n", "unknown columns speed"),
        ("a.csv", "camera,start,end\na,5,3\n", r"line 2: the end \(3\) comes before the start \(5\)"),
        ("a.csv", "camera,start,end\na,soon,3\n", "line 2: expected start as seconds"),
        ("a.csv", "camera,start,end\na,nan,3\n", "line 2: expected start as seconds"),
        ("a.csv", "camera,start,end\na,,3\n", "line 2: an end without a start"),
        ("a.csv", "camera,start,end\n,1,3\n", "line 2: which camera"),
        ("a.csv", "camera,start,end\na,1,3,4\n", "line 2: more values than columns"),
        ("a.csv", "camera,start,score\na,1,high\n", "line 2: expected score as a number"),
        ("a.csv", "camera,start,length\na,1,-5\n", "line 2: expected length as seconds, more than 0"),
        ("a.csv", "camera,start,end\na,2026-07-10T22:14:03,\n", "ISO 8601 with its zone"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"events": 3}', "expected a list of events"),
        ("a.json", '[{"camera": "a", "when": 3}]', "entry 1: unknown fields when"),
        ("a.json", '[{"camera": "a", "start": [3]}]', "entry 1: expected start"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    """File, row, what was expected, what came."""
    with pytest.raises(ConfigError, match=message):
        read_truth(write(tmp_path, text, name))


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    """Never a traceback."""
    with pytest.raises(ConfigError, match="cannot read"):
        read_truth(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00camera")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        read_truth(tmp_path / "b.csv")
