"""cbm node recover: a node rebuilt from its keys and the mirrors of the others, or brought up to what they hold."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.cli.options import Directory
from exchange.cli.output import Exit, answer, say
from exchange.config import SETTINGS_FILE, Settings, read_settings
from exchange.errors import Misuse

if TYPE_CHECKING:  # the other verbs start without a database's half second
    from exchange.federation.recover import Rebuilt


def recover(
    directory: Directory,
    keys: Annotated[
        Path | None, typer.Option(help="The folder with the node's keys, from the safe: where the disk is gone.")
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option(help="A peers.json with this node's own record, from any operator; it goes with --keys."),
    ] = None,
    participant: Annotated[
        str | None, typer.Option(help="The code of the State, where it is to be checked against the keys.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT to listen on; 127.0.0.1 and the address's port unless given.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="The address of an empty database, where it is not to be the file in DIR.")
    ] = None,
) -> None:
    """Rebuild this node's own log and documents from the mirrors of the other nodes. The node must not run.

    With --keys and --peers on an empty disk: the node is laid out anew first, and nothing is written over. Without them: what an old copy in
    DIR lacks is taken back. May be interrupted, and run again. Signs nothing.
    """
    if not (directory / SETTINGS_FILE).is_file():
        _lay_out(directory, keys, peers, participant, listen, database)
    elif keys is not None and not _same(keys / "log.key", directory / "keys" / "log.key"):
        raise Misuse(f"{directory} holds another node already, and nothing is ever written over it: name another place")
    settings = read_settings(directory)
    rebuilt = _rebuild(settings)
    _tell(settings, rebuilt)
    if not rebuilt.answered:
        raise typer.Exit(Exit.UNREACHABLE)
    if rebuilt.lost or rebuilt.size < rebuilt.seen:
        raise typer.Exit(Exit.NO)


def _lay_out(
    directory: Path,
    keys: Path | None,
    peers: Path | None,
    participant: str | None,
    listen: str | None,
    database: str | None,
) -> None:
    from exchange.node.anew import lay_out_anew

    if keys is None or peers is None:
        raise Misuse(
            f"{directory} holds no node: to rebuild one, give --keys (from the safe) and --peers (from any operator)"
        )
    settings = lay_out_anew(
        directory,
        keys=keys,
        peers=peers,
        participant=participant,
        listen=listen,
        database=database,
        now=datetime.now(UTC),
    )
    say(f"The node of {settings.participant} is laid out anew in {directory}, with nothing in its log yet.")


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _rebuild(settings: Settings) -> "Rebuilt":
    from exchange.app import Exchange  # here, so that the other verbs start without a web server's half second
    from exchange.federation.peer import open_client
    from exchange.federation.pull import Puller
    from exchange.federation.recover import Rebuilder
    from exchange.node.node import utc_now

    exchange = Exchange(settings)
    node = exchange.node
    try:
        own = settings.participant
        puller = Puller(
            node.db, node.files, lambda: node.participants, node.catalogue, utc_now, own=own, entries_first=True
        )
        with open_client() as client:
            return Rebuilder(
                puller,
                client,
                own=own,
                vkey=node.vkey,
                timeout=settings.peer_timeout,
                progress=lambda _who, held, signed: say(f"  {held:,} of {signed:,} entries"),
                say=say,
                prove=exchange.prove,
            ).run()
    finally:
        exchange.close()


def _tell(settings: Settings, rebuilt: "Rebuilt") -> None:
    for code, why in rebuilt.failed.items():
        say(f"{code}: {why}")
    answer(
        f"{rebuilt.entries} entries taken back from {len(rebuilt.answered)} other nodes, with {rebuilt.documents} documents; "
        f"the log ends at {rebuilt.size}"
    )
    if rebuilt.size < rebuilt.seen:
        say(f"A head of size {rebuilt.seen} is signed, and its entries did not come: run this again before the node.")
    for index, slot, commitment in rebuilt.lost:
        answer(f"in no mirror: the document {slot} of entry {index} ({commitment})")
    if rebuilt.lost:
        say(
            "They stay listed as not here (`cbm node check`). The officer's .cbm file has them still: send them once more as an update."
        )
    say(
        f"Now `cbm node run {settings.directory}`: it takes submissions once enough others have answered and none knows more. "
        f"What was acknowledged at index {rebuilt.size} or later reached no mirror: officers send those .cbm files again. "
        "What stands already is found, and answered with its receipt."
    )
