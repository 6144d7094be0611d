"""What is made from the other tables, and made anew where it is missing."""

from sqlalchemy import Index, Table, text
from sqlmodel import Field, SQLModel


class SearchState(SQLModel, table=True):
    """How far the index of texts goes: submissions up to `upto` are in it, cut and folded as `folding` names it (core/words.py)."""

    __tablename__ = "search_state"
    folding: str = Field(primary_key=True)
    upto: int


class SearchOwed(SQLModel, table=True):
    """A submission that is in the index without all of its documents: the numbers of those that are, and whether more came since."""

    __tablename__ = "search_owed"
    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    documents: str
    due: bool
    __table_args__ = (Index("search_due", "seq", sqlite_where=text("due IS 1"), postgresql_where=text("due IS true")),)


SEARCH_STATE: Table = SQLModel.metadata.tables["search_state"]
SEARCH_OWED: Table = SQLModel.metadata.tables["search_owed"]

SEARCH = "search"
"""The texts themselves: FTS5 on SQLite, a tsvector with its GIN index on PostgreSQL (migration 0003, fulltext.py)."""
DERIVED = (SEARCH, SEARCH_STATE.name, SEARCH_OWED.name)
"""What is made from the other tables, and made anew where it is missing."""
