"""Watchers that die: whatever the frame, what their successors tell adds up to what one would have told."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests.support.events import rule
from tests.support.takeover import Film, Kill, Trial, courtyard, random_kill, scene_film

FPS = 12
"""Of the bus: not a multiple of the five a second that are sampled, so that owners look at different frames."""
NUM_KILLS = int(os.environ.get("SIGHTLINE_KILLS", "8"))
"""A run with hundreds of them takes minutes."""
SCENES = {"corridor": ("door", "mark"), "street": ("crossing", "middle")}
pytestmark = pytest.mark.timeout(60 + 30 * NUM_KILLS)
_TRIALS: dict[str, Trial] = {}


def trial(name: str) -> Trial:
    """The whole life of one owner is played once a session."""
    if name not in _TRIALS:
        _TRIALS[name] = Trial(courtyard() if name == "courtyard" else _scene(name))
    return _TRIALS[name]


def _scene(name: str) -> Film:
    zone, line = SCENES[name]
    verbs: list[dict[str, Any]] = [
        {"enters": zone},
        {"leaves": zone},
        {"crosses": line},
        {"inside": zone},
        {"inside": zone, "longer_than": 5},
        {"inside": zone, "longer_than": 15},
        {"count_above": 1},
        {"object": ["suitcase", "backpack"], "left_behind": 8},
        {"faster_than": 1.8},
    ]
    rules = [rule(id=f"r{n}-{'-'.join(verb)}", track=verb) for n, verb in enumerate(verbs)]
    cool = [rule(id=f"cool-{'-'.join(verb)}", track=verb, cooldown=10) for verb in verbs[:5]]
    return scene_film(name, rules + cool, FPS)


def check(name: str, *kills: Kill) -> None:
    """Nothing lost, nothing doubled, everything that was opened is closed."""
    assert trial(name).outcome(kills).is_the_same


def positions(random: Random, num_frames: int, number: int) -> list[int]:
    """One frame at random of each of so many equal parts."""
    part = num_frames / number
    return [int(part * (n + random.random())) + 1 for n in range(number)]


def test_kills_lose_and_double_nothing() -> None:
    """Eighteen rules of every kind over three and a half minutes, and a kill on any frame."""
    random, film = Random(1), trial("courtyard").film
    for position in positions(random, len(film.shots), NUM_KILLS):
        check("courtyard", random_kill(random, position, FPS))


def test_kills_during_takeovers_lose_and_double_nothing() -> None:
    """Successors die too: while they see again what was, or soon after."""
    random, film = Random(2), trial("courtyard").film
    reach = round((film.rewind_seconds + 10) * FPS)
    for position in positions(random, len(film.shots), NUM_KILLS // 2):
        others = [random_kill(random, random.randint(1, reach), FPS) for _ in range(random.randint(1, 3))]
        check("courtyard", random_kill(random, position, FPS), *others)


@pytest.mark.parametrize("name", SCENES)
def test_kills_in_a_scene_lose_and_double_nothing(name: str) -> None:
    """A rendered scene with a kill every ten seconds of it."""
    random = Random(3)
    for position in range(5, len(trial(name).film.shots), 10 * FPS):
        check(name, random_kill(random, position, FPS))
