"""PostgreSQL fails: the line is cut at each message, sessions are ended, the server dies. The node goes on by reading what is there."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.client import Client
from tests import key_named
from tests.crash.acts import acquainted, visit
from tests.crash.clients import Clients
from tests.crash.conftest import Count
from tests.crash.line import Cut, Cutter
from tests.crash.server import Server
from tests.crash.survivor import Survivor, run_node
from tests.crash.tracer import CHANGES, LINE, SPEECH, Traced
from tests.crash.walk import answers
from tests.operate.running import made_node
from tests.processes import Forked, wait_for_answer

EVERY = "CBM_CRASH_ROUNDS" in os.environ
pytestmark = [pytest.mark.crash, pytest.mark.postgresql]

ROUNDS = 30 if EVERY else 3  # deaths of the server
SUBMITTERS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def node_on(server: Server, folder: Path, code: str) -> tuple[Clients, str]:
    """A new node with its data on that server, those who depend on it, and the name of its database."""
    name, address = server.database()
    directory = made_node(folder / code, code, database=f'"{address}"')
    return Clients(directory, key_named(f"{code} officer 1")), name


class OnTheLine:
    """A traced node whose line is cut; started again where it dies."""

    def __init__(self, server: Server, clients: Clients, name: str, act: Callable[[], bool]) -> None:
        self._server, self._clients, self._name, self._act = server, clients, name, act
        self.node = self._started()

    def _started(self) -> Traced:
        directory = self._clients.directory
        said = str(directory.with_name(f"{directory.name}.said"))
        node = Traced(run_node, str(directory), said, root=directory, names=CHANGES | SPEECH | LINE)
        assert answers(node, self._clients.url)
        return node

    def cut(self, number: int, cut: Cut, seen: Counter[str]) -> bool:
        """The act, its `number`-th message cut; then once more, which must go well. False where it has fewer messages."""
        cutter = Cutter(number, cut, lambda: self._server.end_sessions(self._name))
        self.node.decide = cutter
        cutter.armed = True
        went_well = self._act()
        cutter.armed = False
        if cutter.struck:
            seen[cut.value] += 1
            seen["refused, then taken" if not went_well else "went on unnoticed"] += 1
        if cut is Cut.KILLED and cutter.struck:
            assert self.node.join() == -signal.SIGKILL
            self.node = self._started()
        assert went_well or self._act(), f"after message {number} was {cut.value} nothing goes any more"
        return cutter.struck

    def walk(self) -> Counter[str]:
        """Every message of the act under every cut, or every seventh."""
        seen = Counter[str]()
        assert self._act()
        for cut in Cut:
            step = 1 if EVERY else 7 if cut is not Cut.KILLED else 20
            number = 1 if EVERY else 4
            while self.cut(number, cut, seen):
                number += step
            assert seen[cut.value], "not one message met it"
        self.node.send(signal.SIGTERM)
        assert self.node.join() == 0
        return seen


def test_a_line_cut_at_any_message_of_a_submit(server: Server, tmp_path: Path, count: Count) -> None:
    clients, name = node_on(server, tmp_path, "XR")

    def submit() -> bool:
        if not clients.waiting:
            clients.waiting = [clients.parcel(large=len(clients.parcels) % 8 == 0)]
        well = clients.submit_what_waits(clients.url)
        clients.look(clients.url)
        return well

    seen = OnTheLine(server, clients, name, submit).walk()
    with Survivor(clients.directory) as back:
        clients.transport = back.wire
        size = clients.compare(back.url)
    assert size == len(clients.acknowledged) == len(clients.parcels)
    count("PostgreSQL, a submit", seen + Counter(acknowledged=size))


def test_a_line_cut_at_any_message_of_a_pull(server: Server, tmp_path: Path, count: Count) -> None:
    theirs, _ = node_on(server, tmp_path, "XR")
    ours, name = node_on(server, tmp_path, "XA")
    acquainted(theirs, ours)
    source = Forked(run_node, str(theirs.directory), str(tmp_path / "XR.said"))
    wait_for_answer(theirs.directory, source)

    def pull() -> bool:
        """Another entry of theirs, every eighth with a large document."""
        theirs.waiting = [theirs.parcel(large=len(theirs.parcels) % 8 == 0)]
        assert theirs.submit_what_waits(theirs.url)
        return visit(ours)

    try:
        seen = OnTheLine(server, ours, name, pull).walk()
        with Survivor(ours.directory) as back:
            assert [visit.error for visit in back.exchange.pull_round(everybody=True)] == [None]
            with Client(back.url, back.wire) as client:
                (head,) = (head for head in client.heads() if head["participant"] == "XR")
    finally:
        source.process.kill()
        source.join()
    assert head["size"] == head["admitted"] == len(theirs.parcels)
    count("PostgreSQL, a pull", seen + Counter({"entries pulled": head["size"]}))


def test_the_server_dies_under_submitters(server: Server, tmp_path: Path, count: Count) -> None:
    """At once, or it loses a process; one node lives through it all and is never started again."""
    clients, name = node_on(server, tmp_path, "XR")
    node = Forked(run_node, str(clients.directory), str(tmp_path / "XR.said"))
    url = wait_for_answer(clients.directory, node)
    over, seen, chance = threading.Event(), Counter[str](), random.Random(1)

    def submitter(_: int) -> None:
        with Client(url) as client:
            while not over.is_set():
                parcel = clients.parcel(large=chance.random() < 0.2)
                while not clients.taken(client, parcel):
                    seen["refusals"] += 1
                    if over.wait(0.02):
                        return clients.waiting.append(parcel)

    threads = [threading.Thread(target=clients.careful(submitter), args=(number,)) for number in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            before = len(clients.acknowledged)
            while len(clients.acknowledged) < before + 5:
                assert not clients.wrong and node.alive, clients.wrong
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.05))
            seen["deaths"] += 1
            if number % 3 == 2:
                server.lose_a_session(name)
            else:
                server.shut_down_at_once()
    finally:
        over.set()
        for thread in threads:
            thread.join()
        node.send(signal.SIGTERM)
        ended = node.join()
    assert ended == 0 and not clients.wrong, clients.wrong
    with Survivor(clients.directory) as back:
        clients.transport = back.wire
        clients.submit_the_rest(back.url)
        size = clients.compare(back.url)
    assert size == len(clients.acknowledged) == len(clients.parcels)
    count("PostgreSQL, its server dies under submitters", seen + Counter(acknowledged=size))
