"""The ten cases of a signed request (reference: trust list and node authentication, section 4), against a real node."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from exchange.core.httpsig import OFFICER
from exchange.store.database import Database
from exchange.store.nonces import KEPT, remember
from exchange.trust.participants import Participants
from tests import key_named
from tests.audience import NOBODY, STATES, Planted, Who, commitments, federation, node_of, officer, plant
from tests.world import World, WorldNode


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with federation(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def planted(world: World) -> Planted:
    return plant(world["XR"], "restricted", STATES)


@pytest.fixture
def path(planted: Planted) -> str:
    return f"/v1/documents/{commitments(planted)[0]}"


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "proof-refused"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Signature" and "cbm-node/1" in answer.headers["accept-signature"]
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["detail"])


def test_1_signed_get(world: World, planted: Planted, path: str) -> None:
    answer = node_of(world["XA"]).ask(world["XR"], path)
    assert answer.status_code == 200 and answer.content == planted.documents[0].content
    assert answer.headers["cache-control"] == "no-store"
    head = node_of(world["XA"]).ask(world["XR"], path, "HEAD")
    assert head.status_code == 200 and head.content == b"" and head.headers["cbm-opening"]


def test_2_signed_post_with_a_body(world: World) -> None:
    operator, body = officer("operator"), b'{"why": "by hand"}'
    headers = operator.proof(world["XR"], "/local/pull", "POST", body)
    assert world["XR"].post("/local/pull", headers=headers, content=body).status_code == 200


def test_3_replayed(world: World, path: str) -> None:
    headers = node_of(world["XA"]).proof(world["XR"], path)
    assert world["XR"].get(path, headers=headers).status_code == 200
    assert "used before" in refused(world["XR"].get(path, headers=headers))


def test_4_unsigned(world: World, path: str) -> None:
    """The public, which is no error by itself: it is told what everybody may know."""
    answer = NOBODY.ask(world["XR"], path)
    assert (answer.status_code, answer.json()["code"]) == (403, "restricted")
    assert NOBODY.ask(world["XR"], "/v1/submissions").status_code == 200


def test_5_unknown_key(world: World, path: str) -> None:
    refused(Who("a stranger", key_named("a stranger")).ask(world["XR"], path))


def test_6_the_keyid_of_one_state_and_the_key_of_another(world: World, path: str) -> None:
    mine, theirs = node_of(world["XP"]), node_of(world["XA"])
    assert mine.key is not None and theirs.key is not None
    headers = mine.proof(world["XR"], path)
    headers["signature-input"] = headers["signature-input"].replace(mine.key.public.keyid, theirs.key.public.keyid)
    refused(world["XR"].get(path, headers=headers))


def test_7_body_swapped(world: World) -> None:
    headers = officer("operator").proof(world["XR"], "/local/pull", "POST", b"one")
    refused(world["XR"].post("/local/pull", headers=headers, content=b"two"))
    refused(world["XR"].post("/local/pull", headers=headers))


def test_8_path_or_query_swapped(world: World, path: str) -> None:
    xa, xr = node_of(world["XA"]), world["XR"]
    refused(xr.get(path, headers=xa.proof(xr, "/v1/submissions")))
    refused(xr.get("/v1/submissions?limit=2", headers=xa.proof(xr, "/v1/submissions?limit=1")))
    refused(xr.get("/v1/submissions?form=ICT%2D03", headers=xa.proof(xr, "/v1/submissions?form=ICT-03")))


def test_9_signed_for_another_nodes_address(world: World, path: str) -> None:
    headers = node_of(world["XA"]).proof(world["XP"], path)
    refused(world["XR"].get(path, headers=headers))


def test_10_host_spoofed(world: World, path: str) -> None:
    """What a request was signed for is this node's own address, whatever `Host` or a proxy's header says."""
    xa, xr = node_of(world["XA"]), world["XR"]
    for name in ("Host", "X-Forwarded-Host", "Forwarded"):
        spoofed = {name: "xp.test.example" if name != "Forwarded" else "host=xp.test.example"}
        refused(xr.get(path, headers={**xa.proof(world["XP"], path), **spoofed}))
        if name != "Host":
            assert xr.get(path, headers={**xa.proof(xr, path), **spoofed}).status_code == 200


def test_a_nonce_is_remembered_behind_the_signature_alone(world: World, path: str) -> None:
    """Else whoever sees a request on its way could burn its nonce before it arrives, and fill the table with nothing."""
    xa, xr = node_of(world["XA"]), world["XR"]
    headers = xa.proof(xr, path)
    refused(xr.get(path, headers={**headers, "signature": "cbm=:" + "A" * 86 + "==:"}))
    assert xr.get(path, headers=headers).status_code == 200


def test_of_many_at_once_one_is_answered(world: World, path: str) -> None:
    headers = node_of(world["XA"]).proof(world["XR"], path)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world["XR"].get(path, headers=headers).status_code, range(16)))
    assert sorted(answers) == [200] + [401] * 15


def test_processes_of_a_node_share_its_nonces(world: World) -> None:
    db = world["XR"].running.node.db
    with db.write() as tx:
        assert remember(tx, "key", "nonce-1", 1_000, 990)
        assert not remember(tx, "key", "nonce-1", 1_000, 990)
        assert remember(tx, "another key", "nonce-1", 1_000, 990)
    with Database(world["XR"].running.settings.database_url).write() as tx:
        assert not remember(tx, "key", "nonce-1", 1_000, 1_000 + KEPT), "it is kept until its time is over for good"
        assert remember(tx, "key", "nonce-1", 1_000, 1_001 + KEPT), "and then it is gone"


def test_a_proof_of_another_minute_is_refused(world: World, path: str) -> None:
    xa, xr = node_of(world["XA"]), world["XR"]
    now = int(world.now.timestamp())
    assert "over" in refused(xr.get(path, headers=xa.proof(xr, path, created=now - 61)))
    assert "future" in refused(xr.get(path, headers=xa.proof(xr, path, created=now + 61)))


@pytest.mark.parametrize("kind", ["log", "witness", "node-submission"])
def test_keys_of_other_kinds_prove_nothing(world: World, path: str, kind: str) -> None:
    from exchange.node.keyfile import open_key

    key = open_key(world["XA"].directory / "keys" / f"{kind}.key").key
    refused(Who(kind, key).ask(world["XR"], path))
    refused(Who(kind, key, OFFICER).ask(world["XR"], path))


def test_an_officer_proves_nothing_elsewhere_and_a_node_is_no_officer(world: World, path: str) -> None:
    reader, xa = officer("reader"), node_of(world["XA"])
    assert reader.ask(world["XR"], path).status_code == 200
    refused(reader.ask(world["XA"], path))
    refused(Who("XR reader as a node", reader.key).ask(world["XR"], path))
    refused(Who("XA as an officer", xa.key, OFFICER).ask(world["XR"], path))


def test_a_wrong_proof_is_never_taken_for_the_public(world: World) -> None:
    for headers in ({"Signature": "x"}, {"Signature-Input": "x"}, {"Signature": "", "Signature-Input": ""}):
        refused(world["XR"].get("/v1/submissions", headers=headers))
        refused(world["XR"].get("/v1/contacts?participant=XR", headers=headers))


def test_a_closed_key_proves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    with federation(tmp_path_factory.mktemp("closed")) as world:
        made = plant(world["XR"], "restricted", STATES)
        path = f"/v1/documents/{commitments(made)[0]}"
        xa = node_of(world["XA"])
        assert xa.key is not None and xa.ask(world["XR"], path).status_code == 200
        record = world.participants.records["XA"]
        keys = tuple(
            replace(one, before=(0, 0)) if one.public_key.keyid == xa.key.public.keyid else one for one in record.keys
        )
        records = {**world.participants.records, "XA": replace(record, keys=keys)}
        world.write_records(Participants(world.participants.federation, False, records), "XR")
        reload(world["XR"])
        refused(xa.ask(world["XR"], path))


def reload(node: WorldNode) -> None:
    node.running.import_records()


def test_a_session_that_is_none_is_no_public_either(world: World, path: str) -> None:
    """The operator's token runs the node, and reads nothing by that alone."""
    token = world["XR"].running.token
    assert world["XR"].get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 403
    for wrong in ("0" * 64, "x", ""):
        answer = world["XR"].get(path, headers={"Authorization": f"Bearer {wrong}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")
        assert answer.headers["cache-control"] == "no-store"
