"""Who may read each document now, what releases which, and the nonces of requests that proved who asked.

Until here the door took public documents only. What older programs refused for its audience is judged again with the first records.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("slot", sa.Column("readers", sa.String(), nullable=False, server_default="public"))
    op.add_column("slot", sa.Column("release_on", sa.String(), nullable=True))
    op.add_column("log", sa.Column("quorum", sa.String(), nullable=True))
    op.drop_index("slot_missing")
    _partial("slot_missing", "slot", ["log_id", "index", "readers"], "document IS NULL")
    _partial("slot_held_back", "slot", ["log_id", "release_on"], "release_on IS NOT NULL")
    _partial("slot_restricted", "slot", ["key"], "readers <> 'public'")
    op.create_table(
        "release",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "index", "ordinal"),
    )
    op.create_index("release_key", "release", ["key"])
    op.create_table(
        "nonce",
        sa.Column("keyid", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("keyid", "nonce"),
    )
    op.create_index("nonce_expires", "nonce", ["expires"])
    op.execute(
        "INSERT INTO setting (name, value) SELECT 'judge again', 'audience-not-enforced'"
        " WHERE EXISTS (SELECT 1 FROM entry WHERE verdict = 'refused' AND code = 'audience-not-enforced')"
        " AND NOT EXISTS (SELECT 1 FROM setting WHERE name = 'judge again')"
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
