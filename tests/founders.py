"""An honest federation's trust list, made with real keys: founders, relays, States, every file signed as it should be.

    made = Founders("XR", "XA", "XI", "XB")
    chosen = choose(made.files(), pin(made.roots[0].raw), NOW)

A test changes the one thing that it is about and signs again: what comes out is always what such a hand could make.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.core.identity import P256, IdentityKey
from exchange.core.keys import ALGORITHM, Kind, PrivateKey
from exchange.trust.bundle import format_bundle
from exchange.trust.charter import Charter, Decided, Member, Relay
from exchange.trust.choice import Chosen, Held, choose, pin
from exchange.trust.drafts import (
    draft_record,
    draft_root,
    draft_snapshot,
    draft_targets,
    draft_timestamp,
    signed,
)
from exchange.trust.identities import FOUNDERS, ITSELF, Identity, statement_of_change
from exchange.trust.participants import ParticipantRecord
from exchange.trust.possession import keys_of, statement_of_possession
from exchange.trust.rolefile import RoleFile
from exchange.trust.roster import Quota, Roster, Rosters, Seat
from tests import builders, key_named

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
YEAR, WEEK, DAY = timedelta(days=365), timedelta(days=7), timedelta(days=1)


@dataclass(frozen=True)
class Holder:
    """A key as its holder has it."""

    key: PrivateKey | EllipticCurvePrivateKey

    @property
    def public(self) -> IdentityKey:
        if isinstance(self.key, PrivateKey):
            return IdentityKey(ALGORITHM, self.key.public.raw)
        return IdentityKey(P256, self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA(SHA256()))


def holder(name: str, algorithm: str = ALGORITHM) -> Holder:
    """The key of this name, of either algorithm."""
    if algorithm == ALGORITHM:
        return Holder(key_named(name))
    return Holder(derive_private_key(int.from_bytes(sha256(name.encode()).digest()[:31], "big"), SECP256R1()))


def sign(file: RoleFile, *holders: Holder) -> RoleFile:
    for each in holders:
        file = signed(file, each.public, each.sign(file.content))
    return file


class Founders:
    """The list as it stands, and every hand that may change it. `files()` is what an importer is given."""

    def __init__(self, *codes: str, founders: int = 3, k: int = 2, relays: int = 2, now: datetime = NOW) -> None:
        self.codes = codes or ("XR", "XA", "XI", "XB")
        self.now, self.k = now, k
        self.founders = [holder(f"founder {number}", (P256, ALGORITHM)[number % 2]) for number in range(founders)]
        self.relays = {f"relay {number}": holder(f"relay {number}") for number in range(relays)}
        self.identities = {
            code: [holder(f"{code} identity {n}", (ALGORITHM, P256)[n % 2]) for n in (0, 1, 2)] for code in self.codes
        }
        self.keys: dict[bytes, Holder] = {}
        self.roots = [sign(self.draft_root(1), *self.founders)]
        members = {code: self.member(code) for code in self.codes}
        seats = tuple(Seat(code, f"Ministry of {code}") for code in sorted(self.codes))
        listed = tuple(Relay(code, each.public) for code, each in zip(self.codes, self.relays.values(), strict=False))
        self.charter = Charter(builders.FEDERATION, False, listed, Rosters((Roster(now - YEAR, seats),)), members)
        self.targets = [self.sign_targets(1)]
        self.records = {code: self.sign_record(code, 1) for code in self.codes}
        self.words: dict[str, tuple[RoleFile, RoleFile]] = {}
        self.speak(now)

    # what each hand makes

    def draft_root(self, version: int) -> RoleFile:
        founders = tuple(each.public for each in self.founders)
        return draft_root(
            version, self.now + YEAR, founders, self.k, tuple(each.public for each in self.relays.values())
        )

    def next_root(self, *signers: Holder) -> RoleFile:
        """The next root out of the founders and relays as they are now, published; signed by all of them unless named."""
        self.roots.append(sign(self.draft_root(self.roots[-1].version + 1), *(signers or self.founders)))
        return self.roots[-1]

    def member(self, code: str) -> Member:
        first = Identity(tuple(each.public for each in self.identities[code]), 2, FOUNDERS, self.now - YEAR, None, {})
        kind = "organisation" if code.startswith("ORG-") else "participating State"
        status = (Decided("active", "2026-11-01", "PC.DEC/1"),)
        return Member(code, kind, f"Ministry of {code}", status, Quota(), (first,))

    def sign_targets(self, version: int, charter: Charter | None = None) -> RoleFile:
        draft = draft_targets(version, self.now + YEAR, charter or self.charter, self.now)
        return sign(draft, *self.founders[: self.k])

    def decide(self, charter: Charter) -> RoleFile:
        """The founders publish another charter."""
        self.charter = charter
        self.targets.append(self.sign_targets(self.targets[-1].version + 1))
        return self.targets[-1]

    def with_member(self, member: Member) -> Charter:
        return replace(self.charter, members={**self.charter.members, member.participant: member})

    def record(self, code: str, **changes: Any) -> ParticipantRecord:
        """With a witness, a transport and a node submission key beside log and officers."""
        kinds = (Kind.WITNESS, Kind.TRANSPORT)
        node = [builders.participant_key(self.known(f"{code} {kind}"), kind) for kind in kinds]
        self.known(f"{code} log"), self.known(f"{code} officer 1"), self.known(f"{code} officer 2")
        named: dict[str, Any] = {"keys": node, **changes}
        return builders.record(code, **named)

    def known(self, name: str) -> PrivateKey:
        """The key of that name, which can prove from now on that somebody holds it."""
        key = key_named(name)
        self.keys[key.public.raw] = Holder(key)
        return key

    def proofs(
        self, record: ParticipantRecord, identities: Iterable[Holder] = (), federation: str = builders.FEDERATION
    ) -> dict[str, bytes]:
        code, found = record.participant, {}
        for kind, key in keys_of(record):
            found[key.text] = self.keys[key.raw].sign(statement_of_possession(federation, code, kind, key))
        for each in identities:
            text = statement_of_possession(federation, code, Kind.IDENTITY, each.public)
            found[each.public.text] = each.sign(text)
        return found

    def sign_record(
        self, code: str, version: int, record: ParticipantRecord | None = None, signers: Iterable[Holder] | None = None
    ) -> RoleFile:
        """A record with every proof, signed by two of the State's three identity keys."""
        identities = self.identities[code]
        made = record or self.record(code)
        draft = draft_record(version, self.now + YEAR, made, self.proofs(made, identities))
        return sign(draft, *(identities[:2] if signers is None else signers))

    def file_record(self, code: str, record: ParticipantRecord | None = None) -> RoleFile:
        """The State publishes its next version."""
        self.records[code] = self.sign_record(code, self.records[code].version + 1, record)
        return self.records[code]

    def speak(self, at: datetime, *names: str, versions: dict[str, int] | None = None) -> None:
        """Each relay (all unless named) says what is newest at that moment."""
        for name in names or tuple(self.relays):
            self.words[name] = self.word(name, int(at.timestamp()), versions)

    def word(self, name: str, version: int, versions: dict[str, int] | None = None) -> tuple[RoleFile, RoleFile]:
        listed = versions or {"targets": self.targets[-1].version, **{c: f.version for c, f in self.records.items()}}
        key = self.relays[name]
        ends = datetime.fromtimestamp(min(version, 2**33), UTC) + WEEK
        snapshot = sign(draft_snapshot(version, ends, listed), key)
        return snapshot, sign(draft_timestamp(version, ends, snapshot), key)

    # changes of identity keys

    def changed(
        self, code: str, new: list[Holder], *signers: Holder, by: str = ITSELF, log: int | None = None
    ) -> Member:
        """The member with other identity keys, two of which must sign; the change is signed by those named."""
        member = self.charter.members[code]
        keys = tuple(each.public for each in new)
        text = statement_of_change(builders.FEDERATION, code, len(member.identities), keys, 2)
        signatures = {each.public.text: each.sign(text) for each in signers}
        change = Identity(keys, 2, by, self.now, log, signatures)
        return replace(member, identities=(*member.identities, change))

    # what others are given

    def all_files(self) -> list[RoleFile]:
        words = [file for word in self.words.values() for file in word]
        return [*self.roots, self.targets[-1], *self.records.values(), *words]

    def files(self, *more: RoleFile) -> list[tuple[str, bytes]]:
        return [(file.name, file.raw) for file in (*self.all_files(), *more)]

    def bundle(self) -> bytes:
        return format_bundle(self.all_files())

    def pinned(self) -> Held:
        return pin(self.roots[0].raw)

    def cold(self, *more: RoleFile, now: datetime | None = None) -> Chosen:
        """A node that begins with the pinned root."""
        return choose(self.files(*more), self.pinned(), now or self.now)

    def later(self, held: Held, *more: RoleFile, now: datetime | None = None) -> Chosen:
        """A node that holds something already."""
        return choose(self.files(*more), held, now or self.now)


def offer(*files: RoleFile) -> list[tuple[str, bytes]]:
    return [(file.name, file.raw) for file in files]


def strangers() -> RoleFile:
    """The first root of other founders, properly signed by them."""
    made = Founders(relays=1)
    made.founders = [holder(f"stranger {number}") for number in range(3)]
    return sign(made.draft_root(1), *made.founders)
