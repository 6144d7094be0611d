"""Files of the trust list that came by hand: an operator puts them into DIR/trust, under their names or as a bundle.

Guarantee: nothing there is believed, each file proves itself (trust/choice.py); what is no such file is told in the log and left.
"""

import logging
from pathlib import Path

from exchange.errors import Malformed
from exchange.trust.bundle import MAX_BUNDLE, parse_bundle

MAX_INBOX = 1_000  # files

_logger = logging.getLogger("exchange.inbox")


def read_inbox(folder: Path) -> list[tuple[str, bytes]]:
    """Each file with its name."""
    found: list[tuple[str, bytes]] = []
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir())[:MAX_INBOX]:
        try:
            if not path.is_file() or path.stat().st_size > MAX_BUNDLE:
                continue
            content = path.read_bytes()
            found += parse_bundle(content) if path.suffix == ".bundle" else [(path.name, content)]
        except (OSError, Malformed) as error:
            _logger.warning("%s was not read: %s", path, error)
    return found
