"""cbm erase: order that documents of one's own State be forgotten, or take such an order back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.cli.key import passphrase_for
from exchange.cli.options import DEFAULT_NODE, Ident, NodeUrl
from exchange.cli.output import answer, say
from exchange.cli.sign import SUFFIX, confirm, write_parcel
from exchange.client import Client
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.form import parse_form
from exchange.core.jsontext import canonical_json
from exchange.core.keys import Kind
from exchange.core.pack import Pack, format_pack
from exchange.core.statement import Reference, Statement, format_statement, parse_statement, submission_id
from exchange.core.vocabulary import ERASES
from exchange.errors import Misuse, NotFound
from exchange.node.keyfile import open_key
from exchange.node.wording import in_words


def erase(
    ident: Ident,
    key: Annotated[Path, typer.Option(help="Your private signing key.")],
    node: NodeUrl = DEFAULT_NODE,
    slot: Annotated[
        list[str] | None,
        typer.Option(help="Only this document, such as a1; may be given again. All of them unless given."),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="ID is an erasure: take it back, within 72 hours of its entry.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The parcel to write; erase-ID.cbm unless given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking, after showing; for scripts.")] = False,
) -> None:
    """Make and sign the entry that erases a submission's documents: hidden everywhere at once, destroyed after 72 hours.

    An erasure takes two officers, unless the State's record says otherwise: the second signs the parcel with `cbm sign`, and then sends it with
    `cbm submit`. That there was a submission, when and whose, stays; copies that others took are theirs.
    """
    with Client(node) as client:
        about, found = client.node(), client.submission(ident)
        names = {record["participant"]: record for record in client.participants()["items"]}
        subject = parse_statement(canonical_json(found["statement"]))
        try:
            form = parse_form(client.form(subject.form.code, subject.form.version))
        except NotFound:
            form = None
    if subject.participant != about["participant"]:
        raise Misuse(f"{ident[:16]}... is a submission of {subject.participant}: a State erases what is its own")
    if withdraw != (subject.message == "erasure"):
        what = "no erasure" if withdraw else "an erasure, which has no documents: --withdraw takes it back"
        raise Misuse(f"{ident[:16]}... is {what}")
    payload = format_statement(_statement(subject, ident, about["origin"], slot or [], withdraw))
    statement = parse_statement(payload)
    for line in in_words(statement, (), form, names[subject.participant]["names"].get("en", subject.participant)):
        say(line)
    say(f"  id          {submission_id(payload)}")
    confirm(yes)
    opened = open_key(key, passphrase_for(key), kind=Kind.SIGNING)
    target = output or Path(f"{'withdraw' if withdraw else 'erase'}-{ident[:8]}{SUFFIX}")
    parcel = Pack(format_envelope(sign_payload(payload, [opened.key])), (), None, None)
    write_parcel(target, format_pack(parcel), replace=False)
    say(f"Signed with key {opened.key.public.keyid[:16]}...")
    if not withdraw:
        needed = _threshold(names[subject.participant])
        say(
            f"An erasure of {subject.participant} needs {needed} keys: others sign with `cbm sign {target} --key THEIRS`."
        )
    say(f"Send it with `cbm submit {target}`.")
    answer(str(target))


def _statement(subject: Statement, ident: str, origin: str, slots: list[str], withdraw: bool) -> Statement:
    """Of the same form and status as what it is about: of another one it would have no effect."""
    known = {document.slot for document in subject.documents}
    for slot in slots:
        if withdraw or slot not in known:
            raise Misuse(f"it has no document {slot!r}; it has {', '.join(sorted(known)) or 'none'}")
    references = [Reference(ERASES, ident, slot) for slot in slots] or [Reference(ERASES, ident, None)]
    fields: dict[str, Any] = {
        name: getattr(subject, name) for name in ("v", "federation", "participant", "form", "status", "languages")
    }
    return Statement(
        **fields,
        origin=origin,
        series=ident if withdraw else None,
        issued=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        period=None,
        return_="full",
        message="withdrawal" if withdraw else "erasure",
        references=(Reference("withdraws", ident, None),) if withdraw else tuple(references),
        on_behalf_of=None,
        audience="public",
        release_on=None,
        retain_until=None,
        documents=(),
    )


def _threshold(record: dict[str, Any]) -> int:
    limits = record.get("thresholds")
    return int(limits.get("erasure", 2)) if isinstance(limits, dict) else 2
