"""A rule's figures on recordings, and how truth finds them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.incident import IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.evaluation.recordings import Recording, names_in_truth, predictions_of, rule_figures, truth_of
from pipeline.evaluation.spans import Event, Truth
from tests.support.cli import START, incident

RULE = Rule(id="loitering", when="a person loiters")
CALLS = {"yard/walk": ("walk", "yard"), "gate/walk": ("walk", "gate")}


def recording(*incidents: Any, name: str = "yard/walk", seconds: float = 21_600.0, **given: Any) -> Recording:
    """Six hours of camera `yard` from `START` on."""
    values: dict[str, Any] = {
        "camera_id": name.partition("/")[0],
        "source": "walk.mp4",
        "rule_ids": frozenset({"loitering"}),
        "started_at": START,
        "frames_read": 1,
        "frames_sampled": 1,
        "counts": (),
        "perception_calls": 0,
        "perception_seconds": 0.0,
    }
    return Recording(name=name, seconds=seconds, incidents=incidents, **values | given)


def test_alerts_by_the_camera_day() -> None:
    """Two alerts in twice six hours are four a day, by Garwood's limits of 2 (.2422 to 7.2247) up to 14.4."""
    found = rule_figures(RULE, [recording(incident(3), incident(90)), recording(name="gate/walk")])
    interval = found.alerts_a_day_interval
    assert (found.hours, found.alerts_a_day) == (12.0, 4.0)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.2422 * 2, 7.2247 * 2), abs=1e-3)


def test_no_alert_is_not_never() -> None:
    """None in a day: up to 3.69 (Garwood's limit of 0); and of nothing read, nothing is said."""
    none = rule_figures(RULE, [recording(seconds=86_400.0)]).alerts_a_day_interval
    unread = rule_figures(RULE, [recording(seconds=0.0)])
    assert none is not None
    assert (none.low, round(none.high, 2)) == (0.0, 3.69)
    assert (unread.alerts_a_day, unread.alerts_a_day_interval) == (None, None)


def test_what_the_model_rejects_is_an_alert_unless_it_waited_for_it() -> None:
    """A rule that tells at once has told; one with `alert: verified` has not."""
    rejected = recording(incident(3, status=IncidentStatus.REJECTED, reason="a cat"))
    patient = RULE.model_copy(update={"alert": "verified"})
    assert len(rule_figures(RULE, [rejected]).hits) == 1
    assert rule_figures(patient, [rejected]).hits == ()
    assert rule_figures(patient, [rejected]).statuses == {"rejected": 1}


def test_a_recording_no_rule_looked_at_has_no_hours() -> None:
    """Only the cameras of a rule count for it."""
    assert rule_figures(RULE, [recording(rule_ids=frozenset({"other"}))]).hours == 0.0


def test_alerts_count_from_the_recordings_start() -> None:
    """Seconds from the first frame, under the recording's name."""
    figures = rule_figures(RULE, [recording(incident(3))])
    (told,) = predictions_of(figures.hits)
    assert (told.camera_id, told.start_seconds, told.end_seconds, told.alerted_at) == ("yard/walk", 3.0, 8.0, 3.0)


def test_truth_by_the_files_name() -> None:
    """It holds for every camera the file was read as; events of rules that did not look are left out."""
    truth = Truth((Event("walk", 1, 9, "loitering"), Event("walk", 2, 3, "fire"), Event("walk", 4, 5)), {"walk": None})
    names = names_in_truth(truth, CALLS)
    found = truth_of(truth, [recording(), recording(name="gate/walk")], names)
    assert names == {"yard/walk": "walk", "gate/walk": "walk"}
    assert [(one.camera_id, one.label) for one in found.events] == [
        ("yard/walk", "loitering"),
        ("yard/walk", ""),
        ("gate/walk", "loitering"),
        ("gate/walk", ""),
    ]
    assert found.lengths == {"yard/walk": 21_600.0, "gate/walk": 21_600.0}


def test_truth_by_the_clock() -> None:
    """Events since 1970 become seconds from the recording's start."""
    at = (START + timedelta(seconds=10)).timestamp()
    truth = Truth((Event("yard", at, at + 5),), {"yard": None}, counts_from_start=False)
    (event,) = truth_of(truth, [recording()], names_in_truth(truth, CALLS)).events
    assert (event.start_seconds, event.end_seconds) == (10.0, 15.0)


@pytest.mark.parametrize(
    ("lengths", "calls", "words"),
    [
        ({"run": 1.0}, CALLS, "none of the recordings: it has run; the recordings are walk"),
        ({"yard": 1.0}, {"yard/a": ("a", "yard"), "yard/b": ("b", "yard")}, "yard, which has 2 recordings"),
    ],
    ids=["none", "several"],
)
def test_truth_that_fits_no_recording(lengths: dict[str, float], calls: dict[str, tuple[str, str]], words: str) -> None:
    """It is refused with both sides' names."""
    with pytest.raises(ConfigError, match=words):
        names_in_truth(Truth((), lengths), calls)
