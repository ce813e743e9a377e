"""What was foretold, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("rule_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("track_id", sa.Integer),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("within_seconds", sa.Float, nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("checked_at", sa.BigInteger),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
    )
    op.create_index("forecasts_by_camera", "forecasts", ["camera_id", "rule_id", "made_at"])
    op.create_index("forecasts_by_incident", "forecasts", ["incident_id"])
    op.create_index("forecasts_to_check", "forecasts", ["source", "outcome", "kept_at"])
