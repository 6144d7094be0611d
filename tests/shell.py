"""`cbm` for scripts of the shell: a small program hands its arguments, folder, environment and streams to a server that has all
loaded, which forks; the program ends as its child ends. Half a hundred interpreters that load it anew would take a minute.

    with ready_cbm() as program:
        subprocess.run(["/bin/bash", "-c", f"{program} key new officer.key"])

A script that names no database runs on PostgreSQL as well: `with_databases`.
"""

import marshal
import multiprocessing
import os
import re
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

from tests import engine
from tests.databases import fresh_database
from tests.processes import Forked

MESSAGE = 1 << 17  # bytes, of arguments and environment

PROGRAM = """#!{python} -IS
import marshal, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect({address!r})
socket.send_fds(line, [marshal.dumps((os.getcwd(), sys.argv[1:], dict(os.environ)))], [0, 1, 2])
child = int(line.recv(16))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(line.recv(16))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def with_databases(script: str, folder: Path) -> str:
    """`database` set after each `node init`, an empty one for `node restore` and `node recover --keys`, where this run is on PostgreSQL."""
    if engine.name != "postgresql":
        return script

    def settled(found: re.Match[str]) -> str:
        return f"""{found[0]}\necho 'database = "{fresh_database(folder)}"' >> {found[1]}/node.toml"""

    def given(found: re.Match[str]) -> str:
        return f"{found[0]} --database '{fresh_database(folder)}'"

    script = re.sub(r"^.*cbm node init (\S+) .*", settled, script, flags=re.M)
    return re.sub(r"^.*cbm node (restore|recover .*--keys) .*", given, script, flags=re.M)


@contextmanager
def ready_cbm() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cbm-") as folder:
        address, program = Path(folder) / "line", Path(folder) / "cbm"
        program.write_text(PROGRAM.format(python=sys.executable, address=str(address)))
        program.chmod(0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.bind(str(address))
            line.listen()
            server = Forked(_serve, line)
        try:
            yield program
        finally:
            server.send(signal.SIGKILL)


def _serve(listener: socket.socket) -> None:
    """Until this test run is over. Each who calls has a process that watches over the child forked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.sentinel not in wait([listener, parent.sentinel]):
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(line)
            return
        line.close()


def _answer(line: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(line, MESSAGE, 3)
    child = os.fork()
    if child == 0:
        line.close()
        _become(message, streams)
        return
    line.send(b"%d" % child)
    ended, _, _ = select.select([line.fileno(), os.pidfd_open(child)], [], [])
    if line.fileno() in ended:  # nobody waits any more: the shell was killed
        os.kill(child, signal.SIGKILL)
        return
    line.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _become(message: bytes, streams: list[int]) -> None:
    """What the entry point does, at the place of the caller."""
    folder, arguments, environment = marshal.loads(message)  # noqa: S302 - from the program above
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it is the stream of this process
    sys.argv = ["cbm", *arguments]
    from exchange.cli import main

    main()
