"""A node's directory with one of everything that an audit must tell apart, made by the ordinary way in; and copies to tamper with.

Its own log XR has 300 entries, so that there are full tiles, upper tiles and checkpoints inside and at the end of tiles.
The mirror XA has entries that were admitted, wait, were refused, repeat another, lack a document, or do not fit; two more
are stored ahead of its head, and a checkpoint was signed for entries that have not come.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from exchange.audit.laws import Subject
from exchange.audit.report import Report
from exchange.audit.run import Anchor, audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.config import Settings, read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.document import SMALL_DOCUMENT, Document, commit
from exchange.core.dsse import parse_envelope
from exchange.core.form import Form
from exchange.core.jsontext import canonical_json
from exchange.core.keys import Kind, PrivateKey
from exchange.core.merkle import Frontier, leaf_hash
from exchange.core.note import format_vkey
from exchange.core.statement import FormRef, Reference, submission_id
from exchange.node.founding import found, write_participants
from exchange.node.keyfile import open_key
from exchange.resources import form_files
from exchange.store import documents, intake
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.fitting import judge_arrived
from exchange.store.folder import Arrival, DocumentFolder
from exchange.store.participants import keep_records
from exchange.trust.admission import admit
from exchange.trust.participants import Participants, format_participants
from tests import key_named
from tests.builders import document, officer, origin_of, participant_key, record, signed, statement
from tests.databases import copy_node, give_database, hand_in, no_longer_final
from tests.world import body_of

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
FEDERATION = "test.example"
XR, XA = origin_of("XR"), origin_of("XA")
OWN = 300  # entries of XR
HEAD, STORED, PROMISED = 10, 12, 14  # of XA
CATALOGUE = Catalogue.from_files(form_files())

Piece = tuple[bytes, list[Document]]


def form_of(code: str) -> Form:
    form = CATALOGUE.newest(code)
    assert form is not None
    return form


def ref(code: str) -> FormRef:
    form = form_of(code)
    return FormRef(form.code, form.version, form.sha256)


class Writer:
    """Makes entries of one participant that differ from one another."""

    def __init__(self, code: str) -> None:
        self.code, self.made = code, 0

    def entry(
        self,
        form: str = "POC-02",
        *,
        files: Sequence[bytes] = (),
        body: bytes | None = None,
        unknown: FormRef | None = None,
        keys: Sequence[PrivateKey] = (),
        **changes: Any,
    ) -> Piece:
        self.made += 1
        stamp = f"{self.code} {self.made}"
        full = changes.get("return_", "full") == "full" and changes.get("message", "original") != "withdrawal"
        documents = []
        if full:
            content = canonical_json(body_of(form)) if body is None else body
            documents.append(document(content=content, opening=key_named(f"body {stamp}").seed, language="en"))
        for number, content in enumerate(files, 1):
            opening = key_named(f"file {number} {stamp}").seed
            documents.append(document(f"a{number}", content, opening, media_type="application/pdf"))
        issued = f"2026-11-20T{self.made // 3600:02}:{self.made // 60 % 60:02}:{self.made % 60:02}Z"
        what = statement(
            self.code,
            **{
                "form": unknown or ref(form),
                "issued": issued,
                "status": "test",
                "documents": tuple(one for _, one in documents),
            }
            | changes,
        )
        return signed(what, *keys), [one for one, _ in documents]


def id_of(piece: Piece) -> str:
    return submission_id(parse_envelope(piece[0]).payload)


def own_entries() -> list[Piece]:
    """Index 0 answers look-ups and is updated by 2; 3 is withdrawn by 4; 5 confirms 2; 1 has a small and a large attachment."""
    xr = Writer("XR")
    first = xr.entry()
    pieces = [
        first,
        xr.entry("ICT-03", files=(b"small", b"large" * 20_000)),
        xr.entry(message="update", series=id_of(first)),
    ]
    withdrawn = xr.entry()
    withdrawal = (Reference("withdraws", id_of(withdrawn), None),)
    pieces += [
        withdrawn,
        xr.entry(message="withdrawal", series=id_of(withdrawn), references=withdrawal, documents=()),
        xr.entry(message="update", return_="nothing new", series=id_of(first), documents=()),
    ]
    return pieces + [xr.entry(return_="nothing to declare", documents=()) for _ in range(OWN - len(pieces))]


def foreign_entries() -> list[Piece]:
    """In the order of the module's words; what XR's node makes of each is in `VERDICTS`."""
    xa = Writer("XA")
    first = xa.entry()
    misfit = canonical_json({"role": "technical"})
    unknown = FormRef("ICT-99", 1, "0" * 64)
    return [
        first,
        xa.entry(keys=(key_named("XA officer 9"),)),
        (b"this is no envelope", []),
        xa.entry(origin=XR),
        first,
        (xa.entry("ICT-03")[0], []),
        xa.entry("ICT-03", message="update", series=id_of(first)),
        xa.entry(message="correction", series=id_of(first), status="exercise"),
        xa.entry(body=misfit),
        xa.entry(unknown=unknown),
        xa.entry(),
        xa.entry(),
    ]


VERDICTS = (
    *("admitted", "waiting", "refused", "refused", "refused", "admitted"),
    *("admitted", "admitted", "admitted", "admitted", "admitted", "admitted"),
)


class Stage:
    """A directory, stopped; `copy` gives another one like it."""

    def __init__(self, directory: Path, participants: Participants) -> None:
        self.directory, self.participants = directory, participants

    @property
    def settings(self) -> Settings:
        return read_settings(self.directory)

    def copy(self, target: Path) -> "Stage":
        return Stage(copy_node(self.directory, target), self.participants)

    def audit(self, *, anchored: bool = True, workers: int = 1, participants: Participants | None = None) -> Report:
        settings = self.settings
        trusted = participants or self.participants
        return audit_directory(
            DirectoryPlace(self.directory, settings.database_url, settings.documents),
            Subject(settings.participant, settings.federation, settings.origin),
            Catalogue.from_files(form_files(settings.forms)),
            anchor=Anchor(trusted, format_participants(trusted)) if anchored else None,
            workers=workers,
            now=NOW,
        )

    def tamper(self, *statements: str, **values: Any) -> None:
        """A hand in the database: past its triggers, and past what refers to what."""
        with hand_in(self.directory) as db:
            no_longer_final(db)
            for query in statements:
                names = {name: value for name, value in values.items() if f":{name}" in query}
                changed = db.execute(text(query), names)
                assert changed.rowcount, f"changed nothing: {query}"

    def value(self, query: str, **values: Any) -> Any:
        with hand_in(self.directory) as db:
            return db.execute(text(query), values).scalar()


def build(directory: Path, pieces: Sequence[Piece] = (), heads: Sequence[int] = (3, 6, 200, 256, OWN)) -> Stage:
    """The directory as described above; with other entries in its own log where they are given."""
    settings = Settings(
        directory=directory,
        participant="XR",
        url="http://xr.test.example",
        origin=XR,
        federation=FEDERATION,
        listen="127.0.0.1:1",
    )
    mine = found(settings, name="XR", officers=[officer("XR").public], now=NOW).records["XR"]
    give_database(directory)
    earlier = record("XA", signing=[officer("XA")])
    later = replace(earlier, keys=(*earlier.keys, participant_key(officer("XA", 2), start=(0, 5))))
    participants = Participants(FEDERATION, False, {"XA": later, "XR": mine})
    write_participants(directory / "peers.json", participants)
    log_key = open_key(settings.keys / "log.key", kind=Kind.LOG).key
    assert isinstance(log_key, PrivateKey)
    files = DocumentFolder(settings.documents)
    db = Database(read_settings(directory).database_url)
    try:
        db.claim(participant="XR", federation=FEDERATION)
        with db.write() as tx:
            keep_records(tx, (mine, earlier, later), NOW)
            for owner, own in ((mine, True), (later, False)):
                vkey = format_vkey(owner.current_log.vkey)
                origin, code = owner.current_log.origin, owner.participant
                logs.add_log(tx, origin=origin, participant=code, ordinal=0, vkey=vkey, own=own)
        fill = Filler(db, files, participants)
        fill.log(XR, pieces or own_entries(), log_key, heads)
        fill.log(XA, foreign_entries(), key_named("XA log"), (4, HEAD))
        fill.promise(XA, key_named("XA log"), PROMISED)
    finally:
        db.close()
    return Stage(directory, participants)


class Filler:
    """Enters pieces as a node would: through the one door, a chunk at a time, each with its checkpoint."""

    def __init__(self, db: Database, files: DocumentFolder, participants: Participants) -> None:
        self._db, self._files, self._participants = db, files, participants

    def log(self, origin: str, pieces: Sequence[Piece], key: PrivateKey, heads: Sequence[int]) -> None:
        start = 0
        for end in dict.fromkeys((*heads, len(pieces))):
            self._chunk(origin, start, pieces[start:end], key if end in heads else None)
            start = end

    def _chunk(self, origin: str, start: int, pieces: Sequence[Piece], key: PrivateKey | None) -> None:
        entries = [entry for entry, _ in pieces]
        judged = [(entry, admit(entry, origin, at, self._participants)) for at, entry in enumerate(entries, start)]
        arrivals = [self._arrival(one) for _, documents in pieces for one in documents]
        with self._db.write() as tx:
            log = logs.log_of(tx, origin)
            size, root, _ = logs.append(tx, log, entries)
            intake.enter(tx, log, start, judged, CATALOGUE, NOW)
            # Those of refused entries too: nobody asks for them, and an auditor sees them.
            judge_arrived(tx, documents.hold(tx, arrivals, log.participant)[1], CATALOGUE)
            if key is not None:
                logs.keep_checkpoint(tx, log, size, root, sign_checkpoint(Checkpoint(origin, size, root), key), NOW)
                logs.advance(tx, log, size)

    def _arrival(self, one: Document) -> Arrival:
        if len(one.content) <= SMALL_DOCUMENT:
            return Arrival.small(one.slot, one.name, one.opening, one.content)
        commitment = commit(one.opening, one.content)
        path = self._files.path(commitment)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(one.content)
        return Arrival(one.slot, one.name, one.opening, commitment, len(one.content), None)

    def promise(self, origin: str, key: PrivateKey, size: int) -> None:
        """A checkpoint of a larger tree, whose entries are still to come."""
        frontier = Frontier()
        for at in range(size):
            frontier.append(leaf_hash(str(at).encode()))
        checkpoint = Checkpoint(origin, size, frontier.root())
        with self._db.write() as tx:
            log = logs.log_of(tx, origin)
            logs.keep_checkpoint(tx, log, size, checkpoint.root, sign_checkpoint(checkpoint, key), NOW)
