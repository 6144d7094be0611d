"""The leak list of schemas/README.md section 23: an outsider with every public surface, log and mirror, and what they can tell.

Of a restricted document there is its existence, publisher, time, form, and whatever else the statement says: no word of it, no name,
no byte, no opening, no length, not whether a node holds it, and not whether it fits its form.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from exchange.core.dsse import parse_envelope
from exchange.core.statement import parse_statement
from tests.audience import EVERYBODY, NOBODY, PARTNERS, STATES, Planted, commitments, federation, node_of, plant, settle
from tests.audience.test_table import SERVES, SILENT
from tests.world import World

FAR = "2030-01-01T00:00:00Z"
TOLD = {
    *(
        "v",
        "federation",
        "origin",
        "participant",
        "form",
        "series",
        "issued",
        "period",
        "return",
        "message",
        "references",
    ),
    *("status", "on_behalf_of", "languages", "audience", "release_on", "retain_until", "documents"),
}
"""All that a statement says, which is public for ever."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with federation(tmp_path_factory.mktemp("leaks")) as world:
        yield world


@pytest.fixture(scope="module")
def planted(world: World) -> list[Planted]:
    made = [
        plant(world["XR"], "for States", STATES),
        plant(world["XR"], "for Partners", PARTNERS),
        plant(world["XR"], "held back", EVERYBODY, release_on=FAR),
        plant(world["XR"], "a contact for States", STATES, form="POC-02"),
    ]
    settle(world)
    return made


def surfaces(world: World, one: Planted) -> Iterator[tuple[str, str, Any]]:
    """Everything that anybody can ask any node."""
    for code, node in world.nodes.items():
        for paths in (*SERVES.values(), *SILENT.values()):
            for path in paths(one):
                yield code, path, NOBODY.ask(node, path)
        for path in ("/log/tile/entries/000.p/4", "/mirror/XR/tile/entries/000.p/4", "/mirror/XA/checkpoint"):
            yield code, path, NOBODY.ask(node, path)


def test_an_outsider_sees_nothing_of_a_restricted_document(world: World, planted: list[Planted]) -> None:
    for one in planted:
        for code, path, answer in surfaces(world, one):
            assert not one.is_in(answer), f"{code}{path}"


def test_what_an_outsider_sees_is_the_statement(world: World, planted: list[Planted]) -> None:
    for one in planted:
        statement = json.loads(parse_envelope(one.published.parcel.envelope).payload)
        assert set(statement) == TOLD
        for node in world.nodes.values():
            whole = node.get(f"/v1/submissions/{one.published.id}").json()
            assert whole["statement"] == statement
            documents = whole["documents"]
            for said, shown in zip(statement["documents"], documents, strict=True):
                assert {name: shown[name] for name in said} == said
                more = {name: value for name, value in shown.items() if name not in said}
                readers = "nobody" if statement["release_on"] else statement["audience"]
                assert more == {"held": False, "name": None, "size": None, "erased": None, "readers": readers}
            for name in ("body",):
                assert whole[name] is None
            assert whole["fits"] == "restricted"


def test_a_pack_for_an_outsider_has_no_document(world: World, planted: list[Planted]) -> None:
    for one in planted:
        for node in world.nodes.values():
            content = node.get(f"/v1/submissions/{one.published.id}/pack").content
            names = zipfile.ZipFile(BytesIO(content)).namelist()
            assert not [name for name in names if name.startswith("documents/")]
            assert "envelope.json" in names and "receipt.tlog-proof" in names


def test_those_who_hold_it_and_those_who_do_not_answer_an_outsider_alike(world: World, planted: list[Planted]) -> None:
    """XA holds what is for States, the Secretariat never had it: an outsider cannot tell which is which."""
    for one in planted:
        for path in [path for paths in SERVES.values() for path in paths(one) if not path.endswith("/pack")]:
            answers = {comparable(NOBODY.ask(node, path).content) for node in world.nodes.values()}
            assert len(answers) == 1, path


def comparable(answer: bytes) -> bytes:
    """`cosigned by 3 of 4` grows as lines come in."""
    return re.sub(rb'"(cosignatures|standing|not_later_than|late)":[^,}]*', b"", answer)


def test_what_is_refused_says_no_more_than_the_log(world: World, planted: list[Planted]) -> None:
    one = planted[0]
    for node in world.nodes.values():
        for commitment in commitments(one):
            answer = node.get(f"/v1/documents/{commitment}").json()
            detail = "a document of XR for participating States: it is not for whoever asks here, or not yet"
            assert (answer["code"], answer["detail"]) == ("restricted", detail)
        unknown = node.get("/v1/documents/" + "1" * 64).json()
        assert unknown["code"] == "not-found"


def test_the_directory_and_the_memory_of_look_ups_are_the_publics(world: World, planted: list[Planted]) -> None:
    """A State asks in the same minute, before and after: what it was told is kept for nobody."""
    contact = planted[-1]
    path = "/v1/contacts?participant=XR&status=test"
    for code in ("XR", "XA"):
        node = world[code]
        before = node.get(path)
        told = node_of(world["XA"]).ask(node, path)
        again = node.get(path)
        assert contact.is_in(told) and not contact.is_in(before) and not contact.is_in(again)
        assert before.headers["etag"] == again.headers["etag"] != told.headers["etag"]
        assert node.get(path, headers={"If-None-Match": told.headers["etag"]}).status_code == 200


def test_a_body_that_misfits_is_told_to_its_readers_alone(world: World) -> None:
    """Its own door takes none; a log key in the wrong hands may. What does not fit, and where, is content."""
    from exchange.core.statement import submission_id
    from exchange.store import documents
    from exchange.store.fitting import judge_arrived
    from exchange.store.folder import Arrival
    from tests.audience import for_
    from tests.faults import sign_into

    xr = world["XR"]
    parcel = xr.parcel("POC-02", role="plantedrole", edit=for_(STATES))
    sign_into(xr, parcel.envelope)
    inner = xr.running.node
    with inner.db.write() as tx:
        came = [Arrival.small(one.slot, one.name, one.opening, one.content) for one in parcel.documents]
        judge_arrived(tx, documents.hold(tx, came, "XR")[1], inner.catalogue)
    settle(world)
    path = f"/v1/submissions/{submission_id(parse_envelope(parcel.envelope).payload)}"
    for code in ("XR", "XA"):
        assert "does not fit: /role" in node_of(world["XA"]).ask(world[code], path).json()["fits"]
        assert world[code].get(path).json()["fits"] == "restricted"
    assert parse_statement(parse_envelope(parcel.envelope).payload).audience == STATES


def test_public_figures_grow_by_no_document(world: World) -> None:
    """Where an operator shows /metrics to everybody, sizes of disk and database are left out."""
    public = world["XP"].get("/metrics", headers={"Host": "127.0.0.1"}).text
    assert "cbm_database_bytes" in public and "cbm_disk_free_bytes" in public
    from exchange.api.metrics import families, format_families

    node = world["XR"].running.node
    told = format_families(families(node, world.now, whole=False))
    assert "cbm_database_bytes" not in told and "cbm_disk_free_bytes" not in told
