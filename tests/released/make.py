"""Made 0001.tar.gz: what stood on the disk of two nodes when the last program with schema 0001 closed them.

It runs under that program, not under this one:  git worktree add OLD 9a3d3bd; cd OLD; python PATH/make.py 0001.tar.gz
Every key is made from a name, so that no key lies here and the test can make them again.
"""

import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

from exchange.node import founding
from exchange.node.keyfile import KeyFile
from tests import key_named
from tests.faults import sign_into
from tests.world import World

PDF = b"%PDF-1.7 " + b"attached " * 10_000


def live(folder: Path) -> None:
    """Every kind of row: versions, withdrawal, exercise, large file, refused, waiting, twice, missing, mirrored, alerts."""
    names = iter(f"released {code} {kind}" for code in ("XR", "XA") for kind in founding.NODE_KEYS)
    vars(founding)["new_key"] = lambda kind: KeyFile(kind, key_named(next(names)))
    with World(folder, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        first = xr.publish(scope={"en": "the first version"})
        xr.publish("ICT-03", attachments=(("a.pdf", PDF), ("b.pdf", b"%PDF small")))
        world.sleep(minutes=1)
        xr.publish(**header(first.id, first.id), scope={"en": "the second version"})
        xr.publish(header={"status": "exercise"})
        gone = xa.publish("ICT-03")
        xa.publish("ICT-03", **header(gone.id, gone.id, "withdrawal"))
        sign_into(xa, xr.parcel().envelope, b"no envelope", xa.parcel(signers=(key_named("a later officer"),)).envelope)
        twice = xa.parcel(scope={"en": "twice"}).envelope
        sign_into(xa, twice, twice)  # and its documents are never delivered
        xa.publish()
        world.pull()


def header(series: str, replaces: str, message: str = "update") -> dict[str, Any]:
    return {"header": {"message": message, "series": series, "replaces": replaces}}


def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(Path(folder))
        with tarfile.open(target, "w:gz") as tar:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and "keys" not in path.parts and path.name not in ("lock", "operator.token"):
                    tar.add(path, path.relative_to(folder))


main(sys.argv[1])
