"""Participant records as JSON: in `peers.json` today, inline in the trust list later.

Guarantees: `parse_record` takes any parsed JSON and raises only Malformed, or RecordRefused for a weak public key, each
with the pointer of the field; `parse_record(format_record(record))` equals the record. Only the shape is judged here.
Fields may stand in any order, since people edit these files; none may be missing and none unknown.

Specification: DESIGN.md section 2 (Participant record). A position is [ordinal of the log, index in it].

    {"v": 1, "participant": "AT", "kind": "participating State", "names": {"en": "Austria", "de": "Österreich"},
     "node_url": "https://cbm.example.at", "operator": "Federal Ministry, Vienna",
     "status": [{"state": "active", "since": "2026-11-01"}],
     "logs": [{"origin": "cbm.example.at/log", "closed": null,
               "vkey": "cbm.example.at/log+cdef17c5+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"}],
     "keys": [{"kind": "signing", "algorithm": "Ed25519",
               "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "roles": ["releaser"], "may_sign": ["*"],
               "from": [0, 0], "before": null}],
     "thresholds": {"forms": {"*": 1, "ICT-03": 2}, "erasure": 2}}
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, TypeVar

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import parse_origin
from exchange.core.dsse import MAX_SIGNATURES
from exchange.core.jsontext import MAX_INTEGER
from exchange.core.keys import ALGORITHM, RECORD_KINDS, Kind, PublicKey, parse_public_key
from exchange.core.merkle import HASH_SIZE
from exchange.core.note import format_vkey, parse_vkey
from exchange.core.sealing import SEALING_ALGORITHM, SealingKey
from exchange.core.vocabulary import is_form_code, is_language, is_participant_code
from exchange.errors import Malformed, RecordRefused, WeakKey
from exchange.trust.record import (
    ANY_FORM,
    OTHER_KINDS,
    STATE_KINDS,
    STATES,
    Closed,
    ParticipantKey,
    ParticipantLog,
    ParticipantRecord,
    Position,
    Standing,
    Thresholds,
    UnreadKey,
)

R = TypeVar("R")

MAX_LOGS = 100  # logs that one participant ever had
MAX_KEYS = 1_000  # keys that one record ever held
MAX_LISTED = 1_000  # names, roles, form codes, thresholds, changes of status in one place
MAX_TEXT = 200  # characters of a name, an operator, a role
MAX_PUBLIC_KEY = 4_096  # bytes; ML-DSA-87 takes 2,592

_is_algorithm = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}").fullmatch
_is_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_node_url = re.compile(
    r"(?=.{1,256}\Z)https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*"
).fullmatch


def format_record(record: ParticipantRecord) -> dict[str, Any]:
    """The record as JSON takes it, fields in their order; `parse_record` gives an equal value back."""
    return {
        "v": 1,
        "participant": record.participant,
        "kind": record.kind,
        "names": dict(record.names),
        "node_url": record.node_url,
        "operator": record.operator,
        "status": [{"state": state, "since": since} for state, since in record.status],
        "logs": [_format_log(log) for log in record.logs],
        "keys": [_format_key(key) for key in record.keys],
        "thresholds": {"forms": dict(record.thresholds.forms), "erasure": record.thresholds.erasure},
    }


def _format_log(log: ParticipantLog) -> dict[str, Any]:
    closed = log.closed and {"size": log.closed.size, "root": format_base64(log.closed.root)}
    return {"origin": log.origin, "vkey": format_vkey(log.vkey), "closed": closed}


def _format_key(key: ParticipantKey) -> dict[str, Any]:
    return {
        "kind": str(key.kind),
        "algorithm": key.algorithm,
        "public_key": format_base64(key.public_key.raw),
        "roles": list(key.roles),
        "may_sign": list(key.may_sign),
        "from": list(key.start),
        "before": None if key.before is None else list(key.before),
    }


_RECORD = ("v", "participant", "kind", "names", "node_url", "operator", "status", "logs", "keys", "thresholds")


def parse_record(value: Any, at: str = "") -> ParticipantRecord:
    """The record in parsed JSON, found at the pointer `at`. Malformed for its shape, RecordRefused for a weak key."""
    fields = parse_object(value, at, _RECORD)
    parse_integer(fields["v"], f"{at}/v", least=1, most=1)
    status = parse_list(fields["status"], f"{at}/status", least=1)
    logs = parse_list(fields["logs"], f"{at}/logs", least=1, most=MAX_LOGS)
    keys = parse_list(fields["keys"], f"{at}/keys", most=MAX_KEYS)
    return ParticipantRecord(
        participant=parse_text(fields["participant"], f"{at}/participant", is_participant_code, "a code such as AT"),
        kind=_one_of(STATE_KINDS + OTHER_KINDS, fields["kind"], f"{at}/kind"),
        names={
            parse_text(lang, f"{at}/names", is_language, "languages such as en"): parse_words(
                name, f"{at}/names/{lang}"
            )
            for lang, name in _mapping(fields["names"], f"{at}/names").items()
        },
        node_url=parse_text(fields["node_url"], f"{at}/node_url", _is_node_url, "https://host, no slash at its end"),
        operator=parse_words(fields["operator"], f"{at}/operator"),
        status=tuple(_parse_standing(item, here) for here, item in status),
        logs=tuple(_parse_log(item, here) for here, item in logs),
        keys=tuple(_parse_key(item, here) for here, item in keys),
        thresholds=_parse_thresholds(fields["thresholds"], f"{at}/thresholds"),
    )


def _parse_standing(value: Any, at: str) -> Standing:
    fields = parse_object(value, at, ("state", "since"))
    since = parse_date(fields["since"], f"{at}/since")
    return Standing(_one_of(STATES, fields["state"], f"{at}/state"), since)


def parse_date(value: Any, at: str) -> str:
    text = parse_text(value, at, _is_date, "a date such as 2026-11-01")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise wrong(at, "a date of the calendar", text) from None
    return text


def _parse_log(value: Any, at: str) -> ParticipantLog:
    fields = parse_object(value, at, ("origin", "vkey", "closed"))
    origin = _guard(f"{at}/origin", parse_origin, fields["origin"])
    vkey = _guard(f"{at}/vkey", parse_vkey, fields["vkey"])
    return ParticipantLog(origin, vkey, _parse_closed(fields["closed"], f"{at}/closed"))


def _parse_closed(value: Any, at: str) -> Closed | None:
    if value is None:
        return None
    fields = parse_object(value, at, ("size", "root"))
    root = _guard(f"{at}/root", partial(parse_base64, length=HASH_SIZE), fields["root"])
    return Closed(parse_integer(fields["size"], f"{at}/size"), root)


def _parse_key(value: Any, at: str) -> ParticipantKey:
    fields = parse_object(value, at, ("kind", "algorithm", "public_key", "roles", "may_sign", "from", "before"))
    algorithm = parse_text(fields["algorithm"], f"{at}/algorithm", _is_algorithm, "an algorithm such as Ed25519")
    return ParticipantKey(
        kind=Kind(_one_of(tuple(map(str, RECORD_KINDS)), fields["kind"], f"{at}/kind")),
        algorithm=algorithm,
        public_key=_guard(f"{at}/public_key", partial(_read_public_key, algorithm=algorithm), fields["public_key"]),
        roles=_distinct(fields["roles"], f"{at}/roles", parse_words),
        may_sign=_distinct(fields["may_sign"], f"{at}/may_sign", _form),
        start=_position(fields["from"], f"{at}/from"),
        before=None if fields["before"] is None else _position(fields["before"], f"{at}/before"),
    )


def _read_public_key(text: str, algorithm: str) -> PublicKey | SealingKey | UnreadKey:
    raw = parse_base64(text)
    if algorithm == ALGORITHM:
        return parse_public_key(raw)
    if algorithm == SEALING_ALGORITHM:
        return SealingKey(raw)
    if not 1 <= len(raw) <= MAX_PUBLIC_KEY:
        raise Malformed(f"expected a public key of 1 to {MAX_PUBLIC_KEY} bytes, got {len(raw)}")
    return UnreadKey(raw)


def _parse_thresholds(value: Any, at: str) -> Thresholds:
    fields = parse_object(value, at, ("forms", "erasure"))
    # More signatures than an envelope holds could never be given, and the form never be filed again.
    forms = {
        _form(code, f"{at}/forms"): parse_integer(count, f"{at}/forms/{code}", least=1, most=MAX_SIGNATURES)
        for code, count in _mapping(fields["forms"], f"{at}/forms").items()
    }
    return Thresholds(forms, parse_integer(fields["erasure"], f"{at}/erasure", least=1, most=MAX_SIGNATURES))


def wrong(at: str, expected: str, came: object) -> Malformed:
    return Malformed(f"{at or 'here'}: expected {expected}, got {ascii(came)[:80]}", pointer=at)


def parse_object(value: Any, at: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise wrong(at, f"an object with exactly the fields {', '.join(names)}", value)
    return value


def parse_list(value: Any, at: str, *, least: int = 0, most: int = MAX_LISTED) -> list[tuple[str, Any]]:
    """The items, each with its pointer."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise wrong(at, f"a list of {least} to {most}", value)
    return [(f"{at}/{number}", item) for number, item in enumerate(value)]


def parse_text(value: Any, at: str, is_right: Callable[[str], object], expected: str) -> str:
    if not isinstance(value, str) or not is_right(value):
        raise wrong(at, expected, value)
    return value


def parse_integer(value: Any, at: str, *, least: int = 0, most: int = MAX_INTEGER) -> int:
    if type(value) is not int or not least <= value <= most:  # not isinstance: to Python, true is an int
        raise wrong(at, f"a whole number from {least} to {most}", value)
    return value


def _mapping(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_LISTED:
        raise wrong(at, f"an object of at most {MAX_LISTED} fields", value)
    return value


def parse_words(value: Any, at: str) -> str:
    """Words shown to people: no invisible or direction characters, with which one name could pose as another."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT or value != value.strip():
        raise wrong(at, f"1 to {MAX_TEXT} characters, no white space around them", value)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in value):
        raise wrong(at, "visible characters only", value)
    return value


def _one_of(choices: tuple[str, ...], value: Any, at: str) -> str:
    return parse_text(value, at, choices.__contains__, f"one of {', '.join(choices)}")


def _form(value: Any, at: str) -> str:
    return parse_text(value, at, lambda code: code == ANY_FORM or is_form_code(code), "form codes such as ICT-03, or *")


def _distinct(value: Any, at: str, parse: Callable[[Any, str], str]) -> tuple[str, ...]:
    items = tuple(parse(item, here) for here, item in parse_list(value, at))
    if len(set(items)) < len(items):
        raise wrong(at, "each value once", value)
    return items


def _position(value: Any, at: str) -> Position:
    if not isinstance(value, list) or len(value) != 2:
        raise wrong(at, "a position [log, index]", value)
    return parse_integer(value[0], f"{at}/0", most=MAX_LOGS), parse_integer(value[1], f"{at}/1")


def _guard(at: str, parse: Callable[[str], R], value: Any) -> R:
    """A parser of core on one text field: what it refuses is refused here, with the place named."""
    try:
        return parse(parse_text(value, at, lambda _: True, "a text"))
    except WeakKey as error:
        raise RecordRefused(f"{at}: {error}", pointer=at) from error
    except Malformed as error:
        raise Malformed(str(error) if error.pointer == at else f"{at}: {error}", pointer=at) from error
