"""A submission that streams in, in the parts of multipart/form-data: the envelope is judged before another byte is read."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future

from fastapi import Request

from exchange.api.request import PartReader
from exchange.core.dsse import MAX_ENVELOPE
from exchange.errors import DocumentsMissing, Malformed
from exchange.node.appender import Recorded
from exchange.node.judge import Submission
from exchange.node.node import Node
from exchange.node.offer import MAX_OPENING_PART, parse_opening_part
from exchange.node.submit import arriving
from exchange.store.folder import Arrival


async def receive(request: Request, node: Node) -> tuple[Submission, list[Arrival]]:
    """The envelope first; then each document, hashed while it streams to its file. No document of what stands already is read."""
    parts = PartReader(request)
    if await parts.start() != "envelope":
        raise Malformed("the first part of a submission is its envelope")
    envelope = await parts.read_whole(MAX_ENVELOPE)
    submission = await asyncio.to_thread(arriving, node, envelope)
    arrivals: list[Arrival] = []
    try:
        while submission.stands is None and (name := await parts.start()) is not None:
            if name != "opening":
                raise Malformed("each document is preceded by its opening")
            arrivals.append(await _document(node, parts, submission, len(arrivals)))
    except BaseException:
        _discard(arrivals)
        raise
    return submission, arrivals


async def _document(node: Node, parts: PartReader, submission: Submission, number: int) -> Arrival:
    """One document, which must be the one committed to: a wrong one ends the reading."""
    opening = parse_opening_part(await parts.read_whole(MAX_OPENING_PART))
    submission.expected(number, opening.slot)
    if await parts.start() != "content":
        raise DocumentsMissing(f"after the opening of {opening.slot!r} its content was expected")
    incoming = node.files.receive(opening.slot, opening.name, opening.opening)
    try:
        while piece := await parts.read():
            incoming.write(piece)
        submission.committed(number, opening.slot, incoming.commitment())
        return await asyncio.to_thread(incoming.seal)
    except BaseException:
        incoming.discard()
        raise


def hand_over(node: Node, submission: Submission, arrivals: list[Arrival]) -> Future[Recorded]:
    """Queue what was checked in full. Files that the appender did not move into their place are of no use to anybody."""
    try:
        outcome = node.appender.submit(submission.candidate(arrivals))
    except BaseException:
        _discard(arrivals)
        raise
    outcome.add_done_callback(lambda _: _discard(arrivals))
    return outcome


def _discard(arrivals: Iterable[Arrival]) -> None:
    for arrival in arrivals:
        if arrival.incoming is not None:
            arrival.incoming.discard()
