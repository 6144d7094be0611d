"""cbm federation: who participates, and whom this machine trusts to say so."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.anchors import is_root, pin_root, pins
from exchange.cli.ceremony import read_listed
from exchange.cli.options import Directory, refuse_on_list
from exchange.cli.output import answer, say
from exchange.cli.sign import read_bounded
from exchange.config import read_settings
from exchange.core.keys import Kind
from exchange.errors import Misuse, RecordRefused
from exchange.node.founding import read_participants, write_participants
from exchange.trust.participants import MAX_PARTICIPANTS_FILE, Participants, Position, check_successor

app = typer.Typer(no_args_is_help=True, help="Who participates, and whom this machine trusts to say so.")


@app.command("gather")
def gather(
    output: Annotated[Path, typer.Argument(metavar="PEERS.json", help="The file to write.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The peers.json of each node, as its operator gave it.")
    ],
) -> None:
    """Put the records of several nodes into one file that all of them import. Every rule of a record is checked."""
    gathered: Participants | None = None
    for path in files:
        found = read_participants(path)
        if gathered is None:
            gathered = found
            continue
        if (found.federation, found.live) != (gathered.federation, gathered.live):
            raise Misuse(f"{path} speaks for {_named(found)}, the files before it for {_named(gathered)}")
        records = dict(gathered.records)
        for code, record in found.records.items():
            if code in records and records[code] != record:
                raise RecordRefused(
                    f"{path} holds another record of {code} than a file before it; ask {code} which is newer"
                )
            records[code] = record
        gathered = Participants(found.federation, found.live, records)
    if gathered is None:
        raise Misuse("no files to gather")
    write_participants(output, gathered)
    say(
        f"{output} holds {len(gathered.records)} records of {gathered.federation}. Import it with `cbm federation import`."
    )
    answer(str(output))


@app.command("import")
def import_records(directory: Directory, file: Annotated[Path, typer.Argument(metavar="PEERS.json")]) -> None:
    """Bring the records of a file into the node in DIR; a running node reads them on its next round of visits."""
    settings = read_settings(directory)
    refuse_on_list(settings)
    mine, theirs = read_participants(settings.peers), read_participants(file)
    if theirs.federation != settings.federation:
        raise Misuse(
            f"{file} speaks for the federation {theirs.federation!r}, this node belongs to {settings.federation!r}"
        )
    if theirs.live != mine.live:
        say(f"With {file} this node belongs to a {'live' if theirs.live else 'trial'} federation.")
    records = dict(mine.records)
    for code, record in theirs.records.items():
        if code == settings.participant:
            if record != records.get(code):
                say(f"the record of {code} in {file} differs from this node's own, which stays")
            continue
        if code in records:
            check_successor(records[code], record)
        records[code] = record
    write_participants(settings.peers, Participants(settings.federation, theirs.live, records))
    say(f"A running node reads them on its next round of visits, or now with `cbm pull {directory}`.")
    answer(f"{len(records)} records in {settings.peers}")


@app.command("pin")
def pin(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="PEERS.json|ROOT.json", help="Records, or a founders' root, that you hold from a source you trust."
        ),
    ],
) -> None:
    """Trust it on this machine: `cbm verify` then counts its keys. Newer records must follow from those pinned before."""
    content = read_bounded(file, MAX_PARTICIPANTS_FILE)
    if is_root(content):
        target, fingerprint = pin_root(content)
        say(f"Pinned the founders' root in {target}; every list that is signed above it counts here.")
        say("Compare this fingerprint with another holder of the root, by another channel:")
        answer(fingerprint)
        return
    found = read_participants(file)
    target = pins() / f"{found.federation}.json"
    if target.exists():
        _check_follows(target, found)
    pins().mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    say(f"Pinned {len(found.records)} records of {found.federation} in {target}.")
    say("Compare this fingerprint with another holder of the file, by another channel:")
    answer(hashlib.sha256(content).hexdigest())


def _check_follows(target: Path, found: Participants) -> None:
    """A second file must not quietly put other keys in the place of those that were compared once."""
    for code, before in read_participants(target).records.items():
        try:
            if code not in found.records:
                raise RecordRefused(f"the new file holds no record of {code}")
            check_successor(before, found.records[code])
        except RecordRefused as error:
            raise RecordRefused(
                f"this does not follow from what is pinned: {error}; if that was the wrong one, remove {target} first"
            ) from None


@app.command("show")
def show(file: Annotated[Path, typer.Argument(metavar="PEERS.json | STICK | BUNDLE")]) -> None:
    """Who stands in a file of records, or in a founders' list, with the fingerprints of those who may sign."""
    found = read_listed(file) or read_participants(file)
    number = len(found.records)
    lines = [f"{found.federation} ({'live' if found.live else 'trial'}), {number} participant{'s' * (number != 1)}"]
    for code, record in sorted(found.records.items()):
        standing = record.status[-1]
        lines.append(
            f"{code}  {record.name()}, {record.kind}, {standing.state} since {standing.since}, {record.node_url}"
        )
        for log in record.logs:
            ended = "" if log.closed is None else f", closed at size {log.closed.size}"
            lines.append(f"      {'log':<15}  {log.origin}, key {log.vkey.keyid.hex()}{ended}")
        for key in record.keys:
            signs = "every form" if key.may_sign == ("*",) else ", ".join(key.may_sign)
            may = f", signs {signs} from {_position(key.start)} on" if signs else ""
            ended = "" if key.before is None else f", closed at {_position(key.before)}"
            does = f", {' and '.join(key.roles)}" if key.kind is Kind.SIGNING and key.roles else ""
            lines.append(f"      {key.kind.value:<15}  {key.public_key.keyid}{may}{does}{ended}")
    answer(lines)


def _named(found: Participants) -> str:
    return f"the {'live' if found.live else 'trial'} federation {found.federation!r}"


def _position(position: Position) -> str:
    log, index = position
    return f"index {index} of log {log + 1}" if log else f"index {index}"
