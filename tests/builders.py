"""What tests are built of: real keys from named seeds, honest records, statements and documents.

Every helper gives something that is right in all respects; a test states by keyword the one thing that it is about.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from exchange.core.document import Document, commit
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.keys import ALGORITHM, Kind, PrivateKey
from exchange.core.note import ED25519, Vkey
from exchange.core.statement import (
    DocumentRef,
    FormRef,
    Reference,
    Statement,
    format_statement,
)
from exchange.core.vocabulary import MESSAGES_OF_A_SERIES, MESSAGES_WITH_CONTENT, PUBLIC
from exchange.trust.participants import (
    Closed,
    ParticipantKey,
    ParticipantLog,
    ParticipantRecord,
    Participants,
    Position,
    Standing,
    Thresholds,
)
from tests import key_named

key = key_named

FEDERATION = "test.example"
FORM = FormRef("ICT-03", 1, sha256(b"ICT-03").hexdigest())
FIRST = sha256(b"the first submission").hexdigest()
"""The id that updates, withdrawals and answers refer to."""

_RELATIONS = {
    "withdrawal": "withdraws",
    "acknowledgement": "acknowledges",
    "reply": "in reply to",
    "closure": "closes",
    "countersignature": "countersigns",
    "release": "releases",
    "erasure": "erases",
}


def officer(code: str, number: int = 1) -> PrivateKey:
    return key(f"{code} officer {number}")


def origin_of(code: str) -> str:
    return f"{code.lower()}.{FEDERATION}/log"


def vkey(origin: str, private: PrivateKey) -> Vkey:
    return Vkey(origin, ED25519, private.public)


def participant_log(origin: str, private: PrivateKey, closed: Closed | None = None) -> ParticipantLog:
    return ParticipantLog(origin, vkey(origin, private), closed)


def participant_key(
    private: PrivateKey,
    kind: Kind = Kind.SIGNING,
    *,
    may_sign: Iterable[str] | None = None,
    roles: Iterable[str] = (),
    start: Position = (0, 0),
    before: Position | None = None,
) -> ParticipantKey:
    """A signing key may sign everything unless told otherwise, a key of another kind nothing."""
    forms = ("*",) if may_sign is None and kind is Kind.SIGNING else tuple(may_sign or ())
    return ParticipantKey(kind, ALGORITHM, private.public, tuple(roles), forms, start, before)


def record(
    code: str,
    *,
    origin: str | None = None,
    log: PrivateKey | None = None,
    logs: tuple[ParticipantLog, ...] | None = None,
    signing: Iterable[PrivateKey | ParticipantKey] | None = None,
    keys: Iterable[ParticipantKey] = (),
    forms: Mapping[str, int] | None = None,
    erasure: int = 2,
    kind: str | None = None,
    names: Mapping[str, str] | None = None,
    node_url: str | None = None,
    operator: str | None = None,
    status: tuple[Standing, ...] = (Standing("active", "2026-11-01"),),
) -> ParticipantRecord:
    """One open log and two officers who may sign everything; `signing` names other officers, `keys` come on top."""
    origin = origin or origin_of(code)
    officers = (officer(code, 1), officer(code, 2)) if signing is None else signing
    listed = [each if isinstance(each, ParticipantKey) else participant_key(each) for each in officers]
    return ParticipantRecord(
        participant=code,
        kind=kind or ("organisation" if code.startswith("ORG-") else "participating State"),
        names=names or {"en": code},
        node_url=node_url or f"https://{code.lower()}.{FEDERATION}",
        operator=operator or f"Ministry of {code}",
        status=status,
        logs=logs or (participant_log(origin, log or key(f"{code} log")),),
        keys=(*listed, *keys),
        thresholds=Thresholds(dict(forms or {}), erasure),
    )


def participants(*records: ParticipantRecord, federation: str = FEDERATION, live: bool = False) -> Participants:
    return Participants(federation, live, {each.participant: each for each in records})


def document(
    slot: str = "body",
    content: bytes = b'{"title":"not stated"}',
    opening: bytes | None = None,
    name: str | None = None,
    *,
    media_type: str | None = None,
    language: str | None = None,
    audience: str | tuple[str, ...] = PUBLIC,
) -> tuple[Document, DocumentRef]:
    """A document and the reference that commits to it; the opening follows from slot and content unless given."""
    body = slot.startswith("body")
    opening = opening or sha256(slot.encode() + b"\0" + content).digest()
    made = Document(slot, name or (f"{slot}.json" if body else f"{slot}.txt"), opening, content)
    media_type = media_type or ("application/json" if body else "text/plain")
    return made, DocumentRef(slot, media_type, language, audience, commit(opening, content))


def statement(participant: str = "AT", **changes: Any) -> Statement:
    """An original, full and public; another `message` brings the series and references that it needs."""
    message = changes.get("message", "original")
    full = message in MESSAGES_WITH_CONTENT and changes.get("return_", "full") == "full"
    relation = _RELATIONS.get(message)
    plain = Statement(
        v=1,
        federation=FEDERATION,
        origin=origin_of(participant),
        participant=participant,
        form=FORM,
        series=FIRST if message in MESSAGES_OF_A_SERIES else None,
        issued="2026-11-20T09:30:00Z",
        period=None,
        return_="full",
        message="original",
        references=(Reference(relation, FIRST, None),) if relation else (),
        status="actual",
        on_behalf_of=None,
        languages=("en",),
        audience=PUBLIC,
        release_on=None,
        retain_until=None,
        documents=(document()[1],) if full else (),
    )
    return replace(plain, **changes)


def signed(what: Statement, *keys: PrivateKey) -> bytes:
    """The canonical envelope, signed by the first officer of its participant unless others are named."""
    return format_envelope(sign_payload(format_statement(what), keys or (officer(what.participant),)))
