"""What a submission may refer to, at its own State's door: series that begin in this log, submissions of its own that it releases,
and nothing of another status."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exchange.core.outer import SEALED_FORM
from exchange.core.statement import Statement
from exchange.core.vocabulary import ERASES, MESSAGES_OF_A_SERIES
from exchange.errors import UnknownSeries
from exchange.store.database import Transaction
from exchange.store.registry import Brief, briefs
from exchange.store.rows import RELEASE, RELEASES
from exchange.trust.admission import ERASURE


class Said(NamedTuple):
    """What of a statement this is about."""

    brief: Brief
    message: str
    return_: str
    references: tuple[str, ...]
    releases: tuple[str, ...] = ()
    erases: tuple[str, ...] = ()


def said(statement: Statement) -> Said:
    brief = Brief(statement.participant, statement.form.code, statement.status, statement.series)
    released = tuple([one.id for one in statement.references if one.rel == RELEASES])
    erases = tuple([one.id for one in statement.references if one.rel == ERASES])
    references = tuple([one.id for one in statement.references])
    return Said(brief, statement.message, statement.return_, references, released, erases)


def known(tx: Transaction, all_said: Iterable[Said]) -> dict[str, Brief]:
    """What the registry holds of all that these refer to."""
    return briefs(tx, {ident for said in all_said for ident in _named(said)})


def _named(said: Said) -> tuple[str, ...]:
    """The ids of all that it refers to."""
    return (*said.references, said.brief.series) if said.brief.series else said.references


def check(said: Said, known: Mapping[str, Brief]) -> None:
    """A series continues one of this log, of the same form and status; what is released is this State's, of the same form, as is
    what an erasure names; no reference crosses statuses, and none leads to what is sealed: who answers a letter in public tells
    that it could read it. Raises UnknownSeries.
    """
    brief, message, return_, _, released, erases = said
    if message == RELEASE:
        mine = [known.get(ident) for ident in released]
        if not mine or any(one is None or one[:2] != brief[:2] for one in mine):
            what = f"submissions of {brief.participant} under {brief.form}, each named as `{RELEASES}`"
            raise UnknownSeries(f"a release names {what}, that stand in its log", pointer="/references")
    if message in MESSAGES_OF_A_SERIES or return_ == "nothing new":
        first = known.get(brief.series or "")
        if first is None or first.participant != brief.participant or first.series is not None:
            raise UnknownSeries(f"the series {brief.series} does not begin in this log", pointer="/series")
        if first.form != brief.form:
            raise UnknownSeries(
                f"the series {brief.series} is one of {first.form}, not {brief.form}", pointer="/series"
            )
    if message == ERASURE and not erases:
        raise UnknownSeries("a reference with rel erases was expected in an erasure", pointer="/references")
    for ident in erases:
        subject = known.get(ident)
        if subject is None or subject.participant != brief.participant or subject.form != brief.form:
            what = f"{brief.form} of {brief.participant}"
            raise UnknownSeries(f"an erasure of {what} names such a submission, not {ident}", pointer="/references")
    for ident in _named(said):
        other = known.get(ident)
        if other is not None and other.form == SEALED_FORM:
            raise UnknownSeries(
                f"{ident} is sealed: what refers to it is sealed too, or tells who could read it", pointer="/references"
            )
        if other is not None and other.status != brief.status:
            raise UnknownSeries(
                f"{ident} has the status {other.status!r}; a submission of status {brief.status!r} cannot refer to it",
                pointer="/references",
            )
