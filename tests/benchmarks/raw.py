"""The raw reference: Ed25519 checks a second with a loaded key and nothing else to do, on one core and on both at once.

Messages are all different and as long as what the benchmark itself checks (the DSSE pre-authentication of its statements).
`cryptography` (OpenSSL) is called directly, past our own code, whatever library nodes check with. Measured beside everything, before
and after each run, since a machine changes its pace by the minute: figures are ratios to the mean of the two.

    python -m tests.benchmarks.raw SIZE     waits for {"seconds": 1.0}, answers {"rate": 14000.0}
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import shake_256
from types import TracebackType
from typing import Generic, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.benchmarks.child import Child, answer, questions

MESSAGES = 1_024
SECONDS = 1.0  # of one measurement

T = TypeVar("T")


@dataclass(frozen=True)
class Raw:
    """Checks a second: of one core, and of two processes together."""

    one: float
    both: float

    def __str__(self) -> str:
        return f"{self.one:,.0f} ({self.both:,.0f})"


@dataclass(frozen=True)
class Beside(Generic[T]):
    """What a run brought, and the raw rates around it."""

    value: T
    raw: Raw


def median(rates: list[Raw]) -> Raw:
    return Raw(statistics.median(rate.one for rate in rates), statistics.median(rate.both for rate in rates))


class Reference:
    """Two processes that wait to be measured. `size`: bytes of a message."""

    def __init__(self, size: int, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._processes = (Child("raw", size), Child("raw", size))
        self.now()  # the first figure of a cold process counts for nothing

    def now(self) -> Raw:
        first, second = self._processes
        one = float(first.ask(seconds=self._seconds)["rate"])
        for process in self._processes:
            process.tell(seconds=self._seconds)
        return Raw(one, sum(float(process.hear()["rate"]) for process in (first, second)))

    def beside(self, act: Callable[[], T]) -> Beside[T]:
        """Raw, measured, raw."""
        before = self.now()
        value = act()
        after = self.now()
        return Beside(value, Raw((before.one + after.one) / 2, (before.both + after.both) / 2))

    def close(self) -> None:
        for process in self._processes:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def rate(check: Callable[[bytes, bytes], None], signed: list[tuple[bytes, bytes]], seconds: float) -> float:
    """Checks a second, over whole rounds of 64 messages."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for signature, message in signed[done % len(signed) :][:64]:
            check(signature, message)
        done += 64
    return done / (time.perf_counter() - began)


def main() -> None:
    size = int(sys.argv[1])
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    verify = key.public_key().verify
    messages = [shake_256(number.to_bytes(4, "big")).digest(size) for number in range(MESSAGES)]
    signed = [(key.sign(message), message) for message in messages]
    for asked in questions():
        answer(rate=rate(verify, signed, float(asked["seconds"])))


if __name__ == "__main__":
    main()
