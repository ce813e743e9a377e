"""Forecasts kept, and a model's words looked up in what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Forecast, Report
from pipeline.contracts.forecast import ForecastFilter, ForecastSource, KeptForecast, Outcome
from pipeline.contracts.rule import Rule
from pipeline.errors import TransientError
from pipeline.incidents import lifecycle
from pipeline.runtime.forecasts import ForecastBook, ForecastDesk, rules_meant
from pipeline.site import parse_site
from pipeline.store.database import Database
from pipeline.store.forecasts import SqlForecastStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.telemetry import Metrics
from tests.support.forecasts import kept
from tests.support.store import START, make_assessment, make_candidate, opened, seconds, sqlite_url

SITE = """
cameras:
  - id: gate
    url: synthetic:yard
    zones: {fence: [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]], loading-dock: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}
    lines: {kerb: [[0, 0.5], [1, 0.5]]}
rules:
  - {id: climb, track: {object: any, enters: fence}}
  - {id: dock-stay, track: {object: any, inside: loading-dock, longer_than: 20s}}
  - {id: over, track: {object: any, crosses: kerb}}
"""


class World:
    """A database that may be away, a clock, a desk."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(sqlite_url(folder))
        self.database.migrate()
        self.clock = ManualClock(START)
        self.metrics = Metrics()
        self.forecasts = Store(self.database)
        self.incidents = SqlIncidentStore(self.database)
        self.book = ForecastBook(self.forecasts, self.metrics, self.clock)
        site = parse_site(SITE, "site.yaml", {})
        self.desk = ForecastDesk(self.forecasts, self.incidents, site, self.book, self.clock)

    def judged(self, *words: str) -> None:
        """A verdict whose report foretells these within 30 s is stored and noted."""
        change = opened(make_candidate())
        forecasts = tuple(Forecast(what=what, within_seconds=30, probability=0.6) for what in words)
        report = Report(title="t", explanation="e", frames=(1,), forecasts=forecasts)
        verdict = lifecycle.judge(change.incident, make_assessment(change.incident.id, report=report), START)
        assert verdict is not None
        self.incidents.commit(change, ())
        self.incidents.commit(verdict, ())
        self.desk.note(change)
        self.desk.note(verdict)
        self.desk.keep()

    def happened(self, rule_id: str, after_seconds: float) -> str:
        change = opened(make_candidate(START + seconds(after_seconds), rule_id=rule_id))
        assert self.incidents.commit(change, ())
        return change.incident.id

    def found(self, after_seconds: float = 100.0) -> dict[str, KeptForecast]:
        """What is kept, by its words, so long after."""
        self.clock.advance(after_seconds)
        self.desk.keep()
        return {one.what: one for one in self.forecasts.find(ForecastFilter())}


class Store(SqlForecastStore):
    """Away when told."""

    is_away = False

    def save(self, forecasts: Iterable[KeptForecast]) -> None:
        if self.is_away:
            raise TransientError("the database is away")
        super().save(forecasts)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.close()


def test_a_model_s_forecast_is_kept_with_its_verdict(world: World) -> None:
    """Its words, from the moment of the last picture that it saw, and no outcome yet."""
    world.judged("the person enters the fence")
    (one,) = world.found(0).values()
    assert (one.source, one.probability, one.outcome) == (ForecastSource.MODEL, 0.6, None)
    assert abs(one.made_at - START) < timedelta(seconds=5)


def test_what_a_rule_saw_came_true(world: World) -> None:
    """Another incident of the rule that measures it, in time."""
    world.judged("he will cross the kerb", "he enters the loading dock and stays")
    there = world.happened("over", 20)
    found = world.found()
    assert found["he will cross the kerb"].outcome is Outcome.YES
    assert there in found["he will cross the kerb"].reason
    assert found["he enters the loading dock and stays"].outcome is Outcome.NO


def test_too_late_is_not_in_time(world: World) -> None:
    """An incident after the horizon makes nothing true, and neither does the one it was foretold of."""
    world.judged("someone climbs over the fence", "somebody crosses the kerb")
    world.happened("over", 40)
    assert {one.outcome for one in world.found().values()} == {Outcome.NO}


def test_words_that_nothing_measures_cannot_be_checked(world: World) -> None:
    """Said so, and counted neither way."""
    world.judged("the man may call a friend")
    (one,) = world.found().values()
    assert one.outcome is Outcome.UNKNOWN
    assert "cannot be checked" in one.reason


def test_nothing_is_looked_up_before_its_time(world: World) -> None:
    """Within the horizon, and while an incident of it may yet be stored, there is no outcome."""
    world.judged("he will cross the kerb")
    (one,) = world.found(80).values()
    assert one.outcome is None


def test_a_database_that_is_away_makes_forecasts_late(world: World) -> None:
    """They wait, and are written when it is back."""
    world.forecasts.is_away = True
    world.book.put([kept()])
    with pytest.raises(TransientError):
        world.desk.keep()
    world.forecasts.is_away = False
    assert len(world.found()) == 1


def test_a_long_outage_loses_the_oldest_and_counts_them(world: World) -> None:
    """Twenty thousand wait at most."""
    world.book.put(kept(incident_id=str(number)) for number in range(20_010))
    lost = world.metrics.registry.get_sample_value(
        "sightline_invalid_items_total", {"stage": "forecasts", "reason": "lost"}
    )
    assert lost == 10


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("person 7 enters the fence", ["climb"]),
        ("the person leaves the fence", []),
        ("They remain at the loading-dock", ["dock-stay"]),
        ("they remain at the loading dock.", ["dock-stay"]),
        ("climb", ["climb"]),
        ("something at the fence", ["climb"]),
        ("he is defenceless", []),
        ("", []),
    ],
)
def test_words_mean_the_rules_that_measure_them(what: str, expected: list[str]) -> None:
    """By zone, line or id as whole words, unless the verb says otherwise."""
    rules: Any = parse_site(SITE, "site.yaml", {}).rules
    assert [rule.id for rule in rules_meant(what, rules)] == expected


def test_a_disabled_rule_measures_nothing() -> None:
    """What nobody watches cannot be checked."""
    rule = Rule.model_validate({"id": "climb", "enabled": False, "track": {"object": "person", "enters": "fence"}})
    assert rules_meant("enters the fence", [rule]) == []


def test_how_good_forecasts_are_is_a_metric(world: World) -> None:
    """What came true, what did not, and the squared errors of the probabilities: 0.6 and no is 0.36."""
    world.judged("he will cross the kerb", "it rains")
    world.found()
    read = world.metrics.registry.get_sample_value
    assert read("sightline_forecasts_total", {"source": "model", "outcome": "no"}) == 1
    assert read("sightline_forecasts_total", {"source": "model", "outcome": "unknown"}) == 1
    assert read("sightline_forecast_error_total", {"source": "model"}) == pytest.approx(0.36)
