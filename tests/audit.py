"""Re-prove a node from its files: every test that ran a node ends with this. Shares nothing with what wrote the data but core and trust.

1. Every log's entries hash to the root of every checkpoint that was ever kept of it, and each is signed by the log's key.
2. The stored tiles are those of the entries.
3. Every verdict is the one that the door gives today, and an id counts once in a log.
4. Every held document is the one committed to; a large one lies in its file.
5. The registry holds the admitted entries, no more and no fewer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import verify_checkpoint
from exchange.core.document import commit
from exchange.core.dsse import parse_envelope
from exchange.core.merkle import leaf_hash, root_of
from exchange.core.note import parse_vkey
from exchange.core.statement import submission_id
from exchange.core.tiles import tiles_of
from exchange.errors import Malformed
from exchange.trust.admission import Admitted, Disputed, Refused, Waiting, admit
from exchange.trust.participants import Participants


def audit(directory: Path, participants: Participants, catalogue: Catalogue, url: str | None = None) -> None:
    """Raises AssertionError, which names the log and the entry. `url` is where the data lies, if no settings say so."""
    engine = create_engine(url or read_settings(directory).database_url)
    try:
        with engine.connect() as db:
            for log_id, origin, vkey, size, stored in _rows(db, "SELECT id, origin, vkey, size, stored FROM log"):
                query = 'SELECT "index", key, envelope, verdict, code FROM entry WHERE log_id = :log ORDER BY "index"'
                rows = _rows(db, query, log=log_id)
                assert [row[0] for row in rows] == list(range(stored)), f"{origin}: indexes are not 0..{stored - 1}"
                leaves = [leaf_hash(row[2]) for row in rows]
                _checkpoints(db, log_id, origin, vkey, size, leaves)
                _tiles(db, log_id, origin, stored, leaves)
                _verdicts(db, log_id, origin, rows, participants)
            _documents(db, directory / "data" / "documents")
    finally:
        engine.dispose()


def _rows(db: Connection, query: str, **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.execute(text(query), values)]


def _checkpoints(db: Connection, log_id: int, origin: str, vkey: str, size: int, leaves: Sequence[bytes]) -> None:
    kept = _rows(db, "SELECT size, root, note FROM checkpoint WHERE log_id = :log ORDER BY size", log=log_id)
    for at, root, note in kept:
        signed = verify_checkpoint(note, parse_vkey(vkey))
        assert (signed.origin, signed.size, signed.root) == (origin, at, root), (
            f"{origin}: the checkpoint row of size {at}"
        )
        if at <= len(leaves):
            assert root_of(leaves[:at]) == root, f"{origin}: the entries do not lead to the root signed at size {at}"
    if size:
        assert size in [row[0] for row in kept], f"{origin}: no checkpoint of its own size {size}"


def _tiles(db: Connection, log_id: int, origin: str, stored: int, leaves: Sequence[bytes]) -> None:
    for path in tiles_of(stored):
        assert path.level is not None
        span = 256**path.level
        first = path.index * 256
        expected = b"".join(root_of(leaves[n * span : (n + 1) * span]) for n in range(first, first + path.width))
        query = 'SELECT hashes FROM tile WHERE log_id = :log AND level = :level AND "index" = :index'
        found = _rows(db, query, log=log_id, level=path.level, index=path.index)
        assert found == [(expected,)], f"{origin}: tile {path}"


def _verdicts(
    db: Connection, log_id: int, origin: str, rows: Sequence[tuple[Any, ...]], participants: Participants
) -> None:
    seen: set[bytes] = set()
    for index, key, envelope, verdict, code in rows:
        try:
            own = bytes.fromhex(submission_id(parse_envelope(envelope).payload))
        except Malformed:
            own = None
        assert key == (None if own is None else _key(own)), f"{origin}: the key of entry {index}"
        expected: tuple[str, str | None]
        since = None
        match admit(envelope, origin, index, participants):
            case _ if own in seen:  # whatever the door says: that may change with the records, and this must not
                expected = ("refused", "duplicate-submission")
            case Admitted():
                expected = ("admitted", None)
            case Disputed(since=place):
                expected = ("disputed", "disputed")
                since = f"{place.index} {place.origin}"
            case Waiting():
                expected = ("waiting", "unknown-key")
            case Refused(code=why):
                expected = ("refused", why)
        assert (verdict, code) == expected, f"{origin}: entry {index} is {verdict} {code}, the door says {expected}"
        query = 'SELECT id, disputed, disputed IS NOT NULL AND (current OR in_force) FROM submission WHERE log_id = :log AND "index" = :index'
        registered = _rows(db, query, log=log_id, index=index)
        stays = verdict in ("admitted", "disputed")
        assert registered == ([(own, since, False)] if stays else []), f"{origin}: the registry row of entry {index}"
        if own is not None:
            seen.add(own)


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)


def _documents(db: Connection, folder: Path) -> None:
    query = (
        "SELECT d.id, d.key, d.commitment, d.size, d.content, o.key FROM document d JOIN opening o ON o.document = d.id"
    )
    held: dict[int, bytes] = {}
    for number, key, commitment, size, content, opening in _rows(db, query):
        name = commitment.hex()
        data = content if content is not None else (folder / name[:2] / name).read_bytes()
        assert len(data) == size and commit(opening, data) == name, f"document {name}"
        assert key == _key(commitment), f"the key of document {name}"
        held[number] = commitment
    assert len(held) == len(set(held.values())), "a document is held twice"
    assert [row[0] for row in _rows(db, "SELECT count(*) FROM document")] == [len(held)], "a document has no opening"
    slots = "SELECT t.commitment, t.key, t.document, t.erased, l.participant FROM slot t JOIN log l ON l.id = t.log_id"
    owners = {(document, participant) for _, _, document, _, participant in _rows(db, slots)}
    numbers = {commitment: number for number, commitment in held.items()}
    for commitment, key, document, erased, participant in _rows(db, slots):
        assert key == _key(commitment), f"the key of a slot of {commitment.hex()}"
        assert held.get(document) == (commitment if document is not None else None), f"slot of {commitment.hex()}"
        if document is None and erased is None:
            number = numbers.get(commitment)
            others = any(one == number for one, _ in owners) and (number, participant) not in owners
            assert number is None or others, f"{commitment.hex()} is held, and a slot says it is missing"
