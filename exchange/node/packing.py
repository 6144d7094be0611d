"""The evidence pack of a submission, out of what this node holds: envelope, documents with openings, receipt, records."""

from collections.abc import Collection
from datetime import datetime

from exchange.core.document import Document
from exchange.core.merkle import prove_inclusion
from exchange.core.pack import MAX_PACK, MAX_TRUST, Pack, format_pack
from exchange.core.policy import Policy, format_policy
from exchange.core.receipt import Receipt, format_receipt
from exchange.errors import NotFound, TooLarge
from exchange.node.node import Node
from exchange.store import documents, registry
from exchange.store import log as logs
from exchange.store.cosignatures import with_earliest
from exchange.store.database import Transaction
from exchange.store.documents import HeldDocument
from exchange.store.log import LogState
from exchange.store.standing import standing
from exchange.trust.audience import PUBLIC_REACH, Reach
from exchange.trust.participants import Participants, format_participants
from exchange.trust.quorum import policy_of
from exchange.trust.roster import EVER


def receipt_of(node: Node, ident: str) -> Receipt:
    """The best receipt that this node has for a submission. Raises NotFound."""
    with node.db.read() as tx:
        position = registry.position_of(tx, ident)
        return _receipt(tx, node.participants, logs.log_of(tx, position.origin), position.index)


def _receipt(tx: Transaction, participants: Participants, log: LogState, index: int) -> Receipt:
    """Under the first checkpoint with a quorum; else, of the newest, the one that most States cosigned; else the first that covers it."""
    size = standing(tx, participants, log.origin, index).size
    kept = None if size is None else logs.kept_checkpoint(tx, log, size)
    if size is None or kept is None:
        return logs.receipt(tx, log, index)
    proof = prove_inclusion(index, size, logs.reader(tx, log, size))
    return Receipt(index, proof, with_earliest(tx, log, size, kept[1]))


def receipts_of(node: Node, indexes: Collection[int]) -> dict[int, bytes]:
    """The first receipt of each of these entries of one's own log, by index."""
    with node.db.read() as tx:
        found = logs.receipts(tx, logs.log_of(tx, node.origin), indexes)
        return {receipt.index: format_receipt(receipt) for receipt in found}


def pack_of(node: Node, ident: str, reach: Reach = PUBLIC_REACH, bundle: bytes | None = None) -> bytes:
    """Everything an auditor without network needs, but for the anchor: a pack never vouches for itself. With what may be read.

    `bundle`: the founders' list.
    """
    with node.db.read() as tx:
        position = registry.position_of(tx, ident)
        log = logs.log_of(tx, position.origin)
        receipt = format_receipt(_receipt(tx, node.participants, log, position.index))
        found = documents.documents_of(tx, log.id, position.index, reach)
        if sum(document.size for document in found) > MAX_PACK:  # told before they are all in memory
            raise TooLarge(
                f"its documents have more than {MAX_PACK:,} bytes: fetch envelope, receipt and each by itself"
            )
        held = tuple(_load(node, document) for document in found)
    known = node.participants
    mine = Participants(known.federation, known.live, {log.participant: known.records[log.participant]})
    policy, listed = _policy(node, log.origin), None if bundle is None or len(bundle) > MAX_TRUST else bundle
    return format_pack(Pack(position.envelope, held, receipt, format_participants(mine), policy, listed))


def _policy(node: Node, origin: str) -> bytes | None:
    """The quorum in force now for that log, for verifiers of any make; None where nobody can witness for it."""
    try:
        return format_policy(_policy_at(node.participants, origin, node.clock()))
    except NotFound:
        return None


def policy_file(participants: Participants, origin: str, at: datetime) -> bytes:
    """The generated C2SP tlog-policy of a log under the roster in force at that time. Raises NotFound."""
    policy, since = _policy_at(participants, origin, at), participants.rosters.at(at).since
    when = "ever" if since == EVER else since.isoformat(timespec="seconds")
    title = f"{participants.federation}: who witnesses for {origin}, by the roster in force since {when}"
    return format_policy(policy, [title, f"{policy.groups[-1].needed} of {len(policy.groups[-1].members)} States"])


def _policy_at(participants: Participants, origin: str, at: datetime) -> Policy:
    record = participants.by_origin(origin)
    if record is None:
        raise NotFound(f"no log of the origin {origin[:80]!r} is known here")
    log = record.logs[record.log_ordinal(origin) or 0]
    return policy_of(participants, record, log, participants.rosters.at(at))


def _load(node: Node, held: HeldDocument) -> Document:
    content = held.content if held.content is not None else node.files.path(held.commitment).read_bytes()
    return Document(held.slot, held.name, held.opening, content)
