"""What is asked of a node while its storage fails: a submit, a pull, a start, an end, an index; and what must hold afterwards.

Each act ends with the directory brought back to life: what was acknowledged is there, what was not is taken when it is sent again,
every checkpoint that anybody saw lies in one tree, and the full audit passes.
"""

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import httpx

from exchange.client import Client
from exchange.core.checkpoint import verify_checkpoint
from exchange.errors import ExchangeError
from exchange.node.founding import read_participants, write_participants
from exchange.trust.participants import ParticipantRecord, Participants
from tests import key_named
from tests.crash.clients import Clients
from tests.crash.disk import Photograph, photograph, put_back
from tests.crash.survivor import Survivor, run_node
from tests.crash.tracer import How, Traced
from tests.crash.walk import Strike, answers, running, settle
from tests.operate.running import made_node
from tests.processes import Forked, wait_for_answer

FOLDED, PAGE = 1000, 4096 + 24  # pages in SQLite's WAL from which on it is folded in; bytes that each takes there
INDEX_SECONDS = 60.0


@dataclass(kw_only=True)
class Stage:
    """A node at rest, its photograph, and what those who depend on it know and still wait for."""

    name: str
    directory: Path
    clients: Clients
    taken: Photograph

    def reset(self) -> Clients:
        """As it was; everybody knows what they knew."""
        put_back(self.directory, self.taken)
        return self.clients.copy()


Act = Callable[[Stage, Strike], Counter[str]]


def submitted(directory: Path, code: str, size: int) -> Clients:
    """A new node with `size` entries, and those who submitted them."""
    clients = Clients(made_node(directory / code, code), key_named(f"{code} officer 1"))
    with Survivor(clients.directory) as node:
        clients.transport = node.wire
        clients.waiting = [clients.parcel() for _ in range(size)]
        assert clients.submit_what_waits(node.url)
    clients.transport = None
    return clients


def staged(folder: Path, size: int, waiting: int, *, large: bool = True) -> Stage:
    """A node with `size` entries, and parcels that wait for it, every second one of them with a large document if `large`."""
    clients = submitted(folder, "XR", size)
    clients.waiting = [clients.parcel(large=large and number % 2 == 1) for number in range(waiting)]
    name = f"{waiting} parcels at size {size}"
    return Stage(name=name, directory=clients.directory, clients=clients, taken=photograph(clients.directory))


def folding(folder: Path) -> Stage:
    """A node that was killed when its WAL was long: the next commit folds it into the database."""
    stage = staged(folder, 3, 1)
    database = stage.directory / "data" / "cbm.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.executescript("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF")
        pages = 0
        while pages < FOLDED - 4:
            db.execute("INSERT OR REPLACE INTO setting VALUES ('filler', ?)", (str(pages),))
            pages = database.with_name("cbm.sqlite-wal").stat().st_size // PAGE
        taken = photograph(stage.directory)
    assert pages < FOLDED
    return replace(stage, name="a parcel that folds the WAL", taken=taken)


def submit(stage: Stage, strike: Strike) -> Counter[str]:
    """Parcels come one after the other; what was refused is sent again when the fault is over."""
    clients = stage.reset()
    with running(stage.directory, strike) as node:
        assert answers(node, clients.url)
        strike.armed = True
        clients.submit_what_waits(clients.url)
        settle(node)
        strike.armed = False
        clients.look(clients.url)
        well = clients.submit_what_waits(clients.url)
        clients.look(clients.url)
    return _brought_back(clients, strike, well)


def batch(stage: Stage, strike: Strike) -> Counter[str]:
    """Parcels come in one request, all or none of which is recorded; what was refused is sent again when the fault is over."""
    clients = stage.reset()
    with running(stage.directory, strike) as node:
        assert answers(node, clients.url)
        strike.armed = True
        clients.submit_together_what_waits(clients.url)
        assert len(clients.waiting) in (0, len(stage.clients.waiting)), "a batch was recorded in part"
        settle(node)
        strike.armed = False
        clients.look(clients.url)
        refused = clients.submit_together_what_waits(clients.url) if clients.waiting else []
        clients.look(clients.url)
    return _brought_back(clients, strike, not refused)


def start(stage: Stage, strike: Strike) -> Counter[str]:
    """It refuses to start, or it starts."""
    clients = stage.reset()
    strike.armed = True
    with running(stage.directory, strike) as node:
        well = answers(node, clients.url)
        strike.armed = False
        clients.look(clients.url)
    return _brought_back(clients, strike, well)


def end_well(stage: Stage, strike: Strike) -> Counter[str]:
    """It takes parcels, and is told to end while its storage fails."""
    clients = stage.reset()
    with running(stage.directory, strike) as node:
        assert answers(node, clients.url)
        clients.submit_what_waits(clients.url)
        strike.armed = True
        node.send(signal.SIGTERM)
        well = node.join() == 0
    return _brought_back(clients, strike, well)


def index(stage: Stage, strike: Strike) -> Counter[str]:
    """It starts, and makes its index of texts: whatever that meets, every parcel is taken, and in the end all are found."""
    clients = stage.reset()
    strike.armed = True
    with running(stage.directory, strike, indexing=True) as node:
        well = answers(node, clients.url)
        only_the_index = well and not strike.struck
        indexed = _indexed(node, clients.url, strike)
        strike.armed = False
        clients.look(clients.url)
        well_taken = clients.submit_what_waits(clients.url)
        if only_the_index and node.alive:
            assert indexed or strike.struck, "it never came to its end"
            assert well_taken, "a parcel was refused"
            assert _indexed(node, clients.url), "it did not catch up"
    return _brought_back(clients, strike, well)


def _indexed(node: Traced, url: str, strike: Strike | None = None) -> bool:
    """Whether all that is there comes to be found before the fault, or the end, or too long a time."""
    deadline = time.monotonic() + INDEX_SECONDS
    with Client(url) as client:
        while node.alive and not (strike and strike.struck) and time.monotonic() < deadline:
            try:
                if client.search("team", status="test")["unsearched"] == 0:
                    return True
            except ExchangeError:
                pass  # it dies, or a disk that is full keeps it from reading
            time.sleep(0.02)
    return False


def _brought_back(clients: Clients, strike: Strike, well: bool) -> Counter[str]:
    """Hold it to everything; what waits is taken, and what stood already is found."""
    with Survivor(clients.directory) as back:
        clients.transport = back.wire
        clients.look(back.url)
        before, unanswered = clients.compare(back.url), len(clients.waiting)
        clients.found_again = 0
        clients.submit_the_rest(back.url)
        size = clients.compare(back.url)
        back.exchange.indexer.catch_up()
        with Client(back.url, back.wire) as client:
            found = client.search("team", limit=size, status="test")
    assert (len(found["items"]), found["unsearched"]) == (size, 0)
    assert size == len(clients.acknowledged) >= before
    return Counter(
        {_how(strike, well): 1, "unanswered": unanswered, "found again": clients.found_again, "acknowledged": size}
    )


def _how(strike: Strike, well: bool) -> str:
    died = strike.struck and strike.how is How.KILL
    return "died" if died else "went on" if well else "refused until started again"


def acquainted(*nodes: Clients) -> None:
    """Each of these nodes holds the record of every other."""
    records: dict[str, ParticipantRecord] = {}
    for clients in nodes:
        records |= read_participants(clients.directory / "peers.json").records
    records = {code: replace(record, operator="one for all") for code, record in records.items()}  # and no witness
    for clients in nodes:
        write_participants(clients.directory / "peers.json", Participants(clients.federation, False, records))


@dataclass(kw_only=True)
class Mirroring(Stage):
    """A node at rest that lacks the newest entries of another, which runs."""

    source: Forked
    theirs: Clients
    size: int

    def seen(self, transport: httpx.BaseTransport | None = None) -> int:
        """The size at which it serves its mirror of the other; that is a promise. -1 where nobody answers."""
        origin = sha256(self.theirs.origin.encode()).hexdigest()
        with httpx.Client(timeout=5, transport=transport) as http:
            try:
                note = http.get(f"{self.clients.url}/mirror/{origin}/checkpoint").raise_for_status().content
            except httpx.TransportError:
                return -1
        return verify_checkpoint(note, self.theirs.vkey).size


def mirroring(folder: Path, held: int, new: int) -> Mirroring:
    """The mirror ends at `held` entries; `new` ones wait, every second one of them with a large document."""
    theirs, ours = submitted(folder, "XR", held), submitted(folder, "XA", 2)
    acquainted(theirs, ours)
    source = Forked(run_node, str(theirs.directory), str(folder / "XR.said"))
    wait_for_answer(theirs.directory, source)
    with Survivor(ours.directory) as node:
        assert [visit.error for visit in node.exchange.pull_round()] == [None]
    theirs.waiting = [theirs.parcel(large=number % 2 == 1) for number in range(new)]
    assert theirs.submit_what_waits(theirs.url)
    return Mirroring(
        name=f"{new} entries at size {held}",
        directory=ours.directory,
        clients=ours,
        taken=photograph(ours.directory),
        source=source,
        theirs=theirs,
        size=held + new,
    )


def pull(stage: Stage, strike: Strike) -> Counter[str]:
    """A visit is asked for, and another one when the fault is over."""
    assert isinstance(stage, Mirroring)
    clients = stage.reset()
    with running(stage.directory, strike) as node:
        assert answers(node, clients.url)
        strike.armed = True
        visit(clients)
        settle(node)
        strike.armed = False
        sizes = [stage.seen()]
        well = visit(clients)
        sizes.append(stage.seen())
    with Survivor(stage.directory) as back:
        sizes.append(stage.seen(back.wire))
        assert sizes[-1] >= max(sizes), f"the mirror was served at {sizes}"
        held = sizes[-1]
        assert [visit.error for visit in back.exchange.pull_round(everybody=True)] == [None]
        assert stage.seen(back.wire) == stage.size
        clients.transport = back.wire
        clients.compare(back.url)
        with Client(back.url, back.wire) as client:
            (head,) = (head for head in client.heads() if head["participant"] == "XR")
        assert (head["size"], head["admitted"]) == (stage.size, stage.size)
        with httpx.Client(transport=back.wire) as http:
            (peer,) = http.get(f"{back.url}/v1/peers").json()["items"]
        assert peer["documents_missing"] == 0
    return Counter({_how(strike, well): 1, "entries pulled": stage.size, "held at the start": held})


def visit(clients: Clients) -> bool:
    """Have the node visit its peers; whether it went well, as its operator is told."""
    token = (clients.directory / "operator.token").read_text()
    with Client(clients.url) as client:
        try:
            return all(peer["error"] is None for peer in client.pull(token))
        except ExchangeError:
            return False
