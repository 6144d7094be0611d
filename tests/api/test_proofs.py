"""Envelope, receipt and pack leave the node as they stand in the log, and verify with nothing but files."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exchange.core.dsse import parse_envelope
from exchange.core.merkle import leaf_hash
from exchange.core.note import parse_vkey
from exchange.core.pack import parse_pack
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.core.statement import parse_statement, submission_id
from exchange.trust.participants import parse_participants
from exchange.trust.verdict import check_pack
from tests.api import URL, refused
from tests.world import Published, World, WorldNode

LARGE = b"%PDF-1.4 " + bytes(range(256)) * 400


@dataclass
class Proven:
    """A return with a large attachment, on its own node and on one that mirrors it."""

    world: World
    made: Published

    def paths(self, kind: str) -> Iterator[tuple[WorldNode, str]]:
        for code in ("XR", "XA"):
            yield self.world[code], f"{URL}/{self.made.id}/{kind}"


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proven]:
    with World(tmp_path_factory.mktemp("proofs"), "XR", "XA") as world:
        made = world["XR"].publish("ICT-03", attachments=(("strategy.pdf", LARGE),))
        world["XR"].publish()
        world.pull()
        yield Proven(world, made)


def test_the_envelope_is_the_entry_of_the_log(proven: Proven) -> None:
    for node, path in proven.paths("envelope"):
        answer = node.get(path)
        assert answer.content == proven.made.parcel.envelope
        assert answer.headers["content-type"] == "application/vnd.dsse.envelope.v1+json"
        assert submission_id(parse_envelope(answer.content).payload) == proven.made.id
        assert parse_statement(parse_envelope(answer.content).payload).participant == "XR"


def test_the_receipt_leads_to_a_checkpoint_that_the_log_signed(proven: Proven) -> None:
    vkey = parse_vkey(proven.world["XR"].get("/v1/node").json()["log_vkey"])
    for node, path in proven.paths("receipt"):
        answer = node.get(path)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        receipt = parse_receipt(answer.content)
        checkpoint = verify_receipt(receipt, leaf_hash(proven.made.parcel.envelope), vkey)
        assert (checkpoint.origin, receipt.index) == (proven.world["XR"].origin, proven.made.index)
    assert proven.world["XR"].get(f"{URL}/{proven.made.id}/receipt").content == proven.made.receipt


def test_the_pack_verifies_under_an_anchor_from_outside_and_not_without(proven: Proven) -> None:
    anchor, catalogue = proven.world.participants, proven.world.catalogue
    for node, path in proven.paths("pack"):
        answer = node.get(path)
        assert answer.headers["content-type"] == "application/zip"
        pack = parse_pack(answer.content)
        assert [document.content for document in pack.documents] == [
            one.content for one in proven.made.parcel.documents
        ]
        vouched, alone = check_pack(pack, [anchor], catalogue), check_pack(pack, [], catalogue)
        assert (vouched.holds, vouched.vouched, vouched.id) == (True, True, proven.made.id)
        assert (alone.holds, alone.vouched) == (True, False)
        assert pack.trust is not None and set(parse_participants(pack.trust).records) == {"XR"}


@pytest.mark.parametrize("kind", ["envelope", "receipt", "pack"])
def test_a_proof_is_a_download_that_is_not_sent_twice(proven: Proven, kind: str) -> None:
    for node, path in proven.paths(kind):
        answer = node.get(path)
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert answer.headers["cache-control"] == "no-cache"
        for known in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}'):
            again = node.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
        assert node.get(path, headers={"If-None-Match": '"x"'}).content == answer.content


def test_a_pack_that_nobody_could_hold_is_refused(proven: Proven, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven documents of 25 MiB are more than a pack holds; the limit is lowered here, so that the test is not slow."""
    from exchange.node import packing

    monkeypatch.setattr(packing, "MAX_PACK", len(LARGE))
    for node, path in proven.paths("pack"):
        refused(node.get(path), 413, "too-large")
