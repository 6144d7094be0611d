from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from exchange.core.cosignature import cosign
from exchange.core.merkle import leaf_hash
from exchange.core.note import COSIGNATURE, ED25519, Note, Vkey, format_note, format_vkey, parse_note
from exchange.core.policy import (
    MAX_POLICY,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    format_policy,
    parse_policy,
    verify_policy,
)
from exchange.errors import BadSignature, ExchangeError, Malformed, TooLarge, UnknownKey
from tests import key_named
from tests.core import flipped_in_each_byte

LOG = key_named("log of Ruritania")
ORIGIN = "cbm.example/ruritania"
LOG_VKEY = Vkey(ORIGIN, ED25519, LOG.public)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {name: key_named(f"witness {name}") for name in NAMES}
VKEYS = {name: Vkey(f"witness.example/{name}", COSIGNATURE, key.public) for name, key in KEYS.items()}
TEXT = format_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"three")))

# The example of the specification, with keys.
SPEC = "\n".join(
    [
        f"log {format_vkey(LOG_VKEY)}",
        "",
        *(f"witness {name} {format_vkey(VKEYS[name])}" for name in NAMES[:3]),
        "group X-witnesses 2 X1 X2 X3",
        "",
        *(f"witness {name} {format_vkey(VKEYS[name])}" for name in NAMES[3:]),
        "group Y-witnesses any Y1 Y2 Y3",
        "",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    ]
).encode()


def test_the_example_of_the_specification_is_met_by_two_of_x_and_one_of_y() -> None:
    policy = parse_policy(SPEC)
    for count in range(len(NAMES) + 1):
        for names in combinations(NAMES, count):
            enough = len({"X1", "X2", "X3"} & set(names)) >= 2 and bool({"Y1", "Y2", "Y3"} & set(names))
            assert policy.is_met(VKEYS[name] for name in names) is enough
    assert parse_policy(format_policy(policy)) == policy


def test_a_key_counts_once_however_often_it_signed() -> None:
    policy = parse_policy(SPEC)
    assert not policy.is_met([VKEYS["X1"]] * 5 + [VKEYS["Y1"]] * 5)


def test_a_policy_may_be_written_as_people_write() -> None:
    text = SPEC.replace(b" ", b" \t ").replace(b"\n", b"  \n\t# na\xc3\xafve, \xff\n \n")
    assert parse_policy(text) == parse_policy(SPEC)
    with_urls = SPEC.replace(b"\nquorum", b"\nwitness \xff\xfe " + vkey_text("other") + b" https://w.example\nquorum")
    last = parse_policy(with_urls).witnesses[-1]
    assert (last.name.encode("utf-8", "surrogateescape"), last.url) == (b"\xff\xfe", "https://w.example")
    assert parse_policy(format_policy(parse_policy(with_urls), ["why"])) == parse_policy(with_urls)


def vkey_text(name: str) -> bytes:
    return format_vkey(Vkey(f"witness.example/{name}", COSIGNATURE, key_named(name).public)).encode()


def test_no_quorum_and_a_single_witness() -> None:
    assert parse_policy(b"quorum none\n").is_met([])
    alone = parse_policy(b"witness w " + vkey_text("w") + b"\nquorum w\n")
    assert not alone.is_met([]) and alone.is_met(alone.vkeys)


def test_more_witnesses_than_a_federation_has_are_read() -> None:
    lines = [b"witness W%d " % n + vkey_text(f"W{n}") + b"\n" for n in range(120)]
    group = b"group all-of-them 81 " + b" ".join(b"W%d" % n for n in range(120)) + b"\n"
    policy = parse_policy(b"".join(lines) + group + b"quorum all-of-them\n")
    assert not policy.is_met(policy.vkeys[:80]) and policy.is_met(policy.vkeys[:81])


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", SPEC[:-1], SPEC.replace(b"\n", b"\r\n"), SPEC + b"\x00\n", SPEC + b"\x0b\n", SPEC + b"\x7f\n",
        SPEC.replace(b"quorum X-and-Y\n", b""), SPEC + b"quorum X-and-Y\n", SPEC.replace(b"quorum X-and-Y", b"quorum Z"),
        SPEC.replace(b"quorum X-and-Y", b"quorum X-and-Y X1"), SPEC.replace(b"quorum X-and-Y", b"quorum"),
        SPEC.replace(b" 2 X1", b" 0 X1"), SPEC.replace(b" 2 X1", b" 4 X1"), SPEC.replace(b" 2 X1", b" +2 X1"),
        SPEC.replace(b" 2 X1", b" 02 X1"), SPEC.replace(b" 2 X1", b" \xd9\xa2 X1"), SPEC.replace(b" 2 X1", b" X1"),
        SPEC.replace(b"any Y1 Y2 Y3", b"any"), SPEC.replace(b"any Y1 Y2 Y3", b"any Y1 Y1"),
        SPEC.replace(b"any Y1 Y2 Y3", b"any Y1 X1"), SPEC.replace(b"any Y1 Y2 Y3", b"any none"),
        SPEC.replace(b"group Y-witnesses", b"group X1"), SPEC.replace(b"group Y-witnesses", b"group none"),
        SPEC.replace(b"witness X2", b"witness X1"), SPEC.replace(b"witness X2", b"witness none"),
        b"quorum X-and-Y\n" + SPEC.replace(b"quorum X-and-Y\n", b""), b"Quorum none\n", b"quorum\xc2\xa0none\n",
        b"group g any w\nwitness w " + vkey_text("w") + b"\nquorum g\n",
        SPEC + b"log " + format_vkey(LOG_VKEY).encode() + b"\n",
        SPEC + b"log " + format_vkey(Vkey("other.example", ED25519, LOG.public)).encode() + b"\n",
        SPEC + b"witness again " + vkey_text("witness X1") + b"\n",
        SPEC + b"log " + vkey_text("log") + b"\n",
        SPEC + b"witness w " + format_vkey(Vkey("w.example", ED25519, key_named("w").public)).encode() + b"\n",
        SPEC + b"log\n", SPEC + b"witness w\n", SPEC + b"witness w " + vkey_text("w") + b" u v\n", SPEC + b"group\n",
        SPEC + b"other\n", SPEC.replace(b"+A", b"+B", 1),
    ],
)  # fmt: skip
def test_parse_refuses(data: bytes) -> None:
    with pytest.raises(ExchangeError) as caught:
        parse_policy(data)
    assert isinstance(caught.value, Malformed)


def test_policies_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse_policy(b"#" * MAX_POLICY + b"\n")
    with pytest.raises(TooLarge):
        parse_policy(b"".join(b"witness W%d " % n + vkey_text(f"W{n}") + b"\n" for n in range(1_025)))


@given(st.binary(max_size=120) | st.text("loggroupwitnessquorum 12anyX\t\n#", max_size=120).map(str.encode))
def test_any_bytes_are_a_policy_that_comes_back_or_are_refused(data: bytes) -> None:
    for whole in (data, data + b"\n" + SPEC, SPEC + data + b"\n"):
        try:
            policy = parse_policy(whole)
        except ExchangeError:
            continue
        assert parse_policy(format_policy(policy)) == policy


def test_nothing_is_formatted_that_does_not_read_back() -> None:
    for policy in (
        Policy((), (), (), "X"),
        Policy((), (PolicyWitness("a b", VKEYS["X1"]),), (), None),
        Policy((PolicyLog(LOG_VKEY, "a b c"),), (), (), None),
        Policy((), (), (PolicyGroup("g", 1, ()),), None),
    ):
        with pytest.raises(Malformed):
            format_policy(policy)


def cosigned(*names: str) -> bytes:
    note = parse_note(sign_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"three")), LOG))
    lines = [cosign(TEXT, VKEYS[name].name, KEYS[name], 1_790_000_000) for name in names]
    return format_note(Note(note.text, (*note.signatures, *lines)))


def test_a_cosigned_checkpoint_is_judged_by_a_policy() -> None:
    policy = parse_policy(SPEC)
    for names, enough in ((("X1", "X3", "Y2"), True), (("X1", "Y2"), False), ((), False)):
        checkpoint, found = verify_policy(cosigned(*names), policy)
        assert checkpoint.size == 3 and policy.is_met(one.vkey for one in found) is enough
    forger = Vkey(ORIGIN, ED25519, key_named("forger").public)
    for other in (b"quorum none\n", SPEC.replace(format_vkey(LOG_VKEY).encode(), format_vkey(forger).encode())):
        with pytest.raises(UnknownKey):
            verify_policy(cosigned(), parse_policy(other))


def test_a_flipped_bit_in_a_cosigned_checkpoint_never_adds_a_witness() -> None:
    policy, whole = parse_policy(SPEC), cosigned("X1", "Y1")
    for data in flipped_in_each_byte(whole):
        try:
            _, found = verify_policy(data, policy)
        except (UnknownKey, BadSignature, Malformed):
            continue
        assert {one.vkey for one in found} < {VKEYS["X1"], VKEYS["Y1"]}
