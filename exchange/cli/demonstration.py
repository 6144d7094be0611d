"""The founders of a demonstration: a real federation, founded by the ceremonies, under keys that everybody can make.

Guarantee: the root is the very one that stands in keys/roots/, byte for byte, since the founders' and relays' keys are made from
names (SHA-256 of `cbm demonstration key: NAME`). So it vouches for nothing but a demonstration. All other keys are new each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from exchange.cli.fleet import DemoNode
from exchange.config import SETTINGS_FILE, read_settings
from exchange.core.identity import P256, IdentityKey
from exchange.core.keys import ALGORITHM, Kind, PrivateKey
from exchange.node import membership
from exchange.node.ceremony import Decision, complete, found_federation, items, publish
from exchange.node.keyfile import KeyFile, create_key, keep_key
from exchange.node.offline import FileSigner, create_offline, open_offline, prove, read_proven, write_proven
from exchange.node.stick import Stick
from exchange.resources import ROOTS
from exchange.trust.bundle import format_bundle
from exchange.trust.choice import choose, pin, read_named
from exchange.trust.drafts import draft_root, signed
from exchange.trust.participants import Participants
from exchange.trust.rolefile import RoleFile

MANY = 5  # nodes from which on there are five founders, three of whom must sign
RELAYS = 2
GOOD_UNTIL = datetime(2046, 1, 1, tzinfo=UTC)
IDENTITIES = (P256, ALGORITHM)  # of each State, both of which must sign


def _key(name: str) -> PrivateKey:
    return PrivateKey.from_seed(sha256(f"cbm demonstration key: {name}".encode()).digest())


def founders_of(number: int) -> list[FileSigner]:
    keys = [_key(f"founder {each}") for each in range(1, number + 1)]
    return [FileSigner(Kind.FOUNDER, IdentityKey(ALGORITHM, key.public.raw), key) for key in keys]


def demonstration_root(number: int) -> RoleFile:
    """The first root under so many founders, more than half of whom must sign, signed by all of them."""
    founders = founders_of(number)
    relays = tuple(IdentityKey(ALGORITHM, _key(f"relay {each}").public.raw) for each in range(1, RELAYS + 1))
    root = draft_root(1, GOOD_UNTIL, tuple(each.public for each in founders), number // 2 + 1, relays)
    for each in founders:
        root = signed(root, each.public, each.sign(root.content))
    return root


@dataclass(frozen=True, slots=True)
class Founded:
    """Who takes part, under which root, and how many founders signed that."""

    participants: Participants
    root: bytes
    founders: int
    threshold: int


class Demonstration:
    """The sticks of a demonstration, in a folder of its own."""

    def __init__(self, folder: Path, federation: str) -> None:
        self._folder, self._federation = folder, federation
        self.stick = folder / "founding"

    def found(self, nodes: Sequence[DemoNode], now: datetime) -> tuple[Founded, list[DemoNode]]:
        """Every State asks to take part, the founders sign, each node is given the root and the list."""
        number = 3 if len(nodes) < MANY else 5
        shipped = (ROOTS / f"{self._federation}.json").read_bytes()
        stick = Stick(self.stick)
        stick.publish(read_named("1.root.json", shipped))
        asking = [self._ask(node, place, now) for place, node in enumerate(nodes, start=1)]
        threshold = number // 2 + 1
        founders = founders_of(number)
        decided = Decision("a demonstration", admit=asking)
        found_federation(stick, self._federation, [each.public for each in founders], threshold, decided, now)
        for each in founders[:threshold]:
            _sign(stick, each, now)
        chosen = publish(stick, now)
        assert chosen.participants is not None  # noqa: S101 - nothing is published without
        bundle = format_bundle(stick.published())
        adopted = []
        for node in nodes:
            directory = node.settings.directory
            membership.adopt(node.settings, shipped, bundle, directory / SETTINGS_FILE)
            adopted.append(replace(node, settings=read_settings(directory)))
        return Founded(chosen.participants, shipped, number, threshold), adopted

    def _identity(self, code: str, number: int) -> Path:
        return self._folder / f"{code}-identity-{number}.key"

    def _ask(self, node: DemoNode, place: int, now: datetime) -> Stick:
        """A State's keys and proofs, its record, signed by both of its identity keys."""
        code, settings = node.code, node.settings
        for number, algorithm in enumerate(IDENTITIES, start=1):
            create_offline(self._identity(code, number), Kind.IDENTITY, algorithm, None)
            self._prove(self._identity(code, number), code)
        officer = self._folder.parent / f"{code}-officer.key"
        self._prove(officer, code)
        if place <= RELAYS:
            keep_key(settings.keys / membership.RELAY_KEY, KeyFile(Kind.RELAY, _key(f"relay {place}")))
        stick = Stick(self._folder / code)
        membership.join(
            settings,
            stick,
            identities=[read_proven(Path(f"{self._identity(code, number)}.pub")) for number in (1, 2)],
            threshold=len(IDENTITIES),
            officers=[read_proven(Path(f"{officer}.pub"))],
            relay=place <= RELAYS,
            operator=None,
            now=now,
        )
        self._sign_for(code, stick, now)
        return stick

    def _prove(self, path: Path, code: str) -> None:
        signer = open_offline(path, None)
        proof = prove(signer, signer.kind, self._federation, code)
        write_proven(Path(f"{path}.pub"), signer.kind, signer.public, self._federation, code, proof)

    def _sign_for(self, code: str, stick: Stick, now: datetime) -> None:
        for number in range(1, len(IDENTITIES) + 1):
            _sign(stick, open_offline(self._identity(code, number), None), now)

    def rotate(self, node: DemoNode, now: datetime) -> tuple[DemoNode, Participants, list[str]]:
        """A State lets another officer sign, alone. Returns the node with that officer, who takes part now, and what its keys signed, in words."""
        code, settings = node.code, node.settings
        path = self._folder.parent / f"{code}-second-officer.key"
        officer = create_key(path, Kind.SIGNING)
        self._prove(path, code)
        stick, proven = Stick(self._folder / f"{code}-rotation"), read_proven(Path(f"{path}.pub"))
        stands = membership.standing(settings, stick)
        membership.redraft(settings, stick, stands, membership.enrolled(stands, [proven], (), None), [proven], now)
        words = items(stick, now)[0].words
        self._sign_for(code, stick, now)
        stick.publish(*complete(stick, now))
        root = stick.root.read_bytes()
        membership.adopt(settings, root, format_bundle(stick.published()), settings.directory / SETTINGS_FILE)
        chosen = choose([(file.name, file.raw) for file in stick.published()], pin(root), now)
        assert chosen.participants is not None  # noqa: S101 - the node has it from there already
        return replace(node, officer=officer.key), chosen.participants, words


def _sign(stick: Stick, signer: FileSigner, now: datetime) -> None:
    for item in items(stick, now):
        if item.may_sign(signer.public):
            stick.sign(item.name, item.digest, signer.public, signer.sign(item.content))
