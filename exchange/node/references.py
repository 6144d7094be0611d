"""What a submission may refer to, at its own State's door: series that begin in this log, and nothing of another status."""

from collections.abc import Iterable, Mapping

from exchange.core.statement import Statement
from exchange.core.vocabulary import MESSAGES_OF_A_SERIES
from exchange.errors import UnknownSeries
from exchange.store.database import Transaction
from exchange.store.registry import Brief, briefs


def named(statement: Statement) -> list[str]:
    """The ids of all that it refers to."""
    return [reference.id for reference in statement.references] + ([statement.series] if statement.series else [])


def known(tx: Transaction, statements: Iterable[Statement]) -> dict[str, Brief]:
    """What the registry holds of all that these refer to."""
    return briefs(tx, {ident for statement in statements for ident in named(statement)})


def brief(statement: Statement) -> Brief:
    return Brief(statement.participant, statement.form.code, statement.status, statement.series)


def check(statement: Statement, known: Mapping[str, Brief]) -> None:
    """A series continues one of this log, of the same form and status; no reference crosses statuses. Raises UnknownSeries."""
    if statement.message in MESSAGES_OF_A_SERIES or statement.return_ == "nothing new":
        first = known.get(statement.series or "")
        if first is None or first.participant != statement.participant or first.series is not None:
            raise UnknownSeries(f"the series {statement.series} does not begin in this log", pointer="/series")
        if first.form != statement.form.code:
            raise UnknownSeries(
                f"the series {statement.series} is one of {first.form}, not {statement.form.code}", pointer="/series"
            )
    for ident in named(statement):
        other = known.get(ident)
        if other is not None and other.status != statement.status:
            raise UnknownSeries(
                f"{ident} has the status {other.status!r}; a submission of status {statement.status!r} cannot refer to it",
                pointer="/references",
            )
