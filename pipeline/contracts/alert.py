"""The telling of an incident's change to one channel, and the outbox that never forgets one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field, SecretStr

from pipeline.contracts.values import Contract, Identifier, Seconds, Severity, UtcDatetime

if TYPE_CHECKING:
    from pipeline.contracts.incident import Incident, IncidentChange

TellableKind = Literal[
    "provisional",
    "confirmed",
    "rejected",
    "unverified",
    "updated",
    "closed",
    "repeated",
    "acknowledged",
    "reviewed",
]


class Channel(Contract):
    """Where alerts go. The name is its key in the site file."""

    name: Identifier
    webhook: SecretStr
    """An http(s) URL. Many (Slack's, for one) are secrets in themselves: never logged."""
    secret: SecretStr | None = None
    """`sightline` and `alertmanager`: signing secret of Standard Webhooks; `pagerduty`: the routing key."""
    format: Literal["sightline", "slack", "pagerduty", "alertmanager"] = "sightline"
    tell: tuple[TellableKind, ...] = ("provisional", "confirmed", "rejected", "unverified", "closed")
    """Which changes are told. `slack` leaves out `closed` unless it is named."""
    min_severity: Severity = Severity.LOW
    allow_private: bool = False
    """Allow loopback, private and link-local addresses (a receiver in the same building)."""
    timeout: Annotated[Seconds, Field(gt=0, le=120)] = 10.0
    """For one attempt, from connecting to the last byte."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up: set aside for a person, who can replay it."""


class Delivery(Contract):
    """One change for one channel."""

    id: str
    """`{change id}.{channel}`."""
    incident_id: str
    change_sequence: int
    channel: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    created_at: UtcDatetime
    next_attempt_at: UtcDatetime
    finished_at: UtcDatetime | None = None
    last_error: str = ""
    """Without the URL or its secrets."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery whose time has come, with what it tells."""

    delivery: Delivery
    change: IncidentChange


@dataclass(frozen=True, slots=True)
class Owed:
    """Work that is owed now."""

    number: int
    oldest_since: datetime | None
    """Since when the oldest of it has been owed; None for no work."""

    def oldest_age_seconds(self, now: datetime) -> float:
        """How long the oldest has been owed; 0.0 for no work."""
        return max((now - self.oldest_since).total_seconds(), 0.0) if self.oldest_since else 0.0


class AlertLinks(Protocol):
    """Addresses for messages. Thread-safe; `TransientError` when the database that knows the key cannot now."""

    def page(self, incident: Incident) -> str:
        """Where people who sign in find everything about it."""
        ...

    def evidence(self, incident: Incident, channel: str) -> Mapping[str, str]:
        """Key in the evidence store to an address that opens it for whoever has it, for a while; begins now."""
        ...


class Outbox(Protocol):
    """The durable side of delivering. Thread-safe; `TransientError` when the database cannot now.

    The deliveries of one incident to one channel become due in the order of its changes: a later one waits
    until the earlier one is delivered or dead. Several processes may empty one outbox: each takes a delivery
    into its hand for a short time, which it prolongs while the attempt lasts, so that nobody else tries the
    same one; that of a process that died becomes anybody's when the time is over.
    """

    def claim_due(
        self, owner: str, now: datetime, lease_seconds: float, full_channels: Collection[str] = ()
    ) -> DueDelivery | None:
        """Take the pending delivery whose `next_attempt_at` came first and that is in nobody's hand, or None.

        Those to `full_channels` are passed over. Never given to two owners at once, while leases are renewed.
        """
        ...

    def renew(self, owner: str, delivery_ids: Sequence[str], lease_seconds: float) -> None:
        """Prolong what of these is still in the owner's hand."""
        ...

    def release(self, owner: str) -> None:
        """Free all that the owner holds: at a clean stop, and at the start of one that always has the same name."""
        ...

    def next_due_at(self) -> datetime | None:
        """When the next pending delivery is to be tried, or None."""
        ...

    def mark_delivered(self, delivery_id: str, at: datetime) -> None:
        """A receiver answered 2xx; true whoever has it in hand by now."""
        ...

    def mark_failed(self, delivery_id: str, owner: str, error: str, next_attempt_at: datetime) -> None:
        """One attempt failed; try again then. Nothing when another owner has taken it since."""
        ...

    def mark_dead(self, delivery_id: str, owner: str, error: str, at: datetime) -> None:
        """No more attempts; kept for a person. Nothing when another owner has taken it since."""
        ...

    def dead(self, limit: int) -> list[DueDelivery]:
        """Dead deliveries, newest first."""
        ...

    def replay(self, delivery_ids: Sequence[str] | None, at: datetime) -> int:
        """Make dead deliveries (all, for None) pending again with a fresh count of attempts; how many."""
        ...

    def of_incident(self, incident_id: str) -> list[Delivery]:
        """Every delivery of one incident, whatever its state, in the order of its changes and then by channel."""
        ...

    def counts(self) -> dict[str, int]:
        """State to number of deliveries."""
        ...

    def owed(self, now: datetime) -> Owed:
        """The deliveries that are due, in hand or not."""
        ...
