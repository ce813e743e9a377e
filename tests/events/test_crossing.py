"""Passing lines and zone boundaries: exact paths, noise, dropouts and id switches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.contracts.candidate import Fact
from tests.support.events import Actor, DecisionLog, at, film, opened, play, rule, stage

ACROSS = [(0.0, 300.0, 300.0), (4.0, 468.0, 300.0)]
"""Over x = 384 at 2.0 s, at 42 px a second."""
BACK = [(0.0, 468.0, 300.0), (4.0, 300.0, 300.0)]
CROSSES = {"object": "person", "crosses": "line"}


def _facts(track: dict[str, object], *actors: Actor, fps: float = 10, seconds: float = 6, **more: object) -> list[Fact]:
    candidates = play(stage(rule(track=track, **more)), film(seconds, fps, *actors))
    return [fact for candidate in opened(candidates) for fact in candidate.facts]


@pytest.mark.parametrize(
    ("corners", "direction"), [(ACROSS, "left_to_right"), (BACK, "right_to_left")], ids=["right", "left"]
)
def test_direction(corners: list[tuple[float, float, float]], direction: str) -> None:
    """Left and right are those of someone who walks up the line on the picture."""
    (fact,) = _facts(CROSSES, Actor(corners))
    assert fact.direction == direction
    assert fact.text == f"person 7 crossed line from {direction.replace('_', ' ')}"


def test_only_the_wanted_direction_counts() -> None:
    """A rule for one direction is silent about the other."""
    wanted = CROSSES | {"direction": "right_to_left"}
    assert _facts(wanted, Actor(ACROSS)) == []
    assert len(_facts(wanted, Actor(BACK))) == 1


@pytest.mark.parametrize("fps", [25, 10, 5, 2])
def test_place_and_time_are_interpolated(fps: float) -> None:
    """The crossing is placed between two sightings, within a tenth of a second and 4 px at any frame rate."""
    (fact,) = _facts(CROSSES, Actor(ACROSS), fps=fps)
    assert fact.position == pytest.approx((384.0, 300.0), abs=4)
    assert abs((fact.at - at(2.0)).total_seconds()) < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_jitter_on_the_line_is_no_crossing(seed: int) -> None:
    """Somebody who stands on the line while the box wanders by 3 px never crosses it."""
    assert _facts(CROSSES, Actor([(0, 384, 300), (60, 384, 300)], jitter_px=3, seed=seed), seconds=60) == []


@pytest.mark.parametrize("seed", range(5))
def test_noisy_walk_crosses_once(seed: int) -> None:
    """A slow walk over the line with 3 px of jitter is one crossing, not several."""
    slow = [(0.0, 350.0, 300.0), (20.0, 420.0, 300.0)]
    assert len(_facts(CROSSES, Actor(slow, jitter_px=3, seed=seed), seconds=20)) == 1


def test_turning_back_inside_the_band_is_no_crossing() -> None:
    """A toe over the line (4 px for a thing of 70 px) and back does not count."""
    assert _facts(CROSSES, Actor([(0, 300, 300), (2, 388, 300), (4, 300, 300)])) == []


def test_there_and_back_again_is_two_crossings() -> None:
    """Each way counts once."""
    facts = _facts(CROSSES, Actor([(0, 300, 300), (3, 460, 300), (6, 300, 300)]), seconds=7)
    assert [fact.direction for fact in facts] == ["left_to_right", "right_to_left"]


def test_dropout_on_the_line() -> None:
    """A crossing that nobody saw is told once the thing is seen on the other side."""
    (fact,) = _facts(CROSSES, Actor(ACROSS, hidden=[(1.5, 2.6)]))
    assert abs((fact.at - at(2.0)).total_seconds()) < 0.2


def test_id_switch_on_the_line() -> None:
    """A new id that continues the lost track is the same person: one crossing, neither lost nor doubled."""
    (fact,) = _facts(CROSSES, Actor(ACROSS, track_id=lambda seconds: 7 if seconds < 2 else 9, hidden=[(1.7, 2.4)]))
    assert fact.track_id == 9


def test_id_switch_without_a_gap() -> None:
    """The id may change from one frame to the next."""
    assert len(_facts(CROSSES, Actor(ACROSS, track_id=lambda seconds: 7 if seconds < 1.95 else 9))) == 1


def test_someone_else_far_away_is_not_joined() -> None:
    """A track that ends left of the line and another that begins well to its right are two people."""
    left = Actor([(0, 300, 300), (1.5, 340, 300)], track_id=1)
    right = Actor([(2, 560, 300), (4, 600, 300)], track_id=2)
    assert _facts(CROSSES, left, right) == []


def test_one_wrong_box_is_no_crossing() -> None:
    """Two people whose boxes are taken for each other in one frame do not cross."""
    swapped = [(0, 370, 300), (2, 370, 300), (2.05, 400, 300), (2.1, 400, 300), (2.15, 370, 300), (4, 370, 300)]
    assert _facts(CROSSES, Actor(swapped)) == []


def test_past_the_end_of_the_line() -> None:
    """Walking around a line's end does not cross it."""
    short = {"lines": {"line": ((0.5, 0.4), (0.5, 0.1))}}
    candidates = play(stage(rule(track=CROSSES), camera=short), film(6, 10, Actor(ACROSS)))
    assert candidates == []


def test_other_things_do_not_count() -> None:
    """A car does not trip a rule about people."""
    assert _facts(CROSSES, Actor(ACROSS, label="car")) == []
    assert len(_facts({"crosses": "line"}, Actor(ACROSS, label="car"))) == 1


def test_unknown_things_read_well() -> None:
    """What only moves is called something."""
    (fact,) = _facts({"crosses": "line"}, Actor(ACROSS, label="moving"))
    assert fact.text == "something crossed line from left to right"


def test_the_rules_zone_restricts_crossings() -> None:
    """Only what crosses within the rule's zone counts."""
    assert len(_facts(CROSSES, Actor(ACROSS), zone="square")) == 1
    below = [(seconds, x, 550.0) for seconds, x, _ in ACROSS]
    assert _facts(CROSSES, Actor(below), zone="square") == []


def test_enters_and_leaves() -> None:
    """Through a zone: one entry at its left edge, one exit at its right edge."""
    through = [(0.0, 100.0, 300.0), (6.0, 700.0, 300.0)]
    (entry,) = _facts({"enters": "square"}, Actor(through), seconds=7)
    (leaving,) = _facts({"leaves": "square"}, Actor(through), seconds=7)
    assert entry.text == "person 7 entered square"
    assert entry.position == pytest.approx((192, 300), abs=4)
    assert leaving.text == "person 7 left square"
    assert leaving.position == pytest.approx((576, 300), abs=4)


def test_first_seen_inside_is_no_entry() -> None:
    """An entry needs the track to have been seen outside."""
    assert _facts({"enters": "square"}, Actor([(0, 300, 300), (6, 500, 300)])) == []


def test_vanishing_inside_is_no_exit() -> None:
    """A track that is lost inside has not left."""
    assert _facts({"leaves": "square"}, Actor([(0, 100, 300), (3, 400, 300)])) == []


def test_each_crossing_is_its_own_candidate() -> None:
    """Two people half a second apart make two candidates, each closed."""
    second = [(seconds + 0.5, x, 400.0) for seconds, x, _ in ACROSS]
    candidates = play(stage(rule(track=CROSSES)), film(6, 10, Actor(ACROSS), Actor(second, track_id=8)))
    assert [c.state for c in candidates] == ["opened", "closed", "opened", "closed"]
    assert len({c.id for c in candidates}) == 2


def test_a_gap_joins_crossings() -> None:
    """With `gap: 5s` a group is one candidate with a fact for each person."""
    second = [(seconds + 0.5, x, 400.0) for seconds, x, _ in ACROSS]
    joined = rule(track=CROSSES, timing={"gap": "5s"})
    candidates = play(stage(joined), film(12, 10, Actor(ACROSS), Actor(second, track_id=8)))
    assert [c.state for c in candidates if c.state != "updated"] == ["opened", "closed"]
    assert {fact.track_id for fact in candidates[-1].facts} == {7, 8}


def test_a_sighting_before_the_tracker_was_sure_counts() -> None:
    """At two frames a second the first box, still without an id, shows which side somebody came from."""
    actor = Actor([(0.0, 372.0, 300.0), (2.0, 440.0, 300.0)], height=100)
    observations = film(3, 2, actor)
    unsure = tuple(replace(region, track_id=None) for region in observations[0].regions)
    first = replace(observations[0], regions=unsure)
    candidates = play(stage(rule(track=CROSSES)), [first, *observations[1:]])
    assert len(opened(candidates)) == 1


@pytest.mark.parametrize(
    ("corners", "reasons"),
    [
        ([(0.0, 50.0, 300.0), (6.0, 120.0, 300.0)], {"only elsewhere"}),
        ([(0.0, 300.0, 300.0), (6.0, 400.0, 300.0)], {"inside, not passing"}),
        ([(20.0, 0.0, 0.0), (21.0, 0.0, 0.0)], {"nothing entered"}),
    ],
    ids=["outside", "inside from the first", "not there"],
)
def test_the_ledger_knows_where_those_were_that_did_not_enter(
    corners: list[tuple[float, float, float]], reasons: set[str]
) -> None:
    """What counts was outside, inside already, or not there at all: what does not count is not there."""
    log, cat = DecisionLog(), Actor([(0.0, 300.0, 300.0), (6.0, 300.0, 300.0)], track_id=8, label="cat")
    entry = rule(track={"object": "person", "enters": "square"})
    play(stage(entry, sink=log), film(6, 5, Actor(corners), cat))
    assert set(log.reasons()) == reasons
