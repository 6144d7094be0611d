"""cbm demo: a federation on this machine, from the first signature to a proof that needs no network.

Every line printed is computed from what the nodes answered.
"""

import hashlib
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from exchange.cli.contacts import card
from exchange.cli.demonstration import Demonstration
from exchange.cli.fleet import DemoNode, Fleet
from exchange.cli.output import Exit, answer_json, say
from exchange.cli.returns import NOTE, Return, invented, read_records
from exchange.client import Client, Recorded
from exchange.core.catalogue import Catalogue
from exchange.core.document import OPENING_SIZE
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.pack import Pack, parse_pack
from exchange.core.statement import parse_statement
from exchange.errors import ExchangeError, Misuse
from exchange.node.draft import Draft, prepare
from exchange.node.founding import read_participants
from exchange.node.wording import in_words
from exchange.resources import form_files
from exchange.trust.participants import parse_record
from exchange.trust.verdict import check_pack

FEW_PULL_EVERY, MANY_PULL_EVERY = 5.0, 300.0  # seconds
FEW = 5  # nodes up to which the demo tells everything
AT_ONCE = 4  # nodes asked to pull at the same time
STOP = {signal.SIGINT, signal.SIGTERM}


def demo(
    records: Annotated[
        Path | None, typer.Option(help="A file of real public facts: one node for each State in it.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the nodes running until this command is stopped.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print where the nodes are on one line, and nothing else.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where to keep the nodes; a temporary folder unless given.")
    ] = None,
) -> None:
    """Run a federation of several nodes on this machine, and watch them publish, pull, verify and answer."""
    tell = _quiet if json else say
    signal.signal(signal.SIGTERM, _interrupt)
    for name in [name for name in os.environ if name.startswith("CBM_")]:
        del os.environ[name]  # what is set for a node of one's own must not reach the nodes of the demonstration
    names, returns = invented() if records is None else read_records(records)
    with _folder(directory, keep) as folder:
        began = time.monotonic()
        every = FEW_PULL_EVERY if len(names) <= FEW else MANY_PULL_EVERY
        fleet = Fleet(folder, "demo.example" if records is None else "trial.example", names, every)
        try:
            demonstration = Demonstration(folder / "founders", fleet.nodes[0].settings.federation)
            _found(fleet, demonstration, tell)
            tell(f"Starting {len(names)} nodes, each with its own directory, keys, database and port, under {folder}")
            fleet.start()
            story = _Story(fleet, demonstration, returns, tell)
            pack = story.play()
            if records is not None:
                tell(NOTE)
            if not keep:
                fleet.stop()
                tell("All nodes are stopped; what follows needs no network.")
            good = story.verify(pack)
            tell(f"Done in {time.monotonic() - began:.0f} seconds.")
            # From here on a signal is waited for, and one that comes early is not lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
            if json:
                answer_json(_whereabouts(fleet))
            if keep:
                tell(f"The nodes stay until you stop this command (Ctrl-C); their records are in {fleet.trust}.")
                tell(f"Ask one: cbm list --node {fleet.nodes[0].settings.url}")
                signal.sigwait(STOP)
        finally:
            fleet.stop()
    raise typer.Exit(Exit.YES if good else Exit.NO)


def _found(fleet: Fleet, demonstration: Demonstration, tell: Callable[[str], None]) -> None:
    """The federation, as its founders would: every State asks, they sign, each node is given the root and the list."""
    founded, fleet.nodes = demonstration.found(fleet.nodes, datetime.now(UTC))
    fleet.give(founded.participants)
    tell(
        f"{founded.threshold} of {founded.founders} founders have signed who takes part: {len(founded.participants.records)} States, "
        f"each by its own record and identity keys; root sha256 {hashlib.sha256(founded.root).hexdigest()}"
    )


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM ends the demo as Ctrl-C does: the nodes are stopped, the folder goes."""
    raise KeyboardInterrupt


def _quiet(line: str = "") -> None:
    """With --json nobody is there to read the story."""


@contextmanager
def _folder(given: Path | None, keep: bool) -> Iterator[Path]:
    """Private keys lie in it, so it is the user's alone."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(given.iterdir()):
            raise Misuse(f"{given} is not empty; the demonstration makes its nodes anew, in a folder of their own")
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cbm-demo-") as folder:
        yield Path(folder)


def _whereabouts(fleet: Fleet) -> dict[str, Any]:
    nodes = [
        {
            "participant": node.code,
            "url": node.settings.url,
            "origin": node.settings.origin,
            "log_vkey": node.log_vkey,
            "witness_vkey": node.witness_vkey,
            "witness_url": f"{node.settings.url}/witness",
            "data_dir": str(node.settings.directory),
        }
        for node in fleet.nodes
    ]
    return {"nodes": nodes, "trust": str(fleet.trust)}


class _Story:
    """The demonstration, step by step. `tell` says a line, or keeps quiet."""

    def __init__(self, fleet: Fleet, demonstration: Demonstration, returns: dict[str, list[Return]], tell: Any) -> None:
        self._fleet, self._demonstration, self._returns, self._tell = fleet, demonstration, returns, tell
        self._clients = {node.code: Client(node.settings.url) for node in fleet.nodes}
        self._catalogue = Catalogue.from_files(form_files())
        self._long = len(fleet.nodes) <= FEW
        self._shown = False

    def play(self) -> bytes:
        """Publish, pull, compare, look up. Returns an evidence pack out of a mirror."""
        if self._long:
            self._introduce()
            self._rotate()
        published = {
            node.code: [self._publish(node, item) for item in self._returns[node.code]] for node in self._fleet.nodes
        }
        count = sum(map(len, published.values()))
        self._tell(
            f"\n{count} returns are published, each signed by its State's officer and recorded in its State's log."
        )
        if self._long:
            self._refusals()
        self._pull()
        self._compare()
        return self._look_up(published)

    def _introduce(self) -> None:
        for node in self._fleet.nodes:
            about = self._clients[node.code].node()
            self._tell(
                f"  {node.code}  {node.name:<10}  {node.settings.url}  log {about['origin']}, {about['size']} entries"
            )

    def _rotate(self) -> None:
        """The second State lets another officer sign, who signs all that follows; the others learn it by visiting it."""
        node, everybody, words = self._demonstration.rotate(self._fleet.nodes[1], datetime.now(UTC))
        self._fleet.nodes[1] = node
        self._fleet.give(everybody)
        self._tell(
            f"\n{node.name} lets another officer sign, alone. This is what its two identity keys are asked to sign, and do:"
        )
        for line in words:
            self._tell(f"  {line}")
        for each in (node, *(other for other in self._fleet.nodes if other.code != node.code)):
            self._clients[each.code].pull((each.settings.directory / "operator.token").read_text())
        keyid = node.officer.public.keyid
        knowing = [
            code
            for code, client in self._clients.items()
            if any(parse_record(item).key(keyid) for item in client.participants()["items"])
        ]
        self._tell(f"  {len(knowing)} of {len(self._clients)} nodes know the new officer: {', '.join(knowing)}")

    def _parcel(self, node: DemoNode, item: Return) -> Pack:
        """What `cbm sign` does: documents, commitments, the statement, one signature."""
        form = self._catalogue.newest(item.form)
        assert form is not None  # noqa: S101 - the demo's forms ship with the program
        header = {
            "federation": node.settings.federation,
            "origin": node.settings.origin,
            "participant": node.code,
            "kind": "full",
            "message": "original",
            "status": item.status,
            "period": item.period,
            "languages": ["en"],
        }
        attachments = tuple((name, "application/pdf", "en") for name, _ in item.attachments)
        draft = Draft(header, item.body, attachments)
        payload, documents = prepare(
            draft, form, item.attachments, datetime.now(UTC), lambda: secrets.token_bytes(OPENING_SIZE)
        )
        return Pack(format_envelope(sign_payload(payload, [node.officer])), documents, None, None)

    def _publish(self, node: DemoNode, item: Return) -> Recorded:
        parcel = self._parcel(node, item)
        recorded = self._clients[node.code].submit(parcel)
        if self._long:
            statement = parse_statement(parse_envelope(parcel.envelope).payload)
            words = in_words(statement, parcel.documents, self._catalogue.named(statement.form), node.name)
            # What an officer sees before signing is shown whole once, for the first return.
            shown = words if not self._shown else [words[0].replace(" states, under form", ":")]
            self._shown = True
            self._tell()
            for line in shown:
                self._tell(line)
            where = f"index {recorded['index']} of {recorded['origin']}"
            self._tell(
                f"  => recorded at {where}; receipt of {len(recorded['receipt'])} bytes; id {recorded['id'][:16]}..."
            )
        return recorded

    def _refusals(self) -> None:
        """The door says no: a document that is not the one signed, and another State's signature."""
        first, second = self._fleet.nodes[:2]
        parcel = self._parcel(first, self._returns[first.code][0])
        altered = parcel.documents[0]
        forged = Pack(
            parcel.envelope,
            (type(altered)(altered.slot, altered.name, altered.opening, altered.content + b" "), *parcel.documents[1:]),
            None,
            None,
        )
        self._tell("\nTwo things that must not happen:")
        for what, code, attempt in (
            ("a document altered after it was signed", first.code, forged),
            (f"a return of {first.name} offered to the node of {second.name}", second.code, parcel),
        ):
            try:
                self._clients[code].submit(attempt)
                self._tell(f"  {what}: TAKEN, which is wrong")
            except ExchangeError as refusal:
                self._tell(f"  {what}: refused [{refusal.code}] {refusal}")

    def _pull(self) -> None:
        """Ask every node to visit all others, some at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            visits = list(
                pool.map(
                    lambda node: self._clients[node.code].pull(
                        (node.settings.directory / "operator.token").read_text()
                    ),
                    self._fleet.nodes,
                )
            )
        peers = [peer for client in self._clients.values() for peer in client.peers()]
        entries = sum(
            peer["size"] for peer in peers
        )  # most of them fetched before, by witnesses that were asked to cosign
        missing = sum(peer["documents_missing"] for peer in peers)
        failed = [peer["error"] for visit in visits for peer in visit if peer["error"]]
        self._tell(
            f"\nEverybody pulled everybody: {entries:,} entries of others are held, each checked before it was stored; "
            f"{missing:,} documents are missing."
        )
        for error in failed:
            self._tell(f"  a visit failed: {error}")

    def _compare(self) -> None:
        heads = {code: client.heads() for code, client in self._clients.items()}
        first = next(iter(heads.values()))
        equal = all(answer == first for answer in heads.values())
        totals = {word: sum(head[word] for head in first) for word in ("size", "admitted", "refused", "waiting")}
        self._tell(
            f"The registries of all {len(heads)} nodes are {'equal' if equal else 'NOT equal'}: {len(first)} logs, {totals['size']} entries, "
            f"{totals['admitted']} admitted, {totals['refused']} refused, {totals['waiting']} waiting."
        )
        if not equal:
            raise typer.Exit(Exit.NO)

    def _look_up(self, published: dict[str, list[Recorded]]) -> bytes:
        """The contact of the first State (or of Finland) is asked of the last node, which holds it by its own mirror."""
        wanted = "FI" if "FI" in self._clients else self._fleet.nodes[0].code
        asked = next(node for node in reversed(self._fleet.nodes) if node.code != wanted)
        found = self._clients[asked.code].contacts(wanted, role="technical")
        self._tell(f"\nA duty officer asks the node of {asked.name}: cbm contacts {wanted} --role technical")
        for contact in found["items"]:
            for line in card(contact):
                self._tell("  " + line)
        ident = published[wanted][0]["id"]
        pack = self._clients[asked.code].pack(ident)
        self._tell(
            f"\nAn auditor takes the evidence pack of {ident[:16]}... from {asked.name}'s mirror: {len(pack):,} bytes."
        )
        return pack

    def verify(self, pack: bytes) -> bool:
        """cbm verify, with the records as anchor, and once more without any."""
        parsed = parse_pack(pack)
        verdict = check_pack(parsed, [read_participants(self._fleet.trust)], self._catalogue)
        self._tell("cbm verify, offline, with the federation's records as anchor:")
        for check in verdict.checks:
            self._tell(f"  {'ok  ' if check.passed else 'NO  ' if check.passed is False else '  - '}{check.line}")
        self._tell(f"  {verdict.summary}")
        alone = check_pack(parsed, [], self._catalogue)
        self._tell(f"Without an anchor the same pack is: {alone.summary}.")
        return verdict.holds and verdict.vouched and alone.holds and not alone.vouched
