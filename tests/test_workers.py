"""Worker processes: what they answer is what this process would have answered, and none outlives whoever started it."""

import fcntl
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exchange.errors import Malformed, Unavailable
from exchange.workers import Worker, Workers


@dataclass(frozen=True)
class Desk:
    """Makes the desk, which is a number."""

    number: int

    def __call__(self) -> int:
        return self.number


@dataclass(frozen=True)
class Add:
    number: int

    def __call__(self, desk: int) -> tuple[int, int]:
        return os.getpid(), desk + self.number


@dataclass(frozen=True)
class Fail:
    error: Exception

    def __call__(self, desk: int) -> None:
        raise self.error


@dataclass(frozen=True)
class Die:
    def __call__(self, desk: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def workers() -> Iterator[Workers[int]]:
    made = Workers(2, Desk(100))
    yield made
    made.close()


def test_an_answer_that_was_not_taken_is_seen_in_the_pipe() -> None:
    """Taking the one before must not take it along, unseen: an audit waited for it for ever."""
    worker = Worker(Desk(100))
    try:
        worker.give(Add(1))
        worker.give(Add(2))
        both = 2 * (4 + len(pickle.dumps((False, (os.getpid(), 101)), pickle.HIGHEST_PROTOCOL)))
        waiting = 0
        while waiting < both - 8:  # a process's number is a few bytes, or a few less
            time.sleep(0.01)
            waiting = struct.unpack("i", fcntl.ioctl(worker.answers.fileno(), termios.FIONREAD, bytes(4)))[0]
        assert worker.take()[1] == 101
        assert select.select([worker.answers], [], [], 0)[0]
        assert worker.take()[1] == 102
    finally:
        worker.dismiss()


def test_many_jobs_are_done_by_few_processes(workers: Workers[int]) -> None:
    answers = [job.result() for job in [workers.submit(Add(number)) for number in range(50)]]
    assert [total for _, total in answers] == list(range(100, 150))
    processes = {pid for pid, _ in answers}
    assert 1 <= len(processes) <= 2 and os.getpid() not in processes


def test_more_than_a_pipe_holds_goes_both_ways(workers: Workers[int]) -> None:
    assert workers.submit(Echo(bytes(3_000_000))).result() == bytes(3_000_000)


@dataclass(frozen=True)
class Echo:
    content: bytes

    def __call__(self, desk: int) -> bytes:
        return self.content


def test_our_own_errors_come_back_as_they_are(workers: Workers[int]) -> None:
    with pytest.raises(Malformed, match="as it was said"):
        workers.submit(Fail(Malformed("as it was said", pointer="/x"))).result()
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by nobody"):
        workers.submit(Fail(ZeroDivisionError("by nobody"))).result()
    assert workers.submit(Add(1)).result()[1] == 101


def test_a_process_that_dies_fails_its_own_job_alone(workers: Workers[int]) -> None:
    with pytest.raises(Unavailable, match="ended by itself"):
        workers.submit(Die()).result()
    assert workers.submit(Add(1)).result()[1] == 101


def test_after_a_rest_other_processes_work(workers: Workers[int]) -> None:
    before = workers.submit(Add(1)).result()[0]
    workers.rest()
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert workers.submit(Add(1)).result()[0] != before


def test_whoever_worked_just_now_is_kept_for_a_while(workers: Workers[int]) -> None:
    before = workers.submit(Add(1)).result()[0]
    workers.rest(after=3_600)
    assert workers.submit(Add(1)).result()[0] == before
    workers.rest(after=-1)
    assert workers.submit(Add(1)).result()[0] != before


def test_a_desk_is_made_without_what_a_worker_never_needs() -> None:
    """A process starts within a tenth of the time that libraries for databases and for HTTP take to load."""
    asked = "import sys, exchange.workers, exchange.federation.examine; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert "exchange.store.rows" in loaded
    assert not {"sqlalchemy", "sqlmodel", "pydantic", "httpx", "fastapi", "sqlite3"} & set(loaded)


PARENT = """
import time
from concurrent.futures import wait
from exchange.workers import Worker, Workers
from tests.test_workers import Add, Desk
workers = Workers(2, Desk(0))
jobs = [workers.submit(Add(0)) for _ in range(2)]
wait(jobs)
print(" ".join(str(job.result()[0]) for job in jobs), flush=True)
time.sleep(60)
"""


def test_none_outlives_a_parent_that_was_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    processes = {int(pid) for pid in parent.stdout.readline().split()}
    watched = [os.pidfd_open(pid) for pid in processes]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for handle in watched:
        assert select.select([handle], [], [], 20)[0], "it ends with its pipe"
        os.close(handle)


def test_closing_answers_everybody(workers: Workers[int]) -> None:
    jobs = [workers.submit(Add(number)) for number in range(20)]
    workers.close()
    assert all(job.cancelled() or job.result()[1] >= 100 for job in jobs), (
        "each was answered, or told that it will not be"
    )
