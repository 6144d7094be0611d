"""One soak from beginning to end: start the federation, ask and sample, stop, hold the end against what was acknowledged."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks.machine import busy_seconds, cpu_seconds
from tests.soak.clients import LOOK_UP, PAGE, SUBMIT, Clients, look_ups, pages, submissions
from tests.soak.federation import CODES, Federation, Sample
from tests.soak.load import Pace, pace
from tests.soak.verdict import DISK, FILES, MEDIAN, MEMORY, SLOW, WAL, Trend, per_entry, quantiles, trend

SAMPLES = 180  # over the whole time, at most one in `LEAST` seconds
LEAST = 0.25
REPORTS = 30
NOISE = 0.2  # processors busy with something else, beyond which it is said
BINS = 30  # spans of time whose latencies are taken together


@dataclass
class Soak:
    """What came of it. `wrong` are facts that should not be; they need no trend."""

    seconds: float
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    others: float = 0.0  # processors that programs beside the soak kept busy

    def trends(self) -> list[Trend | None]:
        """Of every node: memory, open files, the write-ahead log, disk an entry; of every kind of request: median and slowest.

        None stands for one of which too little was seen.
        """
        return [*self._of_nodes(), *self._of_answers()]

    def _of_nodes(self) -> Iterator[Trend | None]:
        for code, samples in self.samples.items():
            yield trend(code, "memory", [(each.at, each.memory) for each in samples], MEMORY)
            yield trend(code, "files", [(each.at, each.files) for each in samples], FILES)
            yield trend(code, "write-ahead log", [(each.at, each.wal) for each in samples], WAL)
            disk, entries = ([(each.at, float(value(each))) for each in samples] for value in (_disk, _entries))
            yield per_entry(code, "disk", disk, entries, DISK)

    def _of_answers(self) -> Iterator[Trend | None]:
        for (code, kind), answers in self.answers.items():
            medians, slow = quantiles(answers, BINS)
            yield trend(code, kind, medians, MEDIAN)
            yield trend(code, kind, slow, SLOW)

    @property
    def holds(self) -> bool:
        return not self.wrong and bool(self.samples) and all(each is not None and each.holds for each in self.trends())

    def verdict(self) -> Iterator[str]:
        trends = self.trends()
        known = [each for each in trends if each is not None]
        yield from map(str, known)
        yield from (f"WRONG  {what}" for what in self.wrong)
        if known != trends:
            yield f"of {len(trends) - len(known)} more trends too little was seen"
        if self.others > NOISE:
            yield f"other programs kept {self.others:.1f} processors busy: the latencies say little"
        grows = sum(not each.holds for each in known)
        yield (
            f"{len(known)} trends over {self.seconds / 60:.1f} minutes: nothing grows"
            if self.holds
            else f"{grows} of {len(known)} trends grow, {len(self.wrong)} things went wrong"
        )


def _disk(sample: Sample) -> int:
    return sample.disk


def _entries(sample: Sample) -> int:
    return sample.entries


def soak(
    folder: Path,
    seconds: float,
    *,
    codes: tuple[str, ...] = CODES,
    faults: dict[str, tuple[str, ...]] | None = None,
    say: Callable[[str], None] = print,
) -> Soak:
    """Raises what keeps it from beginning; what goes wrong later stands in the outcome."""
    paced = pace(len(codes))
    federation, clients = Federation(folder, codes, paced, faults or {}), Clients()
    outcome = Soak(seconds, answers=clients.answers, wrong=clients.wrong)
    try:
        federation.start()
        say(f"{len(codes)} nodes; {paced}")
        clients.begin()
        before = busy_seconds(), cpu_seconds(os.getpid(), *federation.pids)
        _ask(federation, clients, paced)
        _watch(federation, clients, outcome, say)
        clients.stop()
        ours = cpu_seconds(os.getpid(), *federation.pids) - before[1]
        outcome.others = max(0.0, busy_seconds() - before[0] - ours) / (time.monotonic() - clients.began)
        _compare(federation, clients, outcome)
    finally:
        clients.stop()
        federation.stop()
    federation.audit()
    return outcome


def _ask(federation: Federation, clients: Clients, paced: Pace) -> None:
    issued, codes = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}", list(federation.nodes)
    for code, node in federation.nodes.items():
        clients.ask(code, node.url, SUBMIT, 1 / paced.submissions, submissions(code, issued))
        clients.ask(code, node.url, LOOK_UP, 1 / paced.look_ups, look_ups(codes))
        clients.ask(code, node.url, PAGE, 1 / paced.pages, pages(code, codes, clients))


def _watch(federation: Federation, clients: Clients, outcome: Soak, say: Callable[[str], None]) -> None:
    """Sample until the time is over, or something went wrong."""
    every = max(LEAST, outcome.seconds / SAMPLES)
    report = due = 0.0
    while (now := time.monotonic() - clients.began) < outcome.seconds and not clients.wrong:
        if now < due:
            clients.over.wait(min(due - now, LEAST))
            continue
        due = now + every
        for code, node in federation.nodes.items():
            if not node.alive:
                clients.wrong.append(f"the node of {code} ended")
                return
            outcome.samples[code].append(federation.sample(code, time.monotonic() - clients.began))
        if now >= report:
            report = now + max(outcome.seconds / REPORTS, 5.0)
            say(_state(outcome, now))


def _state(outcome: Soak, now: float) -> str:
    """One line while it runs: the last sample of each node, and the latencies since the last few minutes."""
    last = {code: samples[-1] for code, samples in outcome.samples.items()}
    nodes = ", ".join(f"{code} {each.memory:.0f} MiB {each.files} files" for code, each in last.items())
    said = []
    for kind in (SUBMIT, LOOK_UP, PAGE):
        took = sorted(
            seconds for (_, of), answers in outcome.answers.items() if of == kind for _, seconds in answers[-100:]
        )
        if took:
            said.append(f"{kind} {took[len(took) // 2] * 1e3:.1f}/{took[len(took) * 99 // 100] * 1e3:.0f} ms")
    entries = max(each.entries for each in last.values())
    return f"{now / 60:5.1f} min  {entries:,} entries; {nodes}; {', '.join(said)}"


def _compare(federation: Federation, clients: Clients, outcome: Soak) -> None:
    """All nodes hold the same, which is all that was acknowledged, and nobody is accused of anything."""
    if outcome.wrong:
        return
    federation.pull()
    heads = federation.heads()
    sizes = {head["participant"]: head["size"] for head in heads[next(iter(heads))]}
    told = {code: len(idents) for code, idents in clients.acknowledged.items()}
    if sizes != told:
        outcome.wrong.append(f"acknowledged were {told}, the logs hold {sizes}")
    if any(other != heads[next(iter(heads))] for other in heads.values()):
        outcome.wrong.append(f"the registries differ: {heads}")
    outcome.wrong += federation.alerts()
