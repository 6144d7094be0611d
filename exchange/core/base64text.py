"""Base64 with exactly one text for each byte string.

RFC 4648 section 4: standard alphabet, with padding. Whatever decodes is encoded again and compared, because a lenient
decoder lets others change a signed line without breaking its signature (trailing bits, white space, missing padding).

    >>> parse_base64("aGVsbG8=")
    b'hello'
"""

import binascii

from exchange.errors import Malformed


def parse_base64(text: str | bytes, *, length: int | None = None) -> bytes:
    """The bytes that `text` stands for, exactly `length` of them if given; Malformed unless canonical."""
    try:
        ascii_text = text.encode("ascii") if isinstance(text, str) else text
        data = binascii.a2b_base64(ascii_text, strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both ValueErrors
        raise Malformed("expected standard base64 with padding") from None
    # "YQ==" and "YR==" decode alike: only the first is what an encoder writes.
    if binascii.b2a_base64(data, newline=False) != ascii_text:
        raise Malformed("expected base64 as an encoder writes it, got trailing bits or other padding")
    if length is not None and len(data) != length:
        raise Malformed(f"expected base64 of {length} bytes, got {len(data)}")
    return data


def format_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")
