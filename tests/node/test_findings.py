"""What a node found becomes an entry of its own log, once; what others found is checked and counts here, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.api.metrics import families, format_families
from exchange.client import Alert
from exchange.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from exchange.core.cosignature import cosign
from exchange.core.evidence import KIND, build_evidence, evidence_id, format_evidence, parse_evidence, verify_evidence
from exchange.core.keys import Kind
from exchange.core.note import ED25519, Note, Vkey, format_note, format_vkey
from exchange.node import founding
from exchange.node.findings import READ_AT_ONCE
from exchange.node.keyfile import open_key
from tests import key_named
from tests.faults import Twin, convicted, forked, note_of
from tests.witness import ask, head_of, vkey_of
from tests.world import World, WorldNode, body_of

Item = dict[str, Any]


def told_in(node: WorldNode) -> list[Item]:
    found: list[Item] = node.get("/v1/submissions?form=PLT-03&participant=" + node.code).json()["items"]
    return found


@contextmanager
def found_by(node: WorldNode, of: WorldNode) -> Iterator[Twin]:
    """`node` is shown two histories of `of`, which is honest to everybody else again afterwards."""
    of.publish(scope={"en": "to all"})
    node.pull()
    with forked(of) as twin:
        twin.speak()
        twin.publish(scope={"en": "to one"})
        assert "signed two histories" in str(node.pull()[of.code])
        twin.be_silent()
        yield twin


def log_vkey(node: WorldNode) -> str:
    return format_vkey(node.world.participants.records[node.code].current_log.vkey)


def fork_of(node: WorldNode, number: int = 0) -> bytes:
    """Evidence, as if somebody had met it, that `node` signed two heads of size 3."""
    one, other = (note_of(node, 3, bytes([number, which]) * 16) for which in (1, 2))
    return format_evidence(build_evidence(log_vkey(node), one, other, None))


def tell(node: WorldNode, text: bytes) -> None:
    """An officer tells a finding, true or not."""
    node.publish(
        "PLT-03", attachments=(("evidence.json", text),), **{**body_of("PLT-03"), "evidence": evidence_id(text)}
    )


def one_alert(node: WorldNode) -> Alert:
    (alert,) = node.alerts()
    return alert


def test_a_fork_is_told_once_in_the_finders_log_whatever_is_started_anew(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        with found_by(xa, xr) as twin:
            (told,) = told_in(xa)
            assert (told["fits"], told["status"], told["participant"]) == ("fits", "actual", "XA")
            twin.speak()
            xa.pull()
            xa.stop()
            xa.start()
            xa.pull()
            assert told_in(xa) == [told]
        alert = one_alert(xa)
        assert [one["id"] for one in alert["found_by"]] == [told["id"]] and alert["local"] is None
        (document,) = [one for one in told["documents"] if one["slot"] == "a1"]
        text = xa.get(f"/v1/documents/{document['commitment']}").content
        assert alert["evidence_id"] == evidence_id(text) and orjson.loads(text) == alert["evidence"]
        assert [one.size for one in verify_evidence(parse_evidence(text))] == [1, 1]
        body = xa.get(f"/v1/submissions/{told['id']}").json()["body"]
        assert body == {
            "evidence": evidence_id(text), "finding": "log signed two histories", "participant": "XR", "log": xr.origin,
            "found_on": "2026-11-21",
        }  # fmt: skip


def test_who_reads_a_finding_checks_it_and_cosigns_that_log_no_more_while_all_else_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        with found_by(xa, xr):
            pass
        assert ask(xi, 0, [], head_of(xr)[1]).status_code == 200, "nobody has told it"
        xi.pull()
        assert convicted(xi, xr) == (1, 1)
        alert = one_alert(xi)
        assert [(one["participant"], one["origin"], one["index"]) for one in alert["found_by"]] == [
            ("XA", xa.origin, 0)
        ]
        assert told_in(xi) == [] and alert["local"] is None, "it is told already, byte for byte"
        xr.publish(scope={"en": "more"})
        xa.publish()
        world.pull()
        for node in (xa, xi):
            assert ask(node, 0, [], head_of(xr)[1]).status_code == 403
            assert node.get("/mirror/XR/checkpoint").content == xr.get("/log/checkpoint").content
            assert len(node.get("/v1/contacts?participant=XR").json()["items"]) >= 1
        assert ask(xi, 0, [], head_of(xa)[1]).status_code == 200
        assert "close the log" in one_alert(xr)["summary"]
        figures = format_families(families(xi.running.node, world.now))
        assert 'cbm_findings{participant="XA"} 1\n' in figures and 'cbm_log_halted{participant="XR"' in figures


def test_a_finding_that_convicts_nobody_changes_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        honest = fork_of(xr).replace(b'"prefix_root":null', b'"prefix_root":"' + b"A" * 43 + b'="')
        for text in (b"{}", b"", honest, fork_of(xr)[:-1], b" " * 100_000, fork_of(xr).replace(b"\\n3\\n", b"\\n4\\n")):
            tell(xa, text)
        world.pull()
        assert xi.alerts() == xr.alerts() == xa.alerts() == []
        assert ask(xi, 0, [], head_of(xr)[1]).status_code == 200


def test_evidence_against_a_key_that_nobody_here_has_is_nobody_elses(tmp_path: Path) -> None:
    """XA tells, under the name of Ruritania's log, of a key that it made itself."""
    with World(tmp_path, "XR", "XA", "XI") as world:
        key = key_named("not of Ruritania")
        one, other = (sign_checkpoint(Checkpoint(world["XR"].origin, 3, bytes([n]) * 32), key) for n in (1, 2))
        vkey = format_vkey(Vkey(world["XR"].origin, ED25519, key.public))
        tell(world["XA"], format_evidence(build_evidence(vkey, one, other, None)))
        world.pull()
        assert world["XI"].alerts() == []
        assert ask(world["XI"], 0, [], head_of(world["XR"])[1]).status_code == 200


def test_one_proof_convicts_and_more_of_them_fill_nothing(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        for number in range(READ_AT_ONCE + 2):
            tell(xa, fork_of(xr, number))
        xi.pull()
        assert len(one_alert(xi)["found_by"]) == 1 and told_in(xi) == []


def test_a_witness_of_two_histories_is_convicted_and_its_log_is_not(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr, xa, xi = world["XR"], world["XA"], world["XI"]
        key = open_key(xi.directory / "keys" / "witness.key", kind=Kind.WITNESS).key
        name = vkey_of(xi).partition("+")[0]
        texts = [format_checkpoint(Checkpoint(xr.origin, 3, bytes([number]) * 32)) for number in (1, 2)]
        one, other = (format_note(Note(text, (cosign(text, name, key, 1_790_000_000),))) for text in texts)
        tell(xa, format_evidence(build_evidence(log_vkey(xr), one, other, None, vkey_of(xi))))
        xr.pull()
        alert = one_alert(xr)
        assert (alert["kind"], alert["participant"], alert["origin"]) == (KIND, "XI", xr.origin)
        assert alert["summary"] == f"XI vouched, as a witness, for two histories of {xr.origin}"
        for log in (xa, xi):
            assert ask(xr, 0, [], head_of(log)[1]).status_code == 200
        assert ask(xa, 0, [], head_of(xr)[1]).status_code == 200, "the log itself signed neither"


def test_where_an_old_record_does_not_allow_it_the_alert_stays_local_and_an_officer_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(founding, "PLATFORM_FORMS", ("PLT-01", "PLT-02"))
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        with found_by(xa, xr):
            pass
        alert = one_alert(xa)
        assert told_in(xa) == [] and alert["found_by"] == []
        assert "not PLT-03" in str(alert["local"]) and "cbm new PLT-03" in str(alert["local"])
        tell(xa, orjson.dumps(alert["evidence"]))
        xa.pull()
        after = one_alert(xa)
        assert len(told_in(xa)) == 1 and after["local"] is None
        assert [one["participant"] for one in after["found_by"]] == ["XA"]


def test_a_log_that_takes_nothing_now_tells_it_later(tmp_path: Path) -> None:
    with World(tmp_path, "XR", "XA") as world:
        xa = world["XA"]
        held = [True]
        xa.running.node.appender.held.append(lambda: "its operator is thinking" if held[0] else None)
        with found_by(xa, world["XR"]):
            pass
        assert "its operator is thinking" in str(one_alert(xa)["local"])
        held[0] = False
        xa.pull()
        assert one_alert(xa)["local"] is None and len(told_in(xa)) == 1
