"""Who is who: records, and the files of the trust list they came from."""

from sqlalchemy import BigInteger, LargeBinary, Table
from sqlmodel import Field, SQLModel


class Record(SQLModel, table=True):
    """Every version of every participant record that was ever in force here."""

    __tablename__ = "record"
    seq: int | None = Field(default=None, primary_key=True)
    participant: str = Field(index=True)
    sha256: bytes = Field(sa_type=LargeBinary)
    record: str
    imported: str


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


RECORD: Table = SQLModel.metadata.tables["record"]
TRUST_FILE: Table = SQLModel.metadata.tables["trust_file"]
TRUST_HEAD: Table = SQLModel.metadata.tables["trust_head"]
TRUST_NOTE: Table = SQLModel.metadata.tables["trust_note"]
