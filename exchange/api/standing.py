"""How an entry, or a head, stands among the States, in every answer that shows one: the same words everywhere."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from exchange.core.note import format_vkey
from exchange.node.node import Node
from exchange.store.database import Transaction
from exchange.store.log import LogState
from exchange.store.standing import head_standing
from exchange.trust.choice import Held
from exchange.trust.participants import Participants
from exchange.trust.quorum import Tally


def standing_answer(participants: Participants, origin: str, tally: Tally, issued: str) -> dict[str, Any]:
    """Of an entry of the log `origin`; `issued` is the time that the writer claims."""
    return {
        "standing": tally.standing,
        "cosignatures": tally.words,
        "not_later_than": moment(tally.not_later_than),
        "late": tally.is_late(datetime.fromisoformat(issued)),
        "identity_replaced": moment(participants.replaced_before(origin)),
    }


def head_answer(tx: Transaction, node: Node, log: LogState) -> dict[str, Any]:
    found = head_standing(tx, node.participants, log, node.clock())
    return {
        "standing": found.tally.standing,
        "cosignatures": found.tally.words,
        "not_later_than": moment(found.tally.not_later_than),
        "newest_quorum": moment(found.quorum),
        "stale": found.stale,
    }


def trust_answer(held: Held) -> dict[str, Any]:
    """How the founders' list stands."""
    return {
        "root": held.root.version,
        "root_sha256": sha256(held.root.raw).hexdigest(),
        "targets": None if held.targets is None else held.targets.version,
        "participants": len(held.records),
        "stale_since": moment(held.stale_since),
    }


def witness_vkey(node: Node) -> str:
    return format_vkey(node.witness.vkey)


def moment(time: datetime | None) -> str | None:
    """RFC 3339, in UTC."""
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"
