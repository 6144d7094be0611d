"""Where the answer and the talk go, and how a command ends.

stdout carries the answer (with --json one line for machines), stderr everything said to the person beside it.
"""

import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NoReturn

import orjson
import typer

from exchange.errors import ExchangeError, Misuse, Unavailable


class Exit(IntEnum):
    YES = 0
    NO = 1
    MISUSE = 2
    UNREACHABLE = 3


def say(line: str = "") -> None:
    """A line of talk."""
    print(line, file=sys.stderr, flush=True)


def answer(value: str | Iterable[str]) -> None:
    """The answer, for people."""
    for line in [value] if isinstance(value, str) else value:
        print(line, flush=True)


def answer_json(value: Any) -> None:
    """The answer, for machines: one line."""
    print(orjson.dumps(value).decode(), flush=True)


def end(error: ExchangeError) -> NoReturn:
    """Say what is wrong and what to do next, and leave with the code that fits."""
    say(f"cbm: {error}")
    if error.pointer:
        say(f"     at {error.pointer}")
    say(f"     {error.next_step}")
    code = Exit.MISUSE if isinstance(error, Misuse) else Exit.UNREACHABLE if isinstance(error, Unavailable) else Exit.NO
    raise typer.Exit(code)


def table(rows: list[tuple[str, ...]], heads: tuple[str, ...]) -> list[str]:
    """Columns as wide as what stands in them, two spaces apart."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]
    ]
