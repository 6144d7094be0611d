"""cbm node withhold: do not hand out the bytes of a refused entry."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.cli.options import Directory
from exchange.cli.output import answer, say
from exchange.config import read_settings
from exchange.errors import Misuse


def withhold(
    directory: Directory,
    origin: Annotated[str, typer.Argument(metavar="ORIGIN", help="The log of another State, by its origin.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", help="The entry; it must be one that was refused.", min=0)],
    reason: Annotated[str, typer.Option(help="Why: everybody who asks for it is told.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Hand it out again.")] = False,
) -> None:
    """Withhold the bytes of a refused entry of another State's log; its hash, its place and why it was refused stay.

    Whoever asks this node for the bundle of entries in which it stands is answered 451 with the reason, and finds it at that State's own node or
    in another mirror. The node may run meanwhile.
    """
    from exchange.store import log as logs  # here, so that the other verbs start without a database's half second
    from exchange.store import withheld
    from exchange.store.database import Database

    if not undo and not reason:
        raise Misuse("give --reason: everybody who asks for the entry is told why it is withheld")
    db = Database(read_settings(directory).database_url)
    try:
        with db.write() as tx:
            log = logs.log_of(tx, origin)
            if not undo:
                withheld.withhold(tx, log, index, reason, datetime.now(UTC))
            elif not withheld.hand_out(tx, log, index):
                raise Misuse(f"entry {index} of {origin} is not withheld here")
    finally:
        db.close()
    say(
        "It is handed out again."
        if undo
        else "Its bytes are handed out no more; its place, its hash and why it was refused stay."
    )
    answer(f"{origin} {index}")
