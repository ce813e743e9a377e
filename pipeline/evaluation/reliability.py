"""How far forecasts can be trusted: Brier score, skill, calibration, of each camera and rule.

In: forecasts with what became of them. Those of which nothing is known are counted and left out. A figure that cannot
be known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binomtest

from pipeline.contracts.forecast import KeptForecast, Outcome
from pipeline.errors import ConfigError

NUM_BINS = 10
CONFIDENCE = 0.95
_INCHES = (6.0, 6.0)
_DOTS_AN_INCH = 120


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of about the same probability, [low, high)."""

    low: float
    high: float
    number: int
    mean_probability: float
    came_true: int
    interval: tuple[float, float]
    """Of the share that came true, Wilson, 95 %; rather too narrow, for forecasts of one incident hang together."""

    @property
    def share(self) -> float:
        """Which share came true."""
        return self.came_true / self.number


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of one group of forecasts."""

    number: int
    """Looked up, with an outcome."""
    num_unknown: int
    """Looked up, and nothing could be known."""
    num_pending: int
    base_rate: float | None
    """Share that came true."""
    brier: float | None
    """Mean squared error of the probabilities; 0 is best, 0.25 is what 50 % always gets."""
    reference_brier: float | None
    """The same, had each been given the share of its kind and horizon that came true in this very group."""
    ece: float | None
    """Expected calibration error: how far shares are from probabilities, on average over the bins."""
    bins: tuple[Bin, ...] = ()

    @property
    def skill(self) -> float | None:
        """1 is perfect, 0 no better than the base rates, below 0 worse; None where everything came out alike."""
        if self.brier is None or not self.reference_brier:
            return None
        return 1 - self.brier / self.reference_brier


def reliability(forecasts: Iterable[KeptForecast]) -> Reliability:
    """Of all of these together."""
    told = list(forecasts)
    known = [one for one in told if one.outcome in (Outcome.YES, Outcome.NO)]
    num_pending = sum(one.outcome is None for one in told)
    num_unknown = len(told) - len(known) - num_pending
    if not known:
        return Reliability(0, num_unknown, num_pending, None, None, None, None)
    probability = np.array([one.probability for one in known])
    came_true = np.array([one.outcome is Outcome.YES for one in known], dtype=float)
    reference = _base_rates([(one.kind, one.within_seconds) for one in known], came_true)
    bins = _bins(probability, came_true)
    return Reliability(
        number=len(known),
        num_unknown=num_unknown,
        num_pending=num_pending,
        base_rate=float(came_true.mean()),
        brier=float(((probability - came_true) ** 2).mean()),
        reference_brier=float(((reference - came_true) ** 2).mean()),
        ece=sum(each.number * abs(each.share - each.mean_probability) for each in bins) / len(known),
        bins=bins,
    )


def by_camera_and_rule(forecasts: Iterable[KeptForecast]) -> dict[tuple[str, str], Reliability]:
    """In order of camera and rule."""
    groups: dict[tuple[str, str], list[KeptForecast]] = {}
    for one in forecasts:
        groups.setdefault((one.camera_id, one.rule_id), []).append(one)
    return {key: reliability(groups[key]) for key in sorted(groups)}


def draw_reliability(path: Path, groups: Mapping[str, Reliability]) -> None:
    """Calibration plot (PNG, SVG or PDF, by the name): the share that came true against the probability that was
    given. `ConfigError` without any outcome, or when it cannot be written."""
    drawn = {name: group for name, group in groups.items() if group.bins}
    if not drawn:
        raise ConfigError("there is nothing to draw: no forecast has an outcome yet")
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfect")
    for name, group in drawn.items():
        across = [each.mean_probability for each in group.bins]
        shares = [each.share for each in group.bins]
        low, high = zip(*(each.interval for each in group.bins), strict=True)
        errors = np.maximum([np.subtract(shares, low), np.subtract(high, shares)], 0.0)
        axes.errorbar(across, shares, yerr=errors, marker="o", capsize=3, label=f"{name} ({group.number})")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability given", ylabel="share that came true")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path, dpi=_DOTS_AN_INCH)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot write {path}: {error}") from error


def _base_rates(kinds: Sequence[tuple[str, float]], came_true: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,), of each the share of its kind and horizon that came true."""
    shares = {kind: came_true[[other == kind for other in kinds]].mean() for kind in set(kinds)}
    return np.array([shares[kind] for kind in kinds])


def _bins(probability: NDArray[np.float64], came_true: NDArray[np.float64]) -> tuple[Bin, ...]:
    """Of equal width; empty ones are left out."""
    places = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
    found = []
    for place in np.unique(places):
        chosen = places == place
        number, num_true = int(chosen.sum()), int(came_true[chosen].sum())
        interval = binomtest(num_true, number).proportion_ci(CONFIDENCE, method="wilson")
        found.append(
            Bin(
                low=float(place / NUM_BINS),
                high=float((place + 1) / NUM_BINS),
                number=number,
                mean_probability=float(probability[chosen].mean()),
                came_true=num_true,
                interval=(float(interval.low), float(interval.high)),
            )
        )
    return tuple(found)
