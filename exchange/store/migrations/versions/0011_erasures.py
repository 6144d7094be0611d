"""Orders to forget: what erasures name, and of every document until when it is kept and by which order it is gone.

What statements of before say of it takes reading them, so it is left to the first start (store/erasures.py, `catch_up`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_OPEN = "document IS NULL AND erased IS NULL"


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("slot", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=True),
        sa.Column("destroyed", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "index", "ordinal"),
    )
    op.create_index("erasure_id", "erasure", ["id"])
    op.create_index("erasure_key", "erasure", ["key"])
    _partial("erasure_open", "erasure", ["verdict"], "destroyed IS NULL")
    op.add_column("slot", sa.Column("retain_until", sa.String(), nullable=True))
    op.add_column("slot", sa.Column("erased", sa.String(), nullable=True))
    for name in ("slot_missing", "slot_awaited"):
        op.drop_index(name)
    _partial("slot_missing", "slot", ["log_id", "index", "readers"], _OPEN)
    _partial("slot_awaited", "slot", ["key"], _OPEN)
    _partial("slot_retained", "slot", ["retain_until"], "retain_until IS NOT NULL AND erased IS NULL")
    _partial("slot_erased", "slot", ["erased", "retain_until"], "erased IS NOT NULL")
    _partial("slot_hidden", "slot", ["log_id", "index"], "erased IS NOT NULL AND document IS NOT NULL")
    op.execute(
        "INSERT INTO setting (name, value) SELECT 'orders of before', 'to be read' WHERE EXISTS (SELECT 1 FROM submission)"
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
