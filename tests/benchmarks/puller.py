"""A node that pulls and does nothing else: what `cbm pull` does in a process of its own, round after round.

python -m tests.benchmarks.puller DIR     waits for {}, answers with what a round brought and took
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.app import Exchange
from exchange.config import read_settings
from tests.benchmarks.child import Child, answer, questions
from tests.benchmarks.machine import memory_mib


@dataclass(frozen=True)
class Round:
    """One round of visits. Nothing went wrong in it, and nothing is owed."""

    seconds: float
    entries: int
    documents: int
    memory: float  # MiB, of the process and its workers

    @property
    def rate(self) -> float:
        return self.entries / self.seconds


class PullerProcess(Child):
    def __init__(self, directory: Path) -> None:
        super().__init__("puller", directory)
        self.ask()  # it is there

    def round(self, expected: int | None = None) -> Round:
        """Visit everybody until nothing is left behind; a visit has its bounds in time, so a long log may take several."""
        seconds, entries, documents, memory = 0.0, 0, 0, 0.0
        while True:
            found = self.ask(round=True)
            seconds, memory = seconds + found["seconds"], found["memory"]
            for visit in found["visits"]:
                if visit["error"]:
                    raise RuntimeError(f"the visit to {visit['participant']}: {visit['error']}")
                entries += sum(pulled["entries"] for pulled in visit["pulled"])
                documents += sum(pulled["documents"] for pulled in visit["pulled"])
            if not any(
                pulled["behind"] or pulled["missing"] for visit in found["visits"] for pulled in visit["pulled"]
            ):
                break
        if documents != entries or expected not in (None, entries):
            raise RuntimeError(f"{expected} entries were expected, {entries} came, with {documents} documents")
        return Round(seconds, entries, documents, memory)


def _round(exchange: Exchange) -> dict[str, Any]:
    began = time.perf_counter()
    visits = exchange.pull_now()
    return {"seconds": time.perf_counter() - began, "visits": visits, "memory": memory_mib(os.getpid())}


def main() -> None:
    exchange = Exchange(read_settings(Path(sys.argv[1])))
    try:
        for asked in questions():
            answer(**(_round(exchange) if asked else {}))
    finally:
        exchange.close()


if __name__ == "__main__":
    main()
