"""What officers do at their own node: sessions, drafts and the local record. No row of these ever leaves it."""

from sqlalchemy import BigInteger, LargeBinary, Table
from sqlmodel import Field, SQLModel


class OfficerSession(SQLModel, table=True):
    """A session, under the hash of its token; times in seconds since 1970. `nonce` is that of its challenge, which counts once."""

    __tablename__ = "officer_session"
    token: bytes = Field(primary_key=True, sa_type=LargeBinary)
    nonce: str = Field(unique=True)
    key: str = Field(index=True)
    begun: int = Field(sa_type=BigInteger)
    seen: int = Field(sa_type=BigInteger)
    ends: int = Field(sa_type=BigInteger)
    ended: bool = False


class DraftRow(SQLModel, table=True):
    """A draft: what officers typed (`written`, JSON), the payload made of it, and signatures (JSON) once there are any."""

    __tablename__ = "draft"
    id: str = Field(primary_key=True)
    version: int
    form: str
    written: str
    payload: bytes = Field(sa_type=LargeBinary)
    submission: str
    signatures: str
    created_by: str
    changed_by: str
    changed: str
    expires: int = Field(sa_type=BigInteger, index=True)


class DraftDocument(SQLModel, table=True):
    """A document of a draft, with the opening that its statement commits to it with."""

    __tablename__ = "draft_document"
    draft: str = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    slot: str
    name: str
    opening: bytes = Field(sa_type=LargeBinary)
    content: bytes = Field(sa_type=LargeBinary)


class ActRow(SQLModel, table=True):
    """A line of the local record (trust/acts.py). `let_go`: its time is over, and it may be deleted."""

    __tablename__ = "act"
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: str = Field(index=True)
    key: str
    roles: str
    what: str
    subject: str
    sha256: str
    let_go: bool = False


OFFICER_SESSION: Table = SQLModel.metadata.tables["officer_session"]
DRAFT: Table = SQLModel.metadata.tables["draft"]
DRAFT_DOCUMENT: Table = SQLModel.metadata.tables["draft_document"]
ACT: Table = SQLModel.metadata.tables["act"]

UNCOPIED = (OFFICER_SESSION.name, DRAFT.name, DRAFT_DOCUMENT.name)
"""What no backup holds: a draft is gone after seven days, also from the safe, and in no copy of a node is anybody signed in."""
