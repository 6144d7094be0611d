"""Sealing and opening letters: keys out of the node's folder, records out of its database, plaintext put aside until it counts.

Guarantees: what is sealed here, every recipient can open, or it is refused before anybody signs the outside. What is opened lies in a
file that nobody else may read, and gets its names only once seal, statement, signatures and documents were found right: a
folder is there whole or not at all.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from exchange.core.document import Document, commit
from exchange.core.dsse import parse_envelope
from exchange.core.jsonfields import is_digest
from exchange.core.keys import Kind
from exchange.core.letter import CARRIED_TYPE, INNER_TYPE, contents_of, format_letter
from exchange.core.outer import NAME, is_sealed
from exchange.core.pack import parse_pack
from exchange.core.sealed import PIECE, ContentKey, Header, Preface, address, read_preface, seal
from exchange.core.sealing import SealingKey
from exchange.core.statement import Statement, parse_statement
from exchange.errors import DoesNotFit, Misuse, WrongLetter
from exchange.files import whole_folder
from exchange.store.database import Transaction
from exchange.store.documents import HeldDocument, sealed
from exchange.store.folder import Arrival, DocumentFolder
from exchange.trust.asker import Asker
from exchange.trust.letter import FAR, Letter, check_audience, check_carried, check_sealed, check_signers, open_letter
from exchange.trust.participants import Participants
from exchange.trust.record import ParticipantRecord

ENVELOPE_FILE = "letter.json"
"""The inner envelope, as it was signed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A letter in its seal, not yet signed on the outside."""

    inner: Statement
    header: Header
    document: Document

    @property
    def commitment(self) -> str:
        return commit(self.document.opening, self.document.content)


def seal_letter(
    envelope: bytes,
    documents: Sequence[Document],
    participants: Participants,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Sealed:
    """Seal a signed inner envelope and its documents for those whom its statement names, and for its own State.

    1. It is a letter, as every opener will want it. 2. Its signatures count now, and are enough. 3. Each reader takes part, and has a
    sealing key. Raises WrongLetter, UnknownKey, TooFewSignatures, BadSignature, Misuse.
    """
    inner_envelope = parse_envelope(envelope, INNER_TYPE)
    inner = parse_statement(inner_envelope.payload)
    if is_sealed(inner):  # 1
        raise WrongLetter("this is sealed already")
    check_audience(inner)
    own = _record(participants, inner.participant)
    ordinal = own.log_ordinal(inner.origin)
    if participants.federation != inner.federation or ordinal is None:
        raise Misuse(
            f"these records are not of {inner.federation}, or do not hold the log {inner.origin} of {inner.participant}"
        )
    check_signers(inner_envelope, inner, own, (ordinal, FAR))  # 2
    to = [(code, _sealing_key(_record(participants, code))) for code in inner.audience]  # 3
    key = ContentKey(random(32))
    header, keys = address(inner.federation, inner.origin, key, (inner.participant, _sealing_key(own)), to)
    size, plaintext = format_letter(contents_of(envelope, documents), [one.content for one in documents])
    content = b"".join(seal(header, key, keys, size, plaintext))
    return Sealed(inner, header, Document("body", NAME, random(32), content))


def _record(participants: Participants, code: str) -> ParticipantRecord:
    record = participants.records.get(code)
    if record is None:
        raise Misuse(f"no record of {code} is here: give the file that holds it with --trust")
    if record.status[-1].state != "active":
        raise Misuse(f"{record.name()} ({code}) does not take part now: its status is {record.status[-1].state}")
    return record


def _sealing_key(record: ParticipantRecord) -> SealingKey:
    key = record.sealing_key
    if key is None:
        raise Misuse(
            f"{record.name()} ({record.participant}) has no sealing key in its record: nothing can be sealed for it yet"
        )
    return key


def check_arrived(outer: Statement, arrival: Arrival, participants: Participants) -> None:
    """At its own State's door: a letter that is one, of this submission, for participants with these keys. Raises DoesNotFit, WrongLetter."""
    with _reading(arrival) as file:
        preface = read_preface(file.read)
    check_sealed(preface, outer)
    for one in (preface.header.sender, *preface.header.recipients):
        record = participants.records.get(one.participant)
        key = None if record is None else record.key(one.keyid)
        if key is None or key.kind is not Kind.SEALING:
            raise DoesNotFit(f"the letter is sealed for a key that does not stand in the record of {one.participant}")


def letter_for(tx: Transaction, files: DocumentFolder, commitment: str, asker: Asker) -> HeldDocument | None:
    """A letter of this State for the node that asks, which proved whose it is; else None, as for what does not exist.

    Who its readers are stands in the letter itself, which the door checked, and nowhere else here.
    """
    if asker.participant is None or asker.own or asker.kind is None or not is_digest(commitment):
        return None
    held = sealed(tx, commitment)
    if held is None:
        return None
    with BytesIO(held.content) if held.content is not None else open(files.path(commitment), "rb") as file:
        readers = read_preface(file.read).header.audience
    return held if asker.participant in readers else None


@contextmanager
def _reading(arrival: Arrival) -> Iterator[IO[bytes]]:
    if arrival.content is not None:
        yield BytesIO(arrival.content)
    elif arrival.incoming is not None:
        with open(arrival.incoming.path, "rb") as file:
            yield file
    else:
        raise DoesNotFit("a sealed letter comes with its submission")


def reveal(
    blob: IO[bytes],
    key_of: Callable[[Preface], ContentKey],
    outer: Statement,
    index: int,
    participants: Participants,
    into: Path,
) -> tuple[Letter, dict[str, Path], ContentKey]:
    """Open a letter into a new folder: its envelope, and its documents by slot. Raises what speaks against it; then there is no folder."""
    preface = read_preface(blob.read)
    check_sealed(preface, outer)
    key = key_of(preface)
    with whole_folder(into, ENVELOPE_FILE) as stage, ExitStack() as stack:
        aside = stack.enter_context(tempfile.TemporaryFile(dir=stage))  # has no name, and goes with this process

        def again() -> Callable[[int], bytes]:
            aside.seek(0)
            return aside.read

        files: dict[str, IO[bytes]] = {}

        def place(slot: str) -> Callable[[bytes], object]:
            files[slot] = stack.enter_context(open(stage / slot, "xb", buffering=PIECE))
            return files[slot].write

        letter = open_letter(preface, key, (blob.read, aside.write, again), outer, index, participants, place)
        stack.close()
        _check_carried(letter, stage, outer, index, participants)
        paths = {}
        for one in letter.contents.documents:
            name = f"{one.slot}{_suffix(one.name)}"
            (stage / one.slot).rename(stage / name)
            paths[one.slot] = into / name
        (stage / ENVELOPE_FILE).write_bytes(letter.contents.envelope)
    return letter, paths, key


def _check_carried(letter: Letter, stage: Path, outer: Statement, index: int, participants: Participants) -> None:
    record = participants.records[outer.participant]
    for ref in letter.statement.documents:
        if ref.media_type == CARRIED_TYPE:
            older = parse_pack((stage / ref.slot).read_bytes())
            check_carried(older, letter.statement, record, (record.log_ordinal(outer.origin) or 0, index))


def _suffix(name: str) -> str:
    """Of the file's real name, which others chose, no more than its ending."""
    suffix = Path(name).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 16 else ""
