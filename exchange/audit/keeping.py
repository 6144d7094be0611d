"""What an entry says of forgetting, and what of it is not shown, as far as the entry tells by itself; orders.py puts it together.

schemas/README.md sections 5 (`retain_until`) and 24.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from exchange.audit.judgement import DISPUTED
from exchange.audit.shape import Reading
from exchange.audit.work import FORESEEN, Lacking, Outcome, Said

LEFT = 8
"""Days after which a node has destroyed what nobody may see any more, even where no witness vouches for the time."""

Missed = tuple[str, str | None, bool]
"""A slot of which nothing is shown, by which order as the database says it, and whether it is still there."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """`whole`: the database is at hand, with what it hides."""

    outcome: Outcome
    whole: bool
    today: str

    def account(self, told: Said, reading: Reading, lacking: Sequence[Missed], standing: str, disputed: bool) -> str:
        """What becomes of the entry in the account; `standing` where no date of its own has it forgotten."""
        outcome, shape = self.outcome, reading.shape
        if not disputed:
            outcome.erasures += [(told, subject, slot) for subject, slot in reading.erases]
            if shape.message == "withdrawal" and reading.series is not None:
                outcome.withdrawals.append((told, reading.series))
        if shape.slots and is_over(reading, self.today):
            self._foreseen(told, shape.retain_until or "", len(shape.slots), lacking)
            return DISPUTED if disputed else FORESEEN
        counted = DISPUTED if disputed else standing
        if lacking:
            slots, marks, here = zip(*lacking, strict=True)
            outcome.lacking.append(Lacking(told, counted, slots, marks, here))
        return counted

    def _foreseen(self, told: Said, until: str, named: int, lacking: Sequence[Missed]) -> None:
        """A day is left to hide in; in a database, more to destroy in."""
        shown = len(lacking) < named
        if shown and _later(until, 2) < self.today:
            self.outcome.fault(told.at, "document", f"something is shown still that was to be kept until {until}")
        if not self.whole or _later(until, 1 + LEFT) >= self.today:
            return
        if any(here for _, _, here in lacking):
            self.outcome.fault(told.at, "document", f"something is there still that was to be kept until {until}")
        if any(mark is None for _, mark, _ in lacking):
            self.outcome.fault(told.at, "slot", f"was to be kept until {until}, and is listed as missing")


def is_over(reading: Reading, today: str) -> bool:
    """Whether the statement itself has its documents forgotten by that day."""
    until = reading.shape.retain_until
    return until is not None and until < today


def _later(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return date.max.isoformat()
