"""A round of visits in which nothing changed costs each peer one conditional request, however many peers there are."""

from pathlib import Path

from tests import engine
from tests.benchmarks.idle import codes
from tests.benchmarks.nodes import introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess

PEERS = 57


def test_nothing_changed_is_one_conditional_request_to_each_of_57_peers(tmp_path: Path) -> None:
    """The start looks at what they hold of ours, and at how far theirs was cosigned; the first round brings their heads; the second
    finds everything as it was."""
    everybody = codes(PEERS)
    directory = tmp_path / "XA"
    lay_out(directory, "XA", engine.name)
    with Peers(dict.fromkeys(everybody, 0), tmp_path) as peers:
        peers.publish(**dict.fromkeys(everybody, 0))
        introduce(directory, [peer_record(code, peers.url(code)) for code in everybody])
        with PullerProcess(directory) as puller:
            puller.round(0)
            assert peers.asked() == {
                code: {"200 checkpoint": 2, "404 mirror": 1, "404 witness": 1} for code in everybody
            }
            for _ in range(2):
                puller.round(0)
                assert peers.asked() == {code: {"304 checkpoint": 1} for code in everybody}
