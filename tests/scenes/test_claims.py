"""Claims: exact truth, examples of both answers, and words that say one thing only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.contracts.values import Box
from pipeline.scenes.claims import (
    BAG_ACTIONS,
    FAULTS,
    LABELS,
    MAIN,
    MARKED,
    PERSON_ACTIONS,
    STATES,
    VEHICLE_ACTIONS,
    Claim,
    claims_for,
    words,
)
from pipeline.scenes.conditions import Fault
from pipeline.scenes.script import Cast, Point, pick_up, put_down, run, stand, walk
from pipeline.scenes.situations import SITUATIONS, stage
from pipeline.scenes.story import Crossing, Look, Story, key_times, names_of
from pipeline.scenes.tracks import tracks_of
from pipeline.scenes.truth import ActorTruth, FrameTruth

ZONE: tuple[Point, ...] = ((0.0, 10.0), (4.0, 10.0), (4.0, 14.0), (0.0, 14.0))
SECONDS = 40.0


def story_of(cast: Cast, faults: Sequence[Fault] = (), light: str = "day") -> Story:
    """A story about the zone `gate` and whoever was cast."""
    looks = {actor.id: Look(actor.label, "", actor.id) for actor in cast.actors}
    return Story(
        "ordinary", False, "yard", light, "clear", "gate", "kerb", (), 0.0, SECONDS, names_of(looks),
        duration_seconds=SECONDS, looks=looks, faults=tuple(faults), one_way=(1.0, 0.0),
        crossings=(Crossing("kerb", 1, 10.0, 1), Crossing("kerb", 2, 11.0, 1)),
        tracks=tracks_of(cast.actors, {"gate": ZONE}, SECONDS),
    )  # fmt: skip


def frames_of(story: Story, times: Sequence[float], visible: float = 1.0) -> list[FrameTruth]:
    """Everybody seen whole at these moments."""
    frames = []
    for at in times:
        column = story.tracks.column(at)
        there = [row for row in range(len(story.tracks.ids)) if story.tracks.actions[row, column]]
        actors = tuple(
            ActorTruth(
                int(story.tracks.ids[row]), str(story.tracks.labels[row]), Box(10, 10, 30, 60),
                str(story.tracks.actions[row, column]), visible=visible,
            )
            for row in there
        )  # fmt: skip
        frames.append(FrameTruth(at, actors))
    return frames


def visitor(stay: float) -> Story:
    """Somebody walks 10 s to the zone's middle, stays, and walks back."""
    cast = Cast(np.random.default_rng(0))
    cast.person(0.0, (2.0, 2.0), walk(2.0, 12.0, 1.0), stand(stay), walk(2.0, 2.0, 1.0))
    return story_of(cast)


@pytest.mark.parametrize(
    ("claim", "truth"),
    [
        (Claim("does", "person", where="in", zone=MARKED), True),
        (Claim("does", "person", where="in", zone="gate"), True),
        (Claim("does", "person", "stand", where="in", zone=MARKED), True),
        (Claim("does", "person", "walk", where="outside", zone=MARKED), True),
        (Claim("does", "person", "walk", where="near", zone=MARKED), True),
        (Claim("does", "person", "stand", where="near", zone=MARKED), False),
        (Claim("does", "person", where="in", zone=MARKED, seconds=12.0), True),
        (Claim("does", "person", where="in", zone=MARKED, seconds=20.0), False),
        (Claim("does", "person", "run"), False),
        (Claim("does", "person", "wrong_way"), False),
        (Claim("does", "person", count=2), False),
        (Claim("does", "person", carrying="bag"), False),
        (Claim("does", "animal", where="in", zone=MARKED), False),
        (Claim("nobody", "person", where="in", zone=MARKED), False),
        (Claim("nobody", "vehicle"), True),
        (Claim("does", "person", where="in", zone="door"), None),
        (Claim("state", state="day"), True),
        (Claim("state", state="infrared"), False),
        (Claim("state", state="covered"), False),
    ],
)
def test_truth_is_read_off_the_tracks(claim: Claim, truth: bool | None) -> None:
    """Of somebody who stays ten seconds in the zone, 2 m of the way in and out of it beside."""
    story = visitor(10.0)

    assert claim.is_true(story, frames_of(story, np.arange(0.0, 30.0, 1.5).tolist())) is truth


def test_what_happens_between_two_frames_or_unseen_cannot_be_told() -> None:
    """True by the tracks, and no frame shows it."""
    story = visitor(2.0)
    claim = Claim("does", "person", where="in", zone=MARKED)

    assert claim.is_true(story, frames_of(story, [1.0, 10.0, 20.0])) is True
    assert claim.is_true(story, frames_of(story, [1.0, 20.0])) is None
    assert claim.is_true(story, frames_of(story, [1.0, 10.0, 20.0], visible=0.1)) is None
    assert claim.is_true(story, []) is None


def test_what_happens_before_or_after_the_frames_is_not_so() -> None:
    """A claim is about the time from the first to the last frame."""
    story = visitor(5.0)

    assert Claim("does", "person", where="in", zone=MARKED).is_true(story, frames_of(story, [1.0, 3.0, 5.0])) is False


def test_a_bag_is_unattended_only_while_its_owner_is_away() -> None:
    """Left for 12 seconds by one who comes back for it; 6 seconds by one who waits beside it."""
    for gone, truth in ((walk(12.0, 5.0, 2.0), True), (stand(6.0), False)):
        cast = Cast(np.random.default_rng(0))
        cast.person(0.0, (0.0, 5.0), walk(2.0, 5.0), put_down(), gone, stand(8.0), walk(2.0, 5.0, 2.0), pick_up(),
                    bag="backpack")  # fmt: skip
        story = story_of(cast)
        frames = frames_of(story, np.arange(0.0, 20.0, 1.0).tolist())

        assert Claim("does", "bag", "left").is_true(story, frames) is True
        assert Claim("does", "bag", "unattended", seconds=8.0).is_true(story, frames) is truth
        assert Claim("does", "person", carrying="backpack").is_true(story, frames) is True


def test_counts_are_of_one_moment() -> None:
    """Two who come one after the other are never two at once."""
    cast = Cast(np.random.default_rng(0))
    cast.person(0.0, (1.0, 12.0), stand(10.0))
    cast.person(12.0, (1.0, 12.0), stand(10.0))
    cast.person(15.0, (9.0, 12.0), run(19.0, 12.0))
    story = story_of(cast)
    frames = frames_of(story, np.arange(0.0, 22.0, 1.0).tolist())

    assert Claim("does", "person", where="in", zone=MARKED, count=2).is_true(story, frames) is False
    assert Claim("does", "person", count=2).is_true(story, frames) is True
    assert Claim("does", "person", count=3).is_true(story, frames) is False


def test_following_needs_two_who_cross_close_together() -> None:
    """One second apart is close for two seconds and not for half a second."""
    cast = Cast(np.random.default_rng(0))
    for _ in range(2):
        cast.person(0.0, (0.0, 5.0), walk(9.0, 5.0, 0.5))
    story = story_of(cast)
    frames = frames_of(story, [5.0, 10.0, 15.0])

    assert Claim("follows", "person", line=MARKED, seconds=2.0).is_true(story, frames) is True
    assert Claim("follows", "person", line=MARKED, seconds=0.5).is_true(story, frames) is False
    assert Claim("crosses", "person", line=MARKED).is_true(story, frames) is True
    assert Claim("crosses", "vehicle", line=MARKED).is_true(story, frames) is False


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told_by_a_frame_that_shows_it(kind: str) -> None:
    """Covered from the 10th second: true with a frame from then on; of a moved camera, one from before beside it."""
    cast = Cast(np.random.default_rng(0))
    cast.person(0.0, (2.0, 12.0), stand(30.0))
    story = story_of(cast, [Fault(kind, 10.0)])  # type: ignore[arg-type]  # one of its kinds
    claim = Claim("state", state=kind)

    assert claim.is_true(story, frames_of(story, [1.0, 5.0, 15.0])) is True
    assert claim.is_true(story, frames_of(story, [1.0, 5.0])) is False
    assert claim.is_true(story, frames_of(story, [15.0, 20.0])) is (None if kind == "moved" else True)


def test_a_covered_camera_tells_nothing_of_people_and_a_moved_one_nothing_of_zones() -> None:
    """Cannot tell is not no."""
    cast = Cast(np.random.default_rng(0))
    cast.person(0.0, (2.0, 12.0), stand(30.0))
    in_zone, there = Claim("does", "person", where="in", zone=MARKED), Claim("does", "person")
    covered, moved = (story_of(cast, [Fault(kind, 5.0)]) for kind in ("covered", "moved"))

    assert there.is_true(covered, frames_of(covered, [1.0, 8.0, 9.0])) is None
    assert there.is_true(moved, frames_of(moved, [1.0, 8.0, 9.0])) is True
    assert in_zone.is_true(moved, frames_of(moved, [1.0, 8.0, 9.0])) is None


def test_examples_are_balanced_clear_and_have_the_situations_own_rule() -> None:
    """About as many true as false ones, none near its duration, the rule for the situation among them."""
    num_true = num_false = 0
    for seed in range(12):
        staged = stage(seed, size=(192, 108))
        rng = np.random.default_rng(seed)
        frames = [staged.scene.render(at)[1] for at in key_times(staged.story, 6, rng)]
        claims = claims_for(staged, frames, rng)
        answers = [claim.is_true(staged.story, frames) for claim in claims]
        num_true, num_false = num_true + answers.count(True), num_false + answers.count(False)

        assert len(set(claims)) == len(claims)
        assert not any(claim.is_borderline(staged.story) for claim in claims)
        own = MAIN.get(staged.story.situation)
        assert own is None or own in claims or own.is_true(staged.story, frames) is None
    assert 0.8 < num_true / num_false < 1.25


def all_claims() -> list[Claim]:
    """Claims of every kind, each part on its own and many together."""
    persons = [*PERSON_ACTIONS, "wrong_way", ""]
    claims = [Claim("does", "person", action) for action in persons]
    claims += [Claim("does", label) for label in LABELS]
    claims += [Claim("does", "vehicle", action) for action in VEHICLE_ACTIONS]
    claims += [Claim("does", label, action) for label in ("bag", "handbag") for action in (*BAG_ACTIONS, "unattended")]
    claims += [Claim("nobody", "person", action) for action in persons] + [Claim("nobody", label) for label in LABELS]
    claims += [Claim("state", state=state) for state in STATES]
    claims += [Claim("crosses", "person", line=MARKED), Claim("crosses", "car", line=MARKED)]
    claims += [Claim("follows", "person", line=MARKED, seconds=seconds) for seconds in (2.0, 3.0)]
    claims += [Claim("does", "person", count=count) for count in range(2, 8)]
    claims += [Claim("does", "person", carrying=bag) for bag in ("bag", "backpack", "suitcase", "handbag")]
    for where, zone, seconds in itertools.product(
        ("in", "near", "outside"), (MARKED, "gate", "door", "far door"), (0.0, 12.0)
    ):
        claims += [Claim("does", "person", action, where=where, zone=zone, seconds=seconds) for action in ("", "lie")]  # type: ignore[arg-type]  # a where
        claims += [Claim("does", "person", "walk", "backpack", where, zone, seconds=seconds)]  # type: ignore[arg-type]  # a where
    return list(dict.fromkeys(claims))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_two_claims_share_a_wording(language: str) -> None:
    """Whatever way a claim is put, only that claim is put so."""
    meant: dict[str, Claim] = {}
    for claim in all_claims():
        for seed in range(25):
            for held_out in (False, True):
                text = plain(words(claim, language, np.random.default_rng(seed), held_out=held_out))
                assert meant.setdefault(text, claim) == claim, text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_wordings_occur_nowhere_else(language: str) -> None:
    """Neither the sentences nor the words that are kept for measuring."""
    usual, held_out = (
        {
            plain(words(claim, language, np.random.default_rng(seed), held_out=kept))
            for claim in all_claims()
            for seed in range(12)
        }
        for kept in (False, True)
    )

    assert not usual & held_out
    kept_words = ("individual", "as soon as", "outlined region") if language == "en" else ("即刻", "圈定", "落座")
    assert all(any(word in text for text in held_out) for word in kept_words)
    assert not any(word in text for text in usual for word in kept_words)


def test_chinese_has_no_latin_letters_in_it() -> None:
    """Every word is translated."""
    for claim in all_claims():
        for seed in range(6):
            for held_out in (False, True):
                text = words(claim, "zh", np.random.default_rng(seed), held_out=held_out)
                assert not re.search("[A-Za-z]", text), text


def test_every_situation_has_its_rule() -> None:
    """But the ordinary, of which nothing is asked."""
    assert set(MAIN) == set(SITUATIONS) - {"ordinary"}


def plain(text: str) -> str:
    """Without capitals and the full stop."""
    return text.lower().rstrip(".。")
