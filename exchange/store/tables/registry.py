"""The registry: submissions and the documents that they commit to."""

from sqlalchemy import BigInteger, Index, LargeBinary, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from exchange.store.tables.indexes import partial

OVER_THE_YEAR = "substr(period_start, 1, 4) <> substr(period_end, 1, 4)"
"""A period that does not end in the year in which it begins."""


FORESEEN = "foreseen"
"""The order by which a document is gone: its own statement's `retain_until`. Any other is `INDEX ORIGIN` of an erasure."""


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
        partial("submission_period", "period_start", "period_end", "seq", "status", where="period_start IS NOT NULL"),
        partial("submission_over_the_year", "seq", "period_start", "period_end", "status", where=OVER_THE_YEAR),
        partial("submission_not_actual", "status", "seq", where="status <> 'actual'"),
        partial("submission_series", "series", where="series IS NOT NULL"),
        Index(
            "submission_directory",
            "participant",
            "form",
            sqlite_where=text("directory IS 1 AND in_force IS 1"),
            postgresql_where=text("directory IS true AND in_force IS true"),
        ),
    )


class Slot(SQLModel, table=True):
    """A document that an admitted statement commits to; `document` is where it is held, None where it is missing.

    `audience` is what the statement says; `readers` who may read it now (store/readers.py), `release_on` when more may, or None.
    `erased`: by which order it is hidden (while `document` is set) or gone: `foreseen`, by the statement's own `retain_until`, or `INDEX ORIGIN`.
    """

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
    readers: str = Field(sa_column_kwargs={"server_default": "public"})
    release_on: str | None = None
    retain_until: str | None = None
    document: int | None = None
    missing_since: str | None = None
    erased: str | None = None
    __table_args__ = (
        Index("slot_document", "document"),
        partial("slot_missing", "log_id", "index", "readers", where="document IS NULL AND erased IS NULL"),
        partial("slot_awaited", "key", where="document IS NULL AND erased IS NULL"),
        partial("slot_retained", "retain_until", where="retain_until IS NOT NULL AND erased IS NULL"),
        partial("slot_erased", "erased", "retain_until", where="erased IS NOT NULL"),
        partial("slot_hidden", "log_id", "index", where="erased IS NOT NULL AND document IS NOT NULL"),
        partial("slot_held_back", "log_id", "release_on", where="release_on IS NOT NULL"),
        partial("slot_restricted", "key", where="readers <> 'public'"),
    )


class Release(SQLModel, table=True):
    """An admitted entry that releases another: `key` is the shortkey of the other's id, one row for each that it names."""

    __tablename__ = "release"
    log_id: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=BigInteger)
    ordinal: int = Field(primary_key=True)
    key: int = Field(sa_type=BigInteger, index=False)
    __table_args__ = (Index("release_key", "key"),)


RELEASE: Table = SQLModel.metadata.tables["release"]
SUBMISSION: Table = SQLModel.metadata.tables["submission"]
SLOT: Table = SQLModel.metadata.tables["slot"]
