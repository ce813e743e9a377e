"""Coverage, receipts of erasures, and what retention looks for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("evidence_gone_at", sa.BigInteger))
    op.create_index("incidents_by_evidence", "incidents", ["evidence_gone_at", "closed_at"])
    op.create_index("decisions_by_time", "decisions", ["minute"])
    _coverage()
    _erasures()


def _coverage() -> None:
    op.create_table(
        "coverage",
        sa.Column("camera_id", sa.Text, primary_key=True),
        sa.Column("layer", sa.Text, primary_key=True),
        sa.Column("rule_id", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("start_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("end_at", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("coverage_by_end", "coverage", ["end_at"])
    op.create_index("coverage_by_camera", "coverage", ["camera_id", "end_at"])


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("erasures_by_time", "erasures", ["erased_at"])
