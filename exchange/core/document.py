"""Documents: the content that a statement commits to, the opening that proves it, and a file name that harms nobody.

Guarantee: the commitment in a statement binds one content and tells nothing about it without the opening, not even to
somebody who guesses all likely contents; once opening and content are erased, it is meaningless. commitment =
HMAC-SHA-256 (RFC 2104, FIPS 198-1) with the 32 random bytes of the opening as key and the content as message (DESIGN
section 2).

    $ printf 'nothing to declare' | openssl dgst -sha256 -mac HMAC -macopt hexkey:<opening in hex>

    >>> commit(bytes(32), b"nothing to declare")
    'b32d10fd8aa3016aa7a1d3f2e614f81046c9f395db1f9cc81dfdc570e6f11e94'
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field

from exchange.core.statement import DocumentRef
from exchange.errors import Malformed, TooLarge, WrongCommitment

SMALL_DOCUMENT = 64 * 1024
"""Bytes; up to here a document travels within JSON and lives in the database."""
MAX_DOCUMENT = 25 * 1024 * 1024
"""Bytes."""
OPENING_SIZE = 32
"""Bytes; fixed, since HMAC takes a key and the same key with zeros at its end for one."""
MAX_NAME = 255
"""Bytes of UTF-8; what common file systems take."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_FORBIDDEN_CHARACTERS = frozenset('/\\:<>"|?*')
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}) | frozenset(
    device + number for device in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"
)


@dataclass(frozen=True, slots=True)
class Document:
    """A content on its way, with what was erased if it is erased: opening and real file name."""

    slot: str
    name: str
    opening: bytes = field(repr=False)
    content: bytes = field(repr=False)


class Committer:
    """The commitment of a content that arrives in pieces."""

    def __init__(self, opening: bytes) -> None:
        self._mac = hmac.new(parse_opening(opening), digestmod=hashlib.sha256)
        self._size = 0

    def update(self, piece: bytes) -> None:
        self._size += len(piece)
        _check_size(self._size)
        self._mac.update(piece)

    def commitment(self) -> str:
        return self._mac.hexdigest()


def commit(opening: bytes, content: bytes) -> str:
    """The commitment, in lower-case hex, that the statement carries."""
    _check_size(len(content))
    return hmac.digest(parse_opening(opening), content, "sha256").hex()


def check_document(doc: Document, ref: DocumentRef) -> None:
    """Return if this is the document that the statement's `ref` commits to, else raise `WrongCommitment`."""
    if doc.slot != ref.slot:
        raise WrongCommitment(f"the document of the slot {ref.slot} was expected, that of {doc.slot} came")
    if not hmac.compare_digest(commit(doc.opening, doc.content), ref.commitment):
        raise WrongCommitment(
            f"a document with the commitment {ref.commitment} was expected; content or opening is another"
        )


def parse_opening(opening: bytes) -> bytes:
    if len(opening) != OPENING_SIZE:
        raise Malformed(f"an opening of {OPENING_SIZE} bytes was expected, {len(opening)} came")
    return opening


def parse_name(name: str) -> str:
    """A file name that any system can keep and show as it is; what would have to be repaired is refused.

    1. 1 to 255 bytes of UTF-8. 2. One spelling: NFC, no space around, no dot at either end, no hyphen in front (a name
    must not read as an option, a hidden file or the parent folder). 3. Nothing that separates folders, opens a Windows
    stream or stands for other files; 4. nothing invisible, nor anything that turns the direction of writing (`gpj.exe`
    shown as `exe.jpg`). 5. No device of Windows, with or without an extension.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise Malformed("a file name in Unicode was expected, half a surrogate pair came", pointer="/name") from None
    if not 1 <= size <= MAX_NAME:  # 1
        raise Malformed(f"a file name of 1 to {MAX_NAME} bytes was expected, {size} came", pointer="/name")
    if not unicodedata.is_normalized("NFC", name):  # 2
        raise Malformed("a file name in Unicode normal form C was expected, another form came", pointer="/name")
    if name != name.strip() or name[0] in ".-" or name[-1] == ".":  # 2
        raise Malformed("a file name without dots, blanks or hyphens at its ends was expected", pointer="/name")
    if not _FORBIDDEN_CHARACTERS.isdisjoint(name) or not {"/", "\\"}.isdisjoint(
        unicodedata.normalize("NFKC", name)
    ):  # 3
        raise Malformed('a file name, not a path, without any of / \\ : < > " | ? * was expected', pointer="/name")
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in name):  # 4
        raise Malformed(
            "a file name of visible characters was expected, a control or format character came", pointer="/name"
        )
    if name.split(".", 1)[0].rstrip().lower() in _DEVICES:  # 5
        raise Malformed("a file name was expected, the name of a Windows device came", pointer="/name")
    return name


def _check_size(size: int) -> None:
    if size > MAX_DOCUMENT:
        raise TooLarge(f"a document of at most {MAX_DOCUMENT:,} bytes was expected, at least {size:,} came")
