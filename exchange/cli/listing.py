"""cbm list: what the registry holds."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl, Span
from exchange.cli.output import answer, answer_json, say, table
from exchange.client import Client, Submission
from exchange.client.asks import Filter
from exchange.core.search import parse_query


def _words(text: str | None) -> str | None:
    if text is not None and not parse_query(text):
        raise typer.BadParameter("a word to search for was expected, with a letter or digit in it")
    return text


def list_submissions(
    participant: Annotated[str | None, typer.Option(help="Only of this participant.")] = None,
    form: Annotated[str | None, typer.Option(help="Only of this form.")] = None,
    obligation: Annotated[
        str | None, typer.Option(help="Only what serves this obligation, such as OSCE:PC.DEC/1202:CBM-8.")
    ] = None,
    period: Span = None,
    status: Annotated[list[str] | None, typer.Option(help="actual, exercise or test; may be given again.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Earlier versions too, not only the current ones.")] = False,
    text: Annotated[
        str | None,
        typer.Option(
            help='Only those in which all these words stand; "a phrase" and begin* are understood.', callback=_words
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Current submissions, newest arrival first."""
    question: Filter = {
        "participant": participant,
        "form": form,
        "obligation": obligation,
        "period": period,
        "status": status or None,
        "current": None if every else True,
    }
    unsearched = 0
    found: Sequence[Submission]
    with Client(node) as client:
        if text is None:
            found = list(islice(client.submissions(**question), limit))
        else:
            answered = client.search(text, limit=limit, **question)
            found, unsearched = answered["items"], answered["unsearched"]
    if json:
        answer_json(found)
    else:
        _show(found)
    if unsearched:
        say(f"{unsearched} submissions cannot be found by all of their text yet: the node is still reading them.")


def _show(found: Sequence[Submission]) -> None:
    """One line each, and below it where the words stand, if words were asked for."""
    rows: list[tuple[str, ...]] = [
        (
            item["participant"],
            item["form"],
            item["issued"][:10],
            _period(item),
            item["return"],
            item["message"],
            item["status"] if item["disputed"] is None else f"{item['status']}, disputed",
            item["standing"]
            + (", LATE" if item["late"] else "")
            + (", keys replaced" if item["identity_replaced"] else ""),
            item["id"],
        )
        for item in found
    ]
    if not rows:
        say("Nothing in the registry answers this.")
        return
    heads, *lines = table(rows, ("State", "form", "issued", "period", "return", "message", "status", "stands", "id"))
    answer(heads)
    for line, item in zip(lines, found, strict=True):
        context = item.get("context")
        answer([line, f"    {context}"] if context else line)


def _period(item: Submission) -> str:
    period = item["period"]
    if period is None:
        return "-"
    return str(period["from"]) if period["from"] == period["to"] else f"{period['from']} to {period['to']}"
