"""Large documents come as multipart: the envelope is judged first, each part in its turn, and nothing of a refused one stays."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest

from exchange.core.base64text import format_base64
from exchange.core.document import MAX_DOCUMENT
from exchange.core.pack import Pack
from tests import key_named
from tests.api import BOUNDARY, CLOSING, PARTS, URL, Answer, ask, kept, part, parts, refused
from tests.world import WorldNode

CHUNK = 64 * 1024
LARGE = b"%PDF-1.4 " + bytes(100_000)

Body = Callable[[Pack], Iterable[bytes]]


def large(node: WorldNode) -> Pack:
    """A return with a large attachment, and a small one after it."""
    return node.parcel("ICT-03", attachments=(("strategy.pdf", LARGE), ("annex.pdf", b"%PDF-1.5")))


def send(node: WorldNode, body: Iterable[bytes], headers: dict[str, str] = PARTS) -> Answer:
    return ask(node, "POST", URL, headers, body)


def endless(piece: bytes = bytes(CHUNK)) -> Iterator[bytes]:
    for _ in range(10_000):
        yield piece


def incoming(node: WorldNode) -> list[Path]:
    return list((node.running.settings.documents / "incoming").iterdir())


@pytest.mark.parametrize("size", [1, 7, 1000, CHUNK, 10**9])
def test_a_large_return_is_recorded_however_it_is_cut(node: WorldNode, size: int) -> None:
    parcel = large(node)
    whole = b"".join(parts(parcel)) + CLOSING
    if size < 1000:  # byte by byte, up to the large document
        head = len(b"".join(parts(parcel)[:4]))
        pieces = [whole[at : at + size] for at in range(0, head, size)]
        pieces += [whole[len(b"".join(pieces)) :]]
    else:
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    answer = send(node, pieces)
    assert answer.status_code == 201, answer.content
    documents = node.get(f"{URL}/{answer.json()['id']}").json()["documents"]
    served = [node.get(f"/v1/documents/{one['commitment']}").content for one in documents]
    assert served == [one.content for one in parcel.documents]
    assert incoming(node) == []


def test_the_preamble_and_the_line_before_it_do_not_matter(node: WorldNode) -> None:
    assert send(node, [b"".join(parts(large(node))).removeprefix(b"\r\n"), CLOSING]).status_code == 201
    assert send(node, [*parts(large(node)), CLOSING.removesuffix(b"\r\n")]).status_code == 201


@dataclass(frozen=True)
class Case:
    """What is sent in place of the right body, and how it is refused."""

    name: str
    body: Body
    status: int = 400
    code: str = "malformed"


def only(*sent: bytes) -> Body:
    return lambda parcel: sent


def changed(number: int, *pieces: bytes) -> Body:
    """One part is others, or none."""
    return lambda parcel: [*parts(parcel)[:number], *pieces, *parts(parcel)[number + 1 :], CLOSING]


def inserted(number: int, *pieces: bytes) -> Body:
    return lambda parcel: [*parts(parcel)[:number], *pieces, *parts(parcel)[number:], CLOSING]


def broken(count: int) -> Body:
    """Breaks off `count` bytes before its end."""
    return lambda parcel: [(b"".join(parts(parcel)) + CLOSING)[:-count]]


def opening(slot: str, name: str = "x.pdf", key: str | None = None) -> bytes:
    return part("opening", orjson.dumps({"slot": slot, "name": name, "opening": key or format_base64(bytes(32))}))


CASES = (
    Case("nothing", only()),
    Case("no part", only(CLOSING)),
    Case("only the envelope", lambda parcel: [parts(parcel)[0], CLOSING], 422, "documents-missing"),
    Case("only a boundary", only(f"--{BOUNDARY}\r\n".encode())),
    Case("JSON", only(b'{"envelope": "", "documents": []}')),
    Case("another boundary", lambda parcel: [b"".join(parts(parcel)).replace(b"boundary", b"boundery")]),
    Case("the envelope missing", lambda parcel: [*parts(parcel)[1:], CLOSING]),
    Case("the envelope second", lambda parcel: [parts(parcel)[1], parts(parcel)[0], *parts(parcel)[2:], CLOSING]),
    Case("the envelope twice", inserted(1, part("envelope", b"{}"))),
    Case("an envelope of nothing", changed(0, part("envelope"))),
    Case("an envelope without end", lambda parcel: [part("envelope"), *endless()], 413, "too-large"),
    Case("another part first", inserted(0, part("token", b"x"))),
    Case("another part between", inserted(1, part("comment", b"x"))),
    Case("another part last", inserted(7, part("file", b"x"))),
    Case("a part without name", inserted(1, f"\r\n--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\n".encode())),
    Case("a part without headers", inserted(1, f"\r\n--{BOUNDARY}\r\n\r\nx".encode())),
    Case("a name in no ASCII", inserted(1, part("envelopé", b"{}"))),
    Case("a name as RFC 2231 has it", inserted(1, part("x\"; name*=\"utf-8''opening", b"{}"))),
    Case("no opening", changed(1)),
    Case("an opening that is no JSON", changed(1, part("opening", b"{"))),
    Case(
        "an opening with a key twice", changed(1, part("opening", b'{"slot":"a","slot":"a","name":"a","opening":""}'))
    ),
    Case("an opening with a field more", changed(1, part("opening", b'{"slot":"a","name":"a","opening":"","x":1}'))),
    Case("an opening of 31 bytes", changed(1, opening("body", key=format_base64(bytes(31))))),
    Case("an opening without end", lambda parcel: [parts(parcel)[0], part("opening"), *endless()], 413, "too-large"),
    Case("a name that leads away", changed(1, opening("body", name="../../etc/passwd"))),
    Case("a name with a line break", changed(1, opening("body", name="a\r\nSet-Cookie: b"))),
    Case("another slot", changed(3, opening("a9")), 422, "documents-missing"),
    Case("an opening after the other", inserted(1, opening("body")), 422, "documents-missing"),
    Case("no content", changed(2), 422, "documents-missing"),
    Case("no content at the end", lambda parcel: [*parts(parcel)[:-1], CLOSING], 422, "documents-missing"),
    Case("another body", changed(2, part("content", b"{}")), 422, "wrong-commitment"),
    Case("another large document", changed(4, part("content", LARGE + b"x")), 422, "wrong-commitment"),
    Case("an empty document", changed(4, part("content")), 422, "wrong-commitment"),
    Case("the last one wrong", changed(6, part("content", b"%PDF-1.6")), 422, "wrong-commitment"),
    Case("the last one missing", lambda parcel: [*parts(parcel)[:-2], CLOSING], 422, "documents-missing"),
    Case("one more", inserted(7, opening("a3"), part("content")), 422, "documents-missing"),
    Case("breaks off before the last boundary", broken(len(CLOSING))),
    Case("breaks off within the last boundary", broken(len(CLOSING) - 9)),
    Case("breaks off before its hyphens", broken(4)),
    Case("breaks off within its hyphens", broken(3)),
    Case("breaks off in the small document", broken(len(CLOSING) + 4)),
    Case("breaks off in the large document", broken(50_000)),
    Case("breaks off after a part", lambda parcel: [*parts(parcel), f"\r\n--{BOUNDARY}\r\n".encode()]),
    Case("breaks off in a header", lambda parcel: [*parts(parcel), f"\r\n--{BOUNDARY}\r\nContent-Dis".encode()]),
    Case("a header without end", inserted(1, f"\r\n--{BOUNDARY}\r\n".encode(), *endless(b"x")), 413, "too-large"),
    Case("a value without end", inserted(1, f"\r\n--{BOUNDARY}\r\nX: ".encode(), *endless(b"x")), 413, "too-large"),
    Case("headers without end", inserted(1, f"\r\n--{BOUNDARY}\r\n".encode(), *endless(b"X-A: b\r\n"))),
    Case("a header of nothing", inserted(1, part("opening", b"", b": x\r\n"))),
    Case("a header with a NUL", inserted(1, part("opening", b"", b"X\0: x\r\n"))),
    Case("padding before the first part", lambda parcel: endless(b"\r\n" + bytes(CHUNK)), 413, "too-large"),
    Case("line breaks before the first part", lambda parcel: endless(b"\r\n" * CHUNK), 413, "too-large"),
    Case(
        "blanks behind a boundary",
        lambda parcel: [parts(parcel)[0], f"\r\n--{BOUNDARY}".encode(), *endless(b" " * CHUNK)],
        413,
        "too-large",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_other_body_is_refused_and_nothing_of_it_stays(node: WorldNode, case: Case) -> None:
    parcel = large(node)
    before = kept(node)
    answer = send(node, case.body(parcel))
    refused(answer, case.status, case.code)
    assert answer.taken < 2 * 1024 * 1024
    assert kept(node) == before and incoming(node) == []


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "; boundary=",
        '; boundary=""',
        "; bound=x",
        "; boundary*=utf-8''x",
        "; boundary=" + "x" * 300,
        "; boundary=\xff\xfe",
        ";;;=;",
        '; boundary="',
    ],
)
def test_a_boundary_that_is_none_is_refused_unread(node: WorldNode, kind: str) -> None:
    answer = send(node, endless(), {"Content-Type": "multipart/form-data" + kind})
    refused(answer, 400, "malformed")
    assert answer.taken <= CHUNK


def test_too_many_parts_are_refused(node: WorldNode) -> None:
    """More than any statement names: 203 parts, in one piece so that they are parsed before they are judged."""
    before = kept(node)
    many = b"".join([parts(large(node))[0], *[opening("body")] * 203, CLOSING])
    refused(send(node, [many]), 413, "too-large")
    assert kept(node) == before


def test_the_documents_of_a_refused_envelope_are_not_read(node: WorldNode) -> None:
    forged = node.parcel("ICT-03", attachments=(("s.pdf", LARGE),), signers=(key_named("stranger"),))
    envelope, *_ = parts(forged)
    answer = send(node, [envelope, opening("body"), part("content"), *endless()])
    refused(answer, 403, "unknown-key")
    assert answer.taken == len(envelope) + len(opening("body"))  # the boundary that ends the envelope stands there


def test_after_a_wrong_document_nothing_more_is_read(node: WorldNode) -> None:
    sent = parts(large(node))
    head = [*sent[:2], part("content", b"{}"), sent[3]]  # the boundary that ends the wrong body stands in the next part
    answer = send(node, [*head, *endless()])
    refused(answer, 422, "wrong-commitment")
    assert answer.taken == sum(map(len, head))


def test_a_document_over_25_mib_is_refused_at_the_limit_and_leaves_nothing(node: WorldNode) -> None:
    parcel = large(node)
    before = kept(node)
    written: list[int] = []

    def body() -> Iterator[bytes]:
        yield from parts(parcel)[:4]
        yield part("content")
        for piece in endless():
            written.append(sum(path.stat().st_size for path in incoming(node)))
            yield piece

    answer = send(node, body())
    refused(answer, 413, "too-large")
    head = sum(map(len, [*parts(parcel)[:4], part("content")]))
    assert head + MAX_DOCUMENT < answer.taken <= head + MAX_DOCUMENT + CHUNK
    # What came is on disk, not in memory: never more than a few pieces behind.
    assert all(len(written) * CHUNK > size >= (at - 4) * CHUNK for at, size in enumerate(written))
    assert kept(node) == before and incoming(node) == []


def test_a_document_of_exactly_25_mib_is_taken(node: WorldNode) -> None:
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", bytes(MAX_DOCUMENT)),))
    *head, content = parts(parcel)
    pieces = (content[at : at + CHUNK] for at in range(0, len(content), CHUNK))
    answer = send(node, [*head, *pieces, CLOSING])
    assert answer.status_code == 201
    listed = node.get(f"{URL}/{answer.json()['id']}").json()["documents"][1]
    assert (listed["size"], listed["held"]) == (MAX_DOCUMENT, True)


def test_who_hangs_up_in_a_document_leaves_nothing(node: WorldNode) -> None:
    before = kept(node)
    refused(ask(node, "POST", URL, PARTS, [*parts(large(node))[:5]], hang_up=True), 400, "malformed")
    assert kept(node) == before and incoming(node) == []


def test_a_large_document_is_no_body(node: WorldNode) -> None:
    """A body over 64 KiB would lie in a file, where no form judges it."""
    parcel = node.parcel(scope={"en": "x" * 20_000, "fr": "x" * 20_000, "de": "x" * 20_000, "it": "x" * 20_000})
    before = kept(node)
    refused(send(node, [*parts(parcel), CLOSING]), 422, "does-not-fit")
    assert kept(node) == before and incoming(node) == []


def test_what_the_log_itself_refuses_leaves_no_file(node: WorldNode) -> None:
    """The series is looked up last, in the transaction, when the documents are durable already."""
    parcel = node.parcel(
        "ICT-03",
        attachments=(("strategy.pdf", LARGE),),
        edit=lambda statement: replace(statement, message="update", series="0" * 64),
    )
    before = kept(node)
    refused(send(node, [*parts(parcel), CLOSING]), 422, "unknown-series")
    assert kept(node) == before and incoming(node) == []
