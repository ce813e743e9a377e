"""What is foretold of a candidate's tracks, and what is found to have become of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.forecast import KeptForecast, Outcome
from pipeline.contracts.observation import Observation
from tests.support.events import Actor, film, opened, play, rule, stage

CROSSES = {"object": "person", "crosses": "line"}
STREET = {"zones": {"exit": ((0.7, 0.2), (0.9, 0.2), (0.9, 0.8), (0.7, 0.8))}}
"""A zone right of the line, x 538–691."""


class Sink:
    """Keeps everything that is put."""

    def __init__(self) -> None:
        self.made: list[KeptForecast] = []
        self.checked: list[KeptForecast] = []

    def put(self, forecasts: Iterable[KeptForecast]) -> None:
        for one in forecasts:
            (self.made if one.outcome is None else self.checked).append(one)

    def outcome(self, kind: str, within_seconds: float) -> Outcome | None:
        (found,) = (one for one in self.checked if (one.kind, one.within_seconds) == (kind, within_seconds))
        return found.outcome


def watched(*frames: Observation) -> tuple[Candidate, Sink]:
    """The opening of a crossing, and what was foretold with it; one zone `exit` lies ahead."""
    sink = Sink()
    events = stage(rule(track=CROSSES), forecasts=sink, camera=STREET)
    (candidate,) = opened(play(events, frames))
    return candidate, sink


def walker(*, until: float = 20.0, speed_px: float = 60.0, **options: object) -> Actor:
    """From the left, over the line (x = 384) after three seconds at 60 px a second, and on."""
    start = 204.0
    return Actor([(0, start, 300), (until, start + speed_px * until, 300)], jitter_px=1.0, **options)  # type: ignore[arg-type]  # the options are Actor's own


def test_what_lies_ahead_is_likely_and_comes_true() -> None:
    """A walker 154 px before a zone, at 60 px a second, enters it in 2.6 s: not within 2 s, and within 5 s."""
    candidate, sink = watched(*film(20, 10, walker(until=20)))
    told = {one.within_seconds: one.probability for one in candidate.outlook if one.kind == "enters"}
    assert told[2] < 0.3 < 0.7 < told[5]
    assert (sink.outcome("enters", 2), sink.outcome("enters", 5)) == (Outcome.NO, Outcome.YES)


def test_probabilities_never_fall_with_time() -> None:
    """What has happened within 2 s has happened within 5 s; to stay only gets harder."""
    candidate, _ = watched(*film(6, 10, walker()))
    for kind, target in {(one.kind, one.target) for one in candidate.outlook}:
        told = [one.probability for one in candidate.outlook if (one.kind, one.target) == (kind, target)]
        assert told == sorted(told, reverse=kind == "stays")


def test_who_walks_out_has_left_the_picture() -> None:
    """Gone over the border within the time: it left, and the zone that it had not entered it never will."""
    _, sink = watched(*film(20, 10, walker(until=9.4)))
    assert sink.outcome("leaves", 10) is Outcome.YES


def test_who_is_lost_in_the_middle_is_unknown() -> None:
    """A track that ends in the middle of the picture says neither yes nor no."""
    _, sink = watched(*film(20, 10, walker(hidden=[(4.0, 30.0)])))
    assert sink.outcome("enters", 5) is Outcome.UNKNOWN


def test_what_is_cut_short_is_unknown() -> None:
    """The stream ends before the horizon: nobody watched to its end."""
    _, sink = watched(*film(4.5, 10, walker()))
    assert {one.outcome for one in sink.checked} == {Outcome.UNKNOWN}
    assert "nobody watched" in sink.checked[0].reason


def test_every_forecast_is_made_and_looked_up_once() -> None:
    """As many outcomes as forecasts, under the same ids."""
    _, sink = watched(*film(20, 10, walker()))
    assert len(sink.made) > 3
    assert sorted(one.id for one in sink.made) == sorted(one.id for one in sink.checked)


def test_what_is_foretold_is_bounded() -> None:
    """Many zones: four things, each for three horizons, the likeliest at five seconds."""
    zones = {f"z{n}": ((0.6 + n / 50, 0.2), (0.9, 0.2), (0.9, 0.8)) for n in range(10)}
    events = stage(rule(track=CROSSES), camera={"zones": zones})
    (candidate,) = opened(play(events, film(6, 10, walker())))
    assert len(candidate.outlook) == 12


def test_the_course_leads_ahead_and_widens() -> None:
    """Along the way of the walker, less certain every second."""
    candidate, _ = watched(*film(6, 10, walker()))
    (course,) = candidate.courses
    assert course.points[-1].x - course.points[0].x > 60
    spreads = [point.spread_px for point in course.points]
    assert spreads == sorted(spreads)


def test_two_runs_foretell_the_same() -> None:
    """Nothing is drawn by chance."""
    frames = film(6, 10, walker())
    assert watched(*frames)[0].outlook == watched(*frames)[0].outlook


def test_an_end_foretells_nothing() -> None:
    """The closing of a candidate is no moment for forecasts."""
    candidates = play(stage(rule(track=CROSSES)), film(6, 10, walker()))
    assert candidates[-1].outlook == ()


@pytest.mark.parametrize("fps", [2, 10, 25])
def test_the_pace_of_sampling_matters_little(fps: float) -> None:
    """The same walker at 2, 10 and 25 frames a second: within five seconds it is likely each time."""
    candidate, _ = watched(*film(8, fps, walker()))
    (told,) = (one for one in candidate.outlook if (one.kind, one.within_seconds) == ("enters", 5))
    assert told.probability > 0.7
