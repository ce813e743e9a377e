"""Falls from 1, 3 and 5 examples: the GMDCSA24 clips at hand, left out by subject.

Seven clips of three people at home, five falls, 56 s. For each subject the examples come from the other two: k pictures
of a fall (from a second after it began, so that somebody is down) and as many of other labelled activities (sitting,
standing, walking, drinking …), drawn anew for each of ten seeds and spread over the clips. Then each of the subject's
clips is read at 5 frames a second by the product's own path: detector, encoder, `ExampleScorer`, `ScoredPredicate`,
`RuleMachine` with its default constants. Nothing was chosen on these clips.

* `person`: `object: person`, each one cut out by itself; `anything`: `object: any`, whatever the detector finds, the
  best counts; `picture`: the picture as a whole; `only positive`: a person, without the negative examples.
* `wider than high`: no example and no encoder, 1 while the surest person's box is wider than it is high.
* Words: the same rule as `when:`, by an encoder that reads words (`--encoder`, a CLIP or SigLIP model). The default,
  YOLOX-nano's inner features, reads none, so the row is left out and the output says so.

`AUC` is that of frames, with 0 where there is nothing to look at; `AUC, seen` that of the frames with something: what
the examples tell, apart from what the detector misses. By overlap (1 s in common). Intervals: clips drawn again (1,000
times; for AUC 100 times, each with all seeds), all seeds of a clip together. Seven clips say little: one false alarm
in 56 s is 65 an hour.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from measure import SHARED, parser, save, show

from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.example import ExampleSet
from pipeline.contracts.frame import Frame, Motion, SampledFrame
from pipeline.contracts.observation import Encoder, Observation
from pipeline.contracts.rule import ANY_OBJECT, Rule
from pipeline.errors import InvalidMessage
from pipeline.evaluation.datasets import read_gmdcsa24
from pipeline.evaluation.figures import RESAMPLES, Counts, intervals
from pipeline.evaluation.matching import Overlap
from pipeline.evaluation.scorer import score
from pipeline.evaluation.spans import Event, Prediction, Truth, merged
from pipeline.events.examples import ExampleScorer
from pipeline.events.reading import Reading
from pipeline.events.scored import ScoredPredicate
from pipeline.events.state_machine import Moment, RuleMachine, Transition
from pipeline.events.tracks import TrackBook
from pipeline.events.words import WordScorer
from pipeline.perception.detector import load_detector
from pipeline.perception.encoder import load_encoder
from pipeline.perception.stage import PerceptionStage
from pipeline.perception.vision import LocalVision
from pipeline.settings import PerceptionSettings

FPS = 5.0
SHOTS = (1, 3, 5)
SEEDS = range(10)
SETTLED_SECONDS = 1.0
"""After a fall's beginning, from which on an example may be taken."""
FALLING = "Falling"
WORDS = "a person falling to the ground or lying on the floor"
START = datetime(2026, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
YOLOX = f"onnx:{SHARED / 'weights' / 'yolox_nano.onnx'}"

Measure = Callable[[Observation], Reading]


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as perception sees it."""

    name: str
    falls: tuple[Event, ...]
    others: tuple[Event, ...]
    """What else was labelled."""
    seconds: float
    observations: tuple[Observation, ...]

    @property
    def subject(self) -> str:
        """`s1`, `s2`, `s3`."""
        return self.name.partition("_")[0]

    def is_fall(self, observation: Observation) -> bool:
        """Whether it lies within a fall."""
        return any(event.start_seconds <= observation.pts_seconds < event.end_seconds for event in self.falls)

    def of(self, *, is_fall: bool) -> list[Observation]:
        """What an example may be taken from."""
        if is_fall:
            settled = [replace(one, start_seconds=one.start_seconds + SETTLED_SECONDS) for one in self.falls]
            return [seen for seen in self.observations if _within(settled, seen)]
        return [seen for seen in self.observations if _within(self.others, seen) and not self.is_fall(seen)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One clip under one way and seed."""

    clip: str
    counts: Counts
    scores: tuple[float, ...]
    labels: tuple[bool, ...]
    seen: tuple[bool, ...]
    """Whether there was something to score."""


def _within(events: Sequence[Event], seen: Observation) -> bool:
    return any(event.start_seconds <= seen.pts_seconds < event.end_seconds for event in events)


def clips(encoder: Encoder) -> list[Clip]:
    """All clips, by name."""
    settings = PerceptionSettings()
    vision = LocalVision(load_detector(YOLOX, settings), encoder, settings)
    vision.warm_up()
    tables = sorted((SHARED / "annotations" / "gmdcsa24").glob("*.csv"))
    events = [event for table in tables for event in read_gmdcsa24(table).events]
    found = []
    for path in sorted((SHARED / "videos" / "gmdcsa24").glob("*.mp4")):
        mine = [event for event in events if event.camera_id == path.stem]
        falls = merged((replace(one, label=FALLING) for one in mine if one.label.startswith(FALLING)), 1.0)
        others = tuple(one for one in mine if not one.label.startswith(FALLING))
        stage = PerceptionStage(vision, settings, NullDecisionSink())
        frames, seconds = _frames(path)
        seen = [one for frame in frames for one in stage.process([frame])]
        found.append(
            Clip(path.stem, falls, others, seconds, tuple(o for o in seen if not isinstance(o, InvalidMessage)))
        )
    vision.close()
    return found


def _frames(path: Path) -> tuple[list[SampledFrame], float]:
    """At about `FPS`, and how long the clip lasts."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames: list[SampledFrame] = []
    number = 0
    while capture.grab():
        if int(number * FPS / fps) >= len(frames):
            pixels = np.asarray(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)
            at = number / fps
            frame = Frame(path.stem, number, START + timedelta(seconds=at), at, pixels)
            motion = Motion((), 0.0, is_global=False)
            frames.append(SampledFrame(frame, motion, np.zeros((36, 64), np.uint8), "motion", (ANY_OBJECT,)))
        number += 1
    capture.release()
    return frames, number / fps


def examples(others: Sequence[Clip], shots: int, rng: np.random.Generator, labels: tuple[str, ...]) -> ExampleSet:
    """`shots` pictures of each kind from other people's clips."""
    kinds = [list(itertools.islice(_drawn(others, is_fall, rng, labels), shots)) for is_fall in (True, False)]
    rows = [np.stack([vector for _, vector in kind]) for kind in kinds]
    names = [tuple(name for name, _ in kind) for kind in kinds]
    return ExampleSet(rows[0], rows[1], names[0], names[1])


def _drawn(
    others: Sequence[Clip], is_fall: bool, rng: np.random.Generator, labels: tuple[str, ...]
) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    """Pictures with something to look at, from one clip after the other."""
    pools = [[one for one in clip.of(is_fall=is_fall) if _vector(one, labels) is not None] for clip in others]
    orders = [list(rng.permutation(len(pool))) for pool in pools]
    for place in itertools.count():
        for index in rng.permutation(len(pools)):
            if place < len(pools[index]):
                seen = pools[index][orders[index][place]]
                vector = _vector(seen, labels)
                if vector is not None:
                    yield f"{seen.camera_id} at {seen.pts_seconds:.1f} s", vector
        if place > max(map(len, pools)):
            return


def _vector(seen: Observation, labels: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    if not labels:
        return seen.embedding
    # Of anything, an example is still the person: that is what somebody would have marked.
    wanted = {"person", *labels} - {ANY_OBJECT}
    found = [one for one in seen.regions if one.label in wanted and one.embedding is not None]
    return max(found, key=lambda one: one.score).embedding if found else None


def run(clip: Clip, rule: Rule, measure: Measure) -> Outcome:
    """One clip through a rule's machine."""
    machine = RuleMachine(clip.name, rule, NullDecisionSink())
    transitions: list[Transition] = []
    readings = [measure(seen) for seen in clip.observations]
    for seen, reading in zip(clip.observations, readings, strict=True):
        transitions += machine.update(Moment.of(seen.captured_at, ZONE), reading)
    transitions += machine.reset()
    told = [
        Prediction(clip.name, _seconds(one.started_at), _seconds(one.ended_at), FALLING)
        for one in transitions
        if one.ended_at is not None
    ]
    truth = Truth(clip.falls, {clip.name: clip.seconds})
    return Outcome(
        clip.name,
        score(truth, told, Overlap()).pooled.counts,
        tuple(reading.score or 0.0 for reading in readings),
        tuple(clip.is_fall(seen) for seen in clip.observations),
        tuple(not reading.reason.startswith("nothing") for reading in readings),
    )


def _seconds(at: datetime) -> float:
    return (at - START).total_seconds()


def few_shot(all_clips: Sequence[Clip], shots: int, labels: tuple[str, ...], *, has_negative: bool) -> list[Outcome]:
    """Every clip by examples of other subjects, for every seed."""
    rule = Rule.model_validate({"id": "fall", "examples": ["drawn"], "object": labels})
    outcomes = []
    for seed, clip in itertools.product(SEEDS, all_clips):
        others = [one for one in all_clips if one.subject != clip.subject]
        # The clips of one subject are judged by the same examples.
        shown = examples(others, shots, np.random.default_rng([seed, int(clip.subject[1:])]), labels)
        if not has_negative:
            shown = ExampleSet(shown.positive, shown.negative[:0], shown.positive_names, ())
        outcomes.append(run(clip, rule, _by(rule, ExampleScorer(shown))))
    return outcomes


def _by(rule: Rule, scorer: ExampleScorer | WordScorer) -> Measure:
    predicate, book = ScoredPredicate(rule, scorer, None), TrackBook(1.0)
    return lambda seen: predicate.measure(seen, book)


def _wide(seen: Observation) -> Reading:
    people = [one for one in seen.regions if one.label == "person"]
    box = max(people, key=lambda one: one.score).box if people else None
    if box is None:
        return Reading(0.0, reason="nothing to look at")
    return Reading(float(box.width > box.height))


def auc(outcomes: Sequence[Outcome], *, is_seen: bool = False) -> float:
    """Chance that a frame of a fall scores higher than another frame, ties half (Mann-Whitney)."""
    counts = [flag or not is_seen for one in outcomes for flag in one.seen]
    scores = np.array([value for one in outcomes for value in one.scores])[counts]
    labels = np.array([value for one in outcomes for value in one.labels])[counts]
    above = scores[labels][:, None] - scores[~labels][None, :]
    return float((above > 0).mean() + (above == 0).mean() / 2) if above.size else float("nan")


def row(way: str, shots: int | str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Figures of one way: counts of a clip are those of all its seeds."""
    names = sorted({one.clip for one in outcomes})
    by_clip = [_total([one.counts for one in outcomes if one.clip == name]) for name in names]
    total, limits = _total(by_clip), intervals(by_clip, seed=0)
    seeds = [outcomes[start : start + len(names)] for start in range(0, len(outcomes), len(names))]
    return {
        "way": way,
        "k": shots,
        "falls found": total.recall,
        "found 95 %": _text(limits.get("recall")),
        "false/h": total.false_alarms_per_hour,
        "false 95 %": _text(limits.get("false_alarms_per_hour")),
        "AUC": float(np.mean([auc(seed) for seed in seeds])),
        "AUC 95 %": _area_limits(seeds, is_seen=False),
        "AUC, seen": float(np.mean([auc(seed, is_seen=True) for seed in seeds])),
        "seen 95 %": _area_limits(seeds, is_seen=True),
    }


def _text(limits: Any) -> str:
    return f"{limits.low:.2f}–{limits.high:.2f}" if limits is not None else "-"


def _area_limits(seeds: Sequence[Sequence[Outcome]], *, is_seen: bool) -> str:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES // len(seeds)):
        places = rng.integers(len(seeds[0]), size=len(seeds[0]))
        drawn.append(np.mean([auc([seed[place] for place in places], is_seen=is_seen) for seed in seeds]))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return f"{low:.2f}–{high:.2f}"


def _total(counts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(one.num_events for one in counts),
        sum(one.num_matched for one in counts),
        sum(one.num_false for one in counts),
        sum(one.num_duplicates for one in counts),
        sum(one.hours or 0.0 for one in counts),
    )


def rows(all_clips: Sequence[Clip], encoder: Encoder) -> list[dict[str, Any]]:
    """Every way."""
    ways: dict[str, tuple[tuple[str, ...], bool]] = {
        "person": (("person",), True),
        "person, only positive": (("person",), False),
        "anything": (("any",), True),
        "picture": ((), True),
    }
    found = [
        row(way, shots, few_shot(all_clips, shots, labels, has_negative=has_negative))
        for (way, (labels, has_negative)), shots in itertools.product(ways.items(), SHOTS)
    ]
    wide = Rule.model_validate({"id": "fall", "when": "wider than high"})
    found.append(row("wider than high", "-", [run(clip, wide, _wide) for clip in all_clips]))
    if encoder.supports_text:
        for labels in ((), ("person",)):
            rule = Rule.model_validate({"id": "fall", "when": WORDS, "object": labels})
            told = [run(clip, rule, _by(rule, WordScorer(WORDS, encoder))) for clip in all_clips]
            found.append(row(f"words, {labels[0] if labels else 'picture'}", "-", told))
    return found


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--encoder", default=YOLOX, help="as models.encoder of a site file")
    given = options.parse_args()
    encoder = load_encoder(given.encoder, PerceptionSettings())
    if encoder is None:
        raise SystemExit("this benchmark needs an encoder")
    all_clips = clips(encoder)
    found = rows(all_clips, encoder)
    show(f"Falls from examples, {encoder.model_id}", list(found[0]), [list(one.values()) for one in found])
    if not encoder.supports_text:
        print(f"{encoder.model_id} reads no words: the same rule as `when:` could not be run beside this.")
    for clip in all_clips:
        fallen = [seen for seen in clip.observations if clip.is_fall(seen)]
        num_seen = sum(_vector(seen, ("person",)) is not None for seen in fallen)
        print(f"{clip.name}: {clip.seconds:.1f} s, a person is found in {num_seen} of {len(fallen)} frames of a fall")
    if given.save:
        figures = {"encoder": encoder.model_id, "clips": [one.name for one in all_clips], "seeds": len(SEEDS)}
        print(save(Path(__file__).stem, {**figures, "fps": FPS, "rows": found}))


if __name__ == "__main__":
    main()
