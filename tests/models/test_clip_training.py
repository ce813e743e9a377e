"""The clip stage at its smallest: samples, a few steps, weights that load again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.models
clips = pytest.importorskip("tests.support.clips")

from pipeline.models.claim_parts import CLAIM_PARTS  # noqa: E402
from pipeline.models.clip_model import load_clip_model  # noqa: E402
from pipeline.models.report_language import decode  # noqa: E402
from pipeline.models.training.clip_cache import read_samples, write_samples  # noqa: E402
from pipeline.models.training.clip_evaluation import auc  # noqa: E402
from pipeline.models.training.clip_facts import tracked_facts  # noqa: E402
from pipeline.models.training.clip_samples import CANNOT, NO, YES, make_samples  # noqa: E402
from pipeline.models.training.loop import train  # noqa: E402
from pipeline.models.training.plan import TrainingPlan  # noqa: E402
from pipeline.models.training.rule_words import parts_of  # noqa: E402
from pipeline.models.training.scene_cache import Recipe  # noqa: E402
from pipeline.scenes import claims  # noqa: E402
from pipeline.scenes.situations import stage  # noqa: E402

SMALL = {"clips": 4, "rules": 2, "reports": 2, "first_scenes": 2, "scenes_a_step": 0, "clips_a_scene": 2, "held_out": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both models, the clip model after three steps."""
    folder = clips.tiny_weights(tmp_path_factory.mktemp("trained"))
    train(TrainingPlan("clip", folder, 3, size="tiny", threads=1, workers=0, is_bf16=False, options=SMALL))
    return folder


def test_trained_weights_judge(trained: Path) -> None:
    """What a run writes loads with the trunk beside it, with a fitted temperature."""
    model = load_clip_model(folder=trained)
    verdict = model.verdict(clips.clip())
    assert verdict.yes + verdict.no + verdict.cannot_tell == pytest.approx(1, abs=1e-5)


def test_the_same_seed_gives_the_same_losses(trained: Path, tmp_path: Path) -> None:
    """Made again, or read from what an earlier run kept, samples and steps are the same."""
    clips.tiny_weights(tmp_path)
    plan = TrainingPlan("clip", tmp_path, 2, size="tiny", threads=1, workers=0, is_bf16=False, options=SMALL)
    first = train(plan).losses
    again = train(plan).losses
    assert first == again


def test_samples_come_back_from_their_file(tmp_path: Path) -> None:
    """Features, rules, truth and report."""
    samples = make_samples(1, 0, clips.tiny_model().eyes.model, clips=2)
    path = Recipe(tmp_path, tmp_path, "clips", 1, 2).path(0)
    write_samples(path, samples)
    for one, other in zip(samples, read_samples(path), strict=True):
        assert (one.rules, one.report, one.situation) == (other.rules, other.report, other.situation)
        assert np.array_equal(one.seen.region_look, other.seen.region_look)


def test_samples_hold_rules_of_every_truth() -> None:
    """Over a few scenes: some hold, some do not, some cannot be told, and reports are of the language."""
    model = clips.tiny_model().eyes.model
    samples = [each for number in range(4) for each in make_samples(2, number, model, clips=1)]
    assert {rule.truth for sample in samples for rule in sample.rules} == {YES, NO, CANNOT}
    assert all(decode(sample.report).tale for sample in samples if sample.report)


def test_a_stay_is_measured_as_the_tracker_would() -> None:
    """Of a loiterer the facts give the time in the zone, now and then."""
    story = stage(5, situation="loitering", near_miss=False).story
    end = min(story.end_seconds - 0.5, story.duration_seconds)
    found = [
        fact
        for seed in range(12)
        for fact in tracked_facts(story, max(end - 10, 0), end, story.who, np.random.default_rng(seed))
    ]
    stays = [fact.value or 0.0 for fact in found if fact.kind == "stays"]
    assert stays
    assert np.median(stays) == pytest.approx(end - story.start_seconds, rel=0.3)


def test_of_a_near_miss_no_long_stay_is_measured() -> None:
    """Who stays briefly is not said to stay."""
    story = stage(5, situation="loitering", near_miss=True).story
    end = story.duration_seconds - 0.5
    facts = [tracked_facts(story, 0.0, end, story.who, np.random.default_rng(seed)) for seed in range(8)]
    assert not [fact for each in facts for fact in each if fact.kind == "stays" and (fact.value or 0) > 12]


def test_splits_share_no_scene() -> None:
    """The calibration's samples are of other seeds than the training's."""
    model = clips.tiny_model().eyes.model
    one, other = (make_samples(1, 0, model, clips=1, split=split)[0] for split in ("train", "calibration"))
    assert one.rules != other.rules


def test_a_claims_parts_are_all_known() -> None:
    """Everything a claim can be made of has its place in what rules are read as."""
    assert set(CLAIM_PARTS["label"]) == {"", *claims.LABELS}
    actions = {*claims.PERSON_ACTIONS, *claims.VEHICLE_ACTIONS, *claims.BAG_ACTIONS, "wrong_way", "unattended", ""}
    assert set(CLAIM_PARTS["action"]) == actions
    assert set(CLAIM_PARTS["state"]) == {"", *claims.STATES}
    assert all(parts_of(claim) for claim in (*claims.MAIN.values(), None))


def test_auc_is_the_probability_of_the_right_order() -> None:
    """Ties count half."""
    scores, is_so = np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, True, False, True])
    assert auc(scores, is_so) == 0.875
    assert auc(scores, np.ones(4, bool)) is None
