"""Proof of possession: a signature by each key of a record that says whose key it is and for what.

Guarantee: a record that passed `check_possession` lists no key of Ed25519 or P-256 whose holder did not agree to stand in
this participant's record, for this kind of work, in this federation. So nobody can register another's key, be it to
claim what that key signed or to have the other's record refused. A key of an algorithm unknown here proves nothing and
verifies nothing.

What is signed begins like no note, envelope, cosignature or TUF file, so no proof is a signature of another kind:

    cbm-possession/v1
    <federation>
    <participant>
    <kind of key>
    <key, as core/identity.py writes it>
"""

from collections.abc import Iterator, Mapping

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.identity import ALGORITHMS, IdentityKey
from exchange.core.keys import ALGORITHM, Kind
from exchange.errors import BadSignature, Malformed, RecordRefused
from exchange.trust.record import ParticipantRecord

MAX_PROOFS = 2_000
MAX_PROOF = 200  # characters

Proofs = Mapping[str, bytes]
"""Signatures by the text of the key."""


def statement_of_possession(federation: str, participant: str, kind: Kind, key: IdentityKey) -> bytes:
    """What the key signs."""
    return f"cbm-possession/v1\n{federation}\n{participant}\n{kind.value}\n{key.text}\n".encode()


def keys_of(record: ParticipantRecord) -> Iterator[tuple[Kind, IdentityKey]]:
    """Every key of the record that can sign here, its logs' included, with what it is for."""
    logs = {log.vkey.raw for log in record.logs}
    for raw in logs:
        yield Kind.LOG, IdentityKey(ALGORITHM, raw)
    for key in record.keys:
        if key.algorithm in ALGORITHMS and not (key.kind is Kind.LOG and key.public_key.raw in logs):
            yield key.kind, IdentityKey(key.algorithm, key.public_key.raw)


def check_possession(
    federation: str, record: ParticipantRecord, identities: Iterator[IdentityKey], proofs: Proofs
) -> None:
    """Raises RecordRefused unless every key proved that its holder put it there; and nothing else is among the proofs."""
    code = record.participant
    needed = {key.text: (kind, key) for kind, key in keys_of(record)}
    for key in identities:
        if needed.setdefault(key.text, (Kind.IDENTITY, key))[0] is not Kind.IDENTITY:
            raise RecordRefused(f"{code}: the identity key {key.fingerprint} does other work too")
    for text, (kind, key) in needed.items():
        try:
            key.verify(statement_of_possession(federation, code, kind, key), proofs.get(text, b""))
        except BadSignature:
            raise RecordRefused(
                f"{code}: the {kind.value} key {key.fingerprint} carries no signature made with it for this record"
            ) from None
    extra = set(proofs) - set(needed)
    if extra:
        raise RecordRefused(f"{code}: a proof for a key that the record does not hold, {min(extra)[:60]}")


def format_proofs(proofs: Proofs) -> dict[str, str]:
    return {text: format_base64(signature) for text, signature in sorted(proofs.items())}


def parse_proofs(value: object, at: str) -> Proofs:
    if not isinstance(value, dict) or len(value) > MAX_PROOFS:
        raise Malformed(f"{at}: expected at most {MAX_PROOFS} proofs", pointer=at)
    for signature in value.values():
        if not isinstance(signature, str) or len(signature) > MAX_PROOF:
            raise Malformed(f"{at}: expected signatures in base64", pointer=at)
    return {text: parse_base64(signature) for text, signature in value.items()}
