"""Truth as public data sets write it down."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.evaluation.datasets import read_any_truth
from pipeline.evaluation.matching import Overlap
from pipeline.evaluation.scorer import score
from pipeline.evaluation.spans import Event, Prediction, overlapping


def test_gmdcsa24(tmp_path: Path) -> None:
    """Row N is clip N; several spans a class; brackets that were never closed do no harm."""
    path = tmp_path / "subject2-Fall.csv"
    path.write_text(
        "File Name,Length (seconds),Time of Recording,Attire,Description, Classes\n"
        '01.mp4,06,Day,Shirt,"Right side fall",Falling (SW)[1.4 to 6]; Standing[0.4 to 1.2]\n'
        "02.mp4,10,Day,Shirt,Yoga,Standing[2.4 to 3.6; 6.6 to 7.9; Falling (BW[8 to 10]\n"
    )
    found = read_any_truth(path)
    assert found.lengths == {"s2_Fall_01": 6.0, "s2_Fall_02": 10.0}
    assert found.events == (
        Event("s2_Fall_01", 1.4, 6.0, "Falling (SW)"),
        Event("s2_Fall_01", 0.4, 1.2, "Standing"),
        Event("s2_Fall_02", 2.4, 3.6, "Standing"),
        Event("s2_Fall_02", 6.6, 7.9, "Standing"),
        Event("s2_Fall_02", 8.0, 10.0, "Falling (BW)"),
    )


def test_a_label_for_every_frame(tmp_path: Path) -> None:
    """A file, a folder or a tar; runs of 1 are events, frame n from n / fps to (n + 1) / fps; normal videos count."""
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "one.csv").write_text(
        "image_path,label\n" + "".join(f"{n}.jpg,{int(n in (2, 3, 9))}\n" for n in range(10))
    )
    (folder / "two.csv").write_text("image_path,label\n0.jpg,0\n1.jpg,0\n")
    with tarfile.open(tmp_path / "labels.tar.xz", "w:xz") as archive:
        archive.add(folder, "labels")
    found = read_any_truth(folder, fps=2)
    assert found.events == (Event("one", 1.0, 2.0, "anomaly"), Event("one", 4.5, 5.0, "anomaly"))
    assert found.lengths == {"one": 5.0, "two": 1.0}
    assert read_any_truth(tmp_path / "labels.tar.xz", fps=2) == found
    assert read_any_truth(folder / "two.csv", fps=2).events == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "image_path,label\n0.jpg,maybe\n", "line 2: expected label as 0 or 1"),
        ("subject1-Fall.csv", "File Name,Length (seconds), Classes\n01.mp4,06,fell\n", "line 2: expected `Class"),
        ("a.txt", "dvr-scan\n| Event | Start Frame | End Frame |\n", "expected DVR-Scan's rows"),
        ("a.tar.xz", "not a tar", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str, message: str) -> None:
    """With file and line, and what was expected."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_any_truth(tmp_path / name)


def test_frames_need_a_pace(tmp_path: Path) -> None:
    """0 frames a second make no seconds; a folder without labels is no truth."""
    with pytest.raises(ConfigError, match="more than 0"):
        read_any_truth(tmp_path, fps=0)
    with pytest.raises(ConfigError, match="found none"):
        read_any_truth(tmp_path)


@pytest.mark.shared
def test_dvrscans_own_result_against_its_truth(shared: Path) -> None:
    """Its events are right by its truth, with the timecodes it printed beneath.

    Source: `Comma-separated timecode values` in annotations/dvrscan_traffic_camera.txt: frames 10–148, 359–490 and
    543–575 at 25 frames a second are 0.4–5.92, 14.36–19.6 and 21.72–23 s.
    """
    there = read_any_truth(shared / "annotations" / "dvrscan_traffic_camera.txt")
    times = [(0.4, 5.92), (14.36, 19.6), (21.72, 23.0)]
    assert [(one.start_seconds, one.end_seconds) for one in there.events] == times
    camera_id = "dvrscan_traffic_camera"
    assert there.lengths == {camera_id: pytest.approx(23.04)}
    counts = score(there, [Prediction(camera_id, *span) for span in times], Overlap()).pooled.counts
    assert (counts.precision, counts.recall, counts.false_alarms_per_hour) == (1.0, 1.0, 0.0)


@pytest.mark.shared
def test_every_truth_that_is_here(shared: Path) -> None:
    """All falls and all anomalies are read; 42 falls and 3867 labels counted in the files by other means."""
    folder = shared / "annotations"
    falls = [one for path in (folder / "gmdcsa24").glob("*Fall.csv") for one in read_any_truth(path).events]
    assert sum(one.label.startswith("Falling") for one in falls) == 42
    avenue = read_any_truth(folder / "anomalyruler" / "avenue.tar.xz")
    assert len(avenue.lengths) == 21
    assert sum(one.end_seconds - one.start_seconds for one in avenue.events) * 24 == pytest.approx(3867)
    assert not overlapping(avenue.events)
