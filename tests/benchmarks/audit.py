"""How fast a whole node is recomputed, as a ratio with its raw reference: Ed25519 checks a second, measured before and after.

    python -m tests.benchmarks.audit --entries 200000 [--engine postgresql] [--workers 2] [--dir DIR]

The log is made by the ordinary way in, each entry with an envelope of about 900 bytes and one body of about 1 KB. DIR keeps
it for the next run. Prints one line; asserts nothing about time.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import orjson

from exchange.audit.laws import Subject
from exchange.audit.run import audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.config import Settings, read_settings
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint, sign_checkpoint
from exchange.core.document import commit
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.form import Form
from exchange.core.keys import Kind, PrivateKey
from exchange.core.statement import DocumentRef, FormRef, Statement, format_statement
from exchange.node.founding import found
from exchange.node.keyfile import open_key
from exchange.resources import form_files
from exchange.store import intake
from exchange.store import log as logs
from exchange.store.database import Database
from exchange.store.documents import Arrival
from exchange.store.participants import keep_record
from exchange.trust.admission import admit
from exchange.trust.participants import Participants
from tests import key_named
from tests.world import body_of

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
FEDERATION, ORIGIN = "bench.example", "xr.bench.example/log"
AT_ONCE = 4_096  # entries in one transaction
_RAW = """
import time
from exchange.core.keys import PrivateKey
key = PrivateKey.from_seed(bytes(32))
message = bytes(900)
signature = key.sign(message)
key.public.verify(message, signature)
from exchange.core.keys import _loaded
check = _loaded(key.public.raw).verify
done, end = 0, time.perf_counter() + SECONDS
began = time.perf_counter()
while time.perf_counter() < end:
    for _ in range(100):
        check(signature, message)
    done += 100
print(done / (time.perf_counter() - began))
"""


def raw_rate(processes: int, seconds: float = 2.0) -> float:
    """Checks a second of that many processes together, each with one loaded key and nothing else to do."""
    code = _RAW.replace("SECONDS", str(seconds))
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    return sum(float(process.communicate()[0]) for process in running)


def make_node(directory: Path, entries: int, database: str | None = None) -> None:
    """A node whose own log has that many entries: four in five open a series, every fifth updates the one before it."""
    officer = key_named("XR officer 1")
    settings = Settings(
        directory=directory,
        participant="XR",
        url="http://xr.bench.example",
        origin=ORIGIN,
        federation=FEDERATION,
        listen="127.0.0.1:1",
    )
    participants = found(settings, name="XR", officers=[officer.public], now=NOW)
    if database is not None:
        with open(directory / "node.toml", "a") as file:
            file.write(f'database = "{database}"\n')
    settings = read_settings(directory)
    (directory / "data" / "documents").mkdir(parents=True)
    log_key = open_key(settings.keys / "log.key", kind=Kind.LOG).key
    assert isinstance(log_key, PrivateKey)
    db = Database(settings.database_url)
    try:
        db.claim(participant="XR", federation=FEDERATION)
        record = participants.records["XR"]
        with db.write() as tx:
            keep_record(tx, record, NOW)
            from exchange.core.note import format_vkey

            vkey = format_vkey(record.current_log.vkey)
            logs.add_log(tx, origin=ORIGIN, participant="XR", ordinal=0, vkey=vkey, own=True)
        catalogue = Catalogue.from_files(form_files())
        _fill(db, participants, catalogue, officer, log_key, entries)
    finally:
        db.close()


def _fill(
    db: Database,
    participants: Participants,
    catalogue: Catalogue,
    officer: PrivateKey,
    log_key: PrivateKey,
    entries: int,
) -> None:
    form = catalogue.newest("POC-02")
    assert form is not None
    series: str | None = None
    for start in range(0, entries, AT_ONCE):
        envelopes, arrivals = [], []
        for number in range(start, min(start + AT_ONCE, entries)):
            envelope, arrival, series = _entry(form, officer, number, series if number % 5 == 4 else None)
            envelopes.append(envelope)
            arrivals.append(arrival)
        with db.write() as tx:
            log = logs.log_of(tx, ORIGIN)
            judged = [(entry, admit(entry, ORIGIN, at, participants)) for at, entry in enumerate(envelopes, start)]
            size, root = logs.append(tx, log, envelopes)
            intake.enter(tx, log, start, judged, catalogue, NOW, arrivals)
            note = sign_checkpoint(Checkpoint(ORIGIN, size, root), log_key)
            logs.keep_checkpoint(tx, log, size, root, note, NOW)
            logs.advance(tx, log, size)


def _entry(form: Form, officer: PrivateKey, number: int, series: str | None) -> tuple[bytes, Arrival, str]:
    notes = {"en": f"Number {number}. " + sha256(str(number).encode()).hexdigest() * 8}
    body = orjson.dumps(body_of("POC-02", scope=notes))
    opening = sha256(f"opening {number}".encode()).digest()
    statement = Statement(
        v=1,
        federation=FEDERATION,
        origin=ORIGIN,
        participant="XR",
        form=FormRef(form.code, form.version, form.sha256),
        series=series,
        issued="2026-11-20T09:30:00Z",
        period=None,
        return_="full",
        message="original" if series is None else "update",
        references=(),
        status="test",
        on_behalf_of=None,
        languages=("en",),
        audience="public",
        release_on=None,
        retain_until=None,
        documents=(DocumentRef("body", "application/json", "en", "public", commit(opening, body)),),
    )
    payload = format_statement(statement)
    envelope = format_envelope(sign_payload(payload, [officer]))
    return envelope, Arrival.small("body", "POC-02.json", opening, body), sha256(payload).hexdigest()


def measure(directory: Path, workers: int) -> str:
    """One line: entries a second, the raw reference beside it, their ratio, and the memory it took."""
    settings = read_settings(directory)
    place = DirectoryPlace(directory, settings.database_url, settings.documents)
    subject = Subject(settings.participant, settings.federation, settings.origin)
    before = raw_rate(workers)
    began = time.perf_counter()
    catalogue = Catalogue.from_files(form_files(settings.forms))
    report = audit_directory(place, subject, catalogue, anchor=None, workers=workers, now=NOW)
    seconds = time.perf_counter() - began
    raw = (before + raw_rate(workers)) / 2
    assert report.holds, list(report.lines())
    rate = report.entries / seconds
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    kind = settings.database_url.partition(":")[0]
    return (
        f"audit of {report.entries:,} entries on {kind} with {workers} processes: {seconds:.1f} s, {rate:,.0f} entries/s;"
        f" raw {raw:,.0f} checks/s; ratio {rate / raw:.2f}; at most {own} MiB here and {others} MiB in a process"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = given.dir or Path(folder) / "XR"
        if not directory.exists():
            database = None
            if given.engine == "postgresql":
                from tests.postgres import fresh_database

                database = fresh_database()
            make_node(directory, given.entries, database)
        print(measure(directory, given.workers), flush=True)


if __name__ == "__main__":
    main()
