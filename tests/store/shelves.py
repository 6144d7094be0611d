"""Submissions with something to read in them, as they come through the door of the store."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.search import parse_query
from exchange.core.statement import submission_id
from exchange.store import documents
from exchange.store.folder import Arrival
from exchange.store.fulltext import index_some
from exchange.store.query import Filter
from exchange.store.search import search
from tests import builders
from tests.store import Books

_second = iter(range(1_000_000))


def arrivals(made: Iterable[Document]) -> list[Arrival]:
    return [Arrival.small(one.slot, one.name, one.opening, one.content) for one in made]


def put(
    books: Books,
    body: Any = None,
    *,
    participant: str = "XR",
    held: Iterable[str] | None = None,
    attached: Mapping[str, str] | None = None,
    bodies: Mapping[str, Any] | None = None,
    **changes: Any,
) -> tuple[str, list[Document]]:
    """Publish a return with that body (JSON, or bytes as they are), with translations and attachments by slot; `held` slots are here.

    Returns its id, and all its documents.
    """
    content = body if isinstance(body, bytes) else orjson.dumps({"said": body})
    made = [builders.document("body", content, opening=_opening())]
    for slot, other in (bodies or {}).items():
        made.append(builders.document(slot, orjson.dumps({"said": other}), opening=_opening(), language=slot[5:]))
    for slot, name in (attached or {}).items():
        made.append(builders.document(slot, b"content of " + slot.encode(), opening=_opening(), name=name))
    number = next(_second)
    issued = f"2026-11-{1 + number // 86_400:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    refs = tuple(ref for _, ref in made)
    entry = builders.signed(builders.statement(participant, **{"issued": issued, "documents": refs, **changes}))
    here = [one for one, _ in made if held is None or one.slot in held]
    books.enter(participant, entry, documents=tuple(arrivals(here)))
    return submission_id(parse_envelope(entry).payload), [one for one, _ in made]


def _opening() -> bytes:
    return next(_second).to_bytes(32, "big")


def deliver(books: Books, *made: Document) -> None:
    """Documents that were missing come."""
    with books.db.write() as tx:
        documents.hold(tx, arrivals(made), "XR")


def catch_up(books: Books) -> None:
    while index_some(books.db):
        pass


def asked(books: Books, question: str, **filters: Any) -> list[str]:
    """The ids of what is found, newest first, of one page."""
    limit = filters.pop("limit", 100)
    with books.db.read() as tx:
        return [state.id for state in search(tx, Filter(**filters), parse_query(question), limit=limit)]
