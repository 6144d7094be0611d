"""The facts about a node that lie on its own machine: keys, disk, database, backup. Nothing is changed by looking."""

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from exchange.config import Settings
from exchange.core.sealing import SealingKey
from exchange.errors import ExchangeError, Misuse
from exchange.node.checks import DAY
from exchange.node.facts import KeyFacts, StoredFacts, TrustFacts
from exchange.node.founding import NODE_KEYS, read_participants
from exchange.node.keyfile import open_key, open_sealings
from exchange.store import log as logs
from exchange.store.database import Transaction
from exchange.store.figures import log_figures, unknown_forms
from exchange.store.participants import newest_records
from exchange.store.peers import PeerStatus, peer_statuses
from exchange.store.restored import restored
from exchange.store.schema import NEWEST, version
from exchange.store.snapshot import snapshot
from exchange.store.trust import held_since
from exchange.trust.asker import Asker
from exchange.trust.audience import PUBLIC_REACH, reach
from exchange.trust.choice import pin
from exchange.trust.participants import ParticipantRecord

OVERDUE_AFTER: timedelta = DAY


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def key_facts(settings: Settings, record: ParticipantRecord | None) -> Iterator[KeyFacts]:
    """Each key of the node: there, for nobody else to read, of its kind, and the one that the record names."""
    known = set() if record is None else {key.public_key.raw for key in record.keys}
    known |= set() if record is None else {log.vkey.raw for log in record.logs}
    for kind, name in NODE_KEYS.items():
        try:
            key = open_key(settings.keys / name, kind=kind).key
        except ExchangeError as error:
            lost = "bring it back from the backup that was made with --with-keys"
            yield KeyFacts(name, str(error), lost if not (settings.keys / name).exists() else error.next_step)
            continue
        if key.public.raw not in known:
            whose = settings.peers if settings.root is None else "the founders' list"
            step = f"{whose} and {settings.keys} belong to different nodes: bring back what was changed"
            yield KeyFacts(name, f"the record of {settings.participant} does not name it", step)
        else:
            yield KeyFacts(name, None, None)
    yield from _sealing_facts(settings, record)
    if settings.keys.is_dir() and stat.S_IMODE(settings.keys.stat().st_mode) & 0o077:
        yield KeyFacts("keys", "others on this machine may look into the folder", f"`chmod 700 {settings.keys}`")


def _sealing_facts(settings: Settings, record: ParticipantRecord | None) -> Iterator[KeyFacts]:
    """Each sealing key that the record ever named: without the private half, letters to it stay closed for ever."""
    try:
        held = open_sealings(settings.keys)
    except ExchangeError as error:
        yield KeyFacts("sealing*.key", str(error), error.next_step)
        return
    for key in () if record is None else record.keys:
        if isinstance(key.public_key, SealingKey) and key.public_key.keyid not in held:
            problem = f"the private half of the sealing key {key.public_key.keyid[:16]} is gone: letters to it cannot be opened"
            yield KeyFacts("sealing*.key", problem, "bring it back from the backup that was made with --with-keys")


def trust_facts(settings: Settings, now: datetime) -> tuple[TrustFacts | None, dict[str, ParticipantRecord]]:
    """The founders' list as this node holds it, and its records; None where it was never there. Raises NotFound, Unavailable, Misuse."""
    if settings.root is None:
        return None, dict(read_participants(settings.peers).records)
    try:
        pinned = pin(settings.root.read_bytes())
    except OSError as error:
        raise Misuse(f"cannot read the founders' root {settings.root}: {error.strerror}") from None
    with snapshot(settings.database_url) as tx:
        held = held_since(tx, pinned) if version(tx) == NEWEST else pinned
    if held.targets is None:
        return None, {}
    good = min(file.expires for file in (held.root, held.targets, *held.files.values()))
    ends = [word.fresh_until for word in held.words.values()]
    stale = held.stale_since or (max(ends) if ends and max(ends) <= now else None)
    return TrustFacts(held.root.version, held.targets.version, len(held.records), good, stale), dict(held.records)


def database_facts(settings: Settings, now: datetime) -> tuple[str, StoredFacts | None, dict[str, PeerStatus]]:
    """(schema, what is stored, how visits went). Only a database of this program's own schema is looked into. Raises NotFound, Unavailable."""
    with snapshot(settings.database_url) as tx:
        schema = version(tx) or ""
        if schema != NEWEST:
            return schema, None, {}
        return schema, _stored(tx, settings.origin, now), peer_statuses(tx)


def _stored(tx: Transaction, origin: str, now: datetime) -> StoredFacts:
    mine = next((record for record in newest_records(tx).values() if record.log_ordinal(origin) is not None), None)
    figures = log_figures(tx, now - OVERDUE_AFTER, PUBLIC_REACH if mine is None else reach(Asker.node(mine)))
    return StoredFacts(
        size=sum(log.size for log in figures if log.origin == origin),
        forms_unknown=unknown_forms(tx),
        owed=sum(log.owed for log in figures),
        overdue=sum(log.overdue for log in figures),
        waiting=sum(log.waiting for log in figures),
        restored=restored(tx),
        signed=logs.newest_time(tx, origin),
    )
