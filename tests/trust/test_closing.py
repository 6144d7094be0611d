"""What a State may change in its own record: it closes and adds, and every trap is refused in words."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from exchange.core.keys import Kind
from exchange.core.merkle import EMPTY_ROOT
from exchange.errors import RecordRefused
from exchange.trust.closing import close_log, closed_key, with_key
from exchange.trust.participants import Closed, ParticipantRecord, Thresholds, check_successor
from tests.builders import key, officer, participant_key, participant_log, record

pytestmark = pytest.mark.once

ROOT = b"r" * 32
FIRST, SECOND = officer("AT").public.keyid, officer("AT", 2).public.keyid
STATE = record(
    "AT", signing=[participant_key(officer("AT")), participant_key(officer("AT", 2), start=(0, 5), before=(0, 9))]
)
NEXT = participant_log("at.test.example/log-2", key("AT log 2"))
GONE_ON = close_log(STATE, 12, ROOT, NEXT)


def test_a_key_is_closed_where_its_state_says_and_may_be_closed_further_back() -> None:
    closed = closed_key(STATE, FIRST, (0, 7))
    assert closed.keys[0].before == (0, 7) and closed.keys[1:] == STATE.keys[1:]
    assert closed_key(closed, FIRST, (0, 3)).keys[0].before == (0, 3)
    assert closed_key(GONE_ON, FIRST, (1, 0)).keys[0].before == (1, 0)
    assert closed_key(STATE, SECOND, (0, 5)).keys[1].before == (0, 5)


def test_a_log_is_closed_and_goes_on_under_another_name_and_key() -> None:
    assert [log.closed for log in GONE_ON.logs] == [Closed(12, ROOT), None]
    assert GONE_ON.current_log.origin == NEXT.origin
    check_successor(STATE, GONE_ON)


def test_a_new_key_begins_in_the_open_log() -> None:
    grown = with_key(GONE_ON, participant_key(officer("AT", 3), start=(1, 4)))
    assert grown.keys[-1].start == (1, 4) and grown.keys[:-1] == GONE_ON.keys


TRAPS: dict[str, tuple[str, Callable[[], ParticipantRecord]]] = {
    "a closed key reopened": ("cannot be reopened", lambda: with_key(STATE, participant_key(officer("AT", 2)))),
    "a key twice": ("stands in the record already", lambda: with_key(STATE, participant_key(officer("AT")))),
    "a log's key as an officer's": ("key of a log", lambda: with_key(STATE, participant_key(key("AT log")))),
    "a log key without its log": ("comes with its log", lambda: with_key(STATE, participant_key(key("x"), Kind.LOG))),
    "a key that begins in a closed log": (
        "begins in the open log",
        lambda: with_key(GONE_ON, participant_key(officer("AT", 3), start=(0, 3))),
    ),
    "a key that begins in a log to come": (
        "begins in the open log",
        lambda: with_key(STATE, participant_key(officer("AT", 3), start=(1, 0))),
    ),
    "a key born closed": (
        "before it was ever open",
        lambda: with_key(STATE, participant_key(officer("AT", 3), before=(0, 3))),
    ),
    "an online key with a State's form": (
        "a node signs named PLT-",
        lambda: with_key(STATE, participant_key(key("node"), Kind.NODE_SUBMISSION, may_sign=("ICT-03",))),
    ),
    "an unknown key closed": ("does not stand in the record", lambda: closed_key(STATE, "0" * 64, (0, 1))),
    "a range widened": ("never reopened or widened", lambda: closed_key(STATE, SECOND, (0, 10))),
    "a range closed where it ends": ("never reopened or widened", lambda: closed_key(STATE, SECOND, (0, 9))),
    "a range closed before it begins": ("nothing to close", lambda: closed_key(STATE, SECOND, (0, 4))),
    "a range closed in a log to come": ("no log number 1", lambda: closed_key(STATE, FIRST, (1, 0))),
    "a log closed twice": ("that stays", lambda: close_log(closed(GONE_ON), 3, ROOT, participant_log("z", key("z")))),
    "a successor of the same name": (
        "names never change",
        lambda: close_log(STATE, 3, ROOT, participant_log(STATE.logs[0].origin, key("AT log 2"))),
    ),
    "a successor with the old log's key": (
        "needs a new key",
        lambda: close_log(STATE, 3, ROOT, participant_log("at.test.example/log-2", key("AT log"))),
    ),
    "a successor with an officer's key": (
        "needs a new key",
        lambda: close_log(STATE, 3, ROOT, participant_log("at.test.example/log-2", officer("AT"))),
    ),
    "a successor that is closed": (
        "closed from the beginning",
        lambda: close_log(STATE, 3, ROOT, closed(GONE_ON).logs[1]),
    ),
    "the empty tree with another root": ("do not belong together", lambda: close_log(STATE, 0, ROOT, NEXT)),
    "entries with the root of none": ("do not belong together", lambda: close_log(STATE, 3, EMPTY_ROOT, NEXT)),
    "a root that is none": ("do not belong together", lambda: close_log(STATE, 3, b"short", NEXT)),
}


def closed(state: ParticipantRecord) -> ParticipantRecord:
    return replace(state, logs=(*state.logs[:-1], replace(state.logs[-1], closed=Closed(1, ROOT))))


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_refused_in_words(trap: str) -> None:
    words, act = TRAPS[trap]
    with pytest.raises(RecordRefused, match=words):
        act()


def with_before(number: int, before: tuple[int, int] | None) -> ParticipantRecord:
    keys = list(STATE.keys)
    keys[number] = replace(keys[number], before=before)
    return replace(STATE, keys=tuple(keys))


@pytest.mark.parametrize(
    ("attack", "new"),
    [
        ("reopened", with_before(1, None)),
        ("reopened", with_before(1, (0, 10))),
        ("dropped", replace(STATE, keys=STATE.keys[:1])),
        ("changed", replace(STATE, keys=(STATE.keys[0], replace(STATE.keys[1], start=(0, 0))))),
        ("changed", replace(STATE, keys=(replace(STATE.keys[0], may_sign=("ICT-03",)), STATE.keys[1]))),
        ("threshold", replace(STATE, thresholds=Thresholds({"*": 2}, 2))),
        ("threshold for erasures", replace(STATE, thresholds=Thresholds({}, 1))),
    ],
)
def test_a_record_made_by_hand_drops_widens_and_reopens_nothing(attack: str, new: ParticipantRecord) -> None:
    with pytest.raises(RecordRefused, match=attack):
        check_successor(STATE, new)
