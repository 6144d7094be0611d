"""The local record: who did and read what at this node, each line bound to the one before it.

Guarantee: where `faults` finds nothing, no line was changed, put between or taken out since it was written, except at the end, which a
line that was kept elsewhere shows (`holds`), and except what a line of retention says was let go. A line holds who, when,
what and an id; never content, names or titles.

    sha256 of line n = SHA-256("cbm-act/1" 0x00 || JSON [sha256 of line n-1, n, at, key, roles, what, subject])

The JSON is canonical, the hash before the first line 64 zeros. A `retention` line has as its subject the number and hash of the last
line that was let go, `1200:<64 hex digits>`; the lines that are left begin behind it. Specification: schemas/README.md section 22.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from exchange.core.jsontext import canonical_json
from exchange.errors import Malformed

BEGINNING = "0" * 64
_is_subject = re.compile(r"[0-9A-Za-z:./-]{0,128}").fullmatch


class What(StrEnum):
    """What can be recorded."""

    SESSION_OPENED = "session opened"
    SESSION_ENDED = "session ended"
    DRAFT_CREATED = "draft created"
    DRAFT_READ = "draft read"
    DRAFT_CHANGED = "draft changed"
    DRAFT_SIGNED = "draft signed"
    RELEASE_ASKED = "release asked for"
    DRAFT_RELEASED = "draft released"
    DRAFT_DELETED = "draft deleted"
    DOCUMENT_READ = "document read"
    ACTS_READ = "local record read"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Act:
    """One line. `roles` are those that the key had at that moment, sorted; `at` is ISO 8601 in UTC."""

    seq: int
    at: str
    key: str
    roles: tuple[str, ...]
    what: str
    subject: str
    sha256: str


def next_act(
    before: tuple[int, str] | None, *, at: str, key: str, roles: Sequence[str], what: What, subject: str
) -> Act:
    """The line behind (number, hash). A subject is an id or a place and no words."""
    if not _is_subject(subject):
        raise Malformed("the subject of an act is an id of at most 128 letters, digits and : . / -")
    seq, chained = before or (0, BEGINNING)
    return _sealed(chained, Act(seq + 1, at, key, tuple(sorted(roles)), str(what), subject, ""))


def _sealed(chained: str, act: Act) -> Act:
    said = [chained, act.seq, act.at, act.key, list(act.roles), act.what, act.subject]
    digest = hashlib.sha256(b"cbm-act/1\0" + canonical_json(said)).hexdigest()
    return Act(act.seq, act.at, act.key, act.roles, act.what, act.subject, digest)


def let_go(last: Act) -> str:
    """The subject of the line of retention that follows."""
    return f"{last.seq}:{last.sha256}"


def faults(acts: Sequence[Act]) -> list[str]:
    """What does not hold of all lines that are left, in their order; empty where everything does."""
    if not acts:
        return []
    found, (seq, chained) = [], _beginning(acts)
    for act in acts:
        if act.seq != seq + 1:
            missing = f"line {seq + 1} is" if act.seq == seq + 2 else f"lines {seq + 1} to {act.seq - 1} are"
            found.append(f"{missing} missing")
        elif _sealed(chained, act).sha256 != act.sha256:
            found.append(f"line {act.seq} is not what was written, or does not follow the one before it")
        seq, chained = act.seq, act.sha256
    return found


def _beginning(acts: Sequence[Act]) -> tuple[int, str]:
    """Number and hash of the line before the first that is left, as the newest line of retention has it."""
    for act in reversed(acts):
        if act.what == What.RETENTION:
            seq, _, digest = act.subject.partition(":")
            return int(seq) if seq.isdigit() else 0, digest
    return 0, BEGINNING


def holds(acts: Sequence[Act], digest: str) -> bool:
    """Whether a line that was kept elsewhere still stands among these, or was let go as the last of them."""
    return any(act.sha256 == digest or act.subject.endswith(f":{digest}") for act in acts)
