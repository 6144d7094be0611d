"""A return's life on the command line: new, fill in, sign, submit, list, show, contacts, pack, verify, update."""

import json
import time
from dataclasses import replace
from pathlib import Path

from exchange.core.pack import format_pack, parse_pack
from exchange.core.receipt import parse_receipt
from tests.cli.desk import Desk, fill
from tests.processes import NodeProcess, cbm, environment

HOURS = '{ time_zone = "Europe/Vienna", weekly = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", to = "16:00" }] }'


def test_a_return_is_written_signed_submitted_found_and_proven(office: Desk) -> None:
    draft = office.draft({"phone": '"+12025550142"', "hours": HOURS})
    signed = office.yes("sign", draft, "--key", office.key("o1"), "--yes")
    parcel = Path(signed.out.strip())
    recorded = office.yes("submit", parcel)
    ident = recorded.out.strip()
    assert len(ident) == 64 and f"  id          {ident}" in signed.err.splitlines()
    assert "Recorded at index 0 of" in recorded.err
    assert parse_receipt(parcel.with_suffix(".tlog-proof").read_bytes()).index == 0

    listed = office.yes("list")
    assert listed.err == "" and listed.out.splitlines()[1].split() == [
        "XR",
        "POC-02",
        *listed.out.splitlines()[1].split()[2:],
    ]
    assert ident in listed.out and len(listed.out.splitlines()) == 2
    shown = office.yes("show", ident).out
    assert "Ruritania states, under form POC-02" in shown and "    Telephone: +12025550142" in shown
    assert "  stands      at index 0; the current version; fits its form\n" in shown
    assert "  seen        recorded: cosigned by nobody: there is no other State to do it" in shown

    called = office.yes("contacts", "XR", "--role", "technical", "--at", "2026-11-20T09:00:00Z")
    assert called.out.startswith("Ruritania (XR), technical contact: CERT-XR\n  phone       +12025550142\n")
    assert "REACHABLE (it is Fri 10:00 there, until Fri 16:00)" in called.out and called.err == ""
    closed = office.yes("contacts", "XR", "--at", "2026-11-20T03:00:00Z")
    assert "outside stated hours (it is Fri 04:00 there)" in closed.out
    at_night = office.cbm("contacts", "XR", "--now", "--at", "2026-11-20T03:00:00Z")
    assert (at_night.code, at_night.out) == (1, "") and "can be reached at this moment" in at_night.err

    packed = office.yes("pack", ident, "-o", "evidence.zip")
    assert packed.out == "evidence.zip\n"
    assert parse_pack((office.folder / "evidence.zip").read_bytes()).documents[0].slot == "body"
    verified = office.yes("verify", "evidence.zip", "--trust", "XR/peers.json")
    assert verified.out.splitlines()[-1] == "verified: Ruritania published this, and its log holds it at index 0"
    assert verified.err == "" and "NO" not in verified.out


def test_a_return_is_found_by_its_words(office: Desk) -> None:
    ident = office.submit(office.parcel({"institution": '{ en = "Équipe for incidents", ru = "Группа учёта" }'}))["id"]
    while "cannot be found" in (found := office.yes("list", "--text", "equipe incid*")).err:
        time.sleep(0.05)
    assert found.out.splitlines()[1].endswith(ident) and found.out.splitlines()[2:] == ["    Équipe for incidents"]
    assert office.yes("list", "--text", "УЧЕТА").out.splitlines()[2:] == ["    Группа учёта"]
    (item,) = office.yes("list", "--text", '"for incidents"', "--participant", "XR", "--json").json
    assert (item["id"], item["context"]) == (ident, "Équipe for incidents")
    nothing = office.yes("list", "--text", "nonsense")
    assert (nothing.out, nothing.err) == ("", "Nothing in the registry answers this.\n")
    refused = office.cbm("list", "--text", "!!")
    assert refused.code == 2 and "a word to search for was expected" in refused.err


def test_the_same_parcel_again_brings_the_first_receipt(office: Desk) -> None:
    parcel = office.parcel()
    first, again = office.submit(parcel), office.submit(parcel)
    assert (first["new"], again["new"]) == (True, False)
    assert {name: value for name, value in again.items() if name != "new"} | {"new": True} == first
    assert "it stood there before" in office.yes("submit", parcel).err


def test_many_parcels_go_in_one_command_and_a_wrong_one_harms_no_other(office: Desk) -> None:
    parcels = [office.parcel(name=f"desk{number}") for number in range(3)]
    recorded = office.submit(parcels[0])
    other = office.parcel(name="stranger", key="stranger")
    told = office.cbm("submit", *parcels, other, "--json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 1 and [line["parcel"] for line in lines] == [str(parcel) for parcel in (*parcels, other)]
    assert lines[0] == {**recorded, "parcel": str(parcels[0]), "new": False}
    assert [line.get("code", line.get("new")) for line in lines] == [False, True, True, "unknown-key"]
    assert f"{other} was refused" in told.err
    kept = [parcel.with_suffix(".tlog-proof").read_text() for parcel in parcels]
    assert kept == [line["receipt"] for line in lines[:3]]
    again = office.yes("submit", *parcels)
    assert again.out.splitlines() == [line["id"] for line in lines[:3]]


def test_a_second_officer_signs_where_two_are_asked_for(desk: Desk) -> None:
    directory = desk.state("XR", "Ruritania", ("o1", "o2"))
    peers = json.loads((directory / "peers.json").read_text())
    peers["participants"][0]["thresholds"]["forms"] = {"*": 2}
    (directory / "peers.json").write_text(json.dumps(peers))
    with NodeProcess(directory) as node:
        desk.node = node.url
        parcel = desk.parcel()
        refused = desk.cbm("submit", parcel)
        assert (refused.code, refused.out) == (1, "")
        assert "Have a second officer sign the same parcel with `cbm sign`." in refused.err
        desk.yes("sign", parcel, "--key", desk.key("o2"), "--yes")
        assert desk.submit(parcel)["new"]
        ident = desk.yes("list", "--json").json[0]["id"]
        desk.yes("pack", ident, "-o", "e.zip")
        verified = desk.yes("verify", "e.zip", "--trust", directory / "peers.json")
        assert "signed by 2 keys that the record allows" in verified.out


def test_an_update_starts_from_what_stands_and_takes_its_place(office: Desk) -> None:
    first = office.draft(
        {"phone": '"+12025550142"', "status": '"exercise"', "period": '"2026"', "retain_until": '"2031-12-31"'}
    )
    office.yes("sign", first, "--key", office.key("o1"), "--yes")
    ident = office.submit(office.folder / "contact.cbm")["id"]
    draft = office.draft({}, "--update", ident, file="update.toml")
    text = draft.read_text()
    for line in (
        f'replaces = "{ident}" #',
        f'series = "{ident}" #',
        'message = "update"',
        'status = "exercise"',
        'period = "2026"',
        'retain_until = "2031-12-31"',
        'phone = "+12025550142"',
        'institution = { en = "CERT-XR" }',
    ):
        assert line in text, line
    fill(draft, {"phone": '"+12025550199"'})
    signed = office.yes("sign", draft, "--key", office.key("o1"), "--yes")
    assert f"replaces the current version of the series: supersedes {ident}" in signed.err
    new = office.submit(office.folder / "update.cbm")["id"]

    assert [item["id"] for item in office.yes("list", "--json").json] == [new]
    assert [item["id"] for item in office.yes("list", "--all", "--json").json] == [new, ident]
    assert office.yes("show", new, "--json").json["history"] == [ident, new]
    assert "not the current version" in office.yes("show", ident).out
    card = office.yes("contacts", "XR").out
    assert "+12025550199" in card and "+12025550142" not in card
    assert "ATTENTION   status exercise: this is not an actual contact" in card


def test_an_update_says_which_attachments_the_earlier_version_had(office: Desk) -> None:
    (office.folder / "scan.pdf").write_bytes(b"%PDF-1.4 " + bytes(70_000))
    draft = office.draft()
    draft.write_text(draft.read_text().replace("[body]", '[[attachments]]\nfile = "scan.pdf"\n\n[body]'))
    office.yes("sign", draft, "--key", office.key("o1"), "--yes")
    ident = office.submit(office.folder / "contact.cbm")["id"]
    assert "document    a1: scan.pdf, 70,009 bytes" in office.yes("show", ident).out
    done = office.yes("new", "POC-02", "--update", ident, "-o", "update.toml")
    assert "came with scan.pdf: attach again what still holds" in done.err


def test_an_update_of_something_else_is_misuse(office: Desk) -> None:
    ident = office.submit(office.parcel())["id"]
    done = office.cbm("new", "ICT-03", "--update", ident)
    assert (done.code, done.out) == (2, "") and "this draft is ICT-03 of XR" in done.err
    unknown = office.cbm("new", "POC-02", "--update", "0" * 64)
    assert (unknown.code, unknown.out) == (1, "")


def test_a_withdrawal_leaves_nothing_current(office: Desk) -> None:
    ident = office.submit(office.parcel())["id"]
    draft = office.draft({"message": '"withdrawal"'}, "--update", ident, file="withdrawal.toml")
    signed = office.yes("sign", draft, "--key", office.key("o1"), "--yes")
    assert "withdraws the series: nothing of it stays current" in signed.err
    office.submit(office.folder / "withdrawal.cbm")
    listed = office.yes("list")
    assert listed.out == "" and "Nothing in the registry answers this." in listed.err
    gone = office.cbm("contacts", "XR")
    assert (gone.code, gone.out) == (1, "") and "XR lists no such contact." in gone.err


def test_an_altered_document_is_refused_by_the_node_too(office: Desk) -> None:
    parcel = parse_pack(office.parcel().read_bytes())
    body = parcel.documents[0]
    altered = replace(parcel, documents=(replace(body, content=body.content + b" "),))
    (office.folder / "altered.cbm").write_bytes(format_pack(altered))
    done = office.cbm("submit", "altered.cbm")
    assert (done.code, done.out) == (1, "") and "is not the one that was signed" in done.err
    assert office.yes("list", "--json").json == []


def test_what_the_machine_reads_is_one_line_of_json_on_stdout(office: Desk) -> None:
    ident = office.submit(office.parcel())["id"]
    office.yes("pack", ident, "-o", "e.zip")
    for arguments in (
        ["list", "--json"],
        ["show", ident, "--json"],
        ["contacts", "XR", "--json"],
        ["alerts", "--json"],
        ["pull", "XR", "--json"],
        ["verify", "e.zip", "--trust", "XR/peers.json", "--json"],
    ):
        assert office.yes(*arguments).json is not None, arguments


def test_what_is_not_there_is_no(office: Desk) -> None:
    for arguments in (
        ["show", "0" * 64],
        ["pack", "0" * 64, "-o", "x.zip"],
        ["contacts", "XQ"],
        ["new", "XXX-01", "--node", office.node],
    ):
        done = office.cbm(*arguments)
        assert (done.code, done.out) == (1, ""), arguments
    assert not (office.folder / "x.zip").exists()


def test_a_pack_is_never_written_over_a_file(office: Desk) -> None:
    ident = office.submit(office.parcel())["id"]
    office.yes("pack", ident, "-o", "e.zip")
    before = (office.folder / "e.zip").read_bytes()
    again = office.cbm("pack", ident, "-o", "e.zip")
    assert again.code == 2 and "exists already" in again.err
    assert (office.folder / "e.zip").read_bytes() == before


def test_what_another_state_wrote_cannot_paint_the_reader_s_screen(office: Desk) -> None:
    """The form keeps control characters out, but a look-up shows what a node says, and nodes may lie."""
    done = cbm("contacts", "X\x1b[31mR", cwd=office.folder, env=environment(office.folder, CBM_NODE=office.node or ""))
    assert done.code == 1 and "\x1b" not in done.err
