"""Batches: a window that slides over the shards, and a balanced draw from it.

Batch number `n` is drawn from the `width` shards that begin at `n // steps_a_shard`: a pure function of the seed and
`n`, so a resumed run renders its first window again and goes on as if nothing had been. Processes may render ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.models.regions import ACTIONS, LABELS, NOTHING
from pipeline.models.training.ahead import Ahead
from pipeline.models.training.crops import UNTOLD
from pipeline.models.training.shards import Shard

_AHEAD = 6
"""Shards rendered before they are wanted, for each process."""
_SHARES = {"person": 0.52, NOTHING: 0.13}
"""Of the cut-outs in a batch; the other labels share the rest."""
_EVENNESS = 0.75
"""How far labels and actions are made equally frequent: 0 not at all, 1 wholly."""

Make = Callable[[int], Shard]


@dataclass(frozen=True, slots=True)
class Batch:
    """C cut-outs and F frames; words as texts. The fields are those of a shard."""

    crops: NDArray[np.uint8]
    label: NDArray[np.int64]
    pose: NDArray[np.int64]
    action: NDArray[np.int64]
    carrying: NDArray[np.float32]
    words: tuple[str, ...]
    frames: NDArray[np.uint8]
    grid: NDArray[np.int64]
    captions: tuple[str, ...]
    """One of each frame."""
    alike: tuple[str, ...]
    others: tuple[str, ...]
    """Captions of frames that are not in the batch."""


class Mixture:
    """Draws batches."""

    def __init__(
        self,
        make: Make,
        *,
        seed: int,
        width: int,
        steps_a_shard: int,
        crops: int,
        frames: int,
        others: int,
    ) -> None:
        self._make, self._seed = make, seed
        self._width, self._steps_a_shard = width, steps_a_shard
        self._crops, self._frames, self._others = crops, frames, others
        self._window: dict[int, Shard] = {}
        self._ahead = Ahead(make, depth=_AHEAD)

    def ahead(self, workers: int) -> AbstractContextManager[None]:
        """Inside the block `workers` processes render what comes next."""
        return self._ahead.running(workers)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        first = step // self._steps_a_shard
        numbers = range(first, first + self._width)
        coming = range(first, first + self._width + self._ahead.reach)
        self._ahead.ask(number for number in coming if number not in self._window)
        self._window = {number: self._window.get(number) or self._had(number) for number in numbers}
        return draw(
            list(self._window.values()),
            np.random.default_rng((self._seed, step, 1)),
            crops=self._crops,
            frames=self._frames,
            others=self._others,
        )

    def _had(self, number: int) -> Shard:
        return self._ahead.take(number) or self._make(number)


def draw(shards: list[Shard], rng: np.random.Generator, *, crops: int, frames: int, others: int) -> Batch:
    """A balanced batch from some shards; frames come in pairs of one scene, which words must tell apart."""
    place = [(s, c) for s, shard in enumerate(shards) for c in range(len(shard.label))]
    labels = np.concatenate([shard.label for shard in shards])
    actions = np.concatenate([shard.action for shard in shards])
    chosen = rng.choice(len(place), crops, p=_weights(labels, actions))
    cut = [place[int(n)] for n in chosen]
    seen = _pairs(shards, frames, rng)
    framed = [(s, f) for s, shard in enumerate(shards) for f in range(len(shard.frames))]
    extra = [framed[int(n)] for n in rng.integers(len(framed), size=others)]
    return Batch(
        np.stack([shards[s].crops[c] for s, c in cut]),
        labels[chosen],
        np.array([shards[s].pose[c] for s, c in cut]),
        actions[chosen],
        np.stack([shards[s].carrying[c] for s, c in cut]),
        tuple(shards[s].words[c] for s, c in cut),
        np.stack([shards[s].frames[f] for s, f in seen]),
        np.stack([shards[s].grid[f] for s, f in seen]),
        tuple(_any(shards[s].captions[f], rng) for s, f in seen),
        tuple(shards[s].alike[f] for s, f in seen),
        tuple(
            _any(shards[s].captions[f], rng)
            for s, f in extra
            if shards[s].alike[f] not in {shards[t].alike[g] for t, g in seen}
        ),
    )


def _pairs(shards: list[Shard], frames: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Scenes in turn, two frames of each: words must tell what happens, not only where."""
    framed = [s for s, shard in enumerate(shards) if len(shard.frames)]
    pairs = [(s, tuple(rng.permutation(len(shards[s].frames)))) for s in rng.permutation(framed)]
    seen = [(int(s), int(f)) for turn in range(0, frames, 2) for s, order in pairs for f in order[turn : turn + 2]]
    return seen[:frames]


def _weights(labels: NDArray[np.int64], actions: NDArray[np.int64]) -> NDArray[np.float64]:
    """How probably each cut-out is drawn: labels have their shares, actions of persons are evened out."""
    present = np.unique(labels)
    rest = [label for label in present if LABELS[label] not in _SHARES]
    weights = np.zeros(len(labels))
    for label in present:
        is_label = labels == label
        each = is_label / is_label.sum()
        share = _SHARES.get(LABELS[label], 0.0) or (1 - sum(_SHARES.values())) / max(len(rest), 1)
        weights += share * (_evened(actions, is_label) if LABELS[label] == "person" else each)
    total: NDArray[np.float64] = weights / weights.sum()
    return total


def _evened(actions: NDArray[np.int64], is_person: NDArray[np.bool_]) -> NDArray[np.float64]:
    counts = np.bincount(actions[is_person] - UNTOLD, minlength=len(ACTIONS) + 1)
    weights = np.where(is_person, 1.0 / np.maximum(counts[actions - UNTOLD], 1) ** _EVENNESS, 0.0)
    evened: NDArray[np.float64] = weights / weights.sum()
    return evened


def _any(texts: tuple[str, ...], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))] if texts else ""
