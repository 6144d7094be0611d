"""cbm verify: files in, a line a check, a verdict, and exit 0 only under keys that an anchor from outside vouches for."""

import io
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.core.dsse import parse_envelope
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.core.receipt import format_receipt, parse_receipt
from exchange.trust.participants import Participants, format_participants
from tests import key_named
from tests.cli.desk import Desk
from tests.databases import give_database
from tests.processes import ROOT, Done, fresh
from tests.trust.packs import NOBODY, two_histories
from tests.world import World


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pack as Arcadia's mirror gives it, the records of the federation, and a forger's pack of one piece with itself."""
    folder = tmp_path_factory.mktemp("archive")
    with World(folder / "world", "XR", "XA") as world:
        published = world["XR"].publish("POC-02", attachments=(("scan.pdf", b"%PDF-1.4 " + bytes(2000)),))
        world["XR"].publish("ICT-03")
        world.pull()
        with world["XA"].client() as client:
            (folder / "good.zip").write_bytes(client.pack(published.id))
        (folder / "anchor.json").write_bytes(format_participants(world.participants))
        with World(folder / "forger", "XR") as forged:
            # Everything the forger can have: the same names, and keys of its own.
            mallory = forged["XR"]
            mallory.officer = key_named("Mallory")
            record = forged.participants.records["XR"]
            officers = [
                replace(key, public_key=mallory.officer.public) if key.may_sign == ("*",) else key
                for key in record.keys
            ]
            own = Participants(forged.participants.federation, False, {"XR": replace(record, keys=tuple(officers))})
            mallory.stop()
            give_database(mallory.directory)
            forged.participants = own
            forged.write_records(own)
            mallory.start()
            false = mallory.publish("POC-02", institution={"en": "Mallory's team"})
            with mallory.client() as client:
                (folder / "forged.zip").write_bytes(client.pack(false.id))
    yield folder


def by_the_example(pack: Path, anchor: Path) -> Done:
    """examples/verify_receipt.py, which uses nothing of ours."""
    program = (sys.executable, str(ROOT / "examples" / "verify_receipt.py"))
    return fresh(pack, anchor, cwd=pack.parent, program=program)


def verify(desk: Desk, archive: Path, content: bytes, *more: object) -> Done:
    path = desk.folder / "given.zip"
    path.write_bytes(content)
    return desk.cbm("verify", path, *(more or ("--trust", archive / "anchor.json")))


def test_a_good_pack_is_verified_line_by_line(desk: Desk, archive: Path) -> None:
    done = desk.cbm("verify", archive / "good.zip", "--trust", archive / "anchor.json")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[-1] == "verified: XR published this, and its log holds it at index 0"
    assert lines[-3] == "  - recorded, and not witnessed: cosigned by 0 of 1, 1 asked for"
    assert lines[-2] == "  - the pack's own policy is the one that the anchor's roster gives"
    remarks = [1, 8, 9]
    assert [line[:4] for line in lines[:-1]] == ["  - " if at in remarks else "ok  " for at in range(10)]
    assert by_the_example(archive / "good.zip", archive / "anchor.json").code == 0


def test_without_an_anchor_it_is_no_and_the_fingerprints_are_there_to_compare(desk: Desk, archive: Path) -> None:
    done = desk.cbm("verify", archive / "good.zip")
    assert done.code == 1 and NOBODY in done.out.splitlines()
    assert f"  key {key_named('XR officer 1').public.keyid}" in done.out.splitlines()
    assert "--trust FILE" in done.err and "by another channel" in done.err
    machine = desk.cbm("verify", archive / "good.zip", "--json").json
    assert (machine["verified"], machine["vouched"], machine["summary"]) == (False, False, NOBODY)
    assert machine["keys"] == [key_named("XR officer 1").public.keyid]


def test_a_pinned_anchor_counts_until_another_is_given(desk: Desk, archive: Path) -> None:
    pinned = desk.yes("federation", "pin", archive / "anchor.json")
    assert len(pinned.out.strip()) == 64
    assert desk.cbm("verify", archive / "good.zip").code == 0
    elsewhere = desk.cbm("verify", archive / "good.zip", XDG_CONFIG_HOME=str(desk.folder / "of somebody else"))
    assert elsewhere.code == 1
    desk.state("XB")
    given = desk.cbm("verify", archive / "good.zip", "--trust", desk.folder / "XB" / "peers.json")
    assert given.code == 1 and NOBODY in given.out


def test_a_perfect_forgery_is_consistent_and_no_more(desk: Desk, archive: Path) -> None:
    done = desk.cbm("verify", archive / "forged.zip")
    assert done.code == 1 and NOBODY in done.out.splitlines() and "NO" not in done.out
    assert f"  key {key_named('Mallory').public.keyid}" in done.out.splitlines()


def test_a_perfect_forgery_fails_under_a_true_anchor(desk: Desk, archive: Path) -> None:
    done = desk.cbm("verify", archive / "forged.zip", "--trust", archive / "anchor.json")
    assert done.code == 1 and done.out.splitlines()[-1] == "does not verify"
    assert by_the_example(archive / "forged.zip", archive / "anchor.json").code == 1


def byte_at(share: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        at = min(int(len(data) * share), len(data) - 1)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flip


def part(change: Callable[[Pack], Pack]) -> Callable[[bytes], bytes]:
    """A change behind right checksums."""
    return lambda data: format_pack(change(parse_pack(data)))


def _body(pack: Pack) -> Pack:
    body, *others = pack.documents
    return replace(pack, documents=(replace(body, content=body.content.replace(b"technical", b"political")), *others))


def _opening(pack: Pack) -> Pack:
    body, *others = pack.documents
    return replace(pack, documents=(replace(body, opening=bytes(32)), *others))


def _signature(pack: Pack) -> Pack:
    envelope = parse_envelope(pack.envelope)
    sig = envelope.signatures[0].sig
    return replace(pack, envelope=pack.envelope.replace(b64encode(sig), b64encode(bytes([sig[0] ^ 1]) + sig[1:])))


def _statement(pack: Pack) -> Pack:
    payload = parse_envelope(pack.envelope).payload
    return replace(
        pack, envelope=pack.envelope.replace(b64encode(payload), b64encode(payload.replace(b'"test"', b'"exer"')))
    )


def _index(pack: Pack) -> Pack:
    receipt = parse_receipt(pack.receipt or b"")
    return replace(pack, receipt=format_receipt(replace(receipt, index=1)))


def _path(pack: Pack) -> Pack:
    receipt = parse_receipt(pack.receipt or b"")
    return replace(pack, receipt=format_receipt(replace(receipt, proof=(bytes(32), *receipt.proof[1:]))))


def _checkpoint(pack: Pack) -> Pack:
    return replace(pack, receipt=(pack.receipt or b"").replace(b"/log\n2\n", b"/log\n3\n"))


SPOILED = {
    **{f"byte at {share:.2f}": byte_at(share) for share in (0, 0.2, 0.5, 0.8, 1)},
    "cut short": lambda data: data[:-1],
    "something behind it": lambda data: data + b"\0",
    "something before it": lambda data: b"\0" + data,
    "body": part(_body),
    "opening": part(_opening),
    "signature": part(_signature),
    "statement": part(_statement),
    "index": part(_index),
    "path": part(_path),
    "checkpoint": part(_checkpoint),
    "no receipt": part(lambda pack: replace(pack, receipt=None)),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_whatever_was_altered_it_is_no(desk: Desk, archive: Path, spoil: Callable[[bytes], bytes]) -> None:
    content = spoil((archive / "good.zip").read_bytes())
    done = verify(desk, archive, content)
    assert done.code == 1 and done.err == "", done
    assert done.out.splitlines()[-1] in ("does not verify", "not an evidence pack"), done.out
    assert done.out.splitlines()[-2].startswith("NO  ")


def test_what_was_altered_is_said_to_machines_too(desk: Desk, archive: Path) -> None:
    for spoil in (byte_at(0.5), part(_body)):
        content = spoil((archive / "good.zip").read_bytes())
        machine = verify(desk, archive, content, "--trust", archive / "anchor.json", "--json").json
        assert machine["verified"] is False and machine["checks"][-1]["passed"] is False


@pytest.mark.parametrize(
    "name", ["body", "opening", "signature", "statement", "index", "path", "checkpoint", "no receipt"]
)
def test_the_example_verifier_agrees(desk: Desk, archive: Path, name: str) -> None:
    """It reads no zip layout of its own, so only what lies behind the layout is compared."""
    (desk.folder / "spoiled.zip").write_bytes(SPOILED[name]((archive / "good.zip").read_bytes()))
    done = by_the_example(desk.folder / "spoiled.zip", archive / "anchor.json")
    assert done.code == 1 and done.out.splitlines()[-1].startswith("NO  "), done


def compressed(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as pack:
        for name in source.namelist():
            pack.writestr(name, source.read(name))
    return target.getvalue()


def bomb(_data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pack:
        pack.writestr("envelope.json", bytes(20 * 1024 * 1024))
    return target.getvalue()


def outside_the_folder(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as pack:
        for name in source.namelist():
            pack.writestr(name, source.read(name))
        pack.writestr("../../escaped", b"x")
    return target.getvalue()


@pytest.mark.parametrize("made", [compressed, bomb, outside_the_folder])
def test_a_zip_that_could_explode_or_escape_is_not_opened(
    desk: Desk, archive: Path, made: Callable[[bytes], bytes]
) -> None:
    done = verify(desk, archive, made((archive / "good.zip").read_bytes()))
    assert done.code == 1 and done.out.splitlines()[-1] == "not an evidence pack"
    assert not (desk.folder.parent.parent / "escaped").exists()


def test_a_file_beyond_all_measure_is_not_read(desk: Desk) -> None:
    with open(desk.folder / "huge.zip", "wb") as file:
        file.truncate(300 * 1024 * 1024)
    done = desk.cbm("verify", "huge.zip")
    assert (done.code, done.out) == (1, "") and "larger than 268,435,456 bytes" in done.err


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"{}", b"[]", b"hello", b'{"kind":"rollback/v1"}'])
def test_what_is_neither_pack_nor_evidence_is_no(desk: Desk, archive: Path, content: bytes) -> None:
    done = verify(desk, archive, content)
    assert done.code == 1 and done.out.splitlines()[-1] in ("not an evidence pack", "convicts nobody")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"v":1,"federation":"x","live":false,"participants":[{}]}'])
def test_an_anchor_that_is_none_is_said_and_never_passed_over(desk: Desk, archive: Path, content: bytes) -> None:
    (desk.folder / "bad.json").write_bytes(content)
    done = desk.cbm("verify", archive / "good.zip", "--trust", archive / "anchor.json", "--trust", "bad.json")
    assert done.code in (1, 2) and done.out == "" and "bad.json" in done.err, done


WITHOUT_A_WORLD = """
import sys

def refuse(event, _arguments):
    if event.startswith(("socket.", "sqlite3.", "subprocess.", "os.exec", "os.fork")):
        raise RuntimeError(f"cbm verify wants {event}")

sys.addaudithook(refuse)
from exchange.cli import main
main()
"""


def test_verifying_opens_neither_network_nor_database(archive: Path) -> None:
    """Python's own audit hook refuses every socket, database and process; the verdict needs none."""
    program = (sys.executable, "-c", WITHOUT_A_WORLD)
    done = fresh("verify", archive / "good.zip", "--trust", archive / "anchor.json", cwd=archive, program=program)
    assert done.code == 0 and done.out.splitlines()[-1].startswith("verified: "), done
    online = fresh("list", cwd=archive, program=program)
    assert online.code == 1 and "cbm verify wants socket." in online.err, "the hook does refuse"


def test_evidence_of_two_histories_convicts_and_a_word_of_it_changed_does_not(desk: Desk) -> None:
    evidence = two_histories()
    (desk.folder / "evidence.json").write_bytes(evidence)
    done = desk.cbm("verify", "evidence.json")
    assert done.code == 0 and done.out.splitlines()[-1].startswith("convicts: whoever holds the key of")
    assert desk.cbm("verify", "evidence.json", "--json").json["verified"] is True
    (desk.folder / "evidence.json").write_bytes(evidence.replace(b"\\n6\\n", b"\\n7\\n"))
    innocent = desk.cbm("verify", "evidence.json")
    assert innocent.code == 1 and innocent.out.splitlines()[-1] == "convicts nobody"
