"""Is this node well? Facts in, findings out; no clock, disk or network here (gather.py and cli/check.py bring them).

Each finding says what is so and, unless it is ok, what to do next, in the words of somebody who keeps a node alive beside other work.
*wrong*: something does not work, or soon will not; *attention*: it works, and somebody should look this week.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from exchange.core.keys import Kind
from exchange.node.facts import Facts, PeerFacts
from exchange.trust.participants import ParticipantRecord

DAY = timedelta(days=1)
GOOD_FOR_LONG = timedelta(days=60)
CERTIFICATE_SOON, CERTIFICATE_NOW = 21 * DAY, 3 * DAY
CLOCK_ATTENTION, CLOCK_WRONG = timedelta(seconds=30), timedelta(minutes=5)  # the door's own tolerance
BACKUP_SOON, BACKUP_NOW = 2 * DAY, 7 * DAY
STALE_AFTER = DAY
DISK_AMPLE = 5  # times the threshold below which the node only reads
_MEGABYTE = 1024 * 1024


class Standing(StrEnum):
    OK = "ok"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `unreachable` where the fault is that nobody answered."""

    check: str
    standing: Standing
    says: str
    next_step: str | None = None
    unreachable: bool = False


def judge(facts: Facts) -> list[Finding]:
    """All checks, in the order in which a person would go about them."""
    return [check(facts) for check in _CHECKS]


def worst(findings: Sequence[Finding]) -> Standing:
    return max((finding.standing for finding in findings), key=list(Standing).index, default=Standing.OK)


def officers(record: ParticipantRecord | None, size: int) -> int:
    """How many keys may sign the next entry."""
    if record is None:
        return 0
    here = (len(record.logs) - 1, size)
    signing = [key for key in record.keys if key.kind is Kind.SIGNING and key.start <= here]
    return sum(key.before is None or here < key.before for key in signing)


def _running(facts: Facts) -> Finding:
    if not facts.running:
        step = f"start it: `systemctl start cbm-node@...`, or `cbm node run {facts.directory}`"
        return Finding("running", Standing.WRONG, "the node does not run on this machine", step, unreachable=True)
    if facts.refusing is not None:
        step = "do what the reason says; reading, and being read, goes on meanwhile"
        return Finding("running", Standing.WRONG, f"it runs, and takes no submissions: {facts.refusing}", step)
    return Finding("running", Standing.OK, f"the node runs, version {facts.version}, and takes submissions")


def _reachable(facts: Facts) -> Finding:
    seen, name = facts.seen, "reachable"
    if seen.error is not None:
        step = "try it from another network too; look at the name (DNS), the firewall and the reverse proxy"
        return Finding(name, Standing.WRONG, f"{facts.url} does not answer: {seen.error}", step, unreachable=True)
    for what, theirs, ours in (
        ("participant", seen.participant, facts.participant),
        ("origin", seen.origin, facts.origin),
        ("log key", seen.vkey, facts.vkey),
    ):
        if theirs != ours:
            step = "let the name and the reverse proxy point to this node, or correct `url` in node.toml"
            return Finding(
                name, Standing.WRONG, f"another node answers under {facts.url}: its {what} is {theirs}", step
            )
    if facts.instance and seen.instance and seen.instance != facts.instance:
        says = f"another instance of this very node answers under {facts.url}: two that sign would fork its log"
        step = "find out which of the two is to stay, and end the other at once and for good"
        return Finding(name, Standing.WRONG, says, step)
    return Finding(name, Standing.OK, f"{facts.url} answers as {facts.participant} (asked from this machine)")


def _certificate(facts: Facts) -> Finding:
    name = "certificate"
    if facts.certificate is None:
        if facts.loopback:
            return Finding(name, Standing.OK, "not needed: the address is one of this machine only")
        step = (
            "put a reverse proxy with a certificate before it: examples/operate/Caddyfile gets and renews one by itself"
        )
        return Finding(
            name, Standing.ATTENTION, f"{facts.url} is not encrypted; whoever is on the way can read and hinder", step
        )
    until, error = facts.certificate
    if until is None:
        step = "let the reverse proxy get a new one; its own log says why it could not"
        return Finding(name, Standing.WRONG, f"the certificate of {facts.url} does not hold: {error}", step)
    left = until - facts.now
    says = f"the certificate holds for {_span(left)}, until {until:%Y-%m-%d}"
    if left > CERTIFICATE_SOON:
        return Finding(name, Standing.OK, says)
    step = "it should have been renewed by now: look into the log of the reverse proxy, and restart it"
    return Finding(name, Standing.WRONG if left <= CERTIFICATE_NOW else Standing.ATTENTION, says, step)


def _clock(facts: Facts) -> Finding:
    signed = None if facts.stored is None else facts.stored.signed
    if signed is not None and signed - facts.now > CLOCK_WRONG:
        says = f"it says {facts.now:%Y-%m-%d %H:%M} UTC, before this node's newest checkpoint, of {signed:%Y-%m-%d %H:%M}: it was set back"
        return Finding("clock", Standing.WRONG, says, "set it right: `timedatectl set-ntp true`; see `running` above")
    offsets = [peer.seen.ahead for peer in facts.peers if peer.seen.ahead is not None]
    if not offsets:
        if not facts.peers:
            return Finding("clock", Standing.OK, "there is no other node yet to compare with")
        return Finding(
            "clock", Standing.ATTENTION, "no other node told its time", "look at `timedatectl` on this machine"
        )
    off = -median(offset.total_seconds() for offset in offsets)
    size = timedelta(seconds=abs(off))
    says = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the middle of {len(offsets)} other nodes"
    if size < CLOCK_ATTENTION:
        return Finding("clock", Standing.OK, f"it agrees with {len(offsets)} other nodes")
    step = "turn time synchronisation on: `timedatectl set-ntp true`; returns dated in the future are refused"
    return Finding("clock", Standing.WRONG if size >= CLOCK_WRONG else Standing.ATTENTION, says, step)


def _disk(facts: Facts) -> Finding:
    free, least = facts.disk_free, facts.disk_min
    says = f"{free // _MEGABYTE:,} MB free; below {least // _MEGABYTE:,} MB the node only reads"
    if free >= DISK_AMPLE * least:
        return Finding("disk", Standing.OK, says)
    step = "make room or enlarge the disk; old backups on the same disk are the first to move away"
    return Finding("disk", Standing.WRONG if free < least else Standing.ATTENTION, says, step)


def _backup(facts: Facts) -> Finding:
    step = f"`cbm node backup {facts.directory} /another/disk/{facts.now:%Y-%m-%d}`, each night by examples/operate/cbm-backup@.timer"
    if facts.backup is None:
        return Finding("backup", Standing.ATTENTION, "there is no backup of this node", step)
    made, target = facts.backup
    age = facts.now - made
    says = f"the newest is {_span(age)} old, in {target}"
    if age < BACKUP_SOON:
        return Finding("backup", Standing.OK, says)
    return Finding("backup", Standing.WRONG if age >= BACKUP_NOW else Standing.ATTENTION, says, step)


def _keys(facts: Facts) -> Finding:
    bad = [key for key in facts.keys if key.problem is not None]
    if bad:
        says = "; ".join(f"{key.name}: {key.problem}" for key in bad)
        return Finding("keys", Standing.WRONG, says, bad[0].next_step)
    if not facts.officers:
        step = f"`cbm key new officer.key` on the officer's machine, then `cbm key enrol {facts.directory} officer.key.pub` here"
        return Finding("keys", Standing.ATTENTION, "the node's keys are in order; no officer may sign", step)
    return Finding("keys", Standing.OK, f"{len(facts.keys)} key files in order; {facts.officers} officers may sign")


def _database(facts: Facts) -> Finding:
    if facts.database_error is not None:
        step = "if the node never ran, run it once; else look at the disk and the database server, or restore a backup"
        return Finding("database", Standing.WRONG, facts.database_error, step)
    stands, newest = facts.schema or "", facts.newest_schema
    if stands == newest:
        return Finding("database", Standing.OK, f"schema {stands}, as this program has it")
    if stands < newest:
        step = "make a backup, then start the node anew: it brings the database up to date"
        return Finding("database", Standing.ATTENTION, f"schema {stands or 'none'}, this program has {newest}", step)
    step = "install the version that last ran here, or a newer one"
    return Finding("database", Standing.WRONG, f"schema {stands} is newer than this program's, {newest}", step)


def _version(facts: Facts) -> Finding:
    newer = [(_numbers(peer.seen.version), peer) for peer in facts.peers if peer.seen.error is None]
    newer = [(numbers, peer) for numbers, peer in newer if numbers > _numbers(facts.version)]
    if not newer:
        return Finding("version", Standing.OK, f"{facts.version}; no other node runs a newer one")
    top = max(newer, key=lambda found: found[0])[1]
    step = "read its changelog and upgrade: backup, stop, install, start, check"
    says = f"{facts.version} here; {len(newer)} others run a newer one, {top.participant} {top.seen.version}"
    return Finding("version", Standing.ATTENTION, says, step)


def _peers(facts: Facts) -> Finding:
    if not facts.peers:
        step = f"get the records of the others and `cbm federation import {facts.directory} peers.json`"
        return Finding("peers", Standing.ATTENTION, "no other node stands in peers.json: nobody mirrors this log", step)
    stale = [peer for peer in facts.peers if peer.contacted is None or facts.now - peer.contacted > STALE_AFTER]
    failing = [peer for peer in facts.peers if peer not in stale and peer.failures]
    if not stale and not failing:
        return Finding("peers", Standing.OK, f"all {len(facts.peers)} were visited within a day")
    told = [
        *(_stale(peer, facts.now) for peer in stale),
        *(f"{peer.participant} fails: {peer.error}" for peer in failing),
    ]
    says = "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
    if len(stale) == len(facts.peers):
        step = "nobody was reached: look at this machine's own way out (DNS, firewall), then `cbm pull`"
        return Finding("peers", Standing.WRONG, says, step, unreachable=True)
    return Finding("peers", Standing.ATTENTION, says, "tell their operators; the exchange with the others goes on")


def _witnesses(facts: Facts) -> Finding:
    seen, name = facts.seen, "witnesses"
    if seen.error is not None or not seen.cosignatures:
        return Finding(name, Standing.ATTENTION, "the node does not tell who cosigned its log", "see `reachable` above")
    if not seen.stale:
        return Finding(name, Standing.OK, f"the head of the log is {seen.cosignatures}")
    says = f"no quorum of the last day vouches for the head of the log: it is {seen.cosignatures}"
    step = "see `peers` above: who cannot be visited does not cosign; submissions are recorded all the same"
    return Finding(name, Standing.ATTENTION, says, step)


def _stale(peer: PeerFacts, now: datetime) -> str:
    if peer.contacted is None:
        return f"{peer.participant} was never reached"
    return f"{peer.participant} was last reached {_span(now - peer.contacted)} ago"


def _documents(facts: Facts) -> Finding:
    if facts.stored is None:
        return _unread("documents")
    owed, overdue = facts.stored.owed, facts.stored.overdue
    if not overdue:
        return Finding("documents", Standing.OK, f"{owed} named and not here yet, none for more than a day")
    step = (
        f"`cbm pull {facts.directory}` shows who owes them: ask their operators; your own come with `cbm node recover`"
    )
    return Finding("documents", Standing.ATTENTION, f"{overdue} named for more than a day and still not here", step)


def _forms(facts: Facts) -> Finding:
    if facts.stored is None:
        return _unread("forms")
    unknown = facts.stored.forms_unknown
    if not unknown:
        return Finding("forms", Standing.OK, "every form that was used is known here")
    says = ", ".join(f"{code} ({number})" for code, number in unknown.items())
    step = f"upgrade, or put the form files into {facts.directory}/forms and start the node anew"
    return Finding("forms", Standing.ATTENTION, f"submissions whose form is not known here: {says}", step)


def _records(facts: Facts) -> Finding:
    if facts.stored is None:
        return _unread("records")
    if facts.stored.restored is not None:
        step = "see `running` above; once enough of the others have answered, this settles by itself"
        return Finding(
            "records", Standing.ATTENTION, f"restored from {facts.stored.restored}, and not confirmed yet", step
        )
    waiting = facts.stored.waiting
    if not waiting:
        return Finding("records", Standing.OK, f"{facts.stored.size} entries of our own; no entry waits for a key")
    step = "get the newest peers.json from the others and `cbm federation import` it"
    return Finding(
        "records", Standing.ATTENTION, f"{waiting} entries are signed with keys that no record here holds", step
    )


def _trust(facts: Facts) -> Finding:
    """Whether somebody vouches for the founders' list, and how long its files are good."""
    trust = facts.trust
    if trust is None:
        return Finding("trust", Standing.OK, "the operator's own list (peers.json)")
    says = f"root {trust.root}, list {trust.targets}, {trust.participants} participants"
    if trust.stale_since is not None:
        step = "ask a founders' node whether it runs; work goes on, changes of participants and keys wait"
        since = f"{trust.stale_since:%Y-%m-%d %H:%M} UTC"
        return Finding("trust", Standing.ATTENTION, f"{says}: stale, nobody vouches for it since {since}", step)
    left = trust.good_until - facts.now
    if left < GOOD_FOR_LONG:
        step = "the founders renew root and list (`cbm federation propose`), each State its record (`cbm participant rotate`)"
        return Finding(
            "trust list", Standing.ATTENTION, f"{says}: something of it is good for {_span(left)} only", step
        )
    return Finding("trust", Standing.OK, says)


def _unread(name: str) -> Finding:
    return Finding(name, Standing.ATTENTION, "could not be looked at", "see `database` above")


_CHECKS: tuple[Callable[[Facts], Finding], ...] = (
    _running,
    _reachable,
    _certificate,
    _clock,
    _disk,
    _backup,
    _keys,
    _database,
    _version,
    _peers,
    _witnesses,
    _documents,
    _forms,
    _records,
    _trust,
)


def _span(span: timedelta) -> str:
    """Two days and more in days, else in hours; a person asks for no more."""
    if abs(span) >= 2 * DAY:
        return f"{span.days} days"
    return f"{span.total_seconds() / 3600:.0f} hours"


def _numbers(version: str) -> tuple[int, ...]:
    """`1.2.3`, compared as numbers; what follows them (`rc1`, `+local`) is left aside, what is no version comes last."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits or len(digits) > 9:
            break
        numbers.append(int(digits))
    return tuple(numbers)
