"""A submission that was checked, and not merely received: under records that the caller holds from elsewhere.

The node's word counts for nothing here. It hands over the evidence pack, and trust/verdict.py goes through it as `cbm verify`
does. What no evidence shows is left to the node: whether it is the current version, and whether something was held back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from exchange.client import asks
from exchange.client.wire import LONG_SECONDS, Ask, Beginning, Whole
from exchange.core.catalogue import Catalogue
from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.pack import MAX_PACK, parse_pack
from exchange.core.receipt import parse_receipt
from exchange.core.statement import Statement, parse_statement
from exchange.errors import BadProof, Malformed, UnknownKey
from exchange.resources import form_files
from exchange.trust.anchor import Anchor
from exchange.trust.participants import Participants, parse_participants
from exchange.trust.verdict import check_pack


@dataclass(frozen=True, slots=True)
class Verified:
    """What a participating State said, and where its log holds it. `missing`: slots whose documents did not come along."""

    id: str
    statement: Statement
    documents: tuple[Document, ...]
    missing: tuple[str, ...]
    index: int
    checks: tuple[str, ...]
    pack: bytes

    def document(self, slot: str = "body") -> bytes | None:
        """The content in that slot; None where it did not come along."""
        return next((document.content for document in self.documents if document.slot == slot), None)


def pinned_records(content: bytes) -> Participants:
    """The anchor in a `peers.json`: get it from the States themselves, and not from the node that you want to check."""
    return parse_participants(content)


@cache
def shipped_catalogue() -> Catalogue:
    """The forms that came with this program."""
    return Catalogue.from_files(form_files())


def verified(ident: str, anchors: Sequence[Anchor], catalogue: Catalogue | None) -> Ask[Verified]:
    """The question for a pack, whose answer is what it proves."""

    def read(beginning: Beginning, body: bytes) -> Verified:
        return verify(beginning, body, ident, anchors, catalogue)

    return Ask(asks.pack(ident).path, lambda start: Whole(start, MAX_PACK, read), seconds=LONG_SECONDS)


def verify(
    beginning: Beginning, content: bytes, ident: str, anchors: Sequence[Anchor], catalogue: Catalogue | None
) -> Verified:
    """1. Every check of the pack holds. 2. An anchor vouches for the keys. 3. It is the submission that was asked for."""
    try:
        pack = parse_pack(content)
    except Malformed as error:
        raise beginning.nonsense(str(error)) from None
    verdict = check_pack(pack, anchors, catalogue or shipped_catalogue())
    if verdict.error is not None:  # 1
        raise verdict.error
    if not verdict.vouched:  # 2
        raise UnknownKey(f"no record pinned here vouches for the keys of {ident}: the node brings its own")
    if verdict.id != ident:  # 3: true, and the answer to another question
        raise BadProof(f"{ident} was asked for, and this is the evidence of {verdict.id}")
    statement = parse_statement(parse_envelope(pack.envelope).payload)
    held = {document.slot for document in pack.documents}
    missing = tuple(ref.slot for ref in statement.documents if ref.slot not in held)
    index = parse_receipt(pack.receipt or b"").index
    checks = tuple(check.line for check in verdict.checks)
    return Verified(ident, statement, pack.documents, missing, index, checks, content)
