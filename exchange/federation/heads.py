"""May what a peer serves as its head follow what its log signed before? What may not becomes an alert with what was signed.

Compared is not only the head that the mirror serves, but every checkpoint that the log signed and whose entries are
still on their way: a log that shows one history today and another tomorrow is caught between the two visits as well.
"""

from datetime import datetime

from exchange.core.checkpoint import Checkpoint, verify_authorship, verify_checkpoint
from exchange.core.evidence import InconsistentCheckpoints
from exchange.core.note import parse_vkey
from exchange.errors import BadProof, ExchangeError, Forked, RolledBack
from exchange.federation.entries import SignedTree
from exchange.federation.findings import (
    fork_evidence,
    report_bad_note,
    report_fork,
    report_rollback,
    report_unproven,
)
from exchange.federation.peer import PeerLog
from exchange.store import log as logs
from exchange.store.database import Database, Transaction
from exchange.store.log import LogState, Signed
from exchange.trust.succession import follows


def next_head(db: Database, peer: PeerLog, log: LogState, note: bytes, now: datetime) -> Checkpoint | None:
    """The head to fetch the entries of, or None where the mirror stands at it.

    1. The note is this log's and speaks of it. 2. The log never signed another root of that size. 3. It signed no larger
    head before. What fails is kept as an alert and raised.
    """
    try:
        head = verify_checkpoint(note, parse_vkey(log.vkey))  # 1
    except ExchangeError as error:
        raise _report_note(db, peer, log, note, error, now) from None
    with db.read() as tx:
        kept, promised = logs.kept_checkpoint(tx, log, head.size), binding(tx, log)
    last = promised[-1] if promised else None if log.note is None else Signed(log.size, log.root, log.note)
    if last is None:
        return head
    try:
        if kept is not None and kept[0] != head.root:  # 2
            raise Forked(f"{log.origin} signed two roots at size {head.size}")
        follows(Checkpoint(log.origin, last.size, last.root), head)  # 3
    except (RolledBack, Forked) as error:
        raise _report_head(db, peer, log, head, note, kept, last, error, now) from None
    return head if head.size > log.size or log.note is None else None


def _report_note(
    db: Database, peer: PeerLog, log: LogState, note: bytes, error: ExchangeError, now: datetime
) -> ExchangeError:
    evidence = fork_evidence(log, note, note, None)  # signed, and false by itself: an empty tree with a root
    with db.write() as tx:
        if evidence is not None:
            return report_fork(tx, log, evidence, now)
        if not peer.hearsay:
            report_bad_note(tx, log, note, error, now)
    return error


def _report_head(
    db: Database,
    peer: PeerLog,
    log: LogState,
    head: Checkpoint,
    note: bytes,
    kept: tuple[bytes, bytes] | None,
    last: Signed,
    error: ExchangeError,
    now: datetime,
) -> ExchangeError:
    """Of one size two notes are proof enough; of a smaller one our own tiles tell a stale copy from a second history."""
    earlier = kept[1] if kept is not None else log.note if head.size < log.size else None
    with db.write() as tx:
        read = logs.reader(tx, log, log.size)
        evidence = None if earlier is None else fork_evidence(log, earlier, note, read)
        if evidence is not None:
            return report_fork(tx, log, evidence, now)
        if not peer.hearsay:
            report_rollback(tx, log, last, note, head, now)
    return error


def binding(tx: Transaction, log: LogState) -> list[Signed]:
    """The heads beyond ours that the log must keep to. One that signed two histories keeps to neither: what it holds here goes on."""
    return [] if log.halted is not None else logs.promised(tx, log)


def check_promises(promised: list[Signed], tree: SignedTree) -> None:
    """Every head that the log signed before lies in the tree of this one. Raises BadProof."""
    for signed in promised:
        if tree.root(signed.size) != signed.root:
            raise BadProof(
                f"the tree signed at size {tree.head.size} does not begin with the one signed at {signed.size}"
            )


def contradicted(
    db: Database, log: LogState, tree: SignedTree, note: bytes, why: ExchangeError, now: datetime
) -> ExchangeError:
    """A larger head that does not continue what is held: proof of a fork if the peer's own tiles give it, else an exhibit."""
    with db.read() as tx:
        earlier = [signed.note for signed in logs.promised(tx, log) if signed.size < tree.head.size]
    if log.note is not None and log.size:
        earlier.insert(0, log.note)
    evidence = _proof(log, tree, note, earlier)
    with db.write() as tx:
        if evidence is not None:
            return report_fork(tx, log, evidence, now)
        if not tree.peer.hearsay:
            report_unproven(tx, log, note, why, now)
    return why


def _proof(log: LogState, tree: SignedTree, note: bytes, earlier: list[bytes]) -> InconsistentCheckpoints | None:
    try:
        found = (fork_evidence(log, held, note, tree.read) for held in earlier)
        return next((evidence for evidence in found if evidence is not None), None)
    except ExchangeError:
        return None  # no proof to be had from this peer; what it signed is kept all the same


def confront(db: Database, origin: str, note: bytes, now: datetime) -> None:
    """A head that its log signed and gave to somebody else than a visit of ours: a fork is reported, and nothing else is.

    Of the size of one that is kept the two notes are proof enough; of a smaller one our own tiles tell. What lies beyond what is held
    here is told by the visit that brings it.
    """
    with db.read() as tx:
        log = logs.log_of(tx, origin)
        head = verify_authorship(note, parse_vkey(log.vkey))
        kept, read = logs.kept_checkpoint(tx, log, head.size), logs.reader(tx, log, log.size)
        earlier = kept[1] if kept is not None else log.note if head.size < log.size else None
        # A note that is false by itself, an empty tree with a root, is its own counterpart.
        evidence = fork_evidence(log, note if earlier is None else earlier, note, read)
    if evidence is not None:
        with db.write() as tx:
            report_fork(tx, log, evidence, now)


def meet(db: Database, peer: PeerLog, log: LogState, now: datetime) -> None:
    """What another node holds of this log against what is held here. A fork is reported; what does not lead there says nothing of the log.

    1. Up to our size our own tiles tell. 2. Beyond it the other node's do: its tree begins with ours, or that is the proof.
    Raises what is wrong with the note or the tiles, and Forked.
    """
    note = peer.checkpoint()
    head = verify_authorship(note, parse_vkey(log.vkey))
    if head.size <= log.size:  # 1
        confront(db, log.origin, note, now)
        return
    with db.read() as tx:
        kept = logs.kept_checkpoint(tx, log, head.size)
    if kept is not None and kept[0] != head.root:
        evidence = fork_evidence(log, kept[1], note, None)
        if evidence is not None:
            with db.write() as tx:
                raise report_fork(tx, log, evidence, now)
    tree = SignedTree(peer, head)  # 2
    if log.size and tree.root(log.size) != log.root:
        why = BadProof(f"the tree that {peer.node_url} holds at size {head.size} does not begin with ours")
        raise contradicted(db, log, tree, note, why, now)
