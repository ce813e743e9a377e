"""The DET curve as a picture: misses against false alarms an hour, a line a rule or a criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from pipeline.errors import ConfigError
from pipeline.evaluation.curve import DetPoint

_INCHES = (7.0, 5.0)
_DOTS_AN_INCH = 120
_NONE = 0.5
"""On the logarithmic axis no false alarm is drawn as this share of the fewest there are."""


def draw_det(path: Path, curves: Mapping[str, Sequence[DetPoint]]) -> None:
    """Write the picture (PNG, SVG or PDF, by the name). `ConfigError` without any curve, or when it cannot."""
    drawn = {name: points for name, points in curves.items() if points}
    if not drawn:
        raise ConfigError("there is no curve to draw: it needs predictions with scores, events, and known hours")
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    rates = [point.false_alarms_per_hour for points in drawn.values() for point in points]
    least = min((rate for rate in rates if rate > 0), default=1.0)
    for name, points in drawn.items():
        across = [max(point.false_alarms_per_hour, least * _NONE) for point in points]
        axes.plot(across, [point.p_miss for point in points], marker=".", label=name, drawstyle="steps-post")
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="false alarms a camera-hour", ylabel="share of events missed")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path, dpi=_DOTS_AN_INCH)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot write {path}: {error}") from error
