"""How large a sealed letter is made: PADMÉ (Nikitin, Barman et al., "Reducing metadata leakage from encrypted files", PoPETs 2019).

Guarantee: of a length L at most O(log log L) bits show: two bits more than the floating-point exponent of it, and nothing at all below
the floor. It costs at most 12 percent, and less the larger the letter. Powers of two would leak less and cost up to 100
percent, which 25 MB would not bear; fixed blocks leak nearly everything of a large letter.

    >>> padded(100_000), padded(25_000_000), padded(3)
    (100352, 25165824, 16384)
"""

FLOOR = 16 * 1024
"""Bytes; a line of text and a nil return are alike."""


def padded(size: int) -> int:
    """The size, in bytes, to which that many are filled up."""
    if size <= FLOOR:
        return FLOOR
    exponent = size.bit_length() - 1
    rest = (1 << (exponent - exponent.bit_length())) - 1
    return (size + rest) & ~rest
