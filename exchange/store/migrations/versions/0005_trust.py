"""The trust list: every version of its files, which of them count, and what an import remembers."""

import sqlalchemy as sa
from alembic import op

from exchange.store.schema import make_final

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "trust_file",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("seen", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("role", "version", "sha256"),
    )
    op.create_table(
        "trust_head",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "trust_note",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    make_final(op.get_bind(), "trust_file")
