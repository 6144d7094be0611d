"""Documents leave a node by two doors: one by its commitment, and many in log order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import orjson
import pytest

from exchange.core.base64text import parse_base64
from exchange.core.document import SMALL_DOCUMENT, commit
from tests.api import URL, refused
from tests.world import Published, World, WorldNode

LARGE = b"<script>" + bytes(range(256)) * 400


@dataclass
class Library:
    """Returns with small and large documents of XR, mirrored by XA; XR has published one more since."""

    world: World
    made: list[Published]

    @property
    def nodes(self) -> list[WorldNode]:
        return [self.world["XR"], self.world["XA"]]

    def commitments(self, number: int) -> list[str]:
        documents = self.made[number].parcel.documents
        return [commit(document.opening, document.content) for document in documents]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with World(tmp_path_factory.mktemp("library"), "XR", "XA") as world:
        node = world["XR"]
        made = [node.publish(), node.publish("ICT-03", attachments=(("Стратегия.html", LARGE), ("empty.txt", b"")))]

        def as_page(statement: Any) -> Any:
            body, page, empty = statement.documents
            return replace(statement, documents=(body, replace(page, media_type="text/html"), empty))

        made.append(node.publish("ICT-03", attachments=(("page.html", LARGE + b"2"), ("b.txt", b"b")), edit=as_page))
        made.append(
            node.publish(
                attachments=(
                    ("largest small.bin", bytes(SMALL_DOCUMENT)),
                    ("smallest large.bin", bytes(SMALL_DOCUMENT + 1)),
                )
            )
        )
        assert world["XA"].pull() == {"XR": None}
        made.append(node.publish())
        yield Library(world, made)


def test_a_document_proves_itself_with_its_opening(library: Library) -> None:
    for node in library.nodes:
        for number in range(4):
            for commitment, document in zip(
                library.commitments(number), library.made[number].parcel.documents, strict=True
            ):
                answer = node.get(f"/v1/documents/{commitment}")
                assert answer.content == document.content
                assert commit(parse_base64(answer.headers["cbm-opening"], length=32), answer.content) == commitment
                assert int(answer.headers["content-length"]) == len(document.content)


def test_a_document_is_never_shown_always_saved(library: Library) -> None:
    page = library.commitments(2)[1]
    for node in library.nodes:
        answer = node.get(f"/v1/documents/{page}")
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["cbm-federation"] == "trial"


def test_a_name_of_any_script_travels_in_ascii(library: Library) -> None:
    for node in library.nodes:
        answer = node.get(f"/v1/documents/{library.commitments(1)[1]}")
        encoded = "%D0%A1%D1%82%D1%80%D0%B0%D1%82%D0%B5%D0%B3%D0%B8%D1%8F.html"
        assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{encoded}"


@pytest.mark.parametrize("number", [1, 2], ids=["small", "large"])
def test_a_document_that_is_held_is_not_sent_again(library: Library, number: int) -> None:
    for node in library.nodes:
        path = f"/v1/documents/{library.commitments(2)[number]}"
        etag = node.get(path).headers["etag"]
        again = node.get(path, headers={"If-None-Match": f'"x", W/{etag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    "ranges", ["bytes=0-9", "bytes=abc", "bytes=", "bytes=999999999-", "lines=1-2", "bytes=9-0", "x", "bytes=0-0,2-2"]
)
@pytest.mark.parametrize("number", [1, 2], ids=["small", "large"])
def test_a_document_comes_whole_or_not_at_all(library: Library, number: int, ranges: str) -> None:
    for node in library.nodes:
        answer = node.get(f"/v1/documents/{library.commitments(2)[number]}", headers={"Range": ranges})
        assert answer.status_code == 200
        assert answer.content == library.made[2].parcel.documents[number].content


@pytest.mark.parametrize(
    "spelt", ["{upper}", "{short}", "{whole}00", "{short} ", "%20{whole}", "z{short}", "%00{whole}", "abc", "0x{whole}"]
)
def test_a_commitment_has_one_spelling(library: Library, spelt: str) -> None:
    whole = library.commitments(0)[0]
    spelt = spelt.format(whole=whole, upper=whole.upper(), short=whole[:-1])
    refused(library.world["XR"].get(f"/v1/documents/{spelt}"), 400, "malformed")


def test_a_document_that_is_not_here_is_a_404(library: Library) -> None:
    refused(library.world["XR"].get(f"/v1/documents/{'0' * 64}"), 404, "not-found")
    refused(library.world["XA"].get(f"/v1/documents/{library.commitments(4)[0]}"), 404, "not-found")
    refused(library.world["XR"].get("/v1/documents/"), 404, "not-found")


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b"" or answer.content.endswith(b"\n")
    return [orjson.loads(line) for line in answer.content.splitlines()]


def test_the_stream_is_in_log_order_then_in_the_statements(library: Library) -> None:
    for node, count in zip(library.nodes, (5, 4), strict=True):
        found = lines(node.get("/v1/documents?participant=XR"))
        expected = [
            (made.index, document.slot, commitment, document.name, document.opening, len(document.content))
            for number, made in enumerate(library.made[:count])
            for commitment, document in zip(library.commitments(number), made.parcel.documents, strict=True)
        ]
        fields = ("index", "slot", "commitment", "name")
        assert [
            (*(line[name] for name in fields), parse_base64(line["opening"]), line["size"]) for line in found
        ] == expected


def test_the_stream_carries_small_documents_and_only_names_large_ones(library: Library) -> None:
    contents = {
        commitment: document.content
        for number, made in enumerate(library.made)
        for commitment, document in zip(library.commitments(number), made.parcel.documents, strict=True)
    }
    for node in library.nodes:
        for line in lines(node.get("/v1/documents?participant=XR")):
            content = contents[line["commitment"]]
            assert (line["content"] is None) == (len(content) > SMALL_DOCUMENT)
            assert line["content"] is None or parse_base64(line["content"]) == content


@pytest.mark.parametrize(
    ("asked", "indexes"),
    [
        ("", {0, 1, 2, 3, 4}), ("&from=0", {0, 1, 2, 3, 4}), ("&from=1", {1, 2, 3, 4}), ("&from=4", {4}), ("&from=5", set()),
        ("&to=0", set()), ("&to=1", {0}), ("&to=5", {0, 1, 2, 3, 4}), ("&to=6", {0, 1, 2, 3, 4}), (f"&to={2**53 - 1}", {0, 1, 2, 3, 4}),
        ("&from=1&to=3", {1, 2}), ("&from=3&to=1", set()), ("&from=2&to=2", set()), (f"&from={2**53 - 1}&to={2**53 - 1}", set()),
        ("&origin=xr.test.example/log&from=4", {4}),
    ],
)  # fmt: skip
def test_the_stream_covers_the_entries_asked_for(library: Library, asked: str, indexes: set[int]) -> None:
    found = lines(library.world["XR"].get(f"/v1/documents?participant=XR{asked}"))
    assert {line["index"] for line in found} == indexes


@pytest.mark.parametrize(
    "asked",
    ["", "?from=0", "?participant=XR&from=-1", "?participant=XR&to=-1", "?participant=XR&from=x", "?participant=%00"],
)
def test_a_stream_of_nothing_in_particular_is_refused(library: Library, asked: str) -> None:
    refused(library.world["XR"].get(f"/v1/documents{asked}"), 400, "malformed")


@pytest.mark.parametrize(
    "asked",
    ["ZZ", "xr", "XR&origin=xa.test.example/log", "XR&origin=nowhere", "XR&origin=", "XA&origin=xr.test.example/log"],
)
def test_a_stream_of_a_log_that_is_not_the_participants_is_a_404(library: Library, asked: str) -> None:
    refused(library.world["XR"].get(f"/v1/documents?participant={asked}"), 404, "not-found")


def test_the_document_state_of_a_submission_says_what_is_held(library: Library) -> None:
    for node in library.nodes:
        for number in range(4):
            documents = node.get(f"{URL}/{library.made[number].id}").json()["documents"]
            assert [document["commitment"] for document in documents] == library.commitments(number)
            assert all(document["held"] for document in documents)


def test_a_stream_longer_than_a_batch_is_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Batches are of 256 documents, and entries of 13 documents do not end where batches do."""
    with World(tmp_path_factory.mktemp("batches"), "XR") as world:
        node = world["XR"]
        attachments = tuple((f"{number}.txt", bytes([number])) for number in range(12))
        for _ in range(41):
            node.publish("ICT-03", attachments=attachments)
        found = lines(node.get("/v1/documents?participant=XR"))
        slots = ["body", *(f"a{number}" for number in range(1, 13))]
        assert [(line["index"], line["slot"]) for line in found] == [
            (index, slot) for index in range(41) for slot in slots
        ]
        assert len({line["commitment"] for line in found}) == 41 * 13
