"""cbm new: write the commented draft of a form."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE
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
    node: Annotated[
        str | None,
        typer.Option("--node", envvar="CBM_NODE", help="Your State's node: fills in who you are and where it goes."),
    ] = None,
    update: Annotated[
        str | None, typer.Option(help="Id of an earlier submission: the draft updates it, with its answers filled in.")
    ] = None,
) -> None:
    """Write a draft of FORM with every question explained. Without --node it is written offline, and the heading stays open."""
    text = _offline(form) if node is None and update is None else _from_node(form, node or DEFAULT_NODE, update)
    if output is None:
        answer(text.rstrip("\n"))
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
        header = {"federation": about["federation"], "origin": about["origin"], "participant": about["participant"]}
        if update is None:
            return template(form, **header)
        earlier = client.submission(update)
    if earlier["form"] != form.code or earlier["participant"] != about["participant"]:
        raise Misuse(
            f"{update} is {earlier['form']} of {earlier['participant']}; this draft is {form.code} of {about['participant']}"
        )
    return draft_of(form, earlier["body"] or {}, replaces=update, series=earlier["series"], **header)
