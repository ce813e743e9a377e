"""Incidents, their changes, the outbox and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _incidents()
    _changes()
    _deliveries()
    _decisions()


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("rule_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("awaits_verdict", sa.Boolean, nullable=False),
        sa.Column("is_told", sa.Boolean, nullable=False),
        sa.Column("last_change", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("incidents_by_time", "incidents", ["opened_at"])
    op.create_index("incidents_by_camera", "incidents", ["camera_id", "opened_at"])
    op.create_index("incidents_awaiting", "incidents", ["awaits_verdict", "opened_at"])
    op.create_index("incidents_by_close", "incidents", ["closed_at", "opened_at"])
    op.create_index("incidents_told", "incidents", ["is_told", "camera_id", "rule_id", "opened_at"])


def _changes() -> None:
    op.create_table(
        "incident_changes",
        sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("change_sequence", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id", "change_sequence"], ["incident_changes.incident_id", "incident_changes.sequence"]
        ),
    )
    op.create_index("deliveries_due", "deliveries", ["state", "next_attempt_at"])
    op.create_index("deliveries_in_order", "deliveries", ["incident_id", "channel", "change_sequence"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("camera_id", sa.Text, primary_key=True),
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rule_id", sa.Text, primary_key=True),
        sa.Column("gate", sa.Text, primary_key=True),
        sa.Column("passed", sa.Boolean, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("min_value", sa.Float),
        sa.Column("max_value", sa.Float),
        sa.Column("threshold", sa.Float),
        sa.Column("detail", sa.Text, nullable=False),
    )
