"""What is learned, reviews, links between incidents, and which verdict comes first."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("updated_at", sa.BigInteger))
    op.add_column("incidents", sa.Column("is_reviewed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("incidents", sa.Column("priority", sa.Float, nullable=False, server_default="0"))
    op.execute("UPDATE incidents SET updated_at = opened_at")
    op.create_index("incidents_by_change", "incidents", ["is_reviewed", "updated_at"])
    op.create_table(
        "learned",
        sa.Column("camera_id", sa.Text, primary_key=True),
        sa.Column("rule_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "incident_links",
        sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("other_id", sa.Text, sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("seconds_apart", sa.Float, nullable=False),
        sa.Column("similarity", sa.Float),
    )
    op.create_index("incident_links_by_other", "incident_links", ["other_id"])
