"""Sentences about normal footage of one camera → what is normal there, and what would not be.

As AnomalyRuler does it (arXiv 2407.10299, sections 3.1 and 3.2): rules of the normal are induced from small batches,
then the anomalies that contrast with them, and the batches vote, since a model errs in single sentences and batches.
What a batch proposes comes from an `Inducer`: a model (`model_induction`), or the lexicon alone, below.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from pipeline.errors import ConfigError
from pipeline.reasoning.lexicon import ENTRIES, Entry, said_in

NORMAL_SHARE = 0.05
"""Of a batch's sentences, from which on an entry of the lexicon is normal: once in 20, which is more often than a
model's sentences are wrong about what people do (1–2 % of normal frames in the sentences of AnomalyRuler's authors)."""
MIN_SAID = 2
"""Sentences of a batch that it takes, however small that is: one alone may be a slip."""
KEPT_SHARE = 0.5
"""Of the batches, more than which must have a normal rule for it to be kept: the majority."""
MIN_SENTENCES_A_BATCH = 3
ALIKE_SHARE = 0.5
"""Of the words of two rules together, from which on they say the same."""
MAX_EVIDENCE = 3
_STOP_WORDS = frozenset(
    ("a", "an", "and", "any", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is", "of", "on", "or", "the")
) | {"person", "people", "someone", "to", "with"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said of one picture."""

    text: str
    where: str
    """For a person, which picture: `yard.mp4 at 12.5 s`, `line 7`."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A rule as one batch has it."""

    words: str
    evidence: tuple[Sentence, ...] = ()
    against: str = ""
    """Of an anomaly: the normal rule it contrasts with."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What one batch proposes."""

    normal: tuple[Proposed, ...]
    anomalies: tuple[Proposed, ...]


class Inducer(Protocol):
    """Rules of one batch."""

    def induce(self, batch: Sequence[Sentence]) -> BatchRules:
        """May block on a model; raises as `VisionLanguageModel.report` does."""
        ...


@dataclass(frozen=True, slots=True)
class Induced:
    """A rule after the vote."""

    words: str
    votes: int
    """Batches that had it."""
    evidence: tuple[Sentence, ...]
    """A few of the sentences it came from; of a lexicon's anomaly there are none: nobody said it."""
    against: str = ""


@dataclass(frozen=True, slots=True)
class Induction:
    """What was learned of one camera."""

    num_sentences: int
    num_batches: int
    normal: tuple[Induced, ...]
    """Kept by the vote, most votes first."""
    anomalies: tuple[Induced, ...]
    contradicted: tuple[Induced, ...]
    """Anomalies left out, each `against` the kept normal rule that says the same."""


def induce(
    sentences: Sequence[Sentence],
    inducer: Inducer,
    num_batches: int,
    on_batch: Callable[[], None] = lambda: None,
) -> Induction:
    """Batch by batch, then the vote. `on_batch` is told after each.

    Raises:
        ConfigError: too few sentences for so many batches.
    """
    said = [one for one in sentences if one.text.strip()]
    needed = num_batches * MIN_SENTENCES_A_BATCH
    if num_batches < 1 or len(said) < needed:
        raise ConfigError(
            f"{len(said)} sentences are too few for {num_batches} batches that vote: give at least {needed}, "
            f"or fewer batches"
        )
    proposed = []
    for batch in in_batches(said, num_batches):
        proposed.append(inducer.induce(batch))
        on_batch()
    return vote(proposed, len(said))


def in_batches(sentences: Sequence[Sentence], number: int) -> list[Sequence[Sentence]]:
    """Stretches in order of time, alike in size: a batch is one time of the footage, so that what happens at one time
    alone does not win the vote."""
    edges = [round(index * len(sentences) / number) for index in range(number + 1)]
    return [sentences[start:end] for start, end in pairwise(edges)]


def vote(batches: Sequence[BatchRules], num_sentences: int) -> Induction:
    """Normal rules that most batches have; all anomalies but those that say what a kept normal rule says."""
    all_normal = _counted((batch.normal for batch in batches), loosely=True)
    normal = [one for one in all_normal if one.votes > KEPT_SHARE * len(batches)]
    anomalies, contradicted = [], []
    for one in _counted(batch.anomalies for batch in batches):
        same = next((rule for rule in normal if alike(rule.words, one.words)), None)
        if same is None:
            anomalies.append(one)
        else:
            contradicted.append(Induced(one.words, one.votes, same.evidence, against=same.words))
    return Induction(num_sentences, len(batches), tuple(normal), tuple(anomalies), tuple(contradicted))


def _counted(batches: Iterable[Sequence[Proposed]], *, loosely: bool = False) -> list[Induced]:
    """Rules that say the same as one, a vote a batch, most votes first."""
    found: list[list[Proposed]] = []
    votes: Counter[int] = Counter()
    for batch in batches:
        votes.update({_group(found, one, loosely) for one in batch})
    return [_joined(found[group], number) for group, number in votes.most_common()]


def _group(found: list[list[Proposed]], one: Proposed, loosely: bool) -> int:
    """Place of the group that says the same; a new one when none does. `one` is put there."""
    for index, group in enumerate(found):
        if alike(group[0].words, one.words, loosely=loosely):
            group.append(one)
            return index
    found.append([one])
    return len(found) - 1


def _joined(group: Sequence[Proposed], votes: int) -> Induced:
    """With a sentence of each batch: it was said at several times."""
    evidence = dict.fromkeys(sentence for one in group for sentence in one.evidence[:1])
    return Induced(group[0].words, votes, tuple(evidence)[:MAX_EVIDENCE], group[0].against)


def alike(first: str, second: str, *, loosely: bool = False) -> bool:
    """Whether two rules say the same: they name the same unusual activities, or else mostly the same words.

    `loosely`: ordinary activities count alike, so that walking to the stairs and walking to the door are one rule.
    """
    named, others = _activities(first, loosely), _activities(second, loosely)
    if named or others:
        return named == others
    words, more = _content(first), _content(second)
    return len(words & more) >= ALIKE_SHARE * max(len(words | more), 1)


def _activities(words: str, with_ordinary: bool) -> set[str]:
    return {one.name for one in said_in(words) if not one.is_thing and (with_ordinary or not one.is_ordinary)}


def _content(words: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"\w+", words.lower())} - _STOP_WORDS


class LexicalInducer:
    """Without a model: what a batch says often is normal; the rest of the lexicon's unusual entries is not."""

    def __init__(self, normal_share: float = NORMAL_SHARE, entries: Sequence[Entry] = ENTRIES) -> None:
        self._normal_share = normal_share
        self._entries = tuple(entries)

    def induce(self, batch: Sequence[Sentence]) -> BatchRules:
        """Never blocks."""
        said: dict[str, list[Sentence]] = {entry.name: [] for entry in self._entries}
        for sentence in batch:
            for entry in said_in(sentence.text, self._entries):
                said[entry.name].append(sentence)
        enough = max(self._normal_share * len(batch), MIN_SAID)
        is_normal = {name: len(told) >= enough for name, told in said.items()}
        normal = [Proposed(one.words, tuple(said[one.name])) for one in self._entries if is_normal[one.name]]
        rest = [one for one in self._entries if not is_normal[one.name] and not one.is_ordinary]
        # What one sentence in many says is kept in mind as evidence against the rule, for whoever reviews it.
        return BatchRules(tuple(normal), tuple(Proposed(one.words, tuple(said[one.name])) for one in rest))
