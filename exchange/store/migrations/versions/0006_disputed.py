"""Disputed submissions: they stay in the registry with the place from which on their State disputes them.

Programs before refused what a closing of a key or log reached; which of those entries are disputed takes their signatures to tell,
so it is left to the first import of records (federation/trustlist.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("submission", sa.Column("disputed", sa.String(), nullable=True))
    op.execute(
        "INSERT INTO setting (name, value) SELECT 'judge again', 'key-not-allowed'"
        " WHERE EXISTS (SELECT 1 FROM entry WHERE verdict = 'refused' AND code = 'key-not-allowed')"
    )
