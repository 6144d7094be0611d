"""A part of a benchmark in a process of its own: one JSON line asks, one answers, and it ends when its input does.

    with Child("raw", 560) as child:
        print(child.ask(seconds=1.0)["rate"])

In the process: `for asked in questions(): answer(...)`. It is a fresh interpreter, so that what it weighs is its own, and no
daemon of multiprocessing, so that it may have workers itself.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

ROOT = Path(__file__).resolve().parents[2]
END_SECONDS = 120.0


class Child:
    """`python -m tests.benchmarks.MODULE ARGUMENTS`, or another module by its whole name. Its stderr is seen, or kept in `talk`."""

    def __init__(self, module: str, *arguments: object, talk: Path | None = None) -> None:
        self.module = module if "." in module else f"tests.benchmarks.{module}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CBM_")}
        with contextlib.ExitStack() as stack:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *map(str, arguments)],
                cwd=ROOT,
                env={**kept, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if talk is None else stack.enter_context(talk.open("ab")),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, **what: Any) -> dict[str, Any]:
        self.tell(**what)
        return self.hear()

    def tell(self, **what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(what) + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.module} ended (exit code {self._process.wait(END_SECONDS)})")
        heard: dict[str, Any] = orjson.loads(line)
        return heard

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def questions() -> Iterator[dict[str, Any]]:
    """What the parent asks, until it wants no more or is gone."""
    for line in sys.stdin.buffer:
        yield orjson.loads(line)


def answer(**what: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


def when_parent_goes(act: Any) -> None:
    """For a process that has no time to listen."""

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        act()

    threading.Thread(target=watch, name="parent", daemon=True).start()
