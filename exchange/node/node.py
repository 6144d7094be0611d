"""A running node: one directory, one database, one log, and the lock that keeps every other process out.

Opening one follows tlog.md section 6, rule 10: nothing stored is trusted before it was recomputed, and a log that does
not lead to its own last signature is not served, let alone signed on.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, NamedTuple

from exchange.config import Settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, verify_authorship
from exchange.core.keys import Kind
from exchange.core.merkle import tree_root
from exchange.core.note import ED25519, Vkey, format_vkey
from exchange.errors import ExchangeError, LogStopped, Malformed, Misuse
from exchange.files import locked, make_folder
from exchange.node.appender import Appender
from exchange.node.erasure import Eraser
from exchange.node.keyfile import open_key
from exchange.node.space import MEGABYTE, Space
from exchange.node.successor import record_of
from exchange.node.witness import Witness
from exchange.resources import form_files
from exchange.store import documents, erasures
from exchange.store import log as logs
from exchange.store.convictions import conviction_of
from exchange.store.database import Database, Transaction
from exchange.store.fitting import judge_unknown
from exchange.store.folder import DocumentFolder
from exchange.store.restored import mark_ahead
from exchange.trust.participants import Participants
from exchange.trust.quorum import witness_name

Clock = Callable[[], datetime]

_RESTORE = "restore the database"

_logger = logging.getLogger("exchange.node")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Asked(NamedTuple):
    """How many witnesses have told since this start what they know of the own log, of how many that must; (0, 0) where there are none."""

    answered: int
    needed: int


class Node:
    """What the rooms above share. `participants` is replaced as a whole when records change, so it may be read at any time."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        """1. The lock. 2. Keys. 3. The database and whom it belongs to. 4. The log against its last signature. 5. Orphans.

        Raises InUse, Misuse, LogStopped.
        """
        self.settings, self.clock = settings, clock
        self.origin = settings.origin
        self._heads_mark = -1, ""
        self.instance = secrets.token_hex(8)  # of this start (twin.py)
        self.asked = Asked(0, 0)  # kept by recovery.py
        self.local_findings: dict[str, str] = {}  # by the key convicted: why the own log does not tell it
        self._lock = _lock(settings)  # 1
        opened: Database | None = None
        try:
            log_key = open_key(settings.keys / "log.key", kind=Kind.LOG).key  # 2
            witness_key = open_key(settings.keys / "witness.key", kind=Kind.WITNESS).key
            self.vkey = Vkey(settings.origin, ED25519, log_key.public)
            self.catalogue = _catalogue(settings)
            self.db = opened = Database(settings.database_url, held=True)  # 3
            self.db.claim(participant=settings.participant, federation=settings.federation)
            self.files = DocumentFolder(settings.documents)
            self.space = Space((settings.documents, settings.documents.parent), settings.min_free_mb * MEGABYTE)
            self.files.check_space = self.space.check
            self.participants = Participants(settings.federation, False, {})
            self._open_log()  # 4
            with self.db.write() as tx:
                swept = documents.sweep(tx, self.files)  # 5
                judge_unknown(tx, self.catalogue)
                erasures.catch_up(tx, self.catalogue, clock().isoformat())
        except BaseException:
            if opened is not None:
                opened.close()
            self._lock.close()
            raise
        if swept:
            _logger.info("removed %d files that no entry names", swept)
        self.appender = Appender(
            self.db,
            origin=self.origin,
            key=log_key,
            clock=clock,
            participants=lambda: self.participants,
            catalogue=self.catalogue,
        )
        self.appender.held.append(self.space.why)
        self.eraser = Eraser(self.db, self.files, self.catalogue, lambda: self.participants, clock)
        self.witness = Witness(
            self.db,
            name=witness_name(settings.federation, settings.participant),
            key=witness_key,
            own_origin=self.origin,
            clock=clock,
        )

    def _open_log(self) -> None:
        """Rebuild the tree from the entries and compare it with what was signed last."""
        settings = self.settings
        with self.db.write() as tx:
            vkey = format_vkey(self.vkey)
            for kept in logs.all_logs(tx):
                if kept.own and kept.origin != self.origin and not _is_closed(settings, tx, kept.origin, self.clock()):
                    raise Misuse(
                        f"the database holds the log {kept.origin}, this node is set up for {self.origin}: an origin never changes"
                    )
            log = logs.add_log(tx, origin=self.origin, participant=settings.participant, ordinal=0, vkey=vkey, own=True)
        if log.vkey != vkey or not log.own:
            raise Misuse(
                f"the log {self.origin} was kept under another key: {settings.keys / 'log.key'} is not the one that began it"
            )
        with self.db.read() as tx:
            root = logs.rebuild(tx, log)
        if log.note is None and log.size == 0:
            return  # nothing was ever signed
        try:
            signed = verify_authorship(log.note or b"", self.vkey)
        except ExchangeError as error:
            raise LogStopped(f"the checkpoint on disk is not one that this log signed ({error}): {_RESTORE}") from None
        if not signed == log.head == Checkpoint(self.origin, log.size, root):
            raise LogStopped(f"the entries on disk do not lead to the root signed at size {signed.size}: {_RESTORE}")

    def heads_mark(self) -> str:
        """Another text whenever any head held here is another one: logs only grow, so their sizes together tell."""
        generation, mark = self._heads_mark
        if generation != (
            now := self.db.generation
        ):  # read before the database: a write meanwhile is seen the next time
            with self.db.read() as tx:
                mark = f"{self.instance}.{logs.total(tx)}"
            self._heads_mark = now, mark
        return mark

    def load_participants(self, participants: Participants) -> None:
        """Put newly imported records into force. Raises Misuse where they do not describe this node."""
        mine = participants.records.get(self.settings.participant)
        if mine is None:
            whose = self.settings.peers if self.settings.root is None else "the founders' trust list"
            raise Misuse(f"{whose} holds no record of {self.settings.participant}")
        if mine.current_log.vkey != self.vkey:
            names, signs = format_vkey(mine.current_log.vkey), format_vkey(self.vkey)
            raise Misuse(f"the record of {mine.participant} names the log key {names}, this node signs with {signs}")
        self.participants = participants

    def stop_if_convicted(self) -> None:
        """Where it is proven that this node's own log was shown in two ways, it takes nothing more, now and after every start."""
        with self.db.read() as tx:
            why = conviction_of(tx, logs.log_of(tx, self.origin))
        if why is not None:
            self.appender.stop(f"{why}; the proof is kept (`cbm alerts`) and stays valid; {self._go_on_elsewhere()}")

    def _go_on_elsewhere(self) -> str:
        return f"stop this node, then `cbm node succeed {self.settings.directory} --origin NAME`, and give the others the new record"

    def consider_foreign_head(self, note: bytes, witness: str) -> bool:
        """Somebody else's copy of our own log: where it knows, under our key, more than we do, we are a restored backup and must not sign on.

        True where it is another history than ours: the two heads may prove that.
        """
        try:
            theirs = verify_authorship(note, self.vkey)
        except ExchangeError:
            return False  # not our signature: says nothing about us
        with self.db.read() as tx:
            log = logs.log_of(tx, self.origin)
            agrees = theirs.size <= log.size and theirs.root == tree_root(
                theirs.size, logs.reader(tx, log, theirs.size)
            )
        if theirs.size > log.size:
            with self.db.write() as tx:
                mark_ahead(tx, theirs.size)
            self.appender.stop(self.outgrown(f"{witness} holds our log at size {theirs.size}", log.size))
        elif not agrees:
            self.appender.stop(
                f"{witness} holds another tree of size {theirs.size} under our own key: two nodes have signed this log, and there are "
                f"two histories of it; end the other for good, {self._go_on_elsewhere()}"
            )
        return not agrees and theirs.size <= log.size

    def outgrown(self, seen: str, size: int) -> str:
        """Why nothing is signed on here, and what to do about it."""
        return (
            f"{seen}, this database ends at {size}: it is an old copy, and signing on would fork the log; stop the node, then "
            f"restore a newer backup, or take back what the others hold with `cbm node recover {self.settings.directory}`"
        )

    def close(self) -> None:
        self.appender.close()
        self.db.close()
        self._lock.close()


def _is_closed(settings: Settings, tx: Transaction, origin: str, now: datetime) -> bool:
    """This State's own record closes that log, and another comes after it: then the same database keeps both."""
    record = record_of(settings, tx, now)
    return record is not None and any(log.origin == origin and log.closed is not None for log in record.logs[:-1])


def _catalogue(settings: Settings) -> Catalogue:
    try:
        return Catalogue.from_files(form_files(settings.forms))
    except Malformed as error:
        raise Misuse(f"a form file in {settings.forms} cannot be used: {error} ({error.pointer or '/'})") from None


def _lock(settings: Settings) -> IO[str]:
    """One process holds the write lock, for as long as it lives; the kernel lets go of it however the process ends."""
    make_folder(settings.directory / "data")
    return locked(settings.directory / "lock", f"runs the node in {settings.directory}")
