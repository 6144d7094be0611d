"""The judgement of `cbm node check`: facts in, findings out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchange.node.checks import DAY, Finding, Standing, judge, worst
from exchange.node.facts import Facts, KeyFacts, PeerFacts, Seen, StoredFacts

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
MB = 1024 * 1024
SEEN = Seen("https://cbm.xr.example", None, "XR", "cbm.xr.example/log", "vkey", "1.2.0", timedelta(0))
SEEN = replace(SEEN, cosignatures="cosigned by 2 of 2, 2 asked for")


def peer(code: str = "XA", *, hours: float | None = 1, ahead: float | None = 0, **changes: Any) -> PeerFacts:
    """A peer that was reached that many hours ago, and whose clock is ahead by that many seconds."""
    seen = replace(SEEN, url="", participant=code, ahead=None if ahead is None else timedelta(seconds=ahead))
    seen = replace(seen, **{name: changes.pop(name) for name in ("version", "error") if name in changes})
    contacted = None if hours is None else NOW - timedelta(hours=hours)
    return PeerFacts(code, seen, contacted, changes.pop("failures", 0), changes.pop("why", None))


HEALTHY = Facts(
    now=NOW,
    directory="/srv/cbm/xr",
    url="https://cbm.xr.example",
    loopback=False,
    participant="XR",
    origin="cbm.xr.example/log",
    vkey="vkey",
    version="1.2.0",
    seen=SEEN,
    certificate=(NOW + 60 * DAY, None),
    running=True,
    refusing=None,
    peers=[peer("XA"), peer("XI")],
    disk_free=5000 * MB,
    disk_min=200 * MB,
    backup=(NOW - timedelta(hours=20), "/var/backups/cbm/xr/2026-11-20"),
    keys=[KeyFacts("log.key", None, None)],
    officers=2,
    schema="0002",
    newest_schema="0002",
    database_error=None,
    stored=StoredFacts(size=12, forms_unknown={}, owed=3, overdue=0, waiting=0, restored=None),
)
STORED = HEALTHY.stored
assert STORED is not None


def found(name: str, **changes: Any) -> Finding:
    """The finding of one check in a healthy node but for these facts; all others must stay ok unless named by `also`."""
    return next(finding for finding in judge(replace(HEALTHY, **changes)) if finding.check == name)


def test_a_healthy_node_is_ok_in_every_respect() -> None:
    findings = judge(HEALTHY)
    assert [finding for finding in findings if finding.standing is not Standing.OK] == []
    assert worst(findings) is Standing.OK
    assert len({finding.check for finding in findings}) == len(findings)


OK, ATTENTION, WRONG = Standing.OK, Standing.ATTENTION, Standing.WRONG


@pytest.mark.parametrize(
    ("name", "changes", "standing", "says"),
    [
        ("running", {"running": False}, WRONG, "does not run"),
        ("running", {"refusing": "a commit failed"}, WRONG, "takes no submissions: a commit failed"),
        ("reachable", {"seen": replace(SEEN, error="ConnectTimeout")}, WRONG, "does not answer: ConnectTimeout"),
        ("reachable", {"seen": replace(SEEN, participant="XA")}, WRONG, "its participant is XA"),
        ("reachable", {"seen": replace(SEEN, origin="elsewhere/log")}, WRONG, "its origin is elsewhere/log"),
        ("reachable", {"seen": replace(SEEN, vkey="another")}, WRONG, "its log key is another"),
        ("certificate", {"certificate": (NOW + 22 * DAY, None)}, OK, "22 days"),
        ("certificate", {"certificate": (NOW + 21 * DAY, None)}, ATTENTION, "21 days"),
        ("certificate", {"certificate": (NOW + 3 * DAY, None)}, WRONG, "3 days"),
        ("certificate", {"certificate": (None, "certificate has expired")}, WRONG, "certificate has expired"),
        ("certificate", {"certificate": None}, ATTENTION, "not encrypted"),
        ("certificate", {"certificate": None, "loopback": True}, OK, "not needed"),
        ("clock", {"peers": [peer(ahead=40), peer(ahead=40), peer(ahead=-9000)]}, ATTENTION, "40 s behind"),
        ("clock", {"peers": [peer(ahead=-301)]}, WRONG, "301 s ahead of"),
        ("clock", {"peers": [peer(ahead=20), peer(ahead=-20)]}, OK, "agrees with 2"),
        ("clock", {"peers": [peer(ahead=None)]}, ATTENTION, "told its time"),
        ("clock", {"peers": []}, OK, "no other node yet"),
        ("disk", {"disk_free": 999 * MB}, ATTENTION, "999 MB free"),
        ("disk", {"disk_free": 199 * MB}, WRONG, "199 MB free"),
        ("disk", {"disk_free": 0, "disk_min": 0}, OK, "0 MB free"),
        ("backup", {"backup": None}, ATTENTION, "no backup"),
        ("backup", {"backup": (NOW - 3 * DAY, "/mnt/b")}, ATTENTION, "3 days old, in /mnt/b"),
        ("backup", {"backup": (NOW - 8 * DAY, "/mnt/b")}, WRONG, "8 days old"),
        (
            "keys",
            {"keys": [KeyFacts("log.key", "others may read it", "chmod 600")]},
            WRONG,
            "log.key: others may read it",
        ),
        ("keys", {"officers": 0}, ATTENTION, "no officer may sign"),
        ("witnesses", {"seen": replace(SEEN, stale=True)}, ATTENTION, "no quorum of the last day"),
        ("witnesses", {"seen": replace(SEEN, cosignatures="")}, ATTENTION, "does not tell"),
        ("database", {"schema": "0001"}, ATTENTION, "schema 0001, this program has 0002"),
        ("database", {"schema": "0003"}, WRONG, "schema 0003 is newer"),
        ("database", {"schema": None, "database_error": "it does not open"}, WRONG, "it does not open"),
        (
            "version",
            {"peers": [peer(version="1.10.0"), peer(version="1.2.0")]},
            ATTENTION,
            "1 others run a newer one, XA 1.10.0",
        ),
        ("version", {"peers": [peer(version="0.9"), peer(version="what?"), peer(version="")]}, OK, "no other node"),
        ("peers", {"peers": []}, ATTENTION, "no other node stands in peers.json"),
        ("peers", {"peers": [peer(), peer("XI", hours=25)]}, ATTENTION, "XI was last reached 25 hours ago"),
        ("peers", {"peers": [peer(), peer("XI", hours=None)]}, ATTENTION, "XI was never reached"),
        ("peers", {"peers": [peer(), peer("XI", failures=2, why="ConnectError")]}, ATTENTION, "XI fails: ConnectError"),
        ("peers", {"peers": [peer("XI", hours=200)]}, WRONG, "8 days ago"),
        ("documents", {"stored": replace(STORED, overdue=2)}, ATTENTION, "2 named for more than a day"),
        ("documents", {"stored": None}, ATTENTION, "could not be looked at"),
        ("forms", {"stored": replace(STORED, forms_unknown={"CT-09": 4})}, ATTENTION, "CT-09 (4)"),
        ("records", {"stored": replace(STORED, waiting=7)}, ATTENTION, "7 entries"),
        (
            "records",
            {"stored": replace(STORED, restored="the backup of May")},
            ATTENTION,
            "restored from the backup of May",
        ),
    ],
)
def test_each_fact_is_judged(name: str, changes: dict[str, Any], standing: Standing, says: str) -> None:
    finding = found(name, **changes)
    assert finding.standing is standing, finding
    assert says in finding.says
    assert (finding.next_step is None) == (standing is Standing.OK), "whoever reads it knows what to do"


def test_what_nobody_answered_is_told_apart_from_what_is_broken() -> None:
    assert found("reachable", seen=replace(SEEN, error="ConnectTimeout")).unreachable
    assert found("peers", peers=[peer(hours=None)]).unreachable
    assert not found("keys", keys=[KeyFacts("log.key", "gone", "bring it back")]).unreachable


def test_many_stale_peers_are_told_on_one_line() -> None:
    finding = found("peers", peers=[peer(), *(peer(f"X{letter}", hours=None) for letter in "BCDEFGH")])
    assert finding.says.endswith("; and 2 more")
