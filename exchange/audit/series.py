"""Series and repetitions: what follows from several entries together. schemas/README.md section 14, read a second time.

    An id counts once in a log, at the first index where it stands, whatever was decided there.
    A series is one of its first entry's form: entries of another form change nothing in it.
    Within one series and one status, in log order, only original, update, correction and withdrawal count, unless disputed.
    The last of them is current, unless it is a withdrawal.
    The last full return is in force; nothing to declare and a withdrawal end it, nothing new leaves it.

Every entry leaves a `Fact` of 70 bytes. Facts are gathered by series, from wherever they were read, and `settle` decides
each series by itself: so the registry of a million entries is decided in small pieces, side by side.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from exchange.audit.registry import FITS, FITTINGS, MESSAGES, OPENS, RETURNS, Columns, kind_of

_WITHDRAWAL = MESSAGES["withdrawal"]
_FULL, _NOTHING = RETURNS["full"], RETURNS["nothing to declare"]

# What is known of an entry, or claimed of it.
COUNTS = 1 << 8  # by its own signatures it is its participant's word
OPEN = 1 << 9  # or may become so
REPEATS = 1 << 10  # it was recorded as a repetition
CURRENT = 1 << 11
IN_FORCE = 1 << 12
ANSWERS = 1 << 13  # its form answers contact look-ups, and its body fits
DELIVERED = 1 << 14  # every document it names was there, and was the one committed to
LISTED = 1 << 15  # not an entry: what a registry lists
UNSAID = 1 << 18  # it has no flags to be right or wrong: that it is not registered was told already
MARKED = 1 << 19  # as disputed by its State: it stays listed, and is neither current nor in force
_FITTING = 16  # two bits: how the body fits

_FACT = struct.Struct(">16s16s8sHQI8s8s")
FACT_SIZE = _FACT.size
BUCKETS = 64


class Fact(NamedTuple):
    """An entry, or a line of a registry, as far as other entries depend on it. Ids are cut to 16 bytes: no two are ever made alike."""

    series: bytes
    id: bytes
    form: bytes
    log: int
    at: int
    bits: int
    listing: bytes
    body: bytes

    @property
    def message(self) -> int:
        return self.bits & 7

    @property
    def return_(self) -> int:
        return self.bits >> 3 & 3

    @property
    def status(self) -> int:
        return self.bits >> 5 & 3

    @property
    def fitting(self) -> str:
        return FITTINGS[self.bits >> _FITTING & 3]


def pack_fact(
    ident: bytes,
    series: bytes | None,
    columns: Columns | None,
    log: int,
    index: int,
    bits: int,
    fits: str = FITS,
    listing: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """Of an entry. One without a statement (`columns` None) still stands first where it stands: what repeats it, repeats it."""
    if columns is None:
        return _FACT.pack(ident, ident, b"", log, index, bits, b"", b"")
    if fits is not FITS:
        bits |= FITTINGS.index(kind_of(fits)) << _FITTING
    return _FACT.pack(series or ident, ident, columns.code, log, index, bits | columns.bits, listing, body)


def pack_line(
    series: bytes, ident: bytes, log: int, index: int, *, current: bool, delivered: bool, fits: str, listing: bytes
) -> bytes:
    """What a registry lists under an id."""
    bits = LISTED | CURRENT * current | DELIVERED * delivered | FITTINGS.index(kind_of(fits)) << _FITTING
    return _FACT.pack(series, ident, b"", log, index, bits, listing, b"")


def bucket_of(fact: bytes) -> int:
    """Facts of one series fall into one bucket."""
    return fact[0] % BUCKETS


class Owner(NamedTuple):
    """Of one log: whose, the how manieth, how many entries stood there when the audit began, and how many when it ended."""

    participant: str
    ordinal: int
    size: int
    end: int


class Finding(NamedTuple):
    """Something does not hold for the entry `at` of the log numbered `log`."""

    log: int
    at: int
    what: str
    detail: str


class Contact(NamedTuple):
    """An entry that must answer contact look-ups; `settled` is False where it came or went while the audit looked."""

    log: int
    at: int
    id: bytes
    body: bytes
    settled: bool


def settle(facts: bytes, owners: Sequence[Owner], *, listed: bool) -> Iterator[Finding | Contact]:
    """What is wrong with the series in one bucket, and which entries answer look-ups.

    `listed`: the flags stand in lines of a registry, apart from the entries; else they came with the entries.
    """
    by_series: dict[bytes, list[bytes]] = defaultdict(list)
    for at in range(0, len(facts), FACT_SIZE):
        by_series[facts[at : at + 16]].append(facts[at : at + FACT_SIZE])
    for packed in by_series.values():
        if len(packed) == 1 and not listed:
            (only,) = packed
            bits = int.from_bytes(only[_BITS], "big")
            if _stands_alone(bits):
                if bits & ANSWERS and bits & IN_FORCE:
                    fact = Fact._make(_FACT.unpack(only))
                    yield Contact(fact.log, fact.at, fact.id, fact.body, True)
                continue
        yield from _settle([Fact._make(_FACT.unpack(one)) for one in packed], owners, listed)


_BITS = slice(50, 54)


@lru_cache(maxsize=4096)
def _stands_alone(bits: int) -> bool:
    """Whether a series of this one entry is as it should be: the usual case, and told from its bits."""
    if bits & REPEATS:
        return False
    if bits & UNSAID or not bits & COUNTS:
        return True
    current = bool(bits & OPENS and bits & 7 in (1, 2, 3) and not bits & MARKED)
    return bool(bits & CURRENT) is current and bool(bits & IN_FORCE) is (current and bits >> 3 & 3 == _FULL)


def _settle(facts: Sequence[Fact], owners: Sequence[Owner], listed: bool) -> Iterator[Finding | Contact]:
    entries = sorted((one for one in facts if not one.bits & LISTED), key=lambda one: _place(one, owners))
    lines: dict[tuple[int, bytes], Fact] = {}
    for line in facts:
        if line.bits & LISTED and lines.setdefault((line.log, line.id), line) != line:
            yield Finding(line.log, line.at, "registry", "listed twice, and differently")
    standing: dict[tuple[int, bytes], int] = {}
    admitted: dict[str, list[Fact]] = defaultdict(list)
    for entry in entries:
        first = standing.setdefault((entry.log, entry.id), entry.at)
        if entry.bits & REPEATS and first == entry.at:
            yield Finding(entry.log, entry.at, "verdict", "refused as a repetition, and stands nowhere before")
        if first != entry.at and not entry.bits & REPEATS and entry.bits & (COUNTS | OPEN):
            yield Finding(entry.log, entry.at, "verdict", f"repeats entry {first}, and was not refused for it")
        if first == entry.at and entry.bits & COUNTS:
            admitted[owners[entry.log].participant].append(entry)
    for versions in admitted.values():
        yield from _settle_series(versions, owners, lines, listed)
    for line in lines.values():  # what was not taken out by an entry of its own
        if line.at < owners[line.log].end:
            yield Finding(line.log, line.at, "registry", "listed, and the log holds no such admitted entry there")
        else:
            yield Finding(
                line.log, line.at, "ahead", "listed beyond the head that is served: a pull under way, or invented"
            )


def _place(fact: Fact, owners: Sequence[Owner]) -> tuple[str, int, int]:
    owner = owners[fact.log]
    return owner.participant, owner.ordinal, fact.at


class _State(NamedTuple):
    current: frozenset[Fact]
    in_force: frozenset[Fact]


def _settle_series(
    versions: Sequence[Fact], owners: Sequence[Owner], lines: dict[tuple[int, bytes], Fact], listed: bool
) -> Iterator[Finding | Contact]:
    """One participant's series. What came while the audit looked may or may not show in its answers yet: either is right."""
    fresh = [one for one in versions if one.at >= owners[one.log].size]
    states = [_state([one for one in versions if one not in fresh[count:]]) for count in range(len(fresh) + 1)]
    # What is listed and not served yet may have changed this series already.
    unsettled = any(line.at >= owners[line.log].end for line in lines.values())
    for version in versions:
        line = lines.pop((version.log, version.id), None) if listed else version
        known = version.at < owners[version.log].size
        if line is None or line.at != version.at:
            if known:
                yield Finding(version.log, version.at, "registry", "admitted, and not in the registry")
            continue
        if listed:
            yield from _compare_line(version, line)
        if not unsettled and not line.bits & UNSAID:
            yield from _compare_flags(version, line, states, listed)
        times = sum(version in state.in_force for state in states)
        if version.bits & ANSWERS and times:
            settled = times == len(states) and known and not unsettled
            yield Contact(version.log, version.at, version.id, version.body, settled)


def _compare_line(version: Fact, line: Fact) -> Iterator[Finding]:
    if line.listing != version.listing:
        yield Finding(version.log, version.at, "registry", "listed otherwise than the entry says")
    if bool(line.bits & DELIVERED) is not bool(version.bits & DELIVERED):
        said = "says that it holds its documents" if line.bits & DELIVERED else "says that it lacks a document"
        yield Finding(version.log, version.at, "held", f"{said}, and serves otherwise")
    elif line.fitting != version.fitting:
        detail = f"listed with the form verdict {line.fitting.strip(': ')!r}, it is {version.fitting.strip(': ')!r}"
        yield Finding(version.log, version.at, "fits", detail)


def _compare_flags(version: Fact, line: Fact, states: Sequence[_State], listed: bool) -> Iterator[Finding]:
    for flag, name in ((CURRENT, "current"), (IN_FORCE, "in force"))[: 1 if listed else 2]:
        allowed = {version in (state.current if flag == CURRENT else state.in_force) for state in states}
        if bool(line.bits & flag) not in allowed:
            said = f"marked {name}, and is not" if line.bits & flag else f"{name}, and not marked so"
            yield Finding(version.log, version.at, "series", said)


def _state(versions: Iterable[Fact]) -> _State:
    """What is current and in force after these entries, in log order."""
    known = list(versions)
    form = next((one.form for one in known if one.bits & OPENS), None)
    current: dict[int, Fact | None] = {}
    in_force: dict[int, Fact | None] = {}
    for one in known:
        if not one.message or one.form != form or one.bits & MARKED:
            continue
        ends = one.message == _WITHDRAWAL
        current[one.status] = None if ends else one
        if ends or one.return_ == _NOTHING:
            in_force[one.status] = None
        elif one.return_ == _FULL:
            in_force[one.status] = one
    return _State(frozenset(filter(None, current.values())), frozenset(filter(None, in_force.values())))
