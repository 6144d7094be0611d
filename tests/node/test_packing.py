"""The evidence pack that a node hands out: everything that it holds of a submission, and no more."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.core.pack import parse_pack
from exchange.core.receipt import format_receipt
from exchange.errors import NotFound
from exchange.node.packing import pack_of, receipt_of
from exchange.trust.participants import parse_participants
from exchange.trust.verdict import check_pack
from tests.world import World

LARGE = (("strategy.pdf", b"%PDF-1.4 " + bytes(100_000)), ("note.txt", b"small"))


def without_documents(request: httpx.Request, real: Any) -> httpx.Response:
    return httpx.Response(404, request=request) if "/v1/documents" in request.url.path else real()


def test_a_pack_holds_what_was_submitted_and_what_proves_it(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        published = world["XR"].publish("ICT-03", attachments=LARGE)
        world["XR"].publish()
        world.pull()
        for node in world.nodes.values():
            pack = parse_pack(pack_of(node.running.node, published.id))
            assert (pack.envelope, pack.documents) == (published.parcel.envelope, published.parcel.documents)
            assert pack.receipt is not None and pack.trust is not None
            assert pack.receipt == format_receipt(receipt_of(node.running.node, published.id))
            assert set(parse_participants(pack.trust).records) == {"XR"}
            verdict = check_pack(pack, [world.participants], world.catalogue)
            assert verdict.holds and verdict.vouched
        assert format_receipt(receipt_of(world["XR"].running.node, published.id)) == published.receipt


def test_a_receipt_stays_the_same_as_the_log_grows(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        first = world["XR"].publish()
        before = pack_of(world["XR"].running.node, first.id)
        world["XR"].publish()
        assert format_receipt(receipt_of(world["XR"].running.node, first.id)) == first.receipt
        assert pack_of(world["XR"].running.node, first.id) == before


def test_a_pack_of_a_node_that_lacks_the_documents_says_so(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        published = world["XR"].publish("ICT-03", attachments=LARGE)
        world["XR"].fault = without_documents
        world["XA"].pull()
        pack = parse_pack(pack_of(world["XA"].running.node, published.id))
        assert pack.documents == ()
        lines = [check.line for check in check_pack(pack, [world.participants], world.catalogue).checks]
        assert sum("is not in the pack" in line for line in lines) == 3


def test_there_is_no_pack_of_what_is_not_in_the_registry(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        for question in (pack_of, receipt_of):
            with pytest.raises(NotFound):
                question(world["XR"].running.node, "0" * 64)
