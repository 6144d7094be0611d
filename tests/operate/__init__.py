"""The operator's year: what keeps a node alive beside other work, with real nodes, real databases, real disks."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from exchange.app import Exchange
from exchange.config import read_settings
from exchange.federation.peer import open_client
from exchange.federation.pull import Puller
from exchange.federation.recover import Rebuilder, Rebuilt
from exchange.node.backup import back_up
from exchange.node.manifest import Manifest
from exchange.node.restore import Restored, restore
from tests.databases import fresh_database
from tests.world import WorldNode


def saved(node: WorldNode, target: Path, *, with_keys: bool = True) -> Manifest:
    """A backup of a node, which may be running."""
    return back_up(read_settings(node.directory), target, with_keys=with_keys, now=node.world.now)


def brought_back(node: WorldNode, backup: Path, *, start: bool = True, alone: bool = False) -> Restored:
    """The node's disk is gone; it comes back out of that backup."""
    node.stop()
    shutil.rmtree(node.directory)
    made = restore(backup, node.directory, database=fresh_database(node.directory), keys=None, now=node.world.now)
    if start:
        started(node, alone=alone)
    return made


def started(node: WorldNode, *, alone: bool = False) -> Exchange:
    node.start(alone=alone)
    return node.running


def rebuilt(node: WorldNode, said: list[str] | None = None) -> Rebuilt:
    """What `cbm node recover DIR` does in a node that does not run; it starts afterwards."""
    node.stop()
    node.open()
    inner, world = node.running.node, node.world
    try:
        puller = Puller(inner.db, inner.files, lambda: inner.participants, inner.catalogue, world.clock)
        say = (said if said is not None else []).append
        with open_client(world.wire) as client:
            rebuilder = Rebuilder(puller, client, node.code, inner.vkey, 30.0, lambda *_: None, say)
            return rebuilder.run()
    finally:
        node.stop()
        node.start()


def snapshot_of(folder: Path) -> Mapping[str, bytes]:
    """Every file under a folder, to see that nothing changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
