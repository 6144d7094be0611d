"""Letters for named States: by the ordinary door, read by those alone whom they name, and never under another State's seal."""

import stat
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from exchange.core.document import Document
from exchange.core.dsse import format_envelope, parse_envelope, sign_payload
from exchange.core.letter import CARRIED_TYPE, INNER_TYPE
from exchange.core.outer import check_outer
from exchange.core.pack import Pack, format_pack
from exchange.core.sealed import Preface, read_preface
from exchange.core.statement import Period, Reference, Statement, format_statement, parse_statement
from exchange.errors import (
    BadSeal,
    BadSignature,
    DocumentsMissing,
    DoesNotFit,
    ExchangeError,
    Malformed,
    Misuse,
    NotAdmitted,
    NotFound,
    TooFewSignatures,
    UnknownKey,
    UnknownSeries,
    WrongCommitment,
    WrongLetter,
)
from exchange.node.keyfile import open_sealings
from exchange.node.sealed import reveal, seal_letter
from exchange.trust.letter import Letter
from exchange.trust.participants import Participants
from tests import key_named
from tests.sealing import PLAIN, inner_of, named, outside, sealed_by_hand, sealed_parcel
from tests.world import World, WorldNode, renamed


def opened(
    node: WorldNode, parcel: Pack, into: Path, index: int = 0, participants: Participants | None = None
) -> tuple[Letter, dict[str, Path]]:
    """As `cbm open` does it with the keys of that node."""
    keys = open_sealings(node.directory / "keys")
    outer = parse_statement(parse_envelope(parcel.envelope).payload)
    records = participants or node.world.participants

    def key_of(preface: Preface) -> Any:
        return preface.unwrap(node.code, keys)

    letter, paths, _ = reveal(BytesIO(parcel.documents[0].content), key_of, outer, index, records, into)
    return letter, paths


def refused_to_open(
    node: WorldNode, parcel: Pack, into: Path, error: type[ExchangeError], match: str | None = None
) -> None:
    with pytest.raises(error, match=match):
        opened(node, parcel, into)
    assert not into.exists()
    assert not list(into.parent.glob(".*.partial"))


def test_a_letter_comes_to_its_readers_and_to_nobody_else(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = (world[code] for code in ("XR", "XA", "XI"))
        parcel = sealed_parcel(xr, "XA")
        published = xr.submit(parcel)
        world.pull()
        for reader in (xr, xa):
            letter, paths = opened(reader, parcel, tmp_path / f"read by {reader.code}", published.index)
            assert letter.statement.audience == ("XA",)
            assert paths["a1"].name == "a1.pdf" and paths["a1"].read_bytes() == PLAIN
            folder = tmp_path / f"read by {reader.code}"
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert sorted(path.name for path in folder.iterdir()) == ["a1.pdf", "body.json", "letter.json"]
        refused_to_open(xi, parcel, tmp_path / "no", NotFound, "not addressed to XI")
        for node in (xr, xa, xi):
            with node.client() as client:
                item = client.submission(published.id)
                told = [(one["held"], one["name"], one["size"]) for one in item["documents"]]
                assert told == [(False, None, None)]
                assert (item["form"], item["fits"], item["body"]) == ("SEAL-01", "restricted", None)
                assert item["statement"]["references"] == [] and item["statement"]["period"] is None
            assert [line for line in node.get("/v1/documents?participant=XR").text.splitlines() if line] == []
            commitment = item["documents"][0]["commitment"]
            gone = node.get(f"/v1/documents/{commitment}")
            never = node.get(f"/v1/documents/{'0' * 64}")
            assert (gone.status_code, gone.json()) == (404, never.json())


def test_a_mirror_misses_nothing_of_what_is_sealed(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        world["XR"].submit(sealed_parcel(world["XR"], "XA"))
        world.pull()
        world.sleep(days=2)
        world.pull()
        peers = world["XI"].get("/v1/peers").json()["items"]
        assert all(peer["documents_missing"] == 0 for peer in peers)
        assert world["XI"].alerts() == []


def test_an_inner_envelope_posted_to_the_door_is_refused(tmp_path: Path) -> None:
    """What was said to a few cannot be published by whoever opened it: as it is, or as an ordinary envelope."""
    with World(tmp_path, "XR", "XA") as world:
        envelope, documents = inner_of(world["XR"], "XA")
        for node in world.nodes.values():
            with pytest.raises(Malformed, match="payload type"):
                node.submit(Pack(envelope, documents, None, None))
            inner = parse_envelope(envelope, INNER_TYPE)
            posed = format_envelope(replace(inner, payload_type=parse_envelope(node.parcel().envelope).payload_type))
            with pytest.raises(NotAdmitted):
                node.submit(Pack(posed, documents, None, None))
        # Even a statement that the door would take: the signature is not one over it.
        public, held = inner_of(world["XR"], "XA", edit=lambda s: replace(_public(s)))
        posed = format_envelope(
            replace(parse_envelope(public, INNER_TYPE), payload_type="application/vnd.cbm.submission.v1+json")
        )
        with pytest.raises(BadSignature):
            world["XR"].submit(Pack(posed, held, None, None))
        assert [head["size"] for head in world["XR"].heads()] == [0, 0]


def _public(statement: Statement) -> Statement:
    documents = tuple(replace(one, audience="public") for one in statement.documents)
    return replace(statement, audience="public", documents=documents)


def test_a_letter_that_somebody_seals_anew_is_refused(tmp_path: Path) -> None:
    """XA opens what XR said to it, and seals it for XI as if XR had said it to XI; or as its own word."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        xa, xi = world["XA"], world["XI"]
        envelope, documents = inner_of(world["XR"], "XA")
        forged = outside(xa, sealed_by_hand(xa, ["XI"], envelope, documents))
        refused_to_open(xi, forged, tmp_path / "1", WrongLetter, "taken out of another seal")
        # Under XR's name, in XA's log: the outside must say who seals it.
        named_xr = sealed_by_hand(xa, ["XI"], envelope, documents, sender=_sender(world, "XR"))
        refused_to_open(xi, outside(xa, named_xr), tmp_path / "2", WrongLetter, "sealed by XR")
        # To itself and others: the readers that XR named are those alone who may be shown it.
        wider = outside(world["XR"], sealed_by_hand(world["XR"], ["XA", "XI"], envelope, documents))
        refused_to_open(xi, wider, tmp_path / "3", WrongLetter, "inside, the letter is for XA")
        refused_to_open(xa, wider, tmp_path / "4", WrongLetter)


def _sender(world: World, code: str) -> Any:
    from exchange.core.sealed import Addressee

    key = world.participants.records[code].sealing_key
    assert key is not None
    return Addressee(code, key.keyid)


def test_a_letter_of_another_log_or_federation_is_refused(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        for change in ({"origin": "xr.test.example/other"}, {"federation": "other.example"}):
            envelope, documents = inner_of(xr, "XA", edit=lambda s, c=change: replace(s, **c))  # type: ignore[misc]
            blob = sealed_by_hand(xr, ["XA"], envelope, documents)
            refused_to_open(xa, outside(xr, blob), tmp_path / "1", WrongLetter, "another seal")
            blob = sealed_by_hand(xr, ["XA"], envelope, documents, **change)
            with pytest.raises(WrongLetter, match="the letter was sealed by"):
                xr.submit(outside(xr, blob))


WRONG: dict[str, tuple[type[ExchangeError], Callable[[WorldNode], tuple[bytes, tuple[Document, ...]]]]] = {
    "signed by nobody known": (UnknownKey, lambda xr: inner_of(xr, "XA", signers=[key_named("a stranger")])),
    "signed by the reader": (UnknownKey, lambda xr: inner_of(xr, "XA", signers=[xr.world["XA"].officer])),
    "an altered document": (
        WrongCommitment,
        lambda xr: _with_documents(inner_of(xr, "XA"), lambda d: renamed(d, content=d.content + b".")),
    ),
    "another opening": (
        WrongCommitment,
        lambda xr: _with_documents(inner_of(xr, "XA"), lambda d: renamed(d, opening=bytes(32))),
    ),
    "a document left out": (DocumentsMissing, lambda xr: _without(inner_of(xr, "XA"))),
    "public inside": (WrongLetter, lambda xr: inner_of(xr, "XA", edit=_public)),
    "one document for others": (
        WrongLetter,
        lambda xr: inner_of(
            xr, "XA", edit=lambda s: replace(s, documents=(s.documents[0], replace(s.documents[1], audience=("XI",))))
        ),
    ),
    "for the sender too": (WrongLetter, lambda xr: inner_of(xr, "XA", edit=lambda s: named(s, "XA", "XR"))),
    "with a release date": (
        WrongLetter,
        lambda xr: inner_of(xr, "XA", edit=lambda s: replace(s, release_on="2027-01-01T00:00:00Z")),
    ),
}


def _with_documents(
    letter: tuple[bytes, tuple[Document, ...]], change: Callable[[Document], Document]
) -> tuple[bytes, tuple[Document, ...]]:
    return letter[0], tuple(map(change, letter[1]))


def _without(letter: tuple[bytes, tuple[Document, ...]]) -> tuple[bytes, tuple[Document, ...]]:
    return letter[0], letter[1][:1]


@pytest.mark.parametrize("name", WRONG)
def test_nothing_is_shown_of_a_letter_that_is_wrong(tmp_path: Path, name: str) -> None:
    error, made = WRONG[name]
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr = world["XR"]
        parcel = outside(xr, sealed_by_hand(xr, ["XA"], *made(xr)))
        index = xr.submit(parcel).index  # the door cannot see it
        assert index == 0
        refused_to_open(world["XA"], parcel, tmp_path / "shown", error)


def test_a_seal_within_a_seal_is_refused(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr = world["XR"]
        first = sealed_parcel(xr, "XA")
        payload = parse_envelope(first.envelope).payload
        envelope = format_envelope(sign_payload(payload, [xr.officer], INNER_TYPE))
        parcel = outside(xr, sealed_by_hand(xr, ["XA"], envelope, first.documents))
        refused_to_open(world["XA"], parcel, tmp_path / "1", WrongLetter, "a seal stands within a seal")
        with pytest.raises(WrongLetter, match="sealed already"):
            seal_letter(envelope, first.documents, world.participants)


def test_a_letter_is_judged_by_the_keys_of_its_place(tmp_path: Path) -> None:
    """An officer whose key was closed signs no letter after that; what was sealed before stays readable."""
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        parcel = sealed_parcel(xr, "XA")
        records = world.participants
        record = records.records["XR"]
        keys = tuple(
            replace(key, before=(0, 5)) if key.public_key.keyid == xr.officer.public.keyid else key
            for key in record.keys
        )
        closed = Participants("test.example", False, {**records.records, "XR": replace(record, keys=keys)})
        opened(xa, parcel, tmp_path / "before", 4, closed)
        with pytest.raises(UnknownKey, match="position 0:5"):
            opened(xa, parcel, tmp_path / "after", 5, closed)
        envelope, documents = inner_of(xr, "XA")
        with pytest.raises(UnknownKey, match="now"):
            seal_letter(envelope, documents, closed)
        two = replace(record, thresholds=replace(record.thresholds, forms={"*": 2}))
        stricter = Participants("test.example", False, {**records.records, "XR": two})
        with pytest.raises(TooFewSignatures, match="needs 2 keys"):
            seal_letter(envelope, documents, stricter)


def test_only_those_who_can_open_are_sealed_for(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        envelope, documents = inner_of(world["XR"], "XA")
        records = world.participants.records
        keyless = replace(records["XA"], keys=tuple(key for key in records["XA"].keys if key.kind != "sealing"))
        gone = replace(
            records["XA"], status=(*records["XA"].status, type(records["XA"].status[0])("left", "2026-12-01"))
        )
        for wrong, why in ((keyless, "no sealing key"), (gone, "does not take part")):
            with pytest.raises(Misuse, match=why):
                seal_letter(envelope, documents, Participants("test.example", False, {**records, "XA": wrong}))
        with pytest.raises(Misuse, match="no record of XA"):
            seal_letter(envelope, documents, Participants("test.example", False, {"XR": records["XR"]}))
        # And the door of the node takes nothing that nobody can open.
        blob = sealed_by_hand(world["XR"], ["XA"], envelope, documents, sender=_sender(world, "XR"))
        key = records["XA"].sealing_key
        assert key is not None
        other = read_preface(BytesIO(blob).read).header.recipients[0].keyid
        assert other == key.keyid
        with pytest.raises(DoesNotFit, match="does not stand in the record of XA"):
            world["XR"].submit(outside(world["XR"], blob.replace(key.keyid.encode(), b"0" * 64)))


DOOR: dict[str, Callable[[Statement], Statement]] = {
    "a period": lambda s: replace(s, period=Period("2026", "2026")),
    "a reference": lambda s: replace(s, references=(Reference("related", "0" * 64, None),)),
    "another language": lambda s: replace(s, languages=("en",)),
    "a date of deletion": lambda s: replace(s, retain_until="2027-01-01"),
    "a day of release": lambda s: replace(s, release_on="2027-01-01T00:00:00Z"),
    "for whom": lambda s: replace(s, audience=("XA",)),
    "public outside": lambda s: replace(s, audience="public"),
    "a public blob": lambda s: replace(s, documents=(replace(s.documents[0], audience="public"),)),
    "a status": lambda s: replace(s, status="exercise"),
    "on behalf of somebody": lambda s: replace(s, on_behalf_of="XA"),
    "another media type": lambda s: replace(s, documents=(replace(s.documents[0], media_type="application/pdf"),)),
    "a second document": lambda s: replace(s, documents=(*s.documents, replace(s.documents[0], slot="a1"))),
    "another form": lambda s: replace(s, form=replace(s.form, code="ICT-03")),
    "another version": lambda s: replace(s, form=replace(s.form, version=2)),
}


@pytest.mark.parametrize("name", DOOR)
def test_the_outside_says_nothing_more(tmp_path: Path, name: str) -> None:
    with World(tmp_path, "XR", "XA") as world:
        blob = sealed_parcel(world["XR"], "XA").documents[0].content
        with pytest.raises(NotAdmitted) as caught:
            world["XR"].submit(outside(world["XR"], blob, edit=DOOR[name]))
        assert isinstance(caught.value, DoesNotFit)
        assert world["XR"].running.node.appender.size == 0


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"%PDF", b"cbm-sealed/1\n", b"cbm-sealed/1\n\0\0\0\2{}", bytes(20_000)]
)
def test_a_sealed_body_that_is_no_letter_is_refused_at_the_door(tmp_path: Path, content: bytes) -> None:
    with World(tmp_path, "XR") as world:
        with pytest.raises((Malformed, BadSeal)):
            world["XR"].submit(outside(world["XR"], content))
        assert world["XR"].running.node.appender.size == 0


def test_a_large_letter_comes_in_parts(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        parcel = sealed_parcel(world["XR"], "XA", content=b"x" * 3_000_000)
        world["XR"].submit(parcel)
        _, paths = opened(world["XA"], parcel, tmp_path / "read")
        assert paths["a1"].read_bytes() == b"x" * 3_000_000
        broken = Document("body", "sealed.bin", parcel.documents[0].opening, b"y" * 3_000_000)
        with pytest.raises(Malformed):
            world["XR"].submit(outside(world["XR"], broken.content))
        assert world["XR"].running.node.appender.size == 1


def test_an_answer_in_public_to_what_is_sealed_is_refused(tmp_path: Path) -> None:
    """It would tell who could read the letter."""
    with World(tmp_path, "XR", "XA") as world:
        sealed = world["XR"].submit(sealed_parcel(world["XR"], "XA"))
        world.pull()

        def reply(statement: Statement) -> Statement:
            return replace(statement, message="reply", references=(Reference("in reply to", sealed.id, None),))

        with pytest.raises(UnknownSeries, match="is sealed: what refers to it is sealed too"):
            world["XA"].publish(edit=reply)
        envelope, documents = inner_of(world["XA"], "XR", edit=reply)
        blob = seal_letter(envelope, documents, world.participants).document.content
        assert world["XA"].submit(outside(world["XA"], blob)).index == 0


def test_an_older_letter_opens_after_the_sealing_key_was_rotated(tmp_path: Path) -> None:
    from exchange.node.founding import sealing_key
    from exchange.node.keyfile import create_sealing
    from exchange.trust.closing import closed_key, with_key

    with World(tmp_path, "XR", "XA") as world:
        before = sealed_parcel(world["XR"], "XA")
        keys = world["XA"].directory / "keys"
        fresh = create_sealing(keys / "sealing-2.key")
        record = world.participants.records["XA"]
        old = record.sealing_key
        assert old is not None
        grown = closed_key(with_key(record, sealing_key(fresh.public)), old.keyid, (0, 0))
        assert grown.sealing_key == fresh.public
        world.participants = Participants("test.example", False, {**world.participants.records, "XA": grown})
        world.write_records(world.participants)
        world.pull()
        after = sealed_parcel(world["XR"], "XA")
        for number, parcel in enumerate((before, after)):
            world["XR"].submit(parcel)
            letter, _ = opened(world["XA"], parcel, tmp_path / f"read {number}", number)
            assert letter.statement.participant == "XR"
        assert set(open_sealings(keys)) == {old.keyid, fresh.public.keyid}


def test_the_outer_statement_is_the_only_one() -> None:
    from exchange.core.outer import outer_statement

    plain = outer_statement(
        "test.example", "xr.test.example/log", "XR", form="0" * 64, issued="2026-11-21T03:00:00Z", commitment="1" * 64
    )
    check_outer(parse_statement(format_statement(plain)))


def test_a_node_that_lost_a_sealing_key_is_told(tmp_path: Path) -> None:
    from exchange.config import read_settings
    from exchange.node.gather import key_facts

    with World(tmp_path, "XR") as world:
        settings, record = read_settings(world["XR"].directory), world.participants.records["XR"]

        def wrong() -> list[str]:
            return [one.problem for one in key_facts(settings, record) if one.problem is not None]

        path = settings.keys / "sealing.key"
        assert wrong() == []
        path.chmod(0o644)
        assert "others on this machine may read" in wrong()[0]
        path.unlink()
        assert "letters to it cannot be opened" in wrong()[0]


def test_a_reader_is_added_by_a_letter_that_carries_the_old_one(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xi = world["XR"], world["XI"]
        older = Pack(*inner_of(xr, "XA"), None, None)
        foreign = Pack(*inner_of(world["XA"], "XI"), None, None)
        altered = replace(older, documents=tuple(renamed(one, content=b"other") for one in older.documents))
        for number, (carried, error) in enumerate(((older, None), (foreign, WrongLetter), (altered, WrongCommitment))):

            def carries(statement: Statement) -> Statement:
                body, letter = statement.documents
                return replace(statement, documents=(body, replace(letter, media_type=CARRIED_TYPE)))

            envelope, documents = inner_of(xr, "XA", "XI", content=format_pack(carried), edit=carries)
            blob = seal_letter(envelope, documents, world.participants).document.content
            parcel = outside(xr, blob)
            if error is None:
                _, paths = opened(xi, parcel, tmp_path / "read")
                assert format_pack(older) == paths["a1"].read_bytes()
            else:
                refused_to_open(xi, parcel, tmp_path / f"{number}", error)
