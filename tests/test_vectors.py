"""The vectors under schemas/vectors say what the code says, and a verifier that uses none of it says the same."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from exchange.core.document import Document, check_document, commit, parse_name
from exchange.core.dsse import format_envelope, pae, parse_envelope, sign_payload, verify_envelope
from exchange.core.evidence import format_evidence, parse_evidence, verify_evidence
from exchange.core.keys import PrivateKey, parse_public_key
from exchange.core.letter import INNER_TYPE, check_rest, read_contents
from exchange.core.merkle import leaf_hash, root_of
from exchange.core.note import format_vkey, parse_vkey
from exchange.core.pack import Pack, format_pack, parse_pack
from exchange.core.padding import padded
from exchange.core.receipt import Receipt, format_receipt, parse_receipt, verify_receipt
from exchange.core.sealed import read_preface
from exchange.core.sealing import SUITE, SealingPrivate
from exchange.core.statement import DocumentRef, format_statement, parse_statement, submission_id
from exchange.core.tiles import TilePath, format_tile_path, parse_tile_path
from exchange.errors import ExchangeError, Malformed
from exchange.trust.admission import Admitted, admit
from exchange.trust.participants import format_participants, parse_participants

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS, EXAMPLES = ROOT / "schemas", ROOT / "examples"
Json = dict[str, Any]


def vectors(name: str) -> Json:
    value: Json = json.loads((SCHEMAS / "vectors" / f"{name}.json").read_bytes())
    return value


def assert_refused(case: Json, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(ExchangeError) as caught:
        call(*arguments)
    assert (caught.value.code, caught.value.pointer) == (case["code"], case.get("pointer")), case["name"]


def test_statement_vectors() -> None:
    cases = vectors("statement")
    for case in cases["accepted"]:
        payload = case["payload"].encode()
        assert (format_statement(parse_statement(payload)), submission_id(payload)) == (payload, case["id"])
    for case in cases["refused"]:
        payload = parse_base64(case["payload_base64"]) if "payload_base64" in case else case["payload"].encode()
        assert_refused(case, parse_statement, payload)


def test_envelope_vectors() -> None:
    cases = vectors("envelope")
    keys = {}
    for case in cases["keys"]:
        key = PrivateKey.from_seed(hashlib.sha256(case["seed_text"].encode()).digest())
        assert (key.public.raw, key.public.keyid) == (parse_base64(case["public_key"]), case["keyid"])
        keys[case["name"]] = key
    public = {key.public.keyid: key.public for key in keys.values()}
    for case in cases["weak_keys"]:
        assert_refused(case, parse_public_key, parse_base64(case["public_key"]))
    for case in cases["pae"]:
        assert pae(case["payload_type"], case["body"].encode()) == case["pae"].encode()
    for case in cases["accepted"]:
        payload, envelope = case["payload"].encode(), case["envelope"].encode()
        assert format_envelope(sign_payload(payload, [keys[name] for name in case["signed_by"]])) == envelope
        verify_envelope(parse_envelope(envelope), public)
        assert (submission_id(payload), leaf_hash(envelope).hex()) == (case["id"], case["leaf_hash"])
    for case in cases["refused"]:
        assert_refused(case, parse_envelope, case["envelope"].encode())
    for case in cases["unverified"]:
        assert_refused(case, verify_envelope, parse_envelope(case["envelope"].encode()), public)


def test_commitment_vectors() -> None:
    cases = vectors("commitment")
    for case in cases["accepted"]:
        content = parse_base64(case["content_base64"])
        assert (commit(bytes.fromhex(case["opening"]), content), len(content)) == (case["commitment"], case["size"])
    for case in cases["refused"]:
        document = Document("body", "x.json", bytes.fromhex(case["opening"]), parse_base64(case["content_base64"]))
        ref = DocumentRef("body", "application/json", None, "public", case["commitment"])
        assert_refused(case, check_document, document, ref)
    for name in cases["names_accepted"]:
        assert parse_name(name) == name
    for case in cases["names_refused"]:
        assert_refused(case, parse_name, case["file_name"])


def test_commitments_are_what_openssl_says(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        print("openssl not here: the command of schemas/README.md was not tried")
        return
    for case in vectors("commitment")["accepted"]:
        (tmp_path / "content").write_bytes(parse_base64(case["content_base64"]))
        command = [openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{case['opening']}", "content"]
        assert " ".join(command[1:6]) in (SCHEMAS / "README.md").read_text()
        printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert printed.split()[-1] == case["commitment"]


def test_checkpoint_vectors() -> None:
    cases = vectors("checkpoint")
    vkey = parse_vkey(cases["vkey"])
    assert format_vkey(vkey) == cases["vkey"]
    key = PrivateKey.from_seed(hashlib.sha256(cases["seed_text"].encode()).digest())
    for case in cases["trees"]:
        entries = [bytes([65 + number]) for number in range(case["size"])]
        assert root_of([leaf_hash(entry) for entry in entries]).hex() == case["root"]
    for case in cases["accepted"]:
        checkpoint, note = Checkpoint(case["origin"], case["size"], parse_base64(case["root"])), case["note"].encode()
        assert verify_checkpoint(note, vkey) == checkpoint
        assert note.startswith(sign_checkpoint(checkpoint, key))  # lines of others may follow
    for case in cases["refused"]:
        assert_refused(case, verify_checkpoint, case["note"].encode(), vkey)
    for case in cases["vkeys_refused"]:
        assert_refused(case, parse_vkey, case["vkey"])
    for case in cases["tile_paths"]:
        path = TilePath(case["level"], case["index"], case["width"])
        assert (parse_tile_path(case["path"]), format_tile_path(path)) == (path, case["path"])
    for text in cases["tile_paths_refused"]:
        assert_refused({"name": text, "code": Malformed.code}, parse_tile_path, text)
    for case in cases["evidence"]:
        evidence = parse_evidence(case["evidence"].encode())
        assert format_evidence(evidence) == case["evidence"].encode()
        verify_evidence(evidence)
    for case in cases["evidence_refused"]:
        assert_refused(case, verify_evidence, parse_evidence(case["evidence"].encode()))


def test_receipt_vectors() -> None:
    cases = vectors("receipt")
    vkey = parse_vkey(cases["vkey"])

    def check(receipt: bytes, envelope: bytes) -> Checkpoint:
        return verify_receipt(parse_receipt(receipt), leaf_hash(envelope), vkey)

    for case in cases["accepted"]:
        receipt, leaf = parse_receipt(case["receipt"].encode()), leaf_hash(case["envelope"].encode())
        assert leaf.hex() == case["leaf_hash"]
        assert receipt == Receipt(case["index"], tuple(map(parse_base64, case["path"])), receipt.checkpoint)
        assert format_receipt(receipt) == case["receipt"].encode()
        assert verify_receipt(receipt, leaf, vkey).size == case["size"]
    for case in cases["refused"]:
        assert_refused(case, check, case["receipt"].encode(), case["envelope"].encode())


def test_pack_vectors() -> None:
    cases = vectors("receipt")
    first, stated = cases["accepted"][1], cases["document"]
    opening, content = parse_base64(stated["opening"]), parse_base64(stated["content_base64"])
    document = Document(stated["slot"], stated["name"], opening, content)
    envelope = first["envelope"].encode()
    for name, receipt in (("pack", first["receipt"].encode()), ("parcel", None)):
        data = parse_base64(cases[name]["base64"])
        pack = Pack(envelope, (document,), receipt, None)
        assert (format_pack(pack), parse_pack(data)) == (data, pack)
        assert hashlib.sha256(data).hexdigest() == cases[name]["sha256"]
    participants = parse_participants(json.dumps(cases["peers"]).encode())
    assert json.loads(format_participants(participants)) == cases["peers"]
    verdict = admit(envelope, parse_statement(parse_envelope(envelope).payload).origin, first["index"], participants)
    assert isinstance(verdict, Admitted) and verdict.until is None


def test_sealed_vectors() -> None:
    cases = vectors("sealed")
    private = {}
    for case in cases["keys"]:
        key = SealingPrivate.from_seed(hashlib.sha256(case["seed_text"].encode()).digest())
        assert (key.public.raw, key.public.keyid) == (parse_base64(case["public_key"]), case["keyid"])
        private[case["participant"]] = {key.public.keyid: key}
    assert cases["suite"] == SUITE
    for case in cases["padding"]:
        assert padded(case["size"]) == case["padded"]
    case = cases["letter"]
    sealed = parse_base64(case["sealed"])
    for code in private:
        assert _opened(sealed, code, private[code]) == (case["inner_envelope"].encode(), case["documents"])
    preface = read_preface(BytesIO(sealed).read)
    opens = preface.unwrap("XA", private["XA"])
    assert (format_base64(opens.raw), opens.commit) == (case["content_key"], case["commit"])
    inner = parse_envelope(case["inner_envelope"].encode(), INNER_TYPE)
    officer = PrivateKey.from_seed(hashlib.sha256(case["signed_by"].encode()).digest())
    verify_envelope(inner, {officer.public.keyid: officer.public})
    statement = parse_statement(inner.payload)
    assert (submission_id(inner.payload), statement.audience) == (case["inner_id"], preface.header.audience)
    with pytest.raises(Malformed):
        parse_envelope(case["inner_envelope"].encode())  # the door takes another type
    for change in cases["refused"]:
        at, put = change["at"], bytes.fromhex(change["change"])
        assert_refused_code(change, _opened, sealed[:at] + put + sealed[at + len(put) :], "XA", private["XA"])


def test_the_two_faced_vector_opens_for_one_and_is_refused_for_the_other() -> None:
    case = vectors("two-faced")
    preface = read_preface(BytesIO(parse_base64(case["sealed"])).read)
    keys = {code: SealingPrivate.from_seed(hashlib.sha256(code.encode()).digest()) for code in ("XA", "XI")}
    preface.unwrap(case["opens"], {keys[case["opens"]].public.keyid: keys[case["opens"]]})
    other = keys[case["refused"]]
    assert_refused_code(case | {"name": "two-faced"}, preface.unwrap, case["refused"], {other.public.keyid: other})


def assert_refused_code(case: Json, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(ExchangeError) as caught:
        call(*arguments)
    assert caught.value.code == case["code"], case["name"]


def _opened(sealed: bytes, code: str, keys: dict[str, SealingPrivate]) -> tuple[bytes, list[Json]]:
    file, out = BytesIO(sealed), BytesIO()
    preface = read_preface(file.read)
    preface.decrypt(preface.unwrap(code, keys), file.read, out.write)
    out.seek(0)
    contents, _ = read_contents(out.read)
    documents = []
    for one in contents.documents:
        content = out.read(one.size)
        fields = {"slot": one.slot, "name": one.name, "opening": format_base64(one.opening)}
        documents.append(fields | {"content": format_base64(content)})
    check_rest(out.read)
    return contents.envelope, documents


def test_open_sealed_opens_the_letter_with_nothing_of_ours(tmp_path: Path) -> None:
    """HPKE written out by hand: what our library did, another does alike."""
    case = vectors("sealed")["letter"]
    sealed = parse_base64(case["sealed"])
    (tmp_path / "letter").write_bytes(sealed)
    (tmp_path / "changed").write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    (tmp_path / "two-faced").write_bytes(parse_base64(vectors("two-faced")["sealed"]))
    seed, short = hashlib.sha256(b"vector sealing XI").hexdigest(), hashlib.sha256(b"XI").hexdigest()

    def run(name: str, code: str, seed: str) -> tuple[int, str]:
        command = [sys.executable, "-W", "error", str(EXAMPLES / "open_sealed.py"), name, code, seed]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout

    code, said = run("letter", "XI", seed)
    lines = said.splitlines()
    digests = [hashlib.sha256(parse_base64(one["content"])).hexdigest() for one in case["documents"]]
    assert (code, lines[0], [line.split()[-1] for line in lines[1:]]) == (0, case["inner_envelope"], digests)
    assert run("changed", "XI", seed) == (1, "")
    assert run("letter", "XA", seed) == (1, "")
    assert run("two-faced", "XI", short) == (1, "")


def run_verifier(tmp_path: Path, pack: bytes, peers: Json) -> tuple[int, str]:
    """What examples/verify_receipt.py says of these files."""
    (tmp_path / "pack.zip").write_bytes(pack)
    (tmp_path / "peers.json").write_text(json.dumps(peers))
    command = [sys.executable, "-W", "error", str(EXAMPLES / "verify_receipt.py"), "pack.zip", "peers.json"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_verify_receipt_says_yes_to_the_pack_and_no_to_every_change(tmp_path: Path) -> None:
    cases = vectors("receipt")
    pack = parse_base64(cases["pack"]["base64"])
    peers: Json = cases["peers"]
    parsed = parse_pack(pack)
    assert run_verifier(tmp_path, pack, peers)[0] == 0
    stranger, other = cases["peers"]["participants"][1], parse_base64(cases["parcel"]["base64"])
    record = peers["participants"][0]
    key = record["keys"][0]

    def changed(**fields: Any) -> Json:
        return peers | {"participants": [record | fields, stranger]}

    log = record["logs"][0]
    refused: list[tuple[str, bytes, Json]] = [
        ("no receipt", other, peers),
        ("not a zip", b"PK\x05\x06", peers),
        ("another federation", pack, peers | {"federation": "other.example"}),
        ("an unknown participant", pack, peers | {"participants": [stranger]}),
        ("an unknown log", pack, changed(logs=[log | {"origin": "cbm.xr.example/log2"}])),
        ("another log key", pack, changed(logs=[log | {"vkey": stranger["logs"][0]["vkey"]}])),
        ("a log closed before", pack, changed(logs=[log | {"closed": {"size": 0, "root": format_base64(bytes(32))}}])),
        ("an unknown officer", pack, changed(keys=record["keys"][1:])),
        ("an officer who may not", pack, changed(keys=[key | {"may_sign": ["POC-02"]}])),
        ("a key that counts later", pack, changed(keys=[key | {"from": [0, 1]}])),
        ("a key that counted before", pack, changed(keys=[key | {"before": [0, 0]}])),
        ("a key of another kind", pack, changed(keys=[key | {"kind": "identity"}])),
        ("two signatures needed", pack, changed(thresholds={"forms": {"ICT-03": 2}, "erasure": 2})),
        (
            "another entry",
            format_pack(Pack(cases["accepted"][2]["envelope"].encode(), (), parsed.receipt, None)),
            peers,
        ),
    ]
    for place in range(40, len(pack), len(pack) // 12):
        refused.append((f"one bit at {place}", pack[:place] + bytes([pack[place] ^ 1]) + pack[place + 1 :], peers))
    for name, data, records in refused:
        code, said = run_verifier(tmp_path, data, records)
        assert (code, said.splitlines()[-1][:4]) == (1, "NO  "), (name, said)
