"""The audit's own reading of the one door gives the door's answer: on everything that hypothesis can think of, and on every flipped bit."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.audit.judgement import Judge, Judged, Law
from exchange.audit.shape import Shapes
from exchange.core.base64text import format_base64
from exchange.core.dsse import PAYLOAD_TYPE, Envelope, Signature, format_envelope, pae, parse_envelope
from exchange.core.jsontext import canonical_json
from exchange.core.keys import Kind, PrivateKey
from exchange.core.merkle import EMPTY_ROOT
from exchange.core.statement import FormRef, Reference, format_statement, parse_statement, submission_id
from exchange.errors import ExchangeError, Malformed
from exchange.trust.admission import Admitted, Disputed, Refused, Waiting, admit
from exchange.trust.participants import Closed, ParticipantKey, ParticipantRecord, Participants, UnreadKey
from tests.builders import (
    FEDERATION,
    FORM,
    document,
    key,
    origin_of,
    participant_key,
    participants,
    record,
    signed,
    statement,
)

pytestmark = pytest.mark.once

ORIGIN = origin_of("AT")
POOL = [key(f"AT officer {number}") for number in range(1, 5)]
FORMS = ("ICT-03", "POC-02", "PLT-01")
INDEXES = st.integers(0, 6)


def same(entry: bytes, index: int, judge: Judge, known: Participants, origin: str = ORIGIN) -> Judged:
    """Both readings agree on verdict, code, id, and on all that is used of the statement."""
    mine, door = judge.judge(entry, index), admit(entry, origin, index, known)
    match door:
        case Admitted(id=ident, statement=stated):
            assert mine[:2] == ("admitted", None)
            assert mine.id is not None and mine.id.hex() == ident
            assert mine.reading is not None
            shape = mine.reading.shape
            assert (shape.participant, shape.form, shape.period) == (stated.participant, stated.form, stated.period)
            assert (shape.return_, shape.message, shape.status) == (stated.return_, stated.message, stated.status)
            assert (shape.opens, mine.reading.issued) == (stated.series is None, stated.issued)
            assert (mine.reading.series and mine.reading.series.hex()) == stated.series
            assert [one.hex() for one in mine.reading.commitments] == [one.commitment for one in stated.documents]
            assert [one.slot for one in shape.slots] == [one.slot for one in stated.documents]
        case Disputed(admitted=inside, since=since):
            assert mine[:2] == ("disputed", "disputed")
            assert (mine.since, mine.id and mine.id.hex()) == (f"{since.index} {since.origin}", inside.id)
        case Waiting(id=ident):
            assert mine[:2] == ("waiting", "unknown-key")
            assert mine.id is not None and mine.id.hex() == ident
        case Refused(code=code):
            assert mine[:2] == ("refused", code)
            assert (mine.id and mine.id.hex()) == id_in(entry)
    return mine


def id_in(entry: bytes) -> str | None:
    try:
        return submission_id(parse_envelope(entry).payload)
    except Malformed:
        return None


def judge_of(known: Participants, origin: str = ORIGIN) -> Judge:
    return Judge(Law.of(known.federation, origin, known.records))


@st.composite
def rights(draw: st.DrawFn) -> ParticipantKey:
    kind = draw(st.sampled_from([Kind.SIGNING, Kind.SIGNING, Kind.NODE_SUBMISSION, Kind.WITNESS, Kind.IDENTITY]))
    may = draw(st.lists(st.sampled_from([*FORMS, "*"]), max_size=3, unique=True))
    if kind is Kind.NODE_SUBMISSION:
        may = [code for code in may if code.startswith("PLT-")]
    start = draw(st.tuples(st.integers(0, 1), INDEXES))
    before = draw(st.none() | st.tuples(st.integers(0, 1), INDEXES))
    if before is not None and before < start:
        before = None
    signs = kind in (Kind.SIGNING, Kind.NODE_SUBMISSION)
    return participant_key(POOL[0], kind, may_sign=may if signs else (), start=start, before=before)


@st.composite
def records(draw: st.DrawFn) -> Participants:
    held = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique_by=id))
    keys = [replace(draw(rights()), public_key=each.public) for each in held]
    if draw(st.booleans()):
        keys.append(replace(keys[-1], algorithm="ML-DSA-44", public_key=UnreadKey(b"another algorithm")))
    limits = draw(st.dictionaries(st.sampled_from([*FORMS, "*"]), st.integers(1, 3), max_size=3))
    made = record("AT", signing=(), keys=keys, forms=limits, erasure=draw(st.integers(1, 3)))
    if draw(st.booleans()):
        closed = replace(made.logs[0], closed=Closed(draw(INDEXES), EMPTY_ROOT))
        made = replace(made, logs=(closed, *record("AT", origin="at.test.example/second", log=key("AT log 2")).logs))
    return participants(made, record("CH"))


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "federation": st.sampled_from([FEDERATION, "other.example"]),
        "origin": st.sampled_from([ORIGIN, "at.test.example/second", origin_of("CH")]),
        "participant": st.sampled_from(["AT", "CH", "XB"]),
        "form": st.sampled_from([FormRef(code, 1, FORM.sha256) for code in FORMS]),
        "message": st.sampled_from(["original", "update", "withdrawal", "reply", "erasure"]),
        "return_": st.sampled_from(["full", "nothing to declare"]),
        "audience": st.sampled_from(["public", "States and Partners", "participating States", ("AT", "CH")]),
        "documents": st.sampled_from(
            [(document(audience=of)[1],) for of in ("public", "States and Partners", "participating States", ("AT",))]
        ),
        "release_on": st.sampled_from([None, "2027-01-01T00:00:00Z"]),
        "status": st.sampled_from(["actual", "test"]),
        "issued": st.sampled_from(["2026-11-20T09:30:00Z", "2026-02-28T23:59:59Z"]),
        "references": st.sampled_from([(), (Reference("related", "ab" * 32, None),) * 2]),
    },
)


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    try:
        changes: dict[str, Any] = {"participant": "AT", "origin": ORIGIN} | draw(CHANGES)
        payload = format_statement(statement(**changes))
    except Malformed:
        payload = b'{"v":1}'
    signers: Sequence[PrivateKey] = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique_by=id))
    message = pae(PAYLOAD_TYPE, payload if draw(st.integers(0, 5)) else b"something else")
    signatures = [Signature(each.public.keyid, each.sign(message)) for each in signers]
    return format_envelope(Envelope(payload, tuple(sorted(signatures, key=lambda one: one.keyid))))


@settings(max_examples=300, deadline=None)
@given(records(), st.lists(st.tuples(entries(), INDEXES), min_size=1, max_size=6))
def test_the_audit_judges_as_the_door_does(known: Participants, offered: list[tuple[bytes, int]]) -> None:
    for origin in (ORIGIN, "at.test.example/second", "nobody.example/log"):
        judge = judge_of(known, origin)
        for entry, index in offered:
            same(entry, index, judge, known, origin)


KNOWN = participants(record("AT", signing=POOL[:2], forms={"CT-01": 2}), record("CH"))


@pytest.mark.parametrize("keys", [POOL[:1], POOL[:2]], ids=["one signature", "two signatures"])
def test_every_flipped_bit_is_judged_as_the_door_judges_it(keys: list[PrivateKey]) -> None:
    entry = signed(statement("AT", message="update"), *keys)
    judge = judge_of(KNOWN)
    assert same(entry, 0, judge, KNOWN).verdict == "admitted"
    for bit in range(len(entry) * 8):
        flipped = bytearray(entry)
        flipped[bit // 8] ^= 1 << bit % 8
        assert same(bytes(flipped), 0, judge, KNOWN).verdict != "admitted"


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_judged_as_the_door_judges_them(entry: bytes) -> None:
    same(entry, 0, judge_of(KNOWN), KNOWN)


def forged(payload: bytes, *, keyid: str | None = None, sig: str | None = None, tail: str = "") -> bytes:
    signer = POOL[0]
    signature = {
        "keyid": signer.public.keyid if keyid is None else keyid,
        "sig": format_base64(signer.sign(pae(PAYLOAD_TYPE, payload))) if sig is None else sig,
    }
    return canonical_json(
        {"payload": format_base64(payload) + tail, "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
    )


PAYLOAD = format_statement(statement("AT"))


@pytest.mark.parametrize(
    "entry",
    [
        forged(PAYLOAD, keyid=POOL[0].public.keyid.upper()),
        forged(PAYLOAD, keyid=" " * 64),
        forged(PAYLOAD, keyid="0x" + "1" * 62),
        forged(PAYLOAD, sig="A" * 88),
        forged(PAYLOAD, sig="A" * 86 + "=="),
        forged(PAYLOAD, sig="A" * 85 + "B=="),
        forged(PAYLOAD, sig="A" * 87 + "="),
        forged(PAYLOAD, tail="===="),
        forged(PAYLOAD, tail="AA=="),
        forged(b""),
        forged(b"x"),
        forged(PAYLOAD) + b" ",
        forged(PAYLOAD).replace(b'"payload":', b'"payload": '),
        forged(PAYLOAD).replace(b"submission.v1", b"submission.v2"),
        forged(PAYLOAD + b" " * 60_000),
    ],
    ids=range(15),
)
def test_what_almost_is_an_envelope_is_judged_as_the_door_judges_it(entry: bytes) -> None:
    same(entry, 0, judge_of(KNOWN), KNOWN)


def read(shapes: Shapes, payload: bytes) -> Any:
    """What is read of a payload, or why it is refused."""
    try:
        return shapes.read(payload)
    except ExchangeError as error:
        return error.code


def plainly(payload: bytes) -> bool:
    try:
        parse_statement(payload)
    except ExchangeError:
        return False
    return True


@st.composite
def payloads(draw: st.DrawFn) -> list[bytes]:
    """A statement, and texts that differ from it in a slice: where a shape was learnt, what is next to it must not slip through."""
    related = draw(st.lists(st.sampled_from(["ab" * 32, "cd" * 32]), max_size=2))
    references = tuple(Reference("related", ident, None) for ident in related)
    message = draw(st.sampled_from(["original", "update"]))
    payload = format_statement(statement("AT", message=message, references=references))
    near = [payload]
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(payload)))
        end = draw(st.integers(at, min(at + draw(st.sampled_from([1, 2, 20, 64, 66])), len(payload))))
        put = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"f" * 64, b"F" * 64, b"2026-02-30T00:00:00Z", b"2026-11-20T24:00:00Z", b" " * 64])
        )
        near.append(payload[:at] + put + payload[end:])
    return near


@settings(max_examples=400, deadline=None)
@given(payloads())
def test_a_shape_that_was_learnt_lets_nothing_through(near: list[bytes]) -> None:
    shapes = Shapes()
    for payload in near:
        assert isinstance(read(shapes, payload), str) is not plainly(payload)


@pytest.mark.parametrize("value", ["f" * 64, "F" * 64, "f" * 63 + "g", " " * 64, "é" * 32, "0" * 63 + '"'])
@pytest.mark.parametrize("field", ["series", "id", "commitment"])
def test_a_digest_in_a_learnt_shape_is_64_lower_case_hex_digits(field: str, value: str) -> None:
    what = statement("AT", message="update", references=(Reference("related", "ab" * 32, None),))
    payload = format_statement(what)
    shapes = Shapes()
    shapes.read(payload)
    stood = {"series": what.series, "id": "ab" * 32, "commitment": what.documents[0].commitment}[field]
    assert stood is not None
    changed = payload.replace(stood.encode(), value.encode())
    assert isinstance(read(shapes, changed), str) is not plainly(changed)


def test_a_learnt_shape_keeps_no_value_of_the_first() -> None:
    shapes = Shapes()
    first = shapes.read(format_statement(statement("AT", message="update")))
    other = sha256(b"another").hexdigest()
    second = shapes.read(
        format_statement(statement("AT", message="update", series=other, issued="2026-01-01T00:00:00Z"))
    )
    assert second.shape is first.shape
    assert second.series == bytes.fromhex(other) and second.issued == "2026-01-01T00:00:00Z"


def test_a_record_may_be_missing_altogether() -> None:
    nobody = Participants(FEDERATION, False, {})
    assert same(signed(statement("AT")), 0, judge_of(nobody), nobody).code == "wrong-participant"


def test_a_key_of_a_successor_log_is_judged_by_its_position() -> None:
    first = record("AT", signing=[participant_key(POOL[0], before=(1, 3))])
    second = record("AT", origin="at.test.example/second", log=key("AT log 2")).logs[0]
    both: ParticipantRecord = replace(first, logs=(replace(first.logs[0], closed=Closed(5, b"r" * 32)), second))
    known = participants(both)
    judge = judge_of(known, "at.test.example/second")
    entry = signed(statement("AT", origin="at.test.example/second"))
    codes = [same(entry, index, judge, known, "at.test.example/second").code for index in range(5)]
    assert codes == [None, None, None, "disputed", "disputed"]
