"""Pulling: a full verified mirror of every other node's log and documents."""

from pathlib import Path

from tests.world import World


def test_three_nodes_end_with_equal_heads(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        for node in world.nodes.values():
            node.publish("POC-02")
            node.publish("ICT-03", attachments=(("strategy.pdf", b"%PDF-1.4 " + bytes(100_000)),))
        world.pull()
        assert world["XR"].heads() == world["XA"].heads() == world["XI"].heads()
        assert [head["admitted"] for head in world["XI"].heads()] == [2, 2, 2]
