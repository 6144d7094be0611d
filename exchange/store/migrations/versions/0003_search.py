"""Lists answered from indexes, newest first: what is asked for is looked at in the index, and passed over there. Texts are searched.

The index of texts is empty at first: the node fills it, for old submissions as for new ones (node/indexer.py).
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ALSO = ("status", "period_start", "period_end")


def upgrade() -> None:
    op.drop_index("submission_filter")
    op.create_index("submission_form", "submission", ["form", "seq", "participant", *_ALSO])
    op.create_index("submission_participant", "submission", ["participant", "seq", "form", *_ALSO])
    _partial("submission_period", ["period_start", "period_end", "seq", "status"], "period_start IS NOT NULL")
    over_the_year = "substr(period_start, 1, 4) <> substr(period_end, 1, 4)"
    _partial("submission_over_the_year", ["seq", "period_start", "period_end", "status"], over_the_year)
    _partial("submission_not_actual", ["status", "seq"], "status <> 'actual'")
    _search()


def _search() -> None:
    op.create_table(
        "search_state",
        sa.Column("folding", sa.String(), nullable=False),
        sa.Column("upto", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("folding"),
    )
    op.create_table(
        "search_owed",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("documents", sa.String(), nullable=False),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "search_due", "search_owed", ["seq"], sqlite_where=sa.text("due IS 1"), postgresql_where=sa.text("due IS true")
    )
    if op.get_bind().dialect.name == "sqlite":
        # Without the texts themselves, which the documents hold. Words come folded, with blanks between them: nothing is left to decide.
        kept = "content='', columnsize=0, tokenize='ascii', prefix='4'"
        op.execute(f"CREATE VIRTUAL TABLE search USING fts5(words, {kept})")
        return
    op.execute("CREATE TABLE search (seq integer PRIMARY KEY, words tsvector NOT NULL)")
    op.execute("CREATE INDEX search_words ON search USING gin (words)")


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "submission", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
