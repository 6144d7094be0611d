"""cbm login and cbm node acts: who is signed in, until when, and what the record of it says."""

import stat

from exchange.config import read_settings
from tests.cli.desk import Desk
from tests.databases import hand_in, no_longer_final


def test_an_officer_signs_in_and_the_record_says_so(office: Desk) -> None:
    done = office.yes("login", "--key", office.key("o1"))
    assert done.out.startswith("XR releaser, key ")
    [kept] = (office.folder / "config" / "cbm" / "sessions").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    token = kept.read_text().strip()
    assert token not in done.out + done.err
    assert office.yes("login", "--json").json["roles"] == ["releaser"]
    assert office.cbm("node", "acts").code == 1, "a releaser is no auditor"
    assert office.yes("login", "--end").code == 0
    assert office.cbm("login").code == 1 and not kept.exists()
    answer = office.yes("node", "acts", "XR", "--json").json
    assert [line["what"] for line in answer["items"]] == ["session opened", "session ended"]
    assert answer["faults"] == []
    assert token not in str(answer)
    assert office.cbm("login", CBM_SESSION=token).code == 1
    pinned = office.yes("node", "acts", "XR", "--pin", answer["head"])
    assert "session ended" in pinned.out


def test_a_record_that_was_cut_short_is_told(office: Desk) -> None:
    office.yes("login", "--key", office.key("o1"))
    office.yes("login", "--end")
    head = office.yes("node", "acts", "XR", "--json").json["head"]
    with hand_in(office.folder / "XR") as db:
        no_longer_final(db)
        db.exec_driver_sql("DELETE FROM act WHERE seq = 2")
    assert office.cbm("node", "acts", "XR", "--pin", head).code == 1
    with hand_in(office.folder / "XR") as db:
        no_longer_final(db)
        db.exec_driver_sql("UPDATE act SET roles = 'auditor' WHERE seq = 1")
    done = office.cbm("node", "acts", "XR")
    assert done.code == 1 and "WRONG: line 1" in done.err


def test_a_key_is_enrolled_with_roles_and_an_editor_signs_nothing(office: Desk) -> None:
    directory = office.folder / "XR"
    office.key("clerk")
    assert office.cbm("key", "enrol", directory, "clerk.key.pub", "--role", "king").code == 2
    office.yes("key", "enrol", directory, "clerk.key.pub", "--role", "editor", "--role", "auditor")
    office.yes("pull", directory)
    shown = office.yes("federation", "show", directory / "peers.json").out
    assert "editor and auditor" in shown
    done = office.yes("login", "--key", office.key("clerk"))
    assert done.out.startswith("XR auditor, editor, key ")
    assert "local record read" in office.yes("node", "acts").out
    parcel = office.parcel(key="clerk")
    refused = office.cbm("submit", parcel)
    assert refused.code == 1 and "may sign nothing" in refused.err


def test_nobody_signs_in_with_a_key_that_stands_in_no_record(office: Desk) -> None:
    refused = office.cbm("login", "--key", office.key("stranger"))
    assert refused.code == 1 and "cbm login" in refused.err
    url = read_settings(office.folder / "XR").url.replace("127.0.0.1", "localhost")
    elsewhere = office.cbm("login", "--key", office.key("o1"), "--node", url)
    assert elsewhere.code == 1 and "by its own address" in elsewhere.err
