"""The tables. One's own log and every mirror live in the same ones: a mirror is a log whose key we lack.

Hashes and ids are raw 32 bytes. Times are ISO 8601 UTC text, as they are shown.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, Table, UniqueConstraint
from sqlmodel import Field, SQLModel


class Log(SQLModel, table=True):
    """One origin. `size` entries stand under `head`; entries beyond it are stored, verified and not served yet."""

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


class Checkpoint(SQLModel, table=True):
    """Every checkpoint ever signed or seen, byte for byte. The key forbids two of one size for one log."""

    __tablename__ = "checkpoint"
    log_id: int = Field(primary_key=True, foreign_key="log.id")
    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: bytes = Field(sa_type=LargeBinary)
    seen: str


class Entry(SQLModel, table=True):
    """A log entry and the verdict of the one door: admitted, waiting or refused, with the reason."""

    __tablename__ = "entry"
    log_id: int = Field(primary_key=True, foreign_key="log.id")
    index: int = Field(primary_key=True, sa_type=BigInteger)
    id: bytes | None = Field(default=None, sa_type=LargeBinary)
    envelope: bytes = Field(sa_type=LargeBinary)
    verdict: str
    code: str | None = None
    reason: str | None = None
    # Where an id stands first is asked for every entry: with `id` alone SQLite would walk the log up to it.
    __table_args__ = (
        Index("entry_verdict", "log_id", "verdict", "index"),
        Index("entry_standing", "log_id", "id", "index"),
    )


class Tile(SQLModel, table=True):
    """A hash tile of up to 256 x 32 bytes; the last of each level grows."""

    __tablename__ = "tile"
    log_id: int = Field(primary_key=True, foreign_key="log.id")
    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    hashes: bytes = Field(sa_type=LargeBinary)


class Submission(SQLModel, table=True):
    """The registry: admitted entries only. `seq` is the order in which this node came to know them."""

    __tablename__ = "submission"
    seq: int | None = Field(default=None, primary_key=True)
    id: bytes = Field(sa_type=LargeBinary, unique=True)
    log_id: int = Field(foreign_key="log.id")
    index: int = Field(sa_type=BigInteger)
    participant: str
    form: str
    version: int
    obligations: str
    series: bytes = Field(sa_type=LargeBinary)
    issued: str
    period_start: str | None = None
    period_end: str | None = None
    return_kind: str
    message: str
    status: str
    current: bool = False
    in_force: bool = False
    directory: bool = False
    fits: str
    __table_args__ = (
        UniqueConstraint("log_id", "index"),
        Index("submission_series", "participant", "series", "status"),
        Index("submission_filter", "participant", "form", "status", "seq"),
    )


class Slot(SQLModel, table=True):
    """A document that an admitted statement commits to, held here or not."""

    __tablename__ = "slot"
    log_id: int = Field(primary_key=True, foreign_key="log.id")
    index: int = Field(primary_key=True, sa_type=BigInteger)
    slot: str = Field(primary_key=True)
    ordinal: int
    commitment: bytes = Field(sa_type=LargeBinary, index=True)
    media_type: str
    language: str | None = None
    audience: str
    held: bool = False
    missing_since: str | None = None
    __table_args__ = (Index("slot_missing", "log_id", "held", "index"),)


class Document(SQLModel, table=True):
    """A document's bytes: in the row up to 64 KiB, beyond that in a file named by the commitment."""

    __tablename__ = "document"
    commitment: bytes = Field(sa_type=LargeBinary, primary_key=True)
    name: str
    size: int = Field(sa_type=BigInteger)
    content: bytes | None = Field(default=None, sa_type=LargeBinary)


class Opening(SQLModel, table=True):
    """The key of a commitment, apart from the document so that it can be erased and kept out of backups on its own."""

    __tablename__ = "opening"
    commitment: bytes = Field(sa_type=LargeBinary, primary_key=True)
    key: bytes = Field(sa_type=LargeBinary)


class Record(SQLModel, table=True):
    """Every version of every participant record that was ever in force here."""

    __tablename__ = "record"
    seq: int | None = Field(default=None, primary_key=True)
    participant: str = Field(index=True)
    sha256: bytes = Field(sa_type=LargeBinary)
    record: str
    imported: str


class Setting(SQLModel, table=True):
    """What must never change under a running log: schema version, participant, federation."""

    __tablename__ = "setting"
    name: str = Field(primary_key=True)
    value: str


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


class Peer(SQLModel, table=True):
    """How the last contact with each peer went."""

    __tablename__ = "peer"
    participant: str = Field(primary_key=True)
    attempted: str | None = None
    contacted: str | None = None
    error: str | None = None
    failures: int = 0


# The same tables for SQLAlchemy Core, which is what the queries use: rows become our own values, never ORM objects.
LOG: Table = SQLModel.metadata.tables["log"]
CHECKPOINT: Table = SQLModel.metadata.tables["checkpoint"]
ENTRY: Table = SQLModel.metadata.tables["entry"]
TILE: Table = SQLModel.metadata.tables["tile"]
SUBMISSION: Table = SQLModel.metadata.tables["submission"]
SLOT: Table = SQLModel.metadata.tables["slot"]
DOCUMENT: Table = SQLModel.metadata.tables["document"]
OPENING: Table = SQLModel.metadata.tables["opening"]
RECORD: Table = SQLModel.metadata.tables["record"]
SETTING: Table = SQLModel.metadata.tables["setting"]
ALERT: Table = SQLModel.metadata.tables["alert"]
PEER: Table = SQLModel.metadata.tables["peer"]
