"""A log that grows past 256 entries: tiles become full, a level is added, and no partial tile that was signed goes away."""

import pytest

from exchange.core.checkpoint import Checkpoint, verify_checkpoint
from exchange.core.merkle import leaf_hash, root_of, tree_root
from exchange.core.note import parse_vkey
from exchange.core.tiles import TilePath, authenticated_reader, format_tile_path, parse_bundle, tiles_of
from tests.api.conftest import AROUND, Crowd

SERVED = {
    0: "",
    255: "0/000.p/1 0/000.p/255 entries/000.p/255",
    256: "0/000.p/1 0/000.p/255 0/000 1/000.p/1 entries/000.p/255 entries/000",
    257: "0/000.p/1 0/000.p/255 0/000 0/001.p/1 1/000.p/1 entries/000.p/255 entries/000 entries/001.p/1",
    258: "0/000.p/1 0/000.p/255 0/000 0/001.p/1 0/001.p/2 1/000.p/1"
    " entries/000.p/255 entries/000 entries/001.p/1 entries/001.p/2",
}


@pytest.mark.parametrize("size", SERVED)
def test_exactly_the_tiles_of_the_signed_size_exist(crowd: Crowd, size: int) -> None:
    served = SERVED[size].split()
    assert crowd.seen[size] == {path: 200 if path in served else 404 for path in AROUND}


def test_a_full_tile_is_256_hashes(crowd: Crowd) -> None:
    leaves = [leaf_hash(entry) for entry in crowd.entries]
    assert crowd.node.get("/log/tile/0/000").content == b"".join(leaves[:256])
    assert crowd.node.get("/log/tile/0/001.p/2").content == b"".join(leaves[256:258])
    assert crowd.node.get("/log/tile/1/000.p/1").content == root_of(leaves[:256])


def test_bundles_hold_the_envelopes(crowd: Crowd) -> None:
    assert parse_bundle(crowd.node.get("/log/tile/entries/000").content, 256) == crowd.entries[:256]
    assert parse_bundle(crowd.node.get("/log/tile/entries/001.p/2").content, 2) == crowd.entries[256:258]


def test_a_partial_tile_stays_what_it_was(crowd: Crowd) -> None:
    whole = crowd.node.get("/log/tile/0/000").content
    for width in range(1, 256):
        assert crowd.node.get(f"/log/tile/0/000.p/{width}").content == whole[: 32 * width]


@pytest.mark.parametrize("size", [255, 256, 257, 258])
def test_the_tiles_lead_to_every_root_that_was_signed(crowd: Crowd, size: int) -> None:
    def fetch(path: TilePath) -> bytes:
        return crowd.node.get(f"/log/tile/{format_tile_path(path)}").content

    vkey = parse_vkey(crowd.node.get("/v1/node").json()["log_vkey"])
    signed = verify_checkpoint(crowd.checkpoints[size], vkey)
    assert signed == Checkpoint(crowd.node.origin, size, root_of([leaf_hash(entry) for entry in crowd.entries[:size]]))
    assert tree_root(size, authenticated_reader(size, signed.root, fetch)) == signed.root
    for path in tiles_of(size):
        assert crowd.node.get(f"/log/tile/{format_tile_path(path)}").status_code == 200
