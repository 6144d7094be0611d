"""Two officers erase, one cannot; it is shown what was ordered, and taken back with one command."""

from tests.cli.desk import Desk
from tests.processes import NodeProcess


def test_two_officers_erase_and_one_takes_it_back(desk: Desk) -> None:
    directory = desk.state("XR", "Ruritania", officers=("o1", "o2"))
    with NodeProcess(directory) as node:
        desk.node = node.url
        ident = str(desk.submit(desk.parcel())["id"])
        made = desk.yes("erase", ident, "--key", desk.key("o1"), "-o", "erase.cbm", "--yes")
        assert "hidden everywhere at once and destroyed after 72 hours" in made.err and "needs 2 keys" in made.err
        alone = desk.cbm("submit", "erase.cbm")
        assert alone.code == 1 and "an erasure of XR needs 2 keys, got 1" in " ".join(alone.err.split()).replace(
            "a erasure", "an erasure"
        )
        desk.yes("sign", "erase.cbm", "--key", desk.key("o2"), "--yes")
        erasure = desk.yes("submit", "erase.cbm").out.strip()
        shown = desk.yes("show", ident).out
        assert "  documents   erased afterwards (body by entry 1 of " in shown and "hidden until then" in shown
        assert f"  erases      {ident}: in force" in desk.yes("show", erasure).out
        assert desk.cbm("contacts", "XR").code == 1
        wrong = desk.cbm("erase", ident, "--withdraw", "--key", desk.key("o1"), "--yes")
        assert wrong.code == 2 and "is no erasure" in wrong.err
        no_slot = desk.cbm("erase", ident, "--slot", "a7", "--key", desk.key("o1"), "--yes")
        assert no_slot.code == 2 and "it has no document 'a7'; it has body" in no_slot.err
        back = desk.yes("erase", erasure, "--withdraw", "--key", desk.key("o2"), "-o", "back.cbm", "--yes")
        assert back.out.strip() == "back.cbm"
        desk.yes("submit", "back.cbm")
        assert f"  erases      {ident}: withdrawn" in desk.yes("show", erasure).out
        assert desk.yes("contacts", "XR").out and "  documents   opened\n" in desk.yes("show", ident).out
