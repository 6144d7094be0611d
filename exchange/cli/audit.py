"""cbm audit: recompute a whole node, from its directory or from its address."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from exchange.audit.laws import Subject
from exchange.audit.outside import NodePlace
from exchange.audit.report import Report
from exchange.audit.run import Anchor, audit_directory
from exchange.audit.run import Progress as Told
from exchange.audit.sources import DirectoryPlace
from exchange.audit.visit import audit_node
from exchange.cli.anchors import read_root
from exchange.cli.options import Json
from exchange.cli.output import Exit, answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.config import parse_url, read_settings
from exchange.core.catalogue import Catalogue
from exchange.errors import Malformed, Misuse
from exchange.resources import form_files
from exchange.trust.participants import MAX_PARTICIPANTS_FILE, parse_participants

INTERRUPTED = 130  # as a shell says it
EVERY_SECONDS = 2.0  # between two lines of progress


def audit(
    of: Annotated[
        str,
        typer.Argument(metavar="DIR|URL", help="The directory of a node, which may run, or the address of any node."),
    ],
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="PEERS.json", help="Records that you hold from elsewhere: those of the node must be these."
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A founders' root that was handed over, or the name of one that came with this program: the list must be signed under it.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole report there, in JSON.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that check side by side; one a core unless given.")
    ] = None,
    forms: Annotated[
        Path | None,
        typer.Option(help="A folder with form files that neither came with this program nor lie in DIR/forms."),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute everything: tree, checkpoints, every signature and position, registry, documents, mirrors.

    One line a log, each fault with log and index, then the verdict. Exit 0 where all holds, 1 where something does not,
    2 for misuse, 3 where the node or its database cannot be reached.
    """
    if trust is not None and root is not None:
        raise Misuse("one anchor at a time: --trust or --root")
    if report is not None and not report.parent.is_dir():
        raise Misuse(f"there is no folder {report.parent} to write the report to")
    try:
        with _progress(json) as told:
            found = recompute(
                of,
                _anchor(trust),
                forms,
                workers or os.cpu_count() or 1,
                told,
                None if root is None else read_root(root),
            )
    except KeyboardInterrupt:
        say("cbm: stopped before the end; nothing was found out, and nothing was changed")
        raise typer.Exit(INTERRUPTED) from None
    if report is not None:
        report.write_bytes(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    if json:
        answer_json(found.as_json())
    else:
        answer(found.lines())
    raise typer.Exit(Exit.YES if found.holds else Exit.NO)


def recompute(
    of: str, anchor: Anchor | None, forms: Path | None, workers: int, told: Told, root: bytes | None = None
) -> Report:
    """A directory, or an address."""
    now, folders = datetime.now(UTC), [forms] if forms is not None else []
    if of.startswith(("http://", "https://")):
        try:
            place = NodePlace(parse_url(of))
        except ValueError as error:
            raise Misuse(str(error)) from None
        own = form_files(*folders)
        return audit_node(place, own, anchor=anchor, root=root, workers=workers, now=now, progress=told)
    settings = read_settings(Path(of))
    return audit_directory(
        DirectoryPlace(settings.directory, settings.database_url, settings.documents),
        Subject(settings.participant, settings.federation, settings.origin),
        Catalogue.from_files(form_files(settings.forms, *folders)),
        anchor=anchor,
        root=root,
        workers=workers,
        now=now,
        progress=told,
    )


def _anchor(trust: Path | None) -> Anchor | None:
    if trust is None:
        return None
    content = read_bounded(trust, MAX_PARTICIPANTS_FILE)
    try:
        return Anchor(parse_participants(content), content)
    except Malformed as error:
        raise Misuse(f"{trust} holds no records: {error}") from None


@contextmanager
def _progress(quiet: bool) -> Iterator[Told]:
    """On stderr: a bar where a person watches, else a line now and then."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _lines() -> Told:
    last = time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS or done == total:
            last = time.monotonic()
            say(f"  {what}  {done:,} of {total:,}")

    return told
