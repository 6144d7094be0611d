"""Erasures: entries by which a State orders its own documents to be forgotten, how each of their orders stands here, and what they hit.

An order stands for itself in the log, whatever becomes of it. It is *in force* where all of this holds, else it says why not:

1. The erasure is admitted, and not disputed by its State.
2. What it names is a submission of the same State, in the registry; until that is here, the order waits.
3. That submission is of the same form and status: who may sign one form only must not erase another.
4. It stands before the erasure, and has the slot that is named.
5. No withdrawal of the erasure was admitted here, undisputed, before its documents were destroyed.

Everything here follows from log, registry and records; times are stamped and looked at by node/erasure.py.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update

from exchange.core.catalogue import Catalogue
from exchange.core.dsse import parse_envelope
from exchange.core.statement import parse_statement
from exchange.store import log as logs
from exchange.store import tables
from exchange.store.bulk import among, by_digest, fetch
from exchange.store.database import Transaction
from exchange.store.hiding import Place, mark
from exchange.store.log import LogState
from exchange.store.rows import orders_in
from exchange.store.shortkey import shortkey
from exchange.trust.admission import ERASURE

IN_FORCE, WITHDRAWN, DISPUTED = "in force", "withdrawn", "no effect: disputed by its State"
WAITS = "waits: what it names is not here"
FOREIGN = "no effect: a State erases what is its own"
OTHER_FORM = "no effect: it is of another form than what it names"
OTHER_STATUS = "no effect: it is of another status than what it names"
TOO_SOON = "no effect: it stands before what it names"
NO_SLOT = "no effect: what it names has no such document"

Orders = Sequence[tuple[bytes, str | None]]
"""What an erasure names: submissions, and one slot of each or (None) every slot."""

_E = tables.ERASURE.c
_WHO = ("log_id", "index", "participant", "form", "status", "disputed")


class _Stands(NamedTuple):
    """A submission, as far as orders ask."""

    log_id: int
    at: int
    participant: str
    form: str
    status: str
    disputed: str | None


class _Order(NamedTuple):
    log_id: int
    at: int
    ordinal: int
    id: bytes
    subject: bytes
    slot: str | None
    verdict: str
    destroyed: str | None


_ORDER = 'SELECT log_id, "index", ordinal, id, subject, slot, verdict, destroyed FROM erasure'


def registered(
    tx: Transaction,
    log: LogState,
    erasures: Iterable[tuple[int, bytes, Orders]],
    idents: Collection[bytes],
    series: Collection[bytes],
    catalogue: Catalogue,
    now: str,
) -> None:
    """These submissions came into the registry: erasures (index, id, orders) among them, entries of these series, all with these ids."""
    places: set[Place] = set()
    for index, ident, orders in erasures:
        places.add((log.id, index))
        rows = [
            {"log_id": log.id, "index": index, "ordinal": ordinal, "id": ident, "verdict": WAITS}
            | {"key": shortkey(subject), "subject": subject, "slot": slot}
            for ordinal, (subject, slot) in enumerate(orders)
        ]
        if rows:
            tx.execute(insert(tables.ERASURE), rows)
    if not fetch(tx, "SELECT 1 FROM erasure LIMIT 1"):
        return  # nobody ever ordered anything
    waiting = fetch(tx, "SELECT 1 FROM erasure WHERE verdict = ? AND destroyed IS NULL LIMIT 1", (WAITS,))
    _settle(tx, places | _touched(tx, idents if waiting else (), series), catalogue, now)


def reconsider(
    tx: Transaction, place: Place, ident: bytes, series: Collection[bytes], catalogue: Catalogue, now: str
) -> None:
    """The submission of that id, at that place, was struck, disputed, or is so no more."""
    _settle(tx, {place} | _touched(tx, {ident}, series), catalogue, now)


def strike(tx: Transaction, place: Place, catalogue: Catalogue, now: str) -> None:
    """The entry there is leaving the registry: what it ordered is ordered no more."""
    at = (_E.log_id == place[0], _E.index == place[1])
    subjects = {bytes(row[0]) for row in tx.execute(select(_E.subject).where(*at))}
    tx.execute(delete(tables.ERASURE).where(*at))
    _apply(tx, subjects, catalogue, now)


def reapply(tx: Transaction, places: Collection[Place], catalogue: Catalogue, now: str) -> None:
    """Whatever hid these submissions fell away: what is ordered besides holds."""
    query = 'SELECT id FROM submission WHERE log_id = ? AND "index" = ?'
    _apply(tx, {bytes(row[0]) for place in places for row in fetch(tx, query, place)}, catalogue, now)


def _touched(tx: Transaction, idents: Collection[bytes], series: Collection[bytes]) -> set[Place]:
    """Erasures that name one of these submissions, or that begin one of these series."""
    keys = {shortkey(ident) for ident in idents}
    naming = among(tx, tables.ERASURE, "key", keys, ("subject", "log_id", "index"))
    found = {(log_id, index) for _, subject, log_id, index in naming if bytes(subject) in idents}
    return found | {(row[1], row[2]) for row in among(tx, tables.ERASURE, "id", series, ("log_id", "index"))}


def _settle(tx: Transaction, places: Collection[Place], catalogue: Catalogue, now: str) -> None:
    """Judge the orders of these erasures anew, and hide or show what they name."""
    orders = [
        _Order(*row)
        for place in sorted(places)
        for row in fetch(tx, f'{_ORDER} WHERE log_id = ? AND "index" = ?', place)
    ]
    if not orders:
        return
    orders = [one._replace(id=bytes(one.id), subject=bytes(one.subject)) for one in orders]
    known = _standing(tx, {one.id for one in orders} | {one.subject for one in orders})
    places_of = _ordinals(tx)
    withdrawals = _withdrawals(tx, {one.id for one in orders})
    subjects = set()
    for one in orders:
        mine = next((each for each in known[one.id] if each[:2] == one[:2]), None)
        verdict = _judge(tx, one, mine, known[one.subject], withdrawals[one.id], places_of)
        subjects.add(one.subject)
        if verdict != one.verdict:
            at = (_E.log_id == one.log_id, _E.index == one.at, _E.ordinal == one.ordinal)
            tx.execute(update(tables.ERASURE).where(*at).values(verdict=verdict))
    _apply(tx, subjects, catalogue, now)


def _standing(tx: Transaction, idents: Collection[bytes]) -> dict[bytes, list[_Stands]]:
    found: dict[bytes, list[_Stands]] = defaultdict(list)
    for ident, *rest in by_digest(tx, idents, _WHO):
        found[ident].append(_Stands(*rest))
    return found


def _withdrawals(tx: Transaction, idents: Collection[bytes]) -> dict[bytes, list[_Stands]]:
    """Of each erasure, the withdrawals in the series that it begins."""
    found: dict[bytes, list[_Stands]] = defaultdict(list)
    for series, *rest in among(tx, tables.SUBMISSION, "series", idents, _WHO, "AND message = 'withdrawal'"):
        found[bytes(series)].append(_Stands(*rest))
    return found


def _ordinals(tx: Transaction) -> dict[int, int]:
    """Where each log stands among those of its State."""
    return dict(fetch(tx, "SELECT id, ordinal FROM log"))


def _judge(
    tx: Transaction,
    order: _Order,
    mine: _Stands | None,
    named: Sequence[_Stands],
    withdrawals: Sequence[_Stands],
    ordinals: dict[int, int],
) -> str:
    """Numbered as in the module."""
    if mine is None or mine.disputed is not None:  # 1
        return DISPUTED
    subject = next((each for each in named if each.participant == mine.participant), None)  # 2
    if subject is None:
        return FOREIGN if named else WAITS
    if subject.form != mine.form:  # 3
        return OTHER_FORM
    if subject.status != mine.status:
        return OTHER_STATUS

    def place(one: _Stands) -> Place:
        return ordinals[one.log_id], one.at

    if place(subject) >= place(mine):  # 4
        return TOO_SOON
    if order.slot is not None and not fetch(tx, _HAS_SLOT, (subject.log_id, subject.at, order.slot)):
        return NO_SLOT
    if order.destroyed is None:  # 5; what is destroyed cannot be withdrawn, and a late withdrawal brings nothing back
        same = [one for one in withdrawals if one[2:] == (*mine[2:5], None)]
        if any(place(one) > place(mine) for one in same):
            return WITHDRAWN
    return IN_FORCE


_HAS_SLOT = 'SELECT 1 FROM slot WHERE log_id = ? AND "index" = ? AND slot = ?'


def _apply(tx: Transaction, subjects: Collection[bytes], catalogue: Catalogue, now: str) -> None:
    """Hide what orders in force name of these submissions, and show what none names any more."""
    by: dict[bytes, list[_Order]] = defaultdict(list)
    names = ("subject", "log_id", "index", "ordinal", "id", "slot", "verdict", "destroyed")
    for _, subject, log_id, index, ordinal, ident, slot, verdict, destroyed in among(
        tx, tables.ERASURE, "key", {shortkey(one) for one in subjects}, names
    ):
        if verdict == IN_FORCE:
            found = _Order(log_id, index, ordinal, ident, bytes(subject), slot, verdict, destroyed)
            by[found.subject].append(found)
    logs = {row[0]: (row[1], row[2]) for row in fetch(tx, "SELECT id, ordinal, origin FROM log")}
    changes: dict[Place, dict[str, str | None]] = {}
    for ident, log_id, index in by_digest(tx, subjects, ("log_id", "index")):
        orders = sorted(by[ident], key=lambda one: (logs[one.log_id][0], one.at))
        slots = changes.setdefault((log_id, index), {})
        for slot, erased in fetch(
            tx, 'SELECT slot, erased FROM slot WHERE log_id = ? AND "index" = ?', (log_id, index)
        ):
            first = next((one for one in orders if one.slot in (None, slot)), None)
            order = None if first is None else f"{first.at} {logs[first.log_id][1]}"
            if erased != tables.FORESEEN and erased != order:
                slots[slot] = order
    mark(tx, changes, catalogue, now)


@dataclass(frozen=True, slots=True)
class OrderState:
    """One order of an erasure: what it names, how it stands here, since when its term is counted, and when it was carried out."""

    id: str
    slot: str | None
    verdict: str
    since: str | None
    destroyed: str | None


def orders_of(tx: Transaction, log_id: int, index: int) -> list[OrderState]:
    """The orders of the erasure that stands there, as it states them."""
    query = (
        'SELECT subject, slot, verdict, since, destroyed FROM erasure WHERE log_id = ? AND "index" = ? ORDER BY ordinal'
    )
    return [OrderState(bytes(row[0]).hex(), *row[1:]) for row in fetch(tx, query, (log_id, index))]


@dataclass(frozen=True, slots=True)
class Running:
    """An order in force that was not carried out yet; `order` is how slots name it."""

    log_id: int
    index: int
    order: str
    since: str | None


def running(tx: Transaction) -> list[Running]:
    """One of each erasure."""
    query = (
        'SELECT e.log_id, e."index", l.origin, max(e.since) FROM erasure e JOIN log l ON l.id = e.log_id'
        ' WHERE e.verdict = ? AND e.destroyed IS NULL GROUP BY e.log_id, e."index", l.origin'
    )
    return [Running(row[0], row[1], f"{row[1]} {row[2]}", row[3]) for row in fetch(tx, query, (IN_FORCE,))]


def stamp(tx: Transaction, one: Running, *, since: str | None = None, destroyed: str | None = None) -> None:
    """From when on the term of its orders is counted, or when they were carried out."""
    values = {name: value for name, value in (("since", since), ("destroyed", destroyed)) if value is not None}
    at = (_E.log_id == one.log_id, _E.index == one.index, _E.verdict == IN_FORCE, _E.destroyed.is_(None))
    tx.execute(update(tables.ERASURE).where(*at).values(**values))


def catch_up(tx: Transaction, catalogue: Catalogue, now: str) -> None:
    """Read what statements of before say of forgetting, where a program that did not know it kept them (migration 0011); asked once."""
    setting = tables.SETTING.c.name == "orders of before"
    if tx.execute(delete(tables.SETTING).where(setting)).rowcount == 0:
        return
    s, e = tables.SUBMISSION.c, tables.ENTRY.c
    for log in logs.all_logs(tx):
        query = select(s.index, s.id, e.envelope).join(tables.ENTRY, (e.log_id == s.log_id) & (e.index == s.index))
        erasures: list[tuple[int, bytes, Orders]] = []
        for index, ident, envelope in tx.execute(query.where(s.log_id == log.id)).all():
            statement = parse_statement(parse_envelope(bytes(envelope)).payload)
            if statement.retain_until is not None:
                at = (tables.SLOT.c.log_id == log.id, tables.SLOT.c.index == index)
                tx.execute(update(tables.SLOT).where(*at).values(retain_until=statement.retain_until))
            if statement.message == ERASURE:
                erasures.append((index, bytes(ident), orders_in(statement)))
        registered(
            tx, log, erasures, {subject for _, _, orders in erasures for subject, _ in orders}, (), catalogue, now
        )
    # Once more when all of them are here: a log may name what stands in another one of its State.
    _settle(tx, {(row[0], row[1]) for row in fetch(tx, 'SELECT log_id, "index" FROM erasure')}, catalogue, now)
