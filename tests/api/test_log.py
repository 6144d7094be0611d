"""The log over HTTP is exactly C2SP tlog-tiles (tlog.md 2.4 and 10, items 10 to 14)."""

import httpx
import pytest

from exchange.core.checkpoint import Checkpoint, verify_checkpoint
from exchange.core.merkle import leaf_hash, root_of, tree_root
from exchange.core.note import parse_vkey
from exchange.core.tiles import TilePath, authenticated_reader, format_tile_path, parse_bundle
from tests.api import ask, refused
from tests.world import Published, World, WorldNode

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def entries(world: World) -> list[Published]:
    """Three submissions, one after the other: the log was signed at the sizes 0 to 3."""
    return [world["XR"].publish(institution={"en": name}) for name in ("CERT", "Ministry", "Police")]


def signed(node: WorldNode) -> Checkpoint:
    vkey = parse_vkey(node.get("/v1/node").json()["log_vkey"])
    return verify_checkpoint(node.get("/log/checkpoint").content, vkey)


def test_the_checkpoint_is_the_note_that_the_log_key_signed(node: WorldNode, entries: list[Published]) -> None:
    response = node.get("/log/checkpoint")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cbm-federation"] == "trial"
    leaves = [leaf_hash(entry.parcel.envelope) for entry in entries]
    assert signed(node) == Checkpoint(node.origin, 3, root_of(leaves))
    assert node.get("/v1/node").json()["size"] == 3


def test_nobody_keeps_a_checkpoint_without_asking_again(node: WorldNode, entries: list[Published]) -> None:
    for headers in ({}, {"If-None-Match": node.get("/log/checkpoint").headers["etag"]}):
        assert node.get("/log/checkpoint", headers=headers).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {}', '"a,b" , W/{}', "*", " {} ", '{}, "x'])
def test_a_checkpoint_that_is_known_is_not_sent_again(node: WorldNode, entries: list[Published], known: str) -> None:
    etag = node.get("/log/checkpoint").headers["etag"]
    assert etag.startswith('"')
    answer = node.get("/log/checkpoint", headers={"If-None-Match": known.format(etag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert answer.headers["cbm-federation"] == "trial"


@pytest.mark.parametrize("known", ['"x"', "", "x", '""', '"', '"x", "y"', "W/"])
def test_another_checkpoint_than_the_known_one_is_sent(node: WorldNode, entries: list[Published], known: str) -> None:
    assert node.get("/log/checkpoint", headers={"If-None-Match": known}).status_code == 200
    etag = node.get("/log/checkpoint").headers["etag"].strip('"')
    assert node.get("/log/checkpoint", headers={"If-None-Match": etag}).status_code == 200


def test_known_etags_may_come_over_several_lines(node: WorldNode, entries: list[Published]) -> None:
    etag = node.get("/log/checkpoint").headers["etag"]
    assert ask(node, "GET", "/log/checkpoint", [("If-None-Match", '"x"'), ("If-None-Match", etag)]).status_code == 304


@pytest.mark.parametrize("width", [1, 2, 3])
def test_partial_tiles_of_every_signed_size_are_served(node: WorldNode, entries: list[Published], width: int) -> None:
    leaves = [leaf_hash(entry.parcel.envelope) for entry in entries]
    answer = node.get(f"/log/tile/0/000.p/{width}")
    assert answer.content == b"".join(leaves[:width])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["access-control-allow-origin"] == "*"
    bundle = node.get(f"/log/tile/entries/000.p/{width}")
    assert parse_bundle(bundle.content, width) == [entry.parcel.envelope for entry in entries[:width]]
    assert bundle.headers["content-type"] == "application/octet-stream"
    assert bundle.headers["cache-control"] == IMMUTABLE


def test_the_tiles_lead_to_the_signed_root(node: WorldNode, entries: list[Published]) -> None:
    def fetch(path: TilePath) -> bytes:
        answer = node.get(f"/log/tile/{format_tile_path(path)}")
        assert answer.status_code == 200
        return answer.content

    checkpoint = signed(node)
    assert tree_root(3, authenticated_reader(3, checkpoint.root, fetch)) == checkpoint.root


BEYOND = """
0/000.p/4 0/000.p/255 0/000 0/001 0/001.p/1 1/000 1/000.p/1 7/000.p/1 8/000.p/1 63/000 0/x999/999.p/1
entries/000.p/4 entries/000 entries/001.p/1
0/x036/x028/x797/x018/x963/967.p/255 63/x036/x028/x797/x018/x963/967
"""


@pytest.mark.parametrize("path", BEYOND.split())
def test_nothing_beyond_the_signed_size_is_served(node: WorldNode, entries: list[Published], path: str) -> None:
    refused(node.get(f"/log/tile/{path}"), 404, "not-found")


BAD_PATHS = """
0/000.p/256 0/000.p/0 0/000.p/01 0/000.p/001 00/000.p/1 0/0.p/1 0/00.p/1 0/0000.p/1 0/x000/000.p/1 0/x000.p/1
64/000.p/1 -1/000.p/1 0/-01.p/1 +0/000.p/1 0/+00.p/1 0/000.p/+1
0/000.p/ 0/000.p 0/000.p/1/ 0/000.p/1/2 0/000.p/1.p/1 0/000/ 0//000.p/1 0 0/ /
entries/000.p/0 entries/0.p/1 entries/x000/000.p/1 ENTRIES/000.p/1 Entries/000.p/1 data/000.p/1 8/0/000.p/1 8/data/000.p/1
0/000.p/1.gz 0/000.P/1 0/X000/000.p/1 0/000p/1 0/000.q/1 0/000.p/1_0 0/000.p/1e0 0x0/000.p/1 0/000.p/0x1 0/000.p/1;a=b
0/%30%30%30.p/1 %30/000.p/1 0%2F000.p/1 0/000%2Ep/1 0/000.p/1%0A 0/000.p/1%00 0/000.p/1%20
0/000.p/%D9%A1 %D9%A0/000.p/1 0/000.p/%C2%B9 ..%2Fcheckpoint %2e%2e/checkpoint
"""
ENDLESS = ["", "0/x" + "0" * 5000 + ".p/1", "0/" + "x001/" * 999 + "000", "0/000.p/" + "1" * 5000]


@pytest.mark.parametrize("path", [*BAD_PATHS.split(), *ENDLESS], ids=lambda path: path[:24] or "nothing")
def test_every_other_spelling_is_an_uncacheable_404(node: WorldNode, entries: list[Published], path: str) -> None:
    refused(node.get(f"/log/tile/{path}"), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["checkpoint/", "checkpoint%0A", "Checkpoint", "checkpoint.txt", "tile", "", "tiles/0/000.p/1"]
)
def test_a_log_has_no_other_paths(node: WorldNode, entries: list[Published], path: str) -> None:
    refused(node.get(f"/log/{path}"), 404, "not-found")


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"])
def test_head_answers_as_get_without_the_bytes(node: WorldNode, entries: list[Published], path: str) -> None:
    with httpx.Client(transport=node.world.wire) as client:
        head, whole = client.head(f"{node.url}/log/{path}"), client.get(f"{node.url}/log/{path}")
    assert head.status_code == 200 and head.content == b""
    assert head.headers == whole.headers and int(head.headers["content-length"]) == len(whole.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/2"])
def test_a_log_is_only_read(node: WorldNode, entries: list[Published], path: str, method: str) -> None:
    answer = ask(node, method, f"/log/{path}")
    refused(answer, 405, "http-405")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_tiles_are_never_compressed(node: WorldNode, entries: list[Published]) -> None:
    answer = node.get("/log/tile/entries/000.p/3", headers={"Accept-Encoding": "gzip, identity"})
    assert "content-encoding" not in answer.headers
    assert len(parse_bundle(answer.content, 3)) == 3


def test_the_checkpoint_of_an_empty_log_is_served_from_the_first_moment(world: World) -> None:
    assert signed(world["XA"]).size == 0
    refused(world["XA"].get("/log/tile/0/000"), 404, "not-found")
    refused(world["XA"].get("/log/tile/0/000.p/1"), 404, "not-found")
