"""Logs, their entries, and the tree over them."""

from sqlalchemy import BigInteger, Index, LargeBinary, Table
from sqlmodel import Field, SQLModel

from exchange.store.tables.indexes import partial


class Log(SQLModel, table=True):
    """One origin. `size` entries stand under `head`; entries beyond it are stored, verified and not served yet.

    `quorum`: the newest time that a quorum vouched for when documents of it were released by their day.
    """

    __tablename__ = "log"
    id: int | None = Field(default=None, primary_key=True)
    origin: str = Field(unique=True)
    participant: str = Field(index=True)
    ordinal: int
    vkey: str
    own: bool
    size: int = Field(default=0, sa_type=BigInteger)
    stored: int = Field(default=0, sa_type=BigInteger)
    halted: str | None = None
    quorum: str | None = None


class Checkpoint(SQLModel, table=True):
    """Every checkpoint ever signed or seen, byte for byte. The key forbids two of one size for one log."""

    __tablename__ = "checkpoint"
    log_id: int = Field(primary_key=True, foreign_key="log.id")
    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: bytes = Field(sa_type=LargeBinary)
    seen: str


class Entry(SQLModel, table=True):
    """A log entry and the verdict of the one door: admitted, disputed, waiting or refused, with the reason.

    `key` is the shortkey of its id; None where the entry is none whose id could be told.
    """

    __tablename__ = "entry"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    key: int | None = Field(default=None, sa_type=BigInteger)
    envelope: bytes = Field(sa_type=LargeBinary)
    verdict: str
    code: str | None = None
    reason: str | None = None
    __table_args__ = (
        Index("entry_key", "key"),
        partial("entry_left_out", "log_id", "verdict", "index", where="code IS NOT NULL"),
    )


class Tile(SQLModel, table=True):
    """A hash tile of up to 256 x 32 bytes; the last of each level grows."""

    __tablename__ = "tile"
    log_id: int = Field(primary_key=True)
    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    hashes: bytes = Field(sa_type=LargeBinary)


LOG: Table = SQLModel.metadata.tables["log"]
CHECKPOINT: Table = SQLModel.metadata.tables["checkpoint"]
ENTRY: Table = SQLModel.metadata.tables["entry"]
TILE: Table = SQLModel.metadata.tables["tile"]
