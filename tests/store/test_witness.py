"""What a witness signed last only moves on, whatever asks for something else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from exchange.core.checkpoint import Checkpoint
from exchange.store.witness import (
    MAX_REFUSALS,
    WitnessHead,
    drop_refusal,
    keep_refusal,
    keep_witness_head,
    refusals,
    witness_head,
)
from tests.builders import origin_of
from tests.store import NOW, Books

HEAD = WitnessHead(Checkpoint(origin_of("XR"), 5, bytes(32)), b"note", 1_790_000_000, b"line")


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path, "XR", "XA")
    yield books
    books.close()


def keep(books: Books, head: WitnessHead) -> None:
    with books.db.write() as tx:
        keep_witness_head(tx, books.log("XR"), head)


def grown(size: int, root: bytes = bytes(32)) -> WitnessHead:
    return replace(HEAD, checkpoint=Checkpoint(origin_of("XR"), size, root))


def test_a_head_comes_back_and_moves_on(books: Books) -> None:
    for head in (grown(0), HEAD, HEAD, replace(HEAD, time=HEAD.time + 1), replace(grown(2**40), time=2**40)):
        keep(books, head)
        with books.db.read() as tx:
            assert witness_head(tx, books.log("XR")) == head
            assert witness_head(tx, books.log("XA")) is None


@pytest.mark.parametrize("head", [grown(4), replace(HEAD, time=HEAD.time - 1), grown(5, bytes([1]) * 32)])
def test_the_database_refuses_to_roll_a_witness_back(books: Books, head: WitnessHead) -> None:
    keep(books, HEAD)
    with pytest.raises(DBAPIError):
        keep(books, head)
    with books.db.read() as tx:
        assert witness_head(tx, books.log("XR")) == HEAD


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM witness_head", "UPDATE witness_head SET size = 1", "UPDATE witness_head SET log_id = log_id + 1"],
)
def test_a_hand_in_the_database_meets_its_refusal(books: Books, statement: str) -> None:
    keep(books, HEAD)
    with pytest.raises(DBAPIError), books.db.write() as tx:
        tx.execute(text(statement))


def test_refused_requests_are_kept_once_and_the_oldest_go(books: Books) -> None:
    with books.db.write() as tx:
        for number in [0, 0, *range(MAX_REFUSALS + 3)]:
            keep_refusal(tx, books.log("XR"), number, "bad-proof", b"request %d" % number, NOW)
        keep_refusal(tx, books.log("XA"), 7, "wrong-old-size", b"of another log", NOW)
    with books.db.read() as tx:
        kept = refusals(tx, books.log("XR"))
        assert [one.size for one in kept] == list(range(3, MAX_REFUSALS + 3))
        assert kept[0].request == b"request 3"
        assert len(refusals(tx, books.log("XA"))) == 1
    with books.db.write() as tx:
        drop_refusal(tx, kept[0])
        assert refusals(tx, books.log("XR")) == kept[1:]
