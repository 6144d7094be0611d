"""Hands in a database: each does one thing that nobody may do, past the triggers that would refuse it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.audit_command.stage import XA, XR, Stage

Fault = tuple[str, str | None, int | None]
Change = Callable[[Stage], None]

# Names of the conditions that stand in the queries of these tests.
AT = 'log_id = (SELECT id FROM log WHERE origin = :origin) AND "index" = :index'
OF = "log_id = (SELECT id FROM log WHERE origin = :origin)"
BODY = f"(SELECT document FROM slot WHERE {AT} AND slot = 'body')"  # noqa: S608 - our own words


@dataclass(frozen=True)
class Hand:
    """What was done, and every fault that must be named: (what, log, index)."""

    done: str
    change: Change
    found: frozenset[Fault]


def hand(done: str, change: Change, *found: Fault) -> Hand:
    return Hand(done, change, frozenset(found))


def xr(what: str, index: int | None = None) -> Fault:
    return what, XR, index


def xa(what: str, index: int | None = None) -> Fault:
    return what, XA, index


def node(what: str) -> Fault:
    return what, None, None


def filled(query: str) -> str:
    return query.replace("{AT}", AT).replace("{OF}", OF).replace("{BODY}", BODY)


def sql(*queries: str, index: int = 0, origin: str = XR, **values: object) -> Change:
    """Statements in which {AT} is the place of an entry, {OF} its log, and {BODY} the number of its body."""

    def change(stage: Stage) -> None:
        stage.tamper(*map(filled, queries), origin=origin, index=index, **values)

    return change


def flip(table: str, column: str, where: str = "{AT}", *, at: int = 0, index: int = 0, origin: str = XR) -> Change:
    """One bit of what stands there."""

    def change(stage: Stage) -> None:
        condition = filled(where)
        named = {"origin": origin, "index": index}
        used = {name: value for name, value in named.items() if f":{name}" in condition}
        stood = bytes(stage.value(f"SELECT {column} FROM {table} WHERE {condition}", **used))  # noqa: S608 - our own words
        spot = at % len(stood)
        flipped = stood[:spot] + bytes([stood[spot] ^ 1]) + stood[spot + 1 :]
        stage.tamper(f"UPDATE {table} SET {column} = :flipped WHERE {condition}", flipped=flipped, **used)  # noqa: S608

    return change


def commitment(stage: Stage, index: int, slot: str, origin: str = XR) -> bytes:
    query = f"SELECT commitment FROM slot WHERE {AT} AND slot = :slot"  # noqa: S608 - our own words
    return bytes(stage.value(query, origin=origin, index=index, slot=slot))


def check(stage: Stage, done: Hand) -> None:
    """It is found and named, nothing else is accused, and every entry is accounted for all the same."""
    done.change(stage)
    report = stage.audit()
    print("\n".join(report.lines()))
    assert {(fault.what, fault.log, fault.index) for fault in report.faults} == done.found
    assert report.holds is not bool(done.found)
    for log in report.logs:
        assert sum(log.counts.values()) == log.stored
        assert bool(log.faults) is any(fault.log == log.origin for fault in report.faults)
