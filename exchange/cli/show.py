"""cbm show: one submission, in words."""

from exchange.cli.options import DEFAULT_NODE, Ident, Json, NodeUrl
from exchange.cli.output import answer, answer_json, replaced, seen
from exchange.client import Client
from exchange.client.answers import SubmissionWhole
from exchange.core.catalogue import FITS
from exchange.core.document import Document
from exchange.core.form import parse_form
from exchange.core.jsontext import canonical_json
from exchange.core.statement import parse_statement
from exchange.errors import NotFound
from exchange.node.wording import in_words


def show(ident: Ident, node: NodeUrl = DEFAULT_NODE, json: Json = False) -> None:
    """A submission as its State stated it, and where it stands."""
    with Client(node) as client:
        found = client.submission(ident)
        names = {
            record["participant"]: record["names"].get("en", record["participant"])
            for record in client.participants()["items"]
        }
        statement = parse_statement(canonical_json(found["statement"]))
        try:
            form = parse_form(client.form(statement.form.code, statement.form.version))
        except NotFound:
            form = None
    if json:
        answer_json(found)
        return
    documents = []
    for held in found["documents"]:
        content = (
            canonical_json(found["body"])
            if held["slot"] == "body" and found["body"] is not None
            else b" " * (held["size"] or 0)
        )
        documents.append(Document(held["slot"], held["name"] or "not held here", bytes(32), content))
    state = "the current version" if found["current"] else "not the current version"
    place = found["disputed"]
    if place is not None:
        state = f"DISPUTED by its State since entry {place['index']} of {place['origin']}"
    answer(in_words(statement, documents, form, names.get(statement.participant, statement.participant)))
    fits = "fits its form" if found["fits"] == FITS else found["fits"]
    answer(f"  stands      at index {found['index']}; {state}; {fits}")
    answer(f"  documents   {found['account']}{_orders(found)}")
    answer(f"  seen        {seen(found)}")
    if found["identity_replaced"] is not None:
        answer(f"  identity    {replaced(found['identity_replaced'])}")
    for order in found["orders"]:
        what = f"{order['slot']} of {order['id']}" if order["slot"] else order["id"]
        since = f", since {order['since']} here" if order["since"] else ""
        done = f", destroyed here {order['destroyed']}" if order["destroyed"] else ""
        answer(f"  erases      {what}: {order['verdict']}{since}{done}")


def _orders(found: SubmissionWhole) -> str:
    """Which order took which of its documents."""
    told = []
    for document in found["documents"]:
        if (erased := document["erased"]) is not None:
            place = erased["order"]
            by = "its own date" if place is None else f"entry {place['index']} of {place['origin']}"
            told.append(f"{document['slot']} by {by}{'' if erased['destroyed'] else ', hidden until then'}")
    return f" ({'; '.join(told)})" if told else ""
