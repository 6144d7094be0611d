"""Nothing acknowledged is lost: a real node is killed (SIGKILL) before, after and around its commit, under concurrent submissions."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.client import Client
from exchange.config import Settings
from exchange.core.keys import PrivateKey
from exchange.errors import Unreachable
from exchange.node.founding import default_origin, found
from tests import key_named
from tests.crash.clients import Clients, kill_from_outside, orphans
from tests.crash.conftest import Count
from tests.crash.node_that_dies import AFTER, BEFORE, BETWEEN, MAX_APPENDS, MOMENTS, WITHIN, run
from tests.databases import durable, give_database
from tests.processes import Command, Forked, NodeProcess, free_port, full_audit, wait_for_answer

OUTSIDE = "from outside"
ROUNDS = int(os.environ.get("CBM_CRASH_ROUNDS", "10"))
AUDITS = 20  # of so many rounds at most: each reads everything there is


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    """A new node on a port of its own, not running yet, and those who will depend on it; its database waits for the disk."""
    officer: PrivateKey = key_named("XR officer 1")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        directory=tmp_path / "XR",
        participant="XR",
        url=url,
        origin=default_origin(url),
        federation="trial.example",
        listen=f"127.0.0.1:{port}",
        log_level="warning",
    )
    found(settings, name="Ruritania", officers=[officer.public], now=datetime.now(UTC))
    give_database(settings.directory)
    with durable():
        yield Clients(settings.directory, officer)


def start_to_die(clients: Clients, moment: str, seed: int) -> tuple[Forked, str]:
    node = Forked(run, str(clients.directory), moment, seed)
    return node, wait_for_answer(clients.directory, node)


def kill_while_submitting(clients: Clients, moment: str, seed: int) -> None:
    """One submission meets its node's death: nobody is answered."""
    node, url = start_to_die(clients, moment, seed)
    parcel = clients.parcel(large=moment == BETWEEN)
    with Client(url) as client, pytest.raises(Unreachable):
        client.submit(parcel)
    assert node.join() == -signal.SIGKILL
    clients.waiting.append(parcel)
    full_audit(clients.directory)


FIRST_APPEND = next(seed for seed in range(100) if random.Random(seed).randint(1, MAX_APPENDS) == 1)


@pytest.mark.parametrize("moment", [BEFORE, WITHIN])
def test_a_kill_before_the_commit_leaves_nothing_and_the_submission_is_taken_later(
    clients: Clients, moment: str
) -> None:
    kill_while_submitting(clients, moment, FIRST_APPEND)
    with NodeProcess(clients.directory) as node:
        assert clients.compare(node.url) == 0
        clients.submit_the_rest(node.url)
        assert clients.found_again == 0
        assert clients.compare(node.url) == 1


def test_a_kill_right_after_the_commit_keeps_what_nobody_was_told_of(clients: Clients) -> None:
    kill_while_submitting(clients, AFTER, FIRST_APPEND)
    with NodeProcess(clients.directory) as node:
        assert clients.compare(node.url) == 1
        clients.submit_the_rest(node.url)
        assert clients.found_again == 1
        assert clients.compare(node.url) == 1


def test_a_kill_between_file_and_transaction_leaves_an_orphan_that_the_next_start_sweeps(clients: Clients) -> None:
    kill_while_submitting(clients, BETWEEN, FIRST_APPEND)
    assert len(orphans(clients.directory)) == 1
    with NodeProcess(clients.directory) as node:
        assert orphans(clients.directory) == []
        assert clients.compare(node.url) == 0
        clients.submit_the_rest(node.url)
        assert clients.compare(node.url) == 1


def live_and_die(clients: Clients, moment: str, seed: int) -> None:
    """Start, compare with all that was said before, submit until it dies."""
    if moment != OUTSIDE:
        node, url = start_to_die(clients, moment, seed)
        clients.compare(url)
        clients.submit_until_it_dies(url)
    else:
        node = Command("node", "run", clients.directory, cwd=clients.directory.parent)
        url = wait_for_answer(clients.directory, node)
        clients.compare(url)
        striker = kill_from_outside(node, clients, random.Random(seed).uniform(0, 0.1))
        clients.submit_until_it_dies(url)
        striker.join()
    assert node.join() == -signal.SIGKILL, moment


@pytest.mark.crash
def test_nothing_acknowledged_is_lost_however_often_the_node_is_killed(clients: Clients, count: Count) -> None:
    moments = (*MOMENTS, OUTSIDE)
    died = dict.fromkeys(moments, 0)
    swept = 0
    for number in range(ROUNDS):
        moment = moments[number % len(moments)]
        live_and_die(clients, moment, number)
        died[moment] += 1
        swept += len(orphans(clients.directory))
        if number % max(1, ROUNDS // AUDITS) == 0:
            full_audit(clients.directory)
    with NodeProcess(clients.directory) as last:
        clients.compare(last.url)
        unanswered = len(clients.waiting)
        clients.submit_the_rest(last.url)
        size = clients.compare(last.url)
    lost = len(clients.acknowledged) - size
    figures = {"kills": ROUNDS, **died, "acknowledged": len(clients.acknowledged), "lost": lost}
    figures |= {"checkpoints seen, all of one tree": len(clients.seen), "orphan files swept": swept}
    figures |= {"at last unanswered": unanswered, "of them found in the log": clients.found_again}
    count("killed around its commit, under six submitters", Counter(figures))
    assert lost == 0 and len(clients.acknowledged) >= ROUNDS
