"""Options that several verbs share. What cannot be right is refused here, as misuse, before any node is asked."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.config import Settings, parse_url
from exchange.errors import Misuse

DEFAULT_NODE = "http://127.0.0.1:8750"


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse_url(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _id(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise typer.BadParameter("an id is 64 lower-case hex digits; `cbm list` shows it")
    return text


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        aware = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise typer.BadParameter(f"expected a time with its zone, like 2026-11-21T03:00:00Z, not {text[:40]!r}")
    return text


def _span(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", text):
        raise typer.BadParameter(f"expected a year, month or day like 2026, 2026-11 or 2026-11-21, not {text[:40]!r}")
    return text


_NODE = "The address of a node; also from CBM_NODE."
NodeUrl = Annotated[str, typer.Option("--node", envvar="CBM_NODE", help=_NODE, callback=_address)]
OwnNode = Annotated[
    str | None,
    typer.Option(
        "--node",
        envvar="CBM_NODE",
        help="Your State's node: fills in who you are and where it goes.",
        callback=_address,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on one line, for machines.")]
Alone = Annotated[
    bool,
    typer.Option(
        "--alone", help="Once, for a node whose peers are gone: go on without asking them; it stays on record."
    ),
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of the node.")]
Ident = Annotated[str, typer.Argument(metavar="ID", help="The id of a submission.", callback=_id)]
Update = Annotated[
    str | None,
    typer.Option(help="Id of an earlier submission: the draft updates it, with its answers filled in.", callback=_id),
]
Reply = Annotated[
    str | None,
    typer.Option(
        help="Id of a submission that the draft answers; one that answers a sealed letter is sealed.", callback=_id
    ),
]
Moment = Annotated[
    str | None, typer.Option("--at", help="Another moment than now, such as 2026-11-21T03:00:00Z.", callback=_moment)
]
Span = Annotated[
    str | None,
    typer.Option("--period", help="Only for a period that overlaps this year, month or day.", callback=_span),
]


def refuse_on_list(settings: Settings) -> None:
    """Where founders sign who takes part, the operator's own list is not read: changing it would change nothing."""
    if settings.root is not None:
        raise Misuse(
            f"{settings.directory} goes by the founders' list ({settings.root}): `cbm participant` changes what it says"
        )
