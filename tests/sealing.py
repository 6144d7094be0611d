"""Letters between the nodes of a world: signed inside, sealed, signed outside, and submitted by the ordinary door."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from exchange.core.document import Document, commit
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.keys import PrivateKey
from exchange.core.letter import INNER_TYPE, contents_of, format_letter
from exchange.core.outer import SEALED_FORM, SEALED_VERSION, outer_statement
from exchange.core.pack import Pack
from exchange.core.sealed import ContentKey, address, seal
from exchange.core.statement import DocumentRef, Statement, format_statement, parse_statement
from exchange.node.sealed import seal_letter
from tests.world import World, WorldNode

PLAIN = b"the pipeline at mark 12 was hit"


def inner_of(
    node: WorldNode,
    *codes: str,
    content: bytes = PLAIN,
    signers: Sequence[PrivateKey] | None = None,
    edit: Callable[[Statement], Statement] = lambda statement: statement,
) -> tuple[bytes, tuple[Document, ...]]:
    """A letter of that State to these: a signed inner envelope of form ICT-03, with an attachment, and its documents."""
    parcel = node.parcel("ICT-03", attachments=(("what.pdf", content),), header={"audience": sorted(codes)})
    from exchange.core.dsse import parse_envelope

    statement = edit(parse_statement(parse_envelope(parcel.envelope).payload))
    envelope = sign_payload(format_statement(statement), signers or [node.officer], INNER_TYPE)
    return format_envelope(envelope), parcel.documents


def outside(
    node: WorldNode, blob: bytes, *, edit: Callable[[Statement], Statement] = lambda s: s, **changes: Any
) -> Pack:
    """The outer submission of that State for these bytes, signed by its officer."""
    form = node.world.catalogue.forms[SEALED_FORM, SEALED_VERSION]
    opening = sha256(blob).digest()
    fields: dict[str, Any] = {
        "form": form.sha256,
        "issued": f"{node.world.now:%Y-%m-%dT%H:%M:%SZ}",
        "commitment": commit(opening, blob),
    }
    statement = edit(outer_statement("test.example", node.origin, node.code, **{**fields, **changes}))
    envelope = format_envelope(sign_payload(format_statement(statement), [node.officer]))
    return Pack(envelope, (Document("body", "sealed.bin", opening, blob),), None, None)


def sealed_parcel(node: WorldNode, *codes: str, **named: Any) -> Pack:
    """A sealed submission, right in every respect."""
    envelope, documents = inner_of(node, *codes, **named)
    return outside(node, seal_letter(envelope, documents, node.world.participants).document.content)


def sealed_by_hand(
    node: WorldNode, codes: Sequence[str], envelope: bytes, documents: Sequence[Document], **header: Any
) -> bytes:
    """Whatever bytes, in a seal of that State for these: what `cbm seal` would refuse."""
    records = node.world.participants.records
    key = ContentKey(sha256(envelope).digest())

    def public(code: str) -> Any:
        found = records[code].sealing_key
        assert found is not None
        return found

    own = (node.code, public(node.code))
    head, _ = address("test.example", node.origin, key, own, [(code, public(code)) for code in codes])
    keys = {public(code).keyid: public(code) for code in records}
    size, plaintext = format_letter(contents_of(envelope, documents), [one.content for one in documents])
    return b"".join(seal(replace(head, **header), key, keys, size, plaintext))


def named(statement: Statement, *codes: str) -> Statement:
    """The statement for other readers."""
    documents = tuple(DocumentRef(d.slot, d.media_type, d.language, codes, d.commitment) for d in statement.documents)
    return replace(statement, audience=codes, documents=documents)


__all__ = ["PLAIN", "World", "inner_of", "named", "outside", "sealed_by_hand", "sealed_parcel"]
