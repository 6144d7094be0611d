"""The trust list as it came to count here: every version of every file, never overwritten, and which of them count now."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

from sqlalchemy import and_, select

from exchange.store import tables
from exchange.store.bulk import fetch, run
from exchange.store.database import Transaction
from exchange.store.upsert import keep_all, put, put_all
from exchange.trust.choice import Held
from exchange.trust.contents import charter_in, read_record
from exchange.trust.intake import stated
from exchange.trust.relays import RelayWord
from exchange.trust.rolefile import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleFile, parse_role

_STALE, _SEEN, _RELAY = "stale since", "seen ", "relay "


def keep_files(tx: Transaction, files: Iterable[RoleFile], now: datetime) -> None:
    rows = []
    for file in files:
        raw = file.raw
        row = {"role": file.role, "version": file.version, "sha256": sha256(raw).digest(), "raw": raw}
        rows.append({**row, "seen": now.isoformat()})
    keep_all(tx, tables.TRUST_FILE, rows)


def keep_held(tx: Transaction, held: Held, now: datetime) -> None:
    """What counts from now on, and every file of it."""
    heads = dict(held.files)
    if held.targets is not None:
        heads[TARGETS] = held.targets
    for relay, word in held.words.items():
        heads[f"{_RELAY}{relay} {SNAPSHOT}"] = word.snapshot
        heads[f"{_RELAY}{relay} {TIMESTAMP}"] = word.timestamp
    keep_files(tx, (*held.roots, *heads.values()), now)
    gone = {name for (name,) in fetch(tx, "SELECT name FROM trust_head")} - set(heads)
    if gone:
        run(tx, "DELETE FROM trust_head WHERE name = ?", *((name,) for name in gone))
    put_all(
        tx,
        tables.TRUST_HEAD,
        [
            {"name": name, "role": file.role, "version": file.version, "sha256": sha256(file.raw).digest()}
            for name, file in heads.items()
        ],
    )
    marks = [{"name": _SEEN + mark, "value": seen.isoformat()} for mark, seen in held.seen.items()]
    put_all(tx, tables.TRUST_NOTE, marks)
    if held.stale_since is None:
        run(tx, "DELETE FROM trust_note WHERE name = ?", (_STALE,))
    else:
        put(tx, tables.TRUST_NOTE, {"name": _STALE, "value": held.stale_since.isoformat()})


def held_since(tx: Transaction, pinned: Held) -> Held:
    """What counted last, above the root that the operator pinned. The files were verified before they were kept."""
    start = pinned.root.version
    roots = {root.version: root for root in map(_root, _kept(tx, ROOT)) if root.version > start}
    chain = list(pinned.roots)
    while chain[-1].version + 1 in roots:
        chain.append(roots[chain[-1].version + 1])
    heads = dict(_heads(tx))
    notes: dict[str, str] = dict(fetch(tx, "SELECT name, value FROM trust_note"))
    targets = heads.get(TARGETS)
    files = {name: file for name, file in heads.items() if file.role not in ROLES}
    relays = {name.split(" ")[1] for name in heads if name.startswith(_RELAY)}
    charter = None if targets is None else charter_in(targets)
    return Held(
        roots=tuple(chain),
        targets=targets,
        files=files,
        records={}
        if charter is None
        else {code: stated(read_record(file).record, charter.members[code]) for code, file in files.items()},
        words={
            relay: RelayWord(heads[f"{_RELAY}{relay} {TIMESTAMP}"], heads[f"{_RELAY}{relay} {SNAPSHOT}"])
            for relay in relays
        },
        seen={
            name.removeprefix(_SEEN): datetime.fromisoformat(value)
            for name, value in notes.items()
            if name.startswith(_SEEN)
        },
        stale_since=datetime.fromisoformat(notes[_STALE]) if _STALE in notes else None,
    )


def _root(raw: bytes) -> RoleFile:
    return parse_role(raw, ROOT)


def _heads(tx: Transaction) -> Iterator[tuple[str, RoleFile]]:
    query = (
        "SELECT h.name, h.role, f.raw FROM trust_head h"
        " JOIN trust_file f ON f.role = h.role AND f.version = h.version AND f.sha256 = h.sha256"
    )
    for name, role, raw in fetch(tx, query):
        yield name, parse_role(bytes(raw), role)


def _kept(tx: Transaction, role: str) -> Iterator[bytes]:
    query = "SELECT raw FROM trust_file WHERE role = ? ORDER BY version DESC, seen, sha256"
    return (bytes(raw) for (raw,) in fetch(tx, query, (role,)))


def file_of(tx: Transaction, role: str, version: int) -> bytes | None:
    """One version of one role; where two ever counted, the one that did first."""
    column = tables.TRUST_FILE.c
    wanted = and_(column.role == role, column.version == version)
    found = tx.execute(select(column.raw).where(wanted).order_by(column.seen, column.sha256).limit(1)).scalar()
    return None if found is None else bytes(found)


def files_of(tx: Transaction, role: str) -> Iterator[RoleFile]:
    """Every version of one role, newest first."""
    for raw in _kept(tx, role):
        yield parse_role(raw, role)
