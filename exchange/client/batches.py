"""Many parcels on their way to a node's door: a batch in a request, one a line, and what became of each (schemas/README.md section 16)."""

from collections.abc import Iterable, Iterator
from typing import Any

from exchange.client.answers import Recorded, fault
from exchange.client.parcels import is_small, json_of
from exchange.client.wire import LONG_SECONDS, MAX_JSON, MAX_PROBLEM, Ask, Beginning, Page, Whole, refusal_in
from exchange.core.jsontext import parse_json
from exchange.core.pack import Pack
from exchange.errors import ExchangeError, Malformed, TooLarge

MAX_LINES = 1_000  # of one batch
MAX_BATCH = 8 * 1024 * 1024  # bytes after which another batch begins: with its last line, it is under what a node takes

Outcome = Recorded | ExchangeError


def submit_all(parcels: Iterable[Pack]) -> Ask[Page[Outcome]] | None:
    """The first batch of them, from whose answer the next follows; None where there are no parcels. Raises TooLarge."""
    lines = []
    for number, parcel in enumerate(parcels, 1):
        if not is_small(parcel):
            raise TooLarge(f"parcel {number} has large documents, with which it goes by itself and in no batch")
        lines.append(json_of(parcel))
    return _ask(_batches(lines))


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == MAX_LINES or size + len(line) > MAX_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield batch


def _ask(batches: Iterator[list[bytes]]) -> Ask[Page[Outcome]] | None:
    """Sent once more where the connection breaks off: what arrives twice is one entry."""
    batch = next(batches, None)
    if batch is None:
        return None
    body = b"".join([line + b"\n" for line in batch])

    def read(beginning: Beginning, answer: bytes) -> Page[Outcome]:
        lines = answer.split(b"\n")
        if lines.pop() != b"" or len(lines) != len(batch):
            raise beginning.nonsense(f"{len(batch)} lines were expected")
        return Page([_outcome(beginning, line) for line in lines], _ask(batches))

    headers = {"Content-Type": "application/x-ndjson", "Content-Length": str(len(body))}
    return Ask(
        "/v1/submissions",
        lambda beginning: Whole(beginning, MAX_JSON, read),
        "POST",
        headers,
        lambda: iter((body,)),
        LONG_SECONDS,
        times=2,
    )


def _outcome(beginning: Beginning, line: bytes) -> Outcome:
    try:
        value: Any = parse_json(line, limit=MAX_PROBLEM)
    except Malformed as error:
        raise beginning.nonsense(str(error)) from None
    if fault(Recorded, value) is None:
        recorded: Recorded = value
        return recorded
    refused = refusal_in(value)
    if refused is None:
        raise beginning.nonsense("a receipt or a problem was expected on each line")
    return refused
