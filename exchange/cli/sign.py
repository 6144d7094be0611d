"""cbm sign: see in words what is said, then sign it. Works without any network."""

import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.key import passphrase_for
from exchange.cli.output import Exit, agreed, answer, say
from exchange.core.base64text import parse_base64
from exchange.core.catalogue import Catalogue
from exchange.core.document import MAX_DOCUMENT, OPENING_SIZE, Document, check_document, parse_name
from exchange.core.dsse import (
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    add_signature,
    format_envelope,
    sign_payload,
)
from exchange.core.form import Form, judge
from exchange.core.jsontext import parse_json
from exchange.core.keys import Kind
from exchange.core.letter import INNER_TYPE, parse_either
from exchange.core.outer import is_sealed
from exchange.core.pack import MAX_PACK, Pack, format_pack, parse_pack
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.errors import DocumentsMissing, DoesNotFit, Malformed, Misuse, TooLarge, UnknownForm, WrongCommitment
from exchange.node.draft import Draft, parse_draft, prepare
from exchange.node.keyfile import open_key
from exchange.node.wording import in_words, printable
from exchange.resources import form_files

SUFFIX = ".cbm"
HANDED = ".json"
MAX_DRAFT = 1024 * 1024  # bytes
MAX_HANDED = 16 * 1024 * 1024  # bytes


def sign(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DRAFT|PARCEL",
            help="A draft (.toml), one of a node (.json, `cbm draft show -o`), or a parcel (.cbm) that another officer signed before.",
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
    unsigned = _open(source, catalogue)
    shown_and_checked(unsigned, catalogue)
    confirm(yes)
    opened = open_key(key, passphrase_for(key), kind=Kind.SIGNING)
    if unsigned.before is None:
        signed = sign_payload(unsigned.payload, [opened.key], unsigned.payload_type)
    else:
        signed = add_signature(unsigned.before, opened.key)
    target = output or source.with_suffix(SUFFIX)
    parcel = Pack(format_envelope(signed), unsigned.documents, None, None)
    write_parcel(target, format_pack(parcel), replace=target == source)
    sealing = signed.payload_type == INNER_TYPE
    then = f"Seal it with `cbm seal {target} --key {key}`" if sealing else f"Send it with `cbm submit {target}`"
    say(f"Signed with key {opened.key.public.keyid[:16]}... {then}.")
    answer(str(target))


def _open(source: Path, catalogue: Catalogue) -> "Unsigned":
    if source.suffix == SUFFIX:
        return _open_parcel(source)
    if source.suffix == HANDED:
        return from_handed(read_bounded(source, MAX_HANDED))
    return _from_draft(source, catalogue)


def shown_and_checked(unsigned: "Unsigned", catalogue: Catalogue | None) -> Statement:
    """Recompute what is about to be signed, and say it in words. Raises what speaks against signing it."""
    statement = parse_statement(unsigned.payload)
    form = (catalogue or Catalogue.from_files(form_files())).named(statement.form)
    _recompute(statement, unsigned.documents, form)
    for line in in_words(statement, unsigned.documents, form, statement.participant):
        say(line)
    say(f"  id          {submission_id(unsigned.payload)}")
    if unsigned.before is not None:
        say(f"  signed by   {', '.join(one.keyid[:16] for one in unsigned.before.signatures)} before you")
    return statement


def nobody_here() -> None:
    """Raises Misuse where nobody can be asked."""
    if not sys.stdin.isatty():
        raise Misuse("nobody is here to say yes; give --yes where a script signs")


def confirm(yes: bool) -> None:
    """Nothing is signed unless somebody who was shown it says yes. Raises Misuse, and Exit where nobody does."""
    if yes:
        return
    nobody_here()
    if not agreed("Sign this?"):
        say("Nothing was signed.")
        raise typer.Exit(Exit.NO)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """What is about to be signed. `before` holds the signatures of earlier officers, if there are any."""

    payload: bytes
    documents: tuple[Document, ...]
    before: Envelope | None

    @property
    def payload_type(self) -> str:
        """What is for named participants is a letter, and goes into a seal."""
        return INNER_TYPE if isinstance(parse_statement(self.payload).audience, tuple) else PAYLOAD_TYPE


def _open_parcel(path: Path) -> Unsigned:
    parcel = parse_pack(read_bounded(path, MAX_PACK))
    envelope = parse_either(parcel.envelope)
    return Unsigned(envelope.payload, parcel.documents, envelope)


def from_handed(data: bytes) -> Unsigned:
    """What a node handed out to be signed elsewhere: the payload, its documents, and signatures that stand under it. Raises Malformed."""
    try:
        value = parse_json(data, limit=MAX_HANDED)
        payload = parse_base64(value["payload"])
        documents = tuple(
            Document(one["slot"], parse_name(one["name"]), parse_base64(one["opening"]), parse_base64(one["content"]))
            for one in value["documents"]
        )
        signatures = tuple(Signature(one["keyid"], parse_base64(one["sig"])) for one in value["signatures"])
    except (KeyError, TypeError):
        raise Malformed("a draft was expected, as `cbm draft show ID -o FILE.json` writes it") from None
    return Unsigned(payload, documents, Envelope(payload, signatures) if signatures else None)


def read_draft(path: Path) -> tuple[Draft, list[tuple[str, bytes]]]:
    """A draft in TOML and the files that stand beside it. Raises DoesNotFit, Misuse."""
    try:
        draft = parse_draft(read_bounded(path, MAX_DRAFT).decode())
    except UnicodeDecodeError:
        raise DoesNotFit(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except Malformed as error:
        raise DoesNotFit(f"{path}: {error}", pointer=error.pointer) from None
    files = [file for file, _, _ in draft.attachments]
    return draft, [(Path(file).name, read_bounded(path.parent / file, MAX_DOCUMENT)) for file in files]


def _from_draft(path: Path, catalogue: Catalogue) -> Unsigned:
    draft, contents = read_draft(path)
    code = draft.header.get("form")
    version = draft.header.get("version")
    form = catalogue.forms.get((code, version)) if isinstance(code, str) and isinstance(version, int) else None
    if form is None:
        raise UnknownForm(f"no form {code!r} version {version!r} is known on this machine", pointer="/return/form")
    try:
        payload, documents = prepare(
            draft, form, contents, datetime.now(UTC), lambda: secrets.token_bytes(OPENING_SIZE)
        )
    except Malformed as error:
        # What the statement calls /period stands in the draft under [return].
        pointer = error.pointer
        if pointer is not None and pointer.split("/")[1:2] and pointer.split("/")[1] in draft.header:
            pointer = f"/return{pointer}"
        raise DoesNotFit(f"{path}: {error}", pointer=pointer) from None
    return Unsigned(payload, documents, None)


def _recompute(statement: Statement, documents: tuple[Document, ...], form: Form | None) -> None:
    """On the signer's own machine: every document is here, and is the one that the statement commits to; bodies fit the form."""
    held = {document.slot: document for document in documents}
    for ref in statement.documents:
        if ref.slot not in held:
            raise DocumentsMissing(
                f"the statement commits to a document in slot {ref.slot!r} that is not here: do not sign what you cannot read"
            )
        try:
            check_document(held.pop(ref.slot), ref)
        except WrongCommitment:
            raise WrongCommitment(
                f"the document in slot {ref.slot!r} is not the one that the statement commits to: do not sign it"
            ) from None
    if held:
        raise DocumentsMissing(f"the parcel carries documents that the statement does not name: {', '.join(held)}")
    if form is None:
        raise UnknownForm(
            f"form {statement.form.code} version {statement.form.version} is not known on this machine; get its file, and give --forms"
        )
    for document in documents:
        is_body = document.slot.startswith("body") and not is_sealed(statement)
        errors = judge(form, document.content) if is_body else ()
        if errors:
            for error in errors:
                say(f"  {error.pointer or '/'}  {printable(error.detail)}")
            places = "1 place" if len(errors) == 1 else f"{len(errors)} places"
            raise DoesNotFit(f"{document.slot} does not fit {form.code} in {places}", pointer=errors[0].pointer)


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


def write_parcel(path: Path, content: bytes, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise Misuse(f"{path} exists already; name another one with -o")
    path.write_bytes(content)
