"""What a mirror asks for, holds, and hands on; and that a commitment which stands in a public log gives nobody a document."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.core.dsse import parse_envelope
from exchange.core.statement import Statement, parse_statement, submission_id
from exchange.store import documents
from tests.audience import (
    EVERYBODY,
    NOBODY,
    PARTNERS,
    STATES,
    Planted,
    commitments,
    federation,
    for_,
    node_of,
    plant,
    settle,
)
from tests.faults import sign_into
from tests.world import World, WorldNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with federation(tmp_path) as world:
        yield world


def held(node: WorldNode, one: Planted) -> bool:
    """In the database or in its files, by any name."""
    with node.running.node.db.read() as tx:
        kept = set(documents.kept(tx, set(commitments(one))))
    assert kept in (set(), set(commitments(one)))
    return bool(kept)


def test_a_mirror_holds_what_its_own_state_may_read_and_nothing_else(world: World) -> None:
    made = {audience: plant(world["XR"], f"for {audience}", audience) for audience in (EVERYBODY, PARTNERS, STATES)}
    settle(world)
    for code, audiences in {
        "XA": {EVERYBODY, PARTNERS, STATES},
        "XP": {EVERYBODY, PARTNERS},
        "XS": {EVERYBODY},
        "ORG-SEC": {EVERYBODY},
    }.items():
        assert {audience for audience, one in made.items() if held(world[code], one)} == audiences, code


def test_what_a_node_may_not_read_it_neither_asks_for_nor_owes(world: World) -> None:
    plant(world["XR"], "for States", STATES)
    settle(world)
    world.wire.asked.clear()
    world["ORG-SEC"].pull()
    assert not [path for _, path in world.wire.asked if path.startswith("/v1/documents")]
    for who in (NOBODY, node_of(world["ORG-SEC"])):
        for item in who.ask(world["ORG-SEC"], "/v1/peers").json()["items"]:
            assert item["documents_missing"] == 0
    metrics = world["ORG-SEC"].get("/metrics", headers={"Host": "127.0.0.1"})
    assert 'cbm_documents_owed{participant="XR"' not in metrics.text or "} 0" in metrics.text


def test_what_is_public_is_asked_for_as_anybody_asks(world: World) -> None:
    """A proof costs both sides a signature and the other one a write: it goes out where something is asked for that needs it."""
    signed: list[str] = []

    def watch(request: httpx.Request, answer: Any) -> httpx.Response:
        if "signature" in request.headers:
            signed.append(request.url.path)
        return answer()  # type: ignore[no-any-return]

    world["XR"].fault = watch
    plant(world["XR"], "for everybody", EVERYBODY)
    settle(world)
    assert signed == []
    plant(world["XR"], "for States", STATES)
    settle(world)
    assert signed and set(signed) <= {"/v1/documents", *(path for path in signed if path.startswith("/v1/documents/"))}


def test_a_node_whose_proof_is_refused_has_all_that_is_public(world: World) -> None:
    world.sleep(seconds=0)
    one, public = plant(world["XR"], "for States", STATES), plant(world["XR"], "for everybody", EVERYBODY)

    def refuse(request: httpx.Request, answer: Any) -> httpx.Response:
        if "signature" in request.headers:
            return httpx.Response(401, request=request)
        return answer()  # type: ignore[no-any-return]

    world["XR"].fault = refuse
    settle(world)
    assert not held(world["XA"], one) and held(world["XA"], public)
    world["XR"].fault = None
    settle(world)
    assert held(world["XA"], one)


def named_as_ones_own(world: World, thief: str, one: Planted) -> str:
    """A State, or whoever keeps its log key, writes the commitment of somebody else's document into its own log, for everybody."""
    target = parse_statement(parse_envelope(one.published.parcel.envelope).payload)

    def edit(made: Statement) -> Statement:
        return replace(
            for_(EVERYBODY)(made), documents=tuple(replace(each, audience=EVERYBODY) for each in target.documents)
        )

    parcel = world[thief].parcel("ICT-03", edit=edit)
    sign_into(world[thief], parcel.envelope)
    return submission_id(parse_envelope(parcel.envelope).payload)


def test_a_commitment_written_into_another_log_opens_nothing(world: World) -> None:
    """Every node that holds the document mirrors the thief's entry, and nobody takes it for the thief's own."""
    one = plant(world["XR"], "for States", STATES)
    settle(world)
    ident = named_as_ones_own(world, "XP", one)
    settle(world)
    for code in ("XR", "XA", "XP"):
        node = world[code]
        for who in (NOBODY, node_of(world["XP"]), node_of(world["ORG-SEC"])):
            for each in commitments(one):
                answer = who.ask(node, f"/v1/documents/{each}")
                assert answer.status_code == 403 and not one.is_in(answer), code
            for path in (
                "/v1/documents?participant=XP",
                f"/v1/submissions/{ident}",
                f"/v1/submissions/{ident}/pack",
                f"/v1/submissions?status=test&q={one.word}",
            ):
                assert not one.is_in(who.ask(node, path)), (code, path)
        assert node.get(f"/v1/submissions/{ident}").json()["fits"] == "not held"


def test_a_state_may_publish_what_it_was_given(world: World) -> None:
    """Who holds a document can hand it to anybody: then it is that State's word, under that State's name."""
    one = plant(world["XR"], "for States", STATES)
    settle(world)
    target = parse_statement(parse_envelope(one.published.parcel.envelope).payload)

    def edit(made: Statement) -> Statement:
        return replace(made, documents=tuple(replace(each, audience=EVERYBODY) for each in target.documents))

    parcel = replace(world["XA"].parcel("ICT-03", edit=edit), documents=one.documents)
    world["XA"].submit(parcel)
    settle(world)
    for code in world.nodes:
        answers = [NOBODY.ask(world[code], f"/v1/documents/{each}") for each in commitments(one)]
        assert [answer.status_code for answer in answers] == [200, 200, 200], code
