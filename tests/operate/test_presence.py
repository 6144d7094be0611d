"""How a node looks from outside: who answers, by which clock, behind which certificate."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.federation.presence import certificate_of, look_at, look_at_all, readiness
from tests.world import World, WorldNode


def seen_with(world: World, node: WorldNode, date: datetime | str | None) -> timedelta | None:
    """By how much the node's clock is ahead when its answers carry that date."""

    def dated(request: httpx.Request, real: object) -> httpx.Response:
        answer: httpx.Response = real()  # type: ignore[operator]
        if date is not None:
            answer.headers["date"] = date if isinstance(date, str) else format_datetime(date, usegmt=True)
        return answer

    node.fault = dated
    with httpx.Client(transport=world.wire) as client:
        return look_at(client, node.url, world.clock).ahead


def test_a_node_says_who_it_is(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world, httpx.Client(transport=world.wire) as client:
        first, second, nobody = look_at_all(
            client, [world["XR"].url, world["XA"].url, "http://nowhere.example"], world.clock
        )
        assert (first.error, first.participant, first.origin) == (None, "XR", world["XR"].origin)
        assert second.participant == "XA" and second.version == first.version != ""
        assert first.vkey.startswith(f"{world['XR'].origin}+")
        assert nobody.error is not None and nobody.participant == ""
        assert look_at_all(client, [], world.clock) == []


def test_its_clock_is_compared_with_ours(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        node, second = world["XR"], timedelta(seconds=0.5)
        assert seen_with(world, node, world.now) == second, "a Date means the middle of its second"
        assert seen_with(world, node, world.now + timedelta(minutes=7)) == timedelta(minutes=7) + second
        assert seen_with(world, node, world.now - timedelta(days=1)) == second - timedelta(days=1)
        for odd in (None, "", "tomorrow", "Sat, 99 Nov 2026 03:00:00 GMT"):
            assert seen_with(world, node, odd) is None
        node.fault = None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"participant": "XR"}', b"\xff", b"{" * 100])
def test_what_is_no_node_is_told_and_nothing_is_believed(body: bytes, world_of_one: World) -> None:
    node = world_of_one["XR"]
    node.fault = lambda request, _: httpx.Response(200, content=body, request=request)
    try:
        with httpx.Client(transport=world_of_one.wire) as client:
            seen = look_at(client, node.url, world_of_one.clock)
    finally:
        node.fault = None
    assert seen.error is not None and (seen.participant, seen.version) == ("", "")


def test_readiness_gives_the_reason(world_of_one: World) -> None:
    node = world_of_one["XR"]
    with httpx.Client(transport=world_of_one.wire) as client:
        assert readiness(client, node.url) == (True, None)
        node.running.node.appender.held.append(lambda: "a test")
        assert readiness(client, node.url) == (True, "a test")
        node.running.node.appender.held.pop()
        assert readiness(client, "http://nowhere.example") == (False, None)


@contextmanager
def https_server(folder: Path, *, days: int) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server on 127.0.0.1 whose certificate ends in that many days, and a context that trusts whoever signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server").write_bytes(pem + secret)
    (folder / "anchor").write_bytes(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", ssl.create_default_context(cafile=str(folder / "anchor"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_certificate_tells_until_when_it_holds(tmp_path: Path) -> None:
    with https_server(tmp_path, days=10) as (url, trusting):
        found = certificate_of(url, trusting)
        assert found is not None and found.until is not None and found.error is None
        assert timedelta(days=10) < found.until - datetime.now(UTC) < timedelta(days=10, hours=1)


def test_a_certificate_that_a_stranger_does_not_trust_does_not_hold(tmp_path: Path) -> None:
    with https_server(tmp_path, days=10) as (url, _):
        found = certificate_of(url)
        assert found is not None and found.until is None and "self-signed" in (found.error or "")


def test_an_expired_certificate_does_not_hold(tmp_path: Path) -> None:
    with https_server(tmp_path, days=-1) as (url, trusting):
        found = certificate_of(url, trusting)
        assert found is not None and found.until is None and "expired" in (found.error or "")


def test_plain_http_has_no_certificate_and_silence_is_no_certificate() -> None:
    assert certificate_of("http://127.0.0.1:9") is None
    found = certificate_of("https://127.0.0.1:9")
    assert found is not None and found.until is None and "no connection" in (found.error or "")
