"""A parcel on its way to a real node's door, in both flavours: of any size, once whatever gets lost, refused with the reason."""

from pathlib import Path

import pytest

from exchange.client import Client, batches
from exchange.client.parcels import body_of
from exchange.core.document import SMALL_DOCUMENT, Document
from exchange.core.pack import Pack, parse_pack
from exchange.core.receipt import parse_receipt
from exchange.errors import ExchangeError, LogStopped, TooLarge, UnknownKey, Unreachable
from tests import key_named
from tests.client import Host, Losing, opened
from tests.client.conftest import Served
from tests.served import served
from tests.world import World, WorldNode


def test_a_small_parcel_goes_as_json_and_again_is_no_error(node: WorldNode, client: Client) -> None:
    parcel = node.parcel()
    recorded = client.submit(parcel)
    assert recorded["new"] is True and client.submit(parcel) == {**recorded, "new": False}
    assert parse_receipt(recorded["receipt"].encode()).index == recorded["index"]
    assert client.receipt(recorded["id"]).split(b"\n\n")[0] == recorded["receipt"].encode().split(b"\n\n")[0]


@pytest.mark.parametrize(
    "size", [0, 1, SMALL_DOCUMENT - 1, SMALL_DOCUMENT, SMALL_DOCUMENT + 1, SMALL_DOCUMENT * 2, 1_000_000]
)
def test_a_document_of_any_size_arrives(node: WorldNode, client: Client, size: int) -> None:
    parcel = node.parcel("ICT-03", attachments=(("strategy.pdf", bytes(size)),))
    assert parse_pack(client.pack(client.submit(parcel)["id"])).documents == parcel.documents


@pytest.mark.parametrize("last", [0, 65_000, SMALL_DOCUMENT])
@pytest.mark.parametrize("count", [30, 31, 47])
def test_many_small_documents_arrive(node: WorldNode, client: Client, count: int, last: int) -> None:
    """Three MiB of them are four in base64, and a little more than the door takes as JSON."""
    sizes = [SMALL_DOCUMENT] * count + [last]
    parcel = node.parcel("ICT-03", attachments=tuple((f"{n}.bin", bytes(size)) for n, size in enumerate(sizes)))
    assert client.submit(parcel)["new"] is True


def test_no_document_can_end_its_own_part(node: WorldNode, client: Client) -> None:
    """Whatever a document holds, even the boundary of an earlier submission, it arrives whole."""
    large = Pack(b"{}", (Document("a1", "a.bin", bytes(32), bytes(100_000)),), None, None)
    boundaries = {body_of(large)[0]["Content-Type"].partition("boundary=")[2] for _ in range(50)}
    assert len(boundaries) == 50 and all(len(boundary) == 32 for boundary in boundaries)
    inner = b'\r\n--%b\r\nContent-Disposition: form-data; name="opening"\r\n\r\n{}\r\n--%b--\r\n'
    content = b"".join(inner % (known.encode(), known.encode()) for known in sorted(boundaries))
    parcel = node.parcel("ICT-03", attachments=(("b.bin", content + bytes(100_000) + content),))
    assert parse_pack(client.pack(client.submit(parcel)["id"])).documents == parcel.documents


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_answer_that_got_lost_is_asked_for_again(there: Served, flavour: str, size: int) -> None:
    """The node has committed it by then: what is sent once more is the same entry."""
    parcel = there.node.parcel("ICT-03", attachments=(("a.bin", bytes(size)),))
    way = Losing(1)
    with opened(flavour, there.url, way) as client:
        recorded = client.submit(parcel)
        assert (recorded["new"], way.asked) == (False, 2)
        assert client.submit(parcel)["index"] == recorded["index"]
    with opened(flavour, there.url, Losing(2)) as client, pytest.raises(Unreachable):
        client.submit(there.node.parcel())


def test_a_reading_is_not_asked_for_again(there: Served, flavour: str) -> None:
    """What was written of a document cannot be taken back."""
    way = Losing(1)
    with opened(flavour, there.url, way) as client, pytest.raises(Unreachable):
        client.download(there.stock.commitments()[0], bytearray().extend)
    assert way.asked == 1


def test_a_node_that_only_reads_says_so(tmp_path: Path, flavour: str) -> None:
    with World(tmp_path, "XR") as world, served(world["XR"]) as url, opened(flavour, url) as client:
        parcel = world["XR"].parcel()
        world["XR"].running.node.appender.stop("the disk was full")
        with pytest.raises(LogStopped, match="the disk was full"):
            client.submit(parcel)


def test_a_large_refusal_reaches_who_is_still_sending(node: WorldNode, client: Client) -> None:
    """The server says no after the envelope, while twenty megabytes are still on their way; the reason is not lost."""
    good = node.parcel("ICT-03", attachments=(("a.bin", bytes(20_000_000)),))
    forged = node.parcel("ICT-03", attachments=(("a.bin", bytes(20_000_000)),), signers=(key_named("stranger"),))
    with pytest.raises(UnknownKey):
        client.submit(forged)
    recorded = client.submit(good)
    assert recorded["new"] is True and client.submit(good)["new"] is False
    assert parse_pack(client.pack(recorded["id"])).documents == good.documents


# --- many at once


def test_many_are_told_what_became_of_each(node: WorldNode, client: Client) -> None:
    old, fresh = node.parcel(), node.parcel()
    recorded = client.submit(old)
    forged = node.parcel(signers=(key_named("stranger"),))
    before, refused, new = list(client.submit_all([old, forged, fresh]))
    assert before == {**recorded, "new": False}
    assert isinstance(refused, UnknownKey)
    assert not isinstance(new, ExchangeError) and new["new"] is True
    assert client.receipt(new["id"]) == new["receipt"].encode()
    assert list(client.submit_all([])) == []


@pytest.mark.parametrize("bound", [("MAX_LINES", 3), ("MAX_BATCH", 9_000)], ids=lambda bound: bound[0])
def test_more_than_a_batch_takes_go_in_several(
    there: Served, flavour: str, bound: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, *bound)
    parcels = [there.node.parcel() for _ in range(8)]
    way = Losing(0)
    with opened(flavour, there.url, way) as client:
        outcomes = [one["new"] for one in client.submit_all(parcels) if not isinstance(one, ExchangeError)]
        assert outcomes == [True] * 8
        assert 3 <= way.asked <= 4


def test_a_batch_whose_answer_got_lost_is_sent_again(there: Served, flavour: str) -> None:
    parcels = [there.node.parcel() for _ in range(3)]
    with opened(flavour, there.url, Losing(1)) as client:
        assert [one["new"] for one in client.submit_all(parcels) if not isinstance(one, ExchangeError)] == [False] * 3


def test_a_large_one_goes_in_no_batch(there: Served, flavour: str) -> None:
    large = there.node.parcel("ICT-03", attachments=(("a.bin", bytes(SMALL_DOCUMENT + 1)),))
    way = Losing(0)
    with opened(flavour, there.url, way) as client, pytest.raises(TooLarge, match="parcel 2"):
        list(client.submit_all([there.node.parcel(), large]))
    assert way.asked == 0


GOOD = b'{"id":"","origin":"","index":0,"new":true,"receipt":""}\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        GOOD,
        GOOD * 3,
        GOOD + GOOD[:-1],
        GOOD + b"{}\n",
        GOOD + b"[]\n",
        GOOD + b'{"code":"malformed"}\n',
        GOOD + b"x\n",
    ],
)
@pytest.mark.once
def test_lines_that_answer_no_batch_are_nonsense(flavour: str, body: bytes) -> None:
    parcel = Pack(b"{}", (), None, None)
    with opened(flavour, "http://xr.example", Host(200, body)) as client, pytest.raises(Unreachable):
        list(client.submit_all([parcel, parcel]))
