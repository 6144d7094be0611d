"""This node as a witness for the others: it cosigns what it has seen to continue what it cosigned before, and holds itself.

C2SP tlog-witness. Guarantees: of one log it never signs a smaller size, a second root of one size, or a time before the last one,
and what it signed is durable before it leaves (store/witness.py; SQL refuses everything else). Its line says more than the
specification asks: every entry up to that size is stored and served here. It never signs for its own log, and no longer for one
that is known to have forked.
"""

from collections.abc import Callable
from datetime import datetime

from exchange.core.addcheckpoint import AddCheckpoint, parse_request
from exchange.core.checkpoint import Checkpoint, parse_checkpoint, signed_alone, verify_authorship
from exchange.core.cosignature import cosign, verified_lines
from exchange.core.keys import PrivateKey
from exchange.core.merkle import tree_root
from exchange.core.note import COSIGNATURE, Vkey, format_lines, parse_note, parse_vkey, verify_note
from exchange.errors import BadProof, ExchangeError, Forked, Malformed, NotFound, Unavailable, WrongOldSize
from exchange.store import log as logs
from exchange.store import witness as store
from exchange.store.database import Database, Transaction
from exchange.store.log import LogState
from exchange.store.witness import WitnessHead
from exchange.trust.succession import check_cosigning

BRING_SECONDS = 5.0


class Witness:
    """`bring` fetches a log's newest entries within so many seconds, `suspect` compares a signed head with what is held; the
    wiring gives them. `held` says why nothing is signed yet, or None."""

    def __init__(
        self, db: Database, *, name: str, key: PrivateKey, own_origin: str, clock: Callable[[], datetime]
    ) -> None:
        self._db, self._key, self._own, self._clock = db, key, own_origin, clock
        self.vkey = Vkey(name, COSIGNATURE, key.public)
        self.bring: Callable[[str, float], None] = _bring_nothing
        self.suspect: Callable[[str, bytes], None] = _suspect_nothing
        self.held: list[Callable[[], str | None]] = []  # each may have a reason to wait, which passes
        self.signed = 0

    def add_checkpoint(self, body: bytes) -> bytes:
        """The line of this witness under the checkpoint in a request, or what speaks against it, in the order of the specification.

        1. It is a request: Malformed. 2. The log is one that this node follows, and not its own: NotFound. 3. The log signed it, and
        every line under its key verifies: UnknownKey, BadSignature; Forked where it is known to have signed two histories.
        4. It continues what was signed last: Malformed, WrongOldSize, BadProof. 5. Its entries are all here: Unavailable, after a visit
        to the log. 6. Under the write lock once more, with the clock; then it is durable; then it is answered.
        """
        request = parse_request(body)  # 1
        log = self._log(request.origin)  # 2
        new = self._signed_by(log, request)  # 3
        note = signed_alone(request.checkpoint, parse_vkey(log.vkey))
        try:
            with self._db.read() as tx:
                self._check(tx, log, request, new)  # 4
        except (Malformed, WrongOldSize, BadProof) as error:
            self._refuse(log, new, body, note, error)
            raise
        self._hold(log, new, note)  # 5
        with self._db.write() as tx:  # 6
            self._check(tx, log, request, new)
            head = self._cosign(tx, log, new, note)
            store.keep_witness_head(tx, log, head)
        # The commit point. A crash before it: nothing was signed that anybody has seen. After it: asked again, this size is known.
        self.signed += 1
        return head.line

    def checkpoint(self, digest: str) -> bytes:
        """What was signed last of the log with that SHA-256 of its origin, with the log's signature and our own. Raises NotFound."""
        with self._db.read() as tx:
            head = store.witness_head(tx, logs.log_named(tx, digest))
        if head is None:
            raise NotFound("this witness has signed no checkpoint of such a log")
        return head.cosigned

    def take_over(self, origin: str, data: bytes) -> bool:
        """A checkpoint that somebody else holds, with a line of ours that we know nothing of: from here on nothing smaller is signed.

        That is how a witness out of an old backup learns how far it had gone. True where there was something to learn.
        """
        with self._db.read() as tx:
            log = logs.log_of(tx, origin)
        vkey = parse_vkey(log.vkey)
        try:
            theirs = verify_authorship(data, vkey)
        except ExchangeError:
            return False  # what the log did not sign, we did not sign either
        mine = verified_lines(parse_note(data), [self.vkey])
        if log.own or not mine:
            return False
        last = max(mine, key=lambda one: one.time)
        note = signed_alone(data, vkey)
        with self._db.write() as tx:
            head = store.witness_head(tx, log)
            if head is None or head.checkpoint.size < theirs.size:
                time = last.time if head is None else max(last.time, head.time)
                store.keep_witness_head(tx, log, WitnessHead(theirs, note, time, format_lines([last.line])))
                return True
        if head.checkpoint.size == theirs.size and head.checkpoint.root != theirs.root:
            self.suspect(origin, note)  # the log signed both, and so did we, before and after a backup
        return False

    def _log(self, origin: str) -> LogState:
        if origin == self._own:
            raise NotFound(f"this is the node of {origin}: nobody witnesses for itself")
        with self._db.read() as tx:
            return logs.log_of(tx, origin)

    def _signed_by(self, log: LogState, request: AddCheckpoint) -> Checkpoint:
        vkey = parse_vkey(log.vkey)
        verify_note(request.checkpoint, [vkey])
        new = parse_checkpoint(request.note.text)
        if log.halted is not None:
            raise Forked(f"{log.halted}; it is cosigned no more")
        return new

    def _check(self, tx: Transaction, log: LogState, request: AddCheckpoint, new: Checkpoint) -> None:
        head = store.witness_head(tx, log)
        check_cosigning(None if head is None else head.checkpoint, request.old, request.proof, new)

    def _hold(self, log: LogState, new: Checkpoint, note: bytes) -> None:
        """Raises Unavailable unless every entry under the checkpoint is stored and served here, and Forked where others are."""
        why = next(filter(None, (why() for why in self.held)), None)
        if why is not None:
            raise Unavailable(f"this witness signs nothing yet: {why}")
        reason = "they were not asked for"
        if self._held_root(log, new.size) is None:
            try:
                self.bring(log.origin, BRING_SECONDS)
            except ExchangeError as error:
                reason = str(error)
        root = self._held_root(log, new.size)
        if root is None:
            with self._db.read() as tx:
                halted = logs.log_of(tx, log.origin).halted
            if halted is not None:
                raise Forked(f"{halted}; it is cosigned no more")
            raise Unavailable(f"the entries of {log.origin} up to size {new.size} are not all here yet: {reason}")
        if root != new.root:
            self.suspect(log.origin, note)
            raise Forked(f"the entries held here do not lead to the root that {log.origin} signed at size {new.size}")

    def _held_root(self, log: LogState, size: int) -> bytes | None:
        """The root over the entries held here; None while they are not all here."""
        with self._db.read() as tx:
            now = logs.log_of(tx, log.origin)
            return tree_root(size, logs.reader(tx, now, size)) if now.note is not None and size <= now.size else None

    def _cosign(self, tx: Transaction, log: LogState, new: Checkpoint, note: bytes) -> WitnessHead:
        if logs.log_of(tx, log.origin).halted is not None:
            raise Forked(f"{log.origin} has forked; it is cosigned no more")
        head, time = store.witness_head(tx, log), int(self._clock().timestamp())
        if head is not None and time < head.time:
            raise Unavailable(
                f"the clock of this witness stands {head.time - time} s before its last signature for {log.origin}"
            )
        line = cosign(parse_note(note).text, self.vkey.name, self._key, time)
        return WitnessHead(new, note, time, format_lines([line]))

    def _refuse(self, log: LogState, new: Checkpoint, body: bytes, note: bytes, error: ExchangeError) -> None:
        """It was signed: unless our own tree has that very root, it may be one half of a proof, now or once more entries are here."""
        if self._held_root(log, new.size) == new.root:
            return
        with self._db.write() as tx:
            store.keep_refusal(tx, log, new.size, error.code, body, self._clock())
        self.suspect(log.origin, note)

    def look_back(self, origin: str) -> None:
        """Now that more entries are here: which of the requests refused before were true, and which convict."""
        with self._db.read() as tx:
            log = logs.log_of(tx, origin)
            due = [one for one in store.refusals(tx, log) if one.size <= log.size]
        for refusal in due:
            checkpoint = parse_request(refusal.request).checkpoint
            if self._held_root(log, refusal.size) == parse_checkpoint(parse_note(checkpoint).text).root:
                with self._db.write() as tx:
                    store.drop_refusal(tx, refusal)
            elif log.halted is None:
                self.suspect(origin, signed_alone(checkpoint, parse_vkey(log.vkey)))


def _bring_nothing(origin: str, seconds: float) -> None:
    raise Unavailable("this node visits nobody")


def _suspect_nothing(origin: str, note: bytes) -> None:
    """Where nothing is wired, a refused request is kept and no more."""
