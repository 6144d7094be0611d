"""cbm node succeed: the log ends where it stands, and another goes on."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.cli.options import Directory
from exchange.cli.output import answer, say
from exchange.config import read_settings


def succeed(
    directory: Directory,
    origin: Annotated[
        str | None, typer.Option(help="The name of the log that goes on, such as cbm.example.at/log-2.")
    ] = None,
) -> None:
    """Close the log of a stopped node where it stands, because its key was lost, seen or must change, and go on in another log."""
    from exchange.node.successor import succeed as go_on  # here, so that the other verbs start without a database

    settings = read_settings(directory)
    record = go_on(settings, origin, datetime.now(UTC))
    ended = record.logs[-2]
    assert ended.closed is not None  # noqa: S101 - or there would be no log after it
    say(
        f"{ended.origin} is closed at size {ended.closed.size}; what stands in it stays, and every node reads both as one."
    )
    say(f"The old key is kept as log-{len(record.logs) - 1}.key in {settings.keys}: nothing is signed with it again.")
    if settings.root is None:
        say(f"Give {settings.peers} to the other operators, then start the node again: `cbm node run {directory}`.")
    else:
        say(f"Start the node again: `cbm node run {directory}`.")
    answer(record.current_log.origin)
