"""cbm key: an officer's key is sealed under a passphrase, shown by its public half, and signs from a position of the log on."""

import pytest

from exchange.core.keys import Kind
from exchange.node.founding import read_participants
from exchange.node.keyfile import open_key
from tests.cli.desk import Desk
from tests.cli.terminal import Terminal
from tests.processes import NodeProcess

WORDS = "four words of an officer"


def test_a_key_is_made_sealed_and_shown_by_its_public_half(desk: Desk) -> None:
    made = desk.yes("key", "new", "a.key", CBM_PASSPHRASE=WORDS)
    fingerprint = made.out.strip()
    assert len(fingerprint) == 64 and "a copy in a safe" in made.err
    path = desk.folder / "a.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "seed" not in path.read_text() and WORDS not in path.read_text()
    opened = open_key(path, WORDS, kind=Kind.SIGNING)
    assert opened.key.public.keyid == fingerprint
    for name in ("a.key", "a.key.pub"):
        shown = desk.yes("key", "show", name)  # no passphrase: the public half is enough
        assert f"fingerprint  {fingerprint}\n" in shown.out and "kind         signing\n" in shown.out


def test_a_key_without_its_public_half_is_opened_to_show_it(desk: Desk) -> None:
    fingerprint = desk.yes("key", "new", "a.key", CBM_PASSPHRASE=WORDS).out.strip()
    (desk.folder / "a.key.pub").unlink()
    assert fingerprint in desk.yes("key", "show", "a.key", CBM_PASSPHRASE=WORDS).out
    wrong = desk.cbm("key", "show", "a.key", CBM_PASSPHRASE="not these four words")
    assert (wrong.code, wrong.out) == (2, "") and "does not open with this passphrase" in wrong.err
    nobody = desk.cbm("key", "show", "a.key")
    assert nobody.code == 2 and "CBM_PASSPHRASE" in nobody.err


def test_a_passphrase_that_is_too_short_makes_no_key(desk: Desk) -> None:
    done = desk.cbm("key", "new", "a.key", CBM_PASSPHRASE="short")
    assert (done.code, done.out) == (2, "") and "at least 12 characters" in done.err
    assert list(desk.folder.glob("a.key*")) == []


def test_nobody_to_type_a_passphrase_is_said(desk: Desk) -> None:
    done = desk.cbm("key", "new", "a.key")
    assert (done.code, done.out) == (2, "") and "CBM_PASSPHRASE" in done.err
    assert list(desk.folder.glob("a.key*")) == []


def test_a_key_is_never_written_over_another(desk: Desk) -> None:
    path = desk.key("a")
    before = path.read_bytes()
    done = desk.cbm("key", "new", "a.key", CBM_PASSPHRASE=WORDS)
    assert done.code == 2 and "exists already" in done.err
    assert path.read_bytes() == before


def test_at_a_terminal_the_passphrase_is_asked_twice_and_never_shown(desk: Desk) -> None:
    terminal = Terminal("key", "new", "a.key", cwd=desk.folder)
    for question, typed in (
        ("New passphrase", WORDS),
        ("Repeat for confirmation", "another passphrase"),
        ("New passphrase", WORDS),
        ("Repeat for confirmation", WORDS),
    ):
        terminal.type(question, typed, hidden=True)
    done = terminal.end()
    assert done.code == 0, done
    assert WORDS not in done.err and WORDS not in done.out
    assert open_key(desk.folder / "a.key", WORDS).key.public.keyid == done.out.strip()


def test_an_officer_is_enrolled_from_the_next_position_on(desk: Desk) -> None:
    directory = desk.state("XR", "Ruritania", ("o1",))
    with NodeProcess(directory) as node:
        desk.node = node.url
        parcel = desk.parcel(name="second", key="o2")
        refused = desk.cbm("submit", parcel)
        assert (refused.code, refused.out) == (1, "")
        assert "does not hold the key" in refused.err or "unknown" in refused.err
        desk.submit(desk.parcel(name="first"))
        done = desk.yes("key", "enrol", directory, desk.folder / "o2.key.pub", "--form", "POC-02")
        assert "From index 1 on, this key may sign POC-02 for Ruritania" in done.err
        assert f"cbm pull {directory}" in done.err
        desk.yes("pull", directory)  # as advised: the running node learns it now
        assert desk.submit(parcel)["index"] == 1
        other = desk.draft(
            {"instrument_kind": '"strategy"', "name": '{ en = "A strategy" }'}, form="ICT-03", file="s.toml"
        )
        signed = desk.yes("sign", other, "--key", desk.key("o2"), "--yes").out.strip()
        refused = desk.cbm("submit", signed)
        assert refused.code == 1 and "ICT-03" in refused.err, refused
    keys = read_participants(directory / "peers.json").records["XR"].keys
    assert [(key.start, key.may_sign) for key in keys if key.kind is Kind.SIGNING] == [
        ((0, 0), ("*",)),
        ((0, 1), ("POC-02",)),
    ]


def test_enrolling_twice_or_a_key_of_another_kind_is_refused(desk: Desk) -> None:
    directory = desk.state("XR", "Ruritania", ("o1",))
    before = (directory / "peers.json").read_bytes()
    twice = desk.cbm("key", "enrol", directory, desk.folder / "o1.key.pub")
    assert twice.code == 2 and "stands in the record of Ruritania already" in twice.err
    kind = desk.cbm("key", "enrol", directory, directory / "keys" / "witness.key.pub")
    assert kind.code == 2 and "is a witness key" in kind.err
    private = desk.cbm("key", "enrol", directory, desk.key("o2"))
    assert private.code == 2 and "o2.key.pub" in private.err
    assert (directory / "peers.json").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"kind":"signing"}', b"\xff\xfe", b'{"kind":1,"public_key":2}']
)
def test_a_file_that_is_no_key_is_refused_in_words(desk: Desk, content: bytes) -> None:
    for name in ("bad.key", "bad.pub"):
        (desk.folder / name).write_bytes(content)
        (desk.folder / name).chmod(0o600)
        done = desk.cbm("key", "show", name)
        assert done.code in (1, 2) and done.out == "" and "key file" in done.err, done
