"""Keys, openings and plaintext of letters show nowhere: in no log at debug level, traceback, error, repr or answer, and in no file of a node."""

import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from exchange.core.document import Document
from exchange.core.dsse import parse_envelope
from exchange.core.sealed import ContentKey, Preface, read_preface
from exchange.core.sealing import SealingPrivate
from exchange.core.statement import parse_statement
from exchange.errors import ExchangeError
from exchange.node.keyfile import open_sealings
from exchange.node.sealed import reveal, seal_letter
from tests.sealing import inner_of, outside, sealed_by_hand
from tests.world import World, renamed

PLANTED = b"PLANTED-The-Prisoner-Is-Held-At-Zenda"


def spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield b64encode(secret)
    yield repr(secret)[2:-1].encode()


def test_no_secret_shows_anywhere_but_in_the_folder_it_was_opened_into(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    secrets: list[bytes] = [PLANTED]
    caplog.set_level(logging.DEBUG)
    with World(tmp_path, "XR", "XA", "XI") as world:
        xr = world["XR"]
        envelope, documents = inner_of(xr, "XA", content=PLANTED)
        secrets += [document.opening for document in documents]
        sealed = seal_letter(envelope, documents, world.participants)
        told += [repr(sealed), repr(documents), repr(sealed.document)]
        good = outside(xr, sealed.document.content)
        xr.submit(good)
        keys = {code: open_sealings(node.directory / "keys") for code, node in world.nodes.items()}
        bad = [
            (envelope, tuple(renamed(one, content=one.content + b"!") for one in documents)),
            (envelope, documents[:1]),
            (envelope, tuple(renamed(one, opening=bytes(32)) for one in documents)),
            inner_of(xr, "XA", content=PLANTED, signers=[world["XA"].officer]),
        ]
        secrets += [one.opening for _, held in bad for one in held if any(one.opening)]
        parcels = [good] + [outside(xr, sealed_by_hand(xr, ["XA"], *one)) for one in bad]
        for number, parcel in enumerate(parcels):
            if number:
                xr.submit(parcel)
            for code in ("XA", "XI"):
                _open(
                    parcel.documents[0],
                    parcel.envelope,
                    code,
                    keys[code],
                    world,
                    tmp_path / f"{code} {number}",
                    told,
                    secrets,
                )
        changed = bytearray(good.documents[0].content)
        changed[-1] ^= 1
        _open(
            Document("body", "x", bytes(32), bytes(changed)),
            good.envelope,
            "XA",
            keys["XA"],
            world,
            tmp_path / "changed",
            told,
            secrets,
        )
        world.pull()
        for node in world.nodes.values():
            for path in (
                "/v1/submissions",
                "/v1/heads",
                "/v1/peers",
                "/v1/alerts",
                "/metrics",
                "/v1/documents?participant=XR",
            ):
                told.append(node.get(path).text)
            told += [
                node.get(f"/v1/submissions/{item['id']}").text for item in node.get("/v1/submissions").json()["items"]
            ]
        told += [repr(keys)]
        folders = [node.directory for node in world.nodes.values()]
    told.append(caplog.text)
    told.append("".join(str(record.__dict__) for record in caplog.records))
    told += capfd.readouterr()
    assert len(secrets) > 6
    everything = "\n".join(told).encode()
    kept = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".key"]
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in everything, spelling
            for file in kept:
                assert spelling not in file.read_bytes(), (file, spelling)
    assert (tmp_path / "XA 0" / "a1.pdf").read_bytes() == PLANTED


def _open(
    document: Document,
    envelope: bytes,
    code: str,
    keys: dict[str, SealingPrivate],
    world: World,
    into: Path,
    told: list[str],
    secrets: list[bytes],
) -> None:
    """Try it, and keep what is said if it fails."""
    outer = parse_statement(parse_envelope(envelope).payload)

    def key_of(preface: Preface) -> ContentKey:
        key = preface.unwrap(code, keys)
        secrets.append(key.raw)
        return key

    try:
        letter, paths, key = reveal(BytesIO(document.content), key_of, outer, 0, world.participants, into)
        told.append(repr((letter, paths, key)))
    except ExchangeError as error:
        told.append("".join(traceback.format_exception(error)))
        told.append(f"{error!r} {error}")
        assert not into.exists()
    told.append(repr(read_preface(BytesIO(document.content).read)))
