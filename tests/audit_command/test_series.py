"""What is current and in force, and which entry repeats another: in packed facts as on paper, and as the store settles it."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.audit.judgement import FOR_EVER
from exchange.audit.registry import FITS, columns_of, first_day, kind_of, last_day, same_fitting
from exchange.audit.series import (
    ANSWERS,
    BUCKETS,
    COUNTS,
    CURRENT,
    DELIVERED,
    FACT_SIZE,
    IN_FORCE,
    OPEN,
    REPEATS,
    UNSAID,
    Contact,
    Finding,
    Owner,
    bucket_of,
    pack_fact,
    pack_line,
    settle,
)
from exchange.audit.shape import Reading, Shapes
from exchange.core.statement import Reference, format_statement, submission_id
from tests.audit_command.stage import XR, Piece, Writer, build, id_of
from tests.builders import statement

OWNERS = (Owner("XR", 0, FOR_EVER, FOR_EVER), Owner("XR", 1, FOR_EVER, FOR_EVER), Owner("XA", 0, FOR_EVER, FOR_EVER))
SHAPES = Shapes()


@dataclass(frozen=True)
class Made:
    """A statement's id and reading."""

    id: bytes
    reading: Reading

    @classmethod
    def of(cls, number: int, *, series: "Made | None" = None, **changes: Any) -> "Made":
        if series is not None:
            changes["series"] = series.id.hex()
        if changes.get("message") == "withdrawal":
            changes |= {"references": (Reference("withdraws", "00" * 32, None),), "documents": ()}
        issued = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        payload = format_statement(statement("XR", **{"issued": issued} | changes))
        return cls(bytes.fromhex(submission_id(payload)), SHAPES.read(payload))

    def fact(self, index: int, bits: int, log: int = 0) -> bytes:
        columns = columns_of(self.reading.shape, None)
        return pack_fact(self.id, self.reading.series, columns, log, index, COUNTS | DELIVERED | bits)


def found(*facts: bytes, owners: Sequence[Owner] = OWNERS, listed: bool = False) -> list[tuple[int, int, str]]:
    """(log, index, what) of every finding."""
    buckets: dict[int, bytes] = defaultdict(bytes)
    for fact in facts:
        assert len(fact) == FACT_SIZE and bucket_of(fact) < BUCKETS
        buckets[bucket_of(fact)] += fact
    said = [one for bucket in buckets.values() for one in settle(bucket, owners, listed=listed)]
    return sorted((one.log, one.at, one.what) for one in said if isinstance(one, Finding))


FIRST = Made.of(1)
BOTH = CURRENT | IN_FORCE


def test_a_series_of_one() -> None:
    assert found(FIRST.fact(0, BOTH)) == []
    assert found(FIRST.fact(0, CURRENT)) == found(FIRST.fact(0, IN_FORCE)) == [(0, 0, "series")]
    assert found(FIRST.fact(0, 0)) == [(0, 0, "series"), (0, 0, "series")]
    assert found(FIRST.fact(0, UNSAID)) == []
    nothing = Made.of(2, return_="nothing to declare", documents=())
    assert found(nothing.fact(0, CURRENT)) == [] and found(nothing.fact(0, BOTH)) == [(0, 0, "series")]
    reply = Made.of(3, message="reply")
    assert found(reply.fact(0, 0)) == [] and found(reply.fact(0, CURRENT)) == [(0, 0, "series")]
    orphan = Made.of(4, message="update", series=FIRST)
    assert found(orphan.fact(0, 0)) == [] and found(orphan.fact(0, BOTH)) != []


def test_the_last_version_counts_and_the_first_form_decides() -> None:
    update = Made.of(5, message="update", series=FIRST)
    assert found(FIRST.fact(0, 0), update.fact(1, BOTH)) == []
    assert found(FIRST.fact(0, BOTH), update.fact(1, 0)) != []
    new = Made.of(6, message="update", return_="nothing new", series=FIRST, documents=())
    assert found(FIRST.fact(0, IN_FORCE), new.fact(1, CURRENT)) == []
    none = Made.of(7, message="update", return_="nothing to declare", series=FIRST, documents=())
    assert found(FIRST.fact(0, 0), none.fact(1, CURRENT)) == []
    gone = Made.of(8, message="withdrawal", series=FIRST)
    assert found(FIRST.fact(0, 0), update.fact(1, 0), gone.fact(2, 0)) == []
    assert found(FIRST.fact(0, BOTH), gone.fact(2, 0)) == [(0, 0, "series"), (0, 0, "series")]
    other = Made.of(9, message="update", series=FIRST, status="test")
    assert found(FIRST.fact(0, BOTH), other.fact(1, BOTH)) == []


def test_order_is_that_of_logs_and_then_of_indexes() -> None:
    update = Made.of(10, message="update", series=FIRST)
    assert found(FIRST.fact(7, 0, log=0), update.fact(3, BOTH, log=1)) == []
    assert found(update.fact(9, BOTH, log=0), FIRST.fact(3, 0, log=0)) == []
    theirs = found(FIRST.fact(7, BOTH, log=0), update.fact(9, 0, log=2))
    assert theirs == [], "another participant's entries change nothing in a series"


def test_an_id_counts_once_in_a_log_whatever_was_decided_first() -> None:
    second = REPEATS | UNSAID
    assert found(FIRST.fact(0, BOTH), FIRST.fact(4, second)) == []
    assert found(FIRST.fact(0, BOTH), FIRST.fact(4, BOTH)) == [(0, 4, "verdict")]
    assert found(FIRST.fact(4, second)) == [(0, 4, "verdict")]
    waiting = pack_fact(FIRST.id, None, columns_of(FIRST.reading.shape, None), 0, 0, OPEN)
    assert found(waiting, FIRST.fact(4, second)) == []
    assert found(waiting, FIRST.fact(4, BOTH)) == [(0, 4, "verdict")]
    refused = pack_fact(FIRST.id, None, None, 0, 0, 0)
    assert found(refused, pack_fact(FIRST.id, None, None, 0, 1, REPEATS)) == []
    assert found(FIRST.fact(0, BOTH, log=0), FIRST.fact(0, BOTH, log=2)) == []


def listed(made: Made, index: int, current: bool, *, fits: str = FITS, listing: bytes = b"", log: int = 0) -> bytes:
    series = made.reading.series or made.id
    return pack_line(series, made.id, log, index, current=current, delivered=True, fits=fits, listing=listing)


def test_a_list_is_compared_line_by_line() -> None:
    owners = (Owner("XR", 0, 10, 10),)
    entry = FIRST.fact(0, 0)
    assert found(entry, listed(FIRST, 0, True), owners=owners, listed=True) == []
    assert found(entry, listed(FIRST, 0, False), owners=owners, listed=True) == [(0, 0, "series")]
    assert found(entry, owners=owners, listed=True) == [(0, 0, "registry")]
    assert found(listed(FIRST, 0, True), owners=owners, listed=True) == [(0, 0, "registry")]
    assert found(entry, listed(FIRST, 1, True), owners=owners, listed=True) == [(0, 0, "registry")]
    assert found(entry, listed(FIRST, 0, True, listing=b"x"), owners=owners, listed=True) == [(0, 0, "registry")]
    assert found(entry, listed(FIRST, 0, True, fits="does not fit: /: x"), owners=owners, listed=True) == [
        (0, 0, "fits")
    ]
    twice = [entry, listed(FIRST, 0, True), listed(FIRST, 0, False)]
    assert (0, 0, "registry") in found(*twice, owners=owners, listed=True)
    assert found(entry, listed(FIRST, 0, True), listed(Made.of(11), 30, True), owners=owners, listed=True) == [
        (0, 30, "ahead")
    ]


def test_what_came_while_the_audit_looked_may_show_or_not() -> None:
    owners = (Owner("XR", 0, 1, 3),)
    update = Made.of(12, message="update", series=FIRST)
    again = Made.of(13, message="update", series=FIRST)
    entries = [FIRST.fact(0, 0), update.fact(1, 0), again.fact(2, 0)]
    for lines in (
        [listed(FIRST, 0, True)],
        [listed(FIRST, 0, False), listed(update, 1, True)],
        [listed(FIRST, 0, False), listed(update, 1, False), listed(again, 2, True)],
    ):
        assert found(*entries, *lines, owners=owners, listed=True) == []
    assert found(*entries, owners=owners, listed=True) == [(0, 0, "registry")]
    early = [listed(FIRST, 0, True), listed(update, 1, True)]
    assert found(*entries[:2], *early, owners=(Owner("XR", 0, 2, 2),), listed=True) == [(0, 0, "series")]


def test_contacts_are_what_is_in_force_and_answers() -> None:
    (contact,) = settle(FIRST.fact(0, BOTH | ANSWERS), OWNERS, listed=False)
    assert isinstance(contact, Contact) and contact[:3] == (0, 0, FIRST.id[:16]) and contact.settled
    assert list(settle(FIRST.fact(0, BOTH), OWNERS, listed=False)) == []


def history(writer: Writer, chance: random.Random, many: int) -> Iterator[Piece]:
    """Entries that open, update, correct, confirm, end and withdraw a few series, with other forms and statuses among them."""
    opened: list[str] = []
    for _ in range(many):
        message = chance.choice(["original", "update", "update", "correction", "withdrawal", "reply"])
        if not opened or message == "original":
            piece = writer.entry(status=chance.choice(["test", "actual"]))
            opened.append(id_of(piece))
        else:
            series = chance.choice(opened)
            kind = chance.choice(["full", "nothing to declare", "nothing new"]) if message != "withdrawal" else "full"
            related = Reference("withdraws" if message == "withdrawal" else "related", series, None)
            empty: dict[str, Any] = {} if kind == "full" and message != "withdrawal" else {"documents": ()}
            piece = writer.entry(
                chance.choice(["POC-02", "POC-02", "ICT-03"]),
                message=message,
                series=series,
                return_=kind,
                status=chance.choice(["test", "actual"]),
                references=(related,),
                **empty,
            )
        yield piece


@pytest.mark.parametrize("seed", range(3))
def test_a_random_history_is_settled_as_the_store_settles_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    pieces = list(history(Writer("XR"), chance, 120))
    repeated = [pieces[at] for at in chance.sample(range(120), 10)]
    stage = build(tmp_path / "XR", pieces=[*pieces, *repeated], heads=(7, 130))
    report = stage.audit()
    assert report.holds, list(report.lines())
    assert next(log for log in report.logs if log.origin == XR).counts["refused"] == 10


def test_days_of_a_period() -> None:
    assert [first_day(span) for span in ("2026", "2026-02", "2026-02-03")] == ["2026-01-01", "2026-02-01", "2026-02-03"]
    days = [last_day(span) for span in ("2026", "2024-02", "2026-02", "2026-04-03")]
    assert days == ["2026-12-31", "2024-02-29", "2026-02-28", "2026-04-03"]


def test_a_misfit_is_the_same_in_other_words() -> None:
    assert same_fitting("does not fit: /role: why", "does not fit: /role: because")
    assert not same_fitting("does not fit: /role: why", "does not fit: /hours: why")
    assert not same_fitting("fits", "does not fit: /role: why")
    assert [kind_of(words) for words in ("fits", "does not fit: /: x", "not held", "else")] == [
        *("fits", "does not fit: ", "not held", "form not known here")
    ]
