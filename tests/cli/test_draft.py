"""cbm draft: one officer writes, another sees what it says and what it changes, signs these bytes and releases them."""

from typing import Any

import orjson

from exchange.core.base64text import format_base64, parse_base64
from tests.cli.desk import Desk


def login(office: Desk, name: str) -> None:
    office.yes("login", "--key", office.key(name))


def test_from_the_first_word_to_the_receipt(office: Desk) -> None:
    login(office, "o1")
    file = office.draft({"phone": '"+12025550142"'})
    ident = office.yes("draft", "new", file).out.strip()
    office.draft({"phone": '"+12025550143"'}, file="better.toml")
    office.yes("draft", "change", ident, "better.toml")
    shown = office.yes("draft", "show", ident).out
    assert "+12025550143" in shown and "begins a series" in shown and "nobody yet" in shown
    assert ident in office.yes("draft", "list").out
    login(office, "o2")
    asked = office.cbm("draft", "sign", ident, "--key", office.key("o2"))
    assert asked.code == 2 and "--yes" in asked.err, "nobody is there to say yes"
    signed = office.yes("draft", "sign", ident, "--key", office.key("o2"), "--yes")
    assert "+12025550143" in signed.err and "Signed by 1 of 1" in signed.err
    assert office.cbm("draft", "change", ident, file).code == 1, "signed is signed"
    recorded: dict[str, Any] = office.yes("draft", "release", ident, "--json").json
    assert recorded["id"] == signed.out.strip() and recorded["new"]
    assert (office.folder / f"{recorded['id'][:16]}.tlog-proof").exists()
    assert office.cbm("draft", "show", ident).code == 1
    assert "+12025550143" in office.yes("contacts", "XR").out
    acts = [line["what"] for line in office.yes("node", "acts", "XR", "--json").json["items"]]
    assert acts[-2:] == ["release asked for", "draft released"]


def test_a_draft_is_signed_on_a_machine_that_has_no_network(office: Desk) -> None:
    login(office, "o1")
    ident = office.yes("draft", "new", office.draft()).out.strip()
    office.yes("draft", "show", ident, "-o", "carry.json")
    away = office.yes("sign", "carry.json", "--key", office.key("o2"), "--yes", CBM_NODE="http://127.0.0.1:1")
    assert away.out.strip() == "carry.cbm"
    assert "Signed by 1 of 1" in office.yes("draft", "sign", ident, "--parcel", "carry.cbm").err
    office.yes("draft", "delete", ident)
    assert office.yes("draft", "list", "--json").json == []
    assert office.yes("submit", "carry.cbm", "--json").json["new"], "the parcel is one like any other"


def test_what_the_node_shows_is_not_believed(office: Desk) -> None:
    """A node that lies about a document is found out on the machine of the one who signs."""
    login(office, "o1")
    ident = office.yes("draft", "new", office.draft()).out.strip()
    office.yes("draft", "show", ident, "-o", "carry.json")
    told = orjson.loads((office.folder / "carry.json").read_bytes())
    content = parse_base64(told["documents"][0]["content"]).replace(b"CERT-XR", b"CERT-ZZ")
    told["documents"][0]["content"] = format_base64(content)
    (office.folder / "lie.json").write_bytes(orjson.dumps(told))
    refused = office.cbm("sign", "lie.json", "--key", office.key("o1"), "--yes")
    assert refused.code == 1 and "do not sign it" in refused.err
    (office.folder / "none.json").write_bytes(b'{"payload":1}')
    assert office.cbm("sign", "none.json", "--key", office.key("o1"), "--yes").code == 1


def test_drafts_are_for_who_signed_in(office: Desk) -> None:
    refused = office.cbm("draft", "list")
    assert refused.code == 1 and "cbm login" in refused.err
    login(office, "o1")
    assert office.cbm("draft", "show", "nonsense").code == 1
    assert office.cbm("draft", "sign", "ab" * 16).code == 2
