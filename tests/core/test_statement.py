import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import statement as module
from exchange.core.dsse import sign_payload, verify_envelope
from exchange.core.statement import (
    MAX_LANGUAGES,
    MAX_REFERENCES,
    MAX_STATEMENT,
    DocumentRef,
    FormRef,
    Period,
    Reference,
    Statement,
    format_statement,
    parse_statement,
    slot_order,
    submission_id,
)
from exchange.core.vocabulary import MESSAGES, MESSAGES_ABOUT_OTHERS, MESSAGES_OF_A_SERIES, RELATIONS, STATUSES
from exchange.errors import BadSignature, Malformed, TooLarge
from tests import key_named
from tests.core import flipped

DIGEST = "ab" * 32
OTHER = "0123456789abcdef" * 4


def document(slot: str, **changes: Any) -> DocumentRef:
    return replace(DocumentRef(slot, "application/json", "en", "public", DIGEST), **changes)


PLAIN = Statement(
    v=1,
    federation="osce-cbm.example",
    origin="cbm.example.at/log",
    participant="AT",
    form=FormRef("ICT-03", 1, DIGEST),
    series=None,
    issued="2026-11-20T09:30:00Z",
    period=Period("2025", "2026-06"),
    return_="full",
    message="original",
    references=(Reference("related", OTHER, None), Reference("translates", OTHER, "body.fr")),
    status="actual",
    on_behalf_of=None,
    languages=("en", "fr"),
    audience="public",
    release_on=None,
    retain_until=None,
    documents=(document("body"), document("body.fr", language="fr"), document("a2"), document("a10")),
)
PAYLOAD = format_statement(PLAIN)


def spelt(**changes: Any) -> bytes:
    """The plain statement as compact JSON, with other values for some of its keys."""
    return json.dumps(json.loads(PAYLOAD) | changes, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_keys_stand_in_the_order_of_the_contract() -> None:
    assert spelt() == PAYLOAD
    value = json.loads(PAYLOAD)
    assert " ".join(value) == (
        "v federation origin participant form series issued period return message references status on_behalf_of"
        " languages audience release_on retain_until documents"
    )
    assert list(value["form"]) == ["code", "version", "sha256"]
    assert list(value["period"]) == ["from", "to"]
    assert list(value["references"][0]) == ["rel", "id", "slot"]
    assert list(value["documents"][0]) == ["slot", "media_type", "language", "audience", "commitment"]


def test_the_example_in_the_module_is_a_statement() -> None:
    lines = (module.__doc__ or "").split("\n\n")[2].replace("(on one line, without blanks)", "")
    payload = "".join(line.strip() for line in lines.split("\n")).replace("<64 hex digits>", DIGEST).encode()
    assert format_statement(parse_statement(payload)) == payload


def test_a_statement_comes_back() -> None:
    assert parse_statement(PAYLOAD) == PLAIN


def test_the_id_is_the_digest_of_the_payload() -> None:
    assert submission_id(PAYLOAD) == hashlib.sha256(PAYLOAD).hexdigest()


def test_the_claimed_time_is_aware_and_utc() -> None:
    assert PLAIN.issued_time == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


GOOD: list[dict[str, Any]] = [
    {"federation": "a"},
    {"federation": "a" * 64},
    {"federation": "0.a-b"},
    {"participant": "ORG-OSCE"},
    {"participant": "ORG-A1"},
    {"participant": "ORG-ABCDEFGHIJKL"},
    {"form": FormRef("POC-02", 9999, OTHER)},
    {"form": FormRef("VD-99", 1, OTHER)},
    {"issued": "0001-01-01T00:00:00Z"},
    {"issued": "2028-02-29T23:59:59Z"},
    {"period": None},
    {"period": Period("2026", "2026")},
    {"period": Period("2026-11-20", "2026-11-20")},
    {"period": Period("2026-12-31", "2026")},
    {"period": Period("2026-12-31", "2026-12")},
    {"period": Period("2026", "2026-01-01")},
    {"period": Period("2024-02-29", "2024-02")},
    {"references": ()},
    {"references": (Reference("related", OTHER, "a99"),) * MAX_REFERENCES},
    {"status": "exercise"},
    {"on_behalf_of": "MT"},
    {"on_behalf_of": "ORG-UN"},
    {"languages": ("de-AT", "sr-Latn", "und", "en")},
    {"languages": tuple(f"{letter}a" for letter in "abcdefghijklmnopqrstuvwx")},
    {"audience": "participating States"},
    {"audience": "States and Partners"},
    {"audience": ("AT",)},
    {"audience": ("AT", "CH", "ORG-OSCE", "US")},
    {"release_on": "2027-01-01T00:00:00Z"},
    {"retain_until": "2036-02-29"},
    {"documents": (document("body", audience=("AT", "CH")),)},
    {"documents": (document("body", language=None, media_type="x-a.b+c/1.0-z"),)},
    {"documents": (document("body", media_type="a/" + "b" * 98),)},
    {
        "documents": tuple(
            document(f"{slot}") for slot in ("body", "body.de-AT", "body.en", "body.sr-Latn", "a1", "a99")
        )
    },
    {"documents": (), "return_": "nothing to declare"},
    {"documents": (), "return_": "nothing new", "message": "update", "series": OTHER},
    {"documents": (), "return_": "nothing new", "message": "reply", "series": OTHER},
    {"message": "correction", "series": OTHER},
    {"documents": (), "message": "withdrawal", "series": OTHER, "references": (Reference("withdraws", OTHER, None),)},
    *({"documents": (), "message": message} for message in sorted(MESSAGES_ABOUT_OTHERS)),
    *({"documents": (), "message": message, "series": OTHER} for message in sorted(MESSAGES_ABOUT_OTHERS)),
    *({"references": (Reference(rel, OTHER, "body"),)} for rel in sorted(RELATIONS)),
    *({"status": status} for status in sorted(STATUSES)),
]


@pytest.mark.parametrize("changes", GOOD)
def test_what_the_contract_allows_comes_back_byte_for_byte(changes: dict[str, Any]) -> None:
    statement = replace(PLAIN, **changes)
    payload = format_statement(statement)
    assert parse_statement(payload) == statement
    assert format_statement(parse_statement(payload)) == payload


BAD_FEDERATIONS: list[Any] = ["", "-a", "a-", ".a", "a.", "A", "a b", "a/b", "a" * 65, "a\n", None, 1, [], {}]
BAD_CODES: list[Any] = [
    "",
    "A",
    "AUT",
    "at",
    "A1",
    "ORG-",
    "ORG-A",
    "ORG-ABCDEFGHIJKLM",
    "ORG-osce",
    "AT\n",
    None,
    7,
    ["AT"],
]
BAD_DIGESTS: list[Any] = ["", "ab" * 31, "ab" * 33, "AB" * 32, "ag" * 32, DIGEST + "\n", 0, [], {}]
BAD_SECONDS: list[Any] = [
    "",
    "2026-11-20",
    "2026-11-20T09:30Z",
    "2026-11-20T09:30:00",
    "2026-11-20T09:30:00z",
    "2026-11-20 09:30:00Z",
    "2026-11-20T09:30:00.0Z",
    "2026-11-20T09:30:00+00:00",
    "2026-11-20T09:30:60Z",
    "2026-11-20T24:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "20261120T093000Z",
    "2026-W47-5T09:30:00Z",
    1,
    [],
]
BAD_DAYS: list[Any] = [
    "",
    "2026",
    "2026-11",
    "20261120",
    "2026-02-30",
    "2100-02-29",
    "0000-01-01",
    "2026-W47-5",
    "2026-11-20Z",
    1,
]
BAD_SPANS: list[Any] = [
    "",
    "26",
    "2026-",
    "2026-1",
    "2026-13",
    "2026-00",
    "2026-02-30",
    "2026-02-29",
    "0000",
    "2026-11-20T",
    2026,
    [],
]
BAD_AUDIENCES: list[Any] = [
    "",
    "Public",
    "participating states",
    [],
    None,
    {},
    ["CH", "AT"],
    ["AT", "AT"],
    ["public"],
    ["AT", None],
    ["AT", ["CH"]],
    "AT",
]
BAD_SLOTS: list[Any] = [
    "",
    "Body",
    "body.",
    "body.english",
    "body.EN",
    "body.en-at",
    "a",
    "a0",
    "a01",
    "a100",
    "b1",
    "a1\n",
    "../a1",
    1,
]
BAD_LANGUAGES: list[Any] = [
    "",
    "EN",
    "e",
    "engl",
    "en-",
    "en-us",
    "en-USA",
    "en_US",
    "sr-latn",
    "en-US-x",
    "x-klingon",
    1,
]
BAD_MEDIA_TYPES: list[Any] = [
    "",
    "json",
    "a/",
    "/a",
    "a/b/c",
    "Text/plain",
    "text/plain; charset=utf-8",
    "text/plain ",
    "a/" + "b" * 99,
    None,
    1,
]

GOOD_DOCUMENTS = json.loads(PAYLOAD)["documents"]
GOOD_REFERENCE = {"rel": "related", "id": OTHER, "slot": None}
GOOD_FORM = {"code": "ICT-03", "version": 1, "sha256": DIGEST}


def with_document(**changes: Any) -> list[Any]:
    return [GOOD_DOCUMENTS[0], GOOD_DOCUMENTS[1] | changes, *GOOD_DOCUMENTS[2:]]


def each(*values: Any) -> tuple[Any, ...]:
    return values


BAD: list[tuple[str, dict[str, Any]]] = [
    *(("/v", {"v": value}) for value in each(0, 2, "1", 1.0, True, None, [])),
    *(("/federation", {"federation": value}) for value in BAD_FEDERATIONS),
    *(
        ("/origin", {"origin": value})
        for value in each("", "/log", "AT/log", "a/", "a b", "a" * 129, "a\n", None, 1, [])
    ),
    *(("/participant", {"participant": value}) for value in BAD_CODES),
    *(("/form", {"form": value}) for value in each(None, [], "ICT-03", {}, GOOD_FORM | {"title": "x"})),
    ("/form", {"form": dict(reversed(GOOD_FORM.items()))}),
    *(
        ("/form/code", {"form": GOOD_FORM | {"code": code}})
        for code in each("", "I-03", "ICTICT-03", "ict-03", "ICT-3", 3)
    ),
    *(("/form/version", {"form": GOOD_FORM | {"version": v}}) for v in each(0, -1, 10_000, True, 1.0, "1", None, [])),
    *(("/form/sha256", {"form": GOOD_FORM | {"sha256": value}}) for value in [*BAD_DIGESTS, None]),
    *(("/series", {"series": value}) for value in BAD_DIGESTS),
    *(("/issued", {"issued": value}) for value in [*BAD_SECONDS, None]),
    *(
        ("/period", {"period": value})
        for value in each([], "2026", {}, {"from": "2026"}, {"to": "2026", "from": "2026"})
    ),
    *(("/period/from", {"period": {"from": value, "to": "2027"}}) for value in BAD_SPANS),
    *(("/period/to", {"period": {"from": "2025", "to": value}}) for value in BAD_SPANS),
    ("/period", {"period": {"from": "2026", "to": "2025"}}),
    ("/period", {"period": {"from": "2026-02", "to": "2026-01-31"}}),
    ("/period", {"period": {"from": "2026-11-20", "to": "2026-11-19"}}),
    ("/period", {"period": {"from": "2026-11-20", "to": "2026-10"}}),
    *(("/return", {"return": value}) for value in each("", "Full", "nil", "nothing", None, 0, [], {})),
    *(("/message", {"message": value}) for value in each("", "Original", "draft", None, 0, [], {})),
    *(("/references", {"references": value}) for value in each(None, {}, "x", [GOOD_REFERENCE] * (MAX_REFERENCES + 1))),
    *(("/references/1", {"references": [GOOD_REFERENCE, value]}) for value in each(None, [], {}, {"rel": "related"})),
    ("/references/0", {"references": [dict(reversed(GOOD_REFERENCE.items()))]}),
    *(("/references/0/rel", {"references": [GOOD_REFERENCE | {"rel": rel}]}) for rel in each("", "Related", None, [])),
    *(("/references/0/id", {"references": [GOOD_REFERENCE | {"id": value}]}) for value in [*BAD_DIGESTS, None]),
    *(("/references/0/slot", {"references": [GOOD_REFERENCE | {"slot": slot}]}) for slot in BAD_SLOTS),
    *(("/status", {"status": value}) for value in each("", "draft", "Actual", None, [])),
    *(("/on_behalf_of", {"on_behalf_of": value}) for value in BAD_CODES if value is not None),
    *(
        ("/languages", {"languages": value})
        for value in each(None, [], {}, "en", ["en", "en"], ["en"] * (MAX_LANGUAGES + 1))
    ),
    *(("/languages/1", {"languages": ["en", value]}) for value in [*BAD_LANGUAGES, None]),
    *(
        ("/audience", {"audience": value})
        for value in BAD_AUDIENCES
        if value not in (["public"], ["AT", None], ["AT", ["CH"]])
    ),
    ("/audience/0", {"audience": ["public"]}),
    ("/audience/1", {"audience": ["AT", None]}),
    ("/audience/1", {"audience": ["AT", ["CH"]]}),
    *(("/release_on", {"release_on": value}) for value in BAD_SECONDS),
    *(("/retain_until", {"retain_until": value}) for value in BAD_DAYS),
    *(
        ("/documents", {"documents": value})
        for value in each(None, {}, "body", [GOOD_DOCUMENTS[0]] * 2, GOOD_DOCUMENTS[::-1])
    ),
    ("/documents", {"documents": [GOOD_DOCUMENTS[index] for index in (0, 3, 2)]}),
    *(("/documents/1", {"documents": [GOOD_DOCUMENTS[0], value]}) for value in each(None, [], {}, {"slot": "a1"})),
    *(("/documents/1/slot", {"documents": with_document(slot=value)}) for value in [*BAD_SLOTS, None]),
    *(("/documents/1/media_type", {"documents": with_document(media_type=value)}) for value in BAD_MEDIA_TYPES),
    *(("/documents/1/language", {"documents": with_document(language=value)}) for value in BAD_LANGUAGES),
    ("/documents/1/audience", {"documents": with_document(audience=["CH", "AT"])}),
    ("/documents/1/audience", {"documents": with_document(audience=None)}),
    ("/documents/1/audience/0", {"documents": with_document(audience=["at"])}),
    *(("/documents/1/commitment", {"documents": with_document(commitment=value)}) for value in [*BAD_DIGESTS, None]),
    ("/series", {"series": OTHER}),  # an original opens its series
    *(("/series", {"message": message}) for message in sorted(MESSAGES_OF_A_SERIES)),
    ("/message", {"return": "nothing new"}),
    ("/series", {"return": "nothing new", "message": "reply"}),
    ("/documents", {"documents": []}),
    ("/documents", {"documents": GOOD_DOCUMENTS[1:]}),
    *(("/documents", {"documents": [], "message": m, "series": OTHER}) for m in each("update", "correction")),
    ("/references", {"message": "withdrawal", "series": OTHER}),
    *(("/references", {"message": message, "references": []}) for message in sorted(MESSAGES_ABOUT_OTHERS)),
]


@pytest.mark.parametrize(("pointer", "changes"), BAD)
def test_what_the_contract_does_not_allow_is_refused_at_the_field(pointer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        parse_statement(spelt(**changes))
    assert caught.value.pointer == pointer
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD + b"\n",
        b" " + PAYLOAD,
        PAYLOAD.replace(b",", b", ", 1),
        PAYLOAD.replace(b'"v":1', b'"v":1,"v":1'),
        PAYLOAD.replace(b'"status":"actual"', b'"status":"test","status":"actual"'),
        PAYLOAD.replace(b"/log", b"\\/log"),
        PAYLOAD.replace(b'"AT"', b'"\\u0041T"'),
        PAYLOAD.replace(b'"version":1', b'"version":1.0'),
        PAYLOAD.replace(b'"version":1', b'"version":1e0'),
        spelt(title="a title"),
        spelt(federation="é"),
        json.dumps(dict(reversed(json.loads(PAYLOAD).items())), separators=(",", ":")).encode(),
        PAYLOAD.replace(b'"series":null,', b""),
        b"[" * 10_000,
        b"null",
        b"[]",
        b"",
    ],
)
def test_another_spelling_of_a_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(Malformed):
        parse_statement(payload)


def test_a_statement_is_bounded_at_the_byte() -> None:
    def sized(size: int) -> bytes:
        """A right statement of this size: named participants nearly fill it, the federation's name does the rest."""
        codes: list[str] = []
        while len(spelt(audience=codes)) < size - 40:
            codes += [f"ORG-{number:012d}" for number in range(len(codes), len(codes) + (1 if codes else 750))]
        missing = size - len(spelt(audience=codes))
        return spelt(audience=codes, federation="a" * (len(PLAIN.federation) + missing))

    full = sized(MAX_STATEMENT)
    assert len(full) == MAX_STATEMENT and len(parse_statement(full).audience) > 750
    with pytest.raises(TooLarge):
        parse_statement(sized(MAX_STATEMENT + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"participant": "Austria"},
        {"series": OTHER},
        {"documents": ()},
        {"documents": (document("a1"), document("body"))},
        {"audience": ("CH", "AT")},
        {"audience": ()},
        {"languages": ()},
        {"period": Period("2027", "2026")},
        {"issued": "yesterday"},
        {"form": FormRef("ICT-03", 2**60, DIGEST)},
        {"federation": "é"},
    ],
)
def test_what_would_not_be_read_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        format_statement(replace(PLAIN, **changes))


def test_every_message_has_its_rules_tested() -> None:
    assert {"original", "update", "correction", "withdrawal"} | MESSAGES_ABOUT_OTHERS == MESSAGES
    assert len(MESSAGES) == 10 and len(RELATIONS) == 10


def test_slots_sort_by_language_and_then_by_number() -> None:
    slots = ["body", "body.de", "body.de-AT", "body.fr", "a1", "a2", "a9", "a10", "a99"]
    assert sorted(reversed(slots), key=slot_order) == slots


def test_one_flipped_bit_anywhere_is_refused_or_another_statement_that_nobody_signed() -> None:
    key = key_named("officer of Ruritania")
    envelope = sign_payload(PAYLOAD, [key])
    keys = {key.public.keyid: key.public}
    others = 0
    for changed in flipped(PAYLOAD):
        try:
            statement = parse_statement(changed)
        except Malformed:
            continue
        others += 1
        assert statement != PLAIN and format_statement(statement) == changed
        assert submission_id(changed) != submission_id(PAYLOAD)
        with pytest.raises(BadSignature):
            verify_envelope(replace(envelope, payload=changed), keys)
    assert others > 100


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_statement(data)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([DIGEST, "AT", "public", "body", "en", "2026", "full", "original"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(PAYLOAD))), anything)
def test_any_value_in_any_field_is_canonical_or_malformed(field: str, value: Any) -> None:
    data = json.dumps(json.loads(PAYLOAD) | {field: value}, separators=(",", ":"), ensure_ascii=False)
    payload = data.encode("utf-8", "surrogatepass")
    with suppress(Malformed):
        assert format_statement(parse_statement(payload)) == payload


@given(st.integers(0, 3), st.sampled_from(["slot", "media_type", "language", "audience", "commitment"]), anything)
def test_any_value_in_any_document_is_canonical_or_malformed(number: int, field: str, value: Any) -> None:
    documents = json.loads(PAYLOAD)["documents"]
    documents[number][field] = value
    payload = json.dumps(json.loads(PAYLOAD) | {"documents": documents}, separators=(",", ":")).encode()
    with suppress(Malformed):
        assert format_statement(parse_statement(payload)) == payload


def test_reading_changes_nothing_and_shares_nothing() -> None:
    payload = bytes(PAYLOAD)
    first = parse_statement(payload)
    assert payload == PAYLOAD and first == parse_statement(payload) == PLAIN
    assert hash(first) == hash(PLAIN)
