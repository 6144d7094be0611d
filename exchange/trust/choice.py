"""Which files of the trust list count: out of everything that anybody handed over, and what was held before.

Guarantees: `choose` is a pure function of the bytes gathered, what was held, and the time; the order in which the bytes
came, and from whom, changes nothing. It raises on none of them. No version ever goes back; nothing counts that is not signed to
its threshold on a path from the pinned root; a file that fails stays out, is reported, and the last good one stays; one
participant's fault touches no other. When the list is stale, what was held goes on, and changes wait (DESIGN.md section 4, rule 8).

Specification: TUF 1.0.31 section 5, with these differences, all of DESIGN.md section 2: each role's newest file is taken from
anywhere and not only as a snapshot lists it (relays.py), expiry marks a list as stale and refuses nothing, and a participant's keys are
those of its history of identity keys (identities.py), which the delegation repeats for the clients of others.

    held = choose(files, pin(root), now).held                    # a cold start
    chosen = choose(files, held, now)                            # and every later one
    chosen.participants, chosen.stale_since, chosen.findings
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from exchange.core.vocabulary import is_participant_code
from exchange.errors import ExchangeError, Malformed
from exchange.trust.charter import Charter, check_charter_follows
from exchange.trust.contents import RootSays, TargetsSay, charter_in, read_root, read_targets
from exchange.trust.findings import EQUIVOCATION, LIST_REFUSED, REPLACEMENT, Finding
from exchange.trust.identities import FOUNDERS, in_force, mark_of
from exchange.trust.intake import Imported, import_records, participants_of, replaced_in
from exchange.trust.participants import ParticipantRecord, Participants
from exchange.trust.relays import RelayWord, hear, stale_since
from exchange.trust.rolefile import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleFile, parse_role

_NAME = re.compile(r"(?:([1-9][0-9]{0,15})\.)?([A-Za-z0-9-]{2,20})\.json")


@dataclass(frozen=True, slots=True)
class Held:
    """What counts, and what must be remembered: by it the next import judges."""

    roots: tuple[RoleFile, ...]
    """From the pinned one to the newest, no version left out."""
    targets: RoleFile | None = None
    files: Mapping[str, RoleFile] = field(default_factory=dict)
    """By participant: the file whose record is in force."""
    records: Mapping[str, ParticipantRecord] = field(default_factory=dict)
    words: Mapping[str, RelayWord] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)
    """When each replacement of identity keys was first seen here."""
    stale_since: datetime | None = None

    @property
    def root(self) -> RoleFile:
        return self.roots[-1]


@dataclass(frozen=True, slots=True)
class Chosen:
    """`taken` are files that counted for the first time; `unread` says which of what came was no such file."""

    held: Held
    charter: Charter | None
    participants: Participants | None
    taken: tuple[RoleFile, ...]
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]

    @property
    def stale_since(self) -> datetime | None:
        return self.held.stale_since


def pin(raw: bytes) -> Held:
    """Nothing but the root that was handed over, whose fingerprint people compared. Raises Malformed, RecordRefused, TooFewSignatures."""
    root = parse_role(raw, ROOT)
    return Held((read_root(root).root.verify(root),))


def choose(offered: Iterable[tuple[str, bytes]], held: Held, now: datetime) -> Chosen:
    """In this order:

    1. What came is read; what is no file of the list is put aside.
    2. Roots: each next one, signed to the threshold of the one before and to its own.
    3. The relays' words.
    4. The founders' list: the highest version that they signed, that passes the audit and follows the one held.
    5. If nobody vouches that this is the newest, what was held stays.
    6. Records: of each participant the highest version under its identity keys that passes the audit.
    """
    files, unread = _read(offered)  # 1
    roots, findings = _climb(held.roots, files.get(ROOT, []))  # 2
    root = read_root(roots[-1])
    words, more = hear(held.words, files.get(TIMESTAMP, []), files.get(SNAPSHOT, []), root, now)  # 3
    findings += more
    targets, says, seen, more = _founders_list(held, files.get(TARGETS, []), roots[-1], now)  # 4
    findings += more
    grown = replace(held, roots=roots, words=words)
    if targets is None or says is None:
        return Chosen(grown, None, None, _taken(held, grown), tuple(findings), unread)
    stale = stale_since(words, roots[-1], targets, held.stale_since, now)
    if stale is not None and held.targets is not None:  # 5
        grown = replace(grown, stale_since=stale)
        charter = charter_in(held.targets)
        participants = participants_of(charter, held.records, replaced_in(charter, held.seen, now))
        return Chosen(grown, charter, participants, _taken(held, grown), tuple(findings), unread)
    imported = import_records(says, files, held.files, held.records, seen, now)  # 6
    findings += imported.findings + _replacements(says.charter, seen, now)
    grown = _with(grown, targets, imported, seen, stale)
    return Chosen(grown, says.charter, imported.participants, _taken(held, grown), tuple(findings), unread)


def _with(
    held: Held, targets: RoleFile, imported: Imported, seen: Mapping[str, datetime], stale: datetime | None
) -> Held:
    return replace(held, targets=targets, files=imported.files, records=imported.records, seen=seen, stale_since=stale)


def _read(offered: Iterable[tuple[str, bytes]]) -> tuple[dict[str, list[RoleFile]], tuple[str, ...]]:
    """By role, each file once, in an order that does not depend on who brought it."""
    found: dict[str, dict[bytes, RoleFile]] = {}
    unread = []
    for name, raw in offered:
        try:
            file = read_named(name, raw)
        except ExchangeError as error:
            unread.append(f"{name[:60]}: {error}")
            continue
        # By all of it: the same file under other signatures is another offer, else one with spoilt ones could hide the good one.
        found.setdefault(file.role, {})[file.raw] = file
    return {role: [file for _, file in sorted(files.items())] for role, files in found.items()}, tuple(unread)


def read_named(name: str, raw: bytes) -> RoleFile:
    """A file under the name by which a repository serves it; Malformed where name and content differ."""
    match = _NAME.fullmatch(name)
    role = match[2] if match else ""
    if match is None or not (role in ROLES or is_participant_code(role)) or (match[1] is None) != (role == TIMESTAMP):
        raise Malformed(f"expected a name such as 1.root.json, got {name[:60]!r}")
    file = parse_role(raw, role)
    if file.name != name:
        raise Malformed(f"{name} holds version {file.version}")
    return file


def _climb(roots: tuple[RoleFile, ...], offered: list[RoleFile]) -> tuple[tuple[RoleFile, ...], list[Finding]]:
    """No version is skipped, and none counts that only its own new keys signed."""
    findings = []
    chain = list(roots)
    for known in roots:
        others = [file for file in offered if file.version == known.version and file != known]
        for other in read_root(known).root.signed(others):
            findings.append(Finding.of(EQUIVOCATION, (known, other)))
    while True:
        old = read_root(chain[-1])
        candidates, refused = _next_roots(old, [file for file in offered if file.version == chain[-1].version + 1])
        findings += refused
        if len(candidates) > 1:  # which of the two others saw first, nobody here can know
            findings.append(Finding.of(EQUIVOCATION, (candidates[0], candidates[1])))
        if len(candidates) != 1:
            return tuple(chain), findings
        chain.append(candidates[0])


def _next_roots(old: RootSays, offered: list[RoleFile]) -> tuple[list[RoleFile], list[Finding]]:
    """Those that the founders before and the new ones signed, each to its threshold."""
    found: dict[bytes, RoleFile] = {}
    findings = []
    for file in offered:
        for by_old in old.root.signed([file]):
            try:
                by_new = read_root(file).root.verify(file)
            except ExchangeError as error:
                findings.append(Finding(LIST_REFUSED, "", f"{file.name} was not taken: {error}", (by_old,)))
                continue
            found[file.content] = replace(by_new, signatures={**by_new.signatures, **by_old.signatures})
    return list(found.values()), findings


@lru_cache(maxsize=16)
def _list_under(root: RoleFile, targets: RoleFile) -> TargetsSay | None:
    """What the list says if it is signed as that root asks, else None: asked again with every import, and always the same."""
    says = read_root(root)
    return read_targets(targets, says) if says.targets.has_signed(targets) else None


def _founders_list(
    held: Held, offered: list[RoleFile], newest: RoleFile, now: datetime
) -> tuple[RoleFile | None, TargetsSay | None, Mapping[str, datetime], list[Finding]]:
    """The highest version; where two differ that the founders signed, the one that was held, or else neither of them."""
    findings: list[Finding] = []
    root = read_root(newest)
    signed = root.targets.signed(offered)
    before = held.targets
    if before is not None and _list_under(newest, before) is None:
        before = None  # signed by founders of before: their version number binds nobody (TUF 1.0.31 section 5.3.11)
    for first, second in _two_faces([*signed, *([before] if before else [])]):
        findings.append(Finding.of(EQUIVOCATION, (first, second)))
    twice = {finding.files[0].version for finding in findings}
    charter = charter_in(held.targets) if held.targets is not None else None
    for file in reversed(signed):
        if (before is not None and file.version <= before.version) or file.version in twice:
            continue
        try:
            says = read_targets(file, root)
            if charter is not None:
                check_charter_follows(charter, says.charter, held.seen, now)
        except ExchangeError as error:
            findings.append(Finding(LIST_REFUSED, "", f"{file.name} was not taken: {error}", (file,)))
            continue
        return file, says, _sightings(held, says.charter, now), findings
    if held.targets is None:
        return None, None, held.seen, findings
    return held.targets, _list_under(newest, held.targets) or read_targets(held.targets, root), held.seen, findings


def _two_faces(files: list[RoleFile]) -> Iterable[tuple[RoleFile, RoleFile]]:
    first: dict[int, RoleFile] = {}
    for file in files:
        other = first.setdefault(file.version, file)
        if other != file:
            yield other, file


def _sightings(held: Held, charter: Charter, now: datetime) -> Mapping[str, datetime]:
    """A node that was watching counts thirty days from what it saw; one that begins goes by the date of publication."""
    seen = dict(held.seen)
    for code, member in charter.members.items():
        for ordinal, identity in enumerate(member.identities):
            if ordinal and identity.by == FOUNDERS:
                mark = mark_of(charter.federation, code, ordinal, identity)
                seen.setdefault(mark, identity.published if held.targets is None else now)
    return seen


def _replacements(charter: Charter, seen: Mapping[str, datetime], now: datetime) -> list[Finding]:
    """Shown to everybody from the first day, while it can still be objected to, and for ever."""
    found = []
    for code, member in charter.members.items():
        counts = in_force(charter.federation, code, member.identities, seen, now)
        for ordinal, identity in enumerate(member.identities):
            if ordinal and identity.by == FOUNDERS:
                done = "replaced" if ordinal <= counts else "are about to replace"
                when = f"published {identity.published:%Y-%m-%d}"
                found.append(Finding(REPLACEMENT, code, f"the founders {done} the identity keys of {code} ({when})"))
    return found


def _taken(before: Held, after: Held) -> tuple[RoleFile, ...]:
    def files(held: Held) -> list[RoleFile]:
        words = [file for word in held.words.values() for file in (word.snapshot, word.timestamp)]
        return [*held.roots, *([held.targets] if held.targets else []), *held.files.values(), *words]

    known = set(files(before))
    return tuple(dict.fromkeys(file for file in files(after) if file not in known))
