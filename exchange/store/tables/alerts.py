"""What was found: alerts of this node, and findings that others told in their logs."""

from sqlalchemy import BigInteger, LargeBinary, Table
from sqlmodel import Field, SQLModel


class Alert(SQLModel, table=True):
    """A finding with its evidence; raised once, never deleted."""

    __tablename__ = "alert"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    kind: str
    participant: str
    origin: str
    raised: str
    summary: str
    evidence: str


class Finding(SQLModel, table=True):
    """A finding of misbehaviour in somebody's log (PLT-03), read: `accused` is the vkey that its evidence, of that SHA-256, convicts."""

    __tablename__ = "finding"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    evidence: bytes = Field(sa_type=LargeBinary)
    accused: str | None = Field(default=None, index=True)


ALERT: Table = SQLModel.metadata.tables["alert"]
FINDING: Table = SQLModel.metadata.tables["finding"]
