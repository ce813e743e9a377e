"""How far a model's P(yes) can be believed: its verdicts against what people said, by rule, model and prompt.

In: incidents with a verdict and a review. Out: Brier scores (Brier 1950: the mean squared distance between what was
said and what was so, 0 is best; always saying one half makes 0.25) of the raw and of the calibrated probabilities, and
how often each bin was right. Each probability was given before its review, so nothing is judged on what it was fitted
to. People review what they are told of, so this says little about what is rejected unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.contracts.incident import Incident

NUM_BINS = 5


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts whose calibrated probability was in [low, high); the last bin includes 1."""

    low: float
    high: float
    num_verdicts: int
    mean_probability: float
    share_right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of one model under one wording of the prompt on one rule."""

    rule_id: str
    model_id: str
    prompt_version: str
    num_verdicts: int
    num_right: int
    """As people said."""
    brier_raw: float
    brier: float
    """As it was used: calibrated by the reviews there were then."""
    bins: tuple[Bin, ...]
    """Those that hold a verdict."""


def reliabilities(incidents: Iterable[Incident]) -> list[Reliability]:
    """By rule, model and prompt; incidents without a probability or without a review are left out."""
    groups: dict[tuple[str, str, str], list[tuple[float, float, bool]]] = defaultdict(list)
    for one in incidents:
        said, review = one.assessment, one.review
        if said is None or review is None or said.probability is None:
            continue
        raw = said.probability if said.raw_probability is None else said.raw_probability
        key = (one.rule_id, said.model_id, said.prompt_version)
        groups[key].append((raw, said.probability, review.is_right))
    return [_reliability(key, groups[key]) for key in sorted(groups)]


def _reliability(key: tuple[str, str, str], verdicts: Sequence[tuple[float, float, bool]]) -> Reliability:
    used = [(probability, is_right) for _, probability, is_right in verdicts]
    return Reliability(
        *key,
        num_verdicts=len(verdicts),
        num_right=sum(is_right for _, is_right in used),
        brier_raw=_brier([(raw, is_right) for raw, _, is_right in verdicts]),
        brier=_brier(used),
        bins=tuple(_bins(used)),
    )


def _brier(said: Sequence[tuple[float, bool]]) -> float:
    return sum((probability - is_right) ** 2 for probability, is_right in said) / len(said)


def _bins(said: Sequence[tuple[float, bool]]) -> Iterable[Bin]:
    held: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for probability, is_right in said:
        held[min(int(probability * NUM_BINS), NUM_BINS - 1)].append((probability, is_right))
    for number, group in sorted(held.items()):
        mean = sum(probability for probability, _ in group) / len(group)
        right = sum(is_right for _, is_right in group) / len(group)
        yield Bin(number / NUM_BINS, (number + 1) / NUM_BINS, len(group), mean, right)
