"""What States cosigned, what it came to, and what this node refused as a witness."""

from sqlalchemy import BigInteger, LargeBinary, Table
from sqlmodel import Field, SQLModel


class WitnessHead(SQLModel, table=True):
    """What this node as a witness signed last of a log: never smaller, never another root, never an earlier time.

    `note` bears the log's own signature alone, `line` is ours; `time` in seconds since 1970.
    """

    __tablename__ = "witness_head"
    log_id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: bytes = Field(sa_type=LargeBinary)
    time: int = Field(sa_type=BigInteger)
    line: bytes = Field(sa_type=LargeBinary)


class Cosignature(SQLModel, table=True):
    """A State's cosignatures of one checkpoint, verified: its earliest for receipts, its newest for how fresh the head is."""

    __tablename__ = "cosignature"
    log_id: int = Field(primary_key=True)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    participant: str = Field(primary_key=True)
    earliest: int = Field(sa_type=BigInteger)
    earliest_line: bytes = Field(sa_type=LargeBinary)
    newest: int = Field(sa_type=BigInteger)
    newest_line: bytes = Field(sa_type=LargeBinary)


class Quorum(SQLModel, table=True):
    """What the cosignatures of a checkpoint came to, once they were enough; `rosters` names those it was judged by."""

    __tablename__ = "quorum"
    log_id: int = Field(primary_key=True)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    rosters: str
    cosigned: int
    of: int
    asked: int
    not_later_than: str


class Refusal(SQLModel, table=True):
    """A signed request that this node as a witness refused, byte for byte: it may be one half of a proof."""

    __tablename__ = "refusal"
    id: int | None = Field(default=None, primary_key=True)
    log_id: int = Field(index=True)
    size: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    code: str
    received: str
    request: bytes = Field(sa_type=LargeBinary)


WITNESS_HEAD: Table = SQLModel.metadata.tables["witness_head"]
COSIGNATURE: Table = SQLModel.metadata.tables["cosignature"]
QUORUM: Table = SQLModel.metadata.tables["quorum"]
REFUSAL: Table = SQLModel.metadata.tables["refusal"]
