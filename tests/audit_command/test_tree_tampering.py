"""Entries, tiles, checkpoints and heads: what was changed in a tree is found and named with its log and index."""

import pytest

from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.merkle import EMPTY_ROOT, Frontier, leaf_hash
from tests import key_named
from tests.audit_command.hands import AT, OF, Change, Hand, check, flip, hand, node, sql, xa, xr
from tests.audit_command.stage import OWN, XA, XR, Stage

# Once an entry is another, so are the hash in its tile, the tile above, and every root behind it.
BROKEN_AT_7 = (xr("tile", 7), xr("tile"), xr("checkpoint", 200), xr("checkpoint"))


def sign_another(size: int, of: str, key: str) -> Change:
    """A checkpoint that is consistent in itself, of a tree that nobody has."""

    def change(stage: Stage) -> None:
        frontier = Frontier()
        for number in range(size):
            frontier.append(leaf_hash(str(number).encode()))
        checkpoint = Checkpoint(of, size, frontier.root())
        note = sign_checkpoint(checkpoint, key_named(key))
        query = f"UPDATE checkpoint SET root = :root, note = :note WHERE size = :size AND {OF}"  # noqa: S608
        stage.tamper(query, root=checkpoint.root, note=note, size=size, origin=of)

    return change


def repeat_the_last(stage: Stage) -> None:
    """The last entry is the one before it; key and tile were made to agree."""
    envelope = bytes(stage.value(f"SELECT envelope FROM entry WHERE {AT}", origin=XR, index=OWN - 2))  # noqa: S608
    key = stage.value(f"SELECT key FROM entry WHERE {AT}", origin=XR, index=OWN - 2)  # noqa: S608
    tile = bytes(stage.value(f'SELECT hashes FROM tile WHERE level = 0 AND "index" = 1 AND {OF}', origin=XR))  # noqa: S608
    stage.tamper(
        f"UPDATE entry SET envelope = :envelope, key = :key WHERE {AT}",  # noqa: S608
        f'UPDATE tile SET hashes = :tile WHERE level = 0 AND "index" = 1 AND {OF}',  # noqa: S608
        envelope=envelope,
        key=key,
        tile=tile[:-32] + leaf_hash(envelope),
        origin=XR,
        index=OWN - 1,
    )


HANDS = [
    hand(
        "flip a byte of a payload",
        flip("entry", "envelope", index=7, at=40),
        xr("verdict", 7),
        xr("id", 7),
        *BROKEN_AT_7,
    ),
    hand("flip a byte of a signature", flip("entry", "envelope", index=7, at=-12), xr("verdict", 7), *BROKEN_AT_7),
    hand(
        "put other bytes where an envelope should be",
        sql("UPDATE entry SET envelope = :other WHERE {AT}", index=7, other=b"a text"),
        *(xr("verdict", 7), xr("id", 7), *BROKEN_AT_7),
    ),
    hand(
        "drop an entry with all that belongs to it",
        sql("DELETE FROM submission WHERE {AT}", "DELETE FROM entry WHERE {AT}", index=7),
        xr("entry", 7),
    ),
    hand(
        "drop an entry and leave its registration",
        sql("DELETE FROM entry WHERE {AT}", index=7),
        *(xr("entry", 7), node("stray")),
    ),
    hand(
        "drop an entry and leave its documents",
        sql("DELETE FROM submission WHERE {AT}", "DELETE FROM entry WHERE {AT}", index=1),
        *(xr("entry", 1), xr("slot", 1)),
    ),
    hand(
        "move an index",
        sql('UPDATE submission SET "index" = 300 WHERE {AT}', 'UPDATE entry SET "index" = 300 WHERE {AT}', index=299),
        *(xr("entry", 299), xr("entry", 300)),
    ),
    hand(
        "exchange two entries",
        sql(
            'UPDATE entry SET "index" = 1000 WHERE {AT}',
            'UPDATE entry SET "index" = 20 WHERE "index" = 21 AND {OF}',
            'UPDATE entry SET "index" = 21 WHERE "index" = 1000 AND {OF}',
            index=20,
        ),
        *(xr("registry", 20), xr("registry", 21), xr("tile", 20), xr("tile"), xr("checkpoint", 200), xr("checkpoint")),
    ),
    hand(
        "add an entry beyond the end",
        sql(
            'INSERT INTO entry (log_id, "index", key, envelope, verdict)'
            " SELECT log_id, 300, key, envelope, verdict FROM entry WHERE {AT}",
            index=299,
        ),
        xr("entry", 300),
    ),
    hand(
        "let the last entry be the one before it, with id and tile to match",
        repeat_the_last,
        *(xr("registry", 299), xr("checkpoint", 300), xr("verdict", 299)),
    ),
    hand("flip a byte in a tile", flip("tile", "hashes", 'level = 0 AND "index" = 0 AND {OF}', at=290), xr("tile", 9)),
    hand("flip a byte in an upper tile", flip("tile", "hashes", "level = 1 AND {OF}"), xr("tile")),
    hand(
        "cut a tile short",
        sql('UPDATE tile SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND "index" = 1'),
        xr("tile", 256),
    ),
    hand("drop a tile", sql('DELETE FROM tile WHERE level = 0 AND "index" = 1'), xr("tile", 256)),
    hand("drop an upper tile", sql("DELETE FROM tile WHERE level = 1"), xr("tile")),
    hand(
        "add a tile",
        sql('INSERT INTO tile (log_id, level, "index", hashes) SELECT log_id, 2, 0, hashes FROM tile WHERE level = 1'),
        xr("tile"),
    ),
    hand(
        "keep a tile of no log",
        sql('INSERT INTO tile (log_id, level, "index", hashes) SELECT 99, 2, 0, hashes FROM tile WHERE level = 1'),
        node("stray"),
    ),
    hand("flip a byte in a note", flip("checkpoint", "note", "size = 200", at=-9), xr("checkpoint", 200)),
    hand("flip a byte in a root", flip("checkpoint", "root", "size = 200"), xr("checkpoint", 200)),
    hand("sign with another key", sign_another(3, XR, "a stranger"), xr("checkpoint", 3)),
    hand("let a log sign another tree", sign_another(4, XA, "XA log"), xa("checkpoint", 4)),
    hand(
        "move a checkpoint to another size",
        sql("UPDATE checkpoint SET size = 199 WHERE size = 200"),
        xr("checkpoint", 199),
    ),
    hand("drop the newest checkpoint", sql("DELETE FROM checkpoint WHERE size = 300"), xr("checkpoint", 300)),
    hand("drop an older checkpoint, which nobody can see", sql("DELETE FROM checkpoint WHERE size = 200")),
    hand(
        "keep a checkpoint of nothing with a root",
        sql("UPDATE checkpoint SET size = 0, root = :root WHERE size = 3", root=EMPTY_ROOT),
        xr("checkpoint", 0),
    ),
    hand(
        "spoil a checkpoint of what has not come", flip("checkpoint", "note", "size = 14", at=-9), xa("checkpoint", 14)
    ),
    hand("let a head run ahead", sql("UPDATE log SET size = 14 WHERE origin = :origin", origin=XA), xa("head")),
    hand(
        "set a head to what nobody signed",
        sql("UPDATE log SET size = 299 WHERE origin = :origin"),
        xr("checkpoint", 299),
    ),
]


@pytest.mark.parametrize("done", HANDS, ids=lambda done: done.done)
def test_tampering_with_a_tree_is_found_and_named(stage: Stage, done: Hand) -> None:
    check(stage, done)


def test_a_log_cut_short_at_an_older_checkpoint_is_told_by_its_own_signatures(stage: Stage) -> None:
    stage.tamper("UPDATE log SET size = 256, stored = 256 WHERE origin = :origin", origin=XR)
    report = stage.audit()
    found = {(fault.what, fault.index) for fault in report.faults if fault.log == XR}
    assert found == {("head", None), ("tile", None), *(("entry", index) for index in range(256, OWN))}


@pytest.mark.sqlite
def test_a_text_where_an_envelope_should_be_is_found_and_named(stage: Stage) -> None:
    """PostgreSQL keeps bytes and nothing else there."""
    text = sql("UPDATE entry SET envelope = :text WHERE {AT}", index=7, text="a text")
    check(stage, hand("put a text there", text, xr("entry", 7), xr("verdict", 7), xr("id", 7), *BROKEN_AT_7))


@pytest.mark.sqlite
def test_a_page_that_does_not_read_costs_its_entries_and_no_others(stage: Stage) -> None:
    path = stage.settings.database_file
    marker = bytes(stage.value(f"SELECT envelope FROM entry WHERE {AT}", origin=XR, index=290))[-150:]  # noqa: S608
    content = bytearray(path.read_bytes())
    page = content.index(marker) // 4096 * 4096
    content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)
    report = stage.audit()
    lost = [fault for fault in report.faults if fault.log == XR and fault.what == "entry"]
    assert [fault.index for fault in lost] == [256] and "can be read" in lost[0].detail
    (own,) = [log for log in report.logs if log.origin == XR]
    assert own.counts["opened"] == 256 and own.counts["absent"] == 44
    assert not [fault for fault in report.faults if fault.what == "checkpoint"]
