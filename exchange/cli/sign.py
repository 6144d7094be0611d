"""cbm sign: see in words what is said, then sign it. Works without any network."""

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.key import passphrase_for
from exchange.cli.output import answer, say
from exchange.core.catalogue import Catalogue
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, check_document
from exchange.core.dsse import Envelope, add_signature, format_envelope, parse_envelope
from exchange.core.form import Form, judge
from exchange.core.keys import Kind
from exchange.core.pack import MAX_PACK, Pack, format_pack, parse_pack
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import DocumentsMissing, DoesNotFit, Misuse, TooLarge, UnknownForm
from exchange.node.draft import parse_draft, prepare
from exchange.node.keyfile import open_key
from exchange.node.wording import in_words
from exchange.resources import form_files

SUFFIX = ".cbm"


def sign(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DRAFT|PARCEL", help="A draft (.toml), or a parcel (.cbm) that another officer signed before."
        ),
    ],
    key: Annotated[Path, typer.Option(help="Your private signing key.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The parcel to write; DRAFT.cbm unless given.")
    ] = None,
    forms: Annotated[
        Path | None, typer.Option(help="A folder with form files that did not come with this program.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking, after showing; for scripts.")] = False,
) -> None:
    """Open the documents, recompute every commitment here, show the return in words, and only then sign it."""
    catalogue = Catalogue.from_files(form_files(*([forms] if forms else [])))
    parcel = _open_parcel(source) if source.suffix == SUFFIX else _from_draft(source, catalogue)
    envelope_so_far, payload = parcel
    statement = parse_statement(payload.payload)
    form = catalogue.named(statement.form)
    _recompute(statement, envelope_so_far, form)
    for line in in_words(statement, envelope_so_far.documents, form, statement.participant):
        say(line)
    say(f"  id          {submission_id(payload.payload)}")
    if payload.signatures:
        say(f"  signed by   {', '.join(signature.keyid[:16] for signature in payload.signatures)} before you")
    if not yes:
        if not sys.stdin.isatty():
            raise Misuse("nobody is here to say yes; give --yes where a script signs")
        typer.confirm("Sign this?", abort=True, err=True)
    opened = open_key(key, passphrase_for(key), kind=Kind.SIGNING)
    signed = add_signature(payload, opened.key)
    target = output or source.with_suffix(SUFFIX)
    _write(
        target,
        format_pack(Pack(format_envelope(signed), envelope_so_far.documents, None, None)),
        replace=target == source,
    )
    say(f"Signed with key {opened.key.public.keyid[:16]}... Send it with `cbm submit {target}`.")
    answer(str(target))


def _open_parcel(path: Path) -> tuple[Pack, Envelope]:
    parcel = parse_pack(read_bounded(path, MAX_PACK))
    return parcel, parse_envelope(parcel.envelope)


def _from_draft(path: Path, catalogue: Catalogue) -> tuple[Pack, Envelope]:
    draft = parse_draft(read_bounded(path, 1024 * 1024).decode("utf-8", "replace"))
    code = draft.header.get("form")
    version = draft.header.get("version")
    form = catalogue.forms.get((code, version)) if isinstance(code, str) and isinstance(version, int) else None
    if form is None:
        raise UnknownForm(f"no form {code!r} version {version!r} is known on this machine", pointer="/return/form")
    contents = [(Path(file).name, read_bounded(path.parent / file, MAX_DOCUMENT)) for file, _, _ in draft.attachments]
    payload, documents = prepare(draft, form, contents, datetime.now(UTC), lambda: secrets.token_bytes(OPENING_SIZE))
    return Pack(b"", documents, None, None), Envelope(payload, ())


def _recompute(statement: Statement, parcel: Pack, form: Form | None) -> None:
    """On the signer's own machine: every document is here, and is the one that the statement commits to; bodies fit the form."""
    held = {document.slot: document for document in parcel.documents}
    for ref in statement.documents:
        if ref.slot not in held:
            raise DocumentsMissing(
                f"the statement commits to a document in slot {ref.slot!r} that is not here: do not sign what you cannot read"
            )
        check_document(held.pop(ref.slot), ref)
    if held:
        raise DocumentsMissing(f"the parcel carries documents that the statement does not name: {', '.join(held)}")
    if form is None:
        raise UnknownForm(
            f"form {statement.form.code} version {statement.form.version} is not known on this machine; get its file, and give --forms"
        )
    for document in parcel.documents:
        if document.slot.startswith("body"):
            errors = judge(form, document.content)
            for error in errors[1:]:
                say(f"     {error.pointer or '/'}: {error.detail}")
            if errors:
                raise DoesNotFit(errors[0].detail, pointer=errors[0].pointer)


def read_bounded(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes. Raises Misuse, TooLarge."""
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    if len(content) > limit:
        raise TooLarge(f"{path} is larger than {limit:,} bytes")
    return content


def _write(path: Path, content: bytes, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise Misuse(f"{path} exists already; name another one with -o")
    path.write_bytes(content)
