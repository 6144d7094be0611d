"""What verified files of the trust list say, once each has passed the audit of the ceremony, which runs in every importer.

Guarantees: the keys of one role are distinct by their bytes and of a known type, and no key serves two roles or two
participants; a participant's role is delegated by its exact path, and ends there: with a wildcard, 32 of 57 are found
and the first answers for all others (reference/trust.md 2.4, pitfall 4). What is at fault in one delegation or record
is the affair of that participant alone.

Specification: DESIGN.md section 2 (Trust list); the layout of reference/trust.md 2.1 with the record inline in `custom`:

    root.json       founders, k of n; snapshot and timestamp by any of the relays
    targets.json    founders, k of n; one target, federation.json (charter.py), and a delegation for each participant
    XR.json         XR's identity keys; one target, participants/XR.json: {"record": {...}, "proofs": {...}}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tuf.api.metadata import DelegatedRole, Root, Targets

from exchange.core.jsontext import canonical_json
from exchange.core.vocabulary import is_participant_code
from exchange.errors import ExchangeError, Malformed, RecordRefused
from exchange.trust.charter import Charter, format_charter, parse_charter
from exchange.trust.participants import ParticipantRecord, format_record, parse_record
from exchange.trust.possession import Proofs, parse_proofs
from exchange.trust.recordtext import parse_object
from exchange.trust.rolefile import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Authority, RoleFile, authority

CHARTER = "federation.json"


@dataclass(frozen=True, slots=True)
class RootSays:
    """Who may sign which of the roles above the participants'."""

    root: Authority
    targets: Authority
    snapshot: Authority
    timestamp: Authority

    @property
    def raws(self) -> frozenset[bytes]:
        return self.root.raws | self.targets.raws | self.snapshot.raws | self.timestamp.raws


@dataclass(frozen=True, slots=True)
class TargetsSay:
    """`faults` says by participant why its delegation does not count."""

    charter: Charter
    delegations: Mapping[str, Authority]
    faults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RecordSays:
    record: ParticipantRecord
    proofs: Proofs


def charter_in(file: RoleFile) -> Charter:
    """What the founders say, in a file that was verified before."""
    assert isinstance(file.signed, Targets)  # noqa: S101
    return parse_charter(inline(file.signed, CHARTER))


def path_of(code: str) -> str:
    return f"participants/{code}.json"


def read_root(file: RoleFile) -> RootSays:
    """1. Consistent snapshots. 2. Every key in use, known, and under its own id. 3. More than half of the founders must
    sign, else two halves could sign two histories. 4. Relays are online: none of their keys is a founder's, and each signs
    snapshot and timestamp alike.
    """
    root = file.signed
    assert isinstance(root, Root)  # noqa: S101 - parse_role makes it of the role's type
    if root.consistent_snapshot is not True:  # 1
        raise RecordRefused("root: expected consistent snapshots")
    used = {keyid for role in root.roles.values() for keyid in role.keyids}
    if used != set(root.keys):  # 2
        raise RecordRefused("root: lists a key that no role uses")
    roles = {name: authority(root.keys, role.keyids, role.threshold) for name, role in root.roles.items()}
    for name in (ROOT, TARGETS):  # 3
        if roles[name].threshold * 2 <= len(roles[name].keys):
            raise RecordRefused(f"root: {roles[name].threshold} of {len(roles[name].keys)} founders are not a majority")
    founders, relays = roles[ROOT].raws | roles[TARGETS].raws, roles[SNAPSHOT].raws | roles[TIMESTAMP].raws
    if founders & relays:  # 4
        raise RecordRefused("root: a relay's key, which is online, is a founder's too")
    if roles[SNAPSHOT].keys != roles[TIMESTAMP].keys:
        raise RecordRefused("root: expected the same relays for snapshot and timestamp")
    return RootSays(roles[ROOT], roles[TARGETS], roles[SNAPSHOT], roles[TIMESTAMP])


def read_targets(file: RoleFile, root: RootSays) -> TargetsSay:
    """The charter, and each delegation that is as it should be. Raises where the founders' own word is not."""
    targets = file.signed
    assert isinstance(targets, Targets)  # noqa: S101
    if set(targets.targets) != {CHARTER}:
        raise RecordRefused(f"targets: expected the one target {CHARTER}; participants speak for themselves")
    charter = parse_charter(inline(targets, CHARTER))
    check_target(targets, CHARTER, canonical_json(format_charter(charter)))
    delegated: Mapping[str, DelegatedRole] = {}
    keys: Mapping[str, Any] = {}
    if targets.delegations is not None:
        if targets.delegations.roles is None:
            raise RecordRefused("targets: expected delegations by name")
        delegated, keys = targets.delegations.roles, targets.delegations.keys
    found: dict[str, Authority] = {}
    faults: dict[str, str] = {}
    for code, role in delegated.items():
        try:
            found[code] = _delegation(code, role, keys, charter)
        except ExchangeError as error:
            faults[code] = str(error)
    _no_key_twice(found, faults, charter, root)
    return TargetsSay(charter, found, faults)


def _delegation(code: str, role: DelegatedRole, keys: Mapping[str, Any], charter: Charter) -> Authority:
    if not is_participant_code(code) or code not in charter.members:
        raise RecordRefused(f"{code[:40]}: a delegation to nobody who takes part")
    if role.paths != [path_of(code)] or not role.terminating:
        raise RecordRefused(f"{code}: expected a delegation of {path_of(code)} alone, and terminating")
    found = authority(keys, role.keyids, role.threshold)
    if charter.members[code].final is not None:
        raise RecordRefused(f"{code}: has left, and is still delegated to")
    given = [(frozenset(identity.keys), identity.threshold) for identity in charter.members[code].identities]
    if (frozenset(found.keys.values()), found.threshold) not in given:
        raise RecordRefused(f"{code}: is delegated to keys that its history of identity keys does not hold")
    return found


def _no_key_twice(found: dict[str, Authority], faults: dict[str, str], charter: Charter, root: RootSays) -> None:
    """One key under two participants, or a founder's or relay's under any: none of them can be told from the other."""
    owners: dict[bytes, set[str]] = {}
    for code, member in charter.members.items():
        for identity in member.identities:
            for key in identity.keys:
                owners.setdefault(key.raw, set()).add(code)
    for raw, codes in owners.items():
        why = f"{' and '.join(sorted(codes))} share an identity key" if len(codes) > 1 else ""
        why = why or ("its identity key is a founder's or a relay's too" if raw in root.raws else "")
        for code in codes if why else ():
            faults[code] = f"{code}: {why}"
            found.pop(code, None)


def read_record(file: RoleFile) -> RecordSays:
    """The record in a participant's file, which holds nothing else."""
    targets = file.signed
    assert isinstance(targets, Targets)  # noqa: S101
    if set(targets.targets) != {path_of(file.role)} or targets.delegations is not None:
        raise RecordRefused(f"{file.role}: its file holds something else than {path_of(file.role)}")
    fields = parse_object(inline(targets, path_of(file.role)), "", ("record", "proofs"))
    record = parse_record(fields["record"], "/record")
    if record.participant != file.role:
        raise RecordRefused(f"{file.role}: its file holds a record of {record.participant}")
    check_target(targets, path_of(file.role), canonical_json(format_record(record)))
    return RecordSays(record, parse_proofs(fields["proofs"], "/proofs"))


def inline(targets: Targets, path: str) -> Any:
    found = targets.targets[path].custom
    if not isinstance(found, dict):
        raise Malformed(f"{path}: expected its content in `custom`")
    return found


def check_target(targets: Targets, path: str, content: bytes) -> None:
    """Who downloads the target gets the very text that stands here."""
    target = targets.targets[path]
    if target.length != len(content) or target.hashes != {"sha256": sha256(content).hexdigest()}:
        raise RecordRefused(f"{path}: length and SHA-256 are not those of its content")


def published(file: RoleFile) -> dict[str, bytes]:
    """The file and the targets in it, each under its path in a repository with consistent snapshots."""
    found = {file.name: file.raw}
    if file.role == TARGETS:
        content = canonical_json(format_charter(charter_in(file)))
        found[f"targets/{sha256(content).hexdigest()}.{CHARTER}"] = content
    elif file.role not in ROLES:
        content = canonical_json(format_record(read_record(file).record))
        found[f"targets/participants/{sha256(content).hexdigest()}.{file.role}.json"] = content
    return found
