"""`left_behind`: things whose bringer is gone."""

from __future__ import annotations

from tests.support.events import Actor, at, closed, film, opened, play, rule, stage

LEFT = {"object": ["backpack", "suitcase"], "left_behind": "10s"}
BRINGER = Actor([(0, 100, 400), (5, 300, 400), (7, 300, 400), (12, 700, 400)], track_id=1, height=120)
"""Puts the bag down at 5 s, stays to 7 s, is out of reach at about 8.5 s."""
BAG = Actor([(5, 300, 400), (60, 300, 400)], track_id=2, label="backpack", height=30, width=25, jitter_px=1)


def test_a_bag_left_alone() -> None:
    """It opens when the bringer has been gone for the limit, not when the bag was put down."""
    (opening,) = opened(play(stage(rule(track=LEFT)), film(40, 5, BRINGER, BAG)))
    assert 17 <= (opening.opened_at - at(0)).total_seconds() <= 20
    assert opening.facts[0].text == "backpack 2 left behind for 10 s (limit 10 s)"


def test_an_owner_who_stays_has_not_left_it() -> None:
    """A bag beside somebody is not left behind."""
    beside = Actor([(0, 330, 400), (60, 330, 400)], track_id=1, height=120)
    assert play(stage(rule(track=LEFT)), film(60, 5, beside, BAG)) == []


def test_the_owner_comes_back() -> None:
    """When somebody returns and stays, the candidate ends."""
    back = Actor([(25, 700, 400), (30, 310, 400), (60, 310, 400)], track_id=3, height=120)
    (closing,) = closed(play(stage(rule(track=LEFT)), film(60, 5, BRINGER, BAG, back)))
    assert closing.ended_at is not None
    assert 30 <= (closing.ended_at - at(0)).total_seconds() <= 34


def test_a_passer_by_does_not_start_it_afresh() -> None:
    """Somebody who only walks past changes nothing."""
    passing = Actor([(11, 0, 400), (19, 768, 400)], track_id=3, height=120)
    (opening,) = opened(play(stage(rule(track=LEFT)), film(40, 5, BRINGER, BAG, passing)))
    assert 17 <= (opening.opened_at - at(0)).total_seconds() <= 20


def test_ids_and_dropouts_do_not_matter() -> None:
    """A bag whose detections blink for two seconds and come back with new ids is one bag."""
    blinking = Actor(
        BAG.corners,
        track_id=lambda seconds: 20 + int(seconds // 4),
        label="backpack",
        height=30,
        width=25,
        hidden=[(second, second + 2.0) for second in range(8, 60, 4)],
    )
    assert len(opened(play(stage(rule(track=LEFT, timing={"gap": "5s"})), film(60, 5, BRINGER, blinking)))) == 1


def test_a_carried_bag_is_not_stationary() -> None:
    """A bag that moves is not left, even with nobody detected beside it."""
    carried = Actor([(0, 50, 400), (60, 700, 400)], track_id=2, label="backpack", height=30, width=25)
    assert play(stage(rule(track=LEFT)), film(60, 5, carried)) == []


def test_slow_heartbeats() -> None:
    """A frame in five seconds is enough."""
    bag = Actor([(0, 300, 400), (60, 300, 400)], track_id=2, label="suitcase", height=40, width=30)
    (opening,) = opened(play(stage(rule(track=LEFT)), film(60, 0.2, bag)))
    assert opening.opened_at == at(10)


def test_moving_regions() -> None:
    """With the motion detector, what was brought and stays behind counts; the one who brought it does not."""
    bringer = Actor(BRINGER.corners, track_id=1, label="moving", height=120)
    thing = Actor(BAG.corners, track_id=2, label="moving", height=30, width=25)
    (opening,) = opened(play(stage(rule(track={"left_behind": "10s"})), film(40, 5, bringer, thing)))
    assert opening.facts[0].text.startswith("something left behind for")


def test_one_blob_that_parts_into_bag_and_bringer() -> None:
    """With the motion detector a carried bag keeps its bearer's track; who comes off it is the one who left."""
    blob = Actor([(0, 100, 400), (5, 300, 400), (60, 300, 400)], track_id=1, label="moving", height=50, width=30)
    leaving = Actor([(7, 330, 400), (12, 700, 400)], track_id=2, label="moving", height=60)
    (opening,) = opened(play(stage(rule(track={"left_behind": "10s"})), film(40, 5, blob, leaving)))
    assert (opening.opened_at - at(0)).total_seconds() <= 20
    assert opened(play(stage(rule(track={"left_behind": "10s"})), film(40, 5, blob))) == []


def test_furniture_does_not_count_as_anything() -> None:
    """With `object: any`, what nobody brought was not left behind."""
    bench = Actor([(0, 300, 400), (60, 300, 400)], track_id=2, label="bench", height=60, width=90)
    assert play(stage(rule(track={"left_behind": "10s"})), film(60, 5, bench)) == []


def test_a_sitting_person_is_not_left_behind() -> None:
    """A person is no thing."""
    sitting = Actor([(0, 300, 400), (60, 300, 400)], track_id=2)
    visitor = Actor([(0, 310, 400), (10, 310, 400), (13, 700, 400)], track_id=3)
    assert play(stage(rule(track={"left_behind": "10s"})), film(60, 5, sitting, visitor)) == []
