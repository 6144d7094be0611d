"""New versions of the files of the trust list, unsigned, and the signatures put under them.

Guarantee: what is drafted here reads back as drafted (`parse_role`), so that nobody is asked to sign what importers cannot read; a
signature is taken only if it verifies, so that what is published carries nothing else. A snapshot lists every role that
the one before listed, and lowers no version.

    file = draft_record(3, expires, record, proofs)
    file = signed(file, key, sign(file.content))          # bytes out, signature back
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from exchange.core.identity import IdentityKey
from exchange.core.jsontext import canonical_json
from exchange.trust.charter import Charter, format_charter
from exchange.trust.contents import CHARTER, path_of
from exchange.trust.identities import Identity, in_force
from exchange.trust.participants import ParticipantRecord, format_record
from exchange.trust.possession import Proofs, format_proofs
from exchange.trust.rolefile import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleFile, parse_role
from exchange.trust.tufkeys import to_tuf, tuf_keyid

SPEC = "1.0.31"


def _draft(role: str, kind: str, version: int, expires: datetime, **fields: Any) -> RoleFile:
    said = {
        "_type": kind,
        "spec_version": SPEC,
        "version": version,
        "expires": f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    return parse_role(json.dumps({"signatures": [], "signed": said | fields}).encode(), role)


def draft_root(
    version: int,
    expires: datetime,
    founders: tuple[IdentityKey, ...],
    threshold: int,
    relays: tuple[IdentityKey, ...],
) -> RoleFile:
    """Founders sign root and targets alike; any one relay signs snapshot and timestamp."""
    keys = {tuf_keyid(key): to_tuf(key) for key in (*founders, *relays)}
    offline = {"keyids": [tuf_keyid(key) for key in founders], "threshold": threshold}
    online = {"keyids": [tuf_keyid(key) for key in relays], "threshold": 1}
    roles = {ROOT: offline, TARGETS: offline, SNAPSHOT: online, TIMESTAMP: online}
    return _draft(ROOT, ROOT, version, expires, consistent_snapshot=True, keys=keys, roles=roles)


def draft_targets(
    version: int, expires: datetime, charter: Charter, now: datetime, seen: Mapping[str, datetime] | None = None
) -> RoleFile:
    """The charter, and for each participant that has not left a delegation to the identity keys that count now."""
    counting = {
        code: member.identities[in_force(charter.federation, code, member.identities, seen or {}, now)]
        for code, member in charter.members.items()
        if member.final is None
    }
    delegations = {
        "keys": {tuf_keyid(key): to_tuf(key) for identity in counting.values() for key in identity.keys},
        "roles": [_delegation(code, identity) for code, identity in counting.items()],
    }
    targets = {CHARTER: _target(canonical_json(format_charter(charter)), format_charter(charter))}
    return _draft(TARGETS, TARGETS, version, expires, targets=targets, delegations=delegations)


def _delegation(code: str, identity: Identity) -> dict[str, Any]:
    return {
        "name": code,
        "keyids": [tuf_keyid(key) for key in identity.keys],
        "threshold": identity.threshold,
        "terminating": True,
        "paths": [path_of(code)],
    }


def _target(content: bytes, custom: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(content), "hashes": {"sha256": sha256(content).hexdigest()}, "custom": custom}


def draft_record(version: int, expires: datetime, record: ParticipantRecord, proofs: Proofs) -> RoleFile:
    content = format_record(record)
    custom = {"record": content, "proofs": format_proofs(proofs)}
    targets = {path_of(record.participant): _target(canonical_json(content), custom)}
    return _draft(record.participant, TARGETS, version, expires, targets=targets)


def draft_snapshot(version: int, expires: datetime, versions: Mapping[str, int]) -> RoleFile:
    """`versions` by role, those that are delegated to no more included: a client that misses one stops."""
    meta = {f"{role}.json": {"version": number} for role, number in sorted(versions.items())}
    return _draft(SNAPSHOT, SNAPSHOT, version, expires, meta=meta)


def draft_timestamp(version: int, expires: datetime, snapshot: RoleFile) -> RoleFile:
    meta = {"snapshot.json": {"version": snapshot.version}}
    return _draft(TIMESTAMP, TIMESTAMP, version, expires, meta=meta)


def signed(file: RoleFile, key: IdentityKey, signature: bytes) -> RoleFile:
    """With one more signature. Raises BadSignature if it is not this key's over these bytes."""
    key.verify(file.content, signature)
    return replace(file, signatures={**file.signatures, tuf_keyid(key): signature})
