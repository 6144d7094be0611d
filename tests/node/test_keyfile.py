"""Private keys on disk: refused where others may read them, and never shown."""

import copy
import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.core.base64text import format_base64
from exchange.core.keys import Kind
from exchange.errors import ExchangeError, KeyFileExposed, Malformed, Misuse, WeakKey, WrongPassphrase
from exchange.node.keyfile import (
    MAX_KEY_FILE,
    MAX_SCRYPT_N,
    MIN_PASSPHRASE,
    SCRYPT_N,
    KeyFile,
    create_key,
    is_sealed,
    open_key,
    read_public,
)
from tests import key_named

pytestmark = pytest.mark.once

PASSPHRASE = "four random words do well"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    create_key(tmp_path / "log.key", Kind.LOG)
    return tmp_path / "log.key"


@pytest.fixture(scope="module")
def sealed_fields(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The fields of a sealed key, made once: scrypt takes its time on purpose."""
    path = tmp_path_factory.mktemp("sealed") / "officer.key"
    create_key(path, Kind.SIGNING, PASSPHRASE)
    fields: dict[str, Any] = json.loads(path.read_bytes())
    return fields


@pytest.fixture
def sealed(tmp_path: Path, sealed_fields: dict[str, Any]) -> Path:
    return write(tmp_path / "officer.key", sealed_fields)


def write(path: Path, content: Any) -> Path:
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def changed(path: Path, change: Callable[[Any], object]) -> Path:
    fields = json.loads(path.read_bytes())
    change(fields)
    return write(path, fields)


def test_a_key_opens_as_it_was_made(plain: Path) -> None:
    made = json.loads(plain.read_bytes())
    opened = open_key(plain, kind=Kind.LOG)
    assert format_base64(opened.key.seed) == made["seed"]
    assert read_public(Path(f"{plain}.pub")) == (Kind.LOG, opened.key.public)
    assert not is_sealed(plain)


def test_two_keys_are_two_keys(tmp_path: Path) -> None:
    one, other = create_key(tmp_path / "1.key", Kind.LOG), create_key(tmp_path / "2.key", Kind.LOG)
    assert one.key.seed != other.key.seed


def test_a_sealed_key_opens_with_its_passphrase_alone(sealed: Path) -> None:
    assert is_sealed(sealed)
    assert b'"seed"' not in sealed.read_bytes()
    opened = open_key(sealed, PASSPHRASE, kind=Kind.SIGNING)
    assert opened.key.seed.hex() not in sealed.read_bytes().hex()
    for wrong in ("four random words do wel", PASSPHRASE + " ", "", None):
        with pytest.raises(WrongPassphrase):
            open_key(sealed, wrong)


def test_a_new_seal_costs_what_was_decided(sealed_fields: dict[str, Any]) -> None:
    cost = sealed_fields["scrypt"]
    assert (cost["n"], cost["r"], cost["p"]) == (SCRYPT_N, 8, 1) == (131_072, 8, 1)


def test_a_short_passphrase_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=str(MIN_PASSPHRASE)):
        create_key(tmp_path / "officer.key", Kind.SIGNING, "x" * (MIN_PASSPHRASE - 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o610, 0o666, 0o777])
def test_a_key_that_others_may_read_is_refused(plain: Path, mode: int) -> None:
    plain.chmod(mode)
    with pytest.raises(KeyFileExposed, match=f"{mode:04o}"):
        open_key(plain)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_key_that_its_owner_alone_may_read_opens(plain: Path, mode: int) -> None:
    plain.chmod(mode)
    assert open_key(plain).kind is Kind.LOG


def test_the_file_is_private_before_the_first_byte_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_birth: list[tuple[int, int]] = []
    real = os.fdopen

    def watched(handle: int, *arguments: Any, **named: Any) -> Any:
        status = os.fstat(handle)
        at_birth.append((stat.S_IMODE(status.st_mode), status.st_size))
        return real(handle, *arguments, **named)

    monkeypatch.setattr("exchange.node.keyfile.os.fdopen", watched)
    before = os.umask(0)
    try:
        create_key(tmp_path / "log.key", Kind.LOG)
    finally:
        os.umask(before)
    assert at_birth[0] == (0o600, 0)
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600


def test_a_symlink_is_not_followed(plain: Path) -> None:
    link = plain.with_name("link.key")
    link.symlink_to(plain)
    with pytest.raises(Misuse, match="cannot open"):
        open_key(link)


def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.key").mkdir(0o700)
    os.mkfifo(tmp_path / "pipe.key", 0o600)
    for name in ("folder.key", "pipe.key"):
        with pytest.raises(Misuse, match="not a regular file"):
            open_key(tmp_path / name)
    with pytest.raises(Misuse, match="No such file"):
        open_key(tmp_path / "absent.key")


def test_a_key_of_another_kind_is_refused(plain: Path) -> None:
    with pytest.raises(Misuse, match="holds a log key; a signing key is wanted"):
        open_key(plain, kind=Kind.SIGNING)


def test_a_key_is_never_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "log.key").write_bytes(b"somebody's")
    with pytest.raises(Misuse, match="exists already"):
        create_key(tmp_path / "log.key", Kind.LOG)
    assert (tmp_path / "log.key").read_bytes() == b"somebody's"
    assert not (tmp_path / "log.key.pub").exists()


def test_a_public_half_is_never_written_over_a_file(tmp_path: Path) -> None:
    """The public half of a key kept elsewhere: it would be lost, and the new one given to the operator as the old one."""
    (tmp_path / "log.key.pub").write_bytes(b"somebody's")
    with pytest.raises(Misuse, match="exists already"):
        create_key(tmp_path / "log.key", Kind.LOG)
    assert (tmp_path / "log.key.pub").read_bytes() == b"somebody's"
    assert not (tmp_path / "log.key").exists()


def test_a_key_is_never_written_through_a_symlink(tmp_path: Path) -> None:
    for name in ("log.key", "log.key.pub"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(Misuse, match="exists already"):
            create_key(tmp_path / "log.key", Kind.LOG)
        (tmp_path / name).unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot write"):
        create_key(tmp_path / "no such folder" / "log.key", Kind.LOG)


DAMAGES: dict[str, Any] = {
    "empty": b"",
    "no JSON": b"-----BEGIN",
    "a list": [],
    "cut off": b'{"kind": "log"',
    "no fields": {},
    "too large": b'{"x": "' + b"a" * MAX_KEY_FILE + b'"}',
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_file_that_is_no_key_is_malformed(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "log.key", content)
    with pytest.raises(Malformed, match="is not a key file"):
        open_key(path)
    with pytest.raises(Malformed):
        read_public(path)


CHANGES: dict[str, Callable[[Any], object]] = {
    "unknown kind": lambda fields: fields.update(kind="master"),
    "a list for a kind": lambda fields: fields.update(kind=["log"]),
    "another algorithm": lambda fields: fields.update(algorithm="RSA"),
    "no algorithm": lambda fields: fields.pop("algorithm"),
    "short seed": lambda fields: fields.update(seed=format_base64(bytes(31))),
    "seed without padding": lambda fields: fields.update(seed=fields["seed"].rstrip("=")),
    "number for a seed": lambda fields: fields.update(seed=7),
    "no seed": lambda fields: fields.pop("seed"),
    "swapped public half": lambda fields: fields.update(public_key=format_base64(key_named("other").public.raw)),
    "another seed": lambda fields: fields.update(seed=format_base64(key_named("other").seed)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_damaged_key_is_malformed(plain: Path, change: Callable[[Any], object]) -> None:
    with pytest.raises(Malformed):
        open_key(changed(plain, change))


def test_a_weak_public_half_is_refused(plain: Path) -> None:
    with pytest.raises(WeakKey):
        open_key(changed(plain, lambda fields: fields.update(public_key=format_base64(bytes(32)))))


SEALED_CHANGES: dict[str, tuple[Callable[[Any], object], type[ExchangeError]]] = {
    "another kind": (lambda fields: fields.update(kind="log"), WrongPassphrase),
    "swapped public half": (
        lambda fields: fields.update(public_key=format_base64(key_named("other").public.raw)),
        WrongPassphrase,
    ),
    "flipped seal": (lambda fields: fields.update(sealed="A" * 8 + fields["sealed"][8:]), WrongPassphrase),
    "short nonce": (lambda fields: fields.update(nonce=""), Malformed),
    "no nonce": (lambda fields: fields.pop("nonce"), Malformed),
    "no cost": (lambda fields: fields.pop("scrypt"), Malformed),
    "cost is text": (lambda fields: fields.update(scrypt="much"), Malformed),
}


@pytest.mark.parametrize(("change", "error"), SEALED_CHANGES.values(), ids=SEALED_CHANGES.keys())
def test_a_changed_seal_does_not_open(
    sealed: Path, change: Callable[[Any], object], error: type[ExchangeError]
) -> None:
    with pytest.raises(error):
        open_key(changed(sealed, change), PASSPHRASE)


@pytest.mark.parametrize(
    "cost",
    [
        {"n": MAX_SCRYPT_N * 2},
        {"n": 2**40},
        {"n": 2**9},
        {"n": 0},
        {"n": -1},
        {"n": True},
        {"n": "131072"},
        {"n": 131_072.0},
        {"n": None},
        {"n": 2**17 + 1},
        {"r": 1024},
        {"p": 4096},
        {"r": 0},
        {"salt": "?"},
    ],
    ids=str,
)
def test_a_file_from_elsewhere_does_not_choose_the_cost(sealed: Path, cost: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        open_key(changed(sealed, lambda fields: fields["scrypt"].update(cost)), PASSPHRASE)


def test_the_seed_is_never_shown(plain: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    opened = open_key(plain)
    seed = opened.key.seed
    logging.getLogger("exchange").warning("opened %s %r", opened, opened)
    shown = [repr(opened), str(opened), f"{opened.key}", repr([opened.key]), caplog.text]
    for change in CHANGES.values():
        with pytest.raises(Malformed) as caught:
            open_key(changed(plain, change))
        shown.append(f"{caught.value!r} {caught.value.__cause__!r}")
        write(plain, {"kind": "log", "algorithm": "Ed25519", **public_and_seed(opened)})
    for form in (seed.hex(), format_base64(seed), repr(seed), format_base64(seed).rstrip("=")):
        assert not [text for text in shown if form in text]
    assert opened.key.public.keyid in repr(opened)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(opened)


def public_and_seed(key: KeyFile) -> dict[str, str]:
    return {"public_key": format_base64(key.key.public.raw), "seed": format_base64(key.key.seed)}


@pytest.mark.parametrize("change", [lambda f: f.update(kind="master"), lambda f: f.update(algorithm="RSA")])
def test_a_public_half_is_read_as_strictly(plain: Path, change: Callable[[Any], object]) -> None:
    with pytest.raises(Malformed):
        read_public(changed(Path(f"{plain}.pub"), change))
    with pytest.raises(Misuse, match="cannot read"):
        read_public(plain.with_name("absent.pub"))
