"""Evidence that a log, or a witness of it, signed two histories: it convicts the holder of the key and cannot frame an honest one.

Our format (the four facts that golang's checksum database client prints, as JSON). The consistency proof fixes what the
larger tree really begins with; an honest log would have signed that root for the smaller size.

    {"kind":"inconsistent-checkpoints/v1",
     "log_vkey":"<vkey>",
     "cosigner_vkey":"<vkey>",                only where a witness is to be convicted: then its lines count, not the log's
     "checkpoint_a":"<signed note>",          the smaller one, original bytes
     "checkpoint_b":"<signed note>",
     "prefix_root":"<base64>" | null,         what tree b really has at the size of a; null where a needs no proof
     "consistency":["<base64>", ...]}         RFC 6962, from (size a, prefix_root) to (size b, root b)

One canonical text: these keys in this order, no white space. It convicts if both notes verify under the key, name its
log, and

    a = b and the roots differ,  or  a = 0 and its root is not SHA-256 of nothing,  or
    0 < a < b and prefix_root is not the root of a and the proof holds.

A smaller checkpoint after a larger one is no evidence: a stale cache looks alike. A witness is convicted by the same rule: it signs what
continues what it signed before, whatever the log signs, so that its own lines (core/cosignature.py) under two such checkpoints are enough.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import Checkpoint, parse_checkpoint, verify_authorship
from exchange.core.cosignature import verify_cosignatures
from exchange.core.jsontext import canonical_json, parse_json
from exchange.core.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    MAX_PROOF,
    HashReader,
    prove_consistency,
    tree_root,
    verify_consistency,
)
from exchange.core.note import Note, format_note, parse_note, parse_vkey
from exchange.errors import BadProof, ExchangeError, Malformed, TooLarge, UnknownKey, WrongOrigin

KIND = "inconsistent-checkpoints/v1"
FINDING = "PLT-03"  # the form under which a State tells of it in its own log
EVIDENCE_SLOT = "a1"  # where it then stands, byte for byte
MAX_EVIDENCE = 256 * 1024  # bytes: two notes, escaped, and a proof
_NOTES = ("checkpoint_a", "checkpoint_b", "prefix_root", "consistency")
_FIELDS = ("kind", "log_vkey", *_NOTES)
_COSIGNER_FIELDS = ("kind", "log_vkey", "cosigner_vkey", *_NOTES)


@dataclass(frozen=True, slots=True)
class InconsistentCheckpoints:
    log_vkey: str
    checkpoint_a: bytes
    checkpoint_b: bytes
    prefix_root: bytes | None
    consistency: tuple[bytes, ...]
    cosigner_vkey: str | None = None

    @property
    def accused(self) -> str:
        """The vkey whose holder it convicts."""
        return self.log_vkey if self.cosigner_vkey is None else self.cosigner_vkey


def evidence_id(data: bytes) -> str:
    """By which people and nodes name a piece of evidence: hex SHA-256 of its canonical text."""
    return sha256(data).hexdigest()


def _text(value: dict[str, Any], field: str) -> str:
    if not isinstance(value[field], str):
        raise Malformed("expected a string", pointer=f"/{field}")
    return str(value[field])


def _hash(value: Any, pointer: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed("expected a hash in base64", pointer=pointer)
    return parse_base64(value, length=HASH_SIZE)


def parse_evidence(data: bytes) -> InconsistentCheckpoints:
    """Well formed throughout, nothing verified; `format_evidence` gives the same bytes back."""
    value = parse_json(data, limit=MAX_EVIDENCE)
    if not isinstance(value, dict) or tuple(value) not in (_FIELDS, _COSIGNER_FIELDS) or value["kind"] != KIND:
        raise Malformed(
            f"expected an object of kind {KIND} with the fields {', '.join(_FIELDS)}, or cosigner_vkey besides"
        )
    hashes = value["consistency"]
    if not isinstance(hashes, list):
        raise Malformed("expected a list of hashes", pointer="/consistency")
    if len(hashes) > MAX_PROOF + 1:
        raise TooLarge(f"expected at most {MAX_PROOF + 1} hashes, got {len(hashes)}", pointer="/consistency")
    evidence = InconsistentCheckpoints(
        log_vkey=_text(value, "log_vkey"),
        checkpoint_a=_text(value, "checkpoint_a").encode(),
        checkpoint_b=_text(value, "checkpoint_b").encode(),
        prefix_root=None if value["prefix_root"] is None else _hash(value["prefix_root"], "/prefix_root"),
        consistency=tuple(_hash(item, f"/consistency/{n}") for n, item in enumerate(hashes)),
        cosigner_vkey=_text(value, "cosigner_vkey") if "cosigner_vkey" in value else None,
    )
    parse_note(evidence.checkpoint_a)
    parse_note(evidence.checkpoint_b)
    if format_evidence(evidence) != data:
        raise Malformed("expected the canonical text: no white space, no needless escapes")
    return evidence


def format_evidence(evidence: InconsistentCheckpoints) -> bytes:
    prefix_root = evidence.prefix_root
    return canonical_json(
        {
            "kind": KIND,
            "log_vkey": evidence.log_vkey,
            **({} if evidence.cosigner_vkey is None else {"cosigner_vkey": evidence.cosigner_vkey}),
            "checkpoint_a": evidence.checkpoint_a.decode(),
            "checkpoint_b": evidence.checkpoint_b.decode(),
            "prefix_root": None if prefix_root is None else format_base64(prefix_root),
            "consistency": [format_base64(value) for value in evidence.consistency],
        }
    )


def _signed(evidence: InconsistentCheckpoints) -> tuple[Checkpoint, Checkpoint]:
    try:
        vkey = parse_vkey(evidence.log_vkey)
        if evidence.cosigner_vkey is not None:
            return _cosigned(evidence, evidence.checkpoint_a), _cosigned(evidence, evidence.checkpoint_b)
        return verify_authorship(evidence.checkpoint_a, vkey), verify_authorship(evidence.checkpoint_b, vkey)
    except ExchangeError as error:
        who = "log" if evidence.cosigner_vkey is None else "witness"
        raise BadProof(f"these are not two checkpoints signed by this {who}: {error}") from error


def _cosigned(evidence: InconsistentCheckpoints, data: bytes) -> Checkpoint:
    """What the witness signed, of the log that the evidence names."""
    log, cosigner = parse_vkey(evidence.log_vkey), parse_vkey(evidence.accused)
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != log.name:
        raise WrongOrigin(f"expected a checkpoint of {log.name}, got one of {checkpoint.origin}")
    if not verify_cosignatures(note, [cosigner]):
        raise UnknownKey(f"no line of {cosigner.name} stands under this checkpoint")
    return checkpoint


def verify_evidence(evidence: InconsistentCheckpoints) -> tuple[Checkpoint, Checkpoint]:
    """The two checkpoints that cannot both be true; BadProof if they can, or if the accused did not sign them.

    1. One key signed both, as the log or as a witness of it, the smaller first.
    2. Of one size, or from an empty tree: the roots convict, and nothing may be added.
    3. Otherwise the proof fixes the true prefix, and it is not what was signed.
    """
    a, b = _signed(evidence)  # 1
    if a.size > b.size:
        raise BadProof("expected the smaller checkpoint first")
    if not a.size or a.size == b.size:  # 2
        if evidence.prefix_root is not None or evidence.consistency:
            raise BadProof(f"from {a.size} to {b.size} entries expected neither prefix root nor proof")
        two_roots = a.size == b.size and a.root != b.root
        false_start = not a.size and a.root != EMPTY_ROOT
        if not (two_roots or false_start):
            raise BadProof("these two checkpoints can both be true")
        return a, b
    if evidence.prefix_root is None:  # 3
        raise BadProof(f"expected the root that the tree of {b.size} entries has at {a.size}")
    verify_consistency(a.size, evidence.prefix_root, b.size, b.root, evidence.consistency)
    if evidence.prefix_root == a.root:
        raise BadProof("these two checkpoints can both be true: the larger tree begins with the smaller")
    return a, b


def build_evidence(
    log_vkey: str, note_a: bytes, note_b: bytes, read_b: HashReader | None, cosigner_vkey: str | None = None
) -> InconsistentCheckpoints:
    """Evidence from two notes in either order; `read_b` reads the larger tree. BadProof if they are consistent."""
    evidence = InconsistentCheckpoints(log_vkey, note_a, note_b, None, (), cosigner_vkey)
    a, b = _signed(evidence)
    if a.size > b.size:
        a, b, note_a, note_b = b, a, note_b, note_a
    prefix_root: bytes | None = None
    consistency: tuple[bytes, ...] = ()
    if 0 < a.size < b.size:
        if read_b is None:
            raise BadProof(f"from {a.size} to {b.size} entries the larger tree is needed to tell")
        prefix_root, consistency = tree_root(a.size, read_b), prove_consistency(a.size, b.size, read_b)
    evidence = InconsistentCheckpoints(log_vkey, note_a, note_b, prefix_root, consistency, cosigner_vkey)
    verify_evidence(evidence)
    return evidence


def bared(evidence: InconsistentCheckpoints) -> InconsistentCheckpoints:
    """The same with no other lines than those of the accused: anybody may write lines under a note, and none of them proves more."""
    accused = parse_vkey(evidence.accused)

    def bare(data: bytes) -> bytes:
        note = parse_note(data)
        lines = [line for line in note.signatures if (line.name, line.keyid) == (accused.name, accused.keyid)]
        return format_note(Note(note.text, tuple(lines[:1])))

    return replace(evidence, checkpoint_a=bare(evidence.checkpoint_a), checkpoint_b=bare(evidence.checkpoint_b))
