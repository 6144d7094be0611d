"""Those who depend on a node that dies: they submit at the same time, keep what they were told, and compare afterwards."""

import contextlib
import copy
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson

from exchange.client import Client, Recorded
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, signed_alone, verify_checkpoint
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.keys import PrivateKey
from exchange.core.merkle import EMPTY_ROOT, Frontier, leaf_hash
from exchange.core.note import Vkey
from exchange.core.pack import Pack
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.core.statement import submission_id
from exchange.core.tiles import TILE_WIDTH, TilePath, format_tile_path, parse_bundle, width_at
from exchange.errors import Unavailable, Unreachable
from exchange.node.draft import Draft, prepare
from exchange.node.founding import read_participants
from exchange.resources import form_files
from tests import key_named
from tests.api import LINES, lines_of, offer
from tests.databases import hand_in
from tests.processes import Forked
from tests.world import body_of

LARGE = 70_000  # bytes: beyond what stands in the database, so it becomes a file
AT_ONCE = 6  # submitters
NEWEST = 8  # receipts that are asked for again
TOGETHER = 5  # parcels in a batch
MOST = 400  # parcels in one round; a node that lives on after that was not killed at all


@dataclass(frozen=True)
class Acknowledged:
    index: int
    receipt: bytes
    checkpoint: Checkpoint


class Clients:
    """`acknowledged` is what the node must never lose; `waiting` are parcels that nobody was answered about.

    They reach the node through `transport`: sockets unless it says otherwise.
    """

    def __init__(self, directory: Path, officer: PrivateKey) -> None:
        self.directory, self._officer = directory, officer
        self.transport: httpx.BaseTransport | None = None
        settings = read_settings(directory)
        self.url, self.origin, self.federation = settings.url, settings.origin, settings.federation
        self._header = {name: getattr(settings, name) for name in ("federation", "origin", "participant")}
        record = read_participants(settings.peers).records[settings.participant]
        self.vkey: Vkey = record.current_log.vkey
        self._catalogue = Catalogue.from_files(form_files())
        self._lock = threading.Lock()
        self._made = 0
        self.acknowledged: dict[bytes, Acknowledged] = {}
        self.waiting: list[Pack] = []
        self.parcels: list[Pack] = []  # all that were ever made
        self.seen: dict[int, Checkpoint] = {}
        self.wrong: list[str] = []
        self.found_again = 0

    def copy(self) -> "Clients":
        """Others who know the same."""
        other = copy.copy(self)
        other._lock = threading.Lock()
        other.acknowledged, other.seen = dict(self.acknowledged), dict(self.seen)
        other.waiting, other.wrong = list(self.waiting), []
        return other

    def parcel(self, *, large: bool = False) -> Pack:
        """Another signed parcel, with a document of 70 kB if large."""
        with self._lock:
            self._made += 1
            number = self._made
        form = self._catalogue.newest("POC-02")
        assert form is not None
        files = ((f"file {number}.pdf", str(number).encode() * (LARGE // len(str(number)))),) if large else ()
        header = {**self._header, "kind": "full", "message": "original", "status": "test", "languages": ["en"]}
        body = body_of("POC-02", institution={"en": f"Team {number}"})
        openings = iter(range(2))
        payload, documents = prepare(
            Draft(header, body, tuple((name, "application/pdf", None) for name, _ in files)),
            form,
            files,
            datetime.now(UTC),
            lambda: key_named(f"opening {number} {next(openings)}").seed,
        )
        made = Pack(format_envelope(sign_payload(payload, [self._officer])), documents, None, None)
        with self._lock:
            self.parcels.append(made)
        return made

    def submit_until_it_dies(self, url: str) -> None:
        """All at once; those who waited since the last time go first. One more looks at the checkpoint all the while."""
        over = threading.Event()
        self.waiting, again = [], self.waiting
        started = self._made
        watcher = threading.Thread(target=self._watch, args=(url, over))

        def submitter(number: int) -> None:
            with Client(url) as client:
                while self._made < started + MOST:
                    with self._lock:
                        parcels = [again.pop()] if again else []
                    if not parcels and number % 3 == 0:
                        parcels = [self.parcel() for _ in range(TOGETHER)]
                    parcels = parcels or [self.parcel(large=self._made % 4 == number % 4)]
                    try:
                        if len(parcels) > 1:
                            self._submit_together(url, parcels)
                        else:
                            self._submit(client, parcels[0])
                    except Unreachable:
                        with self._lock:
                            self.waiting += parcels
                        return

        submitters = [threading.Thread(target=self.careful(submitter), args=(number,)) for number in range(AT_ONCE)]
        for thread in (watcher, *submitters):
            thread.start()
        for thread in submitters:
            thread.join()
        over.set()
        watcher.join()
        self.waiting += again
        assert not self.wrong, self.wrong

    def careful(self, act: Callable[[int], None]) -> Callable[[int], None]:
        """What goes wrong in a thread must not stay there."""

        def careful(number: int) -> None:
            try:
                act(number)
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

        return careful

    def submit_what_waits(self, url: str) -> bool:
        """One after the other; what is refused or not answered waits on. Returns whether nothing does."""
        again, self.waiting = self.waiting, []
        with Client(url, self.transport) as client:
            for parcel in again:
                if not self.taken(client, parcel):
                    self.waiting.append(parcel)
        return not self.waiting

    def submit_together_what_waits(self, url: str) -> list[Exception]:
        """In one batch; what is refused or not answered waits on. Returns how each of these failed."""
        failures: list[Exception] = []
        again, self.waiting = self.waiting, []
        try:
            answers = self._submit_together(url, again)
        except Unavailable as error:
            self.waiting = again
            return [error for _ in again]
        for parcel, refused in zip(again, answers, strict=True):
            if refused is not None:
                self.waiting.append(parcel)
                failures.append(refused)
        return failures

    def _submit_together(self, url: str, parcels: list[Pack]) -> list[Unavailable | None]:
        """In one batch; each line is held to its answer. Returns which of them were told to come again, and why."""
        body = lines_of(*map(offer, parcels))
        try:
            with httpx.Client(timeout=60, transport=self.transport) as http:
                answer = http.post(f"{url}/v1/submissions", content=body, headers=LINES)
        except httpx.TransportError as error:
            raise Unreachable(f"{url} does not answer ({type(error).__name__})") from None
        if answer.status_code == 503:
            raise Unavailable(answer.text)
        assert answer.status_code == 200, answer.text
        told = [orjson.loads(line) for line in answer.content.splitlines()]
        failures: list[Unavailable | None] = []
        for parcel, one in zip(parcels, told, strict=True):
            if one.get("status") == 503:
                failures.append(Unavailable(one["detail"]))
            else:
                assert "receipt" in one, one
                self._hold(parcel, one)
                failures.append(None)
        return failures

    def look(self, url: str) -> None:
        """At the checkpoint, as a peer does; a node that does not answer shows none."""
        with httpx.Client(timeout=5, transport=self.transport) as http, contextlib.suppress(httpx.TransportError):
            answer = http.get(f"{url}/log/checkpoint")
            if answer.is_success:
                self._see(verify_checkpoint(answer.content, self.vkey))
        assert not self.wrong, self.wrong

    def taken(self, client: Client, parcel: Pack) -> bool:
        """Whether it was acknowledged; False where it was refused for now, or nobody answered."""
        try:
            self._submit(client, parcel)
        except Unavailable:
            return False
        return True

    def _submit(self, client: Client, parcel: Pack) -> bool:
        """Submit, and hold the node to its answer. Returns whether it was new to it."""
        return self._hold(parcel, client.submit(parcel))

    def _hold(self, parcel: Pack, answer: Recorded) -> bool:
        receipt = answer["receipt"].encode()
        checkpoint = verify_receipt(parse_receipt(receipt), leaf_hash(parcel.envelope), self.vkey)
        told = Acknowledged(answer["index"], receipt, checkpoint)
        with self._lock:
            self._see(checkpoint)
            before = self.acknowledged.setdefault(parcel.envelope, told)
        assert told.index == before.index and self._is_right(receipt, parcel.envelope, before), (
            f"acknowledged at {before.index} first, now at {told.index}, or with another receipt"
        )
        return bool(answer["new"])

    def _is_right(self, receipt: bytes, envelope: bytes, told: Acknowledged) -> bool:
        """The same as was told first, but for lines of witnesses; or one under the first checkpoint that witnesses saw, which proves the same."""
        now, first = parse_receipt(receipt), parse_receipt(told.receipt)
        verify_receipt(now, leaf_hash(envelope), self.vkey)
        alone = [signed_alone(each.checkpoint, self.vkey) for each in (now, first)]
        return now.index == told.index and (alone[0] == alone[1] or now.checkpoint != alone[0])

    def _watch(self, url: str, over: threading.Event) -> None:
        with httpx.Client(timeout=5) as http:
            while not over.wait(0.002):
                try:
                    note = http.get(f"{url}/log/checkpoint").content
                except httpx.HTTPError:
                    return
                with self._lock:
                    self._see(verify_checkpoint(note, self.vkey))

    def _see(self, checkpoint: Checkpoint) -> None:
        before = self.seen.setdefault(checkpoint.size, checkpoint)
        if before != checkpoint:
            self.wrong.append(f"two checkpoints of size {checkpoint.size}")

    def submit_the_rest(self, url: str) -> None:
        """Nobody was answered about these; sent again, twice, each stands in the log once."""
        with Client(url, self.transport) as client:
            for parcel in self.waiting:
                self.found_again += not self._submit(client, parcel)
                assert not self._submit(client, parcel), "the second time it is not new"
        self.waiting = []
        assert not self.wrong, self.wrong

    def compare(self, url: str) -> int:
        """Hold a restarted node to all that was ever said. Returns the size of its log.

        1. Every acknowledged submission stands at its index, and the newest have their receipts. 2. Every checkpoint ever seen, in
        a receipt or by itself, is one of this tree. 3. Nothing stands twice. 4. No file is left that no entry names.
        """
        entries = _fetch_entries(url, self.vkey, self.transport)
        roots, frontier = [EMPTY_ROOT], Frontier()
        for entry in entries:
            frontier.append(leaf_hash(entry))
            roots.append(frontier.root())
        for envelope, told in self.acknowledged.items():  # 1
            assert told.index < len(entries) and entries[told.index] == envelope, f"entry {told.index} was lost"
        with httpx.Client(timeout=10, transport=self.transport) as http:
            for envelope, told in list(self.acknowledged.items())[-NEWEST:]:
                ident = submission_id(parse_envelope(envelope).payload)
                again = http.get(f"{url}/v1/submissions/{ident}/receipt").content
                assert self._is_right(again, envelope, told), f"another receipt: {again!r}"
        for size, checkpoint in self.seen.items():  # 2
            assert size < len(roots) and roots[size] == checkpoint.root, (
                f"the tree does not continue that of size {size}"
            )
        assert len(set(entries)) == len(entries), "a submission stands twice"  # 3
        assert orphans(self.directory) == []  # 4
        return len(entries)


def _fetch_entries(url: str, vkey: Vkey, transport: httpx.BaseTransport | None) -> list[bytes]:
    """The whole log as anybody reads it, up to its published size."""
    with httpx.Client(timeout=10, transport=transport) as http:
        size = verify_checkpoint(http.get(f"{url}/log/checkpoint").content, vkey).size
        entries: list[bytes] = []
        for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
            path = TilePath(None, index, width_at(0, index, size))
            entries += parse_bundle(http.get(f"{url}/log/tile/{format_tile_path(path)}").content, path.width)
    return entries


def orphans(directory: Path) -> list[str]:
    """Files among the documents that no row names, half-received ones included."""
    with hand_in(directory) as db:
        rows = db.exec_driver_sql("SELECT commitment FROM document WHERE content IS NULL").all()
    named = {bytes(row[0]).hex() for row in rows}
    return sorted(
        path.name for path in (directory / "data" / "documents").rglob("*") if path.is_file() and path.name not in named
    )


def kill_from_outside(node: Forked, clients: Clients, delay: float) -> threading.Thread:
    """Wait for the first acknowledgement of this round, then `delay` seconds more, then strike."""
    before = len(clients.acknowledged)

    def strike() -> None:
        deadline = time.monotonic() + 30
        while len(clients.acknowledged) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay)
        node.send(signal.SIGKILL)

    thread = threading.Thread(target=strike)
    thread.start()
    return thread
