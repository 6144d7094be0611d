"""What the API answers, for OpenAPI and for those who generate a client from it. The words are those of schemas/README.md."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from exchange.core.vocabulary import MESSAGES, RETURNS, STATUSES
from exchange.trust.quorum import RECORDED, WITNESSED

ACCOUNTS = ("opened", "restricted", "erased as foreseen", "erased afterwards", "undelivered")
DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
BASE64: dict[str, Any] = {
    "type": "string",
    "contentEncoding": "base64",
    "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
}
SPAN: dict[str, Any] = {
    "description": "a year, month or day of the calendar",
    "anyOf": [
        {"type": "string", "pattern": "^(?!0000)[0-9]{4}(-(0[1-9]|1[0-2]))?$"},
        {"type": "string", "format": "date", "pattern": "^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    ],
}


def _one_of(words: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": sorted(words)})


# Said to those who read the answer; whoever wrote it was checked long before.
Digest = Annotated[str, WithJsonSchema(DIGEST)]
Base64 = Annotated[str, WithJsonSchema(BASE64)]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]
Next = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^/v1/"})] | None
Status = Annotated[str, _one_of(STATUSES)]
Reachable = Annotated[str, _one_of(("reachable", "outside stated hours", "reachability not stated"))]


class Problem(BaseModel):
    type: str
    title: str
    status: int
    code: str
    detail: str = Field(description="what was expected, and what came")
    next_step: str
    pointer: str | None = Field(None, description="RFC 6901: the field at fault")


class HeadStanding(BaseModel):
    standing: Annotated[str, _one_of((RECORDED, WITNESSED))]
    cosignatures: str
    not_later_than: Moment | None
    newest_quorum: Moment | None = Field(description="since when a quorum vouches for this head as the newest")
    stale: bool = Field(description="the newest quorum is older than a day, or there is none")


class TrustStanding(BaseModel):
    root: Count
    root_sha256: Digest = Field(description="of the newest root, as a file; what people compared is that of the first")
    targets: Count | None = Field(description="the version of the founders' list in force; null before there is one")
    participants: Count
    stale_since: Moment | None = Field(
        description="since when nobody vouches that this is the newest: changes of participants and keys wait, all else goes on"
    )


class NodeAnswer(BaseModel):
    participant: str
    federation: str
    live: bool
    origin: str
    log_vkey: str
    size: Count
    version: str
    instance: str
    witness_vkey: str
    witness_url: str = Field(description="C2SP tlog-witness: submission prefix and monitoring prefix")
    head: HeadStanding
    trust: TrustStanding | None = Field(description="the founders' list; null where the operator's own is followed")


class Head(BaseModel):
    participant: str
    origin: str
    size: Count
    root: Base64
    admitted: Count
    disputed: Count
    refused: Count
    waiting: Count


class Heads(BaseModel):
    items: list[Head]
    next: Next


class PeerAnswer(BaseModel):
    participant: str
    node_url: str
    size: Count
    attempted: Moment | None
    contacted: Moment | None
    error: str | None
    failures: Count
    paused_until: Moment | None = Field(
        description="its log grew by more than its quota of a day: it goes on then; null where not"
    )
    documents_missing: Count
    head: HeadStanding | None = Field(description="of its current log; null where that is not known here yet")


class Peers(BaseModel):
    items: list[PeerAnswer]
    next: Next


class Place(BaseModel):
    origin: str
    index: Count


class Erased(BaseModel):
    by: Annotated[str, _one_of(("retain_until", "erasure"))]
    order: Place | None = Field(description="the erasure; null where the statement's own `retain_until` is the order")
    destroyed: bool = Field(description="false while it is only hidden, and not here any more otherwise")


class DocumentState(BaseModel):
    slot: str
    media_type: str
    language: str | None
    audience: str
    readers: str = Field(
        description="who may read it now: the audience, once it is released, or wider; `nobody` before its day"
    )
    commitment: Digest
    held: bool = Field(description="false as well where whoever asks may not read it")
    name: str | None = Field(description="as its sender called it; not covered by any signature")
    size: Count | None
    erased: Erased | None = Field(description="by which order it is not shown; then it is not held")


class SubmissionAnswer(BaseModel):
    id: Digest
    participant: str
    origin: str
    index: Count
    form: str
    form_version: int
    obligations: list[str]
    series: Digest
    issued: Moment
    period: dict[str, str] | None
    return_: Annotated[str, _one_of(RETURNS)] = Field(alias="return", serialization_alias="return")
    message: Annotated[str, _one_of(MESSAGES)]
    status: Status
    current: bool
    fits: str = Field(description="the verdict on the body; `restricted` for those who may not read it")
    standing: Annotated[str, _one_of((RECORDED, WITNESSED))]
    disputed: Place | None = Field(
        description="from where on its State disputes what stands under that key, or in that log; null where it does not"
    )
    cosignatures: str
    not_later_than: Moment | None = Field(description="as other States vouch for it; null while too few do")
    late: bool = Field(description="`issued` lies more than 8 days before `not_later_than`")
    identity_replaced: Moment | None = Field(description="when the founders replaced the identity keys it rests on")
    account: Annotated[str, _one_of(ACCOUNTS)] = Field(description="what became of its documents at this node")
    documents: list[DocumentState]


class SubmissionFound(SubmissionAnswer):
    context: str | None = Field(None, description="with `q`: a piece of the text in which it was found")


class Submissions(BaseModel):
    items: list[SubmissionFound]
    next: Next
    unsearched: Count | None = Field(
        None, description="with `q`: how many submissions, at most, cannot be found by all of their text yet"
    )


class OrderAnswer(BaseModel):
    id: Digest
    slot: str | None = Field(description="null for all of it")
    verdict: str = Field(description="in force, withdrawn, waits, or why it has no effect")
    since: Moment | None = Field(description="from when on this node counts the 72 hours")
    destroyed: Moment | None = Field(description="when it was carried out here")


class SubmissionWhole(SubmissionAnswer):
    orders: list[OrderAnswer] = Field(description="of an erasure: how each of its orders stands at this node")
    statement: dict[str, Any]
    body: Any | None
    history: list[Digest] = Field(description="ids of the series, oldest first")


class Receipted(BaseModel):
    id: Digest
    origin: str
    index: Count
    new: bool = Field(description="false where the same submission stood here before")
    receipt: str = Field(description="C2SP tlog-proof, as GET /v1/submissions/{id}/receipt serves it")


class Contact(BaseModel):
    participant: str
    name: str
    form: str
    role: Any
    status: Status
    reachable: Reachable
    reachable_until: str | None
    local_time: str | None
    phone: Any
    email: Any
    institution: Any
    languages: Any
    freshness: str
    confirmed: str
    confirm_by: Any
    contact: dict[str, Any] = Field(description="the whole body as the State stated it")
    source: dict[str, Any] = Field(
        description="submission id, origin and index to check it by, and how that entry stands"
    )


class Contacts(BaseModel):
    at: Moment
    items: list[Contact]
    next: Next


class FormAnswer(BaseModel):
    code: str
    version: int
    sha256: Digest
    title: dict[str, str]
    obligations: list[str]
    audience: str


class Forms(BaseModel):
    items: list[FormAnswer]
    next: Next


class Share(BaseModel):
    participant: str
    forms: list[str] = Field(description="forms of which a return of this participant is current")


class ObligationAnswer(BaseModel):
    id: str
    decision: str
    clause: str
    title: dict[str, str] = Field(description="by language; empty for what only a form of this node names")
    forms: list[str] = Field(description="the forms that serve it")
    shared: list[Share] = Field(description="what each participant chose to share; nobody is ranked")


class Obligations(BaseModel):
    items: list[ObligationAnswer]
    next: Next


class FindingAnswer(BaseModel):
    participant: str
    origin: str
    index: Count
    id: Digest
    evidence_id: Digest = Field(
        description="of the evidence in that entry, which need not be ours: many proofs convict one key"
    )


class AlertAnswer(BaseModel):
    id: Digest
    kind: str
    participant: str
    origin: str
    raised: Moment
    summary: str
    evidence: dict[str, Any]
    evidence_id: Digest | None = Field(description="SHA-256 of the evidence; null where it convicts nobody by itself")
    found_by: list[FindingAnswer] = Field(
        description="entries (PLT-03) that convict the same key, one a log, ours included"
    )
    local: str | None = Field(
        description="why it stands in no entry of this State's log; null where it does, or need not"
    )


class Alerts(BaseModel):
    items: list[AlertAnswer]
    next: Next


class EntryAnswer(BaseModel):
    index: Count
    id: Digest | None = Field(description="null where the entry is no envelope")
    verdict: Annotated[str, _one_of(("refused", "waiting", "disputed"))]
    code: str
    reason: str
    withheld: str | None = Field(description="why this node does not hand out its bytes; null where it does")


class Entries(BaseModel):
    items: list[EntryAnswer]
    next: Next


class Replacement(BaseModel):
    participant: str
    published: Moment
    origin: str | None = Field(
        description="the log from which on everything rests on it; null where it is not opened yet"
    )


class Participants(BaseModel):
    federation: str
    live: bool
    stale_since: Moment | None = Field(description="since when nobody vouches for the founders' list; null else")
    identity_replacements: list[Replacement] = Field(
        description="where the founders put other identity keys in the place of those that a State had lost, and they count"
    )
    items: list[dict[str, Any]]
    next: Next
