"""A person at a terminal: what a command asks on a real pseudo-terminal, and what is typed, echoed or not."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from tests.processes import SECONDS, Done, environment

# The shell is a session leader, so the terminal that it opens becomes its own: passphrases are asked on /dev/tty.
_AT_TERMINAL = 'exec "$@" <>"$TERMINAL" 2>&0 >"$ANSWER"'


class Terminal:
    """`cbm` at a terminal; stdout goes to a file, as it does where the answer is kept."""

    def __init__(self, *arguments: object, cwd: Path) -> None:
        self._master, slave = pty.openpty()
        self._answer = cwd / ".answer"
        settings = environment(cwd, TERMINAL=os.ttyname(slave), ANSWER=str(self._answer), TERM="dumb")
        command = ["/bin/sh", "-c", _AT_TERMINAL, "sh", sys.executable, "-m", "exchange", *map(str, arguments)]
        self._process = subprocess.Popen(
            command, cwd=cwd, env=settings, start_new_session=True, stdin=subprocess.DEVNULL
        )
        self._slave = slave  # held open, so that reading goes on after the command has ended
        self.screen = ""

    def type(self, question: str, text: str, *, hidden: bool = False) -> None:
        """Wait until it is asked, and for what must not be seen until nothing is echoed any more; then type."""
        asked = len(self.screen)
        self._read_until(lambda: question in self.screen[asked:] and not (hidden and self._echoes()))
        os.write(self._master, text.encode() + b"\n")

    def _echoes(self) -> bool:
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def end(self) -> Done:
        self._read_until(lambda: self._process.poll() is not None)
        while select.select([self._master], [], [], 0.05)[0]:
            self.screen += os.read(self._master, 4096).decode()
        os.close(self._master)
        os.close(self._slave)
        return Done(self._process.returncode, self._answer.read_text(), self.screen.replace("\r\n", "\n"))

    def _read_until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < deadline, self.screen
            if select.select([self._master], [], [], 0.02)[0]:
                self.screen += os.read(self._master, 4096).decode()
