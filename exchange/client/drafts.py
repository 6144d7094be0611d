"""Drafts at an officer's own node, as questions; each goes through `officers.by(token, ...)`, which these do themselves."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from exchange.client import answers
from exchange.client.asks import all_of
from exchange.client.officers import by, sent
from exchange.client.wire import Ask, json_of
from exchange.core.base64text import format_base64
from exchange.core.dsse import Signature
from exchange.errors import Malformed

PATH = "/v1/drafts"


class Listed(TypedDict):
    """A draft in the list; `expires` in seconds since 1970."""

    id: str
    etag: str
    form: str
    message: str
    status: str
    submission: str
    created_by: str
    changed_by: str
    changed: str
    expires: int
    threshold: int
    signed_by: list[str]


class Fault(TypedDict):
    """What the form holds against it."""

    pointer: str
    detail: str


class Whole(Listed):
    """With the bytes to sign and the documents that they commit to, all base64. Not believed: whoever signs recomputes it."""

    written: dict[str, Any]
    payload: str
    documents: list[dict[str, Any]]
    signatures: list[dict[str, Any]]
    faults: list[Fault]
    words: list[str]
    before: str | None
    difference: list[str]


class Deleted(TypedDict):
    """That it is gone."""

    deleted: bool


def create(token: str, written: Mapping[str, Any]) -> Ask[Whole]:
    return by(token, sent("POST", PATH, written, json_of(Whole)))


def listed(token: str) -> Ask[list[Listed]]:
    return by(token, all_of(PATH, Listed))


def show(token: str, ident: str) -> Ask[Whole]:
    return by(token, Ask(_path(ident), json_of(Whole)))


def change(token: str, ident: str, etag: str, written: Mapping[str, Any]) -> Ask[Whole]:
    ask = sent("PUT", _path(ident), written, json_of(Whole))
    return by(token, replace(ask, headers={**ask.headers, "If-Match": etag}))


def sign(token: str, ident: str, submission: str, signature: Signature) -> Ask[Whole]:
    said = {"submission": submission, "keyid": signature.keyid, "sig": format_base64(signature.sig)}
    return by(token, sent("POST", f"{_path(ident)}/signatures", said, json_of(Whole)))


def release(token: str, ident: str) -> Ask[answers.Recorded]:
    return by(token, Ask(f"{_path(ident)}/release", json_of(answers.Recorded), "POST"))


def delete(token: str, ident: str) -> Ask[Deleted]:
    return by(token, Ask(_path(ident), json_of(Deleted), "DELETE"))


def _path(ident: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", ident):
        raise Malformed("a draft is named by 32 lower-case hex digits; the list shows them")
    return f"{PATH}/{ident}"
