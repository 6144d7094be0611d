"""What is left of reference/trust.md 2.3 and 2.4, row by row: limits of python-tuf that must not be ours, and what we take of it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.errors import Malformed
from exchange.trust.choice import choose
from exchange.trust.rolefile import MAX_CLOCK, TIMESTAMP, parse_role
from tests.founders import DAY, NOW, Founders, holder

pytestmark = pytest.mark.once

PACKAGE = Path(__file__).resolve().parents[2] / "exchange"


def test_a_relay_version_beyond_every_clock_is_no_file_at_all() -> None:
    """2^62, as a stolen key once jumped: refused before anybody asks who signed it."""
    made = Founders()
    raw = made.words["relay 0"][1].raw
    version = str(made.words["relay 0"][1].version).encode()
    for number in (2**62, MAX_CLOCK + 1):
        with pytest.raises(Malformed):
            parse_role(raw.replace(b'"version":' + version, b'"version":' + str(number).encode()), TIMESTAMP)


def test_more_roots_than_a_client_of_tuf_would_climb_are_climbed() -> None:
    """Its limit is 256 (pitfall 9); one that begins with the first root in a hundred years is no stranger."""
    made = Founders(founders=1, k=1)
    first = made.pinned()
    for number in range(260):
        before = made.founders
        made.founders = [holder(f"founder of {number}")]
        made.next_root(*before, *made.founders)
    made.targets.append(made.sign_targets(2))
    made.speak(NOW)
    chosen = choose(made.files(), first, NOW)
    assert chosen.held.root.version == 261 and chosen.participants is not None


def test_nothing_private_of_python_tuf_and_none_of_its_clients_is_used() -> None:
    """`_trusted_set` is private and the client's cache is not ours to read (pitfall 10); its stable part is `tuf.api`."""
    for path in PACKAGE.rglob("*.py"):
        for module in re.findall(r"^(?:from|import) (tuf[.\w]*)", path.read_text(), re.MULTILINE):
            assert module.startswith("tuf.api."), f"{path}: {module}"
        assert "_trusted_set" not in path.read_text(), path


def test_a_stale_list_is_not_thrown_away_and_verifies_on_without_any_network() -> None:
    """Pitfall 6: no offline mode there; here a year without a relay changes nothing but what is said of it."""
    made = Founders()
    held = made.cold().held
    for days in (8, 30, 364, 3_000):
        chosen = choose([], held, NOW + days * DAY)
        assert chosen.participants is not None and sorted(chosen.participants.records) == sorted(made.codes)
        assert chosen.stale_since == NOW + timedelta(days=7)
