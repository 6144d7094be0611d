"""A world whose nodes go by a founders' trust list: the same real nodes, a pinned root, and relays that speak for themselves.

with World(tmp_path, "XR", "XA", "XI") as world:
    made = found_federation(world)
"""

from dataclasses import replace
from typing import Any

from exchange.core.keys import Kind
from exchange.node.keyfile import KeyFile, keep_key, open_key
from exchange.trust.participants import ParticipantRecord
from exchange.trust.rolefile import RoleFile
from tests import key_named
from tests.founders import Founders, Holder
from tests.world import World, WorldNode

ROOT = "root.json"
NODE_KEYS = ("log", "witness", "transport", "node-submission")


class WorldFounders(Founders):
    """Founders of a world: the records are those of its nodes."""

    def __init__(self, world: World, *codes: str, **options: Any) -> None:
        self.world = world
        super().__init__(*(codes or tuple(world.nodes)), now=world.now, **options)

    def record(self, code: str, **changes: Any) -> ParticipantRecord:
        node = self.world[code]
        for name in NODE_KEYS:
            key = open_key(node.directory / "keys" / f"{name}.key").key
            self.keys[key.public.raw] = Holder(key)
        for number in (1, 2, 3):
            self.known(f"{code} officer {number}")
        record = self.world.participants.records[code]
        return replace(record, **{"operator": f"Ministry of {code}", **changes})


def found_federation(world: World, *codes: str, relays: int = 2, **options: Any) -> WorldFounders:
    """Stop the nodes, give each the root and the list by hand, and start them again. The first nodes are relays."""
    made = WorldFounders(world, *codes, relays=relays, **options)
    for number, code in enumerate(made.codes):
        node = world[code]
        node.stop()
        if number < relays:
            keep_key(node.directory / "keys" / "relay.key", KeyFile(Kind.RELAY, key_named(f"relay {number}")))
        join(made, node, made.bundle())
    return made


def join(made: Founders, node: WorldNode, bundle: bytes | None, *ask: str) -> None:
    """The node begins with the pinned root, and what its operator was given."""
    (node.directory / ROOT).write_bytes(made.roots[0].raw)
    if bundle is not None:
        (node.directory / "trust").mkdir(exist_ok=True)
        (node.directory / "trust" / "founding.bundle").write_bytes(bundle)
    with (node.directory / "node.toml").open("a") as file:
        file.write(f'\ntrust_root = "{ROOT}"\ntrust_from = {list(ask)}\n'.replace("'", '"'))
    node.start()


def hand_in(node: WorldNode, *files: RoleFile) -> None:
    """Put files into a node's DIR/trust; it reads them at its next round."""
    (node.directory / "trust").mkdir(exist_ok=True)
    for file in files:
        (node.directory / "trust" / file.name).write_bytes(file.raw)
