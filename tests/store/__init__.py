"""What tests of the store share: a database filled through the one door, without a node around it."""

from datetime import UTC, datetime
from pathlib import Path

from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.dsse import parse_envelope
from exchange.core.note import format_vkey
from exchange.core.statement import Statement, submission_id
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.folder import Arrival
from exchange.store.log import LogState
from exchange.trust.admission import admit
from tests import builders, key_named
from tests.audit import audit
from tests.databases import new_database

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Books:
    """The logs of some participants in one database; each entry is judged, stored, registered and signed over."""

    def __init__(self, folder: Path, *codes: str, catalogue: Catalogue | None = None) -> None:
        self.folder = folder
        (folder / "data" / "documents").mkdir(parents=True)
        self.url = new_database(folder)
        self.db = Database(self.url)
        self.participants = builders.participants(*map(builders.record, codes))
        self.catalogue = catalogue or Catalogue.from_files([])
        with self.db.write() as tx:
            for code, record in self.participants.records.items():
                vkey = format_vkey(record.current_log.vkey)
                logs.add_log(tx, origin=builders.origin_of(code), participant=code, ordinal=0, vkey=vkey, own=False)

    def log(self, code: str) -> LogState:
        with self.db.read() as tx:
            return logs.log_of(tx, builders.origin_of(code))

    def enter(self, code: str, *entries: bytes, documents: tuple[Arrival, ...] = ()) -> None:
        """Entries of one transaction, whatever they are worth."""
        origin = builders.origin_of(code)
        with self.db.write() as tx:
            log = logs.log_of(tx, origin)
            judged = [(entry, admit(entry, origin, log.size + n, self.participants)) for n, entry in enumerate(entries)]
            size, root, _ = logs.append(tx, log, entries)
            intake.enter(tx, log, log.size, judged, self.catalogue, NOW, documents)
            note = sign_checkpoint(Checkpoint(origin, size, root), key_named(f"{code} log"))
            logs.keep_checkpoint(tx, log, size, root, note, NOW)
            logs.advance(tx, log, size)

    def publish(self, *statements: Statement) -> list[str]:
        """Each in a transaction of its own; returns their ids."""
        idents = []
        for statement in statements:
            entry = builders.signed(statement)
            self.enter(statement.participant, entry)
            idents.append(submission_id(parse_envelope(entry).payload))
        return idents

    def close(self) -> None:
        self.db.close()
        audit(self.folder, self.participants, self.catalogue, self.url)
