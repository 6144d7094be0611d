"""All benchmarks, or those named, and one table at the end.

python -m tests.benchmarks [pull submit ...] [--engine sqlite] [--long]
"""

import argparse
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import audit, growth, idle, lookup, pull, seal, search, submit, trust
from tests.benchmarks.bench import LONG, USUAL, Bench, prepared
from tests.benchmarks.figure import Figure, table
from tests.benchmarks.nodes import ENGINES

BENCHMARKS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "pull": pull.run,
    "submit": submit.run,
    "growth": growth.run,
    "lookup": lookup.run,
    "search": search.run,
    "audit": audit.run,
    "idle": idle.run,
    "trust": trust.run,
    "seal": seal.run,
}


def _end(*_: object) -> None:
    """Told to end, it takes its processes and folders with it."""
    sys.exit(1)


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="all unless named")
    parser.add_argument("--engine", choices=ENGINES, help="both unless named")
    parser.add_argument("--long", action="store_true", help="growth to 1,000,000 entries")
    given = parser.parse_args()
    engines = (given.engine,) if given.engine else ENGINES
    began, figures = time.monotonic(), []
    print(_machine(), flush=True)
    with prepared(LONG if given.long else USUAL, engines, say=_say) as bench:
        for name in given.names or BENCHMARKS:
            for figure in BENCHMARKS[name](bench):
                figures.append(figure)
                print("  ".join(filter(None, (*figure.cells(), figure.beside and f"[{figure.beside}]"))), flush=True)
    print(f"\n{table(figures)}\n\n{_machine()}; {(time.monotonic() - began) / 60:.0f} minutes")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _machine() -> str:
    """Where and when: a figure without its machine says nothing."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = processors[0].partition(":")[2].strip() if processors else platform.machine()
    load = Path("/proc/loadavg").read_text().split()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%MZ}, {len(processors)} cores of {name}, load {load} before, "
        f"Python {platform.python_version()}, cryptography {version('cryptography')}"
    )


if __name__ == "__main__":
    main()
