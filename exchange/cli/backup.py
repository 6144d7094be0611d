"""cbm node backup: the node on another disk."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import Directory
from exchange.cli.output import Exit, answer, say
from exchange.config import read_settings


def backup(
    directory: Directory,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder to make; it must not exist yet.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="The node's private keys too: for a safe, not for a server.")
    ] = False,
) -> None:
    """Copy the node, which may be running, to TARGET. It is checked when it is made: entries, root, signature, documents."""
    from exchange.node.backup import back_up  # here, so that the other verbs start without a database's half second

    made = back_up(read_settings(directory), target, with_keys=with_keys, now=datetime.now(UTC))
    say(f"{made.participant}: {made.size} entries, checked against their signed checkpoint; {len(made.files)} files.")
    if with_keys:
        say("The node's private keys are in it: whoever has it can speak as this node. Keep it in a safe, offline.")
    else:
        say("The node's keys are not in it: keep one backup made with --with-keys in a safe. Keys never change.")
    for commitment in made.lost:
        say(f"The document {commitment} is missing or damaged on the node's own disk, and not in the backup.")
    answer(str(target))
    if made.lost:
        raise typer.Exit(Exit.NO)
