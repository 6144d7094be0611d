"""What the routes for officers take and answer, for OpenAPI and for those who generate a client from it."""

from typing import Any

from pydantic import BaseModel, Field

from exchange.api.shapes import Base64, Count, Digest, Moment, Next


def asked(**properties: Any) -> dict[str, Any]:
    """For OpenAPI, which cannot see what the routes read by themselves: an object with exactly these fields."""
    named = {"type": "object", "required": [*properties], "additionalProperties": False, "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": named}}}}


class ChallengeAnswer(BaseModel):
    message: str = Field(description="to be signed with Ed25519, as it stands, in UTF-8")
    seconds: Count = Field(description="for which it may be used, once")


class SessionAnswer(BaseModel):
    key: str
    participant: str | None
    roles: list[str]
    ends: Moment
    idle_seconds: Count = Field(description="without a request after which it ends before that")


class SessionOpened(SessionAnswer):
    token: str = Field(description="for Authorization: Bearer; told this once")


class SessionEnded(BaseModel):
    ended: bool


class ActAnswer(BaseModel):
    seq: Count
    at: Moment
    key: str
    roles: list[str]
    what: str
    subject: str
    sha256: Digest


class ActsHead(BaseModel):
    seq: Count
    sha256: Digest


class Acts(BaseModel):
    items: list[ActAnswer]
    next: Next
    head: ActsHead | None = Field(description="the newest line: kept elsewhere, it shows later that none was cut off")


class DraftAnswer(BaseModel):
    id: str
    etag: str
    form: str
    form_version: int
    return_: str = Field(alias="return", serialization_alias="return")
    message: str
    status: str
    period: dict[str, str] | None
    series: Digest | None
    submission: Digest = Field(description="the id that it will have, if it is released as it stands")
    created_by: str
    changed_by: str
    changed: Moment
    expires: Count = Field(description="seconds since 1970, after which it is gone")
    threshold: Count = Field(description="how many distinct keys the record asks for")
    signed_by: list[Digest]


class Drafts(BaseModel):
    items: list[DraftAnswer]
    next: Next


class DraftFault(BaseModel):
    pointer: str
    detail: str


class DraftWhole(DraftAnswer):
    written: dict[str, Any]
    payload: Base64 = Field(description="the exact bytes to sign, as the payload of an envelope")
    documents: list[dict[str, str]]
    signatures: list[dict[str, str]]
    faults: list[DraftFault] = Field(
        description="what the form holds against it: nothing is signed before that is mended"
    )
    words: list[str]
    before: Digest | None = Field(description="the version of its series that is current now")
    difference: list[str]


class DraftDeleted(BaseModel):
    deleted: bool
