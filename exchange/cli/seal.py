"""cbm seal: put a signed letter into a seal that only those open whom it names."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.anchors import read_anchors
from exchange.cli.key import passphrase_for
from exchange.cli.output import Exit, agreed, answer, say
from exchange.cli.sign import SUFFIX, read_bounded
from exchange.core.catalogue import Catalogue
from exchange.core.confines import check_body, check_statement
from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.form import judge
from exchange.core.jsontext import parse_json
from exchange.core.keys import Kind
from exchange.core.letter import INNER_TYPE
from exchange.core.outer import SEALED_FORM, SEALED_VERSION, outer_statement
from exchange.core.pack import MAX_PACK, Pack, format_pack, parse_pack
from exchange.core.statement import Statement, format_statement, parse_statement, submission_id
from exchange.errors import DoesNotFit, Misuse, UnknownForm
from exchange.node.keyfile import open_key
from exchange.node.sealed import seal_letter
from exchange.node.wording import in_words
from exchange.resources import form_files
from exchange.trust.anchor import Anchor, records_of
from exchange.trust.participants import Participants


def seal(
    letter: Annotated[
        Path,
        typer.Argument(metavar="LETTER", help="What `cbm sign` made of a draft whose audience is a list of codes."),
    ],
    key: Annotated[Path, typer.Option(help="Your private signing key, for the outside.")],
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="Who takes part: a peers.json. May be given again; the pinned ones unless given."),
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|NAME", help="A founders' root; their list is then given with --trust."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The parcel to write; LETTER.sealed.cbm unless given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking, after showing; for scripts.")] = False,
) -> None:
    """Seal a letter for the States that it names, and sign the outside, which tells nobody what is inside or for whom."""
    catalogue = Catalogue.from_files(form_files())
    form = catalogue.forms.get((SEALED_FORM, SEALED_VERSION))
    if form is None:
        raise UnknownForm(f"the form {SEALED_FORM} did not come with this program")
    parcel = parse_pack(read_bounded(letter, MAX_PACK))
    inner = parse_statement(parse_envelope(parcel.envelope, INNER_TYPE).payload)
    records = _records(inner, read_anchors(trust or [], root or [], datetime.now(UTC)))
    sealed = seal_letter(parcel.envelope, parcel.documents, records)
    _confine(inner, parcel.documents, catalogue)
    for line in in_words(
        inner, parcel.documents, catalogue.named(inner.form), records.records[inner.participant].name()
    ):
        say(line)
    for one in (sealed.header.sender, *sealed.header.recipients):
        say(f"  opens for   {records.records[one.participant].name()} ({one.participant}), key {one.keyid[:16]}...")
    outer = outer_statement(
        inner.federation,
        inner.origin,
        inner.participant,
        form=form.sha256,
        issued=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        commitment=sealed.commitment,
    )
    payload = format_statement(outer)
    say(
        f"  outside     {SEALED_FORM} of {inner.participant}, issued {outer.issued}, and nothing else; id {submission_id(payload)}"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise Misuse("nobody is here to say yes; give --yes where a script signs")
        if not agreed("Seal this, and sign the outside?"):
            say("Nothing was signed.")
            raise typer.Exit(Exit.NO)
    opened = open_key(key, passphrase_for(key), kind=Kind.SIGNING)
    signed = sign_payload(payload, [opened.key])
    target = output or letter.with_name(f"{letter.name.removesuffix(SUFFIX)}.sealed{SUFFIX}")
    if target.exists():
        raise Misuse(f"{target} exists already; name another one with -o")
    target.write_bytes(format_pack(Pack(format_envelope(signed), (sealed.document,), None, None)))
    say(f"Sealed. Send it with `cbm submit {target}`. {letter} holds it open: keep it safe, or delete it.")
    answer(str(target))


def _confine(inner: Statement, documents: Sequence[Document], catalogue: Catalogue) -> None:
    """What the node's door would ask of it, were it not sealed: nobody looks at this after it. Raises UnknownForm, DoesNotFit."""
    form = catalogue.named(inner.form)
    if form is None:
        raise UnknownForm(f"form {inner.form.code} version {inner.form.version} is not known on this machine")
    wrong = check_statement(form, inner)
    for one in documents:
        if wrong is None and one.slot.startswith("body"):
            errors = judge(form, one.content)
            wrong = (
                errors[0] if errors else check_body(form, inner.audience, parse_json(one.content, limit=SMALL_DOCUMENT))
            )
    if wrong is not None:
        raise DoesNotFit(wrong.detail, pointer=wrong.pointer)


def _records(inner: Statement, anchors: Sequence[Anchor]) -> Participants:
    """Of the letter's federation, from the first anchor that knows who sends it. Raises Misuse."""
    for anchor in anchors:
        found = records_of(anchor)
        if found is not None and found.federation == inner.federation and inner.participant in found.records:
            return found
    raise Misuse(
        f"whose keys it is sealed for must come from somewhere: nothing here knows {inner.participant} in {inner.federation}; "
        "give --trust peers.json, or the founders' --root with their list"
    )
