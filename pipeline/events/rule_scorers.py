"""The scorers of a stage's rules: words, examples, and what people said of the rule's alerts.

Shared by all cameras of a stage: an alert rejected on one camera is an example for all of them. For one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog

from pipeline.contracts.example import ExampleSet, ReviewedVector, load_reviewed
from pipeline.contracts.incident import Incident
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.observation import TextEncoder
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.events.captions import CaptionMemory
from pipeline.events.examples import MAX_REVIEWS, NO_EXAMPLES, ExampleScorer, with_reviews
from pipeline.events.learning import vector_of
from pipeline.events.scored import Match, Scorer, Vectors
from pipeline.events.words import WordScorer

log = structlog.get_logger()
ExamplesOf = Callable[[Rule], ExampleSet]


class RuleScorers:
    """Made as rules come; a rule that says the same again keeps its scorer."""

    def __init__(self, encoder: TextEncoder | None, encoder_id: str, examples_of: ExamplesOf | None = None) -> None:
        """`encoder`, warm, reads words; `examples_of` looks at a rule's examples; what it raises is raised."""
        self._encoder = encoder
        self._encoder_id = encoder_id
        self._examples_of = examples_of
        self._memory: CaptionMemory | None = None
        self._rules: dict[str, Rule] = {}
        self._scorers: dict[str, RuleScorer] = {}
        self._reviewed: dict[str, dict[str, ReviewedVector]] = {}
        """By rule and by whence: an incident's id, or a place in an import."""

    @property
    def captions(self) -> CaptionMemory | None:
        """Ordinary and alarming captions; None where the encoder reads no words. Encoded when first asked for, which
        takes 16 core-seconds with a text side like CLIP's ViT-B/32."""
        if self._memory is None and self._encoder is not None and self._encoder.supports_text:
            self._memory = CaptionMemory(self._encoder)
        return self._memory

    def of(self, rule: Rule) -> Scorer:
        """The scorer of a rule in words or by examples.

        `ConfigError` when the rule needs an encoder, or examples, that cannot be had.
        """
        before = self._rules.get(rule.id)
        if before is None or _sayings(before) != _sayings(rule):
            self._scorers[rule.id] = self._new(rule)
        self._rules[rule.id] = rule
        return self._scorers[rule.id]

    def review(self, incident: Incident) -> None:
        """A person has judged an incident: what was seen then is an example from now on. The last word counts."""
        vector = vector_of(incident, self._encoder_id)
        if vector is not None and incident.review is not None:
            name = f"incident {incident.id[:6]}"
            self._note(incident.rule_id, {incident.id: ReviewedVector(vector, incident.review.is_right, name)})

    def take_import(self, learned: Iterable[Learned]) -> None:
        """Examples that came from another site's reviews."""
        for one in learned:
            if one.kind is LearnedKind.EXAMPLES and one.basis == self._encoder_id:
                try:
                    found = load_reviewed(one.body)
                except InvalidMessage as error:
                    log.warning("imported examples cannot be used", rule=one.rule_id, error=str(error))
                    continue
                self._note(one.rule_id, {f"import {number}": vector for number, vector in enumerate(found)})

    def _note(self, rule_id: str, said: dict[str, ReviewedVector]) -> None:
        book = self._reviewed.setdefault(rule_id, {})
        if all(key in book and book[key].is_positive == one.is_positive for key, one in said.items()):
            return
        for key, vector in said.items():
            book.pop(key, None)
            book[key] = vector
        while len(book) > MAX_REVIEWS:
            del book[next(iter(book))]
        if rule_id in self._scorers:
            self._scorers[rule_id].take(list(book.values()))

    def _new(self, rule: Rule) -> RuleScorer:
        if self._encoder is None:
            raise ConfigError(f"the rule {rule.id} goes by a score and needs an encoder; set models.encoder")
        # Without the memory's contrasts: they change next to nothing (`benchmarks/words.py`) and cost its encoding.
        words = WordScorer(rule.when, self._encoder) if rule.when is not None else None
        examples = NO_EXAMPLES
        if rule.examples is not None:
            if self._examples_of is None:
                raise ConfigError(f"the rule {rule.id} goes by examples, and nothing here can look at them")
            examples = self._examples_of(rule)
        scorer = RuleScorer(words, examples)
        scorer.take(list(self._reviewed.get(rule.id, {}).values()))
        return scorer


class RuleScorer:
    """A `Scorer` of one rule, that reviews may change under the hands of those who use it."""

    def __init__(self, words: WordScorer | None, examples: ExampleSet) -> None:
        self._examples = examples
        self._words = words
        self._scorer = ExampleScorer(examples, words)

    def take(self, reviewed: Sequence[ReviewedVector]) -> None:
        """All that was said of the rule's alerts, oldest first."""
        self._scorer.update(with_reviews(self._examples, reviewed))

    @property
    def missing(self) -> str:
        """See `Scorer`."""
        return self._scorer.missing

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:
        """See `Scorer`."""
        return self._scorer.match(vectors, at)


def _sayings(rule: Rule) -> tuple[object, ...]:
    """What a scorer is made of."""
    return rule.when, rule.examples, rule.object
