"""What tests of forgetting share: second officers, erasures and their withdrawals, time that others vouch for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.keys import PrivateKey
from exchange.core.pack import Pack
from exchange.core.statement import Reference, format_statement, parse_statement
from exchange.node.founding import officer_key
from exchange.trust.participants import Participants
from tests import key_named
from tests.world import Published, World, WorldNode


def second(node: WorldNode) -> PrivateKey:
    return key_named(f"{node.code} officer 2")


def enrol(world: World) -> None:
    """Every State has a second officer: an erasure takes two."""
    records = {
        code: replace(record, keys=(*record.keys, officer_key(second(world[code]).public)))
        for code, record in world.participants.records.items()
    }
    world.participants = Participants(world.participants.federation, False, records)
    world.write_records(world.participants)
    for node in world.nodes.values():
        node.running.import_records()


def erasure(
    node: WorldNode, subject: Published, *slots: str, signers: Sequence[PrivateKey] | None = None, **changes: Any
) -> Pack:
    """Of the submission, or of some of its documents; right in every respect but those that are named."""
    statement = parse_statement(parse_envelope(subject.parcel.envelope).payload)
    plain = replace(
        statement,
        origin=node.origin,
        participant=node.code,
        message="erasure",
        return_="full",
        series=None,
        period=None,
        retain_until=None,
        issued=f"{node.world.now:%Y-%m-%dT%H:%M:%SZ}",
        references=tuple(Reference("erases", subject.id, slot) for slot in slots or (None,)),
        documents=(),
    )
    return _signed(format_statement(replace(plain, **changes)), signers or (node.officer, second(node)))


def withdrawal(node: WorldNode, order: Published, *signers: PrivateKey, **changes: Any) -> Pack:
    statement = parse_statement(parse_envelope(order.parcel.envelope).payload)
    plain = replace(
        statement,
        message="withdrawal",
        series=order.id,
        issued=f"{node.world.now:%Y-%m-%dT%H:%M:%SZ}",
        references=(Reference("withdraws", order.id, None),),
    )
    return _signed(format_statement(replace(plain, **changes)), signers or (node.officer,))


def _signed(payload: bytes, signers: Sequence[PrivateKey]) -> Pack:
    return Pack(format_envelope(sign_payload(payload, list(signers))), (), None, None)


def erase(node: WorldNode, subject: Published, *slots: str, **changes: Any) -> Published:
    return node.submit(erasure(node, subject, *slots, **changes))


def vouch(world: World) -> None:
    """Everybody cosigns everybody's head now, and everybody knows."""
    for node in world.nodes.values():
        assert set(node.running.cosigners.ask_now().values()) <= {None}
    world.pull()


def later(world: World, **span: float) -> None:
    """Time passes, and witnesses vouch for it."""
    world.sleep(**span)
    vouch(world)


def shown(node: WorldNode, one: Published) -> dict[str, Any]:
    found: dict[str, Any] = node.get(f"/v1/submissions/{one.id}").json()
    return found


def documents(node: WorldNode, one: Published) -> list[tuple[bool, str | None, bool | None]]:
    """(held, by what kind of order it is gone, destroyed) of each document, as the node answers."""
    return [
        (doc["held"], doc["erased"] and doc["erased"]["by"], doc["erased"] and doc["erased"]["destroyed"])
        for doc in shown(node, one)["documents"]
    ]


OPEN, MISSING = (True, None, None), (False, None, None)
HIDDEN, GONE = (False, "erasure", False), (False, "erasure", True)
FORESEEN_HIDDEN, FORESEEN_GONE = (False, "retain_until", False), (False, "retain_until", True)
