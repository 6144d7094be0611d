"""After each commit a node asks the others to cosign; whatever they answer, an entry is recorded before and stays so."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exchange.core.cosignature import cosign
from exchange.core.keys import Kind
from exchange.core.note import format_lines, parse_note
from exchange.federation.cosigners import Cosigners
from exchange.federation.lines import take_lines
from exchange.federation.peer import open_client
from exchange.node.keyfile import open_key
from exchange.store import log as logs
from exchange.store import witness as store
from exchange.store.cosignatures import kept_lines
from tests.databases import bring_back, copy_node
from tests.faults import Real, answering, down, edited, only
from tests.witness import ADD, head_of, time_of, vkey_of
from tests.world import START, World, WorldNode

AT_START = int(START.timestamp())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "XR", "XA", "XI") as world:
        yield world


def asked(world: World) -> list[str]:
    """Who was asked to cosign since the last look."""
    found = [host.partition(".")[0].upper() for host, path in world.wire.asked if path == ADD]
    world.wire.asked.clear()
    return sorted(found)


def lines(node: WorldNode, of: WorldNode) -> dict[str, tuple[int, int]]:
    """By State, the earliest and newest time kept here under the head of that log."""
    with node.running.node.db.read() as tx:
        log = logs.log_of(tx, of.origin)
        kept = kept_lines(tx, log, log.size)
    return {code: (one.earliest.time, one.newest.time) for code, one in kept.items()}


def ask_now(node: WorldNode) -> dict[str, str | None]:
    return node.running.cosigners.ask_now()


def test_the_checkpoint_is_served_with_the_lines_of_all_who_cosigned(world: World) -> None:
    node = world["XR"]
    node.publish()
    assert ask_now(node) == {"XA": None, "XI": None}
    _, note = head_of(node)
    served = node.get("/log/checkpoint").content
    assert served.startswith(note)
    for code in ("XA", "XI"):
        assert time_of(vkey_of(world[code]), note, served.removeprefix(note)) == AT_START


def test_a_fresh_head_is_not_asked_about_again_until_an_hour_has_gone(world: World) -> None:
    node = world["XR"]
    node.publish()
    ask_now(node)
    assert asked(world) == ["XA", "XI"]
    world.sleep(minutes=59)
    assert ask_now(node) == {} and asked(world) == []
    world.sleep(minutes=1)
    assert ask_now(node) == {"XA": None, "XI": None}
    assert lines(node, node) == dict.fromkeys(("XA", "XI"), (AT_START, AT_START + 3600))
    _, note = head_of(node)
    served = node.get("/log/checkpoint").content
    assert served.count(b"\n\xe2\x80\x94 ") == 3, "the newest line of each, and none twice"
    assert time_of(vkey_of(world["XA"]), note, served.removeprefix(note)) == AT_START + 3600


def test_heads_that_came_and_went_are_skipped(world: World) -> None:
    node = world["XR"]
    for number in range(3):
        node.publish(scope={"en": str(number)})
    ask_now(node)
    assert asked(world) == ["XA", "XI"]
    with world["XA"].running.node.db.read() as tx:
        head = store.witness_head(tx, logs.log_of(tx, node.origin))
    assert head is not None and head.checkpoint.size == 3


def test_a_witness_that_names_another_size_is_asked_again_with_the_proof_from_there(world: World) -> None:
    node = world["XR"]
    node.publish()
    ask_now(node)
    node.stop()
    node.start()  # it has forgotten how far they were
    node.publish(scope={"en": "one more"})
    asked(world)
    assert ask_now(node) == {"XA": None, "XI": None}
    assert asked(world) == ["XA", "XA", "XI", "XI"]
    node.publish(scope={"en": "and another"})
    ask_now(node)
    assert asked(world) == ["XA", "XI"], "what it learned it keeps"


def test_one_that_is_down_blocks_nothing(world: World) -> None:
    node, gone = world["XR"], world["XI"]
    gone.fault = down
    made = node.publish()
    told = ask_now(node)
    assert told["XA"] is None and "does not answer" in (told["XI"] or "")
    assert set(lines(node, node)) == {"XA"}
    assert node.get(f"/v1/submissions/{made.id}").json()["standing"] == "recorded"
    gone.fault = None
    assert ask_now(node) == {"XI": None}
    assert node.get(f"/v1/submissions/{made.id}").json()["standing"] == "witnessed"


@pytest.mark.parametrize("status", [302, 400, 403, 404, 409, 413, 500, 503])
def test_whatever_else_a_witness_answers_is_noted_and_no_more(world: World, status: int) -> None:
    node, odd = world["XR"], world["XI"]
    odd.fault = only(ADD, answering(status, b"no\x1b[2J"))
    node.publish()
    told = ask_now(node)
    assert told["XA"] is None and str(status) in (told["XI"] or "") and "\x1b" not in (told["XI"] or "")


def test_a_witness_that_names_another_size_each_time_is_left_alone(world: World) -> None:
    node, odd = world["XR"], world["XI"]
    for number in range(3):
        node.publish(scope={"en": str(number)})
    odd.fault = only(ADD, answering(409, b"1\n", {"Content-Type": "text/x.tlog.size"}))
    assert "another size" in (ask_now(node)["XI"] or "")
    odd.fault = only(ADD, answering(409, b"77\n", {"Content-Type": "text/x.tlog.size"}))
    assert "beyond ours" in (ask_now(node)["XI"] or "")


def test_a_line_that_does_not_verify_is_never_kept(world: World) -> None:
    node, liar = world["XR"], world["XI"]

    def forged(body: bytes) -> bytes:
        return body[:-10] + (b"A" if body[-10:-9] != b"A" else b"B") + body[-9:]

    liar.fault = only(ADD, edited(forged))
    node.publish()
    assert "no cosignature" in (ask_now(node)["XI"] or "")
    assert set(lines(node, node)) == {"XA"}
    assert b"witness/XI" not in node.get("/log/checkpoint").content


@pytest.mark.parametrize(("ahead", "kept"), [(299, True), (301, False), (10**9, False), (2**62, False)])
def test_a_line_dated_ahead_of_our_clock_is_not_kept(world: World, ahead: int, kept: bool) -> None:
    node = world["XR"]
    node.publish()
    _, note = head_of(node)
    text = parse_note(note).text
    key = open_key(world["XI"].directory / "keys" / "witness.key", kind=Kind.WITNESS).key
    line = cosign(text, "test.example/witness/XI", key, AT_START + ahead)
    inner = node.running.node
    with inner.db.read() as tx:
        log = logs.log_of(tx, node.origin)
    taken = take_lines(inner.db, inner.participants, log, log.size, text, [line], world.now)
    assert (taken == {"XI": AT_START + ahead}) is kept
    assert (b"witness/XI" in node.get("/log/checkpoint").content) is kept


def test_a_mirror_serves_the_cosigned_checkpoint_that_it_found(world: World) -> None:
    node = world["XR"]
    node.publish()
    world.pull()
    bare = world["XA"].get("/mirror/XR/checkpoint").content
    assert bare == head_of(node)[1]
    ask_now(node)
    world.pull()
    for code in ("XA", "XI"):
        assert world[code].get("/mirror/XR/checkpoint").content == node.get("/log/checkpoint").content
    assert all(one.heads() == node.heads() for one in world.nodes.values())


def test_a_forged_line_under_a_logs_checkpoint_spoils_no_visit(world: World) -> None:
    node = world["XR"]
    node.publish()
    ask_now(node)
    _, note = head_of(node)
    served = node.get("/log/checkpoint").content
    genuine = served.removeprefix(note)
    [line] = [one for one in genuine.split(b"\n") if b"witness/XI" in one]
    spoilt = served.replace(line, line[:-6] + (b"AAAA" if line[-6:-2] != b"AAAA" else b"BBBB") + line[-2:])
    node.fault = only("/log/checkpoint", answering(200, spoilt))
    assert world["XA"].pull() == {"XI": None, "XR": None}
    assert set(lines(world["XA"], node)) == {"XA"}
    node.fault = None
    assert world["XA"].pull()["XR"] is None
    assert set(lines(world["XA"], node)) == {"XA", "XI"}


def test_neither_old_lines_nor_many_new_ones_make_the_database_grow(world: World) -> None:
    node = world["XR"]
    node.publish()
    for _ in range(4):
        ask_now(node)
        world.sleep(hours=1)
    assert lines(node, node) == dict.fromkeys(("XA", "XI"), (AT_START, AT_START + 3 * 3600))


class Held:
    """A node whose witness answers only when it is let go."""

    def __init__(self) -> None:
        self.asked, self.most, self._now = 0, 0, 0
        self.go = threading.Event()

    def __call__(self, request: httpx.Request, real: Real) -> httpx.Response:
        if request.url.path != ADD:
            return real()
        self.asked += 1
        self._now += 1
        self.most = max(self.most, self._now)
        self.go.wait(10)
        self._now -= 1
        return real()


def until(reached: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_commit_is_cosigned_at_once_and_a_peer_has_one_request_at_a_time(world: World) -> None:
    """The thread of a real node, started: nobody tells it but the commits."""
    node, slow = world["XR"], Held()
    world["XI"].fault = slow
    node.running.cosigners.start()
    for number in range(5):
        node.publish(scope={"en": str(number)})
    until(lambda: lines(node, node).get("XA") and slow.asked)
    assert slow.asked == 1
    slow.go.set()
    until(lambda: set(lines(node, node)) == {"XA", "XI"})
    assert slow.most == 1 and slow.asked <= 4, "heads that came meanwhile are asked about once"


def test_one_that_fails_is_left_alone_longer_each_time(world: World) -> None:
    node = world["XR"]
    node.publish()
    world["XI"].fault = only(ADD, answering(503))
    inner, clock = node.running.node, [1_000.0]
    cosigners = Cosigners(
        inner.db,
        open_client(world.wire),
        own="XR",
        origin=node.origin,
        participants=lambda: inner.participants,
        clock=world.clock,
        monotonic=lambda: clock[0],
    )
    waits = []
    for _ in range(4):
        begun = cosigners._begin(patient=True)
        for _, turn in begun:
            turn.result()
        start = clock[0]
        while not (again := cosigners._begin(patient=True)):
            clock[0] += 0.5
        for _, turn in again:
            turn.result()
        waits.append(clock[0] - start)
    cosigners.stop()
    assert waits == sorted(waits) and waits[0] >= 1.0 and waits[-1] > waits[0]
    assert set(lines(node, node)) == {"XA"}


def test_a_restored_witness_takes_over_what_the_others_hold_under_its_own_line(tmp_path: Path, world: World) -> None:
    """Its copy ends before it cosigned size 3; from its start on it signs nothing smaller."""
    node, witness = world["XR"], world["XA"]
    node.publish()
    ask_now(node)
    witness.stop()
    copy_node(witness.directory, tmp_path / "image")
    witness.start()
    for number in range(2):
        node.publish(scope={"en": str(number)})
    ask_now(node)
    witness.stop()
    bring_back(tmp_path / "image", witness.directory)
    witness.start()
    with witness.running.node.db.read() as tx:
        head = store.witness_head(tx, logs.log_of(tx, node.origin))
    assert head is not None and (head.checkpoint.size, head.time) == (3, AT_START)


def test_where_the_log_itself_is_away_a_mirror_tells_a_restored_witness(tmp_path: Path, world: World) -> None:
    node, witness = world["XR"], world["XA"]
    witness.stop()
    copy_node(witness.directory, tmp_path / "image")
    witness.start()
    node.publish()
    ask_now(node)
    world["XI"].pull()
    witness.stop()
    node.fault = down
    bring_back(tmp_path / "image", witness.directory)
    witness.start()
    with witness.running.node.db.read() as tx:
        head = store.witness_head(tx, logs.log_of(tx, node.origin))
    assert head is not None and head.checkpoint.size == 1
    node.fault = None


def test_what_a_stranger_put_under_a_checkpoint_takes_nothing_over(world: World) -> None:
    node, witness = world["XR"], world["XA"].running.node.witness
    node.publish()
    _, note = head_of(node)
    key = open_key(world["XI"].directory / "keys" / "witness.key", kind=Kind.WITNESS).key
    line = format_lines([cosign(parse_note(note).text, witness.vkey.name, key, AT_START)])
    assert witness.take_over(node.origin, note + line) is False
    assert witness.take_over(node.origin, note) is False
    assert witness.take_over(node.origin, b"no note") is False
