"""Many submissions in one request, one a line, recorded in one transaction under one checkpoint.

    {"envelope": BASE64, "documents": [...]} LF          each line as one submission in JSON (node/offer.py)

The answer has one line for each, in their order: what the door would have answered to it alone, a receipt or a problem; one that
is not right takes nothing from the others. A body that is no sequence of lines is refused before anything of it is looked at: the
last line ends like every other, so that a body that was cut off is seen to be. Nothing is answered before the commit.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from fastapi import Request, Response

from exchange.api.bridge import Bridge
from exchange.api.problems import NO_STORE, told
from exchange.api.request import read_body
from exchange.api.room import Room
from exchange.errors import ExchangeError, LogStopped, Malformed, TooLarge
from exchange.node.appender import Answer, Recorded
from exchange.node.judge import Candidate, Door
from exchange.node.lines import Judged, JudgeLines, judge_lines
from exchange.node.node import Node
from exchange.node.packing import receipts_of
from exchange.node.submit import door_of, recorded_before

LINES = "application/x-ndjson"
MAX_LINES = 1_000
MAX_BATCH = 16 * 1024 * 1024  # bytes
READING = 120.0  # seconds that a batch may take to arrive
MANY = 128  # lines from which on it is worth asking the workers
PART = 256  # lines of one job


@dataclass(slots=True)
class _Line:
    """A line, and what became of it. `envelope` is None where the line had none."""

    envelope: bytes | None
    outcome: Candidate | Answer


async def submit_lines(request: Request, room: Room) -> Response:
    """1. The lines. 2. Each is judged as if it came alone. 3. Those that are right are recorded together. 4. Everybody is answered."""
    node = room.node
    try:
        async with asyncio.timeout(READING):
            body = await read_body(request, MAX_BATCH)  # 1
    except TimeoutError:
        raise Malformed(f"a batch arrives within {READING:.0f} seconds; send a smaller one") from None
    lines = await _judge(room, door_of(node), _split(body))  # 2
    await _record(request, node, lines)  # 3
    return Response(await asyncio.to_thread(_answer, node, lines), headers=NO_STORE, media_type=LINES)  # 4


def _split(body: bytes) -> list[bytes]:
    if not body.endswith(b"\n"):
        raise Malformed("a batch is one line for each submission, and every line ends in a line feed, the last one too")
    if body.count(b"\n") > MAX_LINES:
        raise TooLarge(f"at most {MAX_LINES:,} submissions are taken in one batch")
    return body[:-1].split(b"\n")


async def _judge(room: Room, door: Door, lines: Sequence[bytes]) -> list[_Line]:
    if room.workers is None or len(lines) < MANY or not room.workers.spare(JudgeLines.by(door, ())):
        judged = await asyncio.to_thread(judge_lines, lines, door)
    else:
        parts = [lines[at : at + PART] for at in range(0, len(lines), PART)]
        jobs = [room.workers.submit(JudgeLines.by(door, part)) for part in parts]
        done: list[list[Judged]] = await asyncio.gather(*map(asyncio.wrap_future, jobs))
        judged = [line for part in done for line in part]
    return [_Line(one.envelope, one.candidate(door.participants)) for one in judged]


async def _record(request: Request, node: Node, lines: Sequence[_Line]) -> None:
    right = [(line, line.outcome) for line in lines if isinstance(line.outcome, Candidate)]
    if not right:
        return
    answers: list[Answer]
    try:
        answers = await Bridge.of(request).wait(node.appender.submit_all([candidate for _, candidate in right]))
    except LogStopped as error:
        answers = [error for _ in right]
    for (line, _), answer in zip(right, answers, strict=True):
        line.outcome = answer


def _answer(node: Node, lines: Sequence[_Line]) -> bytes:
    _find_again(node, lines)
    old = {line.outcome.index for line in lines if isinstance(line.outcome, Recorded) and line.outcome.head is None}
    receipts = receipts_of(node, old) if old else {}
    answers = []
    for line in lines:
        match line.outcome:
            case Recorded(head=head, index=index) as recorded:
                receipt = receipts[index] if head is None else head.receipt(index)
                answers.append(receipted(node, recorded, receipt))
            case ExchangeError() as error:
                answers.append(orjson.dumps(told(error)))
    return b"\n".join([*answers, b""])


def _find_again(node: Node, lines: Sequence[_Line]) -> None:
    """What stands already is answered again, whatever speaks against it now, and whether or not its documents came along."""
    refused = [line for line in lines if isinstance(line.outcome, ExchangeError) and line.envelope is not None]
    if refused:
        before = recorded_before(node, [line.envelope or b"" for line in refused])
        for line, recorded in zip(refused, before, strict=True):
            line.outcome = recorded or line.outcome


def receipted(node: Node, recorded: Recorded, receipt: bytes) -> bytes:
    """The answer to one that is recorded."""
    return orjson.dumps(
        {
            "id": recorded.id,
            "origin": node.origin,
            "index": recorded.index,
            "new": recorded.new,
            "receipt": receipt.decode(),
        }
    )
