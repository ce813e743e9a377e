"""Truth as public data sets write it down: GMDCSA24 (falls), DVR-Scan (motion), a label for every frame (anomalies).

MOT15 is not among them: it has boxes with identities and no events; what counts as one there depends on a rule's
zones and lines (`benchmarks/pets_crossings.py` makes crossings of it).
"""

from __future__ import annotations

import csv
import io
import math
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Literal, get_args

from pipeline.errors import ConfigError
from pipeline.evaluation.spans import Event, Truth, runs
from pipeline.evaluation.tables import read_text, read_truth

Format = Literal["auto", "table", "frames", "gmdcsa24", "dvrscan"]
FORMATS: tuple[Format, ...] = get_args(Format)

CAPTIONS_FPS = 24.0
"""Of a label for every frame, when nothing else is said: the pace at which the anomaly sets' captions are read."""
_ANOMALY = "anomaly"
_CLASS = re.compile(r"(?P<label>[A-Za-z][^\[\];]*?)\s*\[|(?P<start>\d+(?:\.\d+)?)\s*to\s*(?P<end>\d+(?:\.\d+)?)")
_GMDCSA_NAME = re.compile(r"subject(\d+)-(\w+)")
_DVRSCAN_ROW = re.compile(r"^\|\s*\d+\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|$", re.MULTILINE)
_DVRSCAN_FPS = re.compile(r"at ([\d.]+) FPS")
_DVRSCAN_FRAMES = re.compile(r"Processed (\d+) frames")


def read_any_truth(path: Path, form: Format = "auto", fps: float = CAPTIONS_FPS) -> Truth:
    """Truth in the given format, or in the one it looks like. `fps` is that of a label for every frame."""
    known = _guess(path) if form == "auto" else form
    if known == "frames":
        return read_frame_labels(path, fps)
    return {"table": read_truth, "gmdcsa24": read_gmdcsa24, "dvrscan": read_dvrscan}[known](path)


def _guess(path: Path) -> Format:
    if path.is_dir() or path.name.endswith((".tar.xz", ".tar.gz", ".tar")):
        return "frames"
    if path.suffix.lower() == ".json":
        return "table"
    text = read_text(path)
    first = text.partition("\n")[0].lower()
    if "start frame" in text.lower() and "dvr-scan" in text.lower():
        return "dvrscan"
    if "image_path" in first:
        return "frames"
    return "gmdcsa24" if "classes" in first else "table"


def read_gmdcsa24(path: Path) -> Truth:
    """`Falling (SW)[3.4 to 6]; Sitting[0 to 3.4]` in the last column, seconds; row N is clip N.

    `subject1-Fall.csv` names its clips `s1_Fall_01` and on.
    """
    events, lengths = [], {}
    table = csv.reader(io.StringIO(read_text(path)))
    next(table, None)
    for number, row in enumerate((row for row in table if any(cell.strip() for cell in row)), 1):
        camera_id = _gmdcsa_clip(path, number)
        length = re.search(r"\d+(?:\.\d+)?", row[1]) if len(row) > 1 else None
        lengths[camera_id] = float(length.group()) if length else None
        found = list(_gmdcsa_events(camera_id, row[-1]))
        if not found:
            raise ConfigError(f"{path}, line {table.line_num}: expected `Class[from to until]`, got {row[-1]!r}")
        events += found
    return Truth(tuple(events), lengths)


def _gmdcsa_clip(path: Path, number: int) -> str:
    name = _GMDCSA_NAME.fullmatch(path.stem)
    return f"s{name[1]}_{name[2]}_{number:02}" if name else f"{path.stem}_{number:02}"


def _gmdcsa_events(camera_id: str, classes: str) -> Iterator[Event]:
    """Brackets are now and then left open in the files, so labels and spans are read one after the other."""
    label = ""
    for part in _CLASS.finditer(classes):
        if part["label"]:
            label = part["label"].strip()
            label += ")" * (label.count("(") - label.count(")"))
        else:
            start, end = sorted((float(part["start"]), float(part["end"])))
            yield Event(camera_id, start, end, label)


def read_dvrscan(path: Path) -> Truth:
    """`| 1 | 10 | 148 |`: motion from frame 10 to 148, and beneath it DVR-Scan's own output with rate and length."""
    text = read_text(path)
    fps, frames = _DVRSCAN_FPS.search(text), _DVRSCAN_FRAMES.search(text)
    rows = _DVRSCAN_ROW.findall(text)
    if not rows or fps is None or float(fps[1]) <= 0:
        raise ConfigError(f"{path}: expected DVR-Scan's rows `| event | start | end |` and `at … FPS` in its output")
    rate = float(fps[1])
    events = tuple(Event(path.stem, int(start) / rate, int(end) / rate, "motion") for start, end in rows)
    return Truth(events, {path.stem: int(frames[1]) / rate if frames else None})


def read_frame_labels(path: Path, fps: float = CAPTIONS_FPS) -> Truth:
    """`image_path,label`, a row a frame and a file a video; a folder or tar of such files. 0 is normal.

    An event is a run of labels other than 0, called `anomaly`. A video that is all there is of its camera.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ConfigError(f"the frames per second must be more than 0, got {fps}")
    events: list[Event] = []
    lengths: dict[str, float | None] = {}
    for name, text in _label_files(path):
        flags = _flags(name, text)
        camera_id = PurePath(name).stem
        lengths[camera_id] = len(flags) / fps
        events += [Event(camera_id, start, end, _ANOMALY) for start, end in runs(flags, fps)]
    if not lengths:
        raise ConfigError(f"{path}: expected files that begin with image_path,label; found none")
    return Truth(tuple(events), lengths)


def _label_files(path: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of each file of labels, by name."""
    if path.is_dir():
        files = [(str(file), read_text(file)) for file in sorted(path.rglob("*.csv"))]
    elif path.suffix.lower() == ".csv":
        files = [(str(path), read_text(path))]
    else:
        files = _from_tar(path)
    return ((name, text) for name, text in files if text.lstrip().lower().startswith("image_path"))


def _from_tar(path: Path) -> list[tuple[str, str]]:
    try:
        with tarfile.open(path) as archive:
            members = sorted((m for m in archive if m.isfile() and m.name.endswith(".csv")), key=lambda m: m.name)
            opened = ((member.name, archive.extractfile(member)) for member in members)
            return [(name, file.read().decode("utf-8-sig")) for name, file in opened if file is not None]
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _flags(name: str, text: str) -> list[bool]:
    table = csv.DictReader(io.StringIO(text))
    flags = []
    for row in table:
        label = (row.get("label") or "").strip()
        if label not in {"0", "1", "0.0", "1.0"}:
            raise ConfigError(f"{name}, line {table.line_num}: expected label as 0 or 1; got {label!r}")
        flags.append(float(label) > 0)
    return flags
