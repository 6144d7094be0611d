"""What States ordered to be forgotten, entry by entry, and what an operator does not hand out."""

from sqlalchemy import BigInteger, Index, LargeBinary, Table
from sqlmodel import Field, SQLModel

from exchange.store.tables.indexes import partial


class Erasure(SQLModel, table=True):
    """One reference of an erasure entry, whose id is `id`: it orders the slot (None: every slot) of the submission `subject` to be forgotten.

    `since` is when this node began to count its term, `destroyed` when it ended here; `verdict` is of store/erasures.py.
    """

    __tablename__ = "erasure"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    ordinal: int = Field(primary_key=True)
    id: bytes = Field(sa_type=LargeBinary)
    key: int = Field(sa_type=BigInteger)
    subject: bytes = Field(sa_type=LargeBinary)
    slot: str | None = None
    verdict: str
    since: str | None = None
    destroyed: str | None = None
    __table_args__ = (
        Index("erasure_id", "id"),
        Index("erasure_key", "key"),
        partial("erasure_open", "verdict", where="destroyed IS NULL"),
    )


class Withheld(SQLModel, table=True):
    """A refused entry whose bytes the operator does not hand out, and why."""

    __tablename__ = "withheld"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    reason: str
    since: str


WITHHELD: Table = SQLModel.metadata.tables["withheld"]
ERASURE: Table = SQLModel.metadata.tables["erasure"]
