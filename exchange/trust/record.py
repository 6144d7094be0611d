"""One participant's record: its logs, its keys, and what each key may sign, where.

Guarantees: whether a key counts is decided by a position in the participant's own sequence of logs, never by a clock;
the status with its dates is shown to people and decides nothing. Keyids are computed here and never read, so one key
cannot pass as two (reference/trust.md 2.4, pitfall 1). A key of an algorithm that this version does not know is kept
and verifies nothing: one participant that moves to a new algorithm early must not stop all others (pitfall 2).

Specification: DESIGN.md section 2 (Participant record, Key kinds) and section 4 (rules 4 and 8). How a record is
written: recordtext.py; what records owe one another, and a record to the one before it: participants.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from exchange.core.keys import Kind, PublicKey
from exchange.core.note import Vkey
from exchange.core.sealing import SealingKey

# The log's ordinal in record.logs, and the index in that log; compared as tuples, so that all logs make one sequence.
Position = tuple[int, int]

STATE_KINDS = ("participating State", "Partner")
OTHER_KINDS = ("organisation", "Secretariat")
STATES = ("active", "suspended", "left")
PLATFORM_FORMS = "PLT-"
ANY_FORM = "*"


@dataclass(frozen=True, slots=True)
class UnreadKey:
    """A public key of an algorithm that this version does not know: it is listed, and verifies nothing."""

    raw: bytes

    @property
    def keyid(self) -> str:
        return sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class ParticipantKey:
    """One key and its range: in force at every position from `start` up to, and not including, `before`."""

    kind: Kind
    algorithm: str
    public_key: PublicKey | SealingKey | UnreadKey
    roles: tuple[str, ...]
    may_sign: tuple[str, ...]
    start: Position
    before: Position | None

    def why_not(self, form_code: str, position: Position) -> str | None:
        """None where this key may sign that form at that position, else the reason in words."""
        reason = self.why_never(form_code, position)
        if reason is None and self.before is not None and position >= self.before:
            reason = f"it counts before position {show(self.before)}, this is {show(position)}"
        return reason

    def why_never(self, form_code: str, position: Position) -> str | None:
        """The same, but for where its State ended it: that makes an entry disputed, and it stays (DESIGN rule 8)."""
        if self.kind not in (Kind.SIGNING, Kind.NODE_SUBMISSION):
            return f"it is a {self.kind} key, which signs no submissions"
        if position < self.start:
            return f"it counts from position {show(self.start)}, this is {show(position)}"
        # A node's online key is the easiest to steal: no wildcard and no State's return, whatever its record says.
        online = self.kind is Kind.NODE_SUBMISSION
        if online and not form_code.startswith(PLATFORM_FORMS):
            return f"it is a node submission key, which signs {PLATFORM_FORMS}* forms only, not {form_code}"
        if form_code not in self.may_sign and (online or ANY_FORM not in self.may_sign):
            return f"it may sign {', '.join(self.may_sign) or 'nothing'}, not {form_code}"
        return None


@dataclass(frozen=True, slots=True)
class Closed:
    """Where a log ended: what stands in it at or beyond `size` is disputed by its participant."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class ParticipantLog:
    origin: str
    vkey: Vkey
    closed: Closed | None = None


class Replaced(NamedTuple):
    """The founders put other identity keys in the place of those that a State had lost, in public since `published`; what
    stands in its logs from the ordinal `log` on rests on that, for ever (DESIGN section 4, rule 4)."""

    log: int
    published: datetime


class Standing(NamedTuple):
    """One line of the status history; `since` is a date, YYYY-MM-DD."""

    state: str
    since: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many distinct keys a submission needs: by form code, `*` for all others, and for an erasure."""

    forms: Mapping[str, int]
    erasure: int


@dataclass(frozen=True, slots=True)
class ParticipantRecord:
    """What the federation knows of one participant. Logs and keys are all it ever had, ended ones included."""

    participant: str
    kind: str
    names: Mapping[str, str]
    node_url: str
    operator: str
    status: tuple[Standing, ...]
    logs: tuple[ParticipantLog, ...]
    keys: tuple[ParticipantKey, ...]
    thresholds: Thresholds
    _by_keyid: Mapping[str, ParticipantKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_keyid", {key.public_key.keyid: key for key in self.keys})

    @property
    def current_log(self) -> ParticipantLog:
        return self.logs[-1]

    def name(self, lang: str = "en") -> str:
        return self.names.get(lang) or self.names.get("en") or next(iter(self.names.values()), self.participant)

    def log_ordinal(self, origin: str) -> int | None:
        return next((ordinal for ordinal, log in enumerate(self.logs) if log.origin == origin), None)

    def threshold(self, form_code: str) -> int:
        return self.thresholds.forms.get(form_code, self.thresholds.forms.get(ANY_FORM, 1))

    def key(self, keyid: str) -> ParticipantKey | None:
        """The key of that id, whatever its kind and range; None where this record never held it."""
        return self._by_keyid.get(keyid)

    @property
    def sealing_key(self) -> SealingKey | None:
        """The newest that letters to this participant are sealed to; None where there is none. Those before it still open old ones."""
        for key in reversed(self.keys):
            if key.before is None and isinstance(key.public_key, SealingKey):
                return key.public_key
        return None

    def keys_for(self, form_code: str, position: Position) -> dict[str, PublicKey]:
        """The keys that may sign that form at that position, by keyid."""
        return {
            keyid: key.public_key
            for keyid, key in self._by_keyid.items()
            if isinstance(key.public_key, PublicKey) and key.why_not(form_code, position) is None
        }


def show(position: Position) -> str:
    return f"{position[0]}:{position[1]}"
