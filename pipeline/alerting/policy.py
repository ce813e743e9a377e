"""Which channels hear a change of an incident.

In: a change, while its transaction is being put together. Out: the deliveries to store with it. The answer
follows from the change, the rule and the channel alone, so it is the same after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from pipeline.clock import Clock, SystemClock
from pipeline.contracts.alert import Channel, Delivery
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.site import Site

log = structlog.get_logger()


class DeliveryPolicy:
    """Callable `(change) -> deliveries`. Thread-safe; never raises, never blocks."""

    def __init__(
        self, rules: Mapping[str, Rule], channels_of: Mapping[str, Sequence[Channel]], clock: Clock | None = None
    ) -> None:
        self._rules = rules
        self._channels_of = channels_of
        self._clock = clock or SystemClock()

    def follow(self, rules: Mapping[str, Rule], channels_of: Mapping[str, Sequence[Channel]]) -> None:
        """The site file changed. Rules that are gone still tell the end of what they began."""
        self._channels_of = {**self._channels_of, **channels_of}
        self._rules = {**self._rules, **rules}

    def __call__(self, change: IncidentChange) -> tuple[Delivery, ...]:
        """The deliveries this change owes; none for a rule that has left the site file."""
        rule = self._rules.get(change.incident.rule_id)
        if rule is None:
            log.warning(
                "change is told to nobody: its rule is no longer in the site file",
                incident=change.incident.id,
                rule=change.incident.rule_id,
                kind=change.kind.value,
            )
            return ()
        channels = self._channels_of.get(rule.id, ())
        return tuple(self._delivery(change, channel) for channel in channels if _is_told(change, rule, channel))

    def _delivery(self, change: IncidentChange, channel: Channel) -> Delivery:
        # The wall clock, not `change.at`: replaying an old recording must not make a delivery old at birth.
        now = self._clock.now()
        return Delivery(
            id=f"{change.id}.{channel.name}",
            incident_id=change.incident.id,
            change_sequence=change.sequence,
            channel=channel.name,
            created_at=now,
            next_attempt_at=now,
        )


def rules_and_channels(site: Site) -> tuple[dict[str, Rule], dict[str, tuple[Channel, ...]]]:
    """What a policy is made from: the site's rules, and the channels each tells, by id."""
    return {rule.id: rule for rule in site.all_rules}, {rule.id: site.channels_for(rule) for rule in site.all_rules}


def _is_told(change: IncidentChange, rule: Rule, channel: Channel) -> bool:
    incident = change.incident
    if incident.severity.rank < channel.min_severity.rank:
        return False
    if rule.alert == "verified" and incident.status in (IncidentStatus.PROVISIONAL, IncidentStatus.REJECTED):
        return False
    if incident.status is IncidentStatus.REJECTED and not _heard_before(incident, rule, channel):
        return False
    return change.kind in _kinds_told(channel) or _is_risen(change)


def _kinds_told(channel: Channel) -> frozenset[str]:
    """`channel.tell`; Slack has no use for a closing unless the site file names it."""
    if channel.format == "slack" and "tell" not in channel.model_fields_set:
        return frozenset(channel.tell) - {ChangeKind.CLOSED.value}
    return frozenset(channel.tell)


def _heard_before(incident: Incident, rule: Rule, channel: Channel) -> bool:
    """Whether this channel was told of the incident while it was provisional.

    An incident opens with its rule's severity, so a channel that wants more than that has heard of it only
    if the severity rose since, which an `updated` change told it.
    """
    opened_quietly = rule.severity.rank < channel.min_severity.rank
    return incident.severity.rank > rule.severity.rank if opened_quietly else "provisional" in channel.tell


def _is_risen(change: IncidentChange) -> bool:
    """It has just become more severe: news to who heard of it, and how others hear of it that want no less."""
    return change.sequence == change.incident.risen_in and change.incident.status is not IncidentStatus.REJECTED
