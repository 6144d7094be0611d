"""Who may read each document now: what its statement says, from its day on, and what its publisher released since.

Guarantees: `readers` of a document is the widest of what was granted and is in force. A grant is its own statement's, from
`release_on` on, or that of a release: an admitted, undisputed entry with the message `release` that names it (`releases`, all
documents or one slot), of the same participant, form and status, and later in its logs. So nobody but the publisher widens,
nobody narrows, and who may sign one form only releases nothing of another. A day has come when a quorum of witnesses vouched for
a head of the State's logs at or after it; no clock of this machine is asked, and nobody waits for another node to say so.

DESIGN.md section 4, rules 6 and 8; schemas/README.md section 23. What is sealed stays as it is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from exchange.core.dsse import parse_envelope
from exchange.core.statement import Statement, parse_statement
from exchange.store import fulltext, tables
from exchange.store.bulk import among
from exchange.store.database import Transaction
from exchange.store.log import LogState, all_logs
from exchange.store.rows import RELEASE, RELEASES
from exchange.store.shortkey import shortkey
from exchange.store.standing import head_standing, stamp
from exchange.trust.audience import ENFORCED, SEALED, WIDTH, Reach, is_within, widest
from exchange.trust.participants import Participants

AT_ONCE = 256  # submissions that are settled together

_SLOT, _LOG, _ENTRY = tables.SLOT.c, tables.LOG.c, tables.ENTRY.c


def readable(reach: Reach) -> ColumnElement[bool]:
    """The condition, in a query over documents, that lets through what may be read."""
    words = _SLOT.readers.in_(sorted(reach.words)) if len(reach.words) > 1 else _SLOT.readers == next(iter(reach.words))
    if reach.publisher is None:
        return words
    mine = select(_LOG.id).where(_LOG.participant == reach.publisher).scalar_subquery()
    return or_(words, and_(_SLOT.log_id.in_(mine), _SLOT.readers != SEALED))


@dataclass(frozen=True, slots=True)
class _Place:
    """An admitted entry, read again."""

    ordinal: int
    log_id: int
    index: int
    statement: Statement

    @property
    def position(self) -> tuple[int, int]:
        return self.ordinal, self.index


@dataclass(frozen=True, slots=True)
class _Grant:
    audience: str
    since: str | None
    slot: str | None = None

    def is_in_force(self, quorum: str | None) -> bool:
        return self.since is None or (quorum is not None and self.since <= quorum)


def note_releases(tx: Transaction, log: LogState, named: Sequence[tuple[int, Sequence[bytes]]]) -> set[bytes]:
    """Keep what the admitted entries at these indexes release. Returns the ids to settle."""
    rows = [
        {"log_id": log.id, "index": index, "ordinal": ordinal, "key": shortkey(ident)}
        for index, idents in named
        for ordinal, ident in enumerate(idents)
    ]
    if rows:
        tx.execute(tables.RELEASE.insert(), rows)
    return {ident for _, idents in named for ident in idents}


def released_before(tx: Transaction, idents: Collection[bytes]) -> set[bytes]:
    """Those of these submissions that an entry known already releases: it may have been admitted first."""
    if not idents or tx.execute(select(tables.RELEASE.c.key).limit(1)).first() is None:
        return set()
    found = {row[0] for row in among(tx, tables.RELEASE, "key", {shortkey(ident) for ident in idents})}
    return {ident for ident in idents if shortkey(ident) in found}


def forget_releases(tx: Transaction, log_id: int, index: int) -> None:
    """Of an entry that leaves the registry."""
    tx.execute(tables.RELEASE.delete().where(tables.RELEASE.c.log_id == log_id, tables.RELEASE.c.index == index))


def settle_readers(tx: Transaction, participant: str, idents: Collection[bytes]) -> None:
    """Say anew of the documents of these submissions of a participant who may read them, and write only what changed."""
    for key in {shortkey(ident) for ident in idents}:
        for target in _admitted(tx, _ENTRY.key == key, participant):
            _settle(tx, target, _releases_of(tx, key, target, participant), _quorum(tx, participant))


def _admitted(tx: Transaction, where: ColumnElement[bool], participant: str) -> list[_Place]:
    """Entries of the participant that stand in the registry and that their State does not dispute."""
    here = (tables.SUBMISSION.c.log_id == _ENTRY.log_id) & (tables.SUBMISSION.c.index == _ENTRY.index)
    query = (
        select(_LOG.ordinal, _ENTRY.log_id, _ENTRY.index, _ENTRY.envelope)
        .join(tables.LOG, _LOG.id == _ENTRY.log_id)
        .join(tables.SUBMISSION, here)
        .where(where, _LOG.participant == participant)
    )
    return [
        _Place(ordinal, log_id, index, parse_statement(parse_envelope(bytes(envelope)).payload))
        for ordinal, log_id, index, envelope in tx.execute(query)
    ]


def _releases_of(tx: Transaction, key: int, target: _Place, participant: str) -> list[_Grant]:
    ident = _ident(tx, target)
    release, grants = tables.RELEASE.c, []
    places = tx.execute(select(release.log_id, release.index).where(release.key == key).distinct()).all()
    for log_id, index in places:
        undisputed = (
            select(tables.SUBMISSION.c.seq)
            .where(tables.SUBMISSION.c.log_id == log_id, tables.SUBMISSION.c.index == index)
            .where(tables.SUBMISSION.c.disputed.is_(None))
        )
        if tx.execute(undisputed).first() is None:
            continue
        for found in _admitted(tx, and_(_ENTRY.log_id == log_id, _ENTRY.index == index), participant):
            said, of = found.statement, target.statement
            alike = (said.form.code, said.status) == (of.form.code, of.status)
            if alike and said.message == RELEASE and found.position > target.position and said.audience in WIDTH:
                grants += [
                    _Grant(str(said.audience), said.release_on, one.slot)
                    for one in said.references
                    if one.rel == RELEASES and one.id == ident
                ]
    return grants


def _ident(tx: Transaction, place: _Place) -> str:
    s = tables.SUBMISSION.c
    ident = tx.execute(select(s.id).where(s.log_id == place.log_id, s.index == place.index)).scalar_one()
    return bytes(ident).hex()


def _quorum(tx: Transaction, participant: str) -> str | None:
    """The newest time that witnesses are known to have vouched for in any log of the State: one goes on where another ended."""
    found: str | None = tx.execute(select(func.max(_LOG.quorum)).where(_LOG.participant == participant)).scalar()
    return found


def _settle(tx: Transaction, target: _Place, released: Sequence[_Grant], quorum: str | None) -> None:
    here = (_SLOT.log_id == target.log_id, _SLOT.index == target.index)
    changed = []
    for slot, audience, readers, release_on in tx.execute(
        select(_SLOT.slot, _SLOT.audience, _SLOT.readers, _SLOT.release_on).where(*here)
    ).all():
        if audience not in WIDTH:
            continue
        grants = [_Grant(audience, target.statement.release_on), *(one for one in released if one.slot in (None, slot))]
        now = widest(*(one.audience for one in grants if one.is_in_force(quorum)))
        later = [one.since for one in grants if one.since is not None and not is_within(one.audience, now)]
        should = (now, min(later, default=None))
        if (readers, release_on) != should:
            changed.append((slot, *should))
    if not changed:
        return
    with fulltext.taken_out(tx, target.log_id, target.index):
        for slot, readers, release_on in changed:
            values = {"readers": readers, "release_on": release_on}
            tx.execute(update(tables.SLOT).where(*here, _SLOT.slot == slot).values(**values))


def is_held_back(tx: Transaction) -> bool:
    """Whether anything waits for its day."""
    return tx.execute(select(_SLOT.log_id).where(_SLOT.release_on.is_not(None)).limit(1)).first() is not None


def release_due(tx: Transaction, participants: Participants, now: datetime) -> int:
    """Open what was held back until a day that has come, by what witnesses vouch for. Returns of how many submissions, at most `AT_ONCE`.

    `now` picks the roster by which a head is judged, and decides nothing else.
    """
    held_back = (_SLOT.release_on.is_not(None), _SLOT.audience.in_(sorted(ENFORCED)))
    first = select(_SLOT.log_id, func.min(_SLOT.release_on)).where(*held_back).group_by(_SLOT.log_id)
    waiting = {row[0]: row[1] for row in tx.execute(first)}
    if not waiting:
        return 0
    every = {log.id: log for log in all_logs(tx)}
    for participant in sorted({every[log_id].participant for log_id in waiting}):
        for log in every.values():
            if log.participant == participant:
                _note_quorum(tx, participants, log, now)
    settled = 0
    for log_id, day in waiting.items():
        participant = every[log_id].participant
        quorum = _quorum(tx, participant)
        if quorum is None or day > quorum:
            continue
        due = select(_SLOT.index).where(_SLOT.log_id == log_id, _SLOT.release_on <= quorum, *held_back).distinct()
        for (index,) in tx.execute(due.limit(AT_ONCE - settled)).all():
            ident = tx.execute(
                select(tables.SUBMISSION.c.id).where(
                    tables.SUBMISSION.c.log_id == log_id, tables.SUBMISSION.c.index == index
                )
            ).scalar_one()
            settle_readers(tx, participant, {bytes(ident)})
            settled += 1
    return settled


def _note_quorum(tx: Transaction, participants: Participants, log: LogState, now: datetime) -> None:
    """Time only goes on: what was open once stays so."""
    found = head_standing(tx, participants, log, now).quorum
    told = [] if found is None else [f"{found:%Y-%m-%dT%H:%M:%SZ}"]
    judged = tables.QUORUM.c
    of_log = (judged.log_id == log.id, judged.rosters == stamp(participants.rosters))
    earlier = tx.execute(select(func.max(judged.not_later_than)).where(*of_log)).scalar()
    if earlier is not None:
        told.append(f"{datetime.fromisoformat(earlier):%Y-%m-%dT%H:%M:%SZ}")
    newest = max(told, default=None)
    if newest is not None:
        known = tx.execute(select(_LOG.quorum).where(_LOG.id == log.id)).scalar()
        if known is None or newest > known:
            tx.execute(update(tables.LOG).where(_LOG.id == log.id).values(quorum=newest))
