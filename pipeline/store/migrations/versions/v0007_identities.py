"""Accounts that an identity provider vouches for."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("users", sa.Column("subject", sa.Text))
    op.create_index("users_by_subject", "users", ["subject"], unique=True)
