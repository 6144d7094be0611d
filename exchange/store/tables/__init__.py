"""The tables. One's own log and every mirror live in the same ones: a mirror is a log whose key we lack.

Hashes and ids are raw 32 bytes. Times are ISO 8601 UTC text, as they are shown. What is looked up by a hash is indexed by the
`shortkey` of it, and whatever that finds is compared in full: an index over whole hashes would cost more than the rows.

Each class says what its rows are; the queries use the same tables for SQLAlchemy Core, by the names below: rows become our own values,
never ORM objects.
"""

from exchange.store.tables.alerts import ALERT, FINDING
from exchange.store.tables.documents import DOCUMENT, OPENING
from exchange.store.tables.erasures import ERASURE, WITHHELD
from exchange.store.tables.log import CHECKPOINT, ENTRY, LOG, TILE
from exchange.store.tables.node import NONCE, PEER, SETTING
from exchange.store.tables.officers import ACT, DRAFT, DRAFT_DOCUMENT, OFFICER_SESSION, UNCOPIED
from exchange.store.tables.registry import FORESEEN, OVER_THE_YEAR, RELEASE, SLOT, SUBMISSION
from exchange.store.tables.search import DERIVED, SEARCH, SEARCH_OWED, SEARCH_STATE
from exchange.store.tables.trust import RECORD, TRUST_FILE, TRUST_HEAD, TRUST_NOTE
from exchange.store.tables.witness import COSIGNATURE, QUORUM, REFUSAL, WITNESS_HEAD

__all__ = [
    "ACT",
    "ALERT",
    "CHECKPOINT",
    "COSIGNATURE",
    "DERIVED",
    "DOCUMENT",
    "DRAFT",
    "DRAFT_DOCUMENT",
    "ENTRY",
    "ERASURE",
    "FINDING",
    "FORESEEN",
    "LOG",
    "NONCE",
    "OFFICER_SESSION",
    "OPENING",
    "OVER_THE_YEAR",
    "PEER",
    "QUORUM",
    "RECORD",
    "REFUSAL",
    "RELEASE",
    "SEARCH",
    "SEARCH_OWED",
    "SEARCH_STATE",
    "SETTING",
    "SLOT",
    "SUBMISSION",
    "TILE",
    "TRUST_FILE",
    "TRUST_HEAD",
    "TRUST_NOTE",
    "UNCOPIED",
    "WITHHELD",
    "WITNESS_HEAD",
]
