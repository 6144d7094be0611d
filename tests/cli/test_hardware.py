"""Keys in hardware, on a real SoftHSM: the token signs for a founder and for a State, and its keys never leave it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from pkcs11.util.ec import encode_named_curve_parameters
from typer.testing import CliRunner

from exchange.cli.program import app
from exchange.core.identity import P256
from exchange.core.keys import ALGORITHM, Kind
from exchange.errors import BadSignature, Malformed, Misuse
from exchange.node.offline import read_proven
from exchange.node.stick import Stick
from exchange.node.token import _public, open_token, parse_place
from exchange.trust.contents import read_root
from exchange.trust.drafts import draft_root
from tests.founders import NOW, YEAR, holder

pytestmark = pytest.mark.once

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234567"
ED25519 = bytes.fromhex("130c656477617264733235353139")  # the curve as PKCS#11 names it


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of keys in a token of the ministry: `p256` and `ed25519`. Made as its operator would, with other tools."""
    assert MODULE.exists(), "SoftHSM is missing. On Debian: apt-get install -y softhsm2"
    folder = tmp_path_factory.mktemp("softhsm")
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    command = ["softhsm2-util", "--init-token", "--free", "--label", "ministry", "--pin", PIN, "--so-pin", "7654321"]
    subprocess.run(command, check=True, capture_output=True)
    with pkcs11.lib(str(MODULE)).get_token(token_label="ministry").open(rw=True, user_pin=PIN) as session:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        parameters.generate_keypair(store=True, label="p256")
        edwards = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: ED25519}, local=True
        )
        edwards.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="ed25519")
    yield f"pkcs11:token=ministry;object=%s?module-path={MODULE}"
    if before is None:
        del os.environ["SOFTHSM2_CONF"]


@pytest.mark.parametrize(("label", "algorithm"), [("p256", P256), ("ed25519", ALGORITHM)])
def test_a_token_signs_what_its_public_half_verifies(token: str, label: str, algorithm: str) -> None:
    signer = open_token(token % label, lambda: PIN)
    assert signer.public.algorithm == algorithm
    for message in (b"", b"a message", bytes(100_000)):
        signature = signer.sign(message)
        signer.public.verify(message, signature)
        with pytest.raises(BadSignature):
            signer.public.verify(message + b"!", signature)


def test_a_founder_signs_in_hardware(token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_PIN", PIN)
    founders = (open_token(token % "p256", lambda: PIN).public, holder("founder 1").public, holder("founder 2").public)
    draft = draft_root(1, NOW + YEAR, founders, 2, (holder("relay 0").public,))
    Stick(tmp_path).propose(draft)
    found = CliRunner().invoke(
        app, ["federation", "sign", str(tmp_path), "--key", token % "p256", "--yes"], catch_exceptions=False
    )
    assert found.exit_code == 0, found.output
    signed = Stick(tmp_path).drafts()["root"]
    assert read_root(draft).root.signers(signed) == (founders[0],)


@pytest.mark.parametrize("label", ["p256", "ed25519"])
def test_an_identity_key_in_hardware_agrees_to_stand_in_a_record(
    token: str, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CBM_PIN", PIN)
    target = tmp_path / "identity.pub"
    named = ["--participant", "XR", "--federation", "test.example", "--kind", "identity", "--output", str(target)]
    found = CliRunner().invoke(app, ["key", "prove", token % label, *named], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    proven = read_proven(target)
    assert proven.kind is Kind.IDENTITY and proven.proof_for("test.example", "XR")
    with pytest.raises(Misuse, match="no proof"):
        proven.proof_for("test.example", "XA")


def test_what_a_token_does_not_give_is_said(token: str) -> None:
    for uri, pin in (
        (token % "nothing", PIN),
        (token % "p256", "0000000"),
        ((token % "p256").replace("ministry", "elsewhere"), PIN),
        ((token % "p256").replace(str(MODULE), "/nonexistent.so"), PIN),
    ):
        with pytest.raises(Misuse, match="does not give"):
            open_token(uri, lambda pin=pin: pin)  # type: ignore[misc]


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:token=a;object=b",
        "pkcs11:object=b?module-path=/x",
        "file:token=a;object=b?module-path=/x",
    ],
)
def test_an_address_that_names_no_key_is_refused(uri: str) -> None:
    with pytest.raises(Misuse, match="named like"):
        parse_place(uri)


def test_a_pin_has_no_place_in_an_address() -> None:
    with pytest.raises(Misuse, match="PIN"):
        parse_place("pkcs11:token=a;object=b?module-path=/x&pin-value=1234")


def test_an_address_is_percent_decoded() -> None:
    place = parse_place("pkcs11:token=the%20ministry;object=key%3B1?module-path=/usr/lib/x.so")
    assert (place.token, place.label, place.module) == ("the ministry", "key;1", "/usr/lib/x.so")


def test_a_point_of_another_curve_is_refused() -> None:
    with pytest.raises(Malformed):
        _public(b"\x04\x61\x04" + bytes(96))
