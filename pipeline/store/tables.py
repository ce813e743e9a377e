"""The tables, the same on SQLite and PostgreSQL.

Times are whole microseconds since 1970 UTC, so that order and ranges mean the same in both. What is searched
has a column; the contract itself is the JSON beside it. A change here needs a migration beside it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To microseconds, exactly (floats would round)."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Back to an aware datetime, UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class FreeText(TypeDecorator[str]):
    """Text from outside (a receiver's error, a person's note): what no database can hold is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """PostgreSQL refuses NUL, and UTF-8 refuses lone surrogates."""
        return None if value is None else value.replace("\0", "?").encode(errors="replace").decode()


metadata = MetaData()

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("awaits_verdict", Boolean, nullable=False),
    # Told to anybody, or would have been had there been a channel: where cooldowns resume.
    Column("is_told", Boolean, nullable=False),
    Column("last_change", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("body", Text, nullable=False),
    Column("lease_owner", Text),
    Column("leased_until", Moment),
    # Set once retention has deleted its pictures and clips.
    Column("evidence_gone_at", Moment),
    Column("updated_at", Moment),
    Column("is_reviewed", Boolean, nullable=False, server_default=false()),
    # Which verdict comes first: the more severe, then the more unusual.
    Column("priority", Float, nullable=False, server_default="0"),
    Index("incidents_by_time", "opened_at"),
    Index("incidents_by_camera", "camera_id", "opened_at"),
    Index("incidents_awaiting", "awaits_verdict", "opened_at"),
    Index("incidents_by_close", "closed_at", "opened_at"),
    Index("incidents_told", "is_told", "camera_id", "rule_id", "opened_at"),
    Index("incidents_by_evidence", "evidence_gone_at", "closed_at"),
    Index("incidents_by_change", "is_reviewed", "updated_at"),
)

incident_links = Table(
    "incident_links",
    metadata,
    # The lesser id first: a pair stands here once.
    Column("incident_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("other_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("seconds_apart", Float, nullable=False),
    Column("similarity", Float),
    Index("incident_links_by_other", "other_id"),
)

incident_changes = Table(
    "incident_changes",
    metadata,
    Column("incident_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("body", Text, nullable=False),
    # From when on it may be put on the bus; empty for what is no news to it.
    Column("relay_at", Moment),
    Index("incident_changes_to_relay", "relay_at", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("change_sequence", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("next_attempt_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("last_error", FreeText, nullable=False),
    Column("lease_owner", Text),
    Column("leased_until", Moment),
    ForeignKeyConstraint(
        ["incident_id", "change_sequence"], ["incident_changes.incident_id", "incident_changes.sequence"]
    ),
    Index("deliveries_due", "state", "next_attempt_at"),
    Index("deliveries_in_order", "incident_id", "channel", "change_sequence"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("minute", Moment, primary_key=True, autoincrement=False),
    Column("rule_id", Text, primary_key=True),
    Column("gate", Text, primary_key=True),
    Column("passed", Boolean, primary_key=True),
    Column("reason", FreeText, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("min_value", Float),
    Column("max_value", Float),
    Column("threshold", Float),
    Column("detail", FreeText, nullable=False),
    Index("decisions_by_time", "minute"),
)

coverage = Table(
    "coverage",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("layer", Text, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("reason", FreeText, primary_key=True),
    Column("start_at", Moment, primary_key=True, autoincrement=False),
    Column("end_at", Moment, nullable=False),
    Column("detail", FreeText, nullable=False),
    Index("coverage_by_end", "end_at"),
    Index("coverage_by_camera", "camera_id", "end_at"),
)

learned = Table(
    "learned",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("basis", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    # Without a foreign key: a watcher may keep a forecast before its incident is stored by another process.
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("camera_id", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("track_id", Integer),
    Column("what", FreeText, nullable=False),
    Column("within_seconds", Float, nullable=False),
    Column("probability", Float, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("outcome", Text),
    Column("reason", FreeText, nullable=False),
    Column("checked_at", Moment),
    Column("kept_at", Moment, nullable=False),
    Index("forecasts_by_camera", "camera_id", "rule_id", "made_at"),
    Index("forecasts_by_incident", "incident_id"),
    Index("forecasts_to_check", "source", "outcome", "kept_at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("erased_at", Moment, nullable=False),
    Column("body", Text, nullable=False),
    Index("erasures_by_time", "erased_at"),
)

users = Table(
    "users",
    metadata,
    Column("name", FreeText, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    Column("subject", FreeText),
    Index("users_by_subject", "subject", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("user_name", FreeText, ForeignKey("users.name"), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("address", FreeText, nullable=False),
    Index("sessions_by_user", "user_name"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", FreeText, primary_key=True),
    Column("name", FreeText, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("user_name", FreeText, ForeignKey("users.name"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

login_links = Table(
    "login_links",
    metadata,
    Column("secret_hash", Text, primary_key=True),
    Column("expires_at", Moment, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", FreeText, nullable=False),
    Column("action", Text, nullable=False),
    Column("camera_id", FreeText, nullable=False),
    Column("target", FreeText, nullable=False),
    Column("address", FreeText, nullable=False),
    Column("is_allowed", Boolean, nullable=False),
    Index("audit_log_by_time", "at", "id"),
    Index("audit_log_by_camera", "camera_id", "at"),
    Index("audit_log_by_person", "who", "at"),
)
