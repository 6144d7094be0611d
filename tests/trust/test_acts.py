"""The local record shows whatever was changed, put between or taken out of it."""

import hashlib
import json
from dataclasses import replace

import pytest

from exchange.errors import Malformed
from exchange.trust.acts import Act, What, faults, holds, let_go, next_act

KEY = "ab" * 32


def lines(number: int, begin: tuple[int, str] | None = None) -> list[Act]:
    acts: list[Act] = []
    for index in range(number):
        before = (acts[-1].seq, acts[-1].sha256) if acts else begin
        at = f"2026-11-21T03:00:{index:02}+00:00"
        acts.append(next_act(before, at=at, key=KEY, roles=["editor"], what=What.DRAFT_READ, subject=f"d{index}"))
    return acts


def test_the_hash_is_the_one_documented() -> None:
    act = lines(1)[0]
    said = ["0" * 64, 1, act.at, KEY, ["editor"], "draft read", "d0"]
    text = json.dumps(said, separators=(",", ":")).encode()
    assert act.sha256 == hashlib.sha256(b"cbm-act/1\0" + text).hexdigest()


def test_an_unchanged_record_has_no_faults() -> None:
    assert all(faults(lines(number)) == [] for number in range(6))


@pytest.mark.parametrize("place", range(5))
def test_a_line_that_is_gone_shows_unless_it_was_the_last(place: int) -> None:
    acts = lines(5)
    last = acts[-1].sha256
    left = acts[:place] + acts[place + 1 :]
    assert (faults(left) == []) is (place == 4)
    assert holds(left, last) is (place != 4), "and that one by the hash that was noted"


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2026-11-21T04:00:00+00:00"},
        {"key": "cd" * 32},
        {"roles": ()},
        {"what": "draft deleted"},
        {"subject": "x"},
    ],
)
def test_a_line_that_was_changed_shows(change: dict[str, object]) -> None:
    acts = lines(5)
    acts[2] = replace(acts[2], **change)  # type: ignore[arg-type]
    assert faults(acts) == ["line 3 is not what was written, or does not follow the one before it"]


def test_a_line_put_between_shows() -> None:
    acts = lines(3)
    more = lines(1, (1, acts[0].sha256))[0]
    assert faults([acts[0], more, *acts[1:]]) != []


def test_lines_let_go_leave_a_whole_record_behind() -> None:
    acts = lines(4)
    line = next_act((4, acts[3].sha256), at="2028", key="node", roles=(), what=What.RETENTION, subject=let_go(acts[1]))
    assert faults([acts[2], acts[3], line]) == []
    assert holds([acts[2], acts[3], line], acts[1].sha256)
    assert faults([acts[3], line]) == ["line 3 is missing"]
    alone = next_act((4, acts[3].sha256), at="2030", key="node", roles=(), what=What.RETENTION, subject=let_go(acts[3]))
    assert faults([alone]) == []


@pytest.mark.parametrize("subject", ["a title of something", "x" * 129, "é", "a\nb", '"'])
def test_a_subject_is_no_place_for_words(subject: str) -> None:
    with pytest.raises(Malformed):
        next_act(None, at="2026", key=KEY, roles=(), what=What.DRAFT_READ, subject=subject)
