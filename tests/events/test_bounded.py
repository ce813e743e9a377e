"""What the rules of a camera hold after thousands of things went by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.events import Actor, film, opened, play, rule, stage
from tests.support.reachable import num_held

VERBS: list[dict[str, Any]] = [
    {"crosses": "line"},
    {"enters": "square"},
    {"leaves": "square"},
    {"object": "person", "inside": "square"},
    {"object": "person", "inside": "square", "longer_than": 2},
    {"count_above": 1},
    {"object": "backpack", "left_behind": 2},
    {"faster_than": 1.5},
]
_PASSAGE_SECONDS = 8.0


def passages(first: int, number: int) -> list[Actor]:
    """One after the other walks through the square, each with an id of its own, and another bag stands there."""
    actors = []
    for n in range(first, first + number):
        start = n * _PASSAGE_SECONDS
        actors.append(Actor([(start, 100, 300), (start + 5, 700, 300)], track_id=2 * n + 1))
        x = 300 if n % 2 else 500
        actors.append(Actor([(start + 1, x, 400), (start + 7, x, 400)], track_id=2 * n + 2, label="backpack"))
    return actors


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: "-".join(verb).removeprefix("object-"))
def test_no_rule_grows_with_what_it_has_seen(verb: dict[str, Any]) -> None:
    """After ninety passages a stage holds what it held after thirty, and has told of each."""
    events = stage(rule(track=verb))
    held, told = [], 0
    for first in (0, 30, 60):
        seconds, start = 30 * _PASSAGE_SECONDS, first * _PASSAGE_SECONDS
        told += len(opened(play(events, film(seconds, 5.0, *passages(first, 30), start=start), is_finished=False)))
        held.append(num_held(events))
    assert told >= 80
    assert held[2] <= held[0] + 10
