"""This node's own affairs."""

from sqlalchemy import BigInteger, Index, Table
from sqlmodel import Field, SQLModel


class Setting(SQLModel, table=True):
    """What must never change under a running log: schema version, participant, federation."""

    __tablename__ = "setting"
    name: str = Field(primary_key=True)
    value: str


class Peer(SQLModel, table=True):
    """How the last contact with each peer went."""

    __tablename__ = "peer"
    participant: str = Field(primary_key=True)
    attempted: str | None = None
    contacted: str | None = None
    error: str | None = None
    failures: int = 0


class Nonce(SQLModel, table=True):
    """Of a request that proved who asks: until `expires` (seconds since 1970) the same proof counts no more."""

    __tablename__ = "nonce"
    keyid: str = Field(primary_key=True)
    nonce: str = Field(primary_key=True)
    expires: int = Field(sa_type=BigInteger)
    __table_args__ = (Index("nonce_expires", "expires"),)


NONCE: Table = SQLModel.metadata.tables["nonce"]
SETTING: Table = SQLModel.metadata.tables["setting"]
PEER: Table = SQLModel.metadata.tables["peer"]
