"""Leases, so that several processes share verdicts and deliveries; and which changes the bus has not heard of yet."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("incidents", "deliveries"):
        op.add_column(table, sa.Column("lease_owner", sa.Text))
        op.add_column(table, sa.Column("leased_until", sa.BigInteger))
    # Without a value: what was stored before there was a bus is no news.
    op.add_column("incident_changes", sa.Column("relay_at", sa.BigInteger))
    op.create_index("incident_changes_to_relay", "incident_changes", ["relay_at", "at"])
