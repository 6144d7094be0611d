"""Documents, openings and slots, records, logs and settings: what was changed is found and named."""

import pytest

from tests.audit_command.hands import Change, Fault, Hand, check, commitment, flip, hand, node, sql, xa, xr
from tests.audit_command.stage import XA, XR, Stage


def large_file(content: bytes | None) -> Change:
    def change(stage: Stage) -> None:
        name = commitment(stage, 1, "a2").hex()
        path = stage.settings.documents / name[:2] / name
        path.unlink() if content is None else path.write_bytes(content)

    return change


def slot(done: str, change: str, *found: Fault) -> Hand:
    """Something was done to the small attachment of entry 1."""
    query = f"UPDATE slot SET {change} WHERE {{AT}} AND slot = 'a1'"  # noqa: S608 - our own words
    return hand(done, sql(query, index=1), *(found or [xr("slot", 1)]))


WRONG_UNDER_NO_RECORD = [xa("verdict", index) for index in range(12) if index not in (2, 3, 4)]

HANDS = [
    hand("flip a byte in a document", flip("document", "content", "id = {BODY}"), xr("document", 0)),
    hand("flip a byte in an opening", flip("opening", "key", "document = {BODY}"), xr("document", 0)),
    hand("lengthen an opening", sql("UPDATE opening SET key = key || key WHERE document = {BODY}"), xr("document", 0)),
    hand("say another size", sql("UPDATE document SET size = size + 1 WHERE id = {BODY}"), xr("document", 0)),
    hand("give it a hostile name", sql("UPDATE document SET name = '../passwd' WHERE id = {BODY}"), xr("document", 0)),
    hand("drop an opening", sql("DELETE FROM opening WHERE document = {BODY}"), xr("document", 0)),
    hand(
        "drop a document",
        sql("DELETE FROM document WHERE id = {BODY}"),
        *(xr("slot", 0), xr("fits", 0), node("document")),
    ),
    hand("change a large document", large_file(b"another"), xr("document", 1)),
    hand("drop the file of a large document", large_file(None), xr("document", 1)),
    hand("drop a slot", sql("DELETE FROM slot WHERE {AT} AND slot = 'a1'", index=1), xr("slot", 1)),
    slot("rename a slot", "slot = 'a7'"),
    slot("change the audience of a document", "audience = 'participating States'"),
    slot("change the media type of a document", "media_type = 'text/html'"),
    slot("change the language of a document", "language = 'xx'"),
    slot("say that a document is missing", "document = NULL"),
    slot("hide a slot from its commitment", "key = key + 1"),
    hand(
        "hide a document from its commitment", sql("UPDATE document SET key = key + 1 WHERE id = {BODY}"), xr("slot", 0)
    ),
    slot("move a slot to no entry", '"index" = 900', xr("slot", 1), node("stray")),
    hand(
        "point a slot at another document", flip("slot", "commitment", "{AT} AND slot = 'a1'", index=1), xr("slot", 1)
    ),
    hand(
        "say that a document is held", sql("UPDATE slot SET document = 1 WHERE {AT}", origin=XA, index=5), xa("slot", 5)
    ),
    hand(
        "spoil a document that no entry names",
        sql(
            "UPDATE document SET content = :other WHERE NOT EXISTS"
            " (SELECT 1 FROM slot WHERE slot.document = document.id)",
            other=b"another",
        ),
        node("document"),
    ),
    hand(
        "edit a record",
        sql("UPDATE record SET record = replace(record, 'Ministry of', 'Bureau of') WHERE participant = 'XA'"),
        node("record"),
    ),
    hand("drop the newest record, which leaves an earlier one", sql("DELETE FROM record WHERE seq = 3")),
    hand(
        "drop every record of a participant",
        sql("DELETE FROM record WHERE participant = 'XA'"),
        *(xa("log"), *WRONG_UNDER_NO_RECORD),
    ),
    hand(
        "give a log another key",
        sql("UPDATE log SET vkey = (SELECT vkey FROM log WHERE origin = :xr) WHERE origin = :origin", origin=XA, xr=XR),
        xa("log"),
    ),
    hand("call a mirror one's own", sql("UPDATE log SET own = TRUE WHERE origin = :origin", origin=XA), xa("log")),
    hand(
        "say that a log is another's",
        sql("UPDATE log SET participant = 'XI' WHERE origin = :origin", origin=XA),
        xa("log"),
    ),
    hand(
        "call the database another's",
        sql("UPDATE setting SET value = 'XA' WHERE name = 'participant'"),
        node("setting"),
    ),
    hand(
        "move it to another federation",
        sql("UPDATE setting SET value = 'other.example' WHERE name = 'federation'"),
        node("setting"),
    ),
]


@pytest.mark.parametrize("done", HANDS, ids=lambda done: done.done)
def test_tampering_with_documents_and_records_is_found_and_named(stage: Stage, done: Hand) -> None:
    check(stage, done)
