"""A folder that a ministry carries on a stick: drafts to sign, signatures, and what was published.

    root.json                         the root that everybody pins
    join.json                         on a State's stick: who it is, for the founders
    list/3.targets.json               what was published
    proposal/4.targets.json           a draft; nobody need have signed it
    proposal/4.targets.json.bytes     exactly what is signed, for any other tool
    proposal/4.targets.json.2f9c....sig   {"file", "sha256", "key", "signature"}: one signature by one key

Guarantees: nothing on a stick is believed. A signature counts if it verifies over the bytes of the draft that lies there now; one for
other bytes is refused by name. Files are written whole, and a published one is never written over.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.identity import IdentityKey, parse_identity
from exchange.core.jsontext import parse_json
from exchange.errors import BadSignature, ExchangeError, Malformed, Misuse
from exchange.files import make_folder, write_whole
from exchange.trust.choice import read_named
from exchange.trust.drafts import signed
from exchange.trust.rolefile import RoleFile

PUBLIC = 0o644
MAX_SMALL = 64 * 1024  # bytes of a signature or a join file
MAX_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    file: str
    sha256: str
    key: IdentityKey
    signature: bytes


@dataclass(frozen=True, slots=True)
class Stick:
    folder: Path

    @property
    def listed(self) -> Path:
        return self.folder / "list"

    @property
    def proposal(self) -> Path:
        return self.folder / "proposal"

    @property
    def root(self) -> Path:
        return self.folder / "root.json"

    def published(self) -> list[RoleFile]:
        return _files(self.listed)

    def newest(self) -> dict[str, RoleFile]:
        """What was published last, by role."""
        found: dict[str, RoleFile] = {}
        for file in sorted(self.published(), key=lambda file: file.version):
            found[file.role] = file
        return found

    def drafts(self) -> dict[str, RoleFile]:
        """The files proposed, by role, with every signature on the stick that is over their bytes."""
        found = {}
        for file in _files(self.proposal):
            if file.role in found:
                raise Misuse(f"{self.proposal} holds two drafts of {file.role}; take the older one away")
            found[file.role] = file
        for signature in self.signatures():
            role = next((role for role, file in found.items() if file.name == signature.file), None)
            if role is not None and signature.sha256 == found[role].digest.hex():
                found[role] = add(found[role], signature)
        return found

    def propose(self, *files: RoleFile) -> None:
        """Lay drafts out, with the bytes that are to be signed. An older draft of a role makes room, and so do its signatures."""
        make_folder(self.proposal, 0o755)
        for file in files:
            for path in list(self.proposal.glob(f"*.{file.role}.json*")):
                path.unlink()
            write_whole(self.proposal / file.name, file.raw, PUBLIC)
            write_whole(self.proposal / f"{file.name}.bytes", file.content, PUBLIC)

    def publish(self, *files: RoleFile) -> None:
        make_folder(self.listed, 0o755)
        for file in files:
            target = self.listed / file.name
            if target.exists() and read_named(file.name, target.read_bytes()) != file:
                raise Misuse(f"{target} was published with another content; it is never written over")
            write_whole(target, file.raw, PUBLIC)
            for path in list(self.proposal.glob(f"{file.name}*")):
                path.unlink()

    def signatures(self) -> list[Signature]:
        return [read_signature(path) for path in sorted(self.proposal.glob("*.sig"))]

    def sign(self, name: str, digest: str, key: IdentityKey, signature: bytes) -> Path:
        """Put one signature beside the draft of that name."""
        path = self.proposal / f"{name}.{key.fingerprint[:16]}.sig"
        fields = {"file": name, "sha256": digest, "key": key.text, "signature": format_base64(signature)}
        write_whole(path, orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE), PUBLIC)
        return path

    def read_json(self, name: str) -> Any:
        return _json(self.folder / name)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        make_folder(self.folder, 0o755)
        write_whole(
            self.folder / name, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), PUBLIC
        )


def add(file: RoleFile, signature: Signature) -> RoleFile:
    """The file with one more signature. Raises BadSignature where it is not over these bytes."""
    if signature.sha256 != file.digest.hex():
        raise BadSignature(f"the signature by {signature.key.fingerprint[:16]} is over another {file.name}")
    return signed(file, signature.key, signature.signature)


def read_signature(path: Path) -> Signature:
    fields = _json(path)
    try:
        key = parse_identity(fields["key"])
        return Signature(str(fields["file"]), str(fields["sha256"]), key, parse_base64(fields["signature"]))
    except (KeyError, TypeError, AttributeError, ExchangeError):
        raise Malformed(f"{path} is no signature of the trust list") from None


def _json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes()[: MAX_SMALL + 1], limit=MAX_SMALL)
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from None


def _files(folder: Path) -> list[RoleFile]:
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size > MAX_FILE:
            raise Malformed(f"{path} is larger than any file of the trust list")
        try:
            found.append(read_named(path.name, path.read_bytes()))
        except Malformed as error:
            raise Malformed(f"{path}: {error}") from None
    return found


def fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
