"""Drafts: written by one, signed by others exactly as they saw it, judged by the ordinary door, and nowhere but in this node."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.dsse import sign_payload
from exchange.core.statement import parse_statement
from exchange.node import drafting, founding
from exchange.node.backup import back_up
from exchange.store.acts import acts
from exchange.trust.participants import Thresholds
from tests.databases import hand_in
from tests.office import Office, office_of, written
from tests.officers import challenge, closed, code_of, enrolled, signed_in
from tests.world import START, World

MARK = "Zenda-Hentzau-4711"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """XR asks for two keys under every form, as its record says from its first day on."""
    monkeypatch.setattr(founding, "Thresholds", lambda forms, erasure: Thresholds({"*": 2}, erasure))
    with World(tmp_path, "XR", "XA") as world:
        yield world


@pytest.fixture
def office(world: World) -> Office:
    return office_of(world["XR"])


def test_one_writes_two_sign_and_it_is_released_through_the_door(office: Office) -> None:
    draft = office.create(attachments=(("strategy.pdf", bytes(100_000)),))
    assert draft["threshold"] == 2 and draft["signed_by"] == [] and draft["faults"] == []
    assert any("begins a new series" in line for line in draft["words"])
    first = office.sign(draft, 0)
    assert first.status_code == 200, first.text
    assert code_of(office.release(draft["id"])) == (403, "too-few-signatures"), "the door counts, as ever"
    assert office.sign(draft, 1).json()["signed_by"] == sorted(key.public.keyid for key in office.keys)
    released = office.release(draft["id"])
    assert released.status_code == 200, released.text
    assert released.json()["id"] == draft["submission"] and released.json()["new"] is True
    shown = office.node.get(f"/v1/submissions/{draft['submission']}").json()
    assert [one["size"] for one in shown["documents"]][1] == 100_000
    assert code_of(office.ask("GET", f"/{draft['id']}", office.editor)) == (404, "not-found")
    assert office.acts() == [
        "draft created",
        "draft signed",
        "release asked for",
        "draft signed",
        "release asked for",
        "draft released",
    ]


def test_an_editor_neither_signs_nor_releases(office: Office) -> None:
    [editor] = enrolled(office.node, "editor", may_sign=("*",))
    token = signed_in(office.node, editor)
    draft = office.create(token)
    assert code_of(office.sign(draft, 0, token=token, key=editor)) == (403, "role-missing")
    assert code_of(office.release(draft["id"], token)) == (403, "role-missing")
    assert office.sign(draft, 0).status_code == 200
    assert code_of(office.release(draft["id"], token)) == (403, "role-missing")
    assert office.sign(draft, 1, token=token).status_code == 200, (
        "what was signed elsewhere, anybody who writes may bring"
    )


@pytest.mark.parametrize("role", ["reader", "auditor", "operator"])
def test_who_has_no_business_with_drafts_learns_nothing_of_them(office: Office, role: str) -> None:
    draft = office.create()
    [key] = enrolled(office.node, role)
    token = signed_in(office.node, key)
    assert office.ask("GET", "", token).json()["items"] == []
    for ident in (draft["id"], "ab" * 16):
        assert code_of(office.ask("GET", f"/{ident}", token)) == (403, "role-missing")
        assert code_of(office.ask("DELETE", f"/{ident}", token)) == (403, "role-missing")
        assert code_of(office.release(ident, token)) == (403, "role-missing")
    assert code_of(office.ask("POST", "", token, written())) == (403, "role-missing")
    assert office.show(draft["id"])["etag"] == draft["etag"]


def test_a_contact_holder_sees_and_writes_contacts_alone(office: Office) -> None:
    other, contact = office.create(form="ICT-03"), office.create()
    [key] = enrolled(office.node, "contact holder")
    token = signed_in(office.node, key)
    assert [one["id"] for one in office.ask("GET", "", token).json()["items"]] == [contact["id"]]
    assert code_of(office.ask("GET", f"/{other['id']}", token)) == (404, "not-found")
    assert code_of(office.ask("POST", "", token, written("ICT-03"))) == (403, "role-missing")
    assert office.sign(contact, 0, token=token, key=key).status_code == 200
    assert code_of(office.sign(other, 0, key=key)) == (403, "role-missing")


def test_nothing_is_changed_between_two_signatures(office: Office) -> None:
    draft = office.create()
    changed = office.ask(
        "PUT", f"/{draft['id']}", office.editor, written(phone="+12025550143"), **{"If-Match": draft["etag"]}
    )
    assert changed.status_code == 200 and changed.json()["submission"] != draft["submission"]
    assert code_of(office.sign(draft, 0)) == (412, "changed-meanwhile"), "a signature for what it was before"
    stands = changed.json()
    assert office.sign(stands, 0).status_code == 200
    now = office.show(stands["id"])
    again = office.ask("PUT", f"/{stands['id']}", office.editor, written(), **{"If-Match": now["etag"]})
    assert code_of(again) == (409, "draft-frozen")
    assert office.show(stands["id"])["payload"] == stands["payload"]
    mixed = {"submission": stands["submission"], "keyid": office.keys[1].public.keyid}
    [old] = sign_payload(parse_base64(draft["payload"]), [office.keys[1]]).signatures
    forged = office.ask(
        "POST", f"/{stands['id']}/signatures", office.releasers[1], {**mixed, "sig": format_base64(old.sig)}
    )
    assert code_of(forged) == (403, "bad-signature")


def test_of_two_who_change_it_at_once_one_is_told_so(office: Office) -> None:
    draft = office.create()
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(
                lambda number: (
                    office.ask(
                        "PUT",
                        f"/{draft['id']}",
                        office.editor,
                        written(phone=f"+1202555014{number}"),
                        **{"If-Match": draft["etag"]},
                    ).status_code
                ),
                range(4),
            )
        )
    assert sorted(found) == [200, 412, 412, 412]
    assert code_of(office.ask("PUT", f"/{draft['id']}", office.editor, written())) == (400, "malformed")


def test_four_eyes_are_two_keys(office: Office) -> None:
    draft = office.create(office.releasers[0])
    assert office.sign(draft, 0).status_code == 200, "who wrote it may be one of them"
    assert code_of(office.sign(draft, 0)) == (409, "draft-frozen")
    assert code_of(office.sign(draft, 0, token=office.releasers[1])) == (409, "draft-frozen")
    assert code_of(office.release(draft["id"])) == (403, "too-few-signatures")


def test_two_who_release_at_once_make_one_entry(office: Office) -> None:
    draft = office.create(attachments=(("strategy.pdf", bytes(70_000)),))
    office.sign(draft, 0)
    office.sign(draft, 1)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: office.release(draft["id"], office.releasers[number % 2]), range(4)))
    good = [answer.json() for answer in found if answer.status_code == 200]
    assert good and {one["index"] for one in good} == {0} and sum(one["new"] for one in good) == 1
    assert {answer.status_code for answer in found} <= {200, 404}
    assert office.node.get("/v1/node").json()["size"] == 1


def test_everything_is_judged_again_when_it_is_released(world: World, office: Office) -> None:
    draft = office.create()
    office.sign(draft, 0)
    office.sign(draft, 1)
    closed(office.node, office.keys[1], 0)
    assert code_of(office.release(draft["id"])) == (403, "key-not-allowed")
    assert office.show(draft["id"])["signed_by"], "it stays, to be deleted and begun anew"
    assert office.node.get("/v1/node").json()["size"] == 0
    assert code_of(office.ask("GET", "", office.releasers[1])) == (401, "not-signed-in")


def test_a_signature_counts_only_by_a_key_that_may_sign_it_here(office: Office) -> None:
    draft = office.create()
    stranger, narrow = office.node.world["XA"].officer, enrolled(office.node, "releaser", may_sign=("ICT-03",))[0]
    assert code_of(office.sign(draft, 0, key=stranger)) == (403, "key-not-allowed"), "another State's officer"
    assert code_of(office.sign(draft, 0, key=narrow)) == (403, "key-not-allowed")
    assert office.show(draft["id"])["signed_by"] == []


def test_a_signature_over_a_challenge_signs_no_draft_and_the_other_way_round(office: Office) -> None:
    draft = office.create()
    message = challenge(office.node, office.keys[0])
    said = {"submission": draft["submission"], "keyid": office.keys[0].public.keyid}
    sent = {**said, "sig": format_base64(office.keys[0].sign(message))}
    assert code_of(office.ask("POST", f"/{draft['id']}/signatures", office.releasers[0], sent)) == (
        403,
        "bad-signature",
    )
    bare = {**said, "sig": format_base64(office.keys[0].sign(parse_base64(draft["payload"])))}
    assert code_of(office.ask("POST", f"/{draft['id']}/signatures", office.releasers[0], bare)) == (
        403,
        "bad-signature",
    )


def test_what_does_not_fit_is_kept_as_a_draft_and_signed_by_nobody(office: Office) -> None:
    draft = office.create(role="")
    assert [fault["pointer"] for fault in draft["faults"]] == ["/role"]
    assert code_of(office.sign(draft, 0)) == (422, "does-not-fit")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"participant": "XA"}, "wrong-participant"),
        ({"origin": "xa.test.example/log"}, "wrong-origin"),
        ({"federation": "other.example"}, "wrong-federation"),
        ({"form": "ZZZ-99"}, "unknown-form"),
        ({"version": True}, "unknown-form"),
        ({"message": "nonsense"}, "malformed"),
        ({"on_behalf_of": "XA"}, "malformed"),
    ],
)
def test_a_draft_is_one_of_this_state(office: Office, header: dict[str, Any], code: str) -> None:
    assert code_of(office.ask("POST", "", office.editor, written(header=header)))[1] == code


def test_a_draft_of_another_state_is_not_there(world: World, office: Office) -> None:
    foreign = office_of(world["XA"])
    draft = foreign.create()
    assert code_of(office.ask("GET", f"/{draft['id']}", office.editor)) == (404, "not-found")
    assert code_of(office.ask("GET", f"/{draft['id']}", foreign.editor)) == (401, "not-signed-in")


def test_a_draft_is_gone_after_seven_days(world: World, office: Office) -> None:
    draft = office.create()
    office.sign(draft, 0)
    world.sleep(days=7)
    office.editor = signed_in(office.node, enrolled(office.node, "editor")[0])
    assert office.ask("GET", "", office.editor).json()["items"] == []
    assert code_of(office.ask("GET", f"/{draft['id']}", office.editor)) == (404, "not-found")
    office.node.pull()
    with hand_in(office.node.directory) as db:
        assert db.exec_driver_sql("SELECT count(*) FROM draft").scalar_one() == 0
        assert db.exec_driver_sql("SELECT count(*) FROM draft_document").scalar_one() == 0


def test_drafts_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "MAX_DRAFTS", 2)
    monkeypatch.setattr(drafting, "MAX_DRAFT", 1000)
    too_large = written(attachments=(("a.pdf", bytes(600)), ("b.pdf", bytes(600))))
    assert code_of(office.ask("POST", "", office.editor, too_large)) == (413, "too-large")
    first = office.create()
    office.create()
    assert code_of(office.ask("POST", "", office.editor, written())) == (413, "too-large")
    assert office.ask("DELETE", f"/{first['id']}", office.editor).json() == {"deleted": True}
    office.create()
    nil = {**written(header={"kind": "nothing to declare"}), "body": {"x": "y" * 300_000}}
    assert code_of(office.ask("POST", "", office.editor, nil)) == (413, "too-large"), "also what no document is made of"
    many = written(attachments=tuple((f"{number}.pdf", b"x") for number in range(21)))
    assert code_of(office.ask("POST", "", office.editor, many)) == (400, "malformed")


def test_what_it_changes_in_the_version_that_is_current_is_told(office: Office) -> None:
    draft = office.create(phone="+12025550142", attachments=(("a.pdf", b"the same"), ("b.pdf", b"before")))
    office.sign(draft, 0)
    office.sign(draft, 1)
    first = office.release(draft["id"]).json()["id"]
    update = {"message": "update", "series": first, "replaces": first, "languages": ["en", "fr"]}
    more = (("renamed.pdf", b"the same"), ("c.pdf", b"after"))
    changed = office.create(header=update, phone="+12025550143", attachments=more)
    assert changed["before"] == first
    said = "\n".join(changed["difference"])
    assert "+12025550142 -> +12025550143" in said and "languages: en -> en, fr" in said
    assert "renamed.pdf: was called a.pdf" in said and "c.pdf: not in the version before" in said
    assert "b.pdf: no longer there" in said
    same = office.create(
        header={**update, "languages": ["en"]},
        phone="+12025550142",
        attachments=(("a.pdf", b"the same"), ("b.pdf", b"before")),
    )
    assert same["difference"][1:] == ["  nothing but the time of issue"]


def test_a_draft_is_nowhere_but_behind_its_own_routes(
    world: World, office: Office, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    node, other = office.node, world["XA"]
    hidden = office.create(
        institution={"en": MARK}, attachments=((f"{MARK}.pdf", MARK.encode() * 9000),), header={"status": "actual"}
    )
    draft = office.show(hidden["id"])
    office.sign(draft, 0)
    node.publish(signers=(node.officer, office.keys[0]))
    world.pull()
    secrets = [MARK, draft["id"], draft["submission"], draft["documents"][0]["opening"]]
    secrets.append(parse_statement(parse_base64(draft["payload"])).documents[0].commitment)
    document = node.get("/openapi.json").json()
    paths = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
    for each in (node, other):
        surfaces = [
            *paths,
            "/metrics",
            "/readyz",
            "/log/checkpoint",
            "/log/tile/entries/000.p/1",
            f"/v1/submissions?q={MARK}",
        ]
        surfaces += ["/v1/documents?participant=XR", f"/v1/entries/refused?origin={node.origin}"]
        surfaces += [
            f"/v1/submissions/{draft['submission']}",
            f"/v1/documents/{secrets[-1]}",
            f"/v1/drafts/{draft['id']}",
        ]
        for path in surfaces:
            shown = each.get(path).content.decode(errors="replace")
            for secret in secrets:
                assert secret not in shown.replace(path, ""), (each.code, path)
    logged = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert not any(secret in logged for secret in secrets[:1] + secrets[3:])
    target = tmp_path / "backup"
    back_up(node.running.settings, target, with_keys=False, now=START)
    held = b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
    assert MARK.encode() not in held and draft["documents"][0]["opening"].encode() not in held
    with hand_in(other.directory) as db:
        assert db.exec_driver_sql("SELECT count(*) FROM draft").scalar_one() == 0
    with node.running.node.db.read() as tx:
        assert MARK not in str(acts(tx))


def test_thresholds_of_the_record_alone_say_how_many(tmp_path: Path) -> None:
    with World(tmp_path, "XI") as world:
        node = world["XI"]
        office = office_of(node)
        draft = office.create(office.releasers[0])
        assert draft["threshold"] == 1
        office.sign(draft, 0)
        assert office.release(draft["id"]).status_code == 200
