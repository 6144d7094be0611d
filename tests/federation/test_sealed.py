"""Sealed letters on their way: each node asks for each, those whom it names get it, and to all others it is not there."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from exchange.core.httpsig import NODE, OFFICER, Request, sign_request
from exchange.core.keys import Kind, PrivateKey
from exchange.errors import NotFound
from exchange.node.keyfile import open_key
from exchange.store import log as logs
from exchange.store.sealed import HeldSeal, held_seal, sought_seals
from tests.sealing import sealed_parcel
from tests.world import World, WorldNode


def lies_at(node: WorldNode, ident: str) -> HeldSeal | None:
    with node.running.node.db.read() as tx:
        try:
            return held_seal(tx, ident)
        except NotFound:
            return None


def sought(node: WorldNode, origin: str) -> int:
    with node.running.node.db.read() as tx:
        return len(sought_seals(tx, logs.log_of(tx, origin).id, 100))


def transport(node: WorldNode) -> PrivateKey:
    return open_key(node.directory / "keys" / "transport.key", kind=Kind.TRANSPORT).key


_NONCES = iter(range(10**9))


def ask(at: WorldNode, commitment: str, key: PrivateKey | None, tag: str = NODE) -> httpx.Response:
    path = f"/v1/documents/{commitment}"
    headers = {}
    if key is not None:
        created = int(at.world.now.timestamp())
        headers = dict(
            sign_request(Request("GET", at.url + path), key, tag=tag, created=created, nonce=f"{next(_NONCES):022d}")
        )
    return at.get(path, headers=headers)


def of(response: httpx.Response) -> tuple[int, bytes]:
    return response.status_code, response.content


@pytest.mark.parametrize("size", [10, 200_000], ids=["in the row", "in a file"])
def test_whom_it_names_gets_it_and_for_all_others_it_does_not_exist(tmp_path: Path, size: int) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = (world[code] for code in ("XR", "XA", "XI"))
        parcel = sealed_parcel(xr, "XA", content=b"x" * size)
        ident = xr.submit(parcel).id
        world.pull()
        held = lies_at(xa, ident)
        assert held is not None and lies_at(xi, ident) is None
        assert held.opening == parcel.documents[0].opening
        never = of(ask(xr, "0" * 64, None))
        assert never[0] == 404
        given = ask(xr, held.commitment, transport(xa))
        assert given.status_code == 200 and given.content == parcel.documents[0].content
        assert "no-store" in given.headers["cache-control"]
        refused: list[tuple[WorldNode, PrivateKey | None, str]] = [
            (xr, None, NODE),
            (xr, transport(xi), NODE),
            (xr, transport(xr), NODE),  # its own State's officers open it beside their node's keys
            (xr, xr.officer, OFFICER),
            (xa, transport(xr), NODE),  # a recipient's node gives it to nobody, not even to its sender
            (xa, transport(xa), NODE),
            (xa, None, NODE),
            (xi, transport(xa), NODE),
        ]
        for at, key, tag in refused:
            assert of(ask(at, held.commitment, key, tag)) == never, (at.code, tag)
        for node in world.nodes.values():
            key = transport(xa)
            path = "/v1/documents?participant=XR"
            created = int(world.now.timestamp())
            signed = sign_request(
                Request("GET", node.url + path), key, tag=NODE, created=created, nonce=f"{next(_NONCES):022d}"
            )
            assert node.get(path, headers=dict(signed)).content == b""


def test_a_recipient_whose_record_is_suspended_gets_nothing(tmp_path: Path) -> None:
    from dataclasses import replace

    from exchange.trust.participants import Participants, Standing

    with World(tmp_path, "XR", "XA") as world:
        ident = world["XR"].submit(sealed_parcel(world["XR"], "XA")).id
        records = dict(world.participants.records)
        records["XA"] = replace(records["XA"], status=(*records["XA"].status, Standing("suspended", "2026-12-01")))
        world.participants = Participants("test.example", False, records)
        world.write_records(world.participants)
        world.pull()
        assert lies_at(world["XA"], ident) is None


def test_it_is_asked_for_hourly_for_a_day_and_then_no_more(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XI", "XA") as world:
        xr, xi = world["XR"], world["XI"]
        ident = xr.submit(sealed_parcel(xr, "XA")).id
        commitment = xr.get(f"/v1/submissions/{ident}").json()["documents"][0]["commitment"]

        def asks() -> int:
            before = len(world.wire.asked)
            xi.pull()
            return [path for _, path in world.wire.asked[before:]].count(f"/v1/documents/{commitment}")

        assert asks() == 1
        world.sleep(minutes=5)
        assert asks() == 0
        for _ in range(3):
            world.sleep(hours=1)
            assert asks() == 1
        assert sought(xi, xr.origin) == 1
        world.sleep(hours=22)
        assert asks() == 1
        assert sought(xi, xr.origin) == 0
        world.sleep(hours=2)
        assert asks() == 0


def test_a_sender_that_was_away_is_asked_until_it_answers(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        ident = xr.submit(sealed_parcel(xr, "XA")).id

        def silent(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
            return httpx.Response(503, request=request) if "/v1/documents/" in request.url.path else real()

        xr.fault = silent
        xa.pull()
        world.sleep(days=3)
        xa.pull()
        assert lies_at(xa, ident) is None and sought(xa, xr.origin) == 1
        xr.fault = None
        xa.pull()
        assert lies_at(xa, ident) is not None


@pytest.mark.parametrize("lie", ["another letter", "no opening", "cut short", "too much"])
def test_a_letter_that_is_another_one_is_not_kept(tmp_path: Path, lie: str) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        ident = xr.submit(sealed_parcel(xr, "XA")).id

        def lying(request: httpx.Request, real: Callable[[], httpx.Response]) -> httpx.Response:
            answer = real()
            if "/v1/documents/" not in request.url.path or answer.status_code != 200:
                return answer
            body, headers = answer.read(), dict(answer.headers)
            headers.pop("content-length", None)
            if lie == "another letter":
                body = body[:-1] + bytes([body[-1] ^ 1])
            elif lie == "no opening":
                headers.pop("cbm-opening")
            elif lie == "cut short":
                body = body[:-100]
            else:
                body += bytes(26 * 1024 * 1024)
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body), request=request)

        xr.fault = lying
        xa.pull()
        assert lies_at(xa, ident) is None
        assert not list((xa.directory / "data" / "documents" / "incoming").iterdir())
        xr.fault = None
        xa.pull()
        assert lies_at(xa, ident) is not None


def test_a_letter_that_somebody_else_names_in_public_stays_where_it_is(tmp_path: Path) -> None:
    """XI writes the commitment of XR's letter into its own log, as a public document: XA, which holds it, gives it to nobody."""
    from dataclasses import replace

    from tests.faults import sign_into

    with World(tmp_path, "XR", "XA", "XI", audited=False) as world:  # which finds one document named by two States
        xr, xa, xi = (world[code] for code in ("XR", "XA", "XI"))
        ident = xr.submit(sealed_parcel(xr, "XA")).id
        world.pull()
        held = lies_at(xa, ident)
        assert held is not None

        def naming(statement: object) -> object:
            documents = statement.documents  # type: ignore[attr-defined]
            return replace(statement, documents=(replace(documents[0], commitment=held.commitment),))  # type: ignore[type-var]

        sign_into(xi, xi.parcel(edit=naming).envelope)
        xa.pull()
        assert ask(xa, held.commitment, None).status_code == 404
        assert xa.get("/v1/documents?participant=XI").content == b""
