"""Lean tables: indexes over eight bytes of a hash instead of the whole of it, documents by number, few rows in partial indexes.

What a bulk pull writes for each entry is what it costs; and an index over random hashes costs the more, the larger it is.
"""

import sqlalchemy as sa
from alembic import op

from exchange.store.schema import make_final, unmake_final
from exchange.store.shortkey import shortkey

revision = "0002"
down_revision = "0001"

_REPLACED = ("entry", "tile", "submission", "slot", "opening", "document")
_OLD_INDEXES = (
    *("entry_verdict", "entry_standing", "ix_slot_commitment", "slot_missing"),
    *("submission_filter", "submission_series"),
)


def upgrade() -> None:
    connection = op.get_bind()
    unmake_final(connection, "entry")
    for name in _OLD_INDEXES:
        op.drop_index(name)
    for table in _REPLACED:
        op.rename_table(table, f"old_{table}")
    _create()
    _copy(connection)
    for table in _REPLACED:
        op.drop_table(f"old_{table}")
    _index()
    make_final(connection, "entry")


def _create() -> None:
    op.create_table(
        "entry",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "index"),
    )
    op.create_table(
        "tile",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "index"),
    )
    op.create_table(
        "submission",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("obligations", sa.String(), nullable=False),
        sa.Column("series", sa.LargeBinary(), nullable=True),
        sa.Column("issued", sa.String(), nullable=False),
        sa.Column("period_start", sa.String(), nullable=True),
        sa.Column("period_end", sa.String(), nullable=True),
        sa.Column("return_kind", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("directory", sa.Boolean(), nullable=False),
        sa.Column("fits", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("log_id", "index"),
    )
    op.create_table(
        "slot",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("document", sa.Integer(), nullable=True),
        sa.Column("missing_since", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "index", "slot"),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "opening",
        sa.Column("document", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("document"),
    )


def _copy(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.create_function("shortkey", 1, _shortkey, deterministic=True)  # type: ignore[union-attr]
    else:
        body = "SELECT ('x' || encode(substr($1, 1, 8), 'hex'))::bit(64)::bigint"
        connection.exec_driver_sql(
            f"CREATE FUNCTION pg_temp.shortkey(bytea) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ {body} $$"
        )
    key = "shortkey" if connection.dialect.name == "sqlite" else "pg_temp.shortkey"
    for statement in (
        'INSERT INTO entry (log_id, "index", key, envelope, verdict, code, reason)'
        ' SELECT log_id, "index", SHORTKEY(id), envelope, verdict, code, reason FROM old_entry',
        'INSERT INTO tile (log_id, level, "index", hashes) SELECT log_id, level, "index", hashes FROM old_tile',
        'INSERT INTO submission (seq, id, log_id, "index", participant, form, version, obligations, series, issued, period_start,'
        " period_end, return_kind, message, status, current, in_force, directory, fits)"
        ' SELECT seq, id, log_id, "index", participant, form, version, obligations, NULLIF(series, id), issued, period_start,'
        " period_end, return_kind, message, status, current, in_force, directory, fits FROM old_submission",
        "INSERT INTO document (id, key, commitment, name, size, content)"
        " SELECT row_number() OVER (ORDER BY commitment), SHORTKEY(commitment), commitment, name, size, content FROM old_document",
        "INSERT INTO opening (document, key)"
        " SELECT d.id, o.key FROM old_opening o JOIN document d ON d.commitment = o.commitment",
        'INSERT INTO slot (log_id, "index", slot, ordinal, commitment, key, media_type, language, audience, document, missing_since)'
        ' SELECT s.log_id, s."index", s.slot, s.ordinal, s.commitment, SHORTKEY(s.commitment), s.media_type, s.language, s.audience,'
        " d.id, s.missing_since FROM old_slot s LEFT JOIN document d ON d.commitment = s.commitment",
    ):
        connection.exec_driver_sql(statement.replace("SHORTKEY", key))
    if connection.dialect.name == "postgresql":
        last = "(SELECT coalesce(max(seq), 0) + 1 FROM submission)"
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('submission', 'seq'), {last}, false)")


def _shortkey(digest: bytes | None) -> int | None:
    return None if digest is None else shortkey(digest)


def _index() -> None:
    op.create_index("entry_key", "entry", ["key"])
    _partial("entry_left_out", "entry", ["log_id", "verdict", "index"], "code IS NOT NULL")
    op.create_index("submission_filter", "submission", ["participant", "form", "status", "seq"])
    _partial("submission_series", "submission", ["series"], "series IS NOT NULL")
    in_directory = ("directory IS 1 AND in_force IS 1", "directory IS true AND in_force IS true")
    _partial("submission_directory", "submission", ["participant", "form"], *in_directory)
    op.create_index("slot_document", "slot", ["document"])
    _partial("slot_missing", "slot", ["log_id", "index"], "document IS NULL")
    _partial("slot_awaited", "slot", ["key"], "document IS NULL")
    op.create_index("document_key", "document", ["key"])
    _partial("document_file", "document", ["commitment"], "content IS NULL")


def _partial(name: str, table: str, columns: list[str], where: str, postgresql: str | None = None) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(postgresql or where))
