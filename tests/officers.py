"""Officers of a State in a small world: their keys stand in its record with roles, and they sign in as anybody does.

editor, releaser = enrolled(world["XR"], "editor", "releaser")
token = signed_in(world["XR"], editor)
world["XR"].get("/v1/session", headers=bearer(token))
"""

from dataclasses import replace
from typing import Any

import httpx

from exchange.client import officers
from exchange.core.base64text import format_base64
from exchange.core.keys import PrivateKey
from exchange.node.founding import forms_for, officer_key
from exchange.trust.participants import ParticipantRecord, Participants
from tests import key_named
from tests.world import WorldNode


def enrolled(node: WorldNode, *roles: str, may_sign: tuple[str, ...] | None = None) -> list[PrivateKey]:
    """A key for each of these (two named alike get one each), in force from the first entry on; `releaser+auditor` has two roles."""
    world = node.world
    record = world.participants.records[node.code]
    keys = [key_named(f"{node.code} {role} {len(record.keys) + number}") for number, role in enumerate(roles)]
    more = [
        officer_key(key.public, forms_for(named, may_sign), roles=named)
        for key, named in zip(keys, [role.split("+") for role in roles], strict=True)
    ]
    put_in_force(node, replace(record, keys=(*record.keys, *more)))
    return keys


def put_in_force(node: WorldNode, record: ParticipantRecord) -> None:
    """The record is the one that all nodes go by, at once."""
    world = node.world
    world.participants = Participants(
        world.participants.federation, world.participants.live, {**world.participants.records, node.code: record}
    )
    world.write_records(world.participants)
    for each in world.nodes.values():
        each.running.import_records()


def closed(node: WorldNode, key: PrivateKey, index: int) -> None:
    """The State closes that key at that index of its log."""
    record = node.world.participants.records[node.code]
    keys = [replace(one, before=(0, index)) if one.public_key == key.public else one for one in record.keys]
    put_in_force(node, replace(record, keys=tuple(keys)))


def challenge(node: WorldNode, key: PrivateKey) -> bytes:
    answer = node.post("/v1/session/challenge", json={"key": key.public.keyid})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["message"]).encode()


def open_session(node: WorldNode, message: bytes, signature: bytes) -> httpx.Response:
    return node.post("/v1/session", json={"message": message.decode(), "signature": format_base64(signature)})


def signed_in(node: WorldNode, key: PrivateKey) -> str:
    """The token of a new session."""
    message = challenge(node, key)
    assert officers.own_challenge(node.url, key.public.keyid, {"message": message.decode(), "seconds": 1}) == message
    answer = open_session(node, message, key.sign(message))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_of(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")
