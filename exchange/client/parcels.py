"""A parcel on its way to a node's door: as JSON where everything is small, streamed in parts where it is not (schemas/README.md section 16)."""

import secrets
from collections.abc import Callable, Iterator
from functools import partial

import orjson

from exchange.core.base64text import format_base64
from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.pack import Pack

MAX_SMALL_BODY = 2 * 1024 * 1024  # bytes of documents that still go as JSON: base64 and names bring it to under 4 MiB

Content = Callable[[], Iterator[bytes]]


def body_of(parcel: Pack) -> tuple[dict[str, str], Content]:
    """The headers that describe it, and its bytes as often as they are asked for."""
    if is_small(parcel):
        body = json_of(parcel)
        return {"Content-Type": "application/json", "Content-Length": str(len(body))}, lambda: iter((body,))
    # Not known to whoever wrote the documents, so that none of them can end its own part.
    boundary = secrets.token_hex(16)
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, partial(_parts, parcel, boundary)


def is_small(parcel: Pack) -> bool:
    """Whether it goes as JSON, and so in a batch."""
    sizes = [len(document.content) for document in parcel.documents]
    return max(sizes, default=0) <= SMALL_DOCUMENT and sum(sizes) <= MAX_SMALL_BODY


def json_of(parcel: Pack) -> bytes:
    """With its documents, in one line."""
    documents = [{**_opening(document), "content": format_base64(document.content)} for document in parcel.documents]
    return orjson.dumps({"envelope": format_base64(parcel.envelope), "documents": documents})


def _opening(document: Document) -> dict[str, str]:
    return {"slot": document.slot, "name": document.name, "opening": format_base64(document.opening)}


def _parts(parcel: Pack, boundary: str) -> Iterator[bytes]:
    """The envelope, then each document behind its opening."""
    yield _part(boundary, "envelope", "application/json") + parcel.envelope
    for document in parcel.documents:
        yield _part(boundary, "opening", "application/json") + orjson.dumps(_opening(document))
        yield _part(boundary, "content", "application/octet-stream")
        for at in range(0, len(document.content), SMALL_DOCUMENT):
            yield document.content[at : at + SMALL_DOCUMENT]
    yield f"\r\n--{boundary}--\r\n".encode()


def _part(boundary: str, name: str, media_type: str) -> bytes:
    return f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
