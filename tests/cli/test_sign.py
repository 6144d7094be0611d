"""cbm sign: the officer sees in words what is signed, and nothing is signed that was not opened and recomputed here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.core.statement import parse_statement, submission_id
from exchange.resources import FORMS
from tests.cli.desk import Desk, fill
from tests.cli.terminal import Terminal
from tests.processes import Done

HEADING = {"federation": '"trial.example"', "origin": '"xr.example/log"', "participant": '"XR"'}


def draft(desk: Desk, **answers: str) -> Path:
    """A draft that could be signed, but for these answers."""
    return desk.draft({**HEADING, **answers})


def sign(desk: Desk, source: Path, *more: object, key: str = "o1") -> Done:
    return desk.cbm("sign", source, "--key", desk.key(key), "--yes", *more)


def read(path: Path) -> Pack:
    return parse_pack(path.read_bytes())


def test_a_draft_is_shown_in_words_and_signed(desk: Desk) -> None:
    done = sign(desk, draft(desk, phone='"+12025550142"', status='"exercise"', retain_until='"2031-12-31"'))
    assert done.out == f"{desk.folder / 'contact.cbm'}\n"
    for line in (
        "XR states, under form POC-02 (Technical contact point / national structure managing ICT incidents):",
        "  status      exercise - not an actual submission",
        "  to          everybody: it becomes public for ever",
        "  replacing   begins a new series",
        "  kept        until 2031-12-31, then every node deletes the documents",
        "  in the log  xr.example/log of the federation trial.example",
        "    Institution: CERT-XR",
        "    Telephone: +12025550142",
        "    21 questions left open (not stated)",
    ):
        assert line in done.err.splitlines(), done.err
    parcel = read(desk.folder / "contact.cbm")
    assert parcel.receipt is None and parcel.trust is None
    statement = parse_statement(parse_envelope(parcel.envelope).payload)
    assert f"  id          {submission_id(parse_envelope(parcel.envelope).payload)}" in done.err.splitlines()
    assert (statement.participant, statement.retain_until) == ("XR", "2031-12-31")


def test_attachments_are_read_from_beside_the_draft(desk: Desk) -> None:
    (desk.folder / "scan.pdf").write_bytes(b"%PDF-1.4 scanned")
    path = draft(desk)
    path.write_text(path.read_text().replace("[body]", '[[attachments]]\nfile = "scan.pdf"\nlanguage = "fr"\n\n[body]'))
    done = sign(desk, path)
    assert done.code == 0 and "  document    a1: scan.pdf, 16 bytes" in done.err
    assert read(desk.folder / "contact.cbm").documents[1].content == b"%PDF-1.4 scanned"
    (desk.folder / "scan.pdf").unlink()
    again = sign(desk, path, "-o", desk.folder / "again.cbm")
    assert again.code == 2 and "scan.pdf" in again.err and not (desk.folder / "again.cbm").exists()


@pytest.mark.parametrize(
    ("answers", "pointer"),
    [
        ({"role": '"political"'}, "/role"),
        ({"institution": '""'}, "/institution"),
        ({"phone": '"555 0142"'}, "/phone"),
        (
            {
                "hours": '{ time_zone = "Europe/Vienna", weekly = [{ days = ["someday"], from = "00:00", to = "24:00" }] }'
            },
            "/hours",
        ),
        ({"federation": '""'}, "/return/federation"),
        ({"participant": '"Ruritania"'}, "/return/participant"),
        ({"message": '"update"'}, "/return/series"),
        ({"period": '"last year"'}, "/return/period"),
        ({"languages": '["english"]'}, "/return/languages"),
        ({"retain_until": '"some day"'}, "/return/retain_until"),
        ({"version": "99"}, "/return/form"),
        ({"form": '"XXX-01"'}, "/return/form"),
        ({"origin": '"No Name"'}, "/return/origin"),
    ],
)
def test_a_draft_that_does_not_fit_points_at_the_field_and_is_not_signed(
    desk: Desk, answers: dict[str, str], pointer: str
) -> None:
    done = sign(desk, draft(desk, **answers))
    assert (done.code, done.out) == (1, ""), done
    assert any(line.strip().startswith(f"at {pointer}") for line in done.err.splitlines()), done.err
    assert not (desk.folder / "contact.cbm").exists()


def test_every_field_that_does_not_fit_is_listed(desk: Desk) -> None:
    done = sign(desk, draft(desk, phone='"555"', email='"nobody"'))
    assert "body does not fit POC-02 in 2 places" in done.err
    assert [line.split()[0] for line in done.err.splitlines() if line.startswith("  /")] == ["/email", "/phone"]


@pytest.mark.parametrize(
    "content", [b"", b"no toml at all", b'[return]\nform = "POC-02"', b"\xff\xfe", b"[body]\n", b"\x00" * 40]
)
def test_a_file_that_is_no_draft_is_refused_in_words(desk: Desk, content: bytes) -> None:
    (desk.folder / "x.toml").write_bytes(content)
    done = sign(desk, desk.folder / "x.toml")
    assert (done.code, done.out) == (1, ""), done


def altered(document: Document) -> Document:
    return replace(document, content=document.content + b" ")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda parcel: replace(parcel, documents=(altered(parcel.documents[0]),)), "is not the one"),
        (lambda parcel: replace(parcel, documents=()), "do not sign what you cannot read"),
        (
            lambda parcel: replace(parcel, documents=(*parcel.documents, Document("a1", "x.pdf", bytes(32), b"x"))),
            "does not name: a1",
        ),
        (
            lambda parcel: replace(parcel, documents=(replace(parcel.documents[0], opening=bytes(32)),)),
            "is not the one",
        ),
    ],
    ids=["altered", "missing", "extra", "another opening"],
)
def test_a_second_officer_signs_only_what_was_recomputed(desk: Desk, spoil: Callable[[Pack], Pack], said: str) -> None:
    sign(desk, draft(desk))
    path = desk.folder / "contact.cbm"
    path.write_bytes(format_pack(spoil(read(path))))
    before = path.read_bytes()
    done = sign(desk, path, key="o2")
    assert (done.code, done.out) == (1, "") and said in done.err, done
    assert path.read_bytes() == before


def test_a_second_officer_signs_the_same_parcel_once(desk: Desk) -> None:
    sign(desk, draft(desk))
    path = desk.folder / "contact.cbm"
    first = parse_envelope(read(path).envelope)
    done = sign(desk, path, key="o2")
    assert done.code == 0 and f"signed by   {first.signatures[0].keyid[:16]} before you" in done.err
    both = parse_envelope(read(path).envelope)
    assert both.payload == first.payload and len(both.signatures) == 2 and first.signatures[0] in both.signatures
    again = sign(desk, path, key="o2")
    assert again.code == 1 and "signs once" in again.err


def test_a_parcel_that_was_tampered_with_is_not_opened(desk: Desk) -> None:
    sign(desk, draft(desk))
    path = desk.folder / "contact.cbm"
    good = path.read_bytes()
    for at in (0, len(good) // 3, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        done = sign(desk, path, key="o2")
        assert (done.code, done.out) == (1, ""), at


def test_nobody_to_say_yes_is_misuse(desk: Desk) -> None:
    done = desk.cbm("sign", draft(desk), "--key", desk.key("o1"))
    assert (done.code, done.out) == (2, "") and "give --yes where a script signs" in done.err
    assert "    Institution: CERT-XR" in done.err, "it is shown all the same"
    assert not (desk.folder / "contact.cbm").exists()


def test_a_key_file_that_others_can_read_is_refused(desk: Desk) -> None:
    path = draft(desk)
    desk.key("o1").chmod(0o640)
    done = sign(desk, path)
    assert done.code == 2 and "others on this machine may read" in done.err and "chmod 600" in done.err
    assert not (desk.folder / "contact.cbm").exists()


def test_a_key_of_another_kind_does_not_sign(desk: Desk) -> None:
    directory = desk.state("XR")
    done = desk.cbm("sign", draft(desk), "--key", directory / "keys" / "log.key", "--yes")
    assert done.code == 2 and "kinds are never mixed" in done.err


def test_a_parcel_is_never_written_over_another(desk: Desk) -> None:
    path = draft(desk)
    assert sign(desk, path).code == 0
    again = sign(desk, path)
    assert again.code == 2 and "exists already; name another one with -o" in again.err
    assert sign(desk, path, "-o", desk.folder / "other.cbm").code == 0


def test_a_draft_is_never_written_over(desk: Desk) -> None:
    path = draft(desk)
    done = desk.cbm("new", "POC-02", "-o", path)
    assert done.code == 2 and "never written over" in done.err


def test_what_would_repaint_the_screen_is_shown_harmless(desk: Desk) -> None:
    """A direction mark or an escape in a field must not make the officer read something else than is signed."""
    path = draft(desk, website='"https://xr.example/\\u202Egpj"')
    shown = desk.cbm("sign", path, "--key", desk.key("o1"), "--yes")
    assert "\u202e" not in shown.err and "\x1b" not in shown.err


def test_at_a_terminal_the_officer_is_asked_and_may_say_no(desk: Desk) -> None:
    words = "four words of an officer"
    desk.yes("key", "new", "sealed.key", CBM_PASSPHRASE=words)
    path = draft(desk)
    no = Terminal("sign", path, "--key", "sealed.key", cwd=desk.folder)
    no.type("Sign this? [y/N]", "n")
    done = no.end()
    assert (done.code, done.out) == (1, "") and "Institution: CERT-XR" in done.err
    assert not (desk.folder / "contact.cbm").exists()
    yes = Terminal("sign", path, "--key", "sealed.key", cwd=desk.folder)
    yes.type("Sign this? [y/N]", "y")
    yes.type("Passphrase of sealed.key", words, hidden=True)
    done = yes.end()
    assert done.code == 0 and words not in done.err, done
    assert done.out.strip() == str(desk.folder / "contact.cbm")


def test_a_form_that_did_not_come_with_the_program_is_taken_from_a_folder(desk: Desk) -> None:
    folder = desk.folder / "forms"
    folder.mkdir()
    form = next(path for path in FORMS.glob("POC-02.*")).read_text().replace('"POC-02"', '"XPO-02"')
    (folder / "XPO-02.v1.json").write_text(form)
    path = fill(draft(desk), {"form": '"XPO-02"'})
    without = sign(desk, path)
    assert without.code == 1 and "no form 'XPO-02'" in without.err
    done = sign(desk, path, "--forms", folder)
    assert done.code == 0 and "under form XPO-02" in done.err, done
