"""This node's own affairs."""

from sqlalchemy import Table
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


SETTING: Table = SQLModel.metadata.tables["setting"]
PEER: Table = SQLModel.metadata.tables["peer"]
