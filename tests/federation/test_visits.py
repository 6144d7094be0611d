"""Visits: whatever one peer does costs the others nothing, and is noted."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.core.note import MAX_NOTE
from exchange.errors import Unreachable
from exchange.federation.peer import PeerLog, open_client
from exchange.federation.rounds import MAX_BACKOFF, Rounds
from tests.faults import (
    Real,
    after,
    answer,
    answering,
    asked_of,
    down,
    edited,
    many,
    only,
    peer_log,
    puller_of,
    sign_into,
)
from tests.world import Fault, World, WorldNode


def noted(node: WorldNode, code: str) -> dict[str, Any]:
    (peer,) = [peer for peer in node.get("/v1/peers").json()["items"] if peer["participant"] == code]
    return dict(peer)


def raising(error: type[httpx.TransportError]) -> Fault:
    def fail(request: httpx.Request, real: Real) -> httpx.Response:
        raise error("on the wire", request=request)

    return fail


def half(request: httpx.Request, real: Real) -> httpx.Response:
    """The connection breaks in the middle of the body."""
    body = real().read()

    def pieces() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise httpx.ReadError("reset by peer", request=request)

    return answer(request, 200, pieces())


TROUBLES: dict[str, Fault] = {
    "down": down,
    "a connection that breaks off": raising(httpx.RemoteProtocolError),
    "a read that takes too long": raising(httpx.ReadTimeout),
    "500": answering(500, b"Internal Server Error"),
    "503": answering(503),
    "404": answering(404),
    "204": answering(204),
    "206": answering(206, b"some"),
    "a redirect": answering(302, b"", {"Location": "http://xi.test.example/log/checkpoint"}),
    "a redirect to nowhere": answering(302, b"", {"Location": "http://[::bad"}),
    "a redirect for ever": answering(308, b"", {"Location": "/log/checkpoint"}),
    "gzip": answering(200, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}),
    "an unknown encoding": answering(200, b"x", {"Content-Encoding": "br, gzip"}),
    "an oversized checkpoint": answering(200, b"x" * (MAX_NOTE + 1)),
    "an endless checkpoint": lambda request, real: answer(request, 200, iter(lambda: b"x" * 1_000, b"")),
    "an oversized bundle": only("/log/tile/entries/", answering(200, bytes(65_538))),
    "a bundle that is cut short": only("/log/tile/entries/", edited(lambda body: body[:-1])),
    "a bundle with a byte too many": only("/log/tile/entries/", edited(lambda body: body + b"\0")),
    "half a bundle": only("/log/tile/entries/", half),
    "an empty bundle": only("/log/tile/entries/", answering(200)),
    "a page of HTML as bundle": only("/log/tile/entries/", answering(200, b"<!doctype html>")),
    "no bundle": only("/log/tile/entries/", answering(404)),
}


def test_trouble_with_one_peer_is_noted_and_stops_no_other(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        world.pull()
        world["XR"].publish()
        for number, (what, fault) in enumerate(TROUBLES.items()):
            world["XR"].fault = fault
            world["XI"].publish(institution={"en": what})
            errors = world["XA"].pull()
            assert errors["XR"] and errors["XI"] is None, what
            peer = noted(world["XA"], "XR")
            assert (peer["failures"], peer["error"]) == (number + 1, errors["XR"]), what
            assert world["XA"].heads()[1]["size"] == number + 1, what
            assert world["XA"].heads()[2]["size"] == 0, what
            assert "xr.test.example" in str(errors["XR"]), what
        assert [alert for alert in world["XA"].alerts() if alert["kind"] != "bad-checkpoint/v1"] == []
        world["XR"].fault = None
        world.pull()
        assert (noted(world["XA"], "XR")["failures"], noted(world["XA"], "XR")["error"]) == (0, None)
        assert world["XA"].heads() == world["XR"].heads() == world["XI"].heads()


def test_a_fault_of_our_own_in_one_visit_stops_no_other(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        world["XI"].publish()

        def broken(request: httpx.Request, real: Real) -> httpx.Response:
            raise ZeroDivisionError("what nobody thought of")

        world["XR"].fault = broken
        errors = world["XA"].pull()
        assert errors == {"XI": None, "XR": "this node failed, not the peer: ZeroDivisionError"}
        assert world["XA"].heads()[1]["size"] == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        world["XI"].publish()
        world["XR"].fault = answering(302, b"", {"Location": "http://xi.test.example/log/checkpoint"})
        world["XA"].pull()
        asked_of(world, "XI")
        world.wire.asked.clear()
        puller_of(world["XA"])
        with pytest.raises(Unreachable, match="302"):
            peer_log(world, "XR").checkpoint()
        assert asked_of(world, "XI") == []


def test_no_cookie_is_kept_and_no_compression_asked_for(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        sent: list[httpx.Headers] = []

        def listen(request: httpx.Request, real: Real) -> httpx.Response:
            sent.append(request.headers)
            return answer(request, 200, real().read(), {"Set-Cookie": "id=1; Path=/"})

        world["XR"].fault = listen
        peer = peer_log(world, "XR")
        peer.checkpoint()
        peer.checkpoint()
        assert [("cookie" in headers, headers["accept-encoding"]) for headers in sent] == [(False, "identity")] * 2


def test_a_body_that_drips_ends_with_the_visit(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        clock = [0.0]

        def drip(request: httpx.Request, real: Real) -> httpx.Response:
            def drops() -> Iterator[bytes]:
                for byte in real().read():
                    clock[0] += 9.0  # just within the time that one read may take
                    yield bytes((byte,))

            return answer(request, 200, drops())

        world["XR"].fault = drip
        with pytest.raises(Unreachable, match="took too long"):
            peer_log(world, "XR", seconds=30.0, now=lambda: clock[0]).checkpoint()
        assert clock[0] == 36.0


@contextmanager
def dripping(*, before: bytes, drops: int) -> Iterator[str]:
    """A real socket that answers a byte at a time: `before` at once, then `drops` bytes of a header, then the rest."""
    server = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4_096)
            try:
                connection.sendall(before)
                for _ in range(drops):
                    if stopped.wait(0.02):
                        return
                    connection.sendall(b"x")
                connection.sendall(b"\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                pass  # nobody listens any more, which is what the test is about

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stopped.set()
        server.close()
        thread.join(timeout=5)


@pytest.mark.parametrize("before", [b"HTTP/1.1 200 OK\r\nX-Drip: ", b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3])
def test_headers_that_drip_end_with_the_visit(before: bytes) -> None:
    """Each byte comes well within the time of one read; only the deadline of the visit ends it."""
    with (
        dripping(before=before, drops=200) as url,
        open_client() as client,
        pytest.raises(Unreachable, match="ReadTimeout"),
    ):
        PeerLog(client, url, time.monotonic() + 0.15).checkpoint()


def test_a_patient_visit_hears_the_slow_out() -> None:
    with dripping(before=b"HTTP/1.1 200 OK\r\nX-Drip: ", drops=3) as url, open_client() as client:
        assert PeerLog(client, url, time.monotonic() + 30.0).checkpoint() == b"ok"


class Ticking:
    """The clock of the rounds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def rounds_of(node: WorldNode, clock: Callable[[], float]) -> Rounds:
    return Rounds(
        puller_of(node),
        own=node.code,
        own_origin=node.origin,
        timeout=30.0,
        on_own_head=node.running.node.consider_foreign_head,
        client_for=lambda: open_client(node.world.wire),
        monotonic=clock,
    )


def test_a_peer_that_fails_is_left_alone_longer_each_time_up_to_an_hour(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        clock = Ticking()
        rounds = rounds_of(world["XA"], clock)
        world["XR"].fault = down
        visited = []
        for second in range(0, 20_000, 200):
            clock.seconds = 1_000.0 + second
            visits = rounds.run(pause=100.0, everybody=False)
            assert "XI" in [visit.participant for visit in visits], "the others are visited each time"
            visited += [second for visit in visits if visit.participant == "XR"]
        waits = [later - earlier for earlier, later in itertools.pairwise(visited)]
        assert waits[:6] == [200, 400, 800, 1_600, 3_200, MAX_BACKOFF]
        assert set(waits[6:]) == {MAX_BACKOFF}


def test_a_long_log_is_brought_in_by_several_visits(tmp_path: Path) -> None:
    """The head that the first visit left unfinished must come again, though it did not change."""
    with World(tmp_path, "XR", "XA") as world:
        clock = Ticking()
        sign_into(world["XR"], *many(world["XR"], 300))

        def costly(request: httpx.Request, real: Real) -> httpx.Response:
            clock.seconds += 20.0 if "/entries/" in request.url.path else 0.0
            return real()

        world["XR"].fault = costly
        rounds = rounds_of(world["XA"], clock)
        visits = [visit for _ in range(2) for visit in rounds.run(pause=300.0)]
        assert [(visit.error, visit.pulled[0].behind) for visit in visits] == [(None, 44), (None, 0)]
        assert world["XA"].heads() == world["XR"].heads()


def test_a_person_is_not_kept_waiting_by_the_back_off(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        clock = Ticking()
        rounds = rounds_of(world["XA"], clock)
        world["XR"].fault = down
        for _ in range(5):
            rounds.run(pause=300.0)
        assert rounds.run(pause=300.0, everybody=False) == []
        world["XR"].fault = None
        world["XR"].publish()
        (visit,) = rounds.run()
        assert (visit.error, visit.pulled[0].entries) == (None, 1)
        assert [visit.participant for visit in rounds.run(pause=300.0, everybody=False)] == ["XR"], (
            "forgotten once it is well"
        )


def test_the_operator_pulls_through_the_running_node(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world["XR"].publish()
        token = (tmp_path / "XA" / "operator.token").read_text()
        with world["XA"].client() as client:
            (visit,) = client.pull(token)
        assert visit["error"] is None
        assert {name: visit["pulled"][0][name] for name in ("entries", "documents", "missing", "behind")} == {
            "entries": 1,
            "documents": 1,
            "missing": 0,
            "behind": 0,
        }


def test_a_round_that_is_told_to_stop_begins_nothing_more(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        rounds = rounds_of(world["XA"], Ticking())

        def stop(request: httpx.Request, real: Real) -> httpx.Response:
            said = real()
            threading.Thread(target=rounds.stop).start()
            while not rounds._stopped.is_set():
                time.sleep(0.001)
            return said

        world["XR"].publish()
        world["XR"].fault = after(0, stop)
        visits = {visit.participant: visit for visit in rounds.run()}
        assert "took too long" in str(visits["XR"].error)
        assert rounds.run() == []
        assert world["XA"].heads()[2]["size"] == 0


def test_what_a_peer_holds_of_our_log_is_looked_at_once_an_hour(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        world.pull()
        clock = Ticking()
        rounds = rounds_of(world["XA"], clock)
        looks = []
        for minute in (0, 1, 59, 60, 61, 119, 120):
            clock.seconds = 1_000.0 + 60 * minute
            asked_of(world, "XR")
            rounds.run()
            looks += [minute for path in asked_of(world, "XR") if path.startswith("/mirror/")]
        assert looks == [0, 60, 120]


def test_a_visit_to_a_log_that_contradicts_itself_still_looks_at_our_own(tmp_path: Path) -> None:
    """What the peer holds of ours is signed by us: it counts, whatever else the peer does."""
    with World(tmp_path, "XR", "XA") as world:
        world.pull()
        world["XR"].fault = only("/log/checkpoint", answering(200, b"nonsense"))
        rounds = rounds_of(world["XA"], Ticking())
        asked_of(world, "XR")
        rounds.run()
        assert any(path.startswith("/mirror/") for path in asked_of(world, "XR"))
