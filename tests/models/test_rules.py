"""The reader of rules: what words ask, learned from words alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.models
torch = pytest.importorskip("torch")
clips = pytest.importorskip("tests.support.clips")

from pipeline.contracts.rule import Rule  # noqa: E402
from pipeline.errors import ConfigError  # noqa: E402
from pipeline.models.claim_parts import CLAIM_PARTS, PART_SIZES  # noqa: E402
from pipeline.models.rule_reader import Meaning, load_rule_reader  # noqa: E402
from pipeline.models.training.loop import train  # noqa: E402
from pipeline.models.training.plan import TrainingPlan  # noqa: E402
from pipeline.models.training.rule_words import drawn_rule, worded  # noqa: E402
from pipeline.reasoning.prompt import question_of  # noqa: E402
from pipeline.scenes.claims import Claim  # noqa: E402

SMALL = {"rules": 24, "held_out": 40}
VOCABULARY = ("helicopter", "yellow", "question")


def _plan(folder: Path, steps: int = 2) -> TrainingPlan:
    return TrainingPlan("rules", folder, steps, size="tiny", threads=1, workers=0, is_bf16=False, options=SMALL)


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    """Rules, noise and steps depend on the seed alone."""
    assert train(_plan(tmp_path)).losses == train(_plan(tmp_path)).losses


def test_trained_weights_read(tmp_path: Path) -> None:
    """What a run writes loads, and gives every part probabilities that add up to one."""
    trained = train(_plan(tmp_path))
    assert set(trained.figures) == {"usual_wordings", "held_out_wordings"}
    read = load_rule_reader(folder=tmp_path).read(["a person falls", "有人摔倒超过5秒", ""])
    sums = [part.sum(-1) for part in torch.split(read.parts, PART_SIZES, -1)]
    assert all(each.tolist() == pytest.approx([1.0] * 3, abs=1e-5) for each in sums)
    assert read.seconds.tolist() == [0.0, 5.0, 0.0]


def test_a_rule_is_told_as_it_is_understood(tmp_path: Path) -> None:
    """Every part by a word of its list, with how sure the least sure one is."""
    meaning = load_rule_reader(folder=clips.tiny_weights(tmp_path)).meaning("a person lies there for 5 s")
    assert all(meaning.parts[name] in choices for name, choices in CLAIM_PARTS.items())
    assert meaning.seconds == 5.0
    assert 0 < meaning.score <= 1


def test_a_meaning_is_told_in_few_words() -> None:
    """Who, doing what, where, how many, for how long."""
    none = dict.fromkeys(CLAIM_PARTS, "") | {"count": "1"}
    stays = {**none, "kind": "does", "label": "person", "where": "in", "count": "3"}
    assert str(Meaning(stays, 12.0, 0.9)) == "person, in the zone, at least 3, at least 12 s"
    wrong_way = {**none, "kind": "nobody", "label": "person", "action": "wrong_way", "carrying": "bag"}
    assert str(Meaning(wrong_way, 0.0, 0.9)) == "no, person, wrong way, carrying bag"
    assert str(Meaning({**none, "kind": "unknown", "label": "dog"}, 9.0, 0.9)) == "nothing it knows"
    assert str(Meaning({**stays, "count": "6"}, 0.0, 0.9)).endswith("at least 6 (it counts no further)")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    """With the stage that makes them."""
    with pytest.raises(ConfigError, match="train --stage rules"):
        load_rule_reader(folder=tmp_path)


@pytest.mark.parametrize("held_out", [False, True])
def test_drawn_rules_ask_everything(held_out: bool) -> None:
    """Every choice of every part is asked by some rule, in both languages, and always in words."""
    rng = np.random.default_rng(1)
    rules = [drawn_rule(rng, VOCABULARY, held_out=held_out) for _ in range(4000)]
    for number, (name, choices) in enumerate(CLAIM_PARTS.items()):
        asked = {choices[rule.parts[number]] for rule in rules}
        assert asked == set(choices), name
    assert {rule.language for rule in rules} == {"en", "zh"}
    assert all(rule.text.strip() and "{" not in rule.text for rule in rules)


def test_what_no_scene_can_show_is_unknown() -> None:
    """And it has no other part."""
    rule = worded(None, np.random.default_rng(1), VOCABULARY)
    assert CLAIM_PARTS["kind"][rule.parts[0]] == "unknown"
    assert not any(rule.parts[1:])


TRACKS = {
    "stays": (
        {"object": "person", "inside": "yard", "longer_than": 20},
        Claim("does", "person", where="in", zone="yard", seconds=20.0),
    ),
    "enters": ({"object": "dog", "enters": "yard"}, Claim("does", "dog", where="in", zone="yard")),
    "crosses": (
        {"object": "car", "crosses": "gate", "direction": "left_to_right"},
        Claim("crosses", "car", line="gate"),
    ),
    "several": ({"object": ["car", "truck"], "crosses": "door"}, Claim("crosses", "vehicle", line="door")),
    "counts": ({"object": "person", "count_above": 2}, Claim("does", "person", count=3)),
    "left": ({"object": "suitcase", "left_behind": 30}, Claim("does", "suitcase", "unattended", seconds=30.0)),
    "runs": ({"object": "person", "faster_than": 2}, Claim("does", "person", "run")),
}  # fmt: skip
"""Of a track rule its predicate, and the claim it makes."""


@pytest.mark.parametrize("name", TRACKS)
def test_track_rules_are_learned_in_their_own_words(name: str) -> None:
    """Exactly as the prompt words them, so that the model reads what it is asked in use."""
    track, claim = TRACKS[name]
    asked = question_of(Rule.model_validate({"id": "r", "cameras": ["a"], "track": track}))
    rng = np.random.default_rng(2)
    assert asked in {worded(claim, rng, VOCABULARY).text for _ in range(4000)}
