"""A camera that loses its watcher: what the owners of it tell together, against one owner that never dies.

A film is a list of frames as they stand on the bus: what a detector would find in them, and how alike they are
to a rule's words. Each owner samples, tracks and decides with the real parts; the bus and the commits are
modelled, so that a kill can be put on any frame.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box
from pipeline.errors import StageFailed
from pipeline.events.horizon import rewind_seconds
from pipeline.events.stage import EventStage
from pipeline.perception.tracker import CameraTracker
from pipeline.sampling.background import STAYS_VISIBLE_SECONDS
from pipeline.sampling.budget import SamplingBudget
from pipeline.scenes import open_scene
from pipeline.settings import EventSettings, PerceptionSettings
from tests.support.events import SQUARE, UPWARD, Actor, TinyEncoder, at, embedding, rule

_ZONE = ZoneInfo("UTC")
_WORDS = "a red door opens"
_ENCODER = TinyEncoder(_WORDS)
_TOLERANCE_SECONDS = 0.6
"""Three samples: two owners sample frames up to one apart, and jitter makes a speed or a side certain two later."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame on the bus."""

    seconds: float
    regions: tuple[Region, ...]
    moved_seconds: tuple[float, ...]
    """When each thing in the picture last moved."""
    likeness: float = 0.0


@dataclass(frozen=True, slots=True)
class Film:
    """A camera, its rules and all its frames."""

    camera: Camera
    rules: tuple[Rule, ...]
    shots: tuple[Shot, ...]
    size: tuple[int, int]

    @property
    def rewind_seconds(self) -> float:
        return rewind_seconds([(self.camera, self.rules)], EventSettings(), PerceptionSettings())


@dataclass(frozen=True, slots=True)
class Kill:
    """An owner dies after so many records (replayed ones count); what it leaves behind."""

    after: int
    uncommitted: int
    """Records it had handled beyond the committed offset."""
    unpublished: int
    """Candidates of those records that did not become durable."""


@dataclass
class Broker:
    """What is durable: the committed offset, and candidates with the record that caused each."""

    committed: int = 0
    told: list[tuple[int, Candidate]] = field(default_factory=list)

    def die(self, told: Sequence[tuple[int, Candidate]], position: int, kill: Kill) -> None:
        """An owner dies before the record at `position`; all it told so far was `told`."""
        self.committed = max(self.committed, position - kill.uncommitted)
        sure = [one for one in told if one[0] < self.committed]
        risky = [one for one in told if self.committed <= one[0] < position]
        self.told += sure + risky[: max(len(risky) - kill.unpublished, 0)]


class Owner:
    """One life of a watcher, as far as one camera goes."""

    def __init__(self, film: Film, broker: Broker) -> None:
        self._film, self._broker = film, broker
        self._tracker = CameraTracker(PerceptionSettings())
        self._budget = SamplingBudget(film.camera.sampling)
        self._first_seconds = math.inf
        self._events = self._take_over()
        self._told: list[tuple[int, Candidate]] = []

    def run(self, kill: Kill | None) -> bool:
        """Handle records from the rewind on, until killed or through; whether it came through."""
        film, broker = self._film, self._broker
        first = next((n for n, shot in enumerate(film.shots) if shot.seconds >= self._since), broker.committed)
        records = range(min(first, broker.committed), len(film.shots))
        for n in records[: None if kill is None else kill.after]:
            self._told += [(n, candidate) for candidate in self._handle(film.shots[n], is_replay=n < broker.committed)]
        if kill is None or kill.after >= len(records):
            self._told += [(len(film.shots), candidate) for candidate in self._events.finish(film.camera.id)]
            broker.told += self._told
            return True
        broker.die(self._told, records[0] + kill.after, kill)
        return False

    @property
    def _since(self) -> float:
        committed = min(self._broker.committed, len(self._film.shots) - 1)
        return self._film.shots[committed].seconds - self._film.rewind_seconds if self._broker.committed else 0.0

    def _take_over(self) -> EventStage:
        told = [candidate for _, candidate in self._broker.told]
        closed = {candidate.id for candidate in told if candidate.state is CandidateState.CLOSED}
        since = at(self._since)
        known = [c for c in told if c.id not in closed or c.opened_at >= since or (c.ended_at or since) > since]
        alerts: dict[tuple[str, str], datetime] = {}
        for candidate in told:
            key = (candidate.camera_id, candidate.rule_id)
            alerts[key] = max(candidate.opened_at, alerts.get(key, candidate.opened_at))
        film = self._film
        return EventStage(
            [(film.camera, film.rules)],
            EventSettings(),
            _ZONE,
            _ENCODER,
            NullDecisionSink(),
            last_alerts=alerts,
            known=known,
        )

    def _has_motion(self, shot: Shot) -> bool:
        """As the gate: what stands still stays visible four times as long as its place was known without it, at
        most 90 s; what never moved since the owner's first picture belongs to the picture."""
        return any(
            shot.seconds - moved <= min(4 * (moved - self._first_seconds), STAYS_VISIBLE_SECONDS)
            for moved in shot.moved_seconds
            if moved >= self._first_seconds
        )

    def _handle(self, shot: Shot, *, is_replay: bool) -> tuple[Candidate, ...]:
        captured_at = at(shot.seconds)
        self._first_seconds = min(self._first_seconds, shot.seconds)
        if not self._budget.decide(captured_at, self._has_motion(shot)).is_sampled:
            return ()
        observation = Observation(
            camera_id=self._film.camera.id,
            sequence=round(shot.seconds * 1000),
            captured_at=captured_at,
            pts_seconds=shot.seconds,
            width=self._film.size[0],
            height=self._film.size[1],
            regions=self._tracker.update(shot.regions, captured_at),
            thumbnail=np.full((36, 64), 90, np.uint8),
            embedding=embedding(shot.likeness),
        )
        (told,) = self._events.process([observation], is_replay=is_replay)
        assert not isinstance(told, StageFailed)
        assert not (is_replay and told)
        return told


@dataclass(frozen=True)
class Outcome:
    """How what was told differs from what one owner would have told."""

    lost: list[Candidate]
    doubled: list[Candidate]
    unclosed: set[str]
    restarted: int
    """Told at the right time under a later start, for it began before the rewind."""

    @property
    def is_the_same(self) -> bool:
        """Nothing lost, nothing doubled, and all that was opened is closed."""
        return not (self.lost or self.doubled or self.unclosed)


def compare(expected: Sequence[Candidate], told: Sequence[Candidate], tolerance_seconds: float) -> Outcome:
    """Openings by id against those expected: same rule, one to one, opened at the same time, give or take."""
    missing = list(_openings(expected).values())
    doubled, restarted = [], 0
    for candidate in _openings(told).values():
        near = functools.partial(_distance_seconds, candidate)
        match = min((c for c in missing if c.rule_id == candidate.rule_id), key=near, default=None)
        if match is None or near(match) > tolerance_seconds:
            doubled.append(candidate)
            continue
        missing.remove(match)
        restarted += abs((match.started_at - candidate.started_at).total_seconds()) > tolerance_seconds
    closed = {candidate.id for candidate in told if candidate.state is CandidateState.CLOSED}
    return Outcome(missing, doubled, {candidate.id for candidate in told} - closed, restarted)


def _openings(told: Sequence[Candidate]) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for candidate in told:
        found.setdefault(candidate.id, candidate)
    return found


def _distance_seconds(one: Candidate, other: Candidate) -> float:
    return abs((one.opened_at - other.opened_at).total_seconds())


class Trial:
    """One film; what a single owner tells of it, and what several do."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self._whole_life = self._live(Broker(), ())
        self.expected = [candidate for _, candidate in self._whole_life]

    def told(self, kills: Sequence[Kill]) -> list[Candidate]:
        """What is durable on `candidates` in the end, when owners die as given and the last one comes through."""
        broker, first = Broker(), kills[0]
        broker.die(self._whole_life, first.after, first)
        return [candidate for _, candidate in self._live(broker, kills[1:])]

    def outcome(self, kills: Sequence[Kill]) -> Outcome:
        """How what is told then differs from what a single owner tells."""
        return compare(self.expected, self.told(kills), _TOLERANCE_SECONDS)

    def _live(self, broker: Broker, kills: Sequence[Kill]) -> list[tuple[int, Candidate]]:
        for kill in (*kills, None):
            if Owner(self.film, broker).run(kill):
                break
        return broker.told


def random_kill(random: Random, after: int, fps: float) -> Kill:
    """Commits lie up to two seconds behind; of what was told since, any part is durable."""
    return Kill(after, random.randint(0, round(2 * fps)), random.choice((0, 0, 1, 2, 100)))


def scene_film(name: str, rules: Sequence[Rule], fps: float, seconds: float | None = None, seed: int = 1) -> Film:
    """A rendered scene by its truth, as a good detector would see it: jitter of 2 % and one miss in fifty."""
    scene = open_scene(name, seed=seed, seconds=seconds, size=(320, 180))
    camera = _camera(zones=scene.zones, lines=scene.lines)
    noise = np.random.default_rng(seed)
    shots, moved = [], dict[int, float]()
    for n in range(int(scene.duration_seconds * fps)):
        truth = scene.render(n / fps)[1]
        regions = tuple(_seen(actor.box, actor.label, noise) for actor in truth.actors if noise.uniform() > 0.02)
        for actor in truth.actors:
            if actor.action not in ("stand", "left", "parked") or actor.id not in moved:
                moved[actor.id] = n / fps
        there = tuple(moved[actor.id] for actor in truth.actors)
        shots.append(Shot(round(n / fps, 3), regions, there))
    return Film(camera, tuple(rules), tuple(shots), (320, 180))


def courtyard(seconds: float = 205, fps: float = 12) -> Film:
    """Every kind of rule, and for each something that goes on longer than any rewind or comes thick and fast."""
    rules = [rule(id=name, **body) for name, body in _COURTYARD_RULES.items()]
    return actors_film(_courtyard_actors(), rules, seconds, fps, _courtyard_likeness)


_COURTYARD_RULES: dict[str, dict[str, Any]] = {
    "enters": {"track": {"enters": "square"}},
    "leaves": {"track": {"leaves": "square"}},
    "crosses": {"track": {"crosses": "line"}},
    "crosses-cool": {"track": {"crosses": "line", "direction": "left_to_right"}, "cooldown": 5},
    "crosses-gap": {"track": {"crosses": "line"}, "timing": {"gap": 3}},
    "crosses-scheduled": {"track": {"crosses": "line"}, "schedule": "12:01-12:02"},
    "inside": {"track": {"inside": "square"}},
    "inside-cool": {"track": {"inside": "square"}, "cooldown": 60},
    "inside-scheduled": {"track": {"inside": "square"}, "schedule": "12:01-12:02"},
    "stay": {"track": {"inside": "square", "longer_than": 45}},
    "stay-cool": {"track": {"inside": "square", "longer_than": 5}, "cooldown": 20},
    "count": {"track": {"count_above": 1}},
    "count-people": {"track": {"object": "person", "count_above": 2}, "zone": "square"},
    "left": {"track": {"object": "suitcase", "left_behind": 30}},
    "left-any": {"track": {"left_behind": 10}},
    "fast": {"track": {"faster_than": 1.8}},
    "words": {"when": _WORDS, "cooldown": 5},
    "words-slow": {"when": _WORDS, "timing": {"smoothing": 4, "dwell": 3}},
}


def _courtyard_actors() -> list[Actor]:
    walks = [
        [(5, 100, 300), (8, 400, 300), (150, 420, 310), (153, 700, 300)],  # stays for 140 s
        [(20, 100, 420), (28, 700, 420)],
        [(22, 700, 350), (30, 100, 350)],
        [(40, 20, 180), (44, 250, 180), (158, 250, 180), (162, 20, 180)],  # stands still for 114 s
        [(60, 50, 200), (63, 300, 200), (70, 300, 200), (73, 50, 200)],
        [(61, 50, 250), (64, 300, 250), (71, 300, 250), (74, 50, 250)],
        [(90, 60, 540), (96, 330, 540), (100, 330, 540), (106, 60, 540)],  # brings the suitcase
        *([(110 + 2 * n, 100, 380 + 10 * n), (116 + 2 * n, 700, 380 + 10 * n)] for n in range(5)),
        [(148, 20, 110), (172, 700, 110)],  # walks by, so that the camera is looked at all the time
        [(165, 100, 300), (169, 700, 300)],  # runs
        [(180, 100, 300), (184, 380, 300), (190, 380, 300), (194, 700, 300)],
    ]
    suitcase = [(90, 70, 540), (96, 340, 540), (170, 340, 540)]
    return [
        *(Actor(corners, jitter_px=1.5, seed=seed) for seed, corners in enumerate(walks)),
        Actor(suitcase, label="suitcase", height=28, width=24, jitter_px=0.8, seed=99),
    ]


def _courtyard_likeness(seconds: float) -> float:
    """Twice clearly so, and after the second time for long between `release` and `threshold`."""
    if 28 <= seconds < 37 or 50 <= seconds < 52:
        return 0.75
    return 0.54 if 52 <= seconds < 140 else 0.4


def actors_film(
    actors: Sequence[Actor],
    rules: Sequence[Rule],
    seconds: float,
    fps: float,
    likeness: Callable[[float], float] = lambda seconds: 0.0,
) -> Film:
    """Actors on straight lines before `square` and `line`."""
    shots = []
    for n in range(int(seconds * fps)):
        time = round(n / fps, 3)
        found = tuple(region for actor in actors if (region := actor.region(time)) is not None)
        regions = tuple(Region(region.box, region.label, region.score) for region in found)
        shots.append(Shot(time, regions, _moved(actors, time), likeness(time)))
    camera = _camera(zones={"square": SQUARE}, lines={"line": UPWARD})
    return Film(camera, tuple(rules), tuple(shots), (768, 576))


def _moved(actors: Sequence[Actor], time: float) -> tuple[float, ...]:
    """When each of those that are there last moved."""
    return tuple(
        max(
            (min(time, b[0]) for a, b in itertools.pairwise(actor.corners) if a[0] <= time and a[1:] != b[1:]),
            default=actor.corners[0][0],
        )
        for actor in actors
        if actor.corners[0][0] <= time <= actor.corners[-1][0]
    )


def _camera(**drawn: object) -> Camera:
    return Camera.model_validate({"id": "cam", "url": "synthetic:none", **drawn})


def _seen(box: Box, label: str, noise: np.random.Generator) -> Region:
    left, top, right, bottom = noise.normal(0.0, 0.02 * max(box.height, 10.0), 4)
    return Region(Box(box.left + left, box.top + top, box.right + right, box.bottom + bottom), label, 0.8)
