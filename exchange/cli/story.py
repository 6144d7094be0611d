"""The demonstration, chapter by chapter: a federation from its founding to proofs that need no network.

Every fact told comes from what the nodes answered, or from what lies in their folders.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from exchange.audit.run import Anchor
from exchange.cli.anchors import read_anchors
from exchange.cli.audit import recompute
from exchange.cli.caught import Caught
from exchange.cli.contacts import card
from exchange.cli.demonstration import Demonstration
from exchange.cli.fleet import DemoNode, Fleet, until_witnessed
from exchange.cli.output import seen
from exchange.cli.returns import Return, signed_parcel
from exchange.cli.voice import Voice
from exchange.client import Client, Recorded
from exchange.core.catalogue import Catalogue
from exchange.core.dsse import parse_envelope
from exchange.core.pack import Pack, parse_pack
from exchange.core.statement import parse_statement
from exchange.errors import ExchangeError
from exchange.node.wording import in_words
from exchange.resources import form_files
from exchange.trust.convicting import check_evidence
from exchange.trust.participants import parse_participants, parse_record
from exchange.trust.verdict import check_pack

FEW = 5  # nodes up to which the demo tells everything
AT_ONCE = 4  # nodes asked to pull at the same time


class Kept(NamedTuple):
    """What the demonstration leaves in its folder."""

    pack: Path
    evidence: Path | None


class Story:
    """`play` needs the nodes, `prove` needs none."""

    def __init__(
        self, fleet: Fleet, demonstration: Demonstration, returns: Mapping[str, list[Return]], voice: Voice
    ) -> None:
        self._fleet, self._demonstration, self._returns, self._voice = fleet, demonstration, returns, voice
        self._clients = {node.code: Client(node.settings.url) for node in fleet.nodes}
        self._catalogue = Catalogue.from_files(form_files())
        self._long = len(fleet.nodes) <= FEW
        self._shown = False

    def play(self, fork: bool) -> Kept:
        """Found, rotate, publish, refuse, witness, pull, look up, and catch a fork."""
        self._found()
        if self._long:
            self._rotate()
        published = self._publish()
        if self._long:
            self._refusals()
        pack = self._witness(published)
        self._pull()
        self._compare()
        self._look_up(pack)
        evidence = Caught(self._fleet, self._clients, self._catalogue, self._voice).play() if fork else None
        return Kept(pack, evidence)

    def _found(self) -> None:
        """The federation, as its founders would: every State asks, they sign, each node is given the root and the list."""
        fleet, voice = self._fleet, self._voice
        voice.chapter("A federation is founded")
        founded, fleet.nodes = self._demonstration.found(fleet.nodes, datetime.now(UTC))
        fleet.give(founded.participants)
        voice.line(
            f"{founded.threshold} of {founded.founders} founders have signed who takes part: {len(founded.participants.records)} States, "
            "each by its own record and identity keys."
        )
        voice.line(
            f"Every node believes what leads to this root, and nothing else: sha256 {sha256(founded.root).hexdigest()}"
        )
        voice.again(f"cbm federation show {self._demonstration.stick}")
        voice.line(
            f"{len(fleet.nodes)} nodes start, each with its own directory, keys, database and port, under {fleet.folder}"
        )
        fleet.start()
        for node in fleet.nodes if self._long else ():
            about = self._clients[node.code].node()
            voice.line(
                f"  {node.code}  {node.name:<10}  {node.settings.url}  log {about['origin']}, {about['size']} entries"
            )

    def _rotate(self) -> None:
        """The second State lets another officer sign, who signs all that follows; the others learn it by visiting it."""
        voice = self._voice
        voice.chapter(f"{self._fleet.nodes[1].name} lets another officer sign, alone")
        node, everybody, words = self._demonstration.rotate(self._fleet.nodes[1], datetime.now(UTC))
        self._fleet.nodes[1] = node
        self._fleet.give(everybody)
        voice.line("No founder has a part in it. This is what its two identity keys are asked to sign, and do:")
        voice.lines("  " + line for line in words)
        self._visit([node])
        self._visit(other for other in self._fleet.nodes if other.code != node.code)
        keyid = node.officer.public.keyid
        knowing = [
            code
            for code, client in self._clients.items()
            if any(parse_record(item).key(keyid) for item in client.participants()["items"])
        ]
        voice.expect(
            len(knowing) == len(self._clients),
            f"{len(knowing)} of {len(self._clients)} nodes know the new officer: {', '.join(knowing)}",
            f"only {', '.join(knowing) or 'nobody'} knows the new officer",
        )
        voice.again(f"cbm federation show {self._fleet.trust}")

    def _publish(self) -> dict[str, list[Recorded]]:
        voice = self._voice
        voice.chapter("Officers sign returns, and their States' logs record them")
        published = {
            node.code: [self._submit(node, item) for item in self._returns[node.code]] for node in self._fleet.nodes
        }
        count = sum(map(len, published.values()))
        voice.line(
            f"{count} returns are published, each signed by its State's officer and recorded in its State's log."
        )
        first = self._fleet.nodes[0]
        voice.again(f"cbm list --node {first.settings.url}")
        return published

    def _parcel(self, node: DemoNode, item: Return) -> Pack:
        return signed_parcel(node.settings, node.officer, item, self._catalogue)

    def _submit(self, node: DemoNode, item: Return) -> Recorded:
        parcel = self._parcel(node, item)
        recorded = self._clients[node.code].submit(parcel)
        if self._long:
            statement = parse_statement(parse_envelope(parcel.envelope).payload)
            words = in_words(statement, parcel.documents, self._catalogue.named(statement.form), node.name)
            # What an officer sees before signing is shown whole once, for the first return.
            shown = words if not self._shown else [words[0].replace(" states, under form", ":")]
            self._shown = True
            self._voice.lines(shown)
            where = f"index {recorded['index']} of {recorded['origin']}"
            self._voice.line(
                f"  => recorded at {where}; receipt of {len(recorded['receipt'])} bytes; id {recorded['id'][:16]}..."
            )
            self._voice.line()
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
        self._voice.chapter("Two things that must not happen")
        for what, code, attempt in (
            ("a document altered after it was signed", first.code, forged),
            (f"a return of {first.name} offered to the node of {second.name}", second.code, parcel),
        ):
            try:
                self._clients[code].submit(attempt)
                self._voice.expect(False, "", f"{what}: TAKEN")
            except ExchangeError as refusal:
                self._voice.line(f"{what}: refused [{refusal.code}] {refusal}")

    def _witness(self, published: Mapping[str, list[Recorded]]) -> Path:
        """Once it has its quorum, the pack of a return of the first State (or of Finland) is taken. Returns the file."""
        voice, wanted = self._voice, "FI" if "FI" in self._clients else self._fleet.nodes[0].code
        voice.chapter("Other States vouch for what they saw")
        voice.line(
            "Each node asks the others to cosign its log's new head. When more than two thirds have, a return is witnessed:"
        )
        for node in self._fleet.nodes:
            for recorded in published[node.code] if self._long else published[node.code][:1] * (node.code == wanted):
                found = until_witnessed(self._clients[node.code], recorded["id"])
                where = f"{node.name}, {found['form']} at index {found['index']}: {seen(found)}"
                voice.expect(found["standing"] == "witnessed", where, f"no quorum in time for {where}")
        url, ident = self._named(wanted).settings.url, published[wanted][0]["id"]
        voice.again(f"cbm show {ident} --node {url}")
        path = self._fleet.folder / "evidence.zip"
        path.write_bytes(self._clients[wanted].pack(ident))
        voice.line(f"An evidence pack of the first has all that in it: {path}, {path.stat().st_size:,} bytes.")
        voice.again(f"cbm pack {ident} --node {url} -o evidence.zip")
        return path

    def _named(self, code: str) -> DemoNode:
        return next(node for node in self._fleet.nodes if node.code == code)

    def _visit(self, nodes: Iterable[DemoNode]) -> list[str]:
        """Ask these to visit all others, some at a time. Returns what went wrong."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            visits = list(pool.map(lambda node: self._clients[node.code].pull(node.token), nodes))
        return [peer["error"] for visit in visits for peer in visit if peer["error"]]

    def _pull(self) -> None:
        voice = self._voice
        voice.chapter("Every node holds what every State said")
        failed = self._visit(self._fleet.nodes)
        peers = [peer for client in self._clients.values() for peer in client.peers()]
        entries = sum(
            peer["size"] for peer in peers
        )  # most of them fetched before, by witnesses that were asked to cosign
        missing = sum(peer["documents_missing"] for peer in peers)
        voice.line(
            f"Everybody pulled everybody: {entries:,} entries of others are held, each checked before it was stored; "
            f"{missing:,} documents are missing."
        )
        voice.lines(f"a visit failed: {error}" for error in failed)
        voice.again(f"cbm pull {self._fleet.nodes[0].settings.directory}")

    def _compare(self) -> None:
        heads = {code: client.heads() for code, client in self._clients.items()}
        first = next(iter(heads.values()))
        totals = {word: sum(head[word] for head in first) for word in ("size", "admitted", "refused", "waiting")}
        what = (
            f"{len(first)} logs, {totals['size']} entries, {totals['admitted']} admitted, "
            f"{totals['refused']} refused, {totals['waiting']} waiting."
        )
        self._voice.expect(
            all(answer == first for answer in heads.values()),
            f"The registries of all {len(heads)} nodes are equal: {what}",
            f"the registries of the {len(heads)} nodes are NOT equal; that of the first has {what}",
        )

    def _look_up(self, pack: Path) -> None:
        """The contact of the State whose pack was taken is asked of the last node, which holds it by its own mirror."""
        wanted = parse_statement(parse_envelope(parse_pack(pack.read_bytes()).envelope).payload).participant
        asked = next(node for node in reversed(self._fleet.nodes) if node.code != wanted)
        found = self._clients[asked.code].contacts(wanted, role="technical")
        self._voice.chapter(f"A duty officer asks {asked.name}'s node: who answers in {self._named(wanted).name} now?")
        for contact in found["items"]:
            self._voice.lines(card(contact))
        self._voice.again(f"cbm contacts {wanted} --role technical --node {asked.settings.url}")

    def prove(self, kept: Kept) -> None:
        """cbm verify and cbm audit, over what lies in the folder."""
        voice = self._voice
        voice.chapter("What anybody can check without asking a node")
        parsed = parse_pack(kept.pack.read_bytes())
        federation = self._fleet.nodes[0].settings.federation
        verdict = check_pack(parsed, read_anchors([], [federation], datetime.now(UTC)), self._catalogue)
        voice.line("The evidence pack, with nothing but the founders' root, which came with this program:")
        voice.verdict(verdict)
        voice.again(f"cbm verify {kept.pack} --root {federation}")
        alone = check_pack(parsed, [], self._catalogue)
        voice.line(f"Without an anchor the same pack is: {alone.summary}.")
        voice.good &= verdict.holds and verdict.vouched and alone.holds and not alone.vouched
        voice.good &= verdict.cosigned is not None and verdict.cosigned.witnessed
        if kept.evidence is not None:
            voice.line()
            voice.line("The evidence of the fork, with nothing else at hand:")
            found = check_evidence(kept.evidence.read_bytes())
            voice.verdict(found)
            voice.again(f"cbm verify {kept.evidence}")
            voice.good &= found.holds
        if self._long:
            self._audit()

    def _audit(self) -> None:
        """Everything that every node holds, recomputed."""
        voice = self._voice
        voice.line()
        voice.line("Every node's directory, recomputed from its bytes:")
        content = self._fleet.trust.read_bytes()
        anchor = Anchor(parse_participants(content), content)
        for node in self._fleet.nodes:
            report = recompute(str(node.settings.directory), anchor, None, 1, lambda _what, _done, _total: None)
            voice.expect(report.holds, f"{node.code}  {report.verdict}", f"{node.code}  {report.verdict}")
        voice.again(f"cbm audit {self._fleet.nodes[0].settings.directory} --trust {self._fleet.trust}")
