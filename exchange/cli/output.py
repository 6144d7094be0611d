"""Where the answer and the talk go, and how a command ends.

stdout carries the answer (with --json one line for machines), stderr everything said to the person beside it.
"""

import sys
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

import orjson

from exchange.errors import ExchangeError, Misuse, Unavailable
from exchange.node.wording import printable


class Exit(IntEnum):
    YES = 0
    NO = 1
    MISUSE = 2
    UNREACHABLE = 3


def say(line: str = "") -> None:
    """A line of talk."""
    print(line, file=sys.stderr, flush=True)


def agreed(question: str) -> bool:
    """Ask, and take everything but a yes for a no. `input()` would write to stdout, where only the answer belongs."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def answer(value: str | Iterable[str]) -> None:
    """The answer, for people: one line, or several. Much of it comes from other States' nodes, and must not paint the screen."""
    for line in [value] if isinstance(value, str) else value:
        print(printable(line), flush=True)


def answer_json(value: Any) -> None:
    """The answer, for machines: one line."""
    print(orjson.dumps(value).decode(), flush=True)


def explain(error: ExchangeError) -> Exit:
    """Say what is wrong and what to do next. Returns the code to leave with."""
    say(f"cbm: {printable(str(error))}")
    if error.pointer:
        say(f"     at {printable(error.pointer)}")
    say(f"     {error.next_step}")
    if isinstance(error, Misuse):
        return Exit.MISUSE
    return Exit.UNREACHABLE if isinstance(error, Unavailable) else Exit.NO


def table(rows: list[tuple[str, ...]], heads: tuple[str, ...]) -> list[str]:
    """Columns as wide as what stands in them, two spaces apart."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]
    ]


def replaced(published: str) -> str:
    """What is said for ever beside everything that rests on identity keys which a State did not choose itself."""
    return (
        f"the founders replaced this State's identity keys, which it had lost, on {published[:10]}; this stands in a log "
        "that was opened under the new ones"
    )


def seen(item: Mapping[str, Any]) -> str:
    """How an entry stands among the States, from any answer that says so."""
    since = "" if item["not_later_than"] is None else f"; not later than {item['not_later_than']}"
    late = "; LATE: claimed to be older than that by more than it may be" if item["late"] else ""
    return f"{item['standing']}: {item['cosignatures']}{since}{late}"
