"""The telling of an incident's change to one channel, and the outbox that never forgets one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field, SecretStr

from pipeline.contracts.values import Contract, Identifier, Seconds, Severity, UtcDatetime

if TYPE_CHECKING:
    from pipeline.contracts.incident import IncidentChange

TellableKind = Literal["provisional", "confirmed", "rejected", "unverified", "updated", "closed", "acknowledged"]


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


class Outbox(Protocol):
    """The durable side of delivering. Thread-safe; `TransientError` when the database cannot now.

    The deliveries of one incident to one channel become due in the order of its changes: a later one waits
    until the earlier one is delivered or dead.
    """

    def due(self, now: datetime, limit: int) -> list[DueDelivery]:
        """Pending deliveries whose `next_attempt_at` has come, oldest first."""
        ...

    def next_due_at(self) -> datetime | None:
        """When the next pending delivery is to be tried, or None."""
        ...

    def mark_delivered(self, delivery_id: str, at: datetime) -> None:
        """A receiver answered 2xx."""
        ...

    def mark_failed(self, delivery_id: str, error: str, next_attempt_at: datetime) -> None:
        """One attempt failed; try again then."""
        ...

    def mark_dead(self, delivery_id: str, error: str, at: datetime) -> None:
        """No more attempts; kept for a person."""
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
