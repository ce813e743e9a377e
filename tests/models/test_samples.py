"""What the vision stage is shown: shards of scenes, and batches from them."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from pipeline.contracts.values import Box
from pipeline.models.pixels import cut_region, with_difference
from pipeline.models.regions import ACTIONS, LABELS, NOTHING
from pipeline.models.training.crops import UNTOLD, boxes_of
from pipeline.models.training.mixture import Mixture
from pipeline.models.training.shards import Shard, make_shard
from pipeline.scenes import ActorTruth

pytestmark = pytest.mark.models
_MAKE = functools.partial(make_shard, 5, moments=3)


@functools.lru_cache(maxsize=8)
def _shard(number: int) -> Shard:
    return _MAKE(number)


def _mixture() -> Mixture:
    return Mixture(_shard, seed=5, width=3, steps_a_shard=2, crops=40, frames=4, others=3)


def test_a_shard_is_a_function_of_seed_and_number() -> None:
    """Made twice it is the same to the last pixel and word."""
    again = _MAKE(0)
    np.testing.assert_array_equal(_shard(0).crops, again.crops)
    np.testing.assert_array_equal(_shard(0).frames, again.frames)
    assert (_shard(0).words, _shard(0).captions) == (again.words, again.captions)


def test_situations_have_frames_and_galleries_have_none() -> None:
    """Even numbers tell stories; odd ones are cut-outs of many kinds."""
    assert len(_shard(0).frames) == len(_shard(0).captions) == 3
    assert len(_shard(1).frames) == 0
    assert len({LABELS[label] for label in _shard(1).label}) >= 4


def test_captions_go_with_things_only() -> None:
    """A cut-out of nothing has no words, and no head but the label's is asked about it."""
    shard = _shard(1)
    nothing = shard.label == LABELS.index(NOTHING)
    assert nothing.any()
    assert not any(shard.words[n] for n in np.flatnonzero(nothing))
    assert (shard.action[nothing] == UNTOLD).all()
    assert (shard.carrying[nothing] == UNTOLD).all()


def test_a_batch_depends_on_its_step_alone() -> None:
    """Drawn in order or after a jump, as a resumed run does."""
    in_order, jumped = _mixture(), _mixture()
    batches = [in_order.batch(step) for step in range(4)]
    again = jumped.batch(3)
    np.testing.assert_array_equal(batches[3].crops, again.crops)
    assert (batches[3].words, batches[3].captions, batches[3].others) == (again.words, again.captions, again.others)
    assert not np.array_equal(batches[2].crops, again.crops)


def test_rendering_ahead_changes_nothing() -> None:
    """Batches are the same whether other processes render or this one."""
    ahead = Mixture(_MAKE, seed=5, width=2, steps_a_shard=2, crops=10, frames=2, others=1)
    alone = Mixture(_shard, seed=5, width=2, steps_a_shard=2, crops=10, frames=2, others=1)
    with ahead.ahead(1):
        np.testing.assert_array_equal(ahead.batch(1).crops, alone.batch(1).crops)


def test_labels_have_their_shares() -> None:
    """About half persons whatever the scenes show, and some of nothing."""
    mixture = _mixture()
    labels = np.concatenate([mixture.batch(step).label for step in range(6)])
    persons, nothing = (float((labels == LABELS.index(name)).mean()) for name in ("person", NOTHING))
    assert persons == pytest.approx(0.52, abs=0.12)
    assert nothing == pytest.approx(0.13, abs=0.08)


def test_boxes_stay_with_what_they_show() -> None:
    """However shaken, loose or merged: a box told as a person's has most of the person in it."""
    walker = ActorTruth(1, "person", Box(40, 20, 60, 70), "walk", "upright")
    rng = np.random.default_rng(2)
    for _ in range(200):
        seen = next(one for one in boxes_of((walker,), (160, 96), rng) if one.actor is walker)
        assert LABELS[seen.label] == "person"
        assert ACTIONS[seen.action] == "walk"
        assert seen.box.iou(walker.box) > 0.25


def test_what_is_hardly_seen_is_not_asked_about() -> None:
    """Hidden behind others, or a few pixels high."""
    hidden = ActorTruth(1, "person", Box(40, 20, 60, 70), "walk", "upright", visible=0.2)
    speck = ActorTruth(2, "person", Box(80, 20, 82, 25), "walk", "upright")
    assert all(one.actor is None for one in boxes_of((hidden, speck), (160, 96), np.random.default_rng(0)))


def test_a_region_keeps_its_shape() -> None:
    """A high box stands in the middle of a grey square, a tenth wider than it was."""
    image = np.full((100, 100, 3), 200, np.uint8)
    cut = cut_region(with_difference(image, np.zeros_like(image)), Box(40, 20, 60, 80))
    columns = np.flatnonzero((cut[32, :, 0] == 200) & (cut[32, :, 3] == 200))
    assert cut.shape == (64, 64, 4)
    assert len(columns) == pytest.approx(64 / 3, abs=2)
    assert (cut[:, 0] == (114, 114, 114, 0)).all()
