"""Cosignatures: what this node signed as a witness, what others signed for every log, and signed requests that were refused."""

import sqlalchemy as sa
from alembic import op

from exchange.store.schema import make_final

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "witness_head",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id"),
    )
    op.create_table(
        "cosignature",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("earliest", sa.BigInteger(), nullable=False),
        sa.Column("earliest_line", sa.LargeBinary(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("newest_line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", "participant"),
    )
    op.create_table(
        "quorum",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("rosters", sa.String(), nullable=False),
        sa.Column("cosigned", sa.Integer(), nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("not_later_than", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size"),
    )
    op.create_table(
        "refusal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("received", sa.String(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("ix_refusal_log_id", "refusal", ["log_id"])
    for table in ("witness_head", "cosignature"):
        make_final(op.get_bind(), table)
