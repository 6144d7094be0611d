"""Alerts, peers and participant records: raised once, counted, and every version kept."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exchange.store.alerts import list_alerts, raise_alert
from exchange.store.participants import keep_records, newest_records
from exchange.store.peers import note_contact, peer_statuses
from exchange.trust.participants import Standing
from tests import builders
from tests.store import NOW, Books

ALERT: dict[str, Any] = {
    "kind": "rollback/v1",
    "participant": "XA",
    "origin": "xa.test.example/log",
    "raised": NOW,
    "summary": "XA serves less than it signed",
    "evidence": {"served": "a note", "larger": "another"},
}


def raised(books: Books, **changes: Any) -> str:
    with books.db.write() as tx:
        return raise_alert(tx, **{**ALERT, **changes})


def test_a_finding_is_one_alert_however_often_it_is_met(books: Books) -> None:
    first = raised(books)
    assert {raised(books, raised=NOW + timedelta(days=day), summary="in other words") for day in range(3)} == {first}
    with books.db.read() as tx:
        (alert,) = list_alerts(tx)
    assert (alert.id, alert.raised, alert.summary) == (first, NOW.isoformat(), ALERT["summary"])
    assert alert.evidence == ALERT["evidence"]


@pytest.mark.parametrize(
    "change",
    [{"kind": "fork/v1"}, {"origin": "xb.test.example/log"}, {"evidence": {"served": "a third"}}],
    ids=str,
)
def test_another_finding_is_another_alert(books: Books, change: dict[str, Any]) -> None:
    first, second = raised(books), raised(books, **change)
    assert first != second
    with books.db.read() as tx:
        assert [alert.id for alert in list_alerts(tx)] == [first, second]


def test_alerts_come_in_the_order_in_which_they_were_raised(books: Books) -> None:
    idents = [raised(books, evidence={"number": number}) for number in range(7)]
    seen: list[str] = []
    after = 0
    with books.db.read() as tx:
        while page := list_alerts(tx, after=after, limit=3):
            seen += [alert.id for alert in page]
            after = page[-1].seq
    assert seen == idents


def test_failures_in_a_row_are_counted_and_forgotten_after_a_good_contact(books: Books) -> None:
    for minute, error in enumerate(["down", "down", None, "lying"]):
        with books.db.write() as tx:
            note_contact(tx, "XA", NOW + timedelta(minutes=minute), error)
            note_contact(tx, "XB", NOW, None)
        with books.db.read() as tx:
            status = peer_statuses(tx)["XA"]
        assert status.error == error
        assert status.failures == [1, 2, 0, 1][minute]
        assert status.attempted == (NOW + timedelta(minutes=minute)).isoformat()
        assert status.contacted == (None if minute < 2 else (NOW + timedelta(minutes=2)).isoformat())
    with books.db.read() as tx:
        assert peer_statuses(tx)["XB"].failures == 0
        assert set(peer_statuses(tx)) == {"XA", "XB"}


def test_every_version_of_a_record_is_kept_and_the_newest_counts(books: Books) -> None:
    first = builders.record("XR")
    second = replace(first, status=(*first.status, Standing("suspended", "2026-12-01")))
    with books.db.write() as tx:
        assert newest_records(tx) == {}
        for records in ([first, builders.record("XA")], [second], []):
            keep_records(tx, records, NOW)
        assert newest_records(tx) == {"XA": builders.record("XA"), "XR": second}
        assert tx.exec_driver_sql("SELECT count(*) FROM record WHERE participant = 'XR'").scalar() == 2
