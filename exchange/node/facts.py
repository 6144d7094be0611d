"""What is known of a node when it is judged (checks.py): values, brought by gather.py from its machine and by cli/check.py from the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as it answers under its address; `ahead` is by how much its clock is ahead of ours."""

    url: str
    error: str | None
    participant: str
    origin: str
    vkey: str
    version: str
    ahead: timedelta | None
    instance: str = ""
    cosignatures: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """A peer: as it answers now, and how the node's own visits went."""

    participant: str
    seen: Seen
    contacted: datetime | None
    failures: int
    error: str | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key file of the node, and what is wrong with it, if anything is."""

    name: str
    problem: str | None
    next_step: str | None


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """What the database says of itself."""

    size: int
    forms_unknown: dict[str, int]
    owed: int
    overdue: int
    waiting: int
    restored: str | None
    signed: datetime | None = None  # when the newest checkpoint of the own log was made


@dataclass(frozen=True, slots=True)
class TrustFacts:
    """The founders' list that the node holds: versions, until when its files are good, and since when nobody vouches for it."""

    root: int
    targets: int
    participants: int
    good_until: datetime
    stale_since: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged. `certificate` is (until, error) of an https address; `stored` is None where it could not be read."""

    now: datetime
    directory: str
    url: str
    loopback: bool
    participant: str
    origin: str
    vkey: str
    version: str
    seen: Seen
    certificate: tuple[datetime | None, str | None] | None
    running: bool
    refusing: str | None
    peers: Sequence[PeerFacts]
    disk_free: int
    disk_min: int
    backup: tuple[datetime, str] | None
    keys: Sequence[KeyFacts]
    officers: int
    schema: str | None
    newest_schema: str
    database_error: str | None
    stored: StoredFacts | None = field(default=None)
    instance: str = ""  # of the process that runs here
    trust: TrustFacts | None = None  # where founders sign who takes part
