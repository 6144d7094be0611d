"""Verdicts, ids, submissions and their flags: what was changed in the registry is found and named with its log and index."""

from hashlib import sha256

import pytest

from tests.audit_command.hands import Hand, check, flip, hand, node, sql, xa, xr
from tests.audit_command.stage import XA, Stage

INVENTED = (
    'INSERT INTO submission (id, log_id, "index", participant, form, version, obligations, series, issued, return_kind,'
    ' message, status, "current", in_force, directory, fits)'
    " SELECT :id, log_id, :to, participant, form, version, obligations, :id, issued, return_kind, message, status,"
    ' "current", in_force, directory, fits FROM submission WHERE {AT}'
)
SAY = "UPDATE entry SET verdict = :verdict, code = :code WHERE {AT}"
UNREGISTER = "DELETE FROM submission WHERE {AT}"
COLUMNS = {
    "participant": "XA",
    "form": "ICT-03",
    "version": 2,
    "obligations": "",
    "issued": "2026-11-20T00:00:00Z",
    "period_start": "2026-01-01",
    "period_end": "2026-12-31",
    "return_kind": "full",
    "message": "correction",
    "status": "actual",
    "directory": False,
}


def say(verdict: str, code: str | None, *more: str, index: int, origin: str = XA) -> Hand:
    what = xa("verdict", index) if origin == XA else xr("verdict", index)
    done = f"say of entry {index} that it is {verdict}, {code}"
    return hand(done, sql(SAY, *more, index=index, origin=origin, verdict=verdict, code=code), what)


def change(column: str, value: object) -> Hand:
    query = f'UPDATE submission SET "{column}" = :value WHERE {{AT}}'  # noqa: S608 - our own words
    return hand(f"change the {column} of a submission", sql(query, index=20, value=value), xr("registry", 20))


def fits(index: int, words: str, origin: str = XA) -> Hand:
    what = xa("fits", index) if origin == XA else xr("fits", index)
    query = "UPDATE submission SET fits = :words WHERE {AT}"
    return hand(f"say of entry {index}: {words}", sql(query, index=index, origin=origin, words=words), what)


def flags(done: str, index: int, current: bool, in_force: bool, origin: str, *found: str) -> Hand:
    query = 'UPDATE submission SET "current" = :current, in_force = :force WHERE {AT}'
    what = [(name, origin, index) for name in found]
    return hand(done, sql(query, index=index, origin=origin, current=current, force=in_force), *what)


HANDS = [
    say("admitted", None, index=2),
    say("admitted", None, index=3),
    say("admitted", None, index=1),
    say("refused", "bad-signature", index=1),
    say("waiting", "unknown-key", index=3),
    say("refused", "too-large", index=2),
    say("nonsense", "nonsense", index=2),
    hand(
        "admit a repetition",
        sql(SAY, index=4, origin=XA, verdict="admitted", code=None),
        *(xa("verdict", 4), xa("registry", 4), xa("slot", 4)),
    ),
    hand(
        "refuse what was admitted, and unregister it",
        sql(SAY, UNREGISTER, index=20, verdict="refused", code="bad-signature"),
        xr("verdict", 20),
    ),
    hand(
        "refuse a first entry as a repetition, and unregister it",
        sql(SAY, UNREGISTER, index=20, verdict="refused", code="duplicate-submission"),
        xr("verdict", 20),
    ),
    hand("hide an entry from its id", sql("UPDATE entry SET key = key + 1 WHERE {AT}", index=20), xr("id", 20)),
    hand("delete a submission", sql(UNREGISTER, index=20), xr("registry", 20)),
    hand(
        "register what was refused",
        sql(INVENTED, origin=XA, to=3, id=sha256(b"invented").digest()),
        xa("registry", 3),
    ),
    hand("register no entry", sql(INVENTED, origin=XA, to=700, id=sha256(b"invented").digest()), node("stray")),
    *[change(column, value) for column, value in COLUMNS.items()],
    hand("change the id of a submission", flip("submission", "id", index=20), xr("registry", 20)),
    hand(
        "put the first of a series into another",
        sql("UPDATE submission SET series = :other WHERE {AT}", index=20, other=sha256(b"other").digest()),
        xr("registry", 20),
    ),
    flags("take a current flag away", 20, False, False, "xr.test.example/log", "series"),
    flags("make an earlier version current", 0, True, False, "xr.test.example/log", "series"),
    flags("bring a withdrawn return back", 3, True, True, "xr.test.example/log", "series"),
    flags("end what is in force", 2, False, False, "xr.test.example/log", "series"),
    flags("let a nil return be in force", 20, True, True, "xr.test.example/log", "series"),
    flags("let an entry of another form be current", 6, True, False, XA, "series"),
    flags("take the flags of another status away", 7, False, False, XA, "series"),
    fits(8, "fits"),
    fits(8, "does not fit: /no_such: no"),
    fits(9, "fits"),
    fits(5, "fits"),
    fits(0, "does not fit: /role: no", "xr.test.example/log"),
    fits(0, "form not known here", "xr.test.example/log"),
    fits(0, "not held", "xr.test.example/log"),
]


@pytest.mark.parametrize("done", HANDS, ids=lambda done: done.done)
def test_tampering_with_the_registry_is_found_and_named(stage: Stage, done: Hand) -> None:
    check(stage, done)


def test_other_words_for_the_same_misfit_are_no_fault(stage: Stage) -> None:
    words = stage.value("SELECT fits FROM submission WHERE fits LIKE 'does not fit%'")
    pointer = words.removeprefix("does not fit: ").partition(":")[0]
    stage.tamper(
        "UPDATE submission SET fits = :words WHERE fits = :old", words=f"does not fit: {pointer}: x", old=words
    )
    assert stage.audit().holds


def test_faults_without_end_are_counted_and_not_kept(stage: Stage) -> None:
    stage.tamper("UPDATE entry SET verdict = 'refused', code = 'error'")
    report = stage.audit()
    assert len(report.faults) <= 250 and len(report.faults) + report.more_faults == 313
    assert [log.faults for log in report.logs] == [13, 300]  # one repeats another, and is told of twice
    assert len(list(report.lines())) < 60
