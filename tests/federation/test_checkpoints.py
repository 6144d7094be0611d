"""What a peer serves as its checkpoint is believed under the log's key alone, and anything else is told once."""

from collections.abc import Callable
from pathlib import Path

import httpx

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import EMPTY_ROOT
from exchange.core.note import ED25519, Vkey, sign_note
from tests import key_named
from tests.faults import (
    Real,
    answer,
    answering,
    asked_of,
    convicted,
    log_key,
    many,
    note_of,
    only,
    peer_log,
    puller_of,
    serving,
    sign_into,
)
from tests.world import World, WorldNode

ROOT = key_named("a root").seed
Forgery = Callable[[WorldNode, bytes], bytes]


def signed_text(edit: Callable[[bytes], bytes]) -> Forgery:
    """The log's own key under another text."""
    return lambda node, note: sign_note(edit(note.split(b"\n\n")[0] + b"\n"), node.origin, log_key(node))


def size_in(text: bytes) -> bytes:
    return b"\n" + text.split(b"\n")[1] + b"\n"


def raw_note(node: WorldNode, text: bytes) -> bytes:
    """Signed as it stands; our own `sign_note` refuses to make such a thing."""
    key = log_key(node)
    keyid = Vkey(node.origin, ED25519, key.public).keyid
    line = f"— {node.origin} {format_base64(keyid + key.sign(text))}\n"
    return text + b"\n" + line.encode()


FORGERIES: dict[str, Forgery] = {
    "unsigned": lambda node, note: note.split(b"\n\n")[0] + b"\n",
    "without its signature line": lambda node, note: note.split(b"\n\n")[0] + b"\n\n",
    "another key": lambda node, note: sign_checkpoint(Checkpoint(node.origin, 9, ROOT), key_named("a forger")),
    "another log's": lambda node, note: sign_checkpoint(Checkpoint("xa.test.example/log", 9, ROOT), log_key(node)),
    "another origin under the log's name": signed_text(lambda text: text.replace(b"xr.test", b"xa.test")),
    "one bit of the root": lambda node, note: note.replace(note.split(b"\n")[2], format_base64(ROOT).encode()),
    "the size alone": lambda node, note: note.replace(size_in(note), b"\n999\n"),
    "an extension line": signed_text(lambda text: text + b"timestamp 1\n"),
    "carriage returns": lambda node, note: raw_note(node, note.split(b"\n\n")[0].replace(b"\n", b"\r\n") + b"\r\n"),
    "carriage returns in transit": lambda node, note: note.replace(b"\n", b"\r\n"),
    "a leading zero": signed_text(lambda text: text.replace(size_in(text), b"\n0" + size_in(text)[1:])),
    "a size of 2^63": signed_text(lambda text: text.replace(size_in(text), f"\n{2**63}\n".encode())),
    "a known key that fails": lambda node, note: note + note_of(node, 5, ROOT).splitlines(keepends=True)[-1],
    "a page of HTML": lambda node, note: b"<!doctype html><title>Bad gateway</title>",
    "nothing": lambda node, note: b"",
    "no text at all": lambda node, note: b"\xff\x00" * 500,
}


def test_a_bad_checkpoint_is_told_once_and_changes_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        for number, (what, forgery) in enumerate(FORGERIES.items()):
            sign_into(xr, *many(xr, 1, first=number))
            served = forgery(xr, xr.get("/log/checkpoint").content)
            xr.fault = serving(served)
            for _ in range(2):
                assert xa.pull()["XR"] is not None, what
            alerts = xa.alerts()
            assert len(alerts) == number + 1, what
            told = (alerts[-1]["kind"], alerts[-1]["participant"], alerts[-1]["origin"])
            assert told == ("bad-checkpoint/v1", "XR", xr.origin), what
            assert parse_base64(alerts[-1]["evidence"]["served"]) == served, what
            assert xa.heads()[1]["size"] == number, what
            (peer,) = xa.get("/v1/peers").json()["items"]
            assert peer["failures"] == 2 and peer["error"], what
            xr.fault = None
            world.pull()
            assert xa.heads() == xr.heads(), what


def test_nonsense_that_changes_with_each_visit_is_still_one_alert(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        for number in range(4):
            world["XR"].fault = serving(f"<title>It is {number} o'clock</title>".encode())
            world["XA"].pull()
        assert len(world["XA"].alerts()) == 1


def test_lines_by_unknown_keys_are_ignored_and_not_handed_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        signed = world["XR"].get("/log/checkpoint").content
        greased = signed + "— witness.example/x AAAAAAAAAAAA\n".encode()
        world["XR"].fault = serving(greased)
        assert world["XA"].pull()["XR"] is None
        assert world["XA"].get("/mirror/XR/checkpoint").content == signed, "nobody here has verified the other line"
        world["XR"].fault = None
        assert world["XA"].pull()["XR"] is None
        assert world["XA"].alerts() == []


def test_an_empty_tree_with_a_root_convicts_by_itself(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        lie = signed_text(lambda text: text.replace(format_base64(EMPTY_ROOT).encode(), format_base64(ROOT).encode()))
        world["XR"].fault = serving(lie(world["XR"], note_of(world["XR"], 0, EMPTY_ROOT)))
        assert "signed two histories" in str(world["XA"].pull()["XR"])
        assert convicted(world["XA"], world["XR"]) == (0, 0)


def test_not_modified_is_an_answer_to_a_condition_only(tmp_path: Path) -> None:
    """Else a peer could hide its log for ever, and every visit would look like a good one."""
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        world["XR"].fault = answering(304)
        assert "304" in str(world["XA"].pull()["XR"])
        world["XR"].fault = only("/log/tile/", answering(304))
        assert "304" in str(world["XA"].pull()["XR"])
        assert world["XA"].alerts() == []


def test_a_hostile_etag_is_not_sent_back(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        note = world["XR"].get("/log/checkpoint").content
        sent = []
        for etag in ('"é"', "no quotes", '"' + "x" * 200 + '"', '"a", "b"', "*"):

            def listen(request: httpx.Request, real: Real, etag: str = etag) -> httpx.Response:
                sent.append(request.headers.get("if-none-match"))
                return answer(request, 200, note, {b"ETag": etag.encode()})

            world["XR"].fault = only("/log/checkpoint", listen)
            assert [world["XA"].pull()["XR"] for _ in range(2)] == [None, None], etag
        assert sent == [None] * 10


def test_a_good_etag_is_sent_back_until_the_head_is_whole(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        sign_into(world["XR"], *many(world["XR"], 300))
        peer = peer_log(world, "XR")
        assert puller_of(world["XA"]).pull(peer, world["XR"].origin).behind == 0
        asked_of(world, "XR")
        assert puller_of(world["XA"]).pull(peer, world["XR"].origin, peer.etag).behind == 0
        assert asked_of(world, "XR") == ["/log/checkpoint"]
