"""The statement: what a participant puts on record. Public for ever, so it has no room for names or free text.

Guarantee: a payload that `parse_statement` accepts has every field in its order, each in its one spelling, and obeys
the rules between fields (`_check_rules`); `format_statement` gives the same bytes back. ASCII canonical JSON, at most
16,384 bytes. What the documents say stands outside the log; only their commitments are here (core/document.py).

    {"v":1,"federation":"osce-cbm.example","origin":"cbm.example.at/log","participant":"AT",
     "form":{"code":"ICT-03","version":1,"sha256":"<64 hex digits>"},"series":null,"issued":"2026-11-20T09:30:00Z",
     "period":{"from":"2025","to":"2026-06"},"return":"full","message":"original",
     "references":[{"rel":"related","id":"<64 hex digits>","slot":null}],"status":"actual","on_behalf_of":null,
     "languages":["en"],"audience":"public","release_on":null,"retain_until":null,
     "documents":[{"slot":"body","media_type":"application/json","language":"en","audience":"public",
                   "commitment":"<64 hex digits>"}]}                (on one line, without blanks)
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import Any

from exchange.core import vocabulary as words
from exchange.core.alike import Alike
from exchange.core.checkpoint import parse_origin
from exchange.core.jsonfields import (
    came,
    check_keys,
    is_digest,
    read_day,
    read_period,
    read_second,
    read_text,
    read_text_or_null,
    read_word,
)
from exchange.core.jsontext import canonical_json, parse_canonical
from exchange.errors import Malformed

MAX_STATEMENT = 16_384
"""Bytes of the payload."""
MAX_REFERENCES = 64
MAX_LANGUAGES = 24
MAX_VERSION = 9_999

_DIGEST, _SLOT = "64 lower-case hex digits", "a slot such as body, body.fr or a1"
_CODE = "a participant code such as AT or ORG-OSCE"


@dataclass(frozen=True, slots=True)
class FormRef:
    code: str
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Period:
    """What time the return is about: whole years, months or days, both ends included."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Reference:
    rel: str
    id: str
    slot: str | None


@dataclass(frozen=True, slots=True)
class DocumentRef:
    slot: str
    media_type: str
    language: str | None
    audience: str | tuple[str, ...]
    commitment: str


@dataclass(frozen=True, slots=True)
class Statement:
    v: int
    federation: str
    origin: str
    participant: str
    form: FormRef
    series: str | None
    issued: str
    period: Period | None
    return_: str
    message: str
    references: tuple[Reference, ...]
    status: str
    on_behalf_of: str | None
    languages: tuple[str, ...]
    audience: str | tuple[str, ...]
    release_on: str | None
    retain_until: str | None
    documents: tuple[DocumentRef, ...]

    @property
    def issued_time(self) -> datetime:
        """The time that the writer claims, aware, in UTC. Only witnesses make a time."""
        return datetime.fromisoformat(self.issued)


_FORM_KEYS = ("code", "version", "sha256")
_PERIOD_KEYS = ("from", "to")
_REFERENCE_KEYS = ("rel", "id", "slot")
_DOCUMENT_KEYS = ("slot", "media_type", "language", "audience", "commitment")
_STATEMENT_KEYS = tuple(one.name.rstrip("_") for one in fields(Statement))


def parse_statement(payload: bytes) -> Statement:
    """The statement in these bytes. One that is alike another but for its digests and times is read by comparison."""
    return _alike(payload)


def _parse(payload: bytes) -> Statement:
    """One by one:

    1. Canonical JSON within the limit. 2. ASCII. 3. Exactly the known keys, in order. 4. Each field by its own rule.
    5. The rules between fields.
    """
    value = parse_canonical(payload, limit=MAX_STATEMENT)  # 1
    if not payload.isascii():  # 2
        raise Malformed("an ASCII statement was expected: it stays public for ever and takes no free text")
    check_keys(value, _STATEMENT_KEYS, "")  # 3
    if type(value["v"]) is not int or value["v"] != 1:  # 4; `True` and `1.0` equal 1 in Python
        raise Malformed("a statement of version 1 was expected", pointer="/v")
    statement = Statement(
        1,
        read_text(
            value["federation"], words.is_federation, "", "federation", "a federation's name such as osce-cbm.example"
        ),
        _origin(value["origin"]),
        read_text(value["participant"], words.is_participant_code, "", "participant", _CODE),
        _form(value["form"]),
        read_text_or_null(value["series"], is_digest, "", "series", _DIGEST),
        read_second(value["issued"], "issued"),
        _period(value["period"]),
        read_word(value["return"], words.RETURNS, "", "return"),
        read_word(value["message"], words.MESSAGES, "", "message"),
        _references(value["references"]),
        read_word(value["status"], words.STATUSES, "", "status"),
        read_text_or_null(value["on_behalf_of"], words.is_participant_code, "", "on_behalf_of", _CODE),
        _languages(value["languages"]),
        _audience(value["audience"], ""),
        None if value["release_on"] is None else read_second(value["release_on"], "release_on"),
        None if value["retain_until"] is None else read_day(value["retain_until"], "retain_until"),
        _documents(value["documents"]),
    )
    _check_rules(statement)  # 5
    return statement


def _values(s: Statement) -> list[str]:
    ids, commitments = [one.id for one in s.references], [one.commitment for one in s.documents]
    return [one for one in (s.form.sha256, s.series, s.issued, *ids, s.release_on, *commitments) if one is not None]


def _fill(s: Statement, filling: Sequence[str]) -> Statement:
    texts = iter(filling)
    return Statement(
        *(s.v, s.federation, s.origin, s.participant),
        FormRef(s.form.code, s.form.version, next(texts)),
        None if s.series is None else next(texts),
        read_second(next(texts), "issued"),
        *(s.period, s.return_, s.message),
        tuple([Reference(one.rel, next(texts), one.slot) for one in s.references]),
        s.status,
        s.on_behalf_of,
        s.languages,
        s.audience,
        None if s.release_on is None else read_second(next(texts), "release_on"),
        s.retain_until,
        tuple([DocumentRef(one.slot, one.media_type, one.language, one.audience, next(texts)) for one in s.documents]),
    )


_alike = Alike(_parse, values=_values, fill=_fill)


def format_statement(s: Statement) -> bytes:
    """The payload to sign. What `parse_statement` would refuse is refused here, with the same pointer."""
    payload = canonical_json(
        {
            "v": s.v,
            "federation": s.federation,
            "origin": s.origin,
            "participant": s.participant,
            "form": {"code": s.form.code, "version": s.form.version, "sha256": s.form.sha256},
            "series": s.series,
            "issued": s.issued,
            "period": None if s.period is None else {"from": s.period.start, "to": s.period.end},
            "return": s.return_,
            "message": s.message,
            "references": [{"rel": one.rel, "id": one.id, "slot": one.slot} for one in s.references],
            "status": s.status,
            "on_behalf_of": s.on_behalf_of,
            "languages": s.languages,
            "audience": s.audience,
            "release_on": s.release_on,
            "retain_until": s.retain_until,
            "documents": [
                {
                    "slot": one.slot,
                    "media_type": one.media_type,
                    "language": one.language,
                    "audience": one.audience,
                    "commitment": one.commitment,
                }
                for one in s.documents
            ],
        }
    )
    parse_statement(payload)
    return payload


def submission_id(payload: bytes) -> str:
    """The submission's name everywhere: hex SHA-256 of the payload. Signatures added later do not change it."""
    return hashlib.sha256(payload).hexdigest()


def slot_order(slot: str) -> tuple[int, int, str]:
    """Sorts slots: body, body.<language> by language, a1 to a99 by number."""
    return (1, int(slot[1:]), "") if slot[0] == "a" else (0, 0, slot)


def _check_rules(s: Statement) -> None:
    """What the fields owe one another; each refusal points at the field to change."""
    if s.message == "original" and s.series is not None:
        raise Malformed("null was expected: an original opens its series", pointer="/series")
    if s.message in words.MESSAGES_OF_A_SERIES and s.series is None:
        raise Malformed(f"the id of the first in the series was expected: this is a {s.message}", pointer="/series")
    if s.return_ == "nothing new" and s.message == "original":
        raise Malformed("another message than original was expected: nothing new since what?", pointer="/message")
    if s.return_ == "nothing new" and s.series is None:
        raise Malformed("the id of the first in the series was expected: nothing new since what?", pointer="/series")
    must_have_body = s.return_ == "full" and s.message in words.MESSAGES_WITH_CONTENT
    if must_have_body and not (s.documents and s.documents[0].slot == "body"):  # body sorts first
        raise Malformed("a document in the slot body was expected: the return is full", pointer="/documents")
    if s.message == "withdrawal" and not any(one.rel == "withdraws" for one in s.references):
        raise Malformed("a reference with rel withdraws was expected in a withdrawal", pointer="/references")
    if s.message in words.MESSAGES_ABOUT_OTHERS and not s.references:
        raise Malformed(f"a reference to what this {s.message} is about was expected", pointer="/references")


def _origin(value: Any) -> str:
    if type(value) is not str:
        raise Malformed(f"a log's origin was expected, {came(value)} came", pointer="/origin")
    try:
        return parse_origin(value)
    except Malformed as error:
        raise Malformed(str(error), pointer="/origin") from None


def _form(value: Any) -> FormRef:
    check_keys(value, _FORM_KEYS, "/form")
    code, version, sha256 = value.values()
    read_text(code, words.is_form_code, "/form", "code", "a form code such as ICT-03")
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise Malformed(
            f"a version from 1 to {MAX_VERSION} was expected, {came(version)} came", pointer="/form/version"
        )
    return FormRef(code, version, read_text(sha256, is_digest, "/form", "sha256", _DIGEST))


def _period(value: Any) -> Period | None:
    if value is None:
        return None
    check_keys(value, _PERIOD_KEYS, "/period")
    start, end = value.values()
    return Period(*read_period(start, end, "/period"))


def _references(value: Any) -> tuple[Reference, ...]:
    if type(value) is not list or len(value) > MAX_REFERENCES:
        raise Malformed(f"a list of at most {MAX_REFERENCES} references was expected", pointer="/references")
    return tuple([_reference(entry, f"/references/{number}") for number, entry in enumerate(value)])


def _reference(value: Any, pointer: str) -> Reference:
    check_keys(value, _REFERENCE_KEYS, pointer)
    rel, id_, slot = value.values()
    return Reference(
        read_word(rel, words.RELATIONS, pointer, "rel"),
        read_text(id_, is_digest, pointer, "id", _DIGEST),
        read_text_or_null(slot, words.is_slot, pointer, "slot", _SLOT),
    )


def _languages(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_LANGUAGES:
        raise Malformed(f"a list of 1 to {MAX_LANGUAGES} languages was expected", pointer="/languages")
    tags = tuple(
        [
            read_text(tag, words.is_language, "/languages", number, "a language tag such as en")
            for number, tag in enumerate(value)
        ]
    )
    if len(set(tags)) != len(tags):
        raise Malformed("each language once was expected, one came twice", pointer="/languages")
    return tags


def _audience(value: Any, parent: str) -> str | tuple[str, ...]:
    if type(value) is str and (value in words.AUDIENCES or value == words.SEALED):
        return value
    if type(value) is list and value:
        codes = [
            read_text(code, words.is_participant_code, f"{parent}/audience", number, "a code")
            for number, code in enumerate(value)
        ]
        if all(one < next_one for one, next_one in pairwise(codes)):
            return tuple(codes)
    raise Malformed(
        f"{', '.join(sorted(words.AUDIENCES))} or a sorted list of participant codes was expected, {came(value)} came",
        pointer=f"{parent}/audience",
    )


def _documents(value: Any) -> tuple[DocumentRef, ...]:
    if type(value) is not list:
        raise Malformed("a list of documents was expected", pointer="/documents")
    documents = tuple([_document(entry, f"/documents/{number}") for number, entry in enumerate(value)])
    for one, next_one in pairwise(documents):
        if slot_order(one.slot) >= slot_order(next_one.slot):
            raise Malformed(
                "documents in the order of their slots (body, body.de, a1, a2), each once, were expected",
                pointer="/documents",
            )
    return documents


def _document(value: Any, pointer: str) -> DocumentRef:
    check_keys(value, _DOCUMENT_KEYS, pointer)
    slot, media_type, language, audience, commitment = value.values()
    return DocumentRef(
        read_text(slot, words.is_slot, pointer, "slot", _SLOT),
        read_text(media_type, words.is_media_type, pointer, "media_type", "a lower-case media type without parameters"),
        read_text_or_null(language, words.is_language, pointer, "language", "a language tag such as en"),
        _audience(audience, pointer),
        read_text(commitment, is_digest, pointer, "commitment", _DIGEST),
    )
