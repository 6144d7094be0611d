"""A State's own hand in the trust list: it asks to take part, lets officers sign or sign no more, changes keys, closes a log.

Guarantees: what is drafted here follows the record in force and carries a proof for every key, or it is refused before anybody
signs; the node's own keys prove themselves, all others come with their holder's proof (offline.py). Positions are those of the
log as it stands on disk. Nothing is in force until the State's identity keys have signed it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from exchange.config import Settings
from exchange.core.identity import IdentityKey
from exchange.core.keys import ALGORITHM, Kind, PublicKey, parse_public_key
from exchange.core.note import ED25519, Vkey
from exchange.core.sealing import SealingKey
from exchange.errors import Malformed, Misuse, NotFound
from exchange.files import make_folder, write_whole
from exchange.node.change import Change, write_change
from exchange.node.founding import NODE_KEYS, forms_for, officer_key, read_participants, sealing_key
from exchange.node.keyfile import create_key, open_key
from exchange.node.offline import FileSigner, Proven, open_offline, prove
from exchange.node.stick import Stick
from exchange.node.successor import NEXT_LOG_KEY
from exchange.store import log as logs
from exchange.store.log import LogState
from exchange.store.snapshot import snapshot
from exchange.store.trust import held_since
from exchange.trust.bundle import MAX_FILES, format_bundle, parse_bundle
from exchange.trust.charter import Member
from exchange.trust.choice import Held, pin, read_named
from exchange.trust.closing import close_log, closed_key, with_key
from exchange.trust.contents import charter_in, read_record
from exchange.trust.drafts import draft_record
from exchange.trust.identities import FOUNDERS, ITSELF, in_force
from exchange.trust.join import Join, format_join
from exchange.trust.participants import (
    ParticipantLog,
    ParticipantRecord,
    check_successor,
)
from exchange.trust.possession import check_possession
from exchange.trust.record import Position
from exchange.trust.rolefile import RoleFile

GOOD_FOR = timedelta(days=365)
RELAY_KEY = "relay.key"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a State stands in a list: its file, what the founders say of it, and the log as it is on disk."""

    held: Held
    member: Member
    file: RoleFile
    log: LogState

    @property
    def record(self) -> ParticipantRecord:
        return read_record(self.file).record

    @property
    def position(self) -> Position:
        """The next one in the State's logs."""
        return len(self.record.logs) - 1, self.log.size


def standing(settings: Settings, stick: Stick) -> Standing:
    """As the node in DIR holds it; the list is laid out on the stick. Raises Misuse where this State is not in it."""
    if settings.root is None:
        raise Misuse(
            f"{settings.directory} has no root (trust_root): `cbm participant join` comes first, or `cbm key enrol`"
        )
    try:
        with snapshot(settings.database_url) as tx:
            held = held_since(tx, pin(settings.root.read_bytes()))
            log = logs.log_of(tx, settings.origin)
    except NotFound:
        raise Misuse(f"the node in {settings.directory} never ran with the founders' list") from None
    file = held.files.get(settings.participant)
    if held.targets is None or file is None:
        raise Misuse(f"the list that this node holds has no record of {settings.participant}")
    stick.publish(*held.roots, held.targets, *held.files.values())
    write_whole(stick.root, settings.root.read_bytes(), 0o644)
    return Standing(held, charter_in(held.targets).members[settings.participant], file, log)


def join(
    settings: Settings,
    stick: Stick,
    *,
    identities: Sequence[Proven],
    threshold: int,
    officers: Iterable[Proven],
    relay: bool,
    operator: str | None,
    now: datetime,
) -> Join:
    """Draft the first record and the question to the founders. Raises Misuse, RecordRefused."""
    code = settings.participant
    record = read_participants(settings.peers).records.get(code)
    if record is None:
        raise Misuse(f"{settings.peers} holds no record of {code}")
    record = replace(record, operator=operator or record.operator)
    proofs = _proofs(settings, record, (*identities, *officers))
    _write_draft(stick, settings, 1, record, proofs, [each.key for each in identities], now)
    asks = Join(
        settings.federation,
        code,
        record.kind,
        record.operator,
        tuple(_identity(each) for each in identities),
        threshold,
        _relay_key(settings) if relay else None,
    )
    stick.write_json("join.json", format_join(asks))
    return asks


def _identity(proven: Proven) -> IdentityKey:
    if proven.kind is not Kind.IDENTITY:
        raise Misuse(f"{proven.key.fingerprint[:16]} is a {proven.kind.value} key; an identity key is wanted")
    return proven.key


def _relay_key(settings: Settings) -> IdentityKey:
    """Made where there is none: it is online, like the log's, and signs nothing but what is newest."""
    path = settings.keys / RELAY_KEY
    made = open_key(path, kind=Kind.RELAY) if path.exists() else create_key(path, Kind.RELAY)
    return IdentityKey(ALGORITHM, made.key.public.raw)


def _proofs(settings: Settings, record: ParticipantRecord, others: Iterable[Proven]) -> dict[str, bytes]:
    """Of the node's own keys, made here, and of all others, as their holders made them."""
    federation, code = settings.federation, record.participant
    found: dict[str, bytes] = {}
    for name in (*NODE_KEYS.values(), NEXT_LOG_KEY):
        path = settings.keys / name
        if path.exists():
            signer = open_offline(path, None)
            if _lists(record, signer):
                found[signer.public.text] = prove(signer, signer.kind, federation, code)
    for each in others:
        found[each.key.text] = each.proof_for(federation, code)
    return found


def _lists(record: ParticipantRecord, signer: FileSigner) -> bool:
    raw = signer.public.raw
    return any(log.vkey.raw == raw for log in record.logs) or any(key.public_key.raw == raw for key in record.keys)


def _write_draft(
    stick: Stick,
    settings: Settings,
    version: int,
    record: ParticipantRecord,
    proofs: dict[str, bytes],
    identities: Sequence[IdentityKey],
    now: datetime,
) -> None:
    check_possession(settings.federation, record, iter(identities), proofs)
    stick.propose(draft_record(version, now + GOOD_FOR, record, proofs))


def redraft(
    settings: Settings,
    stick: Stick,
    stands: Standing,
    record: ParticipantRecord,
    more: Iterable[Proven],
    now: datetime,
    identities: Sequence[IdentityKey] | None = None,
) -> None:
    """Draft the next version of the record, in the place of the one in force. Raises RecordRefused."""
    check_successor(stands.record, record)
    member = stands.member
    number = in_force(settings.federation, member.participant, member.identities, stands.held.seen, now)
    old = {key.text for identity in member.identities for key in identity.keys}
    keys = member.identities[number].keys if identities is None else identities
    wanted = {key.text for key in keys}
    kept = {text: proof for text, proof in read_record(stands.file).proofs.items() if text not in old - wanted}
    proofs = kept | _proofs(settings, record, more)
    _write_draft(stick, settings, stands.file.version + 1, record, proofs, keys, now)


def enrolled(
    stands: Standing,
    officers: Iterable[Proven],
    forms: Sequence[str],
    url: str | None,
    roles: Sequence[str] = ("releaser",),
    sealing: SealingKey | None = None,
) -> ParticipantRecord:
    """The record with more officers, from the next position on, with another address, or with another key to seal letters to.

    A sealing key cannot sign, so it proves nothing by itself: the State's identity keys, which sign this record, say whose it is.
    """
    record = stands.record
    if sealing is not None:
        for old in record.keys:
            if old.kind is Kind.SEALING and old.before is None:
                record = closed_key(record, old.public_key.keyid, max(old.start, stands.position))
        record = with_key(record, sealing_key(sealing, *stands.position))
    log, index = stands.position
    news = []
    for each in officers:
        if each.kind is not Kind.SIGNING or each.key.algorithm != ALGORITHM:
            raise Misuse(f"{each.key.fingerprint[:16]} is a {each.kind.value} key; officers sign with signing keys")
        if record.key(each.key.fingerprint) is not None:
            raise Misuse(f"{each.key.fingerprint[:16]} stands in the record already; a closed key is never reopened")
        news.append(officer_key(_public(each), forms_for(roles, forms), log, index, roles))
    return replace(record, keys=(*record.keys, *news), node_url=url or record.node_url)


def _public(proven: Proven) -> PublicKey:
    return parse_public_key(proven.key.raw)


def revoked(stands: Standing, fingerprint: str, index: int | None) -> ParticipantRecord:
    """The record in which that key counts no longer from an index of the current log on: the next one, or an earlier one."""
    record = stands.record
    found = [key for key in record.keys if key.public_key.keyid.startswith(fingerprint.lower())]
    if len(fingerprint) < 8 or len(found) != 1:
        raise Misuse(
            f"{len(found)} keys of {record.participant} have a fingerprint that begins with {fingerprint[:64]!r}"
        )
    log, size = stands.position
    if index is not None and not 0 <= index <= size:
        raise Misuse(f"the log stands at {size}; a key is closed at an index up to that")
    end = max(found[0].start, (log, size if index is None else index))
    return closed_key(record, found[0].public_key.keyid, end)


def succeeded(settings: Settings, stands: Standing, origin: str) -> ParticipantRecord:
    """The record in which the current log is closed where it stands, and another goes on, under a key that is made here."""
    record, path = stands.record, settings.keys / NEXT_LOG_KEY
    made = open_key(path, kind=Kind.LOG) if path.exists() else create_key(path, Kind.LOG)
    following = ParticipantLog(origin, Vkey(origin, ED25519, made.key.public))
    return close_log(record, stands.log.size, stands.log.root, following)


def change_identity(
    settings: Settings,
    stick: Stick,
    stands: Standing,
    identities: Sequence[Proven],
    threshold: int,
    lost: bool,
    now: datetime,
) -> None:
    """Draft another set of identity keys. Where the old ones are there, the next record is drafted under the new ones too."""
    member, keys = stands.member, tuple(_identity(each) for each in identities)
    number = in_force(settings.federation, member.participant, member.identities, stands.held.seen, now)
    before = member.identities[number]
    change = Change(
        settings.federation,
        member.participant,
        len(member.identities),
        None if lost else (before.keys, before.threshold),
        keys,
        threshold,
        FOUNDERS if lost else ITSELF,
        len(stands.record.logs) if lost else None,
    )
    write_change(stick, change)
    if not lost:
        redraft(settings, stick, stands, stands.record, identities, now, keys)


def _beside(inbox: Path, bundle: bytes) -> bytes:
    """The bundle with what was given before: a node that is stopped has not read that yet, and a State's stick may hold an older list."""
    given = parse_bundle(bundle)
    try:
        before = parse_bundle(inbox.read_bytes()) if inbox.exists() else []
    except Malformed:
        before = []  # the node could not read it either
    files = dict.fromkeys([*before, *given])
    return format_bundle(read_named(*file) for file in files) if len(files) <= MAX_FILES else bundle


def adopt(settings: Settings, root: bytes, bundle: bytes, settings_file: Path) -> None:
    """Give the node a pinned root and the list. Raises Misuse where it has another root."""
    if settings.root is not None and settings.root.exists() and settings.root.read_bytes() != root:
        raise Misuse(f"{settings.root} is another root; a node changes its root by hand only")
    make_folder(settings.trust_inbox, 0o755)
    inbox = settings.trust_inbox / "list.bundle"
    write_whole(inbox, _beside(inbox, bundle), 0o644)
    if settings.root is None:
        write_whole(settings.directory / "root.json", root, 0o644)
        with settings_file.open("a") as file:
            file.write('\ntrust_root = "root.json"   # the founders\' root: compare its SHA-256 by another channel\n')
