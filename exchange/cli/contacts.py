"""cbm contacts: who answers now."""

from typing import Annotated, Any

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import Exit, answer, answer_json, say
from exchange.client import Client
from exchange.core.form import NOT_STATED


def contacts(
    participant: Annotated[str, typer.Argument(help="The code of the State, such as XR.")],
    role: Annotated[str | None, typer.Option(help="Only contacts of this role, such as technical.")] = None,
    language: Annotated[str | None, typer.Option(help="Only contacts who speak it, such as fr.")] = None,
    at: Annotated[str | None, typer.Option(help="Another moment than now, such as 2026-11-21T03:00:00Z.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Leave out those who are outside their stated hours.")] = False,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """The contact points of a State, those reachable first, phone first. Exit 1 where nobody is listed."""
    with Client(node) as client:
        found = client.contacts(participant, role=role, language=language, at=at, now=now or None)
    if json:
        answer_json(found)
    else:
        answer([line for contact in found["items"] for line in [*card(contact), ""]][:-1])
    if not found["items"]:
        say(f"{participant} lists no such contact{' that can be reached at this moment' if now else ''}.")
        raise typer.Exit(Exit.NO)


def card(contact: dict[str, Any]) -> list[str]:
    """What a tired duty officer needs, in the order in which it is needed."""
    reachable = contact["reachable"].upper() if contact["reachable"] == "reachable" else contact["reachable"]
    if contact["reachable_until"]:
        reachable += f" until {contact['reachable_until']}"
    status = "" if contact["status"] == "actual" else f"   [{contact['status'].upper()} - not an actual contact]"
    lines = [
        f"{contact['name']} ({contact['participant']}), {contact['role']} contact: {_text(contact['institution'])}{status}",
        f"  phone       {_text(contact['phone'])}",
        f"  now         {reachable}" + (f" (their time {contact['local_time']})" if contact["local_time"] else ""),
        f"  e-mail      {_text(contact['email'])}",
        f"  function    {_text(contact['contact'].get('function_title', NOT_STATED))}",
        f"  languages   {_text(contact['languages'])}",
        f"  freshness   {contact['freshness']}",
    ]
    deputy = contact["contact"].get("deputy", NOT_STATED)
    if deputy != NOT_STATED:
        lines.insert(3, f"  no answer?  {_text(deputy)}")
    website = contact["contact"].get("website", NOT_STATED)
    if website != NOT_STATED:
        lines.insert(-2, f"  website     {_text(website)}")
    lines.append(
        f"  source      {contact['form']}, entry {contact['source']['index']} of {contact['source']['origin']}, id {contact['source']['id'][:16]}..."
    )
    return lines


def _text(value: Any) -> str:
    if isinstance(value, dict):
        if set(value) == {"en"}:
            return _text(value["en"])
        return ", ".join(f"{key.replace('_', ' ')} {_text(item)}" for key, item in value.items() if item != NOT_STATED)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "".join(character if character.isprintable() else "\ufffd" for character in str(value))
