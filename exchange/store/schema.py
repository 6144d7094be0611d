"""The schema in the database: brought up to date by migrations, and the rows that prove something made final.

Alembic's own bookkeeping is used, but alembic itself is loaded only where there is something to do.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect

from exchange.errors import Misuse

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
NEWEST = "0012"

# No row that proves something is ever changed or removed: a bug, or a hand in the database, meets the engine's own refusal.
REFUSALS = (
    ("checkpoint_is_final", "checkpoint", "UPDATE", "", "a checkpoint never changes"),
    ("checkpoint_stays", "checkpoint", "DELETE", "", "a checkpoint is never deleted"),
    ("entry_is_final", "entry", 'UPDATE OF envelope, "index", log_id', "", "an entry never changes"),
    ("entry_stays", "entry", "DELETE", "", "an entry is never deleted"),
    ("log_never_shrinks", "log", "UPDATE OF size", "NEW.size < OLD.size", "a log never shrinks"),
    (
        "witness_never_goes_back",
        "witness_head",
        "UPDATE",
        "NEW.log_id <> OLD.log_id OR NEW.size < OLD.size OR NEW.time < OLD.time OR (NEW.size = OLD.size AND NEW.root <> OLD.root)",
        "a witness never signs less, another root or an earlier time than before",
    ),
    ("witness_stays", "witness_head", "DELETE", "", "what a witness signed is never forgotten"),
    ("cosignature_stays", "cosignature", "DELETE", "", "a cosignature is never deleted"),
    ("trust_file_is_final", "trust_file", "UPDATE", "", "a file of the trust list never changes"),
    ("trust_file_stays", "trust_file", "DELETE", "", "a file of the trust list is never deleted"),
    (
        "act_is_final",
        "act",
        'UPDATE OF seq, at, "key", roles, what, subject, sha256',
        "",
        "what was done never changes",
    ),
    ("act_stays", "act", "DELETE", "NOT OLD.let_go", "what was done is kept until its time is over"),
)


def bring_up_to_date(conn: Connection, to: str = NEWEST) -> None:
    """Run the migrations that are missing, in the caller's transaction. Raises Misuse for a database of a newer program."""
    stands = version(conn)
    if stands == to:
        return
    from alembic import command  # here: a tenth of a second that no ordinary start should pay
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    try:
        command.upgrade(config, to)
    except CommandError:
        raise Misuse(
            f"the database was written by a newer program (schema {stands}); this one knows schema {NEWEST}"
        ) from None


def version(conn: Connection) -> str | None:
    """The schema that stands in the database; None for an empty one."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def make_final(conn: Connection, only: str | None = None) -> None:
    """The triggers behind `REFUSALS`, on all tables that there are or on one, in the words of the engine at hand."""
    there = inspect(conn).get_table_names()  # the first migration knows fewer than the last
    for name, table, when, condition, why in REFUSALS:
        if only not in (None, table) or table not in there:
            continue
        unless = f" WHEN ({condition})" if condition else ""
        if conn.dialect.name == "sqlite":
            conn.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {when} ON {table}{unless} BEGIN SELECT RAISE(ABORT, '{why}'); END"
            )
            continue
        body = f"BEGIN RAISE EXCEPTION '{why}'; END"
        conn.exec_driver_sql(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        conn.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW{unless} EXECUTE FUNCTION {name}()"
        )


def unmake_final(conn: Connection, table: str) -> None:
    """Take the triggers of a table away, for a migration that puts another in its place."""
    for name, on, *_ in REFUSALS:
        if on == table:
            conn.exec_driver_sql(f"DROP TRIGGER {name}" + ("" if conn.dialect.name == "sqlite" else f" ON {table}"))
