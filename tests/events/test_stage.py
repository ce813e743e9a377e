"""The stage as a whole: order, ids, restarts, silence and odd input."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.candidate import Candidate, CandidateState, candidate_id
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box
from pipeline.errors import ConfigError, StageFailed
from pipeline.events.watch import rule_version
from tests.support.events import Actor, DecisionLog, at, box_at, closed, film, observation, opened, play, rule, stage

VISIT = Actor([(0, 100, 300), (3, 400, 300), (9, 400, 300), (12, 100, 300)])
INSIDE = {"object": "person", "inside": "square"}
EVERY_VERB = [
    {"enters": "square"},
    {"leaves": "square"},
    {"inside": "square"},
    {"inside": "square", "longer_than": "2s"},
    {"crosses": "line"},
    {"count_above": 1},
    {"left_behind": "3s"},
    {"faster_than": 1.5},
]


def _one_of_each() -> list[Rule]:
    return [rule(id=f"r{n}", track=verb) for n, verb in enumerate(EVERY_VERB)]


def test_answers_keep_length_and_order() -> None:
    """One answer an observation, in order; a bad one fails alone."""
    scenes = film(3, 5, VISIT)
    strange = replace(scenes[1], camera_id="nowhere")
    naive = replace(scenes[2], captured_at=scenes[2].captured_at.replace(tzinfo=None))
    answers = stage(rule(track=INSIDE)).process([scenes[0], strange, naive, scenes[3]])
    assert [isinstance(answer, StageFailed) for answer in answers] == [False, True, True, False]


def test_ids_are_deterministic() -> None:
    """The same film gives the same candidates, whichever process sees it and in which batches."""
    scenes = film(20, 5, VISIT)
    whole = play(stage(rule(track=INSIDE)), scenes)
    events = stage(rule(track=INSIDE))
    piecewise = [c for scene in scenes for c in events.process([scene])[0]] + list(events.finish("cam"))  # type: ignore[union-attr]
    assert piecewise == whole
    assert whole[0].id == candidate_id("cam", "r", whole[0].started_at)


def test_finish_closes_what_is_open() -> None:
    """At the end of a stream every open candidate is closed, once."""
    events = stage(rule(track=INSIDE))
    candidates = play(events, film(6, 5, VISIT))
    assert [c.state for c in candidates if c.state is not CandidateState.UPDATED] == ["opened", "closed"]
    assert events.finish("cam") == ()
    assert events.finish("nowhere") == ()


def test_candidates_say_all() -> None:
    """Rule version, picture size, models, facts and key frames are in every candidate."""
    wanted = rule(track=INSIDE, severity="high")
    (opening,) = opened(play(stage(wanted, model_ids={"detector": "d"}), film(9, 5, VISIT)))
    assert opening.rule_version == rule_version(wanted)
    assert (opening.picture_size, opening.models, opening.severity) == ((768, 576), {"detector": "d"}, "high")
    assert opening.facts
    assert opening.key_frames
    assert Candidate.model_validate_json(opening.model_dump_json()) == opening


def test_last_alerts_resume_cooldowns() -> None:
    """After a restart a rule stays quiet for the rest of its cooldown."""
    scenes = film(15, 5, VISIT)
    wanted = rule(track=INSIDE, cooldown="60s")
    assert play(stage(wanted, last_alerts={("cam", "r"): at(-20)}), scenes) == []
    assert len(opened(play(stage(wanted, last_alerts={("cam", "other"): at(-20)}), scenes))) == 1


def test_withdraw_alert() -> None:
    """A rejected candidate that nobody was told of gives its cooldown back."""
    wanted = rule(track=INSIDE, cooldown="60s")
    again = [replace(scene, captured_at=scene.captured_at + timedelta(seconds=20)) for scene in film(15, 5, VISIT)]
    quiet = stage(wanted)
    play(quiet, film(15, 5, VISIT))
    assert opened(play(quiet, again)) == []
    told = stage(wanted)
    (opening, *_) = play(told, film(15, 5, VISIT))
    told.withdraw_alert(opening)
    assert len(opened(play(told, again))) == 1


def test_disabled_rules_say_so() -> None:
    """A disabled rule opens nothing and leaves a decision with every observation."""
    log = DecisionLog()
    assert play(stage(rule(track=INSIDE, enabled=False), sink=log), film(9, 5, VISIT)) == []
    assert set(log.reasons()) == {"rule disabled"}
    assert len(log.decisions) == 45


def test_one_decision_a_rule_and_observation() -> None:
    """Every rule leaves exactly one decision with every observation."""
    log = DecisionLog()
    rules = _one_of_each()
    scenes = film(15, 5, VISIT)
    play(stage(*rules, sink=log), scenes)
    for wanted in rules:
        assert len(log.reasons(wanted.id)) == len(scenes)


def test_silence_starts_afresh() -> None:
    """After a silence longer than max_gap nothing is carried over, and what was open is closed."""
    before, after = film(5, 5, VISIT), film(5, 5, Actor([(60, 400, 300), (70, 400, 300)]), start=60)
    candidates = play(stage(rule(track={"inside": "square", "longer_than": "20s"})), before + after)
    assert candidates == []
    candidates = play(stage(rule(track=INSIDE)), before + after)
    assert [c.state for c in candidates if c.state != "updated"] == ["opened", "closed", "opened", "closed"]
    assert closed(candidates)[0].ended_at == before[-1].captured_at


def test_rare_heartbeats_are_no_silence() -> None:
    """A camera that is set to one idle frame in twenty seconds keeps its past between two of them."""
    slow = {"sampling": {"idle_fps": 0.05}}
    still = Actor([(0, 400, 300), (400, 400, 300)])
    wanted = rule(track={"inside": "square", "longer_than": "45s"})
    assert len(opened(play(stage(wanted, camera=slow), film(200, 0.05, still)))) == 1


def test_frames_out_of_order_are_ignored() -> None:
    """A frame seen twice, or overtaken by a later one, changes nothing and is on record."""
    scenes = film(15, 5, VISIT)
    log = DecisionLog()
    shuffled = [scene for pair in zip(scenes[1:], scenes, strict=False) for scene in (pair[1], pair[0], pair[1])]
    reference = play(stage(rule(track=INSIDE)), scenes)
    assert play(stage(rule(track=INSIDE), sink=log), shuffled) == reference
    assert "not newer than the frame before" in log.reasons("")


def test_a_clock_set_back_starts_afresh() -> None:
    """After a jump far back the camera is followed from there."""
    later = [replace(scene, captured_at=scene.captured_at + timedelta(days=1)) for scene in film(5, 5, VISIT)]
    candidates = play(stage(rule(track=INSIDE)), later + film(5, 5, VISIT))
    assert len(opened(candidates)) == len(closed(candidates)) == 2


def test_a_new_picture_size_starts_afresh() -> None:
    """When a stream changes its resolution, pixels of before mean nothing any more."""
    small = [replace(scene, width=384, height=288) for scene in film(10, 5, VISIT)[25:]]
    candidates = play(stage(rule(track={"crosses": "line"})), film(5, 5, VISIT) + small)
    assert len(opened(candidates)) == len(closed(candidates))


def test_an_open_candidate_tells_news_rarely() -> None:
    """Who joins later is told in an update, at most every five seconds."""
    crowd = [Actor([(2.0 * n, 250 + 30 * n, 300), (30, 250 + 30 * n, 300)], track_id=n) for n in range(8)]
    candidates = play(stage(rule(track=INSIDE)), film(30, 5, *crowd))
    updates = [c for c in candidates if c.state is CandidateState.UPDATED]
    assert 2 <= len(updates) <= 4
    assert len(updates[-1].facts) == 8
    assert len({c.id for c in candidates}) == 1


def test_a_long_event_in_a_crowd_stays_small() -> None:
    """Ten minutes of people coming and going, thirty at a time: few updates, never more than twenty facts."""
    scenes = [
        observation(n / 2, *(Region(box_at((210 + 12 * k, 300)), "person", 0.8, n // 20 * 3 + k) for k in range(30)))
        for n in range(1200)
    ]
    candidates = play(stage(rule(track=INSIDE)), scenes)
    assert len(candidates) < 30
    assert max(len(c.facts) for c in candidates) == 20
    assert max(len(c.track_notes) for c in candidates) <= 20


@pytest.mark.parametrize("size", [(1, 1), (2, 1000), (7680, 4320)], ids=str)
def test_odd_picture_sizes(size: tuple[int, int]) -> None:
    """Tiny and huge pictures raise nothing."""
    width, height = size
    scenes = [
        replace(scene, width=width, height=height, regions=(Region(Box(0, 0, width, height), "person", 0.9, n % 3),))
        for n, scene in enumerate(film(5, 5))
    ]
    play(stage(*_one_of_each()), scenes)


def test_empty_boxes_and_borders() -> None:
    """Boxes without an area, outside the picture or on its border raise nothing."""
    boxes = [Box(0, 0, 0, 0), Box(-50, -50, -10, -10), Box(760, 570, 900, 900), box_at((192, 144), 0.0)]
    scenes = [observation(n / 5, *(Region(b, "moving", 0.5, k) for k, b in enumerate(boxes))) for n in range(25)]
    assert closed(play(stage(*_one_of_each()), scenes)) is not None


def test_unknown_places_are_refused() -> None:
    """A rule about a zone or line that is not drawn is refused with the names there are."""
    with pytest.raises(ConfigError, match=r"track.enters to name a zone of camera cam \(square\), got 'yard'"):
        stage(rule(track={"enters": "yard"}))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 5.0, 25.0]))
def test_every_opened_is_closed(seed: int, fps: float) -> None:
    """Random tracks with dropouts: every candidate is opened once, closed once, and ids never repeat."""
    noise = np.random.default_rng(seed)
    scenes: list[Observation] = []
    seconds = 0.0
    for _ in range(120):
        seconds += float(noise.choice([1 / fps, 1 / fps, 1 / fps, 3.0, 15.0], p=[0.4, 0.3, 0.25, 0.04, 0.01]))
        regions = [
            Region(box_at((float(noise.uniform(0, 768)), float(noise.uniform(0, 576)))), "person", 0.8, int(track_id))
            for track_id in noise.choice(6, size=noise.integers(0, 5), replace=False)
        ]
        scenes.append(observation(seconds, *regions))
    lives: dict[str, list[str]] = {}
    for candidate in play(stage(*_one_of_each()), scenes):
        lives.setdefault(candidate.id, []).append(candidate.state)
    for life in lives.values():
        assert [state for state, _ in itertools.groupby(s for s in life if s != "updated")] == ["opened", "closed"]
        assert life.count("opened") == life.count("closed") == 1


def test_rule_version_is_the_same_in_every_process() -> None:
    """The fingerprint does not depend on the order of sets, and changes with the rule."""
    text = "from tests.support.events import rule; from pipeline.events.watch import rule_version; "
    text += "print(rule_version(rule(track={'count_above': 1}, schedule='mon-fri 08:00-18:00')))"
    found = {
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert rule_version(rule(track=INSIDE)) != rule_version(rule(track=INSIDE, cooldown=1))
