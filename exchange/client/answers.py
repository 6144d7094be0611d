"""What a node answers, as types: a value passes only if every field named here is there and of its type.

Fields that are not known here are left alone, so that a newer node is understood (schemas/README.md section 16). What the words
and numbers mean is not looked at: nothing of this is proof.
"""

from collections.abc import Iterable
from functools import lru_cache
from types import UnionType
from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict


class HeadStanding(TypedDict):
    """How a head stands; `stale`: no quorum of the last day vouches for it as the newest."""

    standing: str
    cosignatures: str
    not_later_than: str | None
    newest_quorum: str | None
    stale: bool


class TrustStanding(TypedDict):
    """The founders' list; `stale_since`: since when nobody vouches that it is the newest."""

    root: int
    root_sha256: str
    targets: int | None
    participants: int
    stale_since: str | None


class Replacement(TypedDict):
    """The founders put other identity keys in the place of those that a State had lost; `origin`: the log opened under them."""

    participant: str
    published: str
    origin: str | None


class Node(TypedDict):
    participant: str
    federation: str
    live: bool
    origin: str
    log_vkey: str
    size: int
    version: str
    instance: str
    witness_vkey: str
    witness_url: str
    head: HeadStanding
    trust: TrustStanding | None


class Head(TypedDict):
    participant: str
    origin: str
    size: int
    root: str
    admitted: int
    disputed: int
    refused: int
    waiting: int


class Peer(TypedDict):
    participant: str
    node_url: str
    size: int
    attempted: str | None
    contacted: str | None
    error: str | None
    failures: int
    paused_until: str | None
    documents_missing: int
    head: HeadStanding | None


class Place(TypedDict):
    """An index in a log."""

    origin: str
    index: int


class Erased(TypedDict):
    """By which order a document is not shown: an erasure, or the statement's own `retain_until`; `destroyed`: it is not there any more."""

    by: str
    order: Place | None
    destroyed: bool


class DocumentState(TypedDict):
    """`held`: whether this node has it, and its name and size are known; `readers`: who may read it now."""

    slot: str
    media_type: str
    language: str | None
    audience: str
    readers: str
    commitment: str
    held: bool
    name: str | None
    size: int | None
    erased: Erased | None


_Registered = TypedDict("_Registered", {"return": str})


class Submission(_Registered):
    """`standing` is recorded or witnessed; `not_later_than` is the time that other States vouch for."""

    id: str
    participant: str
    origin: str
    index: int
    form: str
    form_version: int
    obligations: list[str]
    series: str
    issued: str
    period: dict[str, str] | None
    message: str
    status: str
    current: bool
    fits: str
    standing: str
    disputed: Place | None
    cosignatures: str
    not_later_than: str | None
    late: bool
    identity_replaced: str | None
    account: str
    documents: list[DocumentState]


class Found(Submission):
    """`context`: a piece of the text in which it was found."""

    context: str | None


class Findings(TypedDict):
    """`unsearched`: how many submissions, at most, the node cannot find by all of their text yet."""

    items: list[Found]
    unsearched: int


class Order(TypedDict):
    """What an erasure names (`slot` None: all of it), and how that stands at this node."""

    id: str
    slot: str | None
    verdict: str
    since: str | None
    destroyed: str | None


class SubmissionWhole(Submission):
    """`body` where it is held and fits; `orders` of an erasure; `history`: the ids of the series, oldest first."""

    statement: dict[str, Any]
    body: Any
    orders: list[Order]
    history: list[str]


class Source(TypedDict):
    """Where a contact stands, to check it by."""

    id: str
    origin: str
    index: int
    standing: str
    cosignatures: str
    not_later_than: str | None
    late: bool
    identity_replaced: str | None


class Contact(TypedDict):
    """Fields of the form are as the State stated them, often the text `not stated`; `contact` is the whole of it."""

    participant: str
    name: str
    form: str
    role: Any
    status: str
    reachable: str
    reachable_until: str | None
    local_time: str | None
    phone: Any
    email: Any
    institution: Any
    languages: Any
    freshness: str
    confirmed: str
    confirm_by: Any
    contact: dict[str, Any]
    source: Source


class Contacts(TypedDict):
    at: str
    items: list[Contact]


class FormState(TypedDict):
    code: str
    version: int
    sha256: str
    title: dict[str, str]
    obligations: list[str]
    audience: str


class Share(TypedDict):
    """The forms of which a return of this participant is current."""

    participant: str
    forms: list[str]


class ObligationState(TypedDict):
    """A clause of a decision, the forms that serve it, and what each participant chose to share."""

    id: str
    decision: str
    clause: str
    title: dict[str, str]
    forms: list[str]
    shared: list[Share]


class Finding(TypedDict):
    """An entry in somebody's log that tells of the same misused key, with evidence that convicts it."""

    participant: str
    origin: str
    index: int
    id: str
    evidence_id: str


class Alert(TypedDict):
    id: str
    kind: str
    participant: str
    origin: str
    raised: str
    summary: str
    evidence: dict[str, Any]
    evidence_id: str | None
    found_by: list[Finding]
    local: str | None


class Entry(TypedDict):
    """An entry that was not admitted, with the reason."""

    index: int
    id: str | None
    verdict: str
    code: str
    reason: str
    withheld: str | None


class Participants(TypedDict):
    """`items` are records, as the node holds them: pin those that you compared with the State itself."""

    federation: str
    live: bool
    stale_since: str | None
    identity_replacements: list[Replacement]
    items: list[dict[str, Any]]


class Recorded(TypedDict):
    """`new` is false where the same submission stood there before; `receipt` is a C2SP tlog-proof."""

    id: str
    origin: str
    index: int
    new: bool
    receipt: str


class Visit(TypedDict):
    """One visit of a node to a peer (`cbm pull`)."""

    participant: str
    error: str | None
    pulled: list[dict[str, Any]]


def fault(kind: Any, value: Any, pointer: str = "") -> str | None:
    """Where the value is not of that type (RFC 6901), or None where it is all through."""
    inside = _inside(kind, value)
    if inside is None:
        return pointer
    found = (fault(each, part, f"{pointer}/{name}") for name, each, part in inside)
    return next((where for where in found if where is not None), None)


def _inside(kind: Any, value: Any) -> Iterable[tuple[str | int, Any, Any]] | None:
    """Name, type and value of everything in a value of that type; None where it is no such value."""
    if kind is Any:
        return ()
    if is_typeddict(kind):
        hints = _hints(kind)
        if type(value) is not dict or not hints.keys() <= value.keys():
            return None
        return ((name, hint, value[name]) for name, hint in hints.items())
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return () if any(fault(each, value) is None for each in arguments) else None
    if origin is list:
        return ((at, arguments[0], part) for at, part in enumerate(value)) if type(value) is list else None
    if origin is dict:
        return ((at, arguments[1], part) for at, part in value.items()) if type(value) is dict else None
    return () if type(value) is kind else None  # exactly: a bool is no int here


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
