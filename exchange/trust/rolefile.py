"""One file of the trust list: TUF 1.0.31 metadata, read strictly, and verified by keys that are told apart by their bytes.

Guarantees: `parse_role` takes any bytes and raises only Malformed; of what it takes, nothing but signatures is unsigned.
`Authority.verify` counts distinct public keys: python-tuf counts keyids, so one key under three names meets a threshold
of three there (reference/trust.md 2.4, pitfall 1). Two files are the same if their signed bytes are, whoever signed them
and however the JSON was spaced. Deeper or wider JSON, a key named twice and numbers beyond 53 bits are refused before
python-tuf sees them (pitfall 8); a key of a type unknown to it is refused by it (pitfall 2).

A role is named as TUF names it: root, targets, snapshot, timestamp, or the code of a participant.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import SerializationError

from exchange.core.identity import IdentityKey
from exchange.core.jsontext import parse_json
from exchange.errors import BadSignature, Malformed, TooFewSignatures
from exchange.trust.tufkeys import from_tuf, tuf_keyid

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
ROLES = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
LIMITS = {ROOT: 256 * 1024, TARGETS: 4 * 1024 * 1024, SNAPSHOT: 512 * 1024, TIMESTAMP: 16 * 1024}  # bytes
MAX_RECORD_FILE = 1024 * 1024  # bytes of a participant's file
MAX_VERSION = 1_000_000  # of root, targets and participants, which count one by one; relays count in seconds
MAX_CLOCK = 2**53 - 1
MAX_SIGNATURES = 64

_FRACTION = re.compile(rb"[:,\[]-?[0-9]+[.eE]")  # may also stand in a text; then the slow way is taken

Payload = Root | Targets | Snapshot | Timestamp
_TYPES: dict[str, type[Payload]] = {ROOT: Root, TARGETS: Targets, SNAPSHOT: Snapshot, TIMESTAMP: Timestamp}


@dataclass(frozen=True, slots=True)
class RoleFile:
    """One version of one role. Equal to another if role and signed bytes are; nothing about it is verified yet."""

    role: str
    version: int
    content: bytes
    """The signed bytes (canonical JSON of OLPC, as TUF signs it)."""
    expires: datetime = field(compare=False)
    signatures: Mapping[str, bytes] = field(compare=False, repr=False)
    signed: Payload = field(compare=False, repr=False)
    _raw: bytes | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest()

    @property
    def name(self) -> str:
        """As it is served: `timestamp.json`, else with its version before it (TUF's consistent snapshots)."""
        return "timestamp.json" if self.role == TIMESTAMP else f"{self.version}.{self.role}.json"

    @property
    def raw(self) -> bytes:
        """The file: every signature it carries, in the order of the keyids. Written once: it is compared, kept and served."""
        if self._raw is None:
            signatures = [{"keyid": keyid, "sig": sig.hex()} for keyid, sig in sorted(self.signatures.items())]
            value = {"signatures": signatures, "signed": self.signed.to_dict()}
            raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
            if not raw.isascii() or b"\x7f" in raw:  # else both write the same
                raw = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
            object.__setattr__(self, "_raw", raw)
        return self._raw or b""


def parse_role(raw: bytes, role: str) -> RoleFile:
    """The file of that role in `raw`; Malformed if it is none."""
    kind = role if role in ROLES else TARGETS
    limit = LIMITS[role] if role in ROLES else MAX_RECORD_FILE
    value = parse_json(raw, limit=limit)
    try:
        metadata: Metadata[Any] = Metadata.from_dict(value)
        content = _signed_bytes(metadata)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, SerializationError) as error:
        raise Malformed(f"{role}: expected a TUF file: {type(error).__name__} {str(error)[:80]}") from None
    signed = metadata.signed
    if not isinstance(signed, _TYPES[kind]) or metadata.unrecognized_fields:
        raise Malformed(f"{role}: expected a file of the type {kind}, signatures and signed, and nothing else")
    most = MAX_CLOCK if role in (SNAPSHOT, TIMESTAMP) else MAX_VERSION
    if type(signed.version) is not int or not 1 <= signed.version <= most:
        raise Malformed(f"{role}: expected a version from 1 to {most}")
    if len(metadata.signatures) > MAX_SIGNATURES:
        raise Malformed(f"{role}: expected at most {MAX_SIGNATURES} signatures, got {len(metadata.signatures)}")
    signatures = {keyid: _signature(sig.signature) for keyid, sig in metadata.signatures.items()}
    return RoleFile(role, signed.version, content, signed.expires, signatures, signed)


def _signed_bytes(metadata: Metadata[Any]) -> bytes:
    """Canonical JSON of OLPC, as python-tuf writes it. Where a text has nothing to escape and no fractions, which that form does not know,
    it is sorted JSON without spaces: that is written many times faster. Everything else is left to python-tuf.
    """
    try:
        text = orjson.dumps(metadata.signed.to_dict(), option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return metadata.signed_bytes
    return metadata.signed_bytes if b"\\" in text or _FRACTION.search(text) else text


def _signature(text: Any) -> bytes:
    """Hex, or nothing: who has not signed yet stands in a draft with an empty one."""
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        raise Malformed("expected signatures in hex") from None


@dataclass(frozen=True, slots=True)
class Authority:
    """Who may sign a role, by TUF's keyids, and how many of them it takes. Made of distinct keys, or not at all."""

    keys: Mapping[str, IdentityKey]
    threshold: int

    def __post_init__(self) -> None:
        if len(set(self.keys.values())) < len(self.keys):
            raise Malformed("one key stands under two keyids: it would count twice")
        if type(self.threshold) is not int or not 1 <= self.threshold <= len(self.keys):
            raise Malformed(f"a threshold from 1 to {len(self.keys)} was expected, {self.threshold} came")

    @classmethod
    def of(cls, keys: tuple[IdentityKey, ...], threshold: int) -> "Authority":
        return cls({tuf_keyid(key): key for key in keys}, threshold)

    @property
    def raws(self) -> frozenset[bytes]:
        return frozenset(key.raw for key in self.keys.values())

    def signers(self, file: RoleFile) -> tuple[IdentityKey, ...]:
        """Those who signed it."""
        found = []
        for keyid, key in self.keys.items():
            try:
                key.verify(file.content, file.signatures.get(keyid, b""))
            except BadSignature:
                continue
            found.append(key)
        return tuple(found)

    def verify(self, file: RoleFile) -> RoleFile:
        """The file with the signatures that count, and no others; TooFewSignatures below the threshold."""
        found = self.signers(file)
        if len(found) < self.threshold:
            raise TooFewSignatures(f"{file.role} was signed by {len(found)} of the {self.threshold} keys that it needs")
        kept = {tuf_keyid(key): file.signatures[tuf_keyid(key)] for key in found}
        return file if kept == file.signatures else replace(file, signatures=kept)

    def has_signed(self, file: RoleFile) -> bool:
        return len(self.signers(file)) >= self.threshold

    def signed(self, offered: Iterable[RoleFile]) -> list[RoleFile]:
        """Those that are signed as it asks, each once, by version; what does not count under one copy spoils no other."""
        found: dict[bytes, RoleFile] = {}
        for file in offered:
            try:
                counted = self.verify(file)
            except TooFewSignatures:
                continue
            known = found.get(file.content)
            more = {} if known is None else known.signatures
            both = {**more, **counted.signatures}
            found[file.content] = counted if both == counted.signatures else replace(counted, signatures=both)
        return sorted(found.values(), key=lambda file: (file.version, file.content))


def authority(keys: Mapping[str, Any], keyids: list[str], threshold: int) -> Authority:
    """Out of TUF's own objects, which say nothing about the keys: every keyid is computed anew (TUF 1.0.31 section 4.3)."""
    if len(set(keyids)) < len(keyids):
        raise Malformed("a role names a key twice")
    missing = [keyid for keyid in keyids if keyid not in keys]
    if missing:
        raise Malformed(f"a role names the key {missing[0][:16]}, which is not there")
    return Authority({keyid: from_tuf(keyid, keys[keyid]) for keyid in keyids}, threshold)
