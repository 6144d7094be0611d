"""The demonstration of a fork: a node with a fault switch (twofaced.py) shows two States two histories, and the honest nodes do the rest.

Nothing here tells an honest node what to find. They are asked to visit, as their timers would have them do, and what they say is printed.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from exchange.cli.alerts import words_of
from exchange.cli.fleet import SECONDS, DemoNode, Fleet, until_witnessed
from exchange.cli.output import seen
from exchange.cli.returns import one_more, signed_parcel, two_telephones
from exchange.cli.twofaced import Face, make_face, show
from exchange.cli.voice import Voice
from exchange.client import Client
from exchange.core.addcheckpoint import format_request
from exchange.core.base64text import format_base64
from exchange.core.catalogue import Catalogue
from exchange.core.evidence import FINDING, KIND
from exchange.core.tiles import TilePath, parse_bundle
from exchange.federation.peer import PeerLog, open_client

LIAR = "XI"


class Caught:
    """Of three nodes the one with the switch, and the two that it shows two faces."""

    def __init__(self, fleet: Fleet, clients: Mapping[str, Client], catalogue: Catalogue, voice: Voice) -> None:
        self._fleet, self._clients, self._catalogue, self._voice = fleet, clients, catalogue, voice
        [self._liar] = [node for node in fleet.nodes if node.code == LIAR]
        self._first, self._second = [node for node in fleet.nodes if node.code != LIAR]

    def play(self) -> Path | None:
        """Returns where the evidence is kept, if there is any."""
        liar, first, second, voice = self._liar, self._first, self._second, self._voice
        voice.chapter(f"{liar.name} shows two faces, and is caught")
        voice.line(
            f"{liar.name}'s node has a fault switch, which no other node has. Its officer signs two versions of one contact, and"
        )
        voice.line(
            f"its log signs each of them as its next entry: one for {first.name} to see, the other for {second.name}."
        )
        one, other = self._faces()
        self._deceive(first, one)
        self._deceive(second, other)
        voice.line(
            f"On that round {second.name}'s node also asked {first.name}'s what it holds of this log: another root of the same size, signed"
        )
        voice.line(
            f"with the same key. That is proof. {second.name}'s node raised an alert, and told everybody in its own log (form {FINDING}):"
        )
        evidence = self._convict(second)
        show(liar.settings, one)  # as it was shown before: what follows comes from the other node
        self._pull(first)
        voice.line(f"{first.name}'s node, which was shown one face only, learns it when it visits {second.name} next:")
        self._convict(first)
        for audience, face in ((first, one), (second, other)):
            self._ask_to_cosign(audience, face)
        self._go_on()
        return evidence

    def _faces(self) -> tuple[Face, Face]:
        """The log as it stands, with one more entry, or with another one."""
        liar = self._liar
        size = self._clients[liar.code].node()["size"]
        with open_client() as client:
            log = PeerLog(client, liar.settings.url, time.monotonic() + SECONDS)
            entries = parse_bundle(log.tile(TilePath(None, 0, size)), size) if size else []
        parcels = [signed_parcel(liar.settings, liar.officer, item, self._catalogue) for item in two_telephones()]
        one, other = (make_face(liar.settings, [*entries, each.envelope], each.documents) for each in parcels)
        return one, other

    def _deceive(self, audience: DemoNode, face: Face) -> None:
        show(self._liar.settings, face)
        self._pull(audience)
        [contact] = self._clients[audience.code].contacts(LIAR, role="technical")["items"]
        self._voice.line(
            f"{audience.name} is shown a log of size {face.head.size}, root {format_base64(face.head.root)[:12]}..., telephone {contact['phone']}."
        )
        self._voice.again(f"cbm contacts {LIAR} --node {audience.settings.url}")

    def _pull(self, node: DemoNode) -> None:
        self._clients[node.code].pull(node.token)

    def _convict(self, node: DemoNode) -> Path | None:
        """What `cbm alerts` says there; the evidence of it, in a file."""
        found = list(self._clients[node.code].alerts())
        accused = [(alert["kind"], alert["participant"]) for alert in found]
        told = {one["participant"] for alert in found for one in alert["found_by"]}
        self._voice.expect(
            accused == [(KIND, LIAR)] and self._second.code in told,
            f"cbm alerts, at {node.name}'s node:",
            f"{node.name}'s node has the alerts {accused}, told in the logs of {sorted(told)}",
        )
        path = self._fleet.folder / "fork.json"
        for alert in found:
            self._voice.lines("  " + line for line in words_of(alert))
            path.write_bytes(orjson.dumps(alert["evidence"]))
        self._voice.again(f"cbm alerts --node {node.settings.url}")
        return path if found else None

    def _ask_to_cosign(self, witness: DemoNode, face: Face) -> None:
        """What it was shown itself, and would have cosigned before."""
        with open_client() as client:
            peer = PeerLog(client, witness.settings.url, time.monotonic() + SECONDS, "/witness")
            status, _, _ = peer.add_checkpoint(format_request(0, (), face.note))
        who, asks = witness.name, f"{self._liar.name} asks {witness.name} to cosign the log that it showed there"
        self._voice.expect(
            status == 403, f"{asks}: refused ({status}).", f"{asks}, and is answered {status} by {who}'s node"
        )

    def _go_on(self) -> None:
        """Everything else: a return, its witnesses, visits, the other logs."""
        node, voice = self._second, self._voice
        parcel = signed_parcel(node.settings, node.officer, one_more(), self._catalogue)
        recorded = self._clients[node.code].submit(parcel)
        stands = until_witnessed(self._clients[node.code], recorded["id"])
        what = f"{node.name} returns something more, recorded at index {recorded['index']}"
        voice.line(
            "Everything else goes on. Nobody vouched for two histories as a witness, so all witnesses still count:"
        )
        voice.expect(stands["standing"] == "witnessed", f"{what}; {seen(stands)}.", f"{what}, and is {seen(stands)}")
        for each in (node, self._first, self._liar):
            self._pull(each)
        heads = [self._heads(client) for client in self._clients.values()]
        size = sum(head[1] for head in heads[0])
        voice.expect(
            heads[0] == heads[1] == heads[2],
            f"The other {len(heads[0])} logs are equal in all {len(heads)} nodes, with what they tell of this: {size} entries.",
            "the nodes hold different logs of those that showed one face",
        )
        voice.again(f"cbm list --form {FINDING} --node {self._first.settings.url}")
        at_home = [alert["summary"] for alert in self._clients[LIAR].alerts()]
        voice.expect(
            len(at_home) == 1,
            f"{self._liar.name}'s own operator reads: {' '.join(at_home)}.",
            "its own node does not know",
        )

    def _heads(self, client: Client) -> list[tuple[str, int, str]]:
        origin = self._liar.settings.origin
        return [(head["origin"], head["size"], head["root"]) for head in client.heads() if head["origin"] != origin]
