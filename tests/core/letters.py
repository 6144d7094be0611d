"""Sealing keys from names, and letters made of them."""

from collections.abc import Iterable
from hashlib import sha256
from io import BytesIO

from exchange.core.document import Document
from exchange.core.letter import contents_of, format_letter, read_contents
from exchange.core.sealed import ContentKey, Preface, address, read_preface, seal
from exchange.core.sealing import SealingPrivate

FEDERATION, ORIGIN = "test.example", "xr.test.example/log"
ENVELOPE = b'{"the":"inner envelope"}'


def sealing_named(name: str) -> SealingPrivate:
    """The private key whose seed is SHA-256 of this name."""
    return SealingPrivate.from_seed(sha256(name.encode()).digest())


def content_key(name: str = "content key") -> ContentKey:
    return ContentKey(sha256(name.encode()).digest())


def document(slot: str = "body", content: bytes = b"two words", name: str = "return.json") -> Document:
    return Document(slot, name, sha256(slot.encode()).digest(), content)


def sealed(
    *codes: str, documents: Iterable[Document] | None = None, key: ContentKey | None = None, sender: str = "XR"
) -> bytes:
    """A letter of the sender to these, whose keys are named like them."""
    held = (document(),) if documents is None else tuple(documents)
    key = key or content_key()
    to = [(code, sealing_named(code).public) for code in codes or ("XA", "XI")]
    header, keys = address(FEDERATION, ORIGIN, key, (sender, sealing_named(sender).public), to)
    size, plaintext = format_letter(contents_of(ENVELOPE, held), [one.content for one in held])
    return b"".join(seal(header, key, keys, size, plaintext))


def own_keys(*codes: str) -> dict[str, SealingPrivate]:
    return {one.public.keyid: one for one in map(sealing_named, codes)}


def preface_of(blob: bytes) -> tuple[Preface, BytesIO]:
    """The preface, and the file behind it."""
    file = BytesIO(blob)
    return read_preface(file.read), file


def plaintext_of(blob: bytes, code: str) -> bytes:
    """What that participant reads."""
    preface, file = preface_of(blob)
    out = BytesIO()
    preface.decrypt(preface.unwrap(code, own_keys(code)), file.read, out.write)
    return out.getvalue()


def opened(blob: bytes, code: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The inner envelope, and the documents by slot."""
    file = BytesIO(plaintext_of(blob, code))
    contents, _ = read_contents(file.read)
    return contents.envelope, [(one.slot, file.read(one.size)) for one in contents.documents]
