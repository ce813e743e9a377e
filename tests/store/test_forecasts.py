"""Forecasts and what became of them, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.contracts.forecast import ForecastFilter, ForecastSource, ForecastStore, KeptForecast, Outcome
from pipeline.store.database import Database
from pipeline.store.forecasts import SqlForecastStore
from tests.support.forecasts import START, kept


@pytest.fixture
def store(database: Database) -> ForecastStore:
    return SqlForecastStore(database)


def test_what_is_kept_comes_back(store: ForecastStore) -> None:
    """Every field, times to the microsecond."""
    made = replace(kept(), kept_at=START)
    store.save([made])
    assert store.find(ForecastFilter()) == [made]


def test_an_outcome_replaces_none(store: ForecastStore) -> None:
    """Found later, in a later write or in the same one."""
    first, second = kept(within_seconds=2), kept(within_seconds=5)
    store.save([first])
    store.save([replace(first, outcome=Outcome.YES, reason="seen", checked_at=START)])
    store.save([replace(second, outcome=Outcome.NO, checked_at=START), second])
    assert [one.outcome for one in store.find(ForecastFilter())] == [Outcome.YES, Outcome.NO]


def test_none_never_replaces_an_outcome(store: ForecastStore) -> None:
    """The same forecast told again, as by a camera's next owner, leaves what is known."""
    store.save([replace(kept(), outcome=Outcome.NO, reason="seen", checked_at=START)])
    store.save([kept()])
    (found,) = store.find(ForecastFilter())
    assert (found.outcome, found.reason) == (Outcome.NO, "seen")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ForecastFilter(camera_id="yard"), ["a"]),
        (ForecastFilter(rule_id="other"), ["b"]),
        (ForecastFilter(incident_id="3"), ["c"]),
        (ForecastFilter(source=ForecastSource.MODEL), ["c"]),
        (ForecastFilter(is_checked=True), ["b"]),
        (ForecastFilter(is_checked=False), ["a", "c"]),
        (ForecastFilter(made_from=START), ["a", "b"]),
        (ForecastFilter(limit=1), ["a"]),
    ],
)
def test_filters(store: ForecastStore, wanted: ForecastFilter, expected: list[str]) -> None:
    """By place, rule, incident, source, state and time; newest first."""
    rows: list[KeptForecast] = [
        kept(what="a", camera_id="yard", made_at=START + timedelta(seconds=2)),
        kept(what="b", rule_id="other", outcome=Outcome.UNKNOWN, made_at=START + timedelta(seconds=1)),
        kept(what="c", incident_id="3", source=ForecastSource.MODEL, made_at=START - timedelta(seconds=1)),
    ]
    store.save(rows)
    assert [one.what for one in store.find(wanted)] == expected
