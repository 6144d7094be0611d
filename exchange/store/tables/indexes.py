"""How the tables' indexes are written."""

from sqlalchemy import Index, text


def partial(name: str, *columns: str, where: str) -> Index:
    """An index over a few rows of many: what most rows never are costs nothing when they are written."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
