"""Processes that work jobs off for this one: what takes a whole core is spread over all of them.

Each is a fresh interpreter on two pipes (`python -m exchange.workers`): nothing is inherited from whoever started it, threads
and open databases least of all. It ends when its pipe closes, so that none outlives its parent, however that ends.

A message is its length in four bytes, most significant first, and a pickle; both ends are this program on this machine. The
first makes the *desk* at which a process works; every other is a job, called with the desk; what it returns goes back.
"""

import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from exchange.errors import ExchangeError, Unavailable

GRACE_SECONDS = 5.0

Desk = TypeVar("Desk")
Result = TypeVar("Result")


class Worker:
    """A process at the other end of two pipes. One job at a time, or a few where they fit into a pipe."""

    def __init__(self, make_desk: Callable[[], object]) -> None:
        root = str(Path(__file__).resolve().parents[1])
        known = [path for path in [root, os.environ.get("PYTHONPATH")] if path]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "exchange.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(known)},
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 - asked for above
        self._jobs, self.answers = self._process.stdin, self._process.stdout
        self.give(make_desk)

    def give(self, job: object) -> None:
        """Raises Unavailable where the process has ended."""
        try:
            _write(self._jobs, job)
        except OSError:
            raise self._gone() from None

    def take(self) -> Any:
        """The answer to the oldest job. Raises what the job raised of ours, RuntimeError with its traceback for anything else."""
        try:
            failed, value = _read(self.answers)
        except EOFError:
            raise self._gone() from None
        if isinstance(value, ExchangeError) and failed:
            raise value
        if failed:
            raise RuntimeError(f"a worker process failed:\n{value}")
        return value

    def _gone(self) -> Unavailable:
        return Unavailable(f"a worker process ended by itself (exit status {self._process.wait(GRACE_SECONDS)})")

    def dismiss(self) -> None:
        """It only computes or reads, so there is nothing to wait for."""
        self._process.terminate()
        for pipe in (self._jobs, self.answers):
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what was still buffered is for nobody
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers(Generic[Desk]):
    """Up to `number` of them for many threads, started when there is work and gone after a `rest`."""

    def __init__(self, number: int, make_desk: Callable[[], Desk]) -> None:
        self.number, self._make_desk = number, make_desk
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="worker")
        self._waking: Future[Any] | None = None
        self._worked = time.monotonic()

    def submit(self, job: Callable[[Desk], Result]) -> Future[Result]:
        return self._threads.submit(self._do, job)

    def _do(self, job: Callable[[Desk], Result]) -> Result:
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = Worker(self._make_desk)
        try:
            worker.give(job)
            result: Result = worker.take()
        except ExchangeError as error:
            if isinstance(error, Unavailable):
                worker.dismiss()
            else:
                self._idle.put(worker)
            raise
        except BaseException:
            worker.dismiss()
            raise
        self._worked = time.monotonic()
        self._idle.put(worker)
        return result

    def spare(self, first: Callable[[Desk], object]) -> bool:
        """Whether a process has nothing to do. Where none has, one is made ready for the next who asks, by a job that does nothing."""
        if not self._idle.empty():
            return True
        if self._waking is None or self._waking.done():
            self._waking = self._threads.submit(self._do, first)
        return False

    def rest(self, after: float = 0.0) -> None:
        """Let the processes go if none worked in the last `after` seconds; the next job starts others. Not while jobs run."""
        if time.monotonic() - self._worked < after:
            return
        while not self._idle.empty():
            self._idle.get().dismiss()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        self.rest()


def _write(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(4, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    length = _exactly(pipe, 4)
    data = _exactly(pipe, int.from_bytes(length, "big"))
    return pickle.loads(data)  # noqa: S301 - from the process that started this one, or that this one started


def _exactly(pipe: IO[bytes], size: int) -> bytearray:
    """Past the pipe's buffer: that would take the next answer along, and who waits for the pipe to have one waits for ever."""
    data = bytearray(size)
    with memoryview(data) as view:
        done = 0
        while done < size:
            came = os.readv(pipe.fileno(), [view[done:]])
            if came == 0:
                raise EOFError
            done += came
    return data


def main() -> None:
    """Work off jobs until the pipe closes. Ctrl-C is for the parent, which then lets go of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(
        100_000, 50, 1_000
    )  # jobs make many small values and no circles: looking for those would cost a tenth
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    desk: Any = None
    try:
        make_desk = _read(jobs)
        while True:
            job = _read(jobs)
            try:
                if desk is None:
                    desk = make_desk()
                answer = (False, job(desk))
            except ExchangeError as error:
                answer = (True, error)
            except Exception:
                answer = (True, traceback.format_exc())
            _write(answers, answer)
    except (EOFError, BrokenPipeError):
        return
    finally:
        if hasattr(desk, "close"):
            desk.close()


if __name__ == "__main__":
    main()
