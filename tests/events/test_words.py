"""`when:` rules, scored by an encoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.contracts.decision import Gate
from pipeline.errors import ConfigError
from pipeline.events.tracks import TrackBook
from pipeline.events.words import WordScorer
from tests.support.events import DecisionLog, TinyEncoder, embedding, observation, opened, play, rule, stage

WORDS = "a red door opens"
BOOK = TrackBook(3.0)


def _scenes(likeness: list[float], fps: float = 5) -> list:  # type: ignore[type-arg]
    return [replace(observation(n / fps), embedding=embedding(value)) for n, value in enumerate(likeness)]


def test_scores_rise_with_likeness() -> None:
    """A picture like the words scores near 1, one like the contrasts near 0."""
    scorer = WordScorer(WORDS, TinyEncoder(WORDS))
    scores = [scorer.measure(scene, BOOK).score for scene in _scenes([0.0, 0.5, 1.0])]
    assert scores[0] is not None
    assert scores[0] < 0.01
    assert scores == sorted(scores)  # type: ignore[type-var]
    assert scores[-1] is not None
    assert scores[-1] > 0.99


def test_words_open_a_candidate() -> None:
    """Two seconds that fit the words open one candidate whose fact gives score and threshold."""
    scenes = _scenes([0.1] * 10 + [1.0] * 15 + [0.1] * 40)
    candidates = play(stage(rule(when=WORDS), encoder=TinyEncoder(WORDS)), scenes)
    (opening,) = opened(candidates)
    fact = opening.facts[0]
    assert (fact.kind, fact.threshold, fact.unit) == ("when", 0.6, "score")
    assert fact.text.startswith("“a red door opens” scored 0.")
    assert candidates[-1].ended_at is not None


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (None, "no embedding"),
        (np.full(3, np.nan, np.float32), "no score"),
        (np.full(3, np.inf, np.float32), "no score"),
        (np.zeros(5, np.float32), "embedding of another size"),
    ],
    ids=["none", "nan", "infinite", "size"],
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
