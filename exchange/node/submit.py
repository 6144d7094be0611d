"""What comes to the door of a running node, and what of it stands in its log already."""

from collections.abc import Sequence

from exchange.errors import ExchangeError
from exchange.node.appender import Recorded
from exchange.node.judge import Door, Submission
from exchange.node.node import Node
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.rows import id_of


def door_of(node: Node) -> Door:
    """As it stands now."""
    return Door(node.origin, node.appender.size, node.participants, node.catalogue, node.clock())


def arriving(node: Node, envelope: bytes) -> Submission:
    """One whose documents are still to come: those of what stands already, or cannot be taken now, are not read."""
    submission = Submission(door_of(node), envelope, *standing(node, [envelope]))
    if submission.stands is None:
        node.appender.check()
    return submission


def recorded_before(node: Node, envelopes: Sequence[bytes]) -> list[Recorded | None]:
    """Where these submissions stand already; None for one that does not, or is not the State's word where it does: a forgery."""
    door, found = door_of(node), list[Recorded | None]()
    for envelope, index in zip(envelopes, standing(node, envelopes), strict=True):
        try:
            found.append(None if index is None else again(Submission(door, envelope, index)))
        except ExchangeError:
            found.append(None)
    return found


def again(submission: Submission) -> Recorded | None:
    """The answer to what stands already."""
    stands = submission.stands
    return None if stands is None else Recorded(submission.admitted.id, stands, new=False)


def standing(node: Node, envelopes: Sequence[bytes]) -> list[int | None]:
    """The index at which the statement in each of these envelopes stands in this log already, whoever signed it."""
    idents = [id_of(envelope) for envelope in envelopes]
    with node.db.read() as tx:
        found = intake.standing(tx, logs.log_of(tx, node.origin), {ident for ident in idents if ident is not None})
    return [None if ident is None else found.get(ident) for ident in idents]
