"""cbm seal and cbm open: said to one State, read by it, kept from all others, and proven to a third when either wants."""

import re
from pathlib import Path

import pytest

from exchange.core.pack import parse_pack
from tests.cli.desk import Desk
from tests.processes import NodeProcess, full_audit

SECRET = "The relay at Strelsau is down since noon"


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Ruritania and Arcadia, which know each other."""
    desk.state("XR", "Ruritania")
    desk.state("XA", "Arcadia", ("o2",))
    desk.yes("federation", "gather", "peers.json", "XR/peers.json", "XA/peers.json")
    for code in ("XR", "XA"):
        desk.yes("federation", "import", code, "peers.json")
    return desk


def letter(desk: Desk, url: str, *, to: str = '["XA"]', name: str = "letter", key: str = "o1") -> Path:
    """Signed inside, not yet sealed."""
    (desk.folder / "map.txt").write_text(SECRET)
    draft = desk.draft({"audience": to, "phone": '"+12025550142"'}, "--node", url, file=f"{name}.toml")
    draft.write_text(draft.read_text().replace("# [[attachments]]\n", '[[attachments]]\nfile = "map.txt"\n', 1))
    return desk.folder / desk.yes("sign", draft, "--key", desk.key(key), "--yes").out.strip()


def test_said_to_one_read_by_it_and_proven_to_a_third(two: Desk) -> None:
    with NodeProcess(two.folder / "XR") as ruritania, NodeProcess(two.folder / "XA") as arcadia:
        signed = letter(two, ruritania.url)
        two.node = ruritania.url
        refused = two.cbm("submit", signed)  # the inside is for no door
        assert refused.code == 1 and "payload type" in refused.err
        sealed = two.yes("seal", signed, "--key", two.key("o1"), "--trust", "peers.json", "--yes")
        assert "opens for   Arcadia (XA)" in sealed.err and "nothing else" in sealed.err
        parcel = two.folder / sealed.out.strip()
        assert SECRET.encode() not in parcel.read_bytes()
        ident = two.submit(parcel)["id"]
        two.yes("pull", "XA")
        told = "".join(
            [
                *(
                    two.yes(verb, *more, "--node", url).out
                    for url in (ruritania.url, arcadia.url)
                    for verb, more in (("show", [ident]), ("list", []))
                ),
                *(path.read_text() for path in (two.folder / "XR").rglob("*.log")),
            ]
        )
        assert "POC-02" not in told and "map.txt" not in told and "XA" not in re.sub(r"\S*XA\S*cbm", "", told)
        # The sender's own State reads what it said, with its own node's key.
        own = two.yes("open", ident, "--in", "XR", "-o", "own", "--json").json
        assert (own["participant"], own["audience"], own["form"]) == ("XR", ["XA"], "POC-02")
        assert (two.folder / "own" / "a1.txt").read_text() == SECRET
        again = two.cbm("open", ident, "--in", "XR", "-o", "own")
        assert again.code == 2 and "exists already" in again.err
        # Disclosed: anybody with an anchor checks what was said, to whom and when, without any key.
        two.yes("open", ident, "--in", "XR", "-o", "once more", "--disclose", "told.zip")
        pack = two.folder / "told.zip"
        assert parse_pack(pack.read_bytes()).content_key is not None
        verdict = two.yes("verify", pack, "--trust", "peers.json").out
        for line in (
            "the key disclosed is the one that the seal commits to: whoever opened it read the same",
            "inside, for XA: POC-02 of XR: original, full",
            "document a1 inside (text/plain) is the one committed to",
        ):
            assert line in verdict
        shown = two.yes("open", pack, "--trust", "peers.json", "-o", "third")
        assert "Telephone: +12025550142" in shown.out and (two.folder / "third" / "a1.txt").read_text() == SECRET
        # The reader opens it with its own node's key, out of a pack that discloses nothing.
        held = parse_pack(pack.read_bytes())
        from dataclasses import replace

        from exchange.core.pack import format_pack

        (two.folder / "closed.zip").write_bytes(format_pack(replace(held, content_key=None)))
        assert "was not disclosed" in two.yes("verify", "closed.zip", "--trust", "peers.json").out
        read = two.yes("open", "closed.zip", "--in", "XA", "-o", "read").out
        assert "Ruritania states, under form POC-02" in read and "to          XA" in read
        nobody = two.cbm("open", "closed.zip", "--trust", "peers.json", "-o", "nobody")
        assert nobody.code == 2 and not (two.folder / "nobody").exists()
        other = bytes(32)
        (two.folder / "forged.zip").write_bytes(format_pack(replace(held, content_key=other)))
        forged = two.cbm("verify", "forged.zip", "--trust", "peers.json")
        assert forged.code == 1 and "[bad-seal]" in forged.out
        unvouched = two.cbm("open", pack, "-o", "unvouched")
        assert unvouched.code == 2 and "vouches" in unvouched.err
        # A reply to it is drafted sealed.
        draft = two.yes("new", "POC-02", "--reply", ident, "--node", arcadia.url)
        assert 'audience = ["XR"]' in draft.out and 'message = "reply"' in draft.out
        assert f'replaces = "{ident}"' in draft.out
        for place in (ruritania.url, arcadia.url):
            assert two.yes("audit", place, "--trust", "peers.json", "--json").json["holds"]
    for code in ("XR", "XA"):
        full_audit(two.folder / code)
        report = two.yes("audit", code, "--json").json
        assert report["holds"] and report["undelivered"] == []


def test_the_sealing_key_is_rotated_and_old_letters_open(two: Desk) -> None:
    with NodeProcess(two.folder / "XR") as ruritania, NodeProcess(two.folder / "XA"):
        two.node = ruritania.url
        one = two.yes("seal", letter(two, ruritania.url), "--key", two.key("o1"), "--trust", "peers.json", "--yes")
        first = two.submit(two.folder / one.out.strip())["id"]
        two.yes("key", "new", "XR/keys/sealing-2.key", "--kind", "sealing")
        fingerprint = two.yes("key", "enrol", "XR", "XR/keys/sealing-2.key.pub").out.strip()
        assert fingerprint in two.yes("key", "show", "XR/keys/sealing-2.key").out
        two.yes("pull", "XR")
        second = letter(two, ruritania.url, name="second")
        sealed = two.yes("seal", second, "--key", two.key("o1"), "--trust", "XR/peers.json", "--yes")
        assert fingerprint[:16] in sealed.err
        for number, ident in enumerate((first, two.submit(two.folder / sealed.out.strip())["id"])):
            assert two.yes("open", ident, "--in", "XR", "-o", f"read {number}", "--json").json["index"] == number


def test_what_cannot_be_sealed_is_refused_with_what_to_do(two: Desk) -> None:
    with NodeProcess(two.folder / "XR") as ruritania:
        plain = two.parcel() if two.node else None
        assert plain is None
        two.node = ruritania.url
        refused = two.cbm("seal", two.parcel(name="public"), "--key", two.key("o1"), "--trust", "peers.json", "--yes")
        assert refused.code == 1 and "payload type" in refused.err
        stranger = letter(two, ruritania.url, to='["XI"]', name="stranger")
        refused = two.cbm("seal", stranger, "--key", two.key("o1"), "--trust", "peers.json", "--yes")
        assert refused.code == 2 and "no record of XI" in refused.err
        refused = two.cbm("seal", stranger, "--key", two.key("o1"), "--yes")
        assert refused.code == 2 and "--trust" in refused.err
        refused = two.cbm("open", "0" * 64, "--in", "XR")
        assert refused.code == 1 and "no sealed letter" in refused.err
        refused = two.cbm("open", "0" * 64)
        assert refused.code == 2 and "--in" in refused.err
        refused = two.cbm("key", "enrol", "XR", "XA/keys/sealing.key.pub")
        assert refused.code == 2 and "private half" in refused.err
