"""The first eight bytes of a hash as a number: what indexes over hashes are made of.

A third of the size, and so a third of the pages that a large registry touches for each new row. Two hashes may share one, by
accident or by somebody's patience: whatever is found by it is compared in full.
"""


def shortkey(digest: bytes) -> int:
    """Signed, as both engines keep it."""
    return int.from_bytes(digest[:8], "big", signed=True)
