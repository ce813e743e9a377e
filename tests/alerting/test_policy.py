from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.alerting.policy import DeliveryPolicy
from pipeline.clock import ManualClock
from pipeline.contracts.alert import Channel
from pipeline.contracts.incident import IncidentChange
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Severity
from tests.support.alerting import OPENED_AT, make_change, make_channel

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def make_rule(**fields: Any) -> Rule:
    known = {"id": "climb-fence", "when": "a person climbs the fence", "severity": "high"}
    return Rule.model_validate(known | fields)


def told(change: IncidentChange, channel: Channel, rule: Rule | None = None) -> bool:
    rule = rule or make_rule()
    return bool(DeliveryPolicy({rule.id: rule}, {rule.id: [channel]})(change))


def test_every_channel_of_the_rule_gets_a_delivery_with_a_stable_id() -> None:
    """Each channel of the rule gets one delivery, named after the change and the channel, due at once."""
    channels = [make_channel(name="guards"), make_channel(name="office")]
    policy = DeliveryPolicy({"climb-fence": make_rule()}, {"climb-fence": channels}, ManualClock(NOW))
    deliveries = policy(make_change("confirmed", sequence=2))
    assert [d.id for d in deliveries] == ["incident1.2.guards", "incident1.2.office"]
    assert {(d.incident_id, d.change_sequence, d.channel) for d in deliveries} == {
        ("incident1", 2, "guards"),
        ("incident1", 2, "office"),
    }
    assert {d.created_at for d in deliveries} == {d.next_attempt_at for d in deliveries} == {NOW}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("provisional", True),
        ("confirmed", True),
        ("rejected", True),
        ("unverified", True),
        ("updated", False),
        ("closed", True),
        ("repeated", False),
        ("acknowledged", False),
    ],
)
def test_a_channel_hears_the_kinds_it_asks_for(kind: str, expected: bool) -> None:
    """By default everything but updates and acknowledgements is told."""
    assert told(make_change(kind), make_channel()) is expected


def test_slack_hears_closings_only_when_the_site_file_says_so() -> None:
    """The default leaves `closed` out for Slack; an explicit `tell` is followed to the letter."""
    closed = make_change("closed", closed_at=OPENED_AT, status="confirmed")
    assert not told(closed, make_channel(format="slack"))
    assert told(make_change("confirmed"), make_channel(format="slack"))
    assert told(closed, make_channel(format="slack", tell=["closed"]))


def test_what_is_less_severe_than_a_channel_wants_is_not_told_to_it() -> None:
    """A channel hears nothing below its `min_severity`."""
    assert not told(make_change(), make_channel(min_severity="critical"))
    assert told(make_change(), make_channel(min_severity="high"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (make_change("provisional"), False),
        (make_change("updated"), False),
        (make_change("acknowledged"), False),
        (make_change("closed", closed_at=OPENED_AT), False),
        (make_change("confirmed"), True),
        (make_change("unverified"), True),
        (make_change("closed", closed_at=OPENED_AT, status="confirmed"), True),
        (make_change("rejected"), False),
        (make_change("closed", closed_at=OPENED_AT, status="rejected"), False),
        (make_change("acknowledged", status="rejected"), False),
    ],
    ids=lambda value: f"{value.kind}-while-{value.incident.status}" if isinstance(value, IncidentChange) else "",
)
def test_a_verified_rule_is_silent_before_its_verdict_and_after_a_rejection(
    change: IncidentChange, expected: bool
) -> None:
    """With `alert: verified`, nothing goes out before the verdict, and nothing at all about a rejected one."""
    tell_all = make_channel(tell=["provisional", "confirmed", "rejected", "unverified", "closed", "updated"])
    assert told(change, tell_all, make_rule(alert="verified")) is expected


@pytest.mark.parametrize("kind", ["rejected", "closed"])
def test_a_rejection_goes_only_to_who_heard_the_provisional(kind: str) -> None:
    """Who was never alarmed is not told that it was a false alarm, nor that it is over."""
    change = make_change(kind, status="rejected")
    assert told(change, make_channel())
    assert not told(change, make_channel(tell=["confirmed", "rejected", "closed"]))


def test_a_channel_learns_of_an_incident_once_it_has_become_severe_enough() -> None:
    """An incident that opened below `min_severity` is told with the update that raised it, and its end."""
    rule, channel = make_rule(severity="low"), make_channel(min_severity="high")
    assert not told(make_change("provisional", severity=Severity.LOW), channel, rule)
    assert told(make_change("updated", sequence=3, severity=Severity.HIGH, risen_in=3), channel, rule)
    assert not told(make_change("updated", sequence=4, severity=Severity.HIGH, risen_in=3), channel, rule)
    assert told(make_change("rejected", severity=Severity.HIGH), channel, rule)
    assert told(make_change("closed", severity=Severity.HIGH, status="rejected"), channel, rule)


def test_who_heard_of_an_incident_hears_that_it_became_more_severe() -> None:
    """A rise is told whatever a channel asks for, also after the end; not of what was rejected."""
    risen = {"sequence": 3, "risen_in": 3, "severity": Severity.CRITICAL, "closed_at": OPENED_AT}
    assert told(make_change("updated", **risen, status="confirmed"), make_channel())
    assert not told(make_change("updated", **risen, status="rejected"), make_channel())


def test_a_rejection_does_not_tell_a_channel_that_never_heard_because_of_severity() -> None:
    """Below `min_severity` to its end, an incident leaves no trace at that channel."""
    change = make_change("rejected", severity=Severity.LOW)
    assert not told(change, make_channel(min_severity="high"), make_rule(severity="low"))


def test_a_rule_that_left_the_site_file_is_told_to_nobody() -> None:
    """After a restart with an edited file, an old incident's change does no harm, and the log says so."""
    with capture_logs() as logs:
        assert DeliveryPolicy({}, {})(make_change()) == ()
    assert [entry["rule"] for entry in logs] == ["climb-fence"]


def test_a_rule_without_channels_owes_nothing() -> None:
    """A site without channels keeps incidents and tells nobody."""
    assert DeliveryPolicy({"climb-fence": make_rule()}, {})(make_change()) == ()
