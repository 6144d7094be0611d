"""cbm open: read a sealed letter, and disclose one to whoever is to judge it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from exchange.cli.anchors import read_anchors
from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.client import Client
from exchange.config import Settings, read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.jsonfields import is_digest
from exchange.core.letter import CARRIED_TYPE
from exchange.core.outer import NAME
from exchange.core.pack import MAX_PACK, format_pack, parse_pack
from exchange.core.receipt import parse_receipt
from exchange.core.sealed import ContentKey, Preface
from exchange.core.statement import Statement, parse_statement
from exchange.errors import Misuse, NotFound
from exchange.node.keyfile import open_sealings
from exchange.node.sealed import reveal
from exchange.node.wording import in_words
from exchange.resources import form_files
from exchange.trust.anchor import Anchor, records_of
from exchange.trust.letter import Letter
from exchange.trust.participants import Participants
from exchange.trust.verdict import check_pack


@dataclass(frozen=True, slots=True)
class _Source:
    """A sealed letter as it came: how to read it, where its submission stands, whose records judge it, who has the key."""

    reading: Callable[[], Any]
    outer: Statement
    index: int
    participants: Participants
    key_of: Callable[[Preface], ContentKey]
    document: Callable[[], Document]


def open_letter(
    source: Annotated[
        str, typer.Argument(metavar="ID|FILE", help="The id of a sealed submission, or a pack that holds one.")
    ],
    directory: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="The directory of your node, where the sealing keys are.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder to write; the beginning of the id unless given.")
    ] = None,
    disclose: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a pack with which anybody can check what was said, when and by whom."),
    ] = None,
    trust: Annotated[
        list[Path] | None, typer.Option(help="An anchor, for a pack: as `cbm verify` takes it. May be given again.")
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|NAME", help="A founders' root, for a pack: as `cbm verify` takes it."),
    ] = None,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Open a sealed letter into a folder. Unless seal, signatures and documents are all right, nothing is shown at all."""
    if disclose is not None and disclose.exists():
        raise Misuse(f"{disclose} exists already")
    settings = None if directory is None else read_settings(directory)
    found = _held(source, settings) if is_digest(source) else _packed(Path(source), settings, trust or [], root or [])
    ident = source if is_digest(source) else Path(source).stem
    into = output or Path(ident[:16])
    with found.reading() as file:
        letter, paths, key = reveal(file, found.key_of, found.outer, found.index, found.participants, into)
    _tell(letter, paths, into, found, json)
    if disclose is not None:
        _disclose(disclose, source, found, key, node)


def _held(ident: str, settings: Settings | None) -> _Source:
    """In the node's own data."""
    if settings is None:
        raise Misuse("where does it lie, and where are the keys? Give the directory of your node with --in DIR")
    from exchange.store.folder import (
        DocumentFolder,
    )  # here, so that the other verbs start without a database's half second
    from exchange.store.participants import newest_records
    from exchange.store.sealed import held_seal
    from exchange.store.snapshot import snapshot

    with snapshot(settings.database_url) as tx:
        held = held_seal(tx, ident)
        participants = Participants(settings.federation, False, newest_records(tx))
    path = DocumentFolder(settings.documents).path(held.commitment)

    def reading() -> IO[bytes]:
        return open(path, "rb") if held.content is None else BytesIO(held.content)

    def document() -> Document:
        with reading() as file:
            return Document("body", NAME, held.opening, file.read())

    outer = parse_statement(parse_envelope(held.envelope).payload)
    return _Source(reading, outer, held.index, participants, _own_key(settings), document)


def _own_key(settings: Settings) -> Callable[[Preface], ContentKey]:
    keys = open_sealings(settings.keys)
    return lambda preface: preface.unwrap(settings.participant, keys)


def _packed(path: Path, settings: Settings | None, trust: list[Path], root: list[str]) -> _Source:
    """In a pack, which must hold under an anchor before anything in it is opened."""
    pack = parse_pack(read_bounded(path, MAX_PACK))
    anchors = _anchors(settings, trust, root)
    verdict = check_pack(pack, anchors, Catalogue.from_files(form_files()))
    if verdict.error is not None:
        raise verdict.error
    outer = parse_statement(parse_envelope(pack.envelope).payload)
    if not verdict.vouched or pack.receipt is None:
        raise Misuse(f"no anchor here vouches for {outer.participant}: give its record with --trust FILE")
    if not pack.documents:
        raise NotFound(f"{path} does not hold the sealed letter itself, only the proof that it was submitted")
    known = (records_of(anchor, pack.bundle) for anchor in anchors)
    participants = next(
        one
        for one in known
        if one is not None and one.federation == outer.federation and outer.participant in one.records
    )
    held = pack.documents[0]
    if pack.content_key is not None:
        disclosed = ContentKey(pack.content_key)
        key_of: Callable[[Preface], ContentKey] = lambda preface: disclosed  # noqa: E731 - one of two ways
    elif settings is not None:
        key_of = _own_key(settings)
    else:
        raise Misuse("this letter is sealed: give the directory of a node that it was sealed for, with --in DIR")
    return _Source(
        lambda: BytesIO(held.content), outer, parse_receipt(pack.receipt).index, participants, key_of, lambda: held
    )


def _anchors(settings: Settings | None, trust: list[Path], root: list[str]) -> Sequence[Anchor]:
    """Given on the command line; else the records in force at one's own node; else pinned on this machine."""
    if settings is None or trust or root:
        return read_anchors(trust, root, datetime.now(UTC))
    from exchange.store.participants import newest_records
    from exchange.store.snapshot import snapshot

    with snapshot(settings.database_url) as tx:
        return [Participants(settings.federation, False, newest_records(tx))]


def _tell(letter: Letter, paths: dict[str, Path], into: Path, found: _Source, json: bool) -> None:
    outer, inner = found.outer, letter.statement
    if json:
        answer_json(
            {
                "id": letter.id,
                "participant": inner.participant,
                "audience": list(inner.audience),
                "form": inner.form.code,
                "message": inner.message,
                "status": inner.status,
                "issued": inner.issued,
                "index": found.index,
                "folder": str(into),
                "documents": [
                    {"slot": one.slot, "name": one.name, "file": str(paths[one.slot])}
                    for one in letter.contents.documents
                ],
            }
        )
        return
    documents = [_shown(one.slot, one.name, paths[one.slot], one.size) for one in letter.contents.documents]
    name = found.participants.records[inner.participant].name()
    form = Catalogue.from_files(form_files()).named(inner.form)
    answer(in_words(inner, documents, form, name))
    answer(
        f"  sealed      {outer.issued}, entry {found.index} of {outer.origin}; signed by {len(letter.envelope.signatures)}; id {letter.id}"
    )
    answer([f"  file        {path}" for path in paths.values()])
    if any(ref.media_type == CARRIED_TYPE for ref in inner.documents):
        answer("  carries     an older letter of the same State, signed by keys of its record, with all its documents")
    if inner.retain_until is not None:
        say(f"It is to be deleted after {inner.retain_until}, with every copy of what was just written to {into}.")
    say(f'A reply to it is sealed too: its audience is a list of codes, such as ["{inner.participant}"].')


def _shown(slot: str, name: str, path: Path, size: int) -> Document:
    """As it is shown: bodies are read, of all others the size will do."""
    content = path.read_bytes() if slot.startswith("body") else bytes(size)
    return Document(slot, name, bytes(32), content)


def _disclose(target: Path, source: str, found: _Source, key: ContentKey, node: str) -> None:
    """The evidence of the outside, the sealed letter and what opens it. Whoever holds this reads it."""
    if is_digest(source):
        with Client(node) as client:
            pack = parse_pack(client.pack(source))
    else:
        pack = parse_pack(read_bounded(Path(source), MAX_PACK))
    if parse_statement(parse_envelope(pack.envelope).payload) != found.outer:
        raise Misuse("the node answered with another submission")
    whole = replace(pack, documents=(found.document(),), content_key=key.raw)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(format_pack(whole))
    say(
        f"{target} opens this letter for whoever holds it, and `cbm verify {target}` checks it. It cannot be taken back."
    )
