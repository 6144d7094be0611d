"""Findings of misbehaviour that States told in their logs, and which key the evidence of each convicts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "finding",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("accused", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "index"),
    )
    op.create_index("ix_finding_accused", "finding", ["accused"])
