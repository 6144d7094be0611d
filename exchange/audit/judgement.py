"""Is this entry its participant's word? The rules of schemas/README.md section 13, read a second time.

Guarantees: `Judge.judge` answers every sequence of bytes and raises on none, from the entry, its position and the records
alone. It is not the one door (`trust.admission`), calls nothing of it, and makes nothing that could be stored: it says
what the door should have said. tests/audit_command/test_judgement.py holds the two to each other.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from exchange.audit.shape import MAX_SHAPES, Reading, Shape, Shapes
from exchange.core.dsse import MAX_ENVELOPE, PAYLOAD_TYPE, pae, parse_envelope
from exchange.core.keys import ALGORITHM, Kind, PublicKey
from exchange.errors import BadSignature, Malformed
from exchange.trust.record import ParticipantKey, ParticipantRecord

ADMITTED, DISPUTED, WAITING, REFUSED = "admitted", "disputed", "waiting", "refused"
WAITS = "unknown-key"
EVERY_FORM = "*"
NEVER = -1
FOR_EVER = 1 << 63


class Judged(NamedTuple):
    """`code` says why not, and is None for what is admitted. `id` and `reading` are None for what has none.

    `since`: for what is disputed, the index and the log from which on, as the registry writes it.
    """

    verdict: str
    code: str | None
    id: bytes | None
    reading: Reading | None
    since: str | None = None


End = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Right:
    """What one key may do in one log: sign these forms at the indexes from `first` on. From `end` on its State disputes it; `closed` says
    where that is, as (ordinal, index, log)."""

    key: PublicKey
    officer: bool
    forms: frozenset[str]
    first: int
    end: int
    closed: "End | None"

    def covers(self, form: str, index: int) -> bool:
        if index < self.first:
            return False
        if self.officer:
            return form in self.forms or EVERY_FORM in self.forms
        return form in self.forms and form.startswith("PLT-")


@dataclass(frozen=True, slots=True)
class Law:
    """What holds in one log: whose it is (None: nobody's), where it was closed, and which keys may sign what, by keyid."""

    federation: str
    origin: str
    participant: str | None
    end: End | None
    rights: Mapping[str, Right]
    forms: Mapping[str, int]
    erasure: int

    @classmethod
    def of(cls, federation: str, origin: str, records: Mapping[str, ParticipantRecord]) -> "Law":
        for record in records.values():
            for ordinal, log in enumerate(record.logs):
                if log.origin == origin:
                    rights = {key.public_key.keyid: _right(key, ordinal, record) for key in record.keys}
                    known = {keyid: right for keyid, right in rights.items() if right is not None}
                    end = None if log.closed is None else (ordinal, log.closed.size, origin)
                    limits = record.thresholds
                    return cls(federation, origin, record.participant, end, known, dict(limits.forms), limits.erasure)
        return cls(federation, origin, None, None, {}, {}, 1)


def _right(key: ParticipantKey, ordinal: int, record: ParticipantRecord) -> Right | None:
    """None for a key of an algorithm that nothing here can check: what it signed waits."""
    if key.algorithm != ALGORITHM or not isinstance(key.public_key, PublicKey):
        return None
    first, end, closed = key.start[1], FOR_EVER, None
    if key.start[0] != ordinal:
        first = 0 if key.start[0] < ordinal else FOR_EVER
    if key.before is not None and key.before[0] <= ordinal:
        end = key.before[1] if key.before[0] == ordinal else NEVER
        closed = (*key.before, record.logs[key.before[0]].origin)
    if key.kind not in (Kind.SIGNING, Kind.NODE_SUBMISSION):
        first = FOR_EVER  # known, so that nothing waits for it, and good for no submission
    return Right(key.public_key, key.kind is Kind.SIGNING, frozenset(key.may_sign), first, end, closed)


class Ruling(NamedTuple):
    """What follows for all statements of one shape. `refused`: steps 3 to 5, but for the closing of the log."""

    refused: str | None
    unfit: bool
    kept: bool
    form: str
    erasure: bool
    least: int


Signatures = Sequence[tuple[str, bytes]]


class Judge:
    """By one law. It remembers shapes of statements, and what follows from them."""

    def __init__(self, law: Law) -> None:
        self._law, self._rights = law, law.rights
        self._shapes = Shapes()
        self._rulings: dict[Shape, Ruling] = {}

    def judge(self, entry: bytes, index: int) -> Judged:
        """Section 13, numbered as there; the first failure answers."""
        ident = None
        try:
            payload, signatures = _read_envelope(entry)  # 1
            ident = sha256(payload).digest()
            reading = self._shapes.read(payload)  # 2
        except Malformed as error:
            return Judged(REFUSED, error.code, ident, None)
        ruling = self._rulings.get(reading.shape) or self._rule(reading.shape)
        if ruling.refused is not None:  # 3, 4, 5
            return Judged(REFUSED, ruling.refused, ident, reading)
        if ruling.unfit:  # 6
            return Judged(REFUSED, "does-not-fit", ident, reading)
        if not ruling.kept:
            return Judged(REFUSED, "audience-not-enforced", ident, reading)
        verdict, code, ends = self._weigh(payload, signatures, ruling, index)
        if verdict != ADMITTED or not ends:
            return Judged(verdict, code, ident, reading)
        _, place, log = min(ends)  # 11
        return Judged(DISPUTED, DISPUTED, ident, reading, f"{place} {log}")

    def _rule(self, shape: Shape) -> Ruling:
        law, refused = self._law, None
        if shape.federation != law.federation:  # 3
            refused = "wrong-federation"
        elif shape.origin != law.origin:  # 4
            refused = "wrong-origin"
        elif shape.participant != law.participant:  # 5
            refused = "wrong-participant"
        form, erasure = shape.form.code, shape.message == "erasure"
        least = law.erasure if erasure else law.forms.get(form, law.forms.get(EVERY_FORM, 1))
        if len(self._rulings) >= MAX_SHAPES:
            self._rulings.clear()
        ruling = self._rulings[shape] = Ruling(refused, shape.unfit, shape.kept, form, erasure, least)
        return ruling

    def _weigh(
        self, payload: bytes, signatures: Signatures, ruling: Ruling, index: int
    ) -> tuple[str, str | None, list[End]]:
        """Verdict, code, and every end of a key, or of the log, at or before this index."""
        signed: list[tuple[Right, bytes]] = []
        for keyid, signature in signatures:
            right = self._rights.get(keyid)
            if right is None:  # 7
                return WAITING, WAITS, []
            signed.append((right, signature))
        for right, _ in signed:  # 8
            if not right.covers(ruling.form, index) or (ruling.erasure and not right.officer):
                return REFUSED, "key-not-allowed", []
        if len(signed) < ruling.least:  # 9; an envelope has each key once
            return REFUSED, "too-few-signatures", []
        message = pae(PAYLOAD_TYPE, payload)
        try:
            for right, signature in signed:  # 10
                right.key.verify(message, signature)
        except BadSignature:
            return REFUSED, "bad-signature", []
        ends = [right.closed for right, _ in signed if right.closed is not None and index >= right.end]
        if (end := self._law.end) is not None and index >= end[1]:
            ends.append(end)
        return ADMITTED, None, ends


_HEAD = b'{"payload":"'
_MIDDLE = b'","payloadType":"%b","signatures":[{"keyid":"' % PAYLOAD_TYPE.encode()
_KEYID = 64
_BEFORE_SIG = b'","sig":"'
_SIG = 88  # characters of 64 bytes
_TAIL = b'"}]}'
_SIG_AT = len(_TAIL) + _SIG
_KEYID_AT = _SIG_AT + len(_BEFORE_SIG) + _KEYID
_MIDDLE_AT = _KEYID_AT + len(_MIDDLE)


def _read_envelope(entry: bytes) -> tuple[bytes, Signatures]:
    """(payload, signatures). Most envelopes have one signature: with it their text is fixed but for three values.

    Each of these is compared with what an encoder would write, so that what passes here is what `core` would take; all
    else is left to `core`. Raises Malformed.
    """
    if entry.startswith(_HEAD) and entry.endswith(_TAIL) and _MIDDLE_AT + len(_HEAD) <= len(entry) <= MAX_ENVELOPE:
        text, keyid = entry[len(_HEAD) : -_MIDDLE_AT], entry[-_KEYID_AT : -_KEYID_AT + _KEYID]
        sig = entry[-_SIG_AT : -len(_TAIL)]
        if entry[-_MIDDLE_AT:-_KEYID_AT] == _MIDDLE and entry[-_KEYID_AT + _KEYID : -_SIG_AT] == _BEFORE_SIG:
            try:
                payload, signature = a2b_base64(text), a2b_base64(sig)
                if (
                    b2a_base64(payload, newline=False) == text
                    and b2a_base64(signature, newline=False) == sig
                    and bytes.fromhex(name := keyid.decode("ascii")).hex() == name
                ):
                    return payload, ((name, signature),)
            except ValueError:
                pass  # core says what is wrong with it
    envelope = parse_envelope(entry)
    return envelope.payload, [(one.keyid, one.sig) for one in envelope.signatures]
