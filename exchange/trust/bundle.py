"""All that a node needs of the trust list, in one answer: the files one after the other, each under its name and length.

Guarantee: `parse_bundle` takes any bytes and raises only Malformed; names, lengths and numbers are bounded before anything is copied, no
file stands twice, and nothing stands between or behind them. Nothing in a bundle is believed for standing there: every
file proves itself (choice.py).

    cbm-trust-bundle/v1
    1.root.json 4091
    {"signatures":[...],"signed":{...}}
    timestamp.json 369
    {...}

Every line ends in a newline, the files too. The order is that of `format_bundle`: root, targets, participants, snapshots,
timestamps, each by version. A name may stand as often as relays speak (`timestamp.json`), never with the same bytes.
"""

import re
from collections.abc import Iterable

from exchange.errors import Malformed, TooLarge
from exchange.trust.rolefile import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleFile

FIRST_LINE = b"cbm-trust-bundle/v1\n"
MAX_BUNDLE = 64 * 1024 * 1024  # bytes
MAX_FILES = 3_000
MAX_LINE = 64  # bytes
_LINE = re.compile(rb"([1-9][0-9]{0,15}\.[A-Za-z0-9-]{2,20}\.json|timestamp\.json) ([1-9][0-9]{0,7})")


def format_bundle(files: Iterable[RoleFile]) -> bytes:
    parts = [FIRST_LINE]
    for raw, file in sorted({file.raw: file for file in files}.items(), key=lambda each: (_order(each[1]), each[0])):
        parts += [f"{file.name} {len(raw)}\n".encode(), raw, b"\n"]
    return b"".join(parts)


def _order(file: RoleFile) -> tuple[int, str, int]:
    place = {ROOT: 0, TARGETS: 1, SNAPSHOT: 3, TIMESTAMP: 4}
    return place.get(file.role, 2), "" if file.role in ROLES else file.role, file.version


def parse_bundle(data: bytes) -> list[tuple[str, bytes]]:
    """The files with their names, none of them looked into."""
    if len(data) > MAX_BUNDLE:
        raise TooLarge(f"expected a bundle of at most {MAX_BUNDLE} bytes, got {len(data)}")
    if not data.startswith(FIRST_LINE):
        raise Malformed("expected a bundle of the trust list")
    found: list[tuple[str, bytes]] = []
    at = len(FIRST_LINE)
    while at < len(data):
        end = data.find(b"\n", at, at + MAX_LINE)
        line = _LINE.fullmatch(data, at, end) if end >= 0 else None
        if line is None or len(found) == MAX_FILES:
            raise Malformed(f"expected at most {MAX_FILES} files, each under a line with its name and length")
        start, at = end + 1, end + 1 + int(line[2])
        if data[at : at + 1] != b"\n":
            raise Malformed("a file of the bundle is not as long as its line says")
        found.append((line[1].decode(), data[start:at]))
        at += 1
    if len(set(found)) < len(found):
        raise Malformed("a file stands twice in the bundle")
    return found
