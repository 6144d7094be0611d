"""Who may read a document later: its day, by what witnesses vouch for, and what its publisher releases."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exchange.core.statement import Reference
from exchange.errors import ExchangeError
from exchange.trust.participants import Participants
from tests import key_named
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
    officer,
    plant,
    release,
    settle,
)
from tests.builders import participant_key
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with federation(tmp_path) as world:
        yield world


def readers_of(world: World, one: Planted, *, at: str = "XR") -> set[str]:
    """Who gets its documents from that node, and who finds it by its word: always the same."""
    whos = (NOBODY, *(node_of(world[code]) for code in ("XA", "XP", "XS", "ORG-SEC")))
    world[at].running.indexer.catch_up()
    found = set()
    for who in whos:
        statuses = {who.ask(world[at], f"/v1/documents/{each}").status_code for each in commitments(one)}
        assert len(statuses) == 1, statuses
        hits = who.ask(world[at], f"/v1/submissions?status=test&q={one.word}").json()["items"]
        assert bool(hits) is (statuses == {200})
        if hits:
            found.add(who.name)
    return found


def test_before_its_day_a_document_is_its_publishers_alone_and_then_its_audiences(world: World) -> None:
    one = plant(world["XR"], "held back", PARTNERS, release_on="2026-11-21T06:00:00Z")
    assert readers_of(world, one) == set()
    assert officer("reader").ask(world["XR"], f"/v1/submissions/{one.published.id}").json()["body"] is not None
    world.sleep(hours=2)
    settle(world)
    assert readers_of(world, one) == set(), "it is five o'clock"
    assert world["XA"].get("/v1/peers").json()["items"][-1]["documents_missing"] == 0, "nobody owes it yet"
    world.sleep(hours=2)
    assert readers_of(world, one) == set(), "seven by the clock, but no witness has said so"
    cosign(world)
    settle(world)
    assert readers_of(world, one) == {"XA", "XP"}
    assert readers_of(world, one, at="XA") == {"XA", "XP"}
    assert readers_of(world, one, at="XP") == {"XA", "XP"}


def cosign(world: World) -> None:
    """Every witness looks at every log once more."""
    for node in world.nodes.values():
        node.running.cosigners.ask_now()


def test_a_clock_that_is_ahead_opens_nothing(world: World) -> None:
    one = plant(world["XR"], "held back", EVERYBODY, release_on="2026-11-21T06:00:00Z")
    node = world["XR"].running.node
    node.clock = lambda: world.now.replace(year=2031)
    world["XR"].running.pull_round(everybody=True)
    node.clock = world.clock
    assert readers_of(world, one) == set()


def test_the_publisher_widens_and_all_nodes_follow(world: World) -> None:
    one = plant(world["XR"], "released", STATES)
    settle(world)
    assert readers_of(world, one) == {"XA"} == readers_of(world, one, at="XA")
    release(world["XR"], one, PARTNERS)
    assert readers_of(world, one) == {"XA", "XP"}
    settle(world)
    assert readers_of(world, one, at="XP") == {"XA", "XP"}
    release(world["XR"], one, EVERYBODY)
    settle(world)
    everybody = {"nobody", "XA", "XP", "XS", "ORG-SEC"}
    for code in world.nodes:
        assert readers_of(world, one, at=code) == everybody, code
    release(world["XR"], one, STATES)
    settle(world)
    assert readers_of(world, one) == everybody, "nobody narrows"


def test_one_slot_is_released_alone(world: World) -> None:
    one = plant(world["XR"], "released in part", STATES)
    release(world["XR"], one, EVERYBODY, slot="a1")
    statuses = [NOBODY.ask(world["XR"], f"/v1/documents/{each}").status_code for each in commitments(one)]
    assert statuses == [403, 200, 403]
    world["XR"].running.indexer.catch_up()
    small = one.documents[1].name
    for question, hits in ((one.word, 1), (f'"{small}"', 1), ('"called"', 0)):
        found = world["XR"].get(f"/v1/submissions?status=test&q={question}").json()["items"]
        assert len(found) == hits, question
        assert all("called" not in (item["context"] or "") for item in found)
    line = world["XR"].get(f"/v1/submissions/{one.published.id}").json()
    assert [each["name"] for each in line["documents"]] == [None, small, None]
    assert (line["body"], line["fits"]) == (None, "restricted")


def test_a_release_may_have_its_own_day(world: World) -> None:
    one = plant(world["XR"], "released later", STATES)
    release(world["XR"], one, EVERYBODY, release_on="2026-11-21T06:00:00Z")
    settle(world)
    assert readers_of(world, one) == {"XA"}
    world.sleep(hours=4)
    cosign(world)
    settle(world)
    assert "nobody" in readers_of(world, one)


@pytest.mark.parametrize(
    "changes",
    [
        {"references": "related"},
        {"status": "exercise"},
        {"message": "reply"},
    ],
    ids=str,
)
def test_what_is_no_release_widens_nothing(world: World, changes: dict[str, Any]) -> None:
    one = plant(world["XR"], "not released", STATES)
    wanted = {"message": "release", "status": "test", **changes}
    references = (Reference(wanted.pop("references", "releases"), one.published.id, None),)

    def edit(made: Any) -> Any:
        return replace(made, references=references, documents=(), audience=EVERYBODY, period=None, **wanted)

    parcel = replace(world["XR"].parcel("ICT-03", edit=edit), documents=())
    try:
        world["XR"].submit(parcel)
    except ExchangeError as error:
        assert error.code == "unknown-series"
    assert readers_of(world, one) == {"XA"}


def test_nobody_else_widens(world: World) -> None:
    """XA may read it, and would like everybody to: its own log is the only one that it writes into."""
    one = plant(world["XR"], "not yours", STATES)
    settle(world)
    edit = for_(EVERYBODY)

    def theirs(made: Any) -> Any:
        references = (Reference("releases", one.published.id, None),)
        return replace(edit(made), message="release", references=references, documents=(), period=None)

    with pytest.raises(ExchangeError):
        world["XA"].submit(replace(world["XA"].parcel("ICT-03", edit=theirs), documents=()))


def test_who_may_sign_one_form_releases_nothing_of_another(tmp_path: Path) -> None:
    """The release stands under the form of what it releases, and so must the keys that sign it."""
    with federation(tmp_path) as world:
        one = plant(world["XR"], "another form", STATES)
        contact = key_named("XR contacts only")
        record = world.participants.records["XR"]
        keys = (*record.keys, participant_key(contact, may_sign=("POC-02",), start=(0, 1)))
        records = {**world.participants.records, "XR": replace(record, keys=keys)}
        world.participants = Participants(world.participants.federation, False, records)
        world.write_records(world.participants)
        settle(world)

        def edit(made: Any) -> Any:
            references = (Reference("releases", one.published.id, None),)
            return replace(made, message="release", references=references, documents=(), audience=EVERYBODY)

        for form, code in (("ICT-03", "key-not-allowed"), ("POC-02", "unknown-series")):
            parcel = replace(world["XR"].parcel(form, edit=edit, signers=(contact,)), documents=())
            with pytest.raises(ExchangeError) as caught:
                world["XR"].submit(parcel)
            assert caught.value.code == code
        assert readers_of(world, one) == {"XA"}


def test_a_release_that_its_state_disputes_has_no_effect(world: World) -> None:
    """A stolen key released; the State closes the key from before that on, and what it released is restricted again."""
    one = plant(world["XR"], "released by a thief", STATES)
    thief = key_named("XR reader")  # its record lets it sign this form
    edit_release(world, one, thief)
    settle(world)
    assert "nobody" in readers_of(world, one)
    record = world.participants.records["XR"]
    keys = tuple(
        replace(key, before=(0, 1)) if key.public_key.keyid == thief.public.keyid else key for key in record.keys
    )
    records = {**world.participants.records, "XR": replace(record, keys=keys)}
    world.participants = Participants(world.participants.federation, False, records)
    world.write_records(world.participants)
    settle(world)
    for code in ("XR", "XA", "XP"):
        assert readers_of(world, one, at=code) in ({"XA"}, set()), code
        assert NOBODY.ask(world[code], f"/v1/documents/{commitments(one)[0]}").status_code == 403


def edit_release(world: World, one: Planted, signer: Any) -> None:
    def edit(made: Any) -> Any:
        references = (Reference("releases", one.published.id, None),)
        return replace(made, message="release", references=references, documents=(), audience=EVERYBODY)

    world["XR"].submit(replace(world["XR"].parcel("ICT-03", edit=edit, signers=(signer,)), documents=()))
