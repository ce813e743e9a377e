"""`inside`, `longer_than`, `count_above` and `faster_than`."""

from __future__ import annotations

import pytest

from tests.support.events import Actor, DecisionLog, at, closed, film, opened, play, rule, stage

VISIT = [(0.0, 100.0, 300.0), (5.0, 300.0, 300.0), (15.0, 300.0, 300.0), (20.0, 100.0, 300.0)]
"""In the square (x > 192) from 2.3 s to 17.7 s."""
INSIDE = {"object": "person", "inside": "square"}


def test_inside_opens_and_closes_with_the_visit() -> None:
    """One candidate from entering to leaving."""
    (opening,), (closing,) = _both(INSIDE, Actor(VISIT, jitter_px=2), seconds=25)
    assert abs((opening.started_at - at(2.5)).total_seconds()) < 0.5
    assert closing.ended_at is not None
    assert abs((closing.ended_at - at(17.8)).total_seconds()) < 0.8
    assert opening.facts[0].text == "person 7 was in square"


def test_blinking_detections_do_not_interrupt() -> None:
    """A detector that misses 0.4 s in every second tells one visit."""
    blinks = [(second + 0.1, second + 0.5) for second in range(25)]
    openings, closings = _both(INSIDE, Actor(VISIT, hidden=blinks), seconds=25)
    assert (len(openings), len(closings)) == (1, 1)


def test_longer_than_opens_at_the_limit() -> None:
    """The stay is counted from entering; the fact says how long and what the limit is."""
    (opening,), _ = _both(INSIDE | {"longer_than": "8s"}, Actor(VISIT), seconds=25)
    assert abs((opening.opened_at - at(10.5)).total_seconds()) < 0.5
    assert opening.facts[0].text == "person 7 stayed in square for 8 s (limit 8 s)"
    assert (opening.facts[0].value, opening.facts[0].unit) == (pytest.approx(8, abs=0.2), "s")


def test_a_short_stay_is_not_longer_than() -> None:
    """Fifteen seconds are not twenty."""
    assert _both(INSIDE | {"longer_than": "20s"}, Actor(VISIT), seconds=25) == ([], [])


def test_the_ledger_knows_who_stood_beside_the_zone() -> None:
    """Before and after the visit somebody is seen, only not in there; who is gone is not."""
    log = DecisionLog()
    play(stage(rule(track=INSIDE | {"longer_than": "20s"}), sink=log), film(25, 5, Actor(VISIT)))
    assert set(log.reasons()) == {"only elsewhere", "not long enough", "nothing inside"}


def test_different_people_do_not_add_up() -> None:
    """The same track must stay: five people for five seconds each are no stay of twenty."""
    people = [
        Actor([(5.0 * n, 100, 300), (5.0 * n + 1, 400, 300), (5.0 * n + 4.9, 700, 300)], track_id=n) for n in range(5)
    ]
    assert _both({"inside": "square", "longer_than": "8s"}, *people, seconds=26) == ([], [])


def test_a_stay_survives_an_id_switch() -> None:
    """The tracker loses somebody for a second and gives a new id: the stay goes on."""
    actor = Actor(VISIT, track_id=lambda seconds: 7 if seconds < 9 else 12, hidden=[(8.5, 9.5)], jitter_px=2)
    assert len(_both(INSIDE | {"longer_than": "12s"}, actor, seconds=25)[0]) == 1


def test_a_stay_survives_slow_heartbeats() -> None:
    """While nothing moves a camera gives a frame in five seconds; that is no absence."""
    still = Actor([(0, 300, 300), (200, 300, 300)])
    (opening,), _ = _both(INSIDE | {"longer_than": "45s"}, still, seconds=100, fps=0.2)
    assert opening.opened_at == at(45)


def test_a_zone_at_the_border_of_the_picture() -> None:
    """Somebody cut off by the lower border stands in a zone that reaches it."""
    low = {"zones": {"square": ((0.2, 0.8), (0.8, 0.8), (0.8, 1.0), (0.2, 1.0))}}
    actor = Actor([(0, 300, 576), (5, 400, 576)])
    assert len(opened(play(stage(rule(track=INSIDE), camera=low), film(5, 10, actor)))) == 1


def test_count_above() -> None:
    """Three are not more than three; four are, and the fact counts them."""
    people = [Actor([(n * 5.0, 250 + 40 * n, 300), (25, 250 + 40 * n, 300)], track_id=n) for n in range(4)]
    (opening,), (closing,) = _both({"object": "person", "count_above": 3}, *people, seconds=30)
    assert abs((opening.opened_at - at(15.5)).total_seconds()) < 0.2
    assert opening.facts[0].text == "4 people at once in the picture (more than 3)"
    assert closing.ended_at is not None


def test_count_above_zero_is_any() -> None:
    """`count_above: 0` is met by one."""
    assert len(_both({"count_above": 0}, Actor(VISIT), seconds=25)[0]) == 1


def test_count_only_in_the_rules_zone() -> None:
    """Whoever stands outside the rule's zone does not count."""
    inside = Actor([(0, 300, 300), (9, 300, 300)], track_id=1)
    outside = Actor([(0, 100, 300), (9, 100, 300)], track_id=2)
    candidates = play(stage(rule(track={"count_above": 1}, zone="square")), film(9, 10, inside, outside))
    assert candidates == []
    candidates = play(stage(rule(track={"count_above": 0}, zone="square")), film(9, 10, inside, outside))
    assert candidates[0].facts[0].text == "1 thing at once in square (more than 0)"


def _run(heights_per_second: float, **more: object) -> Actor:
    return Actor([(0, 50, 300), (8, 50 + 8 * 70 * heights_per_second, 300)], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [25, 10, 5, 2])
@pytest.mark.parametrize("seed", range(3))
def test_running_but_not_walking(fps: float, seed: int) -> None:
    """At 1.8 heights a second a walk (0.8) stays silent and a run (2.5 of 40 px) is told, through 3 px jitter."""
    fast = {"object": "person", "faster_than": 1.8}
    walk = _run(0.8, jitter_px=3, seed=seed)
    assert _both(fast, walk, seconds=8, fps=fps) == ([], [])
    run = Actor([(0, 50, 300), (6, 650, 300)], height=40, jitter_px=1.5, seed=seed)
    (opening,), _ = _both(fast, run, seconds=6, fps=fps)
    assert opening.facts[0].value == pytest.approx(2.5, rel=0.25)
    assert opening.facts[0].unit == "heights/s"


def test_a_box_cut_in_half_is_not_fast() -> None:
    """When somebody steps behind a wall the box's lower edge leaps up; that is no speed."""
    whole = film(3, 10, Actor([(0, 300, 300), (3, 330, 300)]))
    cut = film(3, 10, Actor([(3, 330, 260), (6, 360, 260)], height=30), start=3.0)
    fast = rule(track={"faster_than": 1.2}, timing={"dwell": 0})
    assert play(stage(fast), whole + cut) == []


def _both(track: dict[str, object], *actors: Actor, seconds: float, fps: float = 10):  # type: ignore[no-untyped-def]
    candidates = play(stage(rule(track=track)), film(seconds, fps, *actors))
    return opened(candidates), closed(candidates)


def test_jitter_at_the_start_of_a_track_is_not_fast() -> None:
    """Two boxes a 25th of a second apart say nothing about speed."""
    fast = rule(track={"faster_than": 1.2}, timing={"dwell": 0})
    assert play(stage(fast), film(5, 25, Actor([(0, 300, 300), (5, 300, 300)], jitter_px=3))) == []


def test_presence_ends_with_the_tracks() -> None:
    """Somebody who vanishes inside is gone half a second later, and the candidate ends after its gap."""
    candidates = play(stage(rule(track=INSIDE)), film(12, 10, Actor([(0, 300, 300), (4, 320, 300)])))
    ended_at = closed(candidates)[0].ended_at
    assert ended_at is not None
    assert 4.0 <= (ended_at - at(0)).total_seconds() <= 4.5


def test_a_moving_region_counts_where_it_overlaps() -> None:
    """Of what only moves any part in the zone counts; a person counts where they stand."""
    corners = [(0, 100, 300), (5, 100, 300)]
    wide = Actor(corners, label="moving", width=300)
    assert len(_both({"inside": "square"}, wide, seconds=5)[0]) == 1
    assert _both({"inside": "square"}, Actor(corners, width=300), seconds=5) == ([], [])


@pytest.mark.parametrize("fps", [25, 10, 5, 2])
def test_frame_rates_agree(fps: float) -> None:
    """A noisy visit begins and ends at the same time, to half a second, at 25, 10, 5 and 2 frames a second."""
    (opening,), (closing,) = _both(INSIDE, Actor(VISIT, jitter_px=2), seconds=25, fps=fps)
    assert abs((opening.started_at - at(2.6)).total_seconds()) <= 0.5
    assert closing.ended_at is not None
    assert abs((closing.ended_at - at(17.8)).total_seconds()) <= 0.5
