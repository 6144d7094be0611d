"""cbm new: write the commented draft of a form."""

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.cli.options import DEFAULT_NODE, OwnNode, Update
from exchange.cli.output import answer, say
from exchange.client import Client
from exchange.core.catalogue import Catalogue
from exchange.core.form import Form, parse_form
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
) -> None:
    """Write a draft of FORM with every question explained. Without --node it is written offline, and the heading stays open."""
    text = _offline(form) if node is None and update is None else _from_node(form, node or DEFAULT_NODE, update)
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


def _from_node(code: str, url: str, update: str | None) -> str:
    with Client(url) as client:
        about, form = client.node(), parse_form(client.form(code))
        header: dict[str, Any] = {
            "federation": about["federation"],
            "origin": about["origin"],
            "participant": about["participant"],
        }
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
