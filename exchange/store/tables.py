"""The tables. One's own log and every mirror live in the same ones: a mirror is a log whose key we lack.

Hashes and ids are raw 32 bytes. Times are ISO 8601 UTC text, as they are shown. What is looked up by a hash is indexed by the
`shortkey` of it, and whatever that finds is compared in full: an index over whole hashes would cost more than the rows.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index over a few rows of many: what most rows never are costs nothing when they are written."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


OVER_THE_YEAR = "substr(period_start, 1, 4) <> substr(period_end, 1, 4)"
"""A period that does not end in the year in which it begins."""


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
        _partial("entry_left_out", "log_id", "verdict", "index", where="code IS NOT NULL"),
    )


class Tile(SQLModel, table=True):
    """A hash tile of up to 256 x 32 bytes; the last of each level grows."""

    __tablename__ = "tile"
    log_id: int = Field(primary_key=True)
    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    hashes: bytes = Field(sa_type=LargeBinary)


class Submission(SQLModel, table=True):
    """The registry: admitted entries, and those that were and that their State disputes. `seq` is the order in which this node came to know them.

    `series` is None in the first of a series, which is found by its own id (`Entry.key`).
    """

    __tablename__ = "submission"
    seq: int | None = Field(default=None, primary_key=True)
    id: bytes = Field(sa_type=LargeBinary)
    log_id: int
    index: int = Field(sa_type=BigInteger)
    participant: str
    form: str
    version: int
    obligations: str
    series: bytes | None = Field(default=None, sa_type=LargeBinary)
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
    disputed: str | None = None
    __table_args__ = (
        UniqueConstraint("log_id", "index"),
        # Newest first; what else is asked of a submission and never changes stands in the index and is looked at there.
        Index("submission_form", "form", "seq", "participant", "status", "period_start", "period_end"),
        Index("submission_participant", "participant", "seq", "form", "status", "period_start", "period_end"),
        _partial("submission_period", "period_start", "period_end", "seq", "status", where="period_start IS NOT NULL"),
        _partial("submission_over_the_year", "seq", "period_start", "period_end", "status", where=OVER_THE_YEAR),
        _partial("submission_not_actual", "status", "seq", where="status <> 'actual'"),
        _partial("submission_series", "series", where="series IS NOT NULL"),
        Index(
            "submission_directory",
            "participant",
            "form",
            sqlite_where=text("directory IS 1 AND in_force IS 1"),
            postgresql_where=text("directory IS true AND in_force IS true"),
        ),
    )


class Slot(SQLModel, table=True):
    """A document that an admitted statement commits to; `document` is where it is held, None where it is missing."""

    __tablename__ = "slot"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    slot: str = Field(primary_key=True)
    ordinal: int
    commitment: bytes = Field(sa_type=LargeBinary)
    key: int = Field(sa_type=BigInteger)
    media_type: str
    language: str | None = None
    audience: str
    document: int | None = None
    missing_since: str | None = None
    __table_args__ = (
        Index("slot_document", "document"),
        _partial("slot_missing", "log_id", "index", where="document IS NULL"),
        _partial("slot_awaited", "key", where="document IS NULL"),
    )


class Document(SQLModel, table=True):
    """A document's bytes, once a commitment: in the row up to 64 KiB, beyond that in a file named by the commitment."""

    __tablename__ = "document"
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    key: int = Field(sa_type=BigInteger)
    commitment: bytes = Field(sa_type=LargeBinary)
    name: str
    size: int = Field(sa_type=BigInteger)
    content: bytes | None = Field(default=None, sa_type=LargeBinary)
    __table_args__ = (
        Index("document_key", "key"),
        _partial("document_file", "commitment", where="content IS NULL"),
    )


class Opening(SQLModel, table=True):
    """The key of a document's commitment, apart from it so that it can be erased and kept out of backups on its own."""

    __tablename__ = "opening"
    document: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
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


class TrustFile(SQLModel, table=True):
    """Every version of every file of the trust list that ever counted here, byte for byte as it is served."""

    __tablename__ = "trust_file"
    role: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigInteger)
    sha256: bytes = Field(primary_key=True, sa_type=LargeBinary)
    raw: bytes = Field(sa_type=LargeBinary)
    seen: str


class TrustHead(SQLModel, table=True):
    """Which of them count now: the founders' list, each participant's file, each relay's word."""

    __tablename__ = "trust_head"
    name: str = Field(primary_key=True)
    role: str
    version: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary)


class TrustNote(SQLModel, table=True):
    """What the next import must remember: since when the list is stale, when a replacement of identity keys was first seen."""

    __tablename__ = "trust_note"
    name: str = Field(primary_key=True)
    value: str


class Finding(SQLModel, table=True):
    """A finding of misbehaviour in somebody's log (PLT-03), read: `accused` is the vkey that its evidence, of that SHA-256, convicts."""

    __tablename__ = "finding"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    evidence: bytes = Field(sa_type=LargeBinary)
    accused: str | None = Field(default=None, index=True)


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
WITNESS_HEAD: Table = SQLModel.metadata.tables["witness_head"]
COSIGNATURE: Table = SQLModel.metadata.tables["cosignature"]
QUORUM: Table = SQLModel.metadata.tables["quorum"]
REFUSAL: Table = SQLModel.metadata.tables["refusal"]
ENTRY: Table = SQLModel.metadata.tables["entry"]
TILE: Table = SQLModel.metadata.tables["tile"]
SUBMISSION: Table = SQLModel.metadata.tables["submission"]
SLOT: Table = SQLModel.metadata.tables["slot"]
DOCUMENT: Table = SQLModel.metadata.tables["document"]
OPENING: Table = SQLModel.metadata.tables["opening"]
RECORD: Table = SQLModel.metadata.tables["record"]
SETTING: Table = SQLModel.metadata.tables["setting"]
ALERT: Table = SQLModel.metadata.tables["alert"]
TRUST_FILE: Table = SQLModel.metadata.tables["trust_file"]
TRUST_HEAD: Table = SQLModel.metadata.tables["trust_head"]
TRUST_NOTE: Table = SQLModel.metadata.tables["trust_note"]
FINDING: Table = SQLModel.metadata.tables["finding"]
PEER: Table = SQLModel.metadata.tables["peer"]
SEARCH_STATE: Table = SQLModel.metadata.tables["search_state"]
SEARCH_OWED: Table = SQLModel.metadata.tables["search_owed"]

SEARCH = "search"
"""The texts themselves: FTS5 on SQLite, a tsvector with its GIN index on PostgreSQL (migration 0003, fulltext.py)."""
DERIVED = (SEARCH, SEARCH_STATE.name, SEARCH_OWED.name)
"""What is made from the other tables, and made anew where it is missing."""
