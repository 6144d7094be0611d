"""How an audit writes what it found."""

from typing import Any


def said(verdict: Any, code: Any) -> str:
    return f"{verdict}"[:40] if code is None else f"{verdict} ({code})"[:80]


def key(digest: bytes | None) -> int | None:
    """What stands in an index for a hash: its first eight bytes, as a signed number."""
    return None if digest is None else int.from_bytes(digest[:8], "big", signed=True)


def short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
