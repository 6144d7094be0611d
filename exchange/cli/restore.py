"""cbm node restore: the node back from another disk."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.output import answer, say


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder made by `cbm node backup`.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The node to make; it must not exist yet.")],
    database: Annotated[
        str | None,
        typer.Option(help="Another address for the database than the backup's settings name; it must be empty."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="The folder with the node's keys, where the backup was made without them.")
    ] = None,
) -> None:
    """Make the node anew out of a backup. Everything is verified first; nothing is ever written over."""
    from exchange.node.restore import restore as make_anew  # here, so that the other verbs start without a database

    now = datetime.now(UTC)
    made = make_anew(source, directory, database=database, keys=keys, now=now)
    manifest = made.manifest
    say(f"{manifest.participant}: {manifest.size} entries, as they stood on {manifest.made}, verified.")
    if manifest.lost:
        say(f"{len(manifest.lost)} documents were lost already when the backup was made.")
    if not made.has_keys:
        say(f"The keys are missing: copy them from the safe into {directory}/keys, or run this again with --keys.")
    say(f"`cbm node run {directory}` asks the other nodes what they hold of this log before it appends anything.")
    answer(str(directory))
