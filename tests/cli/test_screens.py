"""What screens keep of a run that lasts for months."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, timedelta

import pytest

from pipeline.cli.output import wall_clock
from pipeline.cli.screens import SeenIncidents, choose_screen
from pipeline.contracts.incident import Incident
from pipeline.runtime.local.runtime import RunListener
from tests.support.store import START, make_candidate, opened

_ROWS_SHOWN = 12


def show(listener: RunListener, number: int) -> list[weakref.ref[Incident]]:
    """Let `number` incidents open, a minute apart."""
    shown = []
    for n in range(number):
        change = opened(make_candidate(START + timedelta(minutes=n)))
        listener.changed(change)
        shown.append(weakref.ref(change.incident))
        del change
    gc.collect()
    return shown


@pytest.mark.parametrize(("as_json", "live"), [(False, False), (True, False), (False, True)])
def test_a_long_run_does_not_pile_up_incidents(as_json: bool, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many incidents no screen holds more than it has rows to show, and those are the last ones."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes standard error for a terminal
    screen = choose_screen(wall_clock(UTC), as_json=as_json, quiet=False, live=live)
    held = [incident() is not None for incident in show(screen, 60)]
    assert held == [False] * (60 - sum(held)) + [True] * sum(held)
    assert sum(held) == (_ROWS_SHOWN if live else 0)


def test_what_was_seen_is_known_by_its_status() -> None:
    """For the words at the end, ids and statuses are kept in the order of opening, the incidents are not."""
    seen = SeenIncidents(choose_screen(wall_clock(UTC), as_json=False, quiet=True, live=False))
    incidents = show(seen, 60)
    assert len(seen.statuses) == 60
    assert set(seen.statuses.values()) == {"provisional"}
    assert not any(incident() for incident in incidents)
