"""Documents and their openings, apart from the log so that they can be erased."""

from sqlalchemy import BigInteger, Index, LargeBinary, Table
from sqlmodel import Field, SQLModel

from exchange.store.tables.indexes import partial


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
        partial("document_file", "commitment", where="content IS NULL"),
    )


class Opening(SQLModel, table=True):
    """The key of a document's commitment, apart from it so that it can be erased and kept out of backups on its own."""

    __tablename__ = "opening"
    document: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    key: bytes = Field(sa_type=LargeBinary)


DOCUMENT: Table = SQLModel.metadata.tables["document"]
OPENING: Table = SQLModel.metadata.tables["opening"]
