"""Faults of a peer, as functions around a real node's answers, and what only a dishonest State can do with its log.

    world["XR"].fault = only("/log/tile/", answering(404))
    with forked(world["XR"]) as twin:       # the same log key, another history
        twin.speak()

Nothing here pretends to be a node: what is spoilt was said by a real one first, and what is forged is signed with real keys.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import orjson

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.evidence import KIND, parse_evidence, verify_evidence
from exchange.core.keys import Kind, PrivateKey
from exchange.core.note import format_vkey
from exchange.federation.peer import PeerLog, open_client
from exchange.federation.pull import Puller
from exchange.node.keyfile import open_key
from exchange.store import intake
from exchange.store import log as logs
from exchange.trust.admission import admit
from tests import key_named
from tests.audit import audit
from tests.builders import signed, statement
from tests.databases import copy_node, give_database
from tests.world import FEDERATION, START, Fault, World, WorldNode

Real = Callable[[], httpx.Response]
Headers = Mapping[str, str] | Mapping[bytes, bytes]


def answer(
    request: httpx.Request, status: int, content: bytes | Iterable[bytes] = b"", headers: Headers | None = None
) -> httpx.Response:
    """As the wire delivers it: a stream that nobody has read yet, in one piece or as it comes."""
    stream = httpx.ByteStream(content) if isinstance(content, bytes) else Piecemeal(content)
    return httpx.Response(status, headers=headers, stream=stream, request=request)


class Piecemeal(httpx.SyncByteStream):
    """A body that comes piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def answering(status: int, content: bytes = b"", headers: Headers | None = None) -> Fault:
    """Always this, whatever is asked."""
    return lambda request, real: answer(request, status, content, headers)


def down(request: httpx.Request, real: Real) -> httpx.Response:
    """A closed port."""
    raise httpx.ConnectError("nobody listens there", request=request)


def only(part: str, fault: Fault) -> Fault:
    """The fault where the path with its query contains `part`; everything else is answered as it should be."""

    def choose(request: httpx.Request, real: Real) -> httpx.Response:
        return fault(request, real) if part in request.url.raw_path.decode() else real()

    return choose


def after(number: int, fault: Fault) -> Fault:
    """Well for `number` requests, then the fault."""
    left = [number]

    def count(request: httpx.Request, real: Real) -> httpx.Response:
        left[0] -= 1
        return real() if left[0] >= 0 else fault(request, real)

    return count


def edited(edit: Callable[[bytes], bytes]) -> Fault:
    """The real body, changed; the status and the type stay."""

    def change(request: httpx.Request, real: Real) -> httpx.Response:
        said = real()
        return answer(request, said.status_code, edit(said.read()), {"Content-Type": said.headers["content-type"]})

    return change


def offering(edit: Callable[[list[dict[str, Any]]], list[Any]]) -> Fault:
    """The stream of offered documents, its lines changed; a line that is bytes goes out as it is."""

    def change(body: bytes) -> bytes:
        lines = edit([orjson.loads(line) for line in body.splitlines()])
        return b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)

    return only("/v1/documents?", edited(change))


def serving(note: bytes) -> Fault:
    """This as the checkpoint, and everything else as it is."""
    return only("/log/checkpoint", answering(200, note))


def convicted(node: WorldNode, of: WorldNode) -> tuple[int, int]:
    """The one alert of `node` proves, to anybody who has nothing else, that the other forked; the sizes of its two heads."""
    (alert,) = node.alerts()
    assert (alert["kind"], alert["participant"], alert["origin"]) == (KIND, of.code, of.origin)
    fields = ("kind", "log_vkey", "checkpoint_a", "checkpoint_b", "prefix_root", "consistency")
    evidence = parse_evidence(orjson.dumps({name: alert["evidence"][name] for name in fields}))
    assert evidence.log_vkey == format_vkey(node.world.participants.records[of.code].current_log.vkey)
    a, b = verify_evidence(evidence)
    return a.size, b.size


def log_key(node: WorldNode) -> PrivateKey:
    return open_key(node.directory / "keys" / "log.key", kind=Kind.LOG).key


def note_of(node: WorldNode, size: int, root: bytes) -> bytes:
    """A checkpoint of this log, signed with its key, true or not."""
    return sign_checkpoint(Checkpoint(node.origin, size, root), log_key(node))


def sign_into(node: WorldNode, *entries: bytes) -> int:
    """Log and sign entries that the node's own door would not take: its log key in the wrong hands. Returns the first index."""
    inner = node.running.node
    with inner.db.write() as tx:
        log = logs.log_of(tx, inner.origin)
        judged = [
            (entry, admit(entry, log.origin, at, inner.participants)) for at, entry in enumerate(entries, log.size)
        ]
        size, root, _ = logs.append(tx, log, entries)
        intake.enter(tx, log, log.size, judged, inner.catalogue, inner.clock())
        logs.keep_checkpoint(tx, log, size, root, note_of(node, size, root), inner.clock())
        logs.advance(tx, log, size)
    return log.size


def nil_returns(node: WorldNode, number: int, first: int = 0, signer: PrivateKey | None = None) -> list[bytes]:
    """Signed entries without documents, all different: quick to make in thousands."""
    issued = [
        f"{START - timedelta(days=1) + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ}" for n in range(first, first + number)
    ]
    return [
        signed(
            statement(node.code, origin=node.origin, return_="nothing to declare", status="test", issued=moment),
            signer or node.officer,
        )
        for moment in issued
    ]


def many(node: WorldNode, number: int, first: int = 0) -> list[bytes]:
    """Entries by a key that no record holds: they wait, which is the quickest that a node can do with an entry."""
    return nil_returns(node, number, first, key_named("a key on its way"))


class Twin(WorldNode):
    """A second node of one State, behind the same address while it speaks."""

    def speak(self) -> None:
        """From now on this one answers for the State."""
        self.world.wire.nodes[f"{self.code.lower()}.{FEDERATION}"] = self

    def be_silent(self) -> None:
        """The first one answers again."""
        self.world.wire.nodes[f"{self.code.lower()}.{FEDERATION}"] = self.world[self.code]


@contextmanager
def forked(node: WorldNode, *, shared: bool = False) -> Iterator[Twin]:
    """A second real node with the same log key: begun from nothing, or (`shared`) from what the first had signed until now.

    It is started cut off from all others, as a dishonest operator would do it: nobody can tell it what it signed before.
    """
    twin = Twin(node.world, node.code, node.directory.with_name(f"{node.code} twin"), node.officer)
    node.stop()
    if shared:
        copy_node(node.directory, twin.directory)
    else:
        shutil.copytree(node.directory, twin.directory, ignore=shutil.ignore_patterns("lock", "data"))
        give_database(twin.directory)
    node.start()
    reachable = dict(node.world.wire.nodes)
    node.world.wire.nodes.clear()
    twin.start(alone=True)  # it can reach nobody
    node.world.wire.nodes.update(reachable)
    try:
        yield twin
        audit(twin.directory, node.world.participants, node.world.catalogue)
    finally:
        twin.be_silent()
        twin.stop()


def puller_of(node: WorldNode, run: int = 256) -> Puller:
    """This node's way to pull, with smaller transactions: what 4,096 entries do in earnest, 256 do here."""
    inner = node.running.node
    return Puller(inner.db, inner.files, lambda: inner.participants, inner.catalogue, node.world.clock, run)


def peer_log(world: World, code: str, *, seconds: float = 60.0, now: Callable[[], float] = lambda: 0.0) -> PeerLog:
    """The log of a node as others reach it; `now` is the clock of the visit, which stands still unless told otherwise."""
    return PeerLog(open_client(world.wire), world[code].url, seconds, monotonic=now)


def asked_of(world: World, code: str) -> list[str]:
    """The paths asked of a node since the last time this was asked."""
    host = f"{code.lower()}.{FEDERATION}"
    paths = [path for asked, path in world.wire.asked if asked == host]
    world.wire.asked.clear()
    return paths
