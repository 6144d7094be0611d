import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import pack as module
from exchange.core.document import MAX_DOCUMENT, Document
from exchange.core.dsse import MAX_ENVELOPE
from exchange.core.pack import MAX_DOCUMENTS, MAX_PACK, Pack, format_pack, parse_pack
from exchange.core.receipt import MAX_RECEIPT
from exchange.errors import Malformed, TooLarge
from tests.core import flipped
from tests.core.test_document import HOSTILE

OPENING = bytes(range(32))
BODY = Document("body", "Österreich – Rückmeldung.json", OPENING, b'{"title":"not stated"}')
FRENCH = Document("body.fr", "retour.json", OPENING[::-1], b"{}")
ANNEX = Document("a2", "annex.txt", bytes(32), b"")
LAST = Document("a10", "photo.jpg", b"\xff" * 32, b"PK\x03\x04PK\x05\x06" * 3)

PARCEL = Pack(b'{"payload":"..."}', (BODY, FRENCH, ANNEX, LAST), None, None)
EVIDENCE = replace(PARCEL, receipt=b"c2sp.org/tlog-proof@v1\n...", trust=b'{"root":"..."}')
GOOD = format_pack(EVIDENCE)
SMALL = format_pack(Pack(b"{}", (Document("body", "a", OPENING, b"x"),), b"r", b"t"))


def members(data: bytes = GOOD) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        return [(info.filename, zipped.read(info)) for info in zipped.infolist()]


def zipped_by_us(listed: list[tuple[str, bytes]]) -> bytes:
    """A zip in our one form of whatever members: only what they are can be wrong with it."""
    pieces = [module._local_header(name, content) + content for name, content in listed]
    return b"".join(pieces) + module._directory(listed)


def zipped_by_python(change: Callable[[zipfile.ZipInfo], None] = lambda info: None, comment: bytes = b"") -> bytes:
    """The good pack as Python's own zip library writes it, near to our form, with something changed in each member."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        zipped.comment = comment
        for name, content in members():
            info = zipfile.ZipInfo(name)
            info.create_system = 0
            change(info)
            zipped.writestr(info, content)
    return target.getvalue()


def test_the_builders_of_this_test_zip_the_good_pack() -> None:
    assert zipped_by_us(members()) == GOOD


@pytest.mark.parametrize("receipt", [None, b"", b"a receipt"])
@pytest.mark.parametrize("trust", [None, b"", b"{}"])
@pytest.mark.parametrize("documents", [(), (BODY,), (ANNEX, LAST), (BODY, FRENCH, ANNEX, LAST)])
def test_a_pack_comes_back(receipt: bytes | None, trust: bytes | None, documents: tuple[Document, ...]) -> None:
    pack = Pack(b"{}", documents, receipt, trust)
    data = format_pack(pack)
    assert parse_pack(data) == pack
    assert format_pack(parse_pack(data)) == data


def test_a_parcel_is_a_pack_without_proof() -> None:
    assert parse_pack(format_pack(PARCEL)) == PARCEL
    assert [name for name, _ in members(format_pack(PARCEL))][:2] == ["envelope.json", "documents/body.opening.json"]


def test_other_tools_see_the_members_in_the_order_of_the_contract() -> None:
    assert [name for name, _ in members()] == [
        "envelope.json",
        "receipt.tlog-proof",
        "trust.json",
        "documents/body.opening.json",
        "documents/body",
        "documents/body.fr.opening.json",
        "documents/body.fr",
        "documents/a2.opening.json",
        "documents/a2",
        "documents/a10.opening.json",
        "documents/a10",
    ]
    found = dict(members())
    assert found["envelope.json"] == EVIDENCE.envelope and found["documents/body"] == BODY.content
    assert json.loads(found["documents/body.opening.json"]) == {
        "name": "Österreich – Rückmeldung.json",
        "opening": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }
    with zipfile.ZipFile(io.BytesIO(GOOD)) as zipped:
        assert zipped.testzip() is None
        assert {info.date_time for info in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_one_flipped_bit_anywhere_is_refused() -> None:
    for data in (GOOD, SMALL):
        for changed in flipped(data):
            with pytest.raises(Malformed):
                parse_pack(changed)


def test_every_shorter_pack_is_refused() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(Malformed):
            parse_pack(GOOD[:end])


@pytest.mark.parametrize("more", [b"\x00", b"\n", b"trailing", GOOD, GOOD[-22:], b"PK\x03\x04", b"MZ"])
def test_bytes_before_or_after_are_refused(more: bytes) -> None:
    for data in (more + GOOD, GOOD + more):
        with pytest.raises(Malformed):
            parse_pack(data)


def test_bytes_between_the_members_and_the_directory_are_refused() -> None:
    start = GOOD.index(b"PK\x01\x02")
    for more in (b"\x00", b"hidden", GOOD[:30]):
        data = GOOD[:start] + more + GOOD[start:-6] + struct.pack("<LH", start + len(more), 0)
        with pytest.raises(Malformed):
            parse_pack(data)


def test_nothing_may_hide_in_a_comment() -> None:
    end = GOOD[:-2] + struct.pack("<H", 6) + b"hidden"
    assert zipfile.ZipFile(io.BytesIO(end)).comment == b"hidden"
    with pytest.raises(Malformed):
        parse_pack(end)
    with pytest.raises(Malformed):
        parse_pack(zipped_by_python(comment=b"hidden"))


CHANGES: dict[str, Callable[[zipfile.ZipInfo], None]] = {
    "deflated": lambda info: setattr(info, "compress_type", zipfile.ZIP_DEFLATED),
    "packed by bzip2": lambda info: setattr(info, "compress_type", zipfile.ZIP_BZIP2),
    "packed by LZMA": lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA),
    "dated": lambda info: setattr(info, "date_time", (2026, 11, 20, 9, 30, 0)),
    "with an extra field": lambda info: setattr(info, "extra", struct.pack("<HH4s", 0xCAFE, 4, b"time")),
    "with a comment": lambda info: setattr(info, "comment", b"hidden"),
    "with permissions": lambda info: setattr(info, "external_attr", 0o777 << 16),
    "as a symbolic link": lambda info: setattr(info, "external_attr", 0o120777 << 16),
    "from Unix": lambda info: setattr(info, "create_system", 3),
    "with a folder before it": lambda info: setattr(info, "filename", f"pack/{info.filename}"),
    "in a parent folder": lambda info: setattr(info, "filename", f"../{info.filename}"),
    "with a name in UTF-8": lambda info: setattr(info, "filename", f"é{info.filename}"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_members_in_another_form_are_refused(change: Callable[[zipfile.ZipInfo], None]) -> None:
    data = zipped_by_python(change)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None, "another tool reads it; we do not"
    with pytest.raises(Malformed):
        parse_pack(data)


def test_one_compressed_member_among_stored_ones_is_refused() -> None:
    def deflate_body(info: zipfile.ZipInfo) -> None:
        if info.filename == "documents/body":
            info.compress_type = zipfile.ZIP_DEFLATED

    with pytest.raises(Malformed, match="compressed"):
        parse_pack(zipped_by_python(deflate_body))


def test_a_zip_bomb_is_refused_unopened() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        zipped.writestr("envelope.json", bytes(50_000_000))
    assert len(target.getvalue()) < 100_000
    with pytest.raises(Malformed, match="compressed"):
        parse_pack(target.getvalue())


def test_a_streamed_member_with_its_sizes_behind_it_is_refused() -> None:
    class Pipe(io.RawIOBase):
        """A place to write that cannot go back, so that sizes come in a data descriptor."""

        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, piece: Any) -> int:
            self.data += bytes(piece)
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as zipped:
        zipped.writestr("envelope.json", b"{}")
    with pytest.raises(Malformed):
        parse_pack(pipe.data)


def patched(data: bytes, at: int, form: str, value: int) -> bytes:
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (4, "<H", 45),  # version needed: zip64
        (6, "<H", 0x0001),  # encrypted
        (6, "<H", 0x0800),  # another alphabet for names
        (8, "<H", 8),  # deflated
        (18, "<L", 0xFFFFFFFF),  # sizes elsewhere, in a zip64 field
        (22, "<L", 0xFFFFFFFF),
        (22, "<L", 0),
        (22, "<L", 1),
        (18, "<L", len(GOOD)),
        (22, "<L", len(GOOD)),  # overlaps all that follows
        (26, "<H", 0xFFFF),
        (26, "<H", 0),
        (28, "<H", 20),  # an extra field that swallows the content
    ],
)
def test_a_lying_local_header_is_refused(at: int, form: str, value: int) -> None:
    with pytest.raises(Malformed):
        parse_pack(patched(GOOD, at, form, value))


def test_the_directory_may_not_tell_another_story_than_the_members() -> None:
    listed = members()
    body = b"".join(module._local_header(name, content) + content for name, content in listed)
    others = [
        listed[:-1],
        listed[1:],
        [*listed, listed[-1]],
        list(reversed(listed)),
        [("envelope.json", b"{}"), *listed[1:]],
        [],
    ]
    for other in others:
        with pytest.raises(Malformed):
            parse_pack(body + module._directory(other))


def test_overlapping_members_are_refused() -> None:
    """A quoted overlap: the directory names one stretch of bytes twice, as dense zip bombs do."""
    directory = GOOD.index(b"PK\x01\x02")
    first_entry = GOOD[directory : directory + 46 + len("envelope.json")]
    size = len(GOOD) - 22 - directory + len(first_entry)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 12, 12, size, directory, 0)
    with pytest.raises(Malformed):
        parse_pack(GOOD[:-22] + first_entry + end)


def test_a_zip64_end_is_refused() -> None:
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 11, 11, 100, 100)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(GOOD) - 22, 1)
    with pytest.raises(Malformed):
        parse_pack(GOOD[:-22] + end64 + locator + GOOD[-22:])


def test_a_member_that_comes_twice_is_refused() -> None:
    listed = members()
    for number, member in enumerate(listed):
        for place in {number, number + 1, len(listed)}:
            with pytest.raises(Malformed):
                parse_pack(zipped_by_us([*listed[:place], member, *listed[place:]]))
    pair = listed[3:5]
    with pytest.raises(Malformed):
        parse_pack(zipped_by_us([*listed[:5], *pair, *listed[5:]]))


def test_a_missing_member_is_refused_where_it_is_needed() -> None:
    listed = members()
    optional = {"receipt.tlog-proof", "trust.json"}
    for number, (name, _) in enumerate(listed):
        data = zipped_by_us(listed[:number] + listed[number + 1 :])
        if name in optional:
            assert format_pack(parse_pack(data)) == data
        else:
            with pytest.raises(Malformed):
                parse_pack(data)


def test_members_in_another_order_are_refused() -> None:
    listed = members()
    for number in range(len(listed) - 1):
        swapped = [*listed[:number], listed[number + 1], listed[number], *listed[number + 2 :]]
        with pytest.raises(Malformed):
            parse_pack(zipped_by_us(swapped))
    with pytest.raises(Malformed):  # pairs kept together, slots in another order
        parse_pack(zipped_by_us([*listed[:3], *listed[5:7], *listed[3:5], *listed[7:]]))


@pytest.mark.parametrize(
    "name",
    [
        "../documents/body",
        "documents/../../etc/passwd",
        "documents/../body",
        "/documents/body",
        "documents\\body",
        "documents//body",
        "documents/./body",
        "documents/",
        "documents/body/",
        "documents/body2",
        "documents/a0",
        "documents/a100",
        "documents/BODY",
        "documents/body\x00",
        "documents/body.opening.json",
        "Documents/body",
        "notes.txt",
        "envelope.json",
        "",
        "x" * 60_000,
    ],
)
def test_a_member_of_any_other_name_is_refused(name: str) -> None:
    listed = members()
    for number in range(len(listed)):
        if listed[number][0] == name:
            continue
        renamed = [*listed[:number], (name, listed[number][1]), *listed[number + 1 :]]
        with pytest.raises(Malformed) as caught:
            parse_pack(zipped_by_us(renamed))
        assert len(str(caught.value)) < 500
    with pytest.raises(Malformed):
        parse_pack(zipped_by_us([*listed, (name, b"more")]))


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"name":"a"}',
        b'{"opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","name":"a"}',
        b'{"name":"a","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","more":1}',
        b'{"name":"a","name":"a","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        b'{"name": "a","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        b'{"name":"a","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="}',
        b'{"name":"a","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="}',
        b'{"name":"a","opening":""}',
        b'{"name":"a","opening":null}',
        b'{"name":1,"opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        b'{"name":"' + b"a" * 3_000 + b'","opening":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        b"[" * 2_000,
    ],
)
def test_another_spelling_of_an_opening_is_refused(opening: bytes) -> None:
    listed = [(name, opening if name == "documents/body.opening.json" else content) for name, content in members()]
    with pytest.raises(Malformed):
        parse_pack(zipped_by_us(listed))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_name_is_neither_read_nor_written(name: str) -> None:
    with pytest.raises(Malformed):
        format_pack(replace(PARCEL, documents=(replace(BODY, name=name),)))
    spelt = json.dumps({"name": name, "opening": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, ensure_ascii=False)
    opening = spelt.replace('": "', '":"').replace('", "', '","').encode("utf-8", "surrogatepass")
    listed = [(member, opening if member == "documents/body.opening.json" else data) for member, data in members()]
    with pytest.raises(Malformed):
        parse_pack(zipped_by_us(listed))


@pytest.mark.parametrize(
    "documents",
    [
        (FRENCH, BODY),
        (LAST, ANNEX),
        (BODY, BODY),
        (replace(BODY, slot="../x"),),
        (replace(BODY, slot=""),),
        (replace(BODY, opening=OPENING[:-1]),),
        tuple(replace(BODY, slot=f"body.{a}{b}") for a in "abcdefgh" for b in "abcdefghijklmnopq")[: MAX_DOCUMENTS + 1],
    ],
)
def test_what_would_not_be_read_is_not_written(documents: tuple[Document, ...]) -> None:
    with pytest.raises(Malformed):
        format_pack(replace(PARCEL, documents=documents))


def test_as_many_documents_as_a_statement_can_name_fit() -> None:
    slots = [f"body.{a}{b}" for a in "abc" for b in "abcdefghij"][: MAX_DOCUMENTS - 99] + [
        f"a{n}" for n in range(1, 100)
    ]
    pack = Pack(b"{}", tuple(replace(BODY, slot=slot) for slot in slots), b"", b"")
    assert len(pack.documents) == MAX_DOCUMENTS
    assert parse_pack(format_pack(pack)) == pack


def test_sizes_are_bounded() -> None:
    with pytest.raises(TooLarge):
        format_pack(replace(PARCEL, envelope=bytes(MAX_ENVELOPE + 1)))
    with pytest.raises(TooLarge):
        format_pack(replace(PARCEL, receipt=bytes(MAX_RECEIPT + 1)))
    with pytest.raises(TooLarge):
        parse_pack(zipped_by_us([("envelope.json", bytes(MAX_ENVELOPE + 1))]))
    large = replace(BODY, content=bytes(MAX_DOCUMENT))
    assert parse_pack(format_pack(replace(PARCEL, documents=(large,)))).documents == (large,)
    with pytest.raises(TooLarge):
        format_pack(replace(PARCEL, documents=(replace(BODY, content=bytes(MAX_DOCUMENT + 1)),)))
    eleven = tuple(replace(large, slot=f"a{number}") for number in range(1, 12))
    with pytest.raises(TooLarge):
        format_pack(replace(PARCEL, documents=eleven))
    with pytest.raises(TooLarge):
        parse_pack(bytes(MAX_PACK + 1))


def test_thousands_of_members_are_refused_before_all_are_read() -> None:
    member = module._local_header("envelope.json", b"")
    with pytest.raises(Malformed, match="at most"):
        parse_pack(member * 100_000)


def test_reading_changes_nothing() -> None:
    data = bytearray(GOOD)
    assert parse_pack(bytes(data)) == EVIDENCE
    assert bytes(data) == GOOD


def test_a_right_checksum_does_not_make_a_member_right() -> None:
    content = b"{} "
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 1, zlib.crc32(content), 3, 3, 13, 0)
    with pytest.raises(Malformed, match="header"):
        parse_pack(header + b"envelope.json" + content)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"PK\x03\x04" + data))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_pack(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40), st.binary(max_size=40))
@settings(max_examples=300)
def test_any_stretch_replaced_is_refused(start: int, length: int, instead: bytes) -> None:
    data = GOOD[:start] + instead + GOOD[start + length :]
    if data == GOOD:
        return
    with pytest.raises(Malformed):
        parse_pack(data)


@given(st.binary(max_size=100), st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=50), st.binary())
def test_every_pack_comes_back(envelope: bytes, receipt: bytes | None, trust: bytes | None, content: bytes) -> None:
    pack = Pack(envelope, (replace(BODY, content=content), replace(ANNEX, content=content[::-1])), receipt, trust)
    assert parse_pack(format_pack(pack)) == pack
