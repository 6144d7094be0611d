"""cbm new: write the commented draft of a form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.cli.options import DEFAULT_NODE, OwnNode, Reply, Update
from exchange.cli.output import answer, say
from exchange.client import Client
from exchange.core.catalogue import Catalogue
from exchange.core.form import Form, parse_form
from exchange.core.outer import SEALED_FORM
from exchange.core.vocabulary import NAMED
from exchange.errors import Misuse, UnknownForm
from exchange.node.draft import draft_of, template
from exchange.resources import form_files


def new(
    form: Annotated[str, typer.Argument(help="The code of a form, such as ICT-03.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; standard output unless given.")
    ] = None,
    node: OwnNode = None,
    update: Update = None,
    reply: Reply = None,
) -> None:
    """Write a draft of FORM with every question explained. Without --node it is written offline, and the heading stays open."""
    if update is not None and reply is not None:
        raise Misuse("a draft updates or answers; give --update or --reply")
    asks = node is not None or update is not None or reply is not None
    text = _from_node(form, node or DEFAULT_NODE, update, reply) if asks else _offline(form)
    if output is None:
        answer(text.splitlines())
        return
    if output.exists():
        raise Misuse(f"{output} exists already; a draft is never written over")
    output.write_text(text)
    say(f"{output} is written. Fill it in, then `cbm sign {output} --key officer.key`.")


def _offline(code: str) -> str:
    return template(_shipped(code))


def _shipped(code: str) -> Form:
    form = Catalogue.from_files(form_files()).newest(code)
    if form is None:
        raise UnknownForm(f"no form {code!r} came with this program")
    return form


def _from_node(code: str, url: str, update: str | None, reply: str | None) -> str:
    with Client(url) as client:
        about, form = client.node(), parse_form(client.form(code))
        header: dict[str, Any] = {
            "federation": about["federation"],
            "origin": about["origin"],
            "participant": about["participant"],
        }
        if reply is not None:
            return template(form, **header, **_replying(client.submission(reply), form))
        if update is None:
            return template(form, **header)
        earlier = client.submission(update)
    if earlier["form"] != form.code or earlier["participant"] != about["participant"]:
        raise Misuse(
            f"{update} is {earlier['form']} of {earlier['participant']}; this draft is {form.code} of {about['participant']}"
        )
    attached = [document["name"] or document["slot"] for document in earlier["documents"] if document["slot"] != "body"]
    if attached:
        say(f"The earlier version came with {', '.join(attached)}: attach again what still holds.")
    # An update that fell back to another status, period or date of deletion would say what nobody meant.
    statement = earlier["statement"]
    header |= {"replaces": update, "series": earlier["series"], "status": earlier["status"]}
    header |= {"languages": statement["languages"], "audience": statement["audience"]}
    header |= {"retain_until": "" if form.retention is not None else statement["retain_until"] or ""}
    if statement["period"] is not None:
        start, end = statement["period"]["from"], statement["period"]["to"]
        header["period"] = start if start == end else f"{start} to {end}"
    return draft_of(form, earlier["body"] or {}, **header)


def _replying(to: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """What a reply begins with. One to a sealed letter is sealed too: in public it would tell who could read the letter."""
    header = {"replaces": to["id"], "status": to["status"], "message": "reply"}
    if to["form"] != SEALED_FORM:
        return header
    if NAMED not in form.meta.get("audiences", [NAMED]):
        raise Misuse(f"a reply to a sealed letter is sealed, and {form.code} is never for named participants alone")
    say(
        f"{to['id'][:16]}... is sealed: so is this reply. Its audience is {to['participant']} alone; name whom else it was for."
    )
    return header | {"audience": [to["participant"]]}
