"""python -m tests.soak: for SOAK_MINUTES (30 unless set), then the verdict; exit 1 where something grows or went wrong."""

import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.shelf import HOME
from tests.soak.run import soak


def _end(*_: object) -> None:
    """Told to end, it takes its processes and folders with it."""
    sys.exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    minutes = float(os.environ.get("SOAK_MINUTES", "30"))
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=HOME) as folder:
        outcome = soak(Path(folder), minutes * 60, say=lambda line: print(line, flush=True))
    print("\n".join(outcome.verdict()))
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
