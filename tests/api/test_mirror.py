"""A mirror serves a peer's log byte for byte, under the participant's code and under the hash of the origin."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import httpx
import pytest

from tests.api import ask, refused
from tests.world import World, WorldNode

PATHS = [
    "checkpoint",
    "tile/0/000.p/1",
    "tile/0/000.p/2",
    "tile/0/000.p/3",
    "tile/entries/000.p/1",
    "tile/entries/000.p/3",
]


@dataclass
class Mirrored:
    """XA mirrors the three entries that XR had then; XR has published a fourth since, and XI has pulled nothing."""

    world: World
    originals: dict[str, httpx.Response]

    @property
    def mirror(self) -> WorldNode:
        return self.world["XA"]

    @property
    def names(self) -> list[str]:
        return ["XR", sha256(self.world["XR"].origin.encode()).hexdigest()]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    with World(tmp_path_factory.mktemp("mirrors"), "XR", "XA", "XI") as world:
        for number in range(3):
            world["XR"].publish("ICT-03", attachments=(("strategy.pdf", b"%PDF-1.4 " + bytes([number]) * 100_000),))
        originals = {path: world["XR"].get(f"/log/{path}") for path in PATHS}
        assert world["XA"].pull() == {"XR": None, "XI": None}
        world["XR"].publish()
        yield Mirrored(world, originals)


OF_THE_NODE = {"cbm-heads": "of all logs that a node holds, beside any checkpoint"}


@pytest.mark.parametrize("path", PATHS)
def test_a_mirror_is_its_log_byte_for_byte(mirrored: Mirrored, path: str) -> None:
    original = mirrored.originals[path]
    assert original.status_code == 200
    for name in mirrored.names:
        copy = mirrored.mirror.get(f"/mirror/{name}/{path}")
        assert copy.content == original.content
        assert {**copy.headers, **OF_THE_NODE} == {**original.headers, **OF_THE_NODE}


def test_a_mirrored_checkpoint_that_is_known_is_not_sent_again(mirrored: Mirrored) -> None:
    etag = mirrored.mirror.get("/mirror/XR/checkpoint").headers["etag"]
    assert mirrored.mirror.get("/mirror/XR/checkpoint", headers={"If-None-Match": etag}).status_code == 304


def test_a_mirror_serves_nothing_beyond_the_checkpoint_that_it_holds(mirrored: Mirrored) -> None:
    assert mirrored.world["XR"].get("/log/tile/0/000.p/4").status_code == 200
    for name in mirrored.names:
        for path in ("tile/0/000.p/4", "tile/entries/000.p/4", "tile/0/000", "tile/1/000.p/1"):
            refused(mirrored.mirror.get(f"/mirror/{name}/{path}"), 404, "not-found")


def test_a_log_of_which_nothing_was_seen_is_a_404(mirrored: Mirrored) -> None:
    for name in mirrored.names:
        for path in PATHS:
            refused(mirrored.world["XI"].get(f"/mirror/{name}/{path}"), 404, "not-found")


def test_the_node_mirrors_its_own_log_too(mirrored: Mirrored) -> None:
    node = mirrored.world["XR"]
    for name in mirrored.names:
        assert node.get(f"/mirror/{name}/checkpoint").content == node.get("/log/checkpoint").content


NAMES = """
xr Xr XR%00 XR%20 %58R XR%2F XR. ..%2fXR %2e%2e ZZ ORG-X origin * XR;a 0 {hash}0 0{hash} {upper} {half} {hash}%0A
{sha1} xr.test.example/log xr.test.example%2Flog http:%2F%2Fxr.test.example 1' 1%27%20OR%201=1
"""


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/1"])
def test_a_mirror_has_no_other_names(mirrored: Mirrored, name: str, path: str) -> None:
    known = mirrored.names[1]
    name = name.format(hash=known, upper=known.upper(), half=known[:32], sha1="a" * 40)
    refused(mirrored.mirror.get(f"/mirror/{name}/{path}"), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["", "/", "//checkpoint", "/XR", "/XR/", "/XR/tile", "/XR/tile/", "//tile/0/000.p/1", "/XR/log/checkpoint"]
)
def test_a_mirror_has_no_other_paths(mirrored: Mirrored, path: str) -> None:
    refused(mirrored.mirror.get(f"/mirror{path}"), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["0/000", "0/000.p/0", "0/000.p/256", "00/000.p/1", "64/000.p/1", "0/%30%30%30.p/1", "0/000.p/1%0A"]
)
def test_the_tiles_of_a_mirror_have_one_spelling(mirrored: Mirrored, path: str) -> None:
    refused(mirrored.mirror.get(f"/mirror/XR/tile/{path}"), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["/mirror/./XR/checkpoint", "/mirror/XR/../XR/checkpoint", "/mirror/../log/checkpoint", "/log/./checkpoint"]
)
def test_dots_lead_nowhere(mirrored: Mirrored, path: str) -> None:
    refused(ask(mirrored.mirror, "GET", path), 404, "not-found")


def test_a_mirror_is_only_read(mirrored: Mirrored) -> None:
    refused(ask(mirrored.mirror, "POST", "/mirror/XR/checkpoint"), 405, "http-405")
    refused(ask(mirrored.mirror, "PUT", "/mirror/XR/tile/0/000.p/1"), 405, "http-405")
