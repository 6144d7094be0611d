"""A dead disk is not the end: the keys from the safe, anybody's peers.json and the mirrors bring the node back, byte for byte."""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from exchange.config import read_settings
from exchange.core.document import commit
from exchange.core.evidence import KIND
from exchange.core.merkle import leaf_hash
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.core.tiles import parse_bundle
from exchange.errors import Forked, Misuse
from exchange.federation.recover import Rebuilt
from exchange.node.anew import lay_out_anew
from tests.databases import fresh_database
from tests.faults import answering, forked, only
from tests.operate import rebuilt
from tests.world import Published, World, WorldNode


def dead(node: WorldNode, safe: Path) -> Path:
    """The keys lie in the safe; the disk is gone."""
    keys = Path(shutil.copytree(node.directory / "keys", safe))
    node.stop()
    shutil.rmtree(node.directory)
    return keys


def laid_out(node: WorldNode, keys: Path, participant: str | None = None) -> None:
    lay_out_anew(
        node.directory,
        keys=keys,
        peers=node.world["XA"].directory / "peers.json",
        participant=participant,
        listen=None,
        database=fresh_database(node.directory),
        now=node.world.now,
    )


def recovered(node: WorldNode, safe: Path) -> Rebuilt:
    laid_out(node, dead(node, safe))
    return rebuilt(node)


def reason(node: WorldNode) -> str:
    return str(node.get("/readyz").json()["reason"] or "")


def entries(node: WorldNode, number: int) -> list[bytes]:
    return parse_bundle(node.get(f"/log/tile/entries/000.p/{number}").content, number)


def documents(node: WorldNode, published: list[Published]) -> list[bytes]:
    found = [node.get(f"/v1/submissions/{one.id}/pack") for one in published]
    assert [answer.status_code for answer in found] == [200] * len(published)
    commitments = [commit(document.opening, document.content) for one in published for document in one.parcel.documents]
    return [node.get(f"/v1/documents/{commitment}").content for commitment in commitments]


def receipt(node: WorldNode, one: Published) -> bytes:
    return node.get(f"/v1/submissions/{one.id}/receipt").content


def test_log_documents_and_receipts_come_back_byte_for_byte(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        published = [node.publish()]
        world.pull()
        published.append(node.publish("ICT-03", attachments=(("plan.pdf", bytes(70_000)), ("a.pdf", b"small"))))
        world["XA"].pull()
        published += [node.publish(), node.publish()]
        world["XA"].pull()
        world["XI"].publish()
        node.pull()
        before = entries(node, 4), documents(node, published), node.get("/log/checkpoint").content
        result = recovered(node, tmp_path / "safe")
        assert (result.size, result.entries, result.lost, result.failed) == (4, 4, [], {})
        assert result.answered == {"XA": 4, "XI": 1}
        assert reason(node) == ""
        assert (entries(node, 4), documents(node, published), node.get("/log/checkpoint").content) == before
        for one in published:
            verify_receipt(parse_receipt(one.receipt), leaf_hash(entries(node, 4)[one.index]), node.running.node.vkey)
            assert receipt(node, one) == receipt(world["XA"], one)
            again = node.submit(one.parcel)
            assert (again.index, again.receipt) == (one.index, receipt(world["XA"], one))
        assert node.publish().index == 4
        world.pull()
        assert node.heads() == world["XA"].heads() == world["XI"].heads()
        assert [each.alerts() for each in world.nodes.values()] == [[], [], []]


def test_before_its_log_is_back_a_node_laid_out_anew_signs_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        laid_out(node, dead(node, tmp_path / "safe"), "XR")
        world["XA"].stop()
        world["XI"].stop()
        node.start()
        assert "was restored from its keys" in reason(node) and "0 of 2 witnesses answered, 2 are needed" in reason(
            node
        )
        assert node.get("/log/checkpoint").status_code == 404
        world["XA"].start()
        node.pull()
        assert "XA holds our log at size 1, this database ends at 0" in reason(node)
        world["XI"].start()
        assert rebuilt(node).size == 1
        assert reason(node) == "" and node.publish().index == 1


def test_what_was_interrupted_goes_on_and_what_no_mirror_held_is_said(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        published = [node.publish(), node.publish("ICT-03", attachments=(("plan.pdf", bytes(70_000)),))]
        world.pull()
        keys = dead(node, tmp_path / "safe")
        laid_out(node, keys)
        world["XA"].fault = only("/tile/entries/", answering(503))
        broken = rebuilt(node)
        assert broken.size == 0 and broken.seen == 2 and "XA" in broken.failed
        assert "size 2" in reason(node), "a head was signed, and its entries are not here"
        world["XA"].fault = only("/v1/documents", answering(503))
        said: list[str] = []
        short = rebuilt(node, said)
        assert (short.size, [(index, slot) for index, slot, _ in short.lost]) == (
            2,
            [(0, "body"), (1, "body"), (1, "a1")],
        )
        assert any("XA: its mirror ends at 2" in line for line in said)
        world["XA"].fault = None
        whole = rebuilt(node)
        assert (whole.entries, whole.documents, whole.lost) == (0, 3, [])
        assert documents(node, published) == documents(world["XA"], published)
        assert node.publish().index == 2


@pytest.mark.parametrize("more", [0, 1])
def test_mirrors_that_contradict_one_another_stop_it_with_evidence(tmp_path: Path, more: int) -> None:
    """The key had signed two histories before the disk died. Nobody may go on from either."""
    with World(tmp_path, "XR", "XA", "XI", audited=False) as world:
        node = world["XR"]
        with forked(node) as twin:
            node.publish(institution={"en": "One history"})
            world["XA"].pull()
            twin.speak()
            for number in range(1 + more):
                twin.publish(institution={"en": f"Another {number}"})
            world["XI"].pull()
            twin.be_silent()
        laid_out(node, dead(node, tmp_path / "safe"))
        with pytest.raises(Forked, match="two histories"):
            rebuilt(node)
        (alert,) = node.alerts()
        assert alert["kind"] == KIND
        assert "were signed with this node's own key" in reason(node)
        node.stop()
        node.start(alone=True)
        assert "were signed with this node's own key" in reason(node), "and no word of the operator changes that"


def test_a_stale_mirror_is_no_contradiction(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        node.publish()
        world.pull()
        node.publish()
        world["XI"].pull()
        result = recovered(node, tmp_path / "safe")
        assert result.answered == {"XA": 1, "XI": 2} and result.size == 2
        assert node.alerts() == []


def test_what_our_key_did_not_sign_says_nothing_about_us(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        node = world["XR"]
        node.publish()
        world.pull()

        def another(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
            if request.url.path.startswith("/mirror/") and request.url.path.endswith("/checkpoint"):
                return httpx.Response(200, content=world["XA"].get("/log/checkpoint").content, request=request)
            return real()

        world["XI"].fault = another
        result = recovered(node, tmp_path / "safe")
        assert result.answered == {"XA": 1} and "XI" in result.failed and result.size == 1
        world["XI"].fault = None


def test_nothing_is_laid_out_over_another_node_or_with_the_keys_of_another(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        node = world["XR"]
        with pytest.raises(Misuse, match="nothing is ever written over it"):
            laid_out(node, node.directory / "keys")
        keys = dead(node, tmp_path / "safe")
        with pytest.raises(Misuse, match="the record of XA is not there, or not one that"):
            laid_out(node, keys, "XA")
        shutil.copy(world["XA"].directory / "keys" / "witness.key", keys / "witness.key")
        with pytest.raises(Misuse, match=r"does not name witness\.key"):
            laid_out(node, keys)
        shutil.copy(world["XA"].directory / "keys" / "log.key", keys / "log.key")
        (keys / "transport.key").unlink()
        with pytest.raises(Misuse):
            laid_out(node, keys)
        assert not node.directory.exists(), "and nothing half done"
        own = dict(world.participants.records)
        assert sorted(own) == ["XA", "XR"]
        shutil.rmtree(keys)
        shutil.copytree(world["XA"].directory / "keys", keys)
        laid_out(node, keys)
        assert read_settings(node.directory).participant == "XA", "the keys say whose node it is"
        shutil.rmtree(node.directory)
        node.world.nodes.pop("XR")
