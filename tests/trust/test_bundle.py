"""One answer with the whole list: strict, bounded, and believed in nothing."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import ExchangeError, Malformed
from exchange.trust.bundle import FIRST_LINE, MAX_FILES, format_bundle, parse_bundle
from exchange.trust.choice import choose
from tests.founders import NOW, Founders

pytestmark = pytest.mark.once


def test_a_bundle_reads_back_and_imports_in_one_piece() -> None:
    made = Founders()
    found = parse_bundle(made.bundle())
    assert sorted(found) == sorted(set(made.files()))
    assert choose(found, made.pinned(), NOW).held == made.cold().held


def test_the_order_of_the_files_changes_no_byte() -> None:
    made = Founders()
    files = made.all_files()
    random.Random(1).shuffle(files)
    assert format_bundle([*files, *files]) == made.bundle()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cbm-trust-bundle/v2\n",
        FIRST_LINE + b"1.root.json 2\n{}",
        FIRST_LINE + b"1.root.json 3\n{}\n",
        FIRST_LINE + b"1.root.json 1\n{}\n",
        FIRST_LINE + b"1.root.json 02\n{}\n",
        FIRST_LINE + b"1.root.json -2\n{}\n",
        FIRST_LINE + b"1.root.json 99999999\n{}\n",
        FIRST_LINE + b"../1.root.json 2\n{}\n",
        FIRST_LINE + b"root.json 2\n{}\n",
        FIRST_LINE + b"1.root.json 2\n{}\n" * 2,
        FIRST_LINE + b"1.root.json 2\n{}\n\n",
        FIRST_LINE + b"1.root.json" + b" " * 100 + b"2\n{}\n",
        FIRST_LINE + b"".join(b"%d.root.json 2\n{}\n" % n for n in range(1, MAX_FILES + 2)),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_bundle(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes) -> None:
    for prefix in (b"", FIRST_LINE):
        with suppress(Malformed):
            parse_bundle(prefix + data)


def test_no_flipped_bit_of_a_bundle_changes_what_counts() -> None:
    """Either it is refused, or the file that was hit is not heard, or (in a signature that is not needed) nothing changes."""
    made = Founders("XR", "XA", relays=1)
    good = made.cold()
    assert good.participants is not None
    data, chance = made.bundle(), random.Random(2)
    for _ in range(300):
        at = chance.randrange(len(data))
        hit = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        try:
            found = choose(parse_bundle(hit), made.pinned(), NOW)
        except ExchangeError:
            continue
        known = {} if found.participants is None else found.participants.records
        assert all(record == good.participants.records[code] for code, record in known.items())
