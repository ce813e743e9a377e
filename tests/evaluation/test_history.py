"""What a rule makes of alerts that people have judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.contracts.incident import Incident, Review
from pipeline.contracts.rule import Rule
from pipeline.evaluation.history import retold
from pipeline.evaluation.recordings import Recording, rule_figures
from tests.evaluation.test_recordings import RULE, recording
from tests.support.cli import START, incident


def clip(number: int, is_right: bool | None, *, is_told: bool, of: str = "loitering") -> Recording:
    """Of an incident of rule `of`, on which rule `loitering` alerts or does not."""
    review = None if is_right is None else Review(is_right=is_right, by="ann", at=START)
    kept: Incident = incident(60 * number, rule=of).model_copy(update={"review": review})
    alerts = [incident(60 * number)] if is_told else []
    return recording(*alerts, name=f"yard/{number}", seconds=10, incident=kept)


def test_right_false_and_unjudged_alerts_are_kept_apart() -> None:
    """Of three right ones two, of two false ones none, of one that nobody judged one; exact limits of 2 of 3."""
    clips = [clip(1, True, is_told=True), clip(2, True, is_told=True), clip(3, True, is_told=False)]
    clips += [clip(4, False, is_told=False), clip(5, False, is_told=False), clip(6, None, is_told=True)]
    (found,) = retold(rule_figures(RULE, clips), clips)
    shares = [(share.num_told, share.num_read) for share in (found.right, found.wrong, found.unreviewed)]
    assert shares == [(2, 3), (0, 2), (1, 1)]
    interval = found.right.interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.0943, 0.9916), abs=1e-4)


def test_a_rule_is_measured_by_its_own_alerts_if_it_had_any() -> None:
    """What another rule alerted on says nothing of it; a rule that is new has nothing else."""
    clips = [clip(1, True, is_told=True), clip(2, False, is_told=True, of="parking")]
    new, looking = Rule(id="new", when="a person loiters"), frozenset({"loitering", "new"})
    clips = [replace(one, rule_ids=looking) for one in clips]
    assert [one.told_by for one in retold(rule_figures(RULE, clips), clips)] == ["loitering"]
    assert [one.told_by for one in retold(rule_figures(new, clips), clips)] == ["loitering", "parking"]


def test_clips_have_no_rate() -> None:
    """They are there because of alerts: a day of them is no day."""
    figures = rule_figures(RULE, [clip(1, True, is_told=True)])
    assert (figures.alerts_a_day, figures.alerts_a_day_interval, figures.num_recordings) == (None, None, 1)


def test_none_of_none_is_unknown() -> None:
    """A share of nothing has no limits."""
    clips = [clip(1, True, is_told=True)]
    (found,) = retold(rule_figures(RULE, clips), clips)
    assert found.wrong.interval is None
