"""`when:` rules, scored by an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.decision import Gate
from pipeline.errors import ConfigError
from pipeline.events.captions import CaptionMemory
from pipeline.events.words import WordScorer, contrasts_of
from pipeline.perception.encoder import TransformersEncoder
from pipeline.settings import PerceptionSettings
from tests.support.events import DecisionLog, TinyEncoder, at, embedding, observation, opened, play, rule, stage
from tests.support.perception import make_clip
from tests.support.words import BagOfWords

WORDS = "a red door opens"
CLIMB = "a person climbs over the fence"
FIXED = {"threshold": 0.6, "release": 0.4}
BAG = BagOfWords()


def _scenes(likeness: list[float], fps: float = 5) -> list:  # type: ignore[type-arg]
    return [replace(observation(n / fps), embedding=embedding(value)) for n, value in enumerate(likeness)]


def test_scores_rise_with_likeness() -> None:
    """A picture like the words scores near 1, one like the contrasts near 0."""
    scorer = WordScorer(WORDS, TinyEncoder(WORDS))
    scores = [match.score for match in scorer.match(np.stack([embedding(like) for like in (0.0, 0.5, 1.0)]), at(0))]
    assert scores[0] < 0.01
    assert scores[1] == pytest.approx(0.5)
    assert scores[2] > 0.99


def test_words_open_a_candidate() -> None:
    """Two seconds that fit the words open one candidate whose fact gives score and threshold."""
    scenes = _scenes([0.1] * 10 + [1.0] * 15 + [0.1] * 40)
    candidates = play(stage(rule(when=WORDS, timing=FIXED), encoder=TinyEncoder(WORDS)), scenes)
    (opening,) = opened(candidates)
    fact = opening.facts[0]
    assert (fact.kind, fact.threshold, fact.unit) == ("when", 0.6, "score")
    assert fact.text.startswith("“a red door opens” scored 1.00 (more like the words than “")
    assert candidates[-1].ended_at is not None


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (None, "no embedding"),
        (np.full(3, np.nan, np.float32), "no score"),
        (np.full(3, np.inf, np.float32), "no score"),
        (np.zeros(3, np.float32), "no score"),
        (np.ones(5, np.float32), "no score"),
    ],
    ids=["none", "nan", "infinite", "zero", "size"],
)
def test_odd_embeddings_are_no_score(vector: np.ndarray | None, reason: str) -> None:  # type: ignore[type-arg]
    """An encoder that gives nonsense opens nothing, and the ledger says so."""
    log = DecisionLog()
    scenes = [replace(observation(n / 5), embedding=vector) for n in range(20)]
    assert play(stage(rule(when=WORDS), encoder=TinyEncoder(WORDS), sink=log), scenes) == []
    assert {(d.gate, d.reason, d.value) for d in log.decisions} == {(Gate.THRESHOLD, reason, None)}


def test_words_need_an_encoder_with_words() -> None:
    """A rule in words is refused without an encoder, or with one that knows no words, unless it is disabled."""
    with pytest.raises(ConfigError, match="needs an encoder"):
        stage(rule(when=WORDS))
    with pytest.raises(ConfigError, match="no text side"):
        stage(rule(when=WORDS), encoder=TinyEncoder(WORDS, supports_text=False))
    stage(rule(when=WORDS, enabled=False))


OWN_CONTRASTS = [
    (CLIMB, {"a person walking past the fence", "the fence", "a person standing"}),
    ("A man in a red coat sleeps near the loading bay", {"a man standing at the loading bay", "a man walking by"}),
    ("a white van blocks the gate at the yard", {"a white van parked at the yard", "a white van driving by"}),
    ("smoke rising from a machine", {"a machine"}),
    ("a dog digs in the flower bed", {"a dog walking past the flower bed"}),
    ("graffiti", set()),
    ("爬墙", set()),
]


@pytest.mark.parametrize(("words", "some"), OWN_CONTRASTS, ids=[words for words, _ in OWN_CONTRASTS])
def test_contrasts_are_made_from_the_rules_own_words(words: str, some: set[str]) -> None:
    """The same subject at the same place doing ordinary things, and the place alone; nothing without either."""
    made = contrasts_of(words)
    assert some <= set(made)
    assert bool(made) == bool(some)


def test_the_reason_names_the_nearest_contrast() -> None:
    """A person who only stands at the fence is told from one who climbs it, and the reason says by what."""
    scorer = WordScorer(CLIMB, BAG)
    stands, climbs = scorer.match(BAG.encode_texts(["a woman standing at the fence", "a man climbs the fence"]), at(0))
    assert stands.score < 0.1
    assert stands.reason == "more like “a person standing at the fence” than the words"
    assert climbs.score > 0.5
    assert climbs.reason.startswith("more like the words than “")


def test_a_paraphrase_of_the_rule_is_no_contrast() -> None:
    """A rule about what is otherwise ordinary does not compete with itself."""
    scorer = WordScorer("a person is standing", BAG, CaptionMemory(BAG))
    assert "a person standing" not in scorer.contrasts
    assert "people sitting" in scorer.contrasts
    assert scorer.match(BAG.encode_texts(["a person standing"]), at(0))[0].score > 0.5


def test_the_memory_gives_ordinary_scenes_near_the_words() -> None:
    """With a caption memory, what looks alike and is ordinary must be beaten, too."""
    words = "a person lying on the floor"
    alone, helped = WordScorer(words, BAG), WordScorer(words, BAG, CaptionMemory(BAG))
    assert set(alone.contrasts) < set(helped.contrasts)
    vector = BAG.encode_texts(["a baby lying in a cot"])
    assert helped.match(vector, at(0))[0].score < alone.match(vector, at(0))[0].score


def test_more_contrasts_do_not_sink_a_score() -> None:
    """What is like the words and like no contrast scores the same, however many contrasts there are."""
    vector = BAG.encode_texts(["graffiti sprayed"])
    alone, helped = WordScorer("graffiti sprayed", BAG), WordScorer("graffiti sprayed", BAG, CaptionMemory(BAG))
    assert helped.match(vector, at(0))[0].score == pytest.approx(alone.match(vector, at(0))[0].score, abs=0.02)


def test_nothing_to_score_is_no_match() -> None:
    """No rows, no matches; bad rows do not spoil the others."""
    scorer = WordScorer(CLIMB, BAG)
    good = BAG.encode_texts([CLIMB])
    assert scorer.match(good[:0], at(0)) == []
    bad, fine = scorer.match(np.concatenate([np.full_like(good, np.nan), good]), at(0))
    assert np.isnan(bad.score)
    assert fine.score > 0.9


@pytest.mark.models
def test_a_real_text_encoder_that_tells_nothing_apart(tmp_path: Path) -> None:
    """A tiny CLIP of random weights still gives scores of 0..1 with a reason, by words and by captions."""
    make_clip(tmp_path)
    encoder = TransformersEncoder(str(tmp_path), PerceptionSettings(threads=1))
    encoder.warm_up()
    memory = CaptionMemory(encoder)
    picture = encoder.encode_images([np.full((32, 32, 3), 90, np.uint8)])
    matches = [*WordScorer(CLIMB, encoder, memory).match(picture, at(0)), *memory.match(picture, at(0))]
    encoder.close()
    assert all(0 <= match.score <= 1 and "“" in match.reason for match in matches)
