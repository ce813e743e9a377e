"""Does a camera's normal carry to another camera? Its own bank of normal pictures, another's, or none.

Three kinds of cameras, each with vectors over time and a label for every one:

- `sentences`: CogVLM's sentences on Avenue, Ped2 and the scenes of UBnormal (`captions.py`), hashed as bags of words
  into 512 numbers; a set or scene is a camera. Without a bank: whether one of the words of `captions.py` is in it.
- `rendered`: the yard, street and corridor of `pipeline.scenes`, pictures by the neck of YOLOX-nano; abnormal is what
  runs, is left behind, loiters or enters a zone. Without a bank: how much changed within five seconds.
- `falls`: GMDCSA24's clips, the same encoder; a subject in a room is a camera. Abnormal is from the fall on,
  the end of each clip: so what only measures change is nearly perfect here, and says nothing of a whole day.

A bank learns what is labelled normal, of every other video by name (rendered: of the first half; falls: of the
subject's other clips), and is tried on the rest. A burn-in is as long as what there is to learn, so hours of the week
say nothing here. Scores are averaged over a second as the product does. AUC is within a camera (frames; events: the
highest score of each run of labels), then the mean over cameras and over all other cameras' banks, with 95 % by
bootstrap over videos. Alarms are runs at or over a level, those less than 3 s apart one, counted in normal time:
of a camera's own bank at the level that one in so many of its learned normal pictures reaches (each video by a bank
without it); of the same bank at the level of another camera; of another camera's bank at that one's level.
Nothing was tuned here.
"""

from __future__ import annotations

import itertools
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import captions
import cv2
import numpy as np
from measure import SHARED, parser, save, show
from numpy.typing import NDArray
from scipy.stats import rankdata

from pipeline.contracts.values import Image
from pipeline.evaluation.spans import Event, merged, runs
from pipeline.events.normal import NormalBank
from pipeline.perception.onnx_encoder import OnnxEncoder
from pipeline.scenes.library import open_scene
from pipeline.settings import PerceptionSettings

START = datetime(2026, 1, 5, tzinfo=UTC)
SMOOTHING_SECONDS, GAP_SECONDS = 1.0, 3.0
SHARES = (0.05, 0.01)
"""Of normal pictures that reach a level; the few minutes here say nothing of rarer ones."""
CHANGE_SECONDS = 5.0
RENDERED_FPS, RENDERED_SECONDS, BLOCK_SECONDS = 2.0, 240, 15
ABNORMAL = frozenset({"runs", "left_behind", "loiters", "enters"})
DIMENSION = 512
BOOTSTRAPS = 200
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """One stretch of one camera."""

    camera: str
    name: str
    fps: float
    vectors: NDArray[np.float32]
    """(N, D), unit length."""
    labels: NDArray[np.bool_]
    """(N,): abnormal."""
    without: Floats
    """(N,): a score that needs no bank."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Videos of one kind: what is learned and what is tried; what is in both is learned without itself."""

    learned: list[Video]
    tried: list[Video]

    @property
    def cameras(self) -> list[str]:
        """Those that have normal and abnormal frames to try, and something to learn."""
        names = sorted({video.camera for video in self.tried})
        return [name for name in names if self._is_whole(name)]

    def _is_whole(self, camera: str) -> bool:
        labels = np.concatenate([video.labels for video in self.of(camera)])
        return 0 < labels.mean() < 1 and all(bank is not None for bank in map(self.own, self.of(camera)))

    def of(self, camera: str) -> list[Video]:
        """What of it is tried."""
        return [video for video in self.tried if video.camera == camera]

    def own(self, video: Video) -> NormalBank | None:
        """Its camera's bank, made without it."""
        return _bank(tuple(one for one in self.learned if one.camera == video.camera and one.name != video.name))

    def others(self, camera: str) -> list[NormalBank]:
        """The banks of the other cameras."""
        names = [name for name in self.cameras if name != camera]
        banks = (_bank(tuple(one for one in self.learned if one.camera == name)) for name in names)
        return [bank for bank in banks if bank is not None]


@cache
def _bank(videos: tuple[Video, ...]) -> NormalBank | None:
    """What is normal in these; None when nothing came often enough."""
    frames = [(vector, 1 / one.fps) for one in videos for vector in one.vectors[~one.labels]]
    seconds = sum(step for _, step in frames)
    bank, now = NormalBank(ZoneInfo("UTC"), after_seconds=seconds), 0.0
    for vector, step in frames:
        bank.offer(vector[None], START + timedelta(seconds=now))
        now += step
    return bank if len(frames) > 0 and bank.novelty(frames[0][0][None], START)[0] < 1 else None


def smoothed(scores: Floats, fps: float) -> Floats:
    """Causal average with the product's time constant."""
    kept, found, state = np.exp(-1 / (fps * SMOOTHING_SECONDS)), np.empty(len(scores)), scores[0]
    for index, score in enumerate(scores):
        state = kept * state + (1 - kept) * score
        found[index] = state
    return found


def novelty(bank: NormalBank | None, video: Video) -> Floats:
    """(N,) raw, smoothed."""
    assert bank is not None
    return smoothed(bank.novelty(video.vectors, START).astype(np.float64), video.fps)


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Share of (abnormal, normal) pairs in the right order; NaN without both."""
    num, rest = int(labels.sum()), int((~labels).sum())
    if not num or not rest:
        return float("nan")
    return float((rankdata(scores)[labels].sum() - num * (num + 1) / 2) / (num * rest))


def peaks(scores: Floats, labels: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """The highest score of each run of equal labels."""
    bounds = np.flatnonzero(np.diff(labels.astype(int))) + 1
    parts = np.split(scores, bounds)
    return np.array([part.max() for part in parts]), labels[np.concatenate([[0], bounds])]


Scored = list[tuple[Floats, NDArray[np.bool_]]]
"""Scores and labels of each video."""


def camera_auc(videos: Scored, *, by_event: bool) -> float:
    """Of one camera's videos together."""
    rows = [peaks(*one) for one in videos] if by_event else videos
    return auc(np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows]))


def with_interval(cameras: Sequence[Sequence[Scored]], *, by_event: bool) -> tuple[float, list[float]]:
    """Mean over cameras, of each over the banks it was scored with; and 95 % over redrawn videos."""

    def value(draws: Sequence[NDArray[np.intp]]) -> float:
        found = [
            [camera_auc([scored[index] for index in draw], by_event=by_event) for scored in ways]
            for ways, draw in zip(cameras, draws, strict=True)
        ]
        means = [np.nanmean(row) for row in found if np.isfinite(row).any()]
        return float(np.mean(means)) if means else float("nan")

    rng = np.random.default_rng(1)
    sizes = [len(ways[0]) for ways in cameras]
    drawn = [value([rng.integers(0, size, size) for size in sizes]) for _ in range(BOOTSTRAPS)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return value([np.arange(size) for size in sizes]), [float(low), float(high)]


def level_of(setting: Setting, camera: str, share: float) -> float | None:
    """The raw distance that this share of a camera's learned normal reaches, each video by a bank without it."""
    banks = [(setting.own(video), video) for video in setting.learned if video.camera == camera]
    found = [novelty(bank, video)[~video.labels] for bank, video in banks if bank is not None]
    return float(np.quantile(np.concatenate(found), 1 - share)) if found else None


def alarms(setting: Setting, way: str, share: float) -> dict[str, float]:
    """False alarms an hour of normal time, and the share of events in which there is one; means over other cameras."""
    false, hours, hit, events = 0.0, 0.0, 0.0, 0.0
    levels = {camera: level_of(setting, camera, share) for camera in setting.cameras}
    for camera in setting.cameras:
        givers = [camera] if way == "own" else [name for name in setting.cameras if name != camera]
        for video in setting.of(camera):
            judges = setting.others(camera) if way == "another's" else [setting.own(video)] * len(givers)
            pairs = [(judge, levels[giver]) for judge, giver in zip(judges, givers, strict=True)]
            counts = [
                _alarm_counts(novelty(judge, video) >= level, video) for judge, level in pairs if level is not None
            ]
            if counts:
                false, hit = false + float(np.mean(counts, axis=0)[0]), hit + float(np.mean(counts, axis=0)[1])
                hours += float((~video.labels).sum()) / video.fps / 3600
                events += float(peaks(video.without, video.labels)[1].sum())
    rates = {"false/h": false / max(hours, 1e-9), "recall": hit / max(events, 1.0)}
    return {**rates, "normal min": 60 * hours, "events": events}


def _alarm_counts(is_over: NDArray[np.bool_], video: Video) -> tuple[int, int]:
    false = merged((Event("", *span) for span in runs(tuple(is_over & ~video.labels), video.fps)), GAP_SECONDS)
    over, labels = peaks(is_over.astype(np.float64), video.labels)
    return len(false), int((over[labels] > 0).sum())


def sentences() -> Setting:
    """Videos with sentences; of each camera every other is learned."""
    found: dict[str, list[Video]] = {}
    for name in captions.SETS:
        lines = _lines(name)
        for video in captions.videos(name):
            scene = re.search(r"scene_(\d+)", video.name)
            camera = f"{name} {scene[1]}" if scene else name
            hits = smoothed(np.array(video.hits, float), captions.FPS)
            vectors = np.stack([_hashed(line) for line in lines[video.name]])
            made = Video(camera, video.name, captions.FPS, vectors, np.array(video.labels), hits)
            found.setdefault(camera, []).append(made)
    return Setting([v for of in found.values() for v in of[::2]], [v for of in found.values() for v in of[1::2]])


def _lines(name: str) -> dict[str, list[str]]:
    """Sentences by the name of the video."""
    with tarfile.open(SHARED / "annotations" / "anomalyruler" / f"{name}.tar.xz") as archive:
        files = {Path(m.name): archive.extractfile(m) for m in archive if "test_frame_description" in m.name}
        return {f"{name}/{path.stem}": file.read().decode().splitlines() for path, file in files.items() if file}


@cache
def _hashed(line: str) -> NDArray[np.float32]:
    """(512,): its words and pairs of words, each with a sign, so that chance meetings cancel out."""
    words = re.findall(r"[a-z]+", line.lower())
    row = np.zeros(DIMENSION)
    for word in {*words, *(" ".join(pair) for pair in itertools.pairwise(words))}:
        code = zlib.crc32(word.encode())
        row[code % DIMENSION] += 1 if code & 0x10000 else -1
    return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9), np.float32)


def _encoder() -> OnnxEncoder:
    encoder = OnnxEncoder(str(SHARED / "weights" / "yolox_nano.onnx"), PerceptionSettings())
    encoder.warm_up()
    return encoder


def _change(vectors: NDArray[np.float32], fps: float) -> Floats:
    before = vectors[np.maximum(np.arange(len(vectors)) - round(CHANGE_SECONDS * fps), 0)]
    return smoothed(1 - (vectors * before).sum(axis=1).astype(np.float64), fps)


def rendered() -> Setting:
    """Drawn scenes; the first half of each is learned."""
    encoder, halves = _encoder(), Setting([], [])
    for name in ("yard", "street", "corridor"):
        scene = open_scene(name, seed=1, seconds=RENDERED_SECONDS)
        times = np.arange(0, RENDERED_SECONDS, 1 / RENDERED_FPS)
        vectors = np.concatenate([encoder.encode_images([scene.render(float(at))[0]]) for at in times])
        spans = [e for e in scene.events if e.kind in ABNORMAL and not e.is_near_miss]
        labels = np.array([any(e.start_seconds <= at <= e.end_seconds for e in spans) for at in times])
        without = _change(vectors, RENDERED_FPS)
        for number, rows in enumerate(np.split(np.arange(len(times)), RENDERED_SECONDS // BLOCK_SECONDS)):
            block = Video(name, f"{name} {number}", RENDERED_FPS, vectors[rows], labels[rows], without[rows])
            (halves.learned if rows[-1] < len(times) / 2 else halves.tried).append(block)
    encoder.close()
    return halves


def falls() -> Setting:
    """Clips of people at home; each is tried against the others of its subject."""
    encoder, found = _encoder(), []
    for path in sorted((SHARED / "videos" / "gmdcsa24").glob("*.mp4")):
        reader = cv2.VideoCapture(str(path))
        fps = reader.get(cv2.CAP_PROP_FPS)
        vectors = np.concatenate([encoder.encode_images([frame]) for frame in _frames(reader)])
        fall = _fall_of(path.stem)
        labels = np.arange(len(vectors)) / fps >= (fall if fall is not None else np.inf)
        found.append(Video(path.stem[:2], path.stem, fps, vectors, labels, _change(vectors, fps)))
    encoder.close()
    return Setting(found, found)


def _frames(reader: cv2.VideoCapture) -> Iterator[Image]:
    """RGB."""
    is_read, frame = reader.read()
    while is_read:
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)
        is_read, frame = reader.read()


def _fall_of(stem: str) -> float | None:
    subject, kind, number = stem.split("_")
    table = SHARED / "annotations" / "gmdcsa24" / f"subject{subject[1:]}-{kind}.csv"
    line = next(line for line in table.read_text().splitlines() if line.startswith(f"{int(number):02d}.mp4"))
    found = re.search(r"Falling \(\w+\)? *\[ *([\d.]+)", line)
    return float(found[1]) if found else None


def rows(name: str, setting: Setting) -> list[dict[str, Any]]:
    """A row a way of scoring."""
    cameras = setting.cameras

    def own(camera: str) -> list[Scored]:
        return [[(novelty(setting.own(v), v), v.labels) for v in setting.of(camera)]]

    def another(camera: str) -> list[Scored]:
        return [[(novelty(bank, v), v.labels) for v in setting.of(camera)] for bank in setting.others(camera)]

    def none(camera: str) -> list[Scored]:
        return [[(v.without, v.labels) for v in setting.of(camera)]]

    ways: dict[str, Callable[[str], list[Scored]]] = {"own": own, "another's": another, "none": none}
    found = []
    for way, scored in ways.items():
        of = [scored(camera) for camera in cameras]
        (frames, frames_95), (events, events_95) = (with_interval(of, by_event=each) for each in (False, True))
        each = {
            camera: np.mean([camera_auc(s, by_event=False) for s in one])
            for camera, one in zip(cameras, of, strict=True)
        }
        row = {"kind": name, "bank": way, "cameras": len(cameras), "AUC": frames, "AUC 95 %": frames_95}
        found.append({**row, "AUC events": events, "events 95 %": events_95, "each": each})
    return found


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    makers: dict[str, Callable[[], Setting]] = {"sentences": sentences, "rendered": rendered, "falls": falls}
    options = parser(__doc__ or "")
    options.add_argument("--only", choices=list(makers), help="one kind of cameras")
    given = options.parse_args()
    settings = {name: make() for name, make in makers.items() if given.only in (None, name)}
    found = [row for name, setting in settings.items() for row in rows(name, setting)]
    columns = [column for column in found[0] if column != "each"]
    show("A camera's normal, its own or not", columns, [[_cell(row[column]) for column in columns] for row in found])
    levels = [
        {"kind": name, "bank and level": way, "one in": round(1 / share), **alarms(setting, way, share)}
        for name, setting in settings.items()
        for share in SHARES
        for way in ("own", "own, carried level", "another's")
    ]
    show("Alarms at a level", list(levels[0]), [list(row.values()) for row in levels])
    for row in found:
        print(row["kind"], row["bank"], {camera: round(float(value), 3) for camera, value in row["each"].items()})
    if given.save:
        print(save(Path(__file__).stem, {"auc": found, "alarms": levels}))


def _cell(value: object) -> object:
    return f"{value[0]:.2f}–{value[1]:.2f}" if isinstance(value, list) else value


if __name__ == "__main__":
    main()
