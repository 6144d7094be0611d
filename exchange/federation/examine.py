"""What costs time in a pull, and needs neither network nor database: entries judged, documents checked, rows worked out.

A whole part of a run is one job, for this process or for another (workers.py), because checking signatures takes
longer than everything else together. Its answer is plain tuples: what crosses between processes must be cheap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exchange.core.catalogue import Catalogue
from exchange.core.document import SMALL_DOCUMENT, commit
from exchange.federation.offers import OfferedDocument, parse_offer
from exchange.store.folder import Arrival
from exchange.store.rows import EntryRows, rows_of
from exchange.trust.admission import Admitted, Disputed, admit
from exchange.trust.participants import Participants

MAX_WRONG = 10_000  # lines of one answer that bring nothing: far more than an honest one holds, and read in no time

Wanted = dict[tuple[int, str], str]
"""Commitments by entry and slot."""


class Offers(NamedTuple):
    """What held of the documents offered: small ones, and larger ones that are to be fetched by their commitment."""

    small: list[tuple[str, str, bytes, str, int, bytes]]
    large: list[tuple[str, OfferedDocument]]

    def arrivals(self) -> list[Arrival]:
        return [Arrival(*fields) for fields in self.small]


class Examined(NamedTuple):
    """What each entry becomes, and the documents of those that stay in the registry, as far as they came."""

    rows: list[EntryRows]
    offers: Offers


def match(blocks: Iterable[bytes], wanted: Wanted) -> Offers:
    """The first offer of each document counts; claimed commitments and sizes count for nothing. Takes what it finds out of `wanted`.

    `blocks` are of whole lines.
    """
    found, wrong = Offers([], []), 0
    for line in (line for block in blocks for line in block[:-1].split(b"\n")):
        offer = parse_offer(line)
        commitment = wanted.pop((offer.index, offer.slot), None) if offer is not None else None
        if offer is None or commitment is None or not _take(offer, commitment, found):
            wrong += 1
            if wrong >= MAX_WRONG:
                break
    return found


def _take(offer: OfferedDocument, commitment: str, found: Offers) -> bool:
    content = offer.content
    if content is None:
        found.large.append((commitment, offer))
        return True
    if len(content) > SMALL_DOCUMENT or commit(offer.opening, content) != commitment:
        return False
    found.small.append((offer.slot, offer.name, offer.opening, commitment, len(content), content))
    return True


def examine(
    entries: Sequence[bytes],
    origin: str,
    start: int,
    participants: Participants,
    catalogue: Catalogue,
    blocks: Iterable[bytes],
) -> Examined:
    """Judge the entries at `start`.. of a log by these records. `blocks` of the documents stream are read if any document is named."""
    verdicts = [admit(entry, origin, index, participants) for index, entry in enumerate(entries, start)]
    stay = [verdict.admitted if isinstance(verdict, Disputed) else verdict for verdict in verdicts]
    wanted = {
        (index, ref.slot): ref.commitment
        for index, verdict in enumerate(stay, start)
        if isinstance(verdict, Admitted)
        for ref in verdict.statement.documents
    }
    offers = match(blocks, wanted) if wanted else Offers([], [])
    bodies: Mapping[str, bytes | None] = {fields[3]: fields[5] for fields in offers.small}
    return Examined(
        [rows_of(entry, verdict, catalogue, bodies) for entry, verdict in zip(entries, verdicts, strict=True)], offers
    )


@dataclass(frozen=True)
class ReadForms:
    """The desk of a worker process: the catalogue of this node, read once from the same files."""

    contents: tuple[bytes, ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "ReadForms":
        return cls(tuple(form.content for form in catalogue.forms.values()))

    def __call__(self) -> Catalogue:
        return Catalogue.from_files(self.contents)


@dataclass(frozen=True)
class Examine:
    """One job. `participants` need hold no more than the record of the log's owner."""

    entries: Sequence[bytes]
    origin: str
    start: int
    participants: Participants
    blocks: Sequence[bytes]

    def __call__(self, catalogue: Catalogue) -> Examined:
        return examine(self.entries, self.origin, self.start, self.participants, catalogue, self.blocks)
