"""Cosignatures and quorums of a node seen from outside, counted again like those of a directory (witnesses.py) out of what it serves.

    1. Every line under the checkpoint that it serves of a log verifies, if it is of a witness that a record lists.
    2. What it says of a head, that enough have cosigned it, the lines under it give.
    3. What it says of entries, that they are witnessed, by how many, since when, and late, their receipts give: entries of which it says the
       same rest on one checkpoint, and of each such group the first and the last are looked at.

That less is said than is so is no fault: lines come at any moment. Rosters are those of the auditor's anchor, else as the node's own records, or
its founders' list, give them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from exchange.audit.outside import Reader
from exchange.audit.witnesses import Wrong, recount, times_of, witnesses_of
from exchange.core.merkle import leaf_hash
from exchange.core.note import Vkey
from exchange.core.receipt import parse_receipt, verify_receipt
from exchange.errors import ExchangeError, Unreachable
from exchange.trust.record import ParticipantRecord
from exchange.trust.roster import Rosters

MAX_GROUPS = 10_000  # of one log; what is beyond is counted and not looked at
LATE = timedelta(days=8)
_WORDS = re.compile(r"cosigned by ([0-9]{1,6}) of ([0-9]{1,6}), ([0-9]{1,6}) asked for", re.ASCII)

Claim = tuple[str, str | None]
"""What a line says of the cosignatures of its entry: in words, and not later than when."""


@dataclass
class Group:
    """Entries of which the same is said: the first and the last, each with its id."""

    first: tuple[int, str]
    last: tuple[int, str]


@dataclass
class Claims:
    """What the lines of one log's entries say of their witnesses."""

    witnessed: dict[Claim, Group] = field(default_factory=dict)
    beyond: int = 0

    def take(self, item: Mapping[str, Any]) -> str | None:
        """One line; what is wrong with it by itself. Raises KeyError, TypeError, ValueError."""
        standing, words, since = item["standing"], item["cosignatures"], item["not_later_than"]
        issued = datetime.fromisoformat(item["issued"])
        late = since is not None and datetime.fromisoformat(since) - issued > LATE
        if late is not item["late"]:
            return (
                f"said to be {'' if item['late'] else 'not '}late, issued {item['issued']} and not later than {since}"
            )
        if standing == "witnessed":
            self._group((str(words), since), int(item["index"]), str(item["id"]))
        elif standing != "recorded":
            return f"said to be {str(standing)[:40]!r}"
        return None

    def _group(self, claim: Claim, index: int, ident: str) -> None:
        group = self.witnessed.get(claim)
        if group is None and len(self.witnessed) == MAX_GROUPS:
            self.beyond += 1
        elif group is None:
            self.witnessed[claim] = Group((index, ident), (index, ident))
        else:
            group.first, group.last = min(group.first, (index, ident)), max(group.last, (index, ident))


@dataclass(frozen=True)
class Tally:
    """What an answer says of the cosignatures of an entry that is witnessed, in numbers."""

    cosigned: int
    of: int
    asked: int
    since: datetime

    @classmethod
    def said(cls, claim: Claim) -> "Tally":
        """Raises ValueError for what is no such claim."""
        words, since = _WORDS.fullmatch(claim[0]), claim[1]
        if words is None or since is None:
            raise ValueError(f"{claim[0]}, not later than {since}")
        return cls(int(words[1]), int(words[2]), int(words[3]), datetime.fromisoformat(since))

    def gives(self, said: "Tally") -> bool:
        """Whether what was counted gives what was said: lines that came since only make it more, and since earlier."""
        same = (self.of, self.asked) == (said.of, said.asked)
        return same and self.cosigned >= said.cosigned and self.since <= said.since

    def __str__(self) -> str:
        return f"cosigned by {self.cosigned} of {self.of}, {self.asked} asked for, not later than {self.since:%Y-%m-%dT%H:%M:%SZ}"


class Counting:
    """By which records and rosters the witnesses of one log are counted."""

    def __init__(
        self, federation: str, records: Mapping[str, ParticipantRecord], rosters: Rosters, owner: ParticipantRecord
    ) -> None:
        self._witnesses, self._rosters, self._owner = witnesses_of(federation, records), rosters, owner

    def count(self, note: bytes) -> tuple[int, Tally | None]:
        """(lines that hold, what they come to where they are a quorum). Raises BadSignature, Malformed."""
        lines, times = times_of(note, self._witnesses, self._owner.participant)
        found = recount(times, self._rosters, self._owner)
        return lines, None if found is None else Tally(*found)


def check_head(counting: Counting, note: bytes, said: Mapping[str, Any] | None) -> tuple[int, bool, str | None]:
    """(lines that hold, whether they are a quorum, what is wrong). `said` is what the node says of that very head, if it does."""
    try:
        lines, tally = counting.count(note)
    except ExchangeError as error:
        return 0, False, f"a line under the checkpoint that is served does not verify: {error}"
    if said is not None and said.get("standing") == "witnessed" and tally is None:
        return (
            lines,
            False,
            f"said to be witnessed ({said.get('cosignatures')}); the {lines} lines served do not give that",
        )
    return lines, tally is not None, None


def check_claims(reader: Reader, counting: Counting, vkey: Vkey, claims: Claims) -> Iterator[Wrong | int]:
    """What is wrong, by the index of an entry; and the size of each checkpoint that has its quorum."""
    for claim, group in claims.witnessed.items():
        for index, ident in sorted({group.first, group.last}):
            try:
                said = Tally.said(claim)
                receipt = parse_receipt(reader.receipt(ident))
                size = verify_receipt(receipt, leaf_hash(reader.envelope(ident)), vkey).size
                tally = counting.count(receipt.checkpoint)[1]
            except Unreachable:
                raise
            except (ExchangeError, ValueError) as error:
                yield index, f"said to be witnessed, and its receipt does not show it: {error}"
                continue
            if receipt.index != index or tally is None:
                yield (
                    index,
                    f"said to be witnessed ({claim[0]}); its receipt, of entry {receipt.index}, does not give that",
                )
            elif not tally.gives(said):
                yield index, f"said to be {said}; its receipt gives {tally}"
            else:
                yield size
