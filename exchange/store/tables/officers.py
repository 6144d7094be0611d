"""What officers do at their own node: sessions and the local record. No row of these ever leaves it."""

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
ACT: Table = SQLModel.metadata.tables["act"]

UNCOPIED = (OFFICER_SESSION.name,)
"""What no backup holds: in no copy of a node is anybody signed in."""
