"""Several small States on one machine: whoever has everything that lies there can still sign for none of them."""

from pathlib import Path

import pytest

from exchange.errors import InUse, NotAdmitted, Unverified
from exchange.node.founding import NODE_KEYS, SEALING_KEY
from exchange.node.keyfile import open_key
from tests.operate import started
from tests.operate.running import RunningNode, made_node
from tests.world import World


def test_no_key_in_a_nodes_folder_can_sign_a_return(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        for node in world.nodes.values():
            held = [path for path in node.directory.rglob("*") if path.is_file() and path.suffix == ".key"]
            assert sorted(path.name for path in held) == sorted((*NODE_KEYS.values(), SEALING_KEY))
            for kind, name in NODE_KEYS.items():
                key = open_key(node.directory / "keys" / name, kind=kind).key
                for other in world.nodes.values():
                    with pytest.raises((NotAdmitted, Unverified)):
                        other.publish(signers=(key,))
            assert node.officer.seed not in b"".join(path.read_bytes() for path in held)
        assert [head["size"] for head in world["XR"].heads()] == [0, 0]


def test_states_side_by_side_have_their_own_log_lock_and_port(tmp_path: Path) -> None:
    directories = [made_node(tmp_path / code, code) for code in ("XR", "XA")]
    with RunningNode(directories[0]) as first, RunningNode(directories[1]) as second:
        assert first.submit() == 0
        assert second.submit() == 0
        assert [node.get("/v1/node").json()["participant"] for node in (first, second)] == ["XR", "XA"]


def test_one_folder_is_run_once(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world, pytest.raises(InUse):
        started(world["XR"])
