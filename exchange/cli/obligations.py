"""cbm obligations: what the decisions ask, and which forms answer it."""

from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import answer, answer_json, say
from exchange.client import Client, ObligationState


def obligations(
    obligation: Annotated[str | None, typer.Argument(help="Only this one, such as OSCE:PC.DEC/1202:CBM-8.")] = None,
    participant: Annotated[str | None, typer.Option(help="Only what this participant shared.")] = None,
    language: Annotated[str, typer.Option(help="The language of the titles: en, fr, de, it, ru or es.")] = "en",
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """The clauses of the decisions, the forms that serve each, and what each participant chose to share. Nobody is ranked."""
    with Client(node) as client:
        found = client.obligations(obligation=obligation, participant=participant)
    if json:
        answer_json(found)
        return
    answer([line for one in found for line in _words(one, language)])
    if obligation is not None:
        say(f"The returns themselves: cbm list --obligation {obligation}")


def _words(one: ObligationState, language: str) -> list[str]:
    title = one["title"].get(language) or one["title"].get("en") or ""
    lines = [f"{one['id']}  {title}".rstrip(), f"    forms   {', '.join(one['forms']) or 'none'}"]
    if one["shared"]:
        shared = "; ".join(f"{state['participant']}: {', '.join(state['forms'])}" for state in one["shared"])
        lines.append(f"    shared  {shared}")
    return lines
