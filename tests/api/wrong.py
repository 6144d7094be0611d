"""Wrong submissions, each wrong in one respect, and how the door must say so."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson

from exchange.core.base64text import format_base64
from exchange.core.document import commit
from exchange.core.dsse import Envelope, format_envelope, parse_envelope, sign_payload
from exchange.core.keys import Kind
from exchange.core.pack import Pack
from exchange.core.statement import Reference, Statement, format_statement, parse_statement
from exchange.node.keyfile import open_key
from tests.api import offer
from tests.world import WorldNode, renamed

Offered = dict[str, Any] | bytes
NEVER = "0" * 64


@dataclass(frozen=True)
class Case:
    """Something wrong, and how the door says so."""

    name: str
    make: Callable[[WorldNode], Offered]
    status: int
    code: str
    pointer: str | None = None


def signed(node: WorldNode, payload: bytes) -> Offered:
    """A payload as it is, properly signed, with no documents."""
    return {"envelope": format_base64(format_envelope(sign_payload(payload, [node.officer]))), "documents": []}


def stated(**changes: Any) -> Callable[[WorldNode], Offered]:
    """A return right in all respects but for these fields of the statement, changed before it was signed."""
    return lambda node: offer(node.parcel(edit=lambda statement: replace(statement, **changes)))


def restated(**changes: Any) -> Callable[[WorldNode], Offered]:
    """The same, but for fields that a Statement would not even hold: the text itself is changed."""

    def make(node: WorldNode) -> Offered:
        fields = orjson.loads(parse_envelope(node.parcel().envelope).payload)
        return signed(node, orjson.dumps({**fields, **changes}))

    return make


def answered(**answers: Any) -> Callable[[WorldNode], Offered]:
    return lambda node: offer(node.parcel(**answers))


def documents(change: Callable[[list[dict[str, Any]]], list[Any]]) -> Callable[[WorldNode], Offered]:
    """A return of two documents, sent with others than were signed."""

    def make(node: WorldNode) -> Offered:
        offered = offer(node.parcel("ICT-03", attachments=(("strategy.pdf", b"%PDF-1.4"),)))
        return {**offered, "documents": change(offered["documents"])}

    return make


def field(number: int, **changes: Any) -> Callable[[WorldNode], Offered]:
    return documents(lambda sent: [{**one, **changes} if at == number else one for at, one in enumerate(sent)])


def text(change: Callable[[bytes], bytes]) -> Callable[[WorldNode], Offered]:
    """The JSON of a right submission, changed as text."""
    return lambda node: change(orjson.dumps(offer(node.parcel())))


def enveloped(change: Callable[[bytes], bytes]) -> Callable[[WorldNode], Offered]:
    """The envelope, changed as text."""

    def make(node: WorldNode) -> Offered:
        parcel = node.parcel()
        return offer(replace(parcel, envelope=change(parcel.envelope)))

    return make


def bodied(content: bytes, **changes: Any) -> Callable[[WorldNode], Offered]:
    """A return with these bytes for its body, honestly committed to."""

    def make(node: WorldNode) -> Offered:
        parcel = node.parcel()
        body = renamed(parcel.documents[0], content=content)

        def edit(statement: Statement) -> Statement:
            ref = replace(statement.documents[0], commitment=commit(body.opening, content), **changes)
            return replace(statement, documents=(ref,))

        payload = format_statement(edit(parse_statement(parse_envelope(parcel.envelope).payload)))
        return offer(Pack(format_envelope(sign_payload(payload, [node.officer])), (body,), None, None))

    return make


def node_key(node: WorldNode) -> Offered:
    """Signed by the node itself, whose key stands in the record for other things."""
    key = open_key(node.running.settings.keys / "node-submission.key", kind=Kind.NODE_SUBMISSION).key
    return offer(node.parcel(signers=(key,)))


def half_signed(node: WorldNode) -> Offered:
    """A good signature, and one of an officer over something else beside it."""
    parcel = node.parcel()
    good, other = parse_envelope(parcel.envelope), parse_envelope(node.parcel().envelope)
    return offer(replace(parcel, envelope=format_envelope(Envelope(good.payload, other.signatures))))


def issued(span: timedelta) -> Callable[[WorldNode], Offered]:
    return lambda node: stated(issued=f"{node.world.now + span:%Y-%m-%dT%H:%M:%SZ}")(node)


def reference(relation: str) -> tuple[Reference, ...]:
    return (Reference(relation, NEVER, None),)


def document_audience(node: WorldNode) -> Offered:
    def edit(statement: Statement) -> Statement:
        return replace(statement, documents=(replace(statement.documents[0], audience=("XA",)),))

    return offer(node.parcel(edit=edit))


def flipped(envelope: bytes) -> bytes:
    """One bit of the signature is another."""
    signed = parse_envelope(envelope)
    sig = signed.signatures[0].sig
    return format_envelope(
        replace(signed, signatures=(replace(signed.signatures[0], sig=sig[:40] + bytes([sig[40] ^ 1]) + sig[41:]),))
    )


def formed(node: WorldNode, **changes: Any) -> Offered:
    return offer(node.parcel(edit=lambda statement: replace(statement, form=replace(statement.form, **changes))))
