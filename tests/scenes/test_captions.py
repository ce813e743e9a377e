"""Captions, questions and reports: true to the frames, in two languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.contracts.assessment import RelationKind, Report
from pipeline.contracts.values import Box
from pipeline.scenes import wording_zh as zh
from pipeline.scenes.acts import ACTS
from pipeline.scenes.captions import captions, crop_caption, questions, told
from pipeline.scenes.places import PLACES
from pipeline.scenes.situations import SITUATIONS, stage
from pipeline.scenes.story import Staged, Story, key_times
from pipeline.scenes.telling_en import TALES as TALES_EN
from pipeline.scenes.telling_zh import TALES as TALES_ZH
from pipeline.scenes.truth import ActorTruth, FrameTruth

SMALL = (384, 216)
LATIN = re.compile("[A-Za-z]")


def shown(staged: Staged, num: int = 6) -> list[FrameTruth]:
    times = key_times(staged.story, num, np.random.default_rng(0))
    return [staged.scene.render(at)[1] for at in times]


def person(action: str, **more: object) -> ActorTruth:
    return ActorTruth(1, "person", Box(10, 10, 40, 90), action, **more)  # type: ignore[arg-type]  # its own fields


@pytest.fixture(scope="module", params=[name for name in SITUATIONS if name not in ("vehicle_on_footpath", "smoke")])
def staged(request: pytest.FixtureRequest) -> Staged:
    return stage(8, situation=request.param, near_miss=False, size=SMALL)


@pytest.mark.parametrize(
    ("actor", "part"),
    [
        (person("lie"), "lying"),
        (person("walk", carrying=("suitcase",)), "(suitcase|case)"),
        (person("bend"), "(crouch|bend|bent|squat|heels)"),
        (ActorTruth(2, "car", Box(0, 0, 50, 30), "parked"), "(park|not moving)"),
        (ActorTruth(3, "smoke", Box(0, 0, 50, 30), "rise"), "smoke"),
        (ActorTruth(4, "backpack", Box(0, 0, 20, 30), "left"), "(down|ground)"),
    ],
)
def test_a_crop_is_described_by_what_it_is_and_does(actor: ActorTruth, part: str) -> None:
    """`a person lying on the ground`, in either language, never with a word that asks instead of telling."""
    for seed in range(20):
        text = crop_caption(actor, "en", np.random.default_rng(seed))
        assert re.search(part, text), text
        assert "any " not in text
        assert not LATIN.search(crop_caption(actor, "zh", np.random.default_rng(seed)))


def test_held_out_crop_captions_are_others() -> None:
    """Nothing said usually is said there."""
    usual, held_out = (
        {crop_caption(person("run"), "en", np.random.default_rng(seed), held_out=kept) for seed in range(60)}
        for kept in (False, True)
    )

    assert not usual & held_out
    assert len(usual) > 30


@pytest.mark.parametrize("language", ["en", "zh"])
def test_captions_grow_from_short_to_long_and_are_the_same_by_seed(staged: Staged, language: str) -> None:
    """Every frame has some; the longest names the place."""
    place = zh.place_zh(staged.story.place) if language == "zh" else " in a"
    for frame in shown(staged):
        texts = captions(frame, staged.story, language, np.random.default_rng(3))

        assert texts == captions(frame, staged.story, language, np.random.default_rng(3))
        assert len(texts) in (2, 4)
        assert len(texts[0]) <= len(texts[-1])
        assert place in texts[-1]
        assert language == "en" or not any(LATIN.search(text) for text in texts)


def test_a_caption_counts_who_is_seen_and_not_who_is_hidden() -> None:
    """Two in view, a third behind them; bags in hand belong to who carries them."""
    story = stage(1, situation="ordinary", size=(192, 108)).story
    seen = (
        person("walk", carrying=("backpack",)),
        ActorTruth(2, "person", Box(50, 10, 80, 90), "run"),
        ActorTruth(3, "person", Box(55, 10, 80, 90), "run", visible=0.1),
        ActorTruth(4, "backpack", Box(12, 20, 30, 40), "carried"),
    )

    texts = captions(FrameTruth(1.0, seen), story, "en", np.random.default_rng(0))

    assert texts[0] == "two people"
    assert "two people in" in texts[1]
    assert texts[2].count(" and ") == 1


def test_an_empty_frame_and_a_covered_lens_are_told_as_such() -> None:
    """Nobody is not the same as nothing to be seen."""
    story = stage(1, situation="covered", near_miss=False, size=(192, 108)).story
    before = captions(FrameTruth(0.0, ()), story, "en", np.random.default_rng(0))
    during = captions(FrameTruth(story.start_seconds + 2, (person("walk"),)), story, "en", np.random.default_rng(0))

    assert before[0] in ("nobody", "nobody and nothing that moves", "an empty scene", "no people")
    assert re.search("cover|block|hidden", during[0])


def test_a_report_is_about_what_the_frames_show(staged: Staged) -> None:
    """Frames and ids that exist, everybody it relates among its elements or part of the place, all within the
    contract's bounds, in both languages."""
    frames = shown(staged)
    ids = [{actor.id for actor in frame.actors} for frame in frames]
    for language in ("en", "zh"):
        report = told(staged.story, frames, language)
        elements = {element.actor for element in report.elements}

        assert all(element.actor in ids[element.frame - 1] for element in report.elements)
        assert {action.who for action in report.actions} <= elements
        assert all(1 <= action.first <= action.last <= 6 for action in report.actions)
        for relation in report.relations:
            assert relation.subject in elements & ids[relation.frame - 1]
        Report(
            title=report.title, explanation=report.explanation, advice=report.advice, frames=(1,),
            relations=(), forecast="; ".join(each.what for each in report.forecasts),
        )  # fmt: skip
        told_text = " ".join(
            [report.title, report.explanation, report.advice, *(each.what for each in report.forecasts)]
        )
        assert "{" not in told_text
        assert language == "en" or not LATIN.search(told_text)


def relations(situation: str, seed: int) -> tuple[Story, set[tuple[int, RelationKind, object]]]:
    staged = stage(seed, situation=situation, near_miss=False)
    report = told(staged.story, shown(staged), "en")
    return staged.story, {(each.subject, each.kind, each.object) for each in report.relations}


def test_relations_say_what_matters_in_the_situation() -> None:
    """Inside the zone, hitting each other, away from the bag, following over the line, climbing the fence."""
    story, found = relations("intrusion", 3)
    assert (story.who[0], RelationKind.INSIDE, "zone") in found
    story, found = relations("fight", 3)
    assert (story.who[0], RelationKind.HITS, story.who[1]) in found
    story, found = relations("left_bag", 3)
    assert any(kind in (RelationKind.AWAY_FROM, RelationKind.PUTS_DOWN, RelationKind.CARRIES) for _, kind, _ in found)
    story, found = relations("climbing", 3)
    assert (story.who[0], RelationKind.CLIMBS, "fence") in found


def test_explanations_name_who_where_and_why() -> None:
    """The person, the zone and the reason, and for the near miss what it is instead."""
    real = stage(5, situation="intrusion", near_miss=False)
    near = stage(5, situation="intrusion", near_miss=True)
    one, other = told(real.story, shown(real), "en"), told(near.story, shown(near), "en")

    assert real.story.names[real.story.who[0]].removeprefix("the ") in one.explanation
    assert f"the {real.story.zone} zone" in one.explanation
    assert "nobody may be" in one.explanation
    assert re.search("outside|does not go in|not a person", other.explanation)
    assert not other.forecasts


def test_questions_have_their_true_answers() -> None:
    """How many, who does what, how things stand, why, and what next."""
    staged = stage(6, situation="fall", near_miss=False)
    for language in ("en", "zh"):
        asked = questions(staged.story, shown(staged), language, np.random.default_rng(0))

        assert {question.kind for question in asked} == {"element", "relation", "why", "next"}
        assert all(question.answer for question in asked)
        why = next(question for question in asked if question.kind == "why")
        assert ("falls" if language == "en" else "摔倒") in why.answer


def near_misses(situation: str) -> set[str]:
    return {stage(seed, situation=situation, near_miss=True, size=(192, 108)).story.near_miss for seed in range(6)}


def test_every_situation_and_near_miss_has_its_tale_in_both_languages() -> None:
    """Told alike: the same gaps, as many forecasts."""
    assert set(ACTS) <= set(TALES_EN)
    assert set(TALES_EN) == set(TALES_ZH)
    for name, tale in TALES_EN.items():
        assert [(each.within_seconds, each.probability) for each in tale.forecasts] == [
            (each.within_seconds, each.probability) for each in TALES_ZH[name].forecasts
        ]
    for situation in ("intrusion", "fall", "fight", "climbing"):
        assert near_misses(situation) <= set(TALES_EN)


def test_places_and_zones_are_all_named_in_chinese() -> None:
    """Also those that a later place brings along."""
    named: Sequence[str] = [
        zone for draw in PLACES.values() for zone in draw(np.random.default_rng(0), (192, 108)).zones
    ]

    assert set(named) <= set(zh.ZONES)
    assert set(PLACES) <= set(zh.PLACES)
