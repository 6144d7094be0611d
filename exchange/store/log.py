"""Logs as they are stored: entries, tiles and every checkpoint, one's own and every mirror alike.

`append` computes the new root from what it reads back, after checking that what stood before still leads to the
signed root: a flipped bit on disk must stop the signing, not be signed (tlog.md section 6, step 3).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update

from exchange.core.checkpoint import Checkpoint, origin_digest
from exchange.core.merkle import EMPTY_ROOT, Frontier, HashReader, grow, leaf_hash, prove_inclusion, tree_root
from exchange.core.receipt import Receipt
from exchange.core.tiles import TILE_HEIGHT, TILE_WIDTH, TilePath, format_bundle, tile_reader, width_at
from exchange.errors import LogStopped, NotFound
from exchange.store import tables, tiles
from exchange.store.bulk import fetch, run
from exchange.store.database import Database, Transaction
from exchange.store.restored import mark_ahead
from exchange.store.upsert import keep, keep_all

MAX_PROMISED = 16  # checkpoints of one log that are kept without their entries


@dataclass(frozen=True, slots=True)
class LogState:
    """A log as it stands: `size`, `root` and `note` of the newest complete checkpoint; `stored` may run ahead of `size`."""

    id: int
    origin: str
    participant: str
    ordinal: int
    vkey: str
    own: bool
    size: int
    stored: int
    root: bytes
    note: bytes | None
    halted: str | None

    @property
    def head(self) -> Checkpoint:
        return Checkpoint(self.origin, self.size, self.root)


_HEADS = (
    "SELECT l.id, l.origin, l.participant, l.ordinal, l.vkey, l.own, l.size, l.stored, c.root, c.note, l.halted"
    " FROM log l LEFT JOIN checkpoint c ON c.log_id = l.id AND c.size = l.size"
)


def _state(row: Sequence[Any]) -> LogState:
    ident, origin, participant, ordinal, vkey, own, size, stored, root, note, halted = row
    root = EMPTY_ROOT if root is None else root
    return LogState(ident, origin, participant, ordinal, vkey, bool(own), size, stored, root, note, halted)


def all_logs(tx: Transaction) -> list[LogState]:
    """Every log known here, by participant and then in the order in which the participant kept them."""
    return [_state(row) for row in fetch(tx, f"{_HEADS} ORDER BY l.participant, l.ordinal")]


def total(tx: Transaction) -> int:
    """Entries of all logs under the heads held here."""
    return int(fetch(tx, "SELECT sum(size) FROM log")[0][0] or 0)


def log_of(tx: Transaction, origin: str) -> LogState:
    """The log of that origin. Raises NotFound."""
    for row in fetch(tx, f"{_HEADS} WHERE l.origin = ?", [origin]):
        return _state(row)
    raise NotFound(f"no log of the origin {origin!r} is known here")


def log_named(tx: Transaction, digest: str) -> LogState:
    """The log whose origin has that `origin_digest`. Raises NotFound."""
    for log in all_logs(tx):
        if origin_digest(log.origin) == digest:
            return log
    raise NotFound(f"no log is kept here under {digest[:80]!r}")


def add_log(tx: Transaction, *, origin: str, participant: str, ordinal: int, vkey: str, own: bool) -> LogState:
    """Start to keep a log; nothing happens where it is kept already."""
    row = {
        "origin": origin,
        "participant": participant,
        "ordinal": ordinal,
        "vkey": vkey,
        "own": own,
        "size": 0,
        "stored": 0,
    }
    keep(tx, tables.LOG, row)
    return log_of(tx, origin)


def add_logs(tx: Transaction, rows: Sequence[tuple[str, str, int, str]]) -> list[LogState]:
    """Start to keep mirrors, each an origin, its participant, its place among that participant's logs and its vkey. Returns all logs."""
    named = (
        {"origin": origin, "participant": code, "ordinal": place, "vkey": vkey} for origin, code, place, vkey in rows
    )
    keep_all(tx, tables.LOG, [{**row, "own": False, "size": 0, "stored": 0} for row in named])
    places = {origin: ordinal for origin, _, ordinal, _ in rows}
    known = all_logs(tx)
    moved = [log for log in known if places.get(log.origin, log.ordinal) != log.ordinal]
    for log in moved:
        place(tx, log, places[log.origin])
    return all_logs(tx) if moved else known


def place(tx: Transaction, log: LogState, ordinal: int) -> None:
    """Where the log stands among its participant's: the record says so, and may come after the log itself."""
    tx.execute(update(tables.LOG).where(tables.LOG.c.id == log.id).values(ordinal=ordinal))


def halt(tx: Transaction, log: LogState, why: str) -> None:
    """Stop following this log for good: it contradicted itself. What stands is kept and served."""
    tx.execute(update(tables.LOG).where(tables.LOG.c.id == log.id).values(halted=why))


class Appended(NamedTuple):
    """The tree behind an append; `read` gives the subtrees that proofs of the new entries are made of."""

    size: int
    root: bytes
    read: HashReader


def append(tx: Transaction, log: LogState, entries: Sequence[bytes]) -> Appended:
    """Hash `entries` into the tiles behind what is stored; the root is computed from what was read back.

    The entry rows themselves are written by `intake.enter` in the same transaction. Raises LogStopped where the
    stored tiles no longer lead to the last signed root.
    """
    edge = tiles.edge(tx, log.id, log.stored)
    frontier = Frontier.from_reader(log.stored, tile_reader(log.stored, edge))
    if log.stored == log.size and frontier.root() != log.root:
        raise LogStopped(f"the stored tree of {log.origin} no longer leads to its signed root at size {log.size}")
    leaves = [leaf_hash(entry) for entry in entries]
    read = grow(frontier, leaves)
    tiles.extend(tx, log.id, log.stored, leaves, edge)
    size = log.stored + len(entries)
    root = tree_root(size, tile_reader(size, tiles.edge(tx, log.id, size)))
    if root != frontier.root():
        raise LogStopped(f"the tree of {log.origin} reads back differently from what was written at size {size}")
    run(tx, "UPDATE log SET stored = ? WHERE id = ?", (size, log.id))
    return Appended(size, root, read)


def mirror(tx: Transaction, log: LogState, leaves: Sequence[bytes], root: bytes) -> int:
    """The same for entries of which it was proven that they lead to `root`. Returns the size; raises LogStopped where what stands does not."""
    size = log.stored + len(leaves)
    tiles.extend(tx, log.id, log.stored, list(leaves), tiles.edge(tx, log.id, log.stored))
    if tree_root(size, tile_reader(size, tiles.edge(tx, log.id, size))) != root:
        raise LogStopped(f"the tree of {log.origin} reads back differently from what was proven at size {size}")
    run(tx, "UPDATE log SET stored = ? WHERE id = ?", (size, log.id))
    return size


def reader(tx: Transaction, log: LogState, size: int) -> HashReader:
    """The stored tree at `size`, for roots and proofs."""
    return tile_reader(size, lambda path: tiles.read(tx, log.id, path))


def keep_checkpoint(tx: Transaction, log: LogState, size: int, root: bytes, note: bytes, seen: datetime) -> None:
    """Keep a signed checkpoint; the table refuses a second one of the same size. Seen again, it is nothing new."""
    run(tx, _KEEP if log.own else f"{_KEEP} ON CONFLICT DO NOTHING", (log.id, size, root, note, seen.isoformat()))


_KEEP = "INSERT INTO checkpoint (log_id, size, root, note, seen) VALUES (?, ?, ?, ?, ?)"


def kept_checkpoint(tx: Transaction, log: LogState, size: int) -> tuple[bytes, bytes] | None:
    """(root, note) of the checkpoint of that size, if one was ever kept."""
    where = (tables.CHECKPOINT.c.log_id == log.id, tables.CHECKPOINT.c.size == size)
    row = tx.execute(select(tables.CHECKPOINT.c.root, tables.CHECKPOINT.c.note).where(*where)).first()
    return None if row is None else (bytes(row[0]), bytes(row[1]))


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that the log signed, true or not."""

    size: int
    root: bytes
    note: bytes


def newest_time(tx: Transaction, origin: str) -> datetime | None:
    """When, by the clock of that moment, the largest checkpoint of this log was kept; None where there is none."""
    c = tables.CHECKPOINT.c
    query = select(c.seen).join(tables.LOG, tables.LOG.c.id == c.log_id).where(tables.LOG.c.origin == origin)
    seen = tx.execute(query.order_by(c.size.desc()).limit(1)).scalar()
    return None if seen is None else datetime.fromisoformat(seen)


def promised(tx: Transaction, log: LogState) -> list[Signed]:
    """Checkpoints kept beyond the head, smallest first: signed, but not all their entries are here yet."""
    c = tables.CHECKPOINT.c
    where = (c.log_id == log.id, c.size > log.size)
    rows = tx.execute(select(c.size, c.root, c.note).where(*where).order_by(c.size))
    return [Signed(row[0], bytes(row[1]), bytes(row[2])) for row in rows]


def promise(tx: Transaction, log: LogState, signed: Signed, seen: datetime) -> None:
    """Keep a checkpoint whose entries are not here: what was signed once binds, whether or not it is ever delivered."""
    if log.own:
        mark_ahead(tx, signed.size)  # an old copy, being filled again: it signs nothing until it holds that much
        return
    # A log may sign as many as it likes and deliver none; each one kept is one more to compare at every visit.
    if len(promised(tx, log)) < MAX_PROMISED:
        keep_checkpoint(tx, log, signed.size, signed.root, signed.note, seen)


def advance(tx: Transaction, log: LogState, size: int) -> None:
    """Make the kept checkpoint of `size` the head. All its entries must be stored."""
    run(tx, "UPDATE log SET size = ? WHERE id = ? AND stored >= ?", (size, log.id, size))


def rebuild(tx: Transaction, log: LogState) -> bytes:
    """The root at `log.size`, recomputed from the entries themselves: no stored hash is trusted at start.

    Raises LogStopped where entries, tiles and sizes do not belong together.
    """
    frontier, root, unfinished = Frontier(), EMPTY_ROOT, dict[tuple[int, int], list[bytes]]()
    for entry in entries(tx, log, 0, log.stored):
        for level, index, value in frontier.append(leaf_hash(entry)):
            if level % TILE_HEIGHT == 0:
                tile = (level // TILE_HEIGHT, index // TILE_WIDTH)
                hashes = unfinished.setdefault(tile, [])
                hashes.append(value)
                if len(hashes) == TILE_WIDTH:  # compared as soon as it is whole, so that memory stays flat
                    _same_tile(tx, log, tile, unfinished.pop(tile))
        if frontier.size == log.size:
            root = frontier.root()
    if not (frontier.size == log.stored and log.size == _largest_kept(tx, log)):
        raise LogStopped(
            f"{log.origin} has {frontier.size} entries of {log.stored} and is said to end at {log.size};"
            f" the largest checkpoint signed is of size {_largest_kept(tx, log)}"
        )
    for tile, hashes in unfinished.items():
        _same_tile(tx, log, tile, hashes)
    return root


def _same_tile(tx: Transaction, log: LogState, tile: tuple[int, int], hashes: list[bytes]) -> None:
    if tiles.stored(tx, log.id, *tile) != b"".join(hashes):
        raise LogStopped(f"tile {tile[0]}/{tile[1]} of {log.origin} is not that of its entries")


def _largest_kept(tx: Transaction, log: LogState) -> int:
    query = select(func.max(tables.CHECKPOINT.c.size)).where(tables.CHECKPOINT.c.log_id == log.id)
    return tx.execute(query).scalar() or 0


def entries(tx: Transaction, log: LogState, start: int, end: int) -> Iterator[bytes]:
    """The envelopes at positions [start, end), in order."""
    where = (tables.ENTRY.c.log_id == log.id, tables.ENTRY.c.index >= start, tables.ENTRY.c.index < end)
    for row in tx.execute(select(tables.ENTRY.c.envelope).where(*where).order_by(tables.ENTRY.c.index)):
        yield bytes(row[0])


def receipt(tx: Transaction, log: LogState, index: int) -> Receipt:
    """The receipt under the first checkpoint kept here that covers the entry: the same bytes each time it is asked for."""
    return next(receipts(tx, log, [index]))


def receipts(tx: Transaction, log: LogState, indexes: Collection[int]) -> Iterator[Receipt]:
    """The receipts of these entries, in the order of the log. Raises NotFound."""
    size, note, read = 0, b"", reader(tx, log, 0)
    for index in sorted(set(indexes)):
        if index >= size:  # else the checkpoint that covers the one before is also the first to cover this one
            found = fetch(tx, _COVERING, (log.id, index, log.size))
            if not found:
                raise NotFound(f"no checkpoint kept here covers entry {index} of {log.origin} yet")
            size, note = found[0]
            read = reader(tx, log, size)
        yield Receipt(index, prove_inclusion(index, size, read), bytes(note))


def covering(tx: Transaction, log: LogState, size: int) -> bytes:
    """The smallest checkpoint kept of at least that size; empty where none is."""
    c = tables.CHECKPOINT.c
    query = select(c.note).where(c.log_id == log.id, c.size >= size).order_by(c.size).limit(1)
    return bytes(tx.execute(query).scalar() or b"")


_COVERING = "SELECT size, note FROM checkpoint WHERE log_id = ? AND size > ? AND size <= ? ORDER BY size LIMIT 1"


def verdicts(tx: Transaction) -> dict[int, dict[str, int]]:
    """How many entries of each log were admitted, refused, are disputed, or wait: the many are told by counting the few."""
    e = tables.ENTRY.c
    counts: dict[int, dict[str, int]] = {}
    query = select(e.log_id, e.verdict, func.count()).where(e.code.is_not(None)).group_by(e.log_id, e.verdict)
    for log_id, verdict, number in tx.execute(query):
        counts.setdefault(log_id, {})[verdict] = number
    for log_id, stored in tx.execute(select(tables.LOG.c.id, tables.LOG.c.stored)):
        others = counts.setdefault(log_id, {})
        if admitted := stored - sum(others.values()):
            others["admitted"] = admitted
    return {log_id: counted for log_id, counted in counts.items() if counted}


class StoredLog:
    """A log out of the database, as C2SP tlog-tiles serves it: nothing beyond the published size (a `LogReader`)."""

    def __init__(self, db: Database, origin: str) -> None:
        self._db = db
        self._origin = origin

    def checkpoint(self) -> bytes:
        with self._db.read() as tx:
            note = log_of(tx, self._origin).note
        if note is None:
            raise NotFound(f"no checkpoint of {self._origin} has been seen here yet")
        return note

    def tile(self, path: TilePath) -> bytes:
        """Partial widths of earlier sizes stay available; so does every width up to what the published size holds."""
        with self._db.read() as tx:
            log = log_of(tx, self._origin)
            level = path.level if path.level is not None else 0
            if level * TILE_HEIGHT >= 64 or path.width > width_at(level, path.index, log.size):
                raise NotFound(f"{self._origin} has no such tile at size {log.size}")
            if path.level is not None:
                return tiles.read(tx, log.id, path)
            start = path.index * TILE_WIDTH
            return format_bundle(list(entries(tx, log, start, start + path.width)))
