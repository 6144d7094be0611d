"""cbm contacts: who answers now."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from exchange.cli.options import DEFAULT_NODE, Json, Moment, NodeUrl
from exchange.cli.output import Exit, answer, answer_json, replaced, say, seen
from exchange.client import Client, Contact
from exchange.core.form import NOT_STATED
from exchange.node.wording import in_one_language, shown

_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def contacts(
    participant: Annotated[str, typer.Argument(help="The code of the State, such as XR.")],
    role: Annotated[str | None, typer.Option(help="Only contacts of this role, such as technical.")] = None,
    language: Annotated[str | None, typer.Option(help="Only contacts who speak it, such as fr.")] = None,
    at: Moment = None,
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
        answer([line for contact in found["items"] for line in [*card(contact, language or "en"), ""]][:-1])
    if not found["items"]:
        say(f"{participant} lists no such contact{' that can be reached at this moment' if now else ''}.")
        raise typer.Exit(Exit.NO)


def card(contact: Contact, language: str = "en") -> list[str]:
    """What a tired duty officer needs, in the order in which it is needed; texts in one language, the whole is in --json."""
    body = contact["contact"]
    institution = in_one_language(contact["institution"], language, "en")
    lines = [f"{contact['name']} ({contact['participant']}), {contact['role']} contact: {institution}"]

    def line(head: str, text: str) -> None:
        lines.append(f"  {head:<11} {text}")

    if contact["status"] != "actual":
        line("ATTENTION", f"status {contact['status']}: this is not an actual contact")
    line("phone", shown(contact["phone"]))
    if body.get("secure_phone", NOT_STATED) != NOT_STATED:
        line("secure", shown(body["secure_phone"]))
    line("now", _now(contact))
    if body.get("hours", NOT_STATED) != NOT_STATED:
        line("hours", _hours(body["hours"]))
    if body.get("deputy", NOT_STATED) != NOT_STATED:
        line("no answer?", _deputy(body["deputy"], language))
    line("e-mail", shown(contact["email"]))
    line("function", in_one_language(body.get("function_title", NOT_STATED), language, "en"))
    line("languages", ", ".join(contact["languages"]) if isinstance(contact["languages"], list) else NOT_STATED)
    if body.get("website", NOT_STATED) != NOT_STATED:
        line("website", shown(body["website"]))
    line("freshness", contact["freshness"])
    source = contact["source"]
    line("seen", seen(source))
    if source["identity_replaced"] is not None:
        line("identity", replaced(source["identity_replaced"]))
    line("source", f"{contact['form']}, entry {source['index']} of {source['origin']}, id {source['id']}")
    return lines


def _now(contact: Contact) -> str:
    """Reachable or not, by their clock; how long is said only where it ends."""
    reachable = contact["reachable"].upper() if contact["reachable_until"] else contact["reachable"]
    if contact["local_time"] is None:
        return str(reachable)
    local = datetime.fromisoformat(contact["local_time"])
    text = f"{reachable} (it is {local:%a %H:%M} there"
    if contact["reachable_until"] and not _always(contact["contact"]["hours"]):
        until = datetime.fromisoformat(contact["reachable_until"])
        midnight = until.hour == until.minute == 0 and until.date() == local.date() + timedelta(days=1)
        text += f", until {'midnight' if midnight else f'{until:%a %H:%M}'}"
    return text + ")"


def _always(hours: dict[str, Any]) -> bool:
    days = {day for span in hours["weekly"] if (span["from"], span["to"]) == ("00:00", "24:00") for day in span["days"]}
    return days == set(_WEEK)


def _hours(hours: dict[str, Any]) -> str:
    if _always(hours):
        return "round the clock"
    spans = [f"{_days(span['days'])} {span['from']}-{span['to']}" for span in hours["weekly"]]
    return f"{', '.join(spans)} ({hours['time_zone']})"


def _days(days: list[str]) -> str:
    """Days that follow one another as a span."""
    first = _WEEK.index(days[0]) if days and days[0] in _WEEK else 0
    if len(days) > 2 and days == _WEEK[first : first + len(days)]:
        return f"{days[0]}-{days[-1]}"
    return "+".join(days)


def _deputy(deputy: dict[str, Any], language: str) -> str:
    """Who takes over, phone before e-mail, and after how long."""
    ways = [
        in_one_language(deputy[name], language, "en") for name in ("institution", "phone", "email") if name in deputy
    ]
    stated = [way for way in ways if way != NOT_STATED]
    after = deputy.get("after_minutes", NOT_STATED)
    return (f"after {after} minutes " if after != NOT_STATED else "") + ", ".join(stated)
