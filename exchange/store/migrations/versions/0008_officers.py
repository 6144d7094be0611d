"""Officers at their own node: sessions, and the local record of who did and read what."""

import sqlalchemy as sa
from alembic import op

from exchange.store.schema import make_final

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "officer_session",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
        sa.UniqueConstraint("nonce"),
    )
    op.create_index("ix_officer_session_key", "officer_session", ["key"])
    op.create_table(
        "act",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("let_go", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_act_at", "act", ["at"])
    make_final(op.get_bind(), "act")
