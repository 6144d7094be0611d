"""What a file of the trust list would change, in plain words: shown to whoever is asked to sign it, before he signs.

Guarantee: every key that a file adds or takes away is named with its fingerprint, and every status, address, log and relay that
differs from the file before; what is not said has not changed. Nothing is read but the files themselves.
"""

from collections.abc import Iterator

from exchange.core.identity import IdentityKey
from exchange.core.keys import Kind
from exchange.trust.charter import Charter, Member
from exchange.trust.contents import RootSays, charter_in, read_record, read_root
from exchange.trust.identities import FOUNDERS, IN_PUBLIC, Identity
from exchange.trust.record import ParticipantRecord, Position
from exchange.trust.rolefile import ROOT, TARGETS, RoleFile


def summarise(file: RoleFile, before: RoleFile | None) -> list[str]:
    """Lines, the first of which names the file. `before` is the version that it takes the place of."""
    if file.role == ROOT:
        lines = _root(read_root(file), None if before is None else read_root(before))
    elif file.role == TARGETS:
        lines = _charter(charter_in(file), None if before is None else charter_in(before))
    else:
        lines = _record(read_record(file).record, None if before is None else read_record(before).record)
    what = {ROOT: "the founders and relays", TARGETS: "who takes part"}.get(file.role, f"the record of {file.role}")
    head = f"{file.name}: {what}, version {file.version}, good until {file.expires:%Y-%m-%d}"
    return [head, *(f"  {line}" for line in lines or ["nothing changes but the version and the date"])]


def _changed(what: str, new: set[IdentityKey], old: set[IdentityKey]) -> Iterator[str]:
    for key in sorted(new - old, key=lambda key: key.text):
        yield f"NEW {what} {key.algorithm} {key.fingerprint}"
    for key in sorted(old - new, key=lambda key: key.text):
        yield f"NO LONGER a {what}: {key.fingerprint}"


def _root(new: RootSays, old: RootSays | None) -> list[str]:
    lines = list(_changed("founder", set(new.root.keys.values()), set(old.root.keys.values()) if old else set()))
    if old is None or (new.root.threshold, len(new.root.keys)) != (old.root.threshold, len(old.root.keys)):
        lines.append(f"{new.root.threshold} of {len(new.root.keys)} founders must sign")
    relays = set(old.timestamp.keys.values()) if old else set()
    return [*lines, *_changed("relay", set(new.timestamp.keys.values()), relays)]


def _charter(new: Charter, old: Charter | None) -> list[str]:
    lines = []
    if old is None or new.live != old.live:
        lines.append(f"the federation {new.federation} is {'LIVE' if new.live else 'a trial'}")
    for code, member in new.members.items():
        lines += _member(member, old.members.get(code) if old else None)
    if old is None or new.rosters != old.rosters:
        for roster in new.rosters.history[len(old.rosters.history) if old else 0 :]:
            codes = ", ".join(seat.participant for seat in roster.seats) or "nobody"
            lines.append(f"witnesses from {roster.since:%Y-%m-%d %H:%M} UTC on: {codes}")
    if old is None or new.relays != old.relays:
        lines.append(f"relays: {', '.join(relay.participant for relay in new.relays) or 'none'}")
    return lines


def _member(new: Member, old: Member | None) -> list[str]:
    code, lines = new.participant, []
    if old is None:
        lines.append(f"{code} IS ADMITTED, a {new.kind}, run by {new.operator}")
    elif new.operator != old.operator:
        lines.append(f"{code} is run by {new.operator}, no longer by {old.operator}")
    for line in new.status[len(old.status) if old else 0 :]:
        lines.append(f"{code} is {line.state} since {line.since} ({line.decision})")
    if old is not None and new.quota != old.quota:
        lines.append(f"{code} may enter {new.quota.entries_per_day} entries and {new.quota.bytes_per_day} bytes a day")
    known = len(old.identities) if old else 0
    for identity in new.identities[known:]:
        lines += _identity(code, identity, first=not known and identity is new.identities[0])
    if old is not None and len(new.identities) < known:
        lines.append(f"the replacement of the identity keys of {code} is WITHDRAWN")
    if new.final is not None and (old is None or old.final is None):
        lines.append(f"{code} signs no further record; its last one is version {new.final.version}")
    return lines


def _identity(code: str, identity: Identity, *, first: bool) -> list[str]:
    if first:
        how = "the identity keys of"
    elif identity.by == FOUNDERS:
        when = identity.published + IN_PUBLIC
        how = f"THE FOUNDERS REPLACE, from {when:%Y-%m-%d} on and in a successor log, the identity keys of"
    else:
        how = "by its own old and new keys, the new identity keys of"
    keys = [f"    {key.algorithm} {key.fingerprint}" for key in identity.keys]
    return [f"{how} {code}, {identity.threshold} of which must sign:", *keys]


def _record(new: ParticipantRecord, old: ParticipantRecord | None) -> list[str]:
    lines = []
    for name, value in (("node", new.node_url), ("name", new.name()), ("operator", new.operator)):
        before = None if old is None else {"node": old.node_url, "name": old.name(), "operator": old.operator}[name]
        if value != before:
            lines.append(f"{name}: {value}" + ("" if before is None else f", was {before}"))
    logs = {log.origin: log for log in old.logs} if old else {}
    for log in new.logs:
        was = logs.get(log.origin)
        if was is None:
            lines.append(f"NEW log {log.origin}, key {log.vkey.keyid.hex()}")
        if log.closed is not None and (was is None or was.closed is None):
            lines.append(f"the log {log.origin} IS CLOSED at size {log.closed.size}, root {log.closed.root.hex()}")
    for key in new.keys:
        keyid = key.public_key.keyid
        known = old.key(keyid) if old else None
        signs = "every form" if key.may_sign == ("*",) else ", ".join(key.may_sign)
        may = f", signs {signs}" if signs else ""
        may += f", {' and '.join(key.roles)}" if key.kind is Kind.SIGNING and key.roles else ""
        if known is None:
            lines.append(f"NEW {key.kind.value} key {keyid}{may}, from {_place(key.start)} on")
        if key.before is not None and (known is None or known.before != key.before):
            lines.append(f"the {key.kind.value} key {keyid} COUNTS NO LONGER from {_place(key.before)} on")
    return lines


def _place(position: Position) -> str:
    log, index = position
    return f"entry {index} of its log" + (f" {log + 1}" if log else "")
