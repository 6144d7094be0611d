"""The founders' ceremonies: what is drafted, who must sign it, and what is never published.

Guarantees: a draft is always the next version of what lies on the stick; `publish` writes nothing unless every draft is signed to its
threshold and an importer that begins with the pinned root would take all of it without a finding, with everybody in it who was in it
before. So each trap of reference/trust.md 2.4 and 2.3 is refused here, where it can still be mended, in words that say how:
one key under two names, a shared key, a majority that is none, a delegation without a record, a root without the
founders' list signed anew, and break before make.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from exchange.core.identity import IdentityKey
from exchange.errors import Misuse, RecordRefused
from exchange.files import write_whole
from exchange.node.change import Change, read_change
from exchange.node.stick import Signature, Stick
from exchange.trust.charter import Charter, Decided, Final, Member, Relay, check_charter_follows
from exchange.trust.choice import Chosen, choose, pin
from exchange.trust.contents import RootSays, charter_in, read_root
from exchange.trust.drafts import draft_root, draft_targets
from exchange.trust.findings import REPLACEMENT
from exchange.trust.identities import FOUNDERS, Identity, in_force
from exchange.trust.join import Join, read_join
from exchange.trust.record import STATE_KINDS
from exchange.trust.rolefile import ROOT, TARGETS, Authority, RoleFile
from exchange.trust.roster import Quota, Roster, Rosters, Seat
from exchange.trust.summary import summarise

GOOD_FOR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be signed: its bytes, in plain words, and who must sign how many times."""

    name: str
    content: bytes
    words: list[str]
    asked: tuple[tuple[str, Authority], ...]
    signed: frozenset[IdentityKey]

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()

    def may_sign(self, key: IdentityKey) -> bool:
        return any(key in who.keys.values() for _, who in self.asked)

    @property
    def missing(self) -> list[str]:
        """Whose signatures are wanting, and how many."""
        found = []
        for name, who in self.asked:
            wanting = who.threshold - len(self.signed & set(who.keys.values()))
            if wanting > 0:
                found.append(f"{wanting} more of {name}")
        return found


def items(stick: Stick, now: datetime) -> list[Item]:
    """All that waits for signatures on this stick."""
    newest, drafts = stick.newest(), stick.drafts()
    found = []
    for role, file in drafts.items():
        asked = _asked(stick, role, file, {**newest, **drafts}, newest, now)
        signers = frozenset(key for _, who in asked for key in who.signers(file))
        found.append(Item(file.name, file.content, summarise(file, newest.get(role)), asked, signers))
    change = read_change(stick)
    if change is not None:
        signatures = [signature for signature in stick.signatures() if signature.file == change.name]
        found.append(_change_item(change, signatures))
    return found


def _change_item(change: Change, signatures: Iterable[Signature]) -> Item:
    signers = set()
    for signature in signatures:
        if signature.sha256 == sha256(change.content).hexdigest():
            signature.key.verify(change.content, signature.signature)
            signers.add(signature.key)
    return Item(change.name, change.content, change.words, change.asked, frozenset(signers))


def _asked(
    stick: Stick,
    role: str,
    file: RoleFile,
    after: dict[str, RoleFile],
    before: dict[str, RoleFile],
    now: datetime,
) -> tuple[tuple[str, Authority], ...]:
    if role == ROOT:
        asked = [("the founders", read_root(file).root)]
        if ROOT in before:
            asked.append(("the founders of before", read_root(before[ROOT]).root))
        return tuple(asked)
    if role == TARGETS:
        return (("the founders", read_root(after[ROOT]).targets),)
    change = read_change(stick)
    if change is not None and change.before is not None and change.participant == role:
        return ((f"the new identity keys of {role}", Authority.of(change.keys, change.threshold)),)
    if TARGETS in after:
        charter = charter_in(after[TARGETS])
        if role not in charter.members:
            raise Misuse(f"{role} takes no part in {charter.federation}")
        member = charter.members[role]
        identity = member.identities[in_force(charter.federation, role, member.identities, {}, now)]
        return ((f"the identity keys of {role}", identity.authority),)
    join = read_join(stick.read_json("join.json"))
    return ((f"the identity keys of {role}", join.identity(now).authority),)


@dataclass(frozen=True)
class Decision:
    """What the founders decide in one step. Everything left out stays as it is."""

    decision: str
    admit: Sequence[Stick] = ()
    status: Sequence[tuple[str, str]] = ()
    leave: Sequence[str] = ()
    changes: Sequence[Stick] = ()
    records: Sequence[Stick] = ()
    founders: Sequence[IdentityKey] = ()
    threshold: int | None = None
    live: bool | None = None
    operators: dict[str, str] = field(default_factory=dict)


def found_federation(
    stick: Stick, federation: str, founders: Sequence[IdentityKey], threshold: int, decided: Decision, now: datetime
) -> None:
    """Draft the first root and the first list, with those who take part from the beginning. Raises Misuse, RecordRefused."""
    if TARGETS in stick.newest() or stick.drafts():
        raise Misuse(f"{stick.folder} holds a federation already; `cbm federation propose` changes it")
    charter = Charter(federation, bool(decided.live), (), Rosters(), {})
    _propose(stick, charter, tuple(founders), threshold, decided, now)


def propose(stick: Stick, decided: Decision, now: datetime) -> None:
    """Draft the next list, and the next root where founders or relays change. Raises Misuse, RecordRefused."""
    newest = stick.newest()
    if ROOT not in newest or TARGETS not in newest:
        raise Misuse(f"{stick.folder} holds no published list; it begins with `cbm federation init`")
    root = read_root(newest[ROOT])
    founders = tuple(decided.founders) or tuple(root.root.keys.values())
    threshold = root.root.threshold if decided.threshold is None else decided.threshold
    _propose(stick, charter_in(newest[TARGETS]), founders, threshold, decided, now)


def _propose(
    stick: Stick, old: Charter, founders: tuple[IdentityKey, ...], threshold: int, decided: Decision, now: datetime
) -> None:
    newest = stick.newest()
    members, relays, records = dict(old.members), list(old.relays), []
    for each in decided.admit:
        join, record = _admitted(each, old.federation, now)
        if join.participant in members:
            raise Misuse(f"{join.participant} takes part already; a code is never given twice")
        members[join.participant] = _member(join, decided.decision, now)
        records.append(record)
        if join.relay is not None:
            relays.append(Relay(join.participant, join.relay))
    for code, state in decided.status:
        members[code] = _with_status(_known(members, code), state, decided.decision, now)
    for code in decided.leave:
        left = _with_status(_known(members, code), "left", decided.decision, now)
        last = newest.get(code)
        members[code] = replace(left, final=None if last is None else Final(last.version, last.digest.hex()))
        relays = [relay for relay in relays if relay.participant != code]
    for code, operator in decided.operators.items():
        members[code] = replace(_known(members, code), operator=operator)
    for each in decided.changes:
        code, identity = _identity_change(each, members, now)
        members[code] = replace(members[code], identities=(*members[code].identities, identity))
        records += [file for role, file in each.drafts().items() if role == code]
    for each in decided.records:
        records += _brought(each, members, newest)
    live = old.live if decided.live is None else decided.live
    charter = Charter(old.federation, live, tuple(relays), _rosters(old.rosters, members, now), members)
    _lay_out(stick, charter, founders, threshold, tuple(records), now)


def _lay_out(
    stick: Stick,
    charter: Charter,
    founders: tuple[IdentityKey, ...],
    threshold: int,
    records: tuple[RoleFile, ...],
    now: datetime,
) -> None:
    newest = stick.newest()
    until = now + GOOD_FOR
    online = tuple(relay.key for relay in charter.relays)
    if not online:
        raise Misuse("nobody is a relay: let at least one founder's State join with --relay")
    version = newest[ROOT].version + 1 if ROOT in newest else 1
    root = draft_root(version, until, founders, threshold, online)
    says = read_root(root)
    changed = ROOT not in newest or _differ(says, read_root(newest[ROOT]))
    version = newest[TARGETS].version + 1 if TARGETS in newest else 1
    targets = draft_targets(version, until, charter, now)
    if TARGETS in newest:
        check_charter_follows(charter_in(newest[TARGETS]), charter, {}, now)
    stick.propose(*([root] if changed else []), targets, *records)


def _brought(stick: Stick, members: dict[str, Member], newest: dict[str, RoleFile]) -> list[RoleFile]:
    """The records on a State's stick that are newer than those on the founders'."""
    found = {**stick.newest(), **stick.drafts()}
    known = {role: file.version for role, file in newest.items()}
    return [file for role, file in found.items() if role in members and file.version > known.get(role, 0)]


def _differ(one: RootSays, other: RootSays) -> bool:
    return (one.root, one.timestamp) != (other.root, other.timestamp)


def _admitted(stick: Stick, federation: str, now: datetime) -> tuple[Join, RoleFile]:
    join = read_join(stick.read_json("join.json"))
    if join.federation != federation:
        raise Misuse(f"{stick.folder} asks to join {join.federation}, this federation is {federation}")
    record = stick.drafts().get(join.participant) or stick.newest().get(join.participant)
    if record is None:
        raise Misuse(f"{stick.folder} brings no record of {join.participant}")
    return join, join.identity(now).authority.verify(record)


def _member(join: Join, decision: str, now: datetime) -> Member:
    status = (Decided("active", f"{now:%Y-%m-%d}", decision),)
    return Member(join.participant, join.kind, join.operator, status, Quota(), (join.identity(now),))


def _known(members: dict[str, Member], code: str) -> Member:
    if code not in members:
        raise Misuse(f"{code} takes no part in this federation")
    return members[code]


def _with_status(member: Member, state: str, decision: str, now: datetime) -> Member:
    return replace(member, status=(*member.status, Decided(state, f"{now:%Y-%m-%d}", decision)))


def _identity_change(stick: Stick, members: dict[str, Member], now: datetime) -> tuple[str, Identity]:
    change = read_change(stick)
    if change is None:
        raise Misuse(f"{stick.folder} brings no change of identity keys")
    member = _known(members, change.participant)
    if change.ordinal != len(member.identities):
        raise Misuse(
            f"{stick.folder} brings change {change.ordinal}, the next one of {change.participant} is {len(member.identities)}"
        )
    signatures = {
        signature.key.text: signature.signature
        for signature in stick.signatures()
        if signature.file == change.name and signature.sha256 == sha256(change.content).hexdigest()
    }
    by = change.by
    return change.participant, Identity(
        change.keys,
        change.threshold,
        by,
        now.replace(microsecond=0),
        change.log if by == FOUNDERS else None,
        signatures,
    )


def _rosters(old: Rosters, members: dict[str, Member], now: datetime) -> Rosters:
    """A seat for each State, Partner and organisation in good standing; a new roster only where the seats changed."""
    seats = tuple(
        Seat(code, member.operator)
        for code, member in sorted(members.items())
        if member.status[-1].state == "active" and (member.kind in STATE_KINDS or member.kind == "organisation")
    )
    if old.history and old.history[-1].seats == seats:
        return old
    begins = now.replace(microsecond=0)
    if (
        old.history and begins <= old.history[-1].since
    ):  # two in one second, or a clock that is behind: one follows the other
        begins = old.history[-1].since + timedelta(seconds=1)
    return Rosters((*old.history, Roster(begins, seats)))


def publish(stick: Stick, now: datetime) -> Chosen:
    """Move the signed drafts among what is published. Raises Misuse, RecordRefused, and writes nothing then."""
    signed = complete(stick, now)
    chosen = audit([*stick.published(), *signed], stick.newest(), now)
    stick.publish(*signed)
    if not stick.root.exists():
        first = min((file for file in stick.published() if file.role == ROOT), key=lambda file: file.version)
        write_whole(stick.root, first.raw, 0o644)
    return chosen


def complete(stick: Stick, now: datetime) -> list[RoleFile]:
    """The drafts, each with the signatures that it needs. Raises Misuse."""
    waiting = items(stick, now)
    for item in waiting:
        if item.missing:
            raise Misuse(f"{item.name} wants {' and '.join(item.missing)}")
    if not waiting:
        raise Misuse(f"nothing is proposed in {stick.folder}")
    return list(stick.drafts().values())


def audit(files: Iterable[RoleFile], before: dict[str, RoleFile], now: datetime) -> Chosen:
    """What an importer would make of it that begins with the first root. Raises RecordRefused for whatever it would not take."""
    known = list(files)
    first = min((file for file in known if file.role == ROOT), key=lambda file: file.version, default=None)
    if first is None:
        raise Misuse("there is no root")
    chosen = choose([(file.name, file.raw) for file in known], pin(first.raw), now)
    faults = [finding.summary for finding in chosen.findings if finding.kind != REPLACEMENT]
    if faults:
        raise RecordRefused("; ".join(faults))
    if chosen.charter is None or chosen.participants is None:
        raise RecordRefused(
            "the founders' list is not signed by the founders of the newest root: sign it anew with the root"
        )
    if TARGETS in before:
        check_charter_follows(charter_in(before[TARGETS]), chosen.charter, {}, now)
    for code, member in chosen.charter.members.items():
        if code not in chosen.participants.records and member.final is None:
            how = "signs it again with its new keys first" if code in before else "brings it"
            raise RecordRefused(f"{code} would take part without a record that counts: it {how}")
    keys = {relay.key.raw for relay in chosen.charter.relays}
    if keys != set(read_root(chosen.held.root).timestamp.raws):
        raise RecordRefused("the relays of the list are not those of the root")
    return chosen
