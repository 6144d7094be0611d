"""How fast a whole node is recomputed by two processes, against the raw rate of both cores.

What is audited is a node that pulled a State's log: entries, documents, registry and tree, all of it. The audit runs in a
process of its own, which says what it and its workers weighed at most.

    python -m tests.benchmarks.audit     waits for {"directory", "workers"}, answers how it went
"""

import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exchange.audit.laws import Subject
from exchange.audit.run import audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.resources import form_files
from tests.benchmarks.bench import Bench
from tests.benchmarks.child import Child, answer, questions
from tests.benchmarks.figure import Bound, Figure
from tests.benchmarks.nodes import introduce, lay_out, peer_record
from tests.benchmarks.peers import Peers
from tests.benchmarks.puller import PullerProcess
from tests.benchmarks.raw import median

WORKERS = 2
BOTH = Bound(at_least=0.7)


@dataclass(frozen=True)
class Audited:
    """One audit from beginning to end. Memory in MiB, each at its most."""

    entries: int
    seconds: float
    own: float
    worker: float


def run(bench: Bench) -> Iterator[Figure]:
    bench.shelf("XR", bench.scale.audited)
    for engine in bench.engines:
        with bench.place("audit") as directory:
            with Peers({"XR": bench.scale.audited}, bench.home) as peers:
                lay_out(directory, "XA", engine)
                introduce(directory, [peer_record("XR", peers.url("XR"))])
                peers.publish(XR=bench.scale.audited)
                with PullerProcess(directory) as puller:
                    puller.round(bench.scale.audited)
            yield _audited(bench, engine, directory)


def _audited(bench: Bench, engine: str, directory: Path) -> Figure:
    def once() -> Audited:
        with Child("audit") as child:
            return Audited(**child.ask(directory=str(directory), workers=WORKERS))

    runs = [bench.reference.beside(once) for _ in range(bench.scale.runs)]
    last = runs[-1].value
    seconds = statistics.median(run.value.seconds for run in runs)
    return Figure(
        f"audit of {last.entries:,} entries, {WORKERS} processes (against both cores)",
        engine,
        f"{last.entries / seconds:,.0f}/s, {seconds:,.1f} s",
        median([run.raw for run in runs]),
        statistics.median(run.value.entries / run.value.seconds / run.raw.both for run in runs),
        BOTH,
        beside=f"at most {last.own:,.0f} MiB in the first process and {last.worker:,.0f} MiB in a worker",
    )


def audit(directory: Path, workers: int) -> Audited:
    settings = read_settings(directory)
    place = DirectoryPlace(directory, settings.database_url, settings.documents)
    subject = Subject(settings.participant, settings.federation, settings.origin)
    began = time.perf_counter()
    catalogue = Catalogue.from_files(form_files(settings.forms))
    report = audit_directory(place, subject, catalogue, anchor=None, workers=workers, now=datetime.now(UTC))
    seconds = time.perf_counter() - began
    if not report.holds:
        raise RuntimeError("\n".join(report.lines()))
    own, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Audited(report.entries, seconds, own, worker)


def main() -> None:
    for asked in questions():
        found = audit(Path(asked["directory"]), asked["workers"])
        answer(entries=found.entries, seconds=found.seconds, own=found.own, worker=found.worker)


if __name__ == "__main__":
    main()
