"""The evidence pack of a submission, out of what this node holds: envelope, documents with openings, receipt, records."""

from collections.abc import Collection

from exchange.core.document import Document
from exchange.core.pack import MAX_PACK, Pack, format_pack
from exchange.core.receipt import Receipt, format_receipt
from exchange.errors import TooLarge
from exchange.node.node import Node
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.documents import HeldDocument
from exchange.trust.participants import Participants, format_participants


def receipt_of(node: Node, ident: str) -> Receipt:
    """The first receipt that this node has for a submission. Raises NotFound."""
    with node.db.read() as tx:
        position = registry.position_of(tx, ident)
        return logs.receipt(tx, logs.log_of(tx, position.origin), position.index)


def receipts_of(node: Node, indexes: Collection[int]) -> dict[int, bytes]:
    """The first receipt of each of these entries of one's own log, by index."""
    with node.db.read() as tx:
        found = logs.receipts(tx, logs.log_of(tx, node.origin), indexes)
        return {receipt.index: format_receipt(receipt) for receipt in found}


def pack_of(node: Node, ident: str) -> bytes:
    """Everything an auditor without network needs, but for the anchor: a pack never vouches for itself."""
    with node.db.read() as tx:
        position = registry.position_of(tx, ident)
        log = logs.log_of(tx, position.origin)
        receipt = format_receipt(logs.receipt(tx, log, position.index))
        found = documents.documents_of(tx, log.id, position.index)
        if sum(document.size for document in found) > MAX_PACK:  # told before they are all in memory
            raise TooLarge(
                f"its documents have more than {MAX_PACK:,} bytes: fetch envelope, receipt and each by itself"
            )
        held = tuple(_load(node, document) for document in found)
    known = node.participants
    mine = Participants(known.federation, known.live, {log.participant: known.records[log.participant]})
    return format_pack(Pack(position.envelope, held, receipt, format_participants(mine)))


def _load(node: Node, held: HeldDocument) -> Document:
    content = held.content if held.content is not None else node.files.path(held.commitment).read_bytes()
    return Document(held.slot, held.name, held.opening, content)
