"""Policies: which logs and witnesses somebody trusts, and how many of them must have cosigned.

C2SP tlog-policy, a text file for verifiers of any make. Names mean nothing outside the file. Limits of this reader: 256 KiB, 64 logs,
1,024 witnesses, 1,152 groups. A vkey of an algorithm that is unknown here is kept, and vouches for nothing.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...        names of lines above, each in one group at most
    quorum <name>|none                        exactly once

Bytes are tabs, newlines, 20-7E and 80-FF; `#` begins a comment line; what is not ASCII is opaque.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exchange.core.checkpoint import Checkpoint, verify_checkpoint
from exchange.core.cosignature import Cosignature, verify_cosignatures
from exchange.core.note import COSIGNATURE, ED25519, Vkey, format_vkey, parse_note, parse_vkey
from exchange.errors import Malformed, TooLarge, UnknownKey

MAX_POLICY = 256 * 1024  # bytes
MAX_LOGS = 64
MAX_WITNESSES = 1_024
MAX_GROUPS = 1_152
NONE = "none"

_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_COSIGNATURES = (COSIGNATURE, 0x06)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    name: str
    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Witnesses a checkpoint where at least `needed` of its members do."""

    name: str
    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quorum` names a witness or a group; None where no cosignature is asked for."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    @property
    def vkeys(self) -> tuple[Vkey, ...]:
        return tuple(witness.vkey for witness in self.witnesses)

    def is_met(self, vkeys: Iterable[Vkey]) -> bool:
        """Whether cosignatures of these keys are enough. A key counts once, however often it signed."""
        if self.quorum is None:
            return True
        signed = set(vkeys)
        met = {witness.name: witness.vkey in signed for witness in self.witnesses}
        for group in self.groups:  # each speaks of lines above it only, so one pass is enough
            met[group.name] = sum(met[member] for member in group.members) >= group.needed
        return met[self.quorum]


class _Reader:
    """Takes one line after the other."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: list[str] = []
        self._free: dict[str, bool] = {}  # every name above, and whether no group has it yet

    def log(self, words: list[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise Malformed("expected `log <vkey> [<url>]`")
        vkey = parse_vkey(words[0])
        if vkey.type in _COSIGNATURES:
            raise Malformed(f"the key of the log {vkey.name} is one for cosignatures")
        self._only_once(vkey, [log.vkey for log in self.logs], MAX_LOGS)
        self.logs.append(PolicyLog(vkey, *words[1:]))

    def witness(self, words: list[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise Malformed("expected `witness <name> <vkey> [<url>]`")
        vkey = parse_vkey(words[1])
        if vkey.type == ED25519:
            raise Malformed(f"the key of the witness {vkey.name} is one for the text of notes")
        self._only_once(vkey, [witness.vkey for witness in self.witnesses], MAX_WITNESSES)
        self._define(words[0])
        self.witnesses.append(PolicyWitness(words[0], vkey, *words[2:]))

    def group(self, words: list[str]) -> None:
        name, count, *members = [*words, "", ""] if len(words) < 2 else words
        if not members or not name or len(self.groups) >= MAX_GROUPS:
            raise Malformed(f"expected `group <name> all|any|<k> <name>...`, at most {MAX_GROUPS} of them")
        if count not in ("all", "any") and not (_COUNT.fullmatch(count) and int(count) <= len(members)):
            raise Malformed(f"expected all, any or a number from 1 to {len(members)}, got {count[:20]!r}")
        for member in members:
            if not self._free.get(member):
                raise Malformed(f"{member[:80]!r} is no name of a line above, or a member of a group already")
            self._free[member] = False
        needed = {"all": len(members), "any": 1}.get(count) or int(count)
        self._define(name)
        self.groups.append(PolicyGroup(name, needed, tuple(members)))

    def quorum_line(self, words: list[str]) -> None:
        if len(words) != 1 or self.quorum:
            raise Malformed("expected `quorum <name>` exactly once")
        if words[0] != NONE and words[0] not in self._free:
            raise Malformed(f"the quorum {words[0][:80]!r} is no name of a line above")
        self.quorum.append(words[0])

    def _define(self, name: str) -> None:
        if name == NONE or name in self._free:
            raise Malformed(f"the name {name[:80]!r} is taken")
        self._free[name] = True

    def _only_once(self, vkey: Vkey, before: list[Vkey], most: int) -> None:
        if len(before) >= most:
            raise TooLarge(f"at most {most} such lines are read here")
        if any(vkey.raw == other.raw for other in before):
            raise Malformed(f"the public key of {vkey.name} stands twice")


def parse_policy(data: bytes) -> Policy:
    """The policy in a file, whoever wrote it; comments are left behind."""
    if len(data) > MAX_POLICY:
        raise TooLarge(f"expected a policy of at most {MAX_POLICY} bytes, got {len(data)}")
    if not _ALLOWED.fullmatch(data) or not data.endswith(b"\n"):
        raise Malformed("expected lines that each end in a newline, and no control character but tabs")
    read = _Reader()
    lines = {"log": read.log, "witness": read.witness, "group": read.group, "quorum": read.quorum_line}
    for raw in data[:-1].split(b"\n"):
        words = [word for word in re.split(r"[ \t]+", raw.decode("utf-8", "surrogateescape")) if word]
        if not words or words[0].startswith("#"):
            continue
        if words[0] not in lines:
            raise Malformed(f"expected a line of {', '.join(lines)}, got {words[0][:80]!r}")
        lines[words[0]](words[1:])
    if not read.quorum:
        raise Malformed("expected `quorum <name>` exactly once")
    quorum = None if read.quorum[0] == NONE else read.quorum[0]
    return Policy(tuple(read.logs), tuple(read.witnesses), tuple(read.groups), quorum)


def format_policy(policy: Policy, comments: Iterable[str] = ()) -> bytes:
    """The file, with comment lines before it; `parse_policy` gives an equal value back."""
    lines = [f"# {comment}" for comment in comments]
    lines += [" ".join(filter(None, ("log", format_vkey(log.vkey), log.url))) for log in policy.logs]
    lines += [" ".join(filter(None, ("witness", one.name, format_vkey(one.vkey), one.url))) for one in policy.witnesses]
    lines += [" ".join(("group", group.name, str(group.needed), *group.members)) for group in policy.groups]
    lines.append(f"quorum {policy.quorum or NONE}")
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    if parse_policy(data) != policy:
        raise Malformed("this policy does not read back the same")
    return data


def verify_policy(data: bytes, policy: Policy) -> tuple[Checkpoint, tuple[Cosignature, ...]]:
    """The checkpoint in a cosigned note, if one of the policy's logs signed it, and those who cosigned: whether they are enough
    tells `is_met`. Raises UnknownKey, BadSignature, Malformed, BadProof."""
    note = parse_note(data)
    origin = note.text.partition(b"\n")[0].decode("utf-8", "surrogateescape")
    logs: Mapping[str, Vkey] = {log.vkey.name: log.vkey for log in policy.logs if log.vkey.type == ED25519}
    if origin not in logs:
        raise UnknownKey(f"the policy names no log {origin[:128]!r}")
    return verify_checkpoint(data, logs[origin]), verify_cosignatures(note, policy.vkeys)
