"""What the API answers, for OpenAPI and for those who generate a client from it. The words are those of schemas/README.md."""

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    type: str
    title: str
    status: int
    code: str
    detail: str = Field(description="what was expected, and what came")
    next_step: str
    pointer: str | None = Field(None, description="RFC 6901: the field at fault")


class NodeAnswer(BaseModel):
    participant: str
    federation: str
    live: bool
    origin: str
    log_vkey: str
    size: int
    version: str


class Head(BaseModel):
    participant: str
    origin: str
    size: int
    root: str
    admitted: int
    refused: int
    waiting: int


class Heads(BaseModel):
    items: list[Head]
    next: str | None


class PeerAnswer(BaseModel):
    participant: str
    node_url: str
    size: int
    attempted: str | None
    contacted: str | None
    error: str | None
    failures: int
    documents_missing: int


class Peers(BaseModel):
    items: list[PeerAnswer]
    next: str | None


class DocumentState(BaseModel):
    slot: str
    media_type: str
    language: str | None
    audience: str
    commitment: str
    held: bool
    name: str | None = Field(description="as its sender called it; not covered by any signature")
    size: int | None


class SubmissionAnswer(BaseModel):
    id: str
    participant: str
    origin: str
    index: int
    form: str
    form_version: int
    obligations: list[str]
    series: str
    issued: str
    period: dict[str, str] | None
    return_: str = Field(alias="return", serialization_alias="return")
    message: str
    status: str
    current: bool
    fits: str
    cosignatures: str
    documents: list[DocumentState]


class Submissions(BaseModel):
    items: list[SubmissionAnswer]
    next: str | None


class SubmissionWhole(SubmissionAnswer):
    statement: dict[str, Any]
    body: Any | None
    history: list[str] = Field(description="ids of the series, oldest first")


class Receipted(BaseModel):
    id: str
    origin: str
    index: int
    new: bool = Field(description="false where the same submission stood here before")
    receipt: str = Field(description="C2SP tlog-proof, as GET /v1/submissions/{id}/receipt serves it")


class Contact(BaseModel):
    participant: str
    name: str
    form: str
    role: Any
    status: str
    reachable: str = Field(description="reachable | outside stated hours | reachability not stated")
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
    source: dict[str, Any] = Field(description="submission id, origin and index to check it by")


class Contacts(BaseModel):
    at: str
    items: list[Contact]
    next: str | None


class FormAnswer(BaseModel):
    code: str
    version: int
    sha256: str
    title: dict[str, str]
    obligations: list[str]
    audience: str


class Forms(BaseModel):
    items: list[FormAnswer]
    next: str | None


class AlertAnswer(BaseModel):
    id: str
    kind: str
    participant: str
    origin: str
    raised: str
    summary: str
    evidence: dict[str, Any]


class Alerts(BaseModel):
    items: list[AlertAnswer]
    next: str | None


class EntryAnswer(BaseModel):
    index: int
    id: str | None = Field(description="null where the entry is no envelope")
    verdict: str
    code: str
    reason: str


class Entries(BaseModel):
    items: list[EntryAnswer]
    next: str | None


class Participants(BaseModel):
    federation: str
    live: bool
    items: list[dict[str, Any]]
    next: str | None


def _fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "additionalProperties": False, "properties": properties}


_BASE64 = {"type": "string", "contentEncoding": "base64"}
_DOCUMENT = _fields(slot={"type": "string"}, name={"type": "string"}, opening=_BASE64, content=_BASE64)
_PARTS = "The parts `envelope`, then `opening` and `content` of each document, in the order of the statement"

# For OpenAPI, which cannot see what api/request.py reads by itself.
SUBMISSION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _fields(envelope=_BASE64, documents={"type": "array", "items": _DOCUMENT}),
            },
            "multipart/form-data": {"schema": {"type": "object", "description": _PARTS}},
        },
    }
}
