"""cbm list: what the registry holds."""

from itertools import islice
from typing import Annotated, Any

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl, Span
from exchange.cli.output import answer, answer_json, say, table
from exchange.client import Client


def list_submissions(
    participant: Annotated[str | None, typer.Option(help="Only of this participant.")] = None,
    form: Annotated[str | None, typer.Option(help="Only of this form.")] = None,
    obligation: Annotated[
        str | None, typer.Option(help="Only what serves this obligation, such as OSCE:PC.DEC/1202:CBM-8.")
    ] = None,
    period: Span = None,
    status: Annotated[list[str] | None, typer.Option(help="actual, exercise or test; may be given again.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Earlier versions too, not only the current ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Current submissions, newest arrival first."""
    question: dict[str, Any] = {
        "participant": participant,
        "form": form,
        "obligation": obligation,
        "period": period,
        "status": status or None,
    }
    with Client(node) as client:
        found = list(islice(client.submissions(current=None if every else True, **question), limit))
    if json:
        answer_json(found)
        return
    rows: list[tuple[str, ...]] = [
        (
            item["participant"],
            item["form"],
            item["issued"][:10],
            _period(item),
            item["return"],
            item["message"],
            item["status"],
            item["id"],
        )
        for item in found
    ]
    if rows:
        answer(table(rows, ("State", "form", "issued", "period", "return", "message", "status", "id")))
    else:
        say("Nothing in the registry answers this.")


def _period(item: dict[str, Any]) -> str:
    period = item["period"]
    if period is None:
        return "-"
    return str(period["from"]) if period["from"] == period["to"] else f"{period['from']} to {period['to']}"
