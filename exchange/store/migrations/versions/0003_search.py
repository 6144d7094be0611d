"""Lists answered from indexes, newest first: what is asked for is looked at in the index, and passed over there."""

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


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "submission", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
