"""The records of a federation: their form, the audit, what may replace what, and which key counts where."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.base64text import format_base64
from exchange.core.keys import RECORD_KINDS, Kind
from exchange.core.merkle import EMPTY_ROOT, leaf_hash
from exchange.core.note import COSIGNATURE, Vkey
from exchange.errors import Malformed, RecordRefused, TooLarge
from exchange.trust import recordtext
from exchange.trust.participants import (
    MAX_PARTICIPANTS_FILE,
    Closed,
    ParticipantKey,
    ParticipantRecord,
    Participants,
    Position,
    Standing,
    Thresholds,
    UnreadKey,
    audit,
    check_successor,
    format_participants,
    format_record,
    parse_participants,
    parse_record,
)
from tests.builders import key, officer, origin_of, participant_key, participant_log, participants, record

ROOT = leaf_hash(b"the last head")
NODE = participant_key(key("AT node"), Kind.NODE_SUBMISSION, may_sign=["PLT-02"])
UNREAD = ParticipantKey(Kind.SIGNING, "ML-DSA-65", UnreadKey(bytes(1952)), (), ("*",), (0, 0), None)


def full_record() -> ParticipantRecord:
    """Everything that a record can hold: two logs, one of them closed; ended keys; every kind; a key of the future."""
    return record(
        "AT",
        names={"en": "Austria", "de": "Österreich", "ru": "Австрия"},
        status=(
            Standing("active", "2026-11-01"),
            Standing("suspended", "2027-01-01"),
            Standing("active", "2027-01-01"),
        ),
        logs=(
            participant_log("at.test.example/log", key("AT log"), Closed(40, ROOT)),
            participant_log("at.test.example/log2", key("AT second log")),
        ),
        signing=[
            participant_key(officer("AT"), roles=["releaser", "Leiterin der Abteilung"], may_sign=["ICT-03", "CT-01"]),
            participant_key(officer("AT", 2), before=(0, 30)),
            participant_key(officer("AT", 3), start=(0, 30), before=(1, 5)),
        ],
        keys=[
            NODE,
            participant_key(key("AT log"), Kind.LOG),
            *(participant_key(key(f"AT {kind}"), kind) for kind in (Kind.IDENTITY, Kind.WITNESS, Kind.TRANSPORT)),
            ParticipantKey(Kind.SEALING, "MLKEM768-X25519", UnreadKey(bytes(1216)), (), (), (0, 0), None),
            UNREAD,
        ],
        forms={"*": 1, "ICT-03": 2},
    )


# Form


def test_a_full_record_survives_a_round_trip() -> None:
    value = format_record(full_record())
    assert parse_record(json.loads(json.dumps(value))) == full_record()
    assert list(value) == [
        "v", "participant", "kind", "names", "node_url", "operator", "status", "logs", "keys", "thresholds"
    ]  # fmt: skip


def test_participants_survive_a_round_trip() -> None:
    both = participants(
        full_record(), record("CH"), record("ORG-TNTD", kind="Secretariat"), record("JP", kind="Partner")
    )
    data = format_participants(both)
    assert parse_participants(data) == both
    assert data.endswith(b"}\n") and "Österreich".encode() in data
    assert format_participants(parse_participants(data)) == data


def test_the_record_in_the_module_text_can_be_pasted() -> None:
    text = recordtext.__doc__ or ""
    example = parse_record(json.loads(text[text.index('{"v"') :]))
    assert example.name("de") == "Österreich"
    assert participants(example).by_origin("cbm.example.at/log") == example


def test_fields_may_stand_in_any_order_for_people_edit_the_file() -> None:
    value = format_record(full_record())
    assert parse_record(dict(reversed(value.items()))) == full_record()


Edit = Callable[[dict[str, Any]], object]

MALFORMED: dict[str, tuple[str, Edit]] = {
    "a record of version 2": ("/v", lambda r: r.update(v=2)),
    "a version that is true": ("/v", lambda r: r.update(v=True)),
    "a code in lower case": ("/participant", lambda r: r.update(participant="at")),
    "a kind that is none": ("/kind", lambda r: r.update(kind="member")),
    "a name in no language": ("/names", lambda r: r.update(names={"english": "Austria"})),
    "a name that is empty": ("/names/en", lambda r: r.update(names={"en": ""})),
    "a name that turns the writing": ("/names/en", lambda r: r.update(names={"en": "Austria\u202e"})),
    "a name of two lines": ("/names/en", lambda r: r.update(names={"en": "Aus\ntria"})),
    "a name with blanks around": ("/names/en", lambda r: r.update(names={"en": " Austria"})),
    "a name too long": ("/names/en", lambda r: r.update(names={"en": "A" * 201})),
    "an address with a user": ("/node_url", lambda r: r.update(node_url="https://at@ch.example")),
    "an address with a query": ("/node_url", lambda r: r.update(node_url="https://at.example?x=1")),
    "an address ending in a slash": ("/node_url", lambda r: r.update(node_url="https://at.example/")),
    "an address of a file": ("/node_url", lambda r: r.update(node_url="file:///etc/passwd")),
    "an address of two lines": ("/node_url", lambda r: r.update(node_url="https://at.example\n")),
    "no status": ("/status", lambda r: r.update(status=[])),
    "a state that is none": ("/status/0/state", lambda r: r["status"][0].update(state="asleep")),
    "a date that is none": ("/status/0/since", lambda r: r["status"][0].update(since="2026-02-30")),
    "a date with a time": ("/status/0/since", lambda r: r["status"][0].update(since="2026-02-20T00:00")),
    "no log": ("/logs", lambda r: r.update(logs=[])),
    "an origin with blanks": ("/logs/0/origin", lambda r: r["logs"][0].update(origin="at log")),
    "a vkey of another name": ("/logs/0/vkey", lambda r: r["logs"][0].update(vkey="x" + r["logs"][0]["vkey"])),
    "a vkey that is a number": ("/logs/0/vkey", lambda r: r["logs"][0].update(vkey=7)),
    "a short root": ("/logs/0/closed/root", lambda r: r["logs"][0]["closed"].update(root="AAAA")),
    "a negative size": ("/logs/0/closed/size", lambda r: r["logs"][0]["closed"].update(size=-1)),
    "a size with a fraction": ("/logs/0/closed/size", lambda r: r["logs"][0]["closed"].update(size=40.0)),
    "a key of no kind": ("/keys/0/kind", lambda r: r["keys"][0].update(kind="master")),
    "a key of 31 bytes": ("/keys/0/public_key", lambda r: r["keys"][0].update(public_key=format_base64(bytes(31)))),
    "an empty key of another algorithm": (
        "/keys/0/public_key",
        lambda r: r["keys"][0].update(algorithm="X", public_key=""),
    ),
    "an endless key": (
        "/keys/0/public_key",
        lambda r: r["keys"][0].update(algorithm="X", public_key=format_base64(bytes(4_097))),
    ),
    "a role twice": ("/keys/0/roles", lambda r: r["keys"][0].update(roles=["releaser", "releaser"])),
    "a form that is none": ("/keys/0/may_sign/0", lambda r: r["keys"][0].update(may_sign=["ICT-*"])),
    "a form twice": ("/keys/0/may_sign", lambda r: r["keys"][0].update(may_sign=["ICT-03", "ICT-03"])),
    "no beginning": ("/keys/0/from", lambda r: r["keys"][0].update({"from": None})),
    "a position of three": ("/keys/0/from", lambda r: r["keys"][0].update({"from": [0, 0, 0]})),
    "a position below zero": ("/keys/0/from/1", lambda r: r["keys"][0].update({"from": [0, -1]})),
    "a position that is true": ("/keys/0/before/1", lambda r: r["keys"][0].update(before=[0, True])),
    "a position beyond all integers": ("/keys/0/before/1", lambda r: r["keys"][0].update(before=[0, 2**53])),
    "a threshold of zero": ("/thresholds/forms/ICT-03", lambda r: r["thresholds"]["forms"].update({"ICT-03": 0})),
    "a threshold that nobody can reach": ("/thresholds/erasure", lambda r: r["thresholds"].update(erasure=9)),
    "a threshold for no form": ("/thresholds/forms", lambda r: r["thresholds"]["forms"].update({"ICT": 1})),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_parse_record_refuses(what: str) -> None:
    at, edit = MALFORMED[what]
    value = format_record(full_record())
    edit(value)
    with pytest.raises(Malformed) as caught:
        parse_record(value)
    assert caught.value.pointer == at


def objects(value: Any) -> list[dict[str, Any]]:
    """Every object inside, but not the two that map languages and form codes freely."""
    if isinstance(value, list):
        return [inner for item in value for inner in objects(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if "en" not in value and "ICT-03" not in value else []
    return own + [inner for item in value.values() for inner in objects(item)]


def test_parse_record_refuses_a_missing_field_and_an_unknown_one_everywhere() -> None:
    count = len(objects(format_record(full_record())))
    assert count > 15
    for number in range(count):
        fields = list(objects(format_record(full_record()))[number])
        for name in fields:
            value = format_record(full_record())
            del objects(value)[number][name]
            with pytest.raises(Malformed):
                parse_record(value)
        value = format_record(full_record())
        objects(value)[number]["comment"] = "no"
        with pytest.raises(Malformed):
            parse_record(value)


@settings(max_examples=150)
@given(st.data())
def test_parse_record_raises_only_our_errors_whatever_a_field_holds(data: st.DataObject) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    value = format_record(full_record())
    target = data.draw(st.sampled_from(objects(value)))
    target[data.draw(st.sampled_from(list(target)))] = data.draw(anything)
    with suppress(Malformed, RecordRefused):
        parse_record(value)


@given(st.binary(max_size=200))
def test_parse_participants_raises_only_malformed_on_any_bytes(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_participants(data)


def test_parse_participants_refuses_a_flipped_bit_or_reads_other_records() -> None:
    """Plain text that people edit: a flip may read well, but never as the same records."""
    good = participants(record("AT", signing=[officer("AT")]))
    data = format_participants(good)
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            read = parse_participants(bytes(flipped))
        except (Malformed, RecordRefused):
            continue
        assert read != good or json.loads(flipped) == json.loads(data)


def test_parse_participants_refuses_what_a_file_must_not_be() -> None:
    value = json.loads(format_participants(participants(record("AT"))))
    changes: list[dict[str, object]] = [
        {"v": 2},
        {"federation": "Test"},
        {"live": 0},
        {"live": None},
        {"participants": {}},
        {"more": 1},
    ]
    for change in changes:
        with pytest.raises(Malformed):
            parse_participants(json.dumps(value | change).encode())
    with pytest.raises(TooLarge):
        parse_participants(b" " * (MAX_PARTICIPANTS_FILE + 1))


def test_an_empty_federation_is_one() -> None:
    assert parse_participants(b'{"v":1,"federation":"cbm.example","live":true,"participants":[]}').live


def refuse_in_a_record(raw: bytes) -> None:
    value = format_record(record("AT"))
    value["keys"][0]["public_key"] = format_base64(raw)
    with pytest.raises(RecordRefused, match="/keys/0/public_key"):
        parse_record(value)


def test_a_weak_key_is_refused_with_its_record() -> None:
    for raw in (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"\xee" + b"\xff" * 31):
        refuse_in_a_record(raw)


def test_every_weak_key_of_the_published_cases_is_refused_with_its_record(vectors: Path | None) -> None:
    if vectors is None:
        return
    cases = json.loads((vectors / "cctv-ed25519" / "ed25519vectors.json").read_text())
    weak = {case["key"] for case in cases if {"low_order_A", "non_canonical_A"} & set(case["flags"] or ())}
    assert weak
    for text in weak:
        refuse_in_a_record(bytes.fromhex(text))


# The audit

AT_LOG = participant_log(origin_of("AT"), key("AT log"))
COSIGNER = Vkey(origin_of("AT"), COSIGNATURE, key("AT log").public)


def closed_at(number: int, size: int | None, root: bytes = ROOT) -> Any:
    private = key(f"AT log {number}")
    return participant_log(f"at.test.example/{number}", private, None if size is None else Closed(size, root))


REFUSED: dict[str, Callable[[], list[ParticipantRecord]]] = {
    "a signing key of two participants": lambda: [record("AT"), record("CH", signing=[officer("AT")])],
    "a log key of two participants": lambda: [record("AT"), record("CH", log=key("AT log"))],
    "a signing key that is another's log key": lambda: [record("AT"), record("CH", signing=[key("AT log")])],
    "a log key that is another's signing key": lambda: [record("AT"), record("CH", log=officer("AT"))],
    "a signing key that is the own log key": lambda: [record("AT", signing=[key("AT log")])],
    "a witness key that is the own log key": lambda: [
        record("AT", keys=[participant_key(key("AT log"), Kind.WITNESS)])
    ],
    "a key of two kinds": lambda: [record("AT", keys=[participant_key(officer("AT"), Kind.TRANSPORT)])],
    "a key twice, whatever the ranges": lambda: [
        record(
            "AT", signing=[participant_key(officer("AT"), before=(0, 5)), participant_key(officer("AT"), start=(0, 9))]
        )
    ],
    "a log key listed twice among the keys": lambda: [
        record("AT", keys=[participant_key(key("AT log"), Kind.LOG), participant_key(key("AT log"), Kind.LOG)])
    ],
    "another's log key listed as one's own": lambda: [
        record("AT"),
        record("CH", keys=[participant_key(key("AT log"), Kind.LOG)]),
    ],
    "a future key under two participants": lambda: [record("AT", keys=[UNREAD]), record("CH", keys=[UNREAD])],
    "an origin of two participants": lambda: [record("AT"), record("CH", origin=origin_of("AT"))],
    "an origin twice in one record": lambda: [
        record("AT", logs=(replace(AT_LOG, closed=Closed(3, ROOT)), participant_log(AT_LOG.origin, key("AT log 2"))))
    ],
    "a key of two logs": lambda: [
        record(
            "AT", logs=(replace(AT_LOG, closed=Closed(3, ROOT)), participant_log("at.test.example/2", key("AT log")))
        )
    ],
    "a log key named otherwise": lambda: [record("AT", logs=(replace(AT_LOG, origin="at.test.example/x"),))],
    "a log key of the cosignature type": lambda: [record("AT", logs=(replace(AT_LOG, vkey=COSIGNER),))],
    "two open logs": lambda: [record("AT", logs=(closed_at(1, None), closed_at(2, None)))],
    "an empty log closed with entries": lambda: [record("AT", logs=(closed_at(1, 0),))],
    "a node that may sign a return": lambda: [record("AT", keys=[replace(NODE, may_sign=("PLT-02", "ICT-03"))])],
    "a node that may sign everything": lambda: [record("AT", keys=[replace(NODE, may_sign=("*",))])],
    "an identity key that may sign": lambda: [record("AT", keys=[replace(NODE, kind=Kind.IDENTITY)])],
    "a log key that may sign": lambda: [record("AT", keys=[participant_key(key("AT log"), Kind.LOG, may_sign=["*"])])],
    "a range that ends before it begins": lambda: [
        record("AT", signing=[participant_key(officer("AT"), start=(0, 5), before=(0, 4))])
    ],
    "a range that ends in an earlier log": lambda: [
        record("AT", signing=[participant_key(officer("AT"), start=(1, 0), before=(0, 9))])
    ],
    "a range from a log that is not there": lambda: [
        record("AT", signing=[participant_key(officer("AT"), start=(2, 0))])
    ],
    "a range to a log that is not there": lambda: [
        record("AT", signing=[participant_key(officer("AT"), before=(2, 0))])
    ],
    "a future key that says Ed25519": lambda: [record("AT", keys=[replace(UNREAD, algorithm="Ed25519")])],
    "a key of today that says ML-DSA": lambda: [record("AT", keys=[replace(NODE, algorithm="ML-DSA-65")])],
    "a State with an organisation's code": lambda: [record("ORG-OSCE", kind="participating State")],
    "an organisation with a State's code": lambda: [record("AT", kind="Secretariat")],
    "a status history in disorder": lambda: [
        record("AT", status=(Standing("active", "2026-11-02"), Standing("left", "2026-11-01")))
    ],
    "no status": lambda: [record("AT", status=())],
    "no name": lambda: [replace(record("AT"), names={})],
    "no log": lambda: [replace(record("AT"), logs=())],
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_audit_refuses(what: str) -> None:
    records = REFUSED[what]()
    with pytest.raises(RecordRefused):
        participants(*records)


def test_the_audit_refuses_two_records_of_one_code() -> None:
    value = json.loads(format_participants(participants(record("AT"))))
    second = record("AT", origin="at.test.example/b", log=key("b"), signing=[key("c")])
    value["participants"].append(format_record(second))
    with pytest.raises(RecordRefused, match="AT has two records"):
        parse_participants(json.dumps(value).encode())


def test_the_audit_refuses_a_record_under_anothers_code() -> None:
    with pytest.raises(RecordRefused, match="under the code CH"):
        Participants("test.example", False, {"CH": record("AT")})


def test_the_audit_passes_what_is_right() -> None:
    audit(participants(full_record(), record("CH"), record("ORG-TNTD", kind="Secretariat")))
    audit(participants(record("AT", logs=(closed_at(1, 0, EMPTY_ROOT), closed_at(2, 7)))))
    audit(participants(record("AT", signing=[participant_key(officer("AT"), start=(0, 5), before=(0, 5))])))
    audit(participants(record("AT", signing=[participant_key(officer("AT"), start=(0, 5), before=(1, 0))])))


def test_by_origin_finds_the_owner_of_open_and_closed_logs_and_of_no_other() -> None:
    known = participants(full_record(), record("CH"))
    for log in full_record().logs:
        assert known.by_origin(log.origin) == full_record()
    assert known.by_origin("ch.test.example/log") == record("CH")
    assert known.by_origin("fr.test.example/log") is None


# Which key counts where


def test_a_key_counts_from_its_start_up_to_and_not_including_its_end() -> None:
    ranges: list[tuple[Position, Position | None]] = [
        ((0, 0), None), ((0, 3), None), ((0, 0), (0, 4)), ((0, 2), (0, 5)),
        ((0, 4), (1, 2)), ((1, 0), (1, 3)), ((0, 2), (0, 2)),
    ]  # fmt: skip
    positions = [(ordinal, index) for ordinal in (0, 1) for index in range(7)]
    for start, before in ranges:
        state = record("AT", signing=[participant_key(officer("AT"), start=start, before=before)])
        for number, position in enumerate(positions):
            first = positions.index(start)
            last = len(positions) if before is None else positions.index(before)
            assert bool(state.keys_for("ICT-03", position)) is (first <= number < last), (start, before, position)


def test_only_signing_keys_sign_returns() -> None:
    for kind in RECORD_KINDS:
        forced = replace(
            NODE, kind=kind, may_sign=("*", "ICT-03")
        )  # the audit refuses such a record; it counts for nothing anyway
        state = record("AT", signing=[forced])
        assert bool(state.keys_for("ICT-03", (0, 0))) is (kind is Kind.SIGNING)


def test_a_node_submission_key_signs_the_platform_forms_that_are_named_and_no_others() -> None:
    state = record("AT", signing=[], keys=[NODE])
    assert list(state.keys_for("PLT-02", (0, 0))) == [NODE.public_key.keyid]
    assert state.keys_for("PLT-01", (0, 0)) == {}
    wild = record("AT", signing=[], keys=[replace(NODE, may_sign=("*",))])
    assert wild.keys_for("PLT-02", (0, 0)) == {}


def test_a_signing_key_signs_what_is_named_or_everything() -> None:
    one = participant_key(officer("AT"), may_sign=["ICT-03"])
    every = participant_key(officer("AT", 2))
    none = participant_key(officer("AT", 3), may_sign=[])
    state = record("AT", signing=[one, every, none])
    assert set(state.keys_for("ICT-03", (0, 0))) == {one.public_key.keyid, every.public_key.keyid}
    assert set(state.keys_for("PLT-01", (0, 0))) == {every.public_key.keyid}


def test_a_key_of_an_unknown_algorithm_is_kept_and_never_offered() -> None:
    state = participants(record("AT", signing=[], keys=[UNREAD])).records["AT"]
    assert state.key(UNREAD.public_key.keyid) == UNREAD
    assert state.keys_for("ICT-03", (0, 0)) == {}


def test_thresholds_go_by_form_then_by_star_then_one() -> None:
    assert record("AT", forms={"*": 2, "ICT-03": 3}).threshold("ICT-03") == 3
    assert record("AT", forms={"*": 2, "ICT-03": 3}).threshold("CT-01") == 2
    assert record("AT", forms={"ICT-03": 3}).threshold("CT-01") == 1


def test_a_name_falls_back_to_english_then_to_any() -> None:
    state = full_record()
    assert (state.name(), state.name("de"), state.name("fr")) == ("Austria", "Österreich", "Austria")
    assert record("AT", names={"de": "Österreich"}).name("fr") == "Österreich"


def test_logs_are_found_by_origin_and_the_last_is_the_current_one() -> None:
    state = full_record()
    assert [state.log_ordinal(log.origin) for log in state.logs] == [0, 1]
    assert state.log_ordinal("ch.test.example/log") is None
    assert state.current_log == state.logs[1]


# What may replace what

Change = Callable[[ParticipantRecord], ParticipantRecord]


def with_key(number: int, **changes: Any) -> Change:
    def change(state: ParticipantRecord) -> ParticipantRecord:
        keys = list(state.keys)
        keys[number] = replace(keys[number], **changes)
        return replace(state, keys=tuple(keys))

    return change


def with_log(number: int, **changes: Any) -> Change:
    def change(state: ParticipantRecord) -> ParticipantRecord:
        logs = list(state.logs)
        logs[number] = replace(logs[number], **changes)
        return replace(state, logs=tuple(logs))

    return change


def with_thresholds(forms: dict[str, int], erasure: int = 2) -> Change:
    return lambda state: replace(state, thresholds=Thresholds(forms, erasure))


NEW_LOG = participant_log("at.test.example/log3", key("AT third log"))

# In full_record() key 0 is open, key 1 ends before 0:30, key 2 runs from 0:30 to before 1:5, key 3 is the node's.
FORBIDDEN: dict[str, Change] = {
    "another code": lambda s: replace(s, participant="DE"),
    "another kind": lambda s: replace(s, kind="Partner"),
    "a status dropped": lambda s: replace(s, status=s.status[:-1]),
    "a first status rewritten": lambda s: replace(s, status=(Standing("active", "2026-10-01"), *s.status[1:])),
    "a status slipped in": lambda s: replace(s, status=(s.status[0], Standing("left", "2026-12-01"), *s.status[1:])),
    "the last log dropped": lambda s: replace(s, logs=s.logs[:-1]),
    "the first log dropped": lambda s: replace(s, logs=s.logs[1:]),
    "logs exchanged": lambda s: replace(s, logs=s.logs[::-1]),
    "a log slipped in before": lambda s: replace(s, logs=(replace(NEW_LOG, closed=Closed(1, ROOT)), *s.logs)),
    "an origin renamed": with_log(1, origin="at.test.example/renamed"),
    "a log key changed": with_log(1, vkey=NEW_LOG.vkey),
    "a closed log reopened": with_log(0, closed=None),
    "a closed log longer": with_log(0, closed=Closed(41, ROOT)),
    "a closed log shorter": with_log(0, closed=Closed(39, ROOT)),
    "a closed log with another root": with_log(0, closed=Closed(40, EMPTY_ROOT)),
    "a log closed and its key changed": with_log(1, closed=Closed(9, ROOT), vkey=NEW_LOG.vkey),
    "a key dropped": lambda s: replace(s, keys=s.keys[1:]),
    "an ended key dropped": lambda s: replace(s, keys=(s.keys[0], *s.keys[2:])),
    "a key that signs nothing dropped": lambda s: replace(s, keys=tuple(k for k in s.keys if k.kind != Kind.WITNESS)),
    "a future key dropped": lambda s: replace(s, keys=tuple(k for k in s.keys if k != UNREAD)),
    "an end raised": with_key(1, before=(0, 31)),
    "an end raised into the next log": with_key(1, before=(1, 0)),
    "an end removed": with_key(1, before=None),
    "a start lowered": with_key(2, start=(0, 29)),
    "a start raised": with_key(2, start=(0, 31)),
    "a form added": with_key(0, may_sign=("ICT-03", "CT-01", "ICT-04")),
    "a form taken away": with_key(0, may_sign=("ICT-03",)),
    "all forms added": with_key(0, may_sign=("*",)),
    "a platform form added": with_key(3, may_sign=("PLT-01", "PLT-02")),
    "a node's key made an officer's": with_key(3, kind=Kind.SIGNING),
    "another algorithm": with_key(0, algorithm="ML-DSA-65"),
    "roles rewritten": with_key(0, roles=("head",)),
    "a key closed and widened at once": with_key(0, before=(1, 0), may_sign=("*",)),
    "a threshold lowered": with_thresholds({"*": 1, "ICT-03": 1}),
    "a threshold raised": with_thresholds({"*": 1, "ICT-03": 3}),
    "a threshold dropped": with_thresholds({"*": 1}),
    "a threshold added": with_thresholds({"*": 1, "ICT-03": 2, "CT-01": 2}),
    "another threshold for the rest": with_thresholds({"*": 2, "ICT-03": 2}),
    "an erasure made easier": with_thresholds({"*": 1, "ICT-03": 2}, 1),
    "an erasure made harder": with_thresholds({"*": 1, "ICT-03": 2}, 3),
}  # fmt: skip

ALLOWED: dict[str, Change] = {
    "nothing": lambda s: s,
    "other names": lambda s: replace(s, names={"en": "Republic of Austria"}),
    "another address": lambda s: replace(s, node_url="https://new.at.example"),
    "another operator": lambda s: replace(s, operator="Federal Chancellery"),
    "a new status": lambda s: replace(s, status=(*s.status, Standing("left", "2028-01-01"))),
    "a log closed": with_log(1, closed=Closed(9, ROOT)),
    "a log closed and another opened": lambda s: replace(
        s, logs=(s.logs[0], replace(s.logs[1], closed=Closed(9, ROOT)), NEW_LOG)
    ),
    "an open key closed": with_key(0, before=(1, 7)),
    "an open key closed where it began": with_key(0, before=(0, 0)),
    "an end moved back": with_key(1, before=(0, 10)),
    "a new key": lambda s: replace(s, keys=(*s.keys, participant_key(officer("AT", 4), start=(1, 7)))),
    "keys in another order": lambda s: replace(s, keys=s.keys[::-1]),
    "a threshold said twice": with_thresholds({"*": 1, "ICT-03": 2, "CT-01": 1}),
    "a threshold left unsaid": with_thresholds({"ICT-03": 2}),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_successor_is_refused_with(what: str) -> None:
    with pytest.raises(RecordRefused):
        check_successor(full_record(), FORBIDDEN[what](full_record()))


@pytest.mark.parametrize("what", ALLOWED)
def test_a_successor_may_have(what: str) -> None:
    new = ALLOWED[what](full_record())
    audit(participants(new))
    check_successor(full_record(), new)


def test_what_a_successor_grants_at_a_position_the_old_record_granted_to_every_key_it_knew() -> None:
    old = full_record()
    positions = [(ordinal, index) for ordinal in (0, 1) for index in (0, 9, 10, 29, 30, 31, 40)]
    for change in ALLOWED.values():
        new = change(old)
        for position in positions:
            for form in ("ICT-03", "CT-01", "PLT-02", "ICT-04"):
                granted = {keyid for keyid in new.keys_for(form, position) if old.key(keyid)}
                assert granted <= set(old.keys_for(form, position))
                assert new.threshold(form) == old.threshold(form)
