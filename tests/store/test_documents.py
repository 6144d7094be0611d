"""Documents: bounded as they come, durable before they are named, and let out where they are public."""

from pathlib import Path

import pytest

from exchange.core.document import MAX_DOCUMENT, SMALL_DOCUMENT, commit
from exchange.core.statement import DocumentRef
from exchange.errors import Malformed, NotFound, TooLarge
from exchange.store import documents
from exchange.store.folder import Arrival, DocumentFolder
from tests import builders, key_named
from tests.store import Books

OPENING = key_named("an opening").seed


@pytest.fixture
def folder(books: Books) -> DocumentFolder:
    return DocumentFolder(books.folder / "data" / "documents")


def files(folder: DocumentFolder) -> list[Path]:
    return [path for path in folder.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, SMALL_DOCUMENT, SMALL_DOCUMENT + 1, 3 * SMALL_DOCUMENT])
def test_what_came_in_pieces_is_what_was_committed_to(folder: DocumentFolder, size: int) -> None:
    content = bytes(n % 251 for n in range(size))
    incoming = folder.receive("a1", "a.pdf", OPENING)
    for at in range(0, size, 10_000):
        incoming.write(content[at : at + 10_000])
    arrival = incoming.finish()
    assert (arrival.commitment, arrival.size) == (commit(OPENING, content), size)
    if size <= SMALL_DOCUMENT:
        assert arrival.content == content and files(folder) == []
    else:
        assert arrival.content is None and files(folder) == [folder.path(arrival.commitment)]
        assert folder.path(arrival.commitment).read_bytes() == content
        assert folder.path(arrival.commitment).stat().st_mode & 0o077 == 0


def test_25_mebibytes_are_the_end(folder: DocumentFolder) -> None:
    incoming = folder.receive("a1", "a.pdf", OPENING)
    piece = bytes(1024 * 1024)
    for _ in range(MAX_DOCUMENT // len(piece)):
        incoming.write(piece)
    with pytest.raises(TooLarge):
        incoming.write(b"1")
    incoming.discard()
    incoming.discard()
    assert files(folder) == []


def test_the_sweep_leaves_what_a_row_names(books: Books, folder: DocumentFolder) -> None:
    held, orphan = (folder.receive("a1", "a.pdf", key_named(name).seed) for name in ("held", "orphan"))
    for incoming in (held, orphan):
        incoming.write(bytes(SMALL_DOCUMENT + 1))
    arrival = held.finish()
    orphan.finish()
    (folder.folder / "incoming" / "half").write_bytes(b"what a node that died had received")
    with books.db.write() as tx:
        documents.hold(tx, [arrival], "XR")
        assert documents.sweep(tx, folder) == 2
        assert files(folder) == [folder.path(arrival.commitment)]
        assert documents.sweep(tx, folder) == 0


def small(slot: str, content: bytes = b"content") -> tuple[Arrival, DocumentRef]:
    document, ref = builders.document(slot, content)
    return Arrival.small(slot, document.name, document.opening, document.content), ref


def test_a_document_is_held_once_and_marks_every_slot(books: Books) -> None:
    arrival, ref = small("body")
    statements = [builders.statement("XR", documents=(ref,), issued=f"2026-11-20T09:30:0{n}Z") for n in range(2)]
    books.publish(*statements)
    log = books.log("XR")
    with books.db.write() as tx:
        assert documents.count_missing(tx) == {log.id: 2}
        assert documents.missing(tx, log.id, 10) == [
            (0, "body", ref.commitment, True),
            (1, "body", ref.commitment, True),
        ]
        assert documents.missing(tx, log.id, 1) == [(0, "body", ref.commitment, True)]
        assert documents.kept(tx, {ref.commitment}) == {}
        assert documents.hold(tx, [arrival], "XR")[1] == [(log.id, 0), (log.id, 1)]
        assert documents.hold(tx, [arrival], "XR")[1] == []
        assert documents.kept(tx, {ref.commitment}) == {ref.commitment: documents.Kept(1, arrival.content)}
        assert (documents.count_missing(tx), documents.missing(tx, log.id, 10)) == ({}, [])


def test_a_document_that_nobody_named_leaves_by_no_door(books: Books) -> None:
    arrival, _ = small("a1")
    with books.db.write() as tx:
        documents.hold(tx, [arrival], "XR")
        with pytest.raises(NotFound):
            documents.document(tx, arrival.commitment)
        assert documents.documents_between(tx, books.log("XR").id, 0, 100, limit=100) == []


def test_documents_of_refused_entries_leave_by_no_door(books: Books) -> None:
    """One node's refused entry may name a document that another entry brought; it gives no right to it."""
    arrival, ref = small("body")
    statement = builders.statement("XR", documents=(ref,), audience=("XA",))
    books.enter("XR", builders.signed(statement), documents=(arrival,))
    with books.db.read() as tx, pytest.raises(NotFound):
        documents.document(tx, arrival.commitment)


def test_documents_leave_in_log_order(books: Books) -> None:
    entries, arrivals = [], []
    for number in range(3):
        pairs = [small(slot, b"%d %s" % (number, slot.encode())) for slot in ("body", "body.fr", "a1", "a2", "a10")]
        arrivals += [arrival for arrival, _ in reversed(pairs)]
        refs = tuple(ref for _, ref in pairs)
        entries.append(builders.signed(builders.statement("XR", documents=refs, issued=f"2026-11-20T09:30:0{number}Z")))
    books.enter("XR", *entries, documents=tuple(arrivals))
    slots = ["body", "body.fr", "a1", "a2", "a10"]
    log = books.log("XR")
    with books.db.read() as tx:
        found = documents.documents_between(tx, log.id, 1, 3, limit=100)
        assert [(held.index, held.slot) for held in found] == [(n, slot) for n in (1, 2) for slot in slots]
        assert len(documents.documents_between(tx, log.id, 0, 3, limit=7)) == 7
        assert documents.documents_between(tx, log.id, 3, 9, limit=7) == []
        assert [held.slot for held in documents.documents_of(tx, log.id, 1)] == slots
        one = documents.document(tx, found[0].commitment)
    assert (one.content, commit(one.opening, one.content or b"")) == (b"1 body", found[0].commitment)


@pytest.mark.parametrize("commitment", ["", "0" * 63, "g" * 64, "AB" * 32, " " * 64, "../../../etc/passwd"])
def test_a_commitment_has_one_spelling(books: Books, commitment: str) -> None:
    with books.db.read() as tx, pytest.raises(Malformed):
        documents.document(tx, commitment)
