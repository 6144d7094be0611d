"""cbm node acts: who did and read what at this node, and whether the record of it is whole."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import Exit, answer, answer_json, say, table
from exchange.cli.session import token_for
from exchange.client import Client, officers
from exchange.config import read_settings
from exchange.core.jsonfields import is_digest
from exchange.errors import Misuse
from exchange.trust.acts import Act, faults, holds


def acts(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The directory of the node; without it the node is asked, as an auditor."),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="The hash of a line that you noted before: it must still stand there.")
    ] = None,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """The local record, every line of which is bound to the one before; exit 1 if one was changed or is missing."""
    if pin is not None and not is_digest(pin):
        raise Misuse("--pin takes the 64 hex digits of a line, as they are shown at the end")
    found = _asked(node) if directory is None else _read(directory)
    wrong = faults(found)
    if pin is not None and not holds(found, pin):
        wrong.append("the line that was noted before does not stand there: the end was cut off, or all of it made anew")
    head = found[-1] if found else None
    if json:
        answer_json({"items": [asdict(act) for act in found], "faults": wrong, "head": head and head.sha256})
    else:
        rows: list[tuple[str, ...]] = [
            (str(act.seq), act.at, act.key[:16], ", ".join(act.roles), act.what, act.subject) for act in found
        ]
        answer(table(rows, ("line", "when", "key", "roles", "what", "of")) if rows else [])
    if head is not None:
        say(f"Line {head.seq} has the hash {head.sha256}: note it elsewhere, and give it to --pin the next time.")
    for fault in wrong:
        say(f"WRONG: {fault}")
    if wrong:
        raise typer.Exit(Exit.NO)


def _asked(url: str) -> list[Act]:
    with Client(url) as client:
        lines = list(client.each(officers.acts(token_for(client.url))))
    names = Act.__slots__
    return [Act(**{**{name: line[name] for name in names}, "roles": tuple(line["roles"])}) for line in lines]  # type: ignore[literal-required]


def _read(directory: Path) -> list[Act]:
    from exchange.store.acts import acts as lines  # here, so that the other verbs start without a database
    from exchange.store.snapshot import snapshot

    with snapshot(read_settings(directory).database_url) as tx:
        return lines(tx)
