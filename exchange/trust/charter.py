"""What the founders sign: who takes part since when, whose identity keys, who relays, who sat as a witness when.

Guarantees: `parse_charter` takes any parsed JSON and raises only Malformed or RecordRefused; a charter that replaces
another only adds (`check_charter_follows`): nobody is dropped, no status, no former identity key, no roster of the past
is rewritten. So absence is never the record of anything (reference/trust.md 2.4, pitfall 5).

It is the one target that the founders sign themselves, `federation.json`, inline in `custom`:

    {"v": 1, "federation": "cbm.example", "live": false,
     "relays": [{"participant": "XR", "key": "Ed25519:..."}],
     "rosters": [{"since": "2026-11-22T00:00:00Z", "seats": [{"participant": "XR", "operator": "Ministry"}]}],
     "participants": [{"participant": "XR", "kind": "participating State", "operator": "Ministry",
       "status": [{"state": "active", "since": "2026-11-22", "decision": "PC.DEC/1202"}],
       "quota": {"entries_per_day": 1000, "bytes_per_day": 100000000},
       "identities": [{"keys": ["Ed25519:..."], "threshold": 1, "by": "founders",
                       "published": "2026-11-22T00:00:00Z", "log": null, "signatures": {}}],
       "final": null}]}

`final` names the last record of a participant that has left: the delegation is gone then, and no later record counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.identity import IdentityKey, parse_identity
from exchange.core.jsonfields import is_digest, read_second
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.errors import Malformed, RecordRefused, Unverified
from exchange.trust.identities import MAX_CHANGES, Identity, check_history_grows, check_identities, in_force
from exchange.trust.record import OTHER_KINDS, STATE_KINDS, STATES, Standing
from exchange.trust.recordtext import (
    MAX_LISTED,
    parse_date,
    parse_integer,
    parse_list,
    parse_object,
    parse_text,
    parse_words,
    wrong,
)
from exchange.trust.rolefile import MAX_VERSION
from exchange.trust.roster import Quota, Roster, Rosters, Seat

T = TypeVar("T")

MAX_IDENTITY_KEYS = 16
MAX_RELAYS = 100
MAX_SIGNATURES = 2 * MAX_IDENTITY_KEYS


@dataclass(frozen=True, slots=True)
class Decided:
    """One line of the status history, and the decision that made it so, as people cite it."""

    state: str
    since: str
    decision: str


@dataclass(frozen=True, slots=True)
class Final:
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """One participant as the founders know it. Its own record says the rest."""

    participant: str
    kind: str
    operator: str
    status: tuple[Decided, ...]
    quota: Quota
    identities: tuple[Identity, ...]
    final: Final | None = None

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(Standing(line.state, line.since) for line in self.status)


@dataclass(frozen=True, slots=True)
class Relay:
    """A founder's node that vouches for freshness, by a key of its own."""

    participant: str
    key: IdentityKey


@dataclass(frozen=True, slots=True)
class Charter:
    federation: str
    live: bool
    relays: tuple[Relay, ...]
    rosters: Rosters
    members: Mapping[str, Member]

    def __post_init__(self) -> None:
        for code, member in self.members.items():
            if not member.status or not member.identities or code != member.participant:
                raise RecordRefused(f"{code}: expected a status and identity keys at least")
            if list(member.status) != sorted(member.status, key=lambda line: line.since):
                raise RecordRefused(f"{code}: expected the status history oldest first")
            if code.startswith("ORG-") == (member.kind in STATE_KINDS):
                raise RecordRefused(f"{code}: a State or Partner has two letters, any other ORG-...")
            check_identities(self.federation, code, member.identities)
        for roster in self.rosters.history:
            for seat in roster.seats:
                if seat.participant not in self.members:
                    raise RecordRefused(f"{seat.participant} has a seat as a witness and takes no part")
        for relay in self.relays:
            if relay.participant not in self.members:
                raise RecordRefused(f"{relay.participant} is a relay and takes no part")


def check_charter_follows(old: Charter, new: Charter, seen: Mapping[str, datetime], now: datetime) -> None:
    """Raises RecordRefused unless `new` only adds to `old`."""
    if new.federation != old.federation:
        raise RecordRefused(f"expected the federation {old.federation}, got {new.federation}")
    for code, before in old.members.items():
        after = new.members.get(code)
        if after is None:
            raise RecordRefused(f"{code} was dropped; who left stays listed, with the date")
        if after.kind != before.kind or after.status[: len(before.status)] != before.status:
            raise RecordRefused(f"{code}: kind stays and the status history only grows")
        until = in_force(old.federation, code, before.identities, seen, now)
        check_history_grows(code, before.identities, after.identities, until)
    if new.rosters.history[: len(old.rosters.history)] != old.rosters.history:
        raise RecordRefused("the history of the rosters was rewritten; it only grows")


def format_charter(charter: Charter) -> dict[str, Any]:
    return {
        "v": 1,
        "federation": charter.federation,
        "live": charter.live,
        "relays": [{"participant": relay.participant, "key": relay.key.text} for relay in charter.relays],
        "rosters": [
            {
                "since": _second(roster.since),
                "seats": [{"participant": seat.participant, "operator": seat.operator} for seat in roster.seats],
            }
            for roster in charter.rosters.history
        ],
        "participants": [_format_member(member) for member in charter.members.values()],
    }


def _format_member(member: Member) -> dict[str, Any]:
    return {
        "participant": member.participant,
        "kind": member.kind,
        "operator": member.operator,
        "status": [{"state": a.state, "since": a.since, "decision": a.decision} for a in member.status],
        "quota": {
            "entries_per_day": member.quota.entries_per_day,
            "bytes_per_day": member.quota.bytes_per_day,
        },
        "identities": [format_identity(identity) for identity in member.identities],
        "final": member.final and {"version": member.final.version, "sha256": member.final.sha256},
    }


def format_identity(identity: Identity) -> dict[str, Any]:
    return {
        "keys": [key.text for key in identity.keys],
        "threshold": identity.threshold,
        "by": identity.by,
        "published": _second(identity.published),
        "log": identity.log,
        "signatures": {text: format_base64(signature) for text, signature in sorted(identity.signatures.items())},
    }


def _second(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_charter(value: Any) -> Charter:
    fields = parse_object(value, "", ("v", "federation", "live", "relays", "rosters", "participants"))
    parse_integer(fields["v"], "/v", least=1, most=1)
    if not isinstance(fields["live"], bool):
        raise wrong("/live", "true or false", fields["live"])
    members: dict[str, Member] = {}
    for at, item in parse_list(fields["participants"], "/participants"):
        member = _parse_member(item, at)
        if member.participant in members:
            raise RecordRefused(f"{member.participant} stands twice", pointer=at)
        members[member.participant] = member
    return Charter(
        federation=parse_text(fields["federation"], "/federation", is_federation, "a name such as cbm.example"),
        live=fields["live"],
        relays=tuple(_parse_relay(item, at) for at, item in parse_list(fields["relays"], "/relays", most=MAX_RELAYS)),
        rosters=Rosters(tuple(_parse_roster(item, at) for at, item in parse_list(fields["rosters"], "/rosters"))),
        members=members,
    )


def _parse_relay(value: Any, at: str) -> Relay:
    fields = parse_object(value, at, ("participant", "key"))
    return Relay(_code(fields["participant"], f"{at}/participant"), _key(fields["key"], f"{at}/key"))


def _parse_roster(value: Any, at: str) -> Roster:
    fields = parse_object(value, at, ("since", "seats"))
    seats = []
    for here, item in parse_list(fields["seats"], f"{at}/seats"):
        seat = parse_object(item, here, ("participant", "operator"))
        seats.append(
            Seat(_code(seat["participant"], f"{here}/participant"), parse_words(seat["operator"], f"{here}/operator"))
        )
    return Roster(_time(fields["since"], f"{at}/since"), tuple(seats))


_MEMBER = ("participant", "kind", "operator", "status", "quota", "identities", "final")


def _parse_member(value: Any, at: str) -> Member:
    fields = parse_object(value, at, _MEMBER)
    quota = parse_object(fields["quota"], f"{at}/quota", ("entries_per_day", "bytes_per_day"))
    return Member(
        participant=_code(fields["participant"], f"{at}/participant"),
        kind=parse_text(fields["kind"], f"{at}/kind", (STATE_KINDS + OTHER_KINDS).__contains__, "a kind"),
        operator=parse_words(fields["operator"], f"{at}/operator"),
        status=tuple(
            _parse_decided(item, here) for here, item in parse_list(fields["status"], f"{at}/status", least=1)
        ),
        quota=Quota(
            *(parse_integer(quota[name], f"{at}/quota/{name}") for name in ("entries_per_day", "bytes_per_day"))
        ),
        identities=tuple(
            parse_identity_change(item, here)
            for here, item in parse_list(fields["identities"], f"{at}/identities", least=1, most=MAX_CHANGES)
        ),
        final=_parse_final(fields["final"], f"{at}/final"),
    )


def _parse_decided(value: Any, at: str) -> Decided:
    fields = parse_object(value, at, ("state", "since", "decision"))
    since = parse_date(fields["since"], f"{at}/since")
    state = parse_text(fields["state"], f"{at}/state", STATES.__contains__, f"one of {', '.join(STATES)}")
    return Decided(state, since, parse_words(fields["decision"], f"{at}/decision"))


def _parse_final(value: Any, at: str) -> Final | None:
    if value is None:
        return None
    fields = parse_object(value, at, ("version", "sha256"))
    version = parse_integer(fields["version"], f"{at}/version", least=1, most=MAX_VERSION)
    return Final(version, parse_text(fields["sha256"], f"{at}/sha256", is_digest, "64 lower-case hex digits"))


def parse_identity_change(value: Any, at: str = "") -> Identity:
    fields = parse_object(value, at, ("keys", "threshold", "by", "published", "log", "signatures"))
    keys = parse_list(fields["keys"], f"{at}/keys", least=1, most=MAX_IDENTITY_KEYS)
    signatures = fields["signatures"]
    if not isinstance(signatures, dict) or len(signatures) > MAX_SIGNATURES:
        raise wrong(f"{at}/signatures", f"at most {MAX_SIGNATURES} signatures by key", signatures)
    return Identity(
        keys=tuple(_key(item, here) for here, item in keys),
        threshold=parse_integer(fields["threshold"], f"{at}/threshold", least=1, most=len(keys)),
        by=parse_text(fields["by"], f"{at}/by", lambda _: True, "who decided it"),
        published=_time(fields["published"], f"{at}/published"),
        log=None if fields["log"] is None else parse_integer(fields["log"], f"{at}/log", least=1, most=MAX_LISTED),
        signatures={
            text: _guarded(parse_base64, sig, f"{at}/signatures/{text[:40]}") for text, sig in signatures.items()
        },
    )


def _code(value: Any, at: str) -> str:
    return parse_text(value, at, is_participant_code, "a code such as AT")


def _key(value: Any, at: str) -> IdentityKey:
    return _guarded(parse_identity, value, at)


def _time(value: Any, at: str) -> datetime:
    return _guarded(lambda text: datetime.fromisoformat(read_second(text, "since")), value, at)


def _guarded(parse: Callable[[str], T], value: Any, at: str) -> T:
    try:
        return parse(parse_text(value, at, lambda _: True, "a text"))
    except (Malformed, Unverified) as error:
        raise Malformed(f"{at}: {error}", pointer=at) from error
