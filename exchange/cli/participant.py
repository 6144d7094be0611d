"""cbm participant join | rotate | revoke | close-log: a State's own hand in the trust list. What is drafted, its identity keys sign."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.ceremony import Folder
from exchange.cli.options import Directory
from exchange.cli.output import answer, say
from exchange.config import read_settings
from exchange.errors import Misuse
from exchange.node import membership
from exchange.node.ceremony import items
from exchange.node.keyfile import open_sealings, read_sealing_public
from exchange.node.node import utc_now
from exchange.node.offline import Proven, read_proven
from exchange.node.stick import Stick
from exchange.trust.roles import ROLES

app = typer.Typer(no_args_is_help=True, help="A State in the founders' trust list: join, change keys, close a log.")

Identities = Annotated[
    list[Path] | None,
    typer.Option("--identity", metavar="FILE.pub", help="An identity key of the State, with its proof."),
]
Officers = Annotated[
    list[Path] | None, typer.Option("--officer", metavar="FILE.pub", help="An officer's public key, with its proof.")
]


def _read(paths: list[Path] | None) -> list[Proven]:
    return [read_proven(path) for path in paths or ()]


def _sign_next(stick: Stick, then: str) -> None:
    for item in items(stick, utc_now()):
        for line in item.words:
            say(line)
        say(f"  wanting: {' and '.join(item.missing) or 'nothing'}")
    say(f"Sign it where the identity keys are: `cbm federation sign {stick.folder} --key FILE`. {then}")
    answer([item.name for item in items(stick, utc_now())])


@app.command("join")
def join(
    directory: Directory,
    folder: Folder,
    threshold: Annotated[int, typer.Option(help="How many of the identity keys must sign.")],
    identity: Identities = None,
    officer: Officers = None,
    relay: Annotated[
        bool, typer.Option("--relay", help="This node vouches for the list's freshness (founders).")
    ] = False,
    operator: Annotated[str | None, typer.Option(help="Who runs the node, as others see it.")] = None,
) -> None:
    """Draft this State's first record, and what the founders need to admit it. Compare the fingerprints by another channel."""
    stick = Stick(folder)
    asks = membership.join(
        read_settings(directory),
        stick,
        identities=_read(identity),
        threshold=threshold,
        officers=_read(officer),
        relay=relay,
        operator=operator,
        now=utc_now(),
    )
    for key in asks.identities:
        say(f"identity key {key.algorithm} {key.fingerprint}")
    _sign_next(stick, "Then give the stick to the founders (`cbm federation init | propose --admit`).")


@app.command("rotate")
def rotate(
    directory: Directory,
    folder: Folder,
    officer: Officers = None,
    form: Annotated[
        list[str] | None, typer.Option(help="A form that these officers may sign; all unless given.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help=f"What these officers do: {', '.join(ROLES)}; releasers unless given.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The node's new address.")] = None,
    sealing: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pub", help="The node's new sealing key; those before it go on opening old letters."),
    ] = None,
    identity: Identities = None,
    threshold: Annotated[int | None, typer.Option(help="How many of the new identity keys must sign.")] = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old identity keys are gone: the founders replace them, after 30 days.")
    ] = False,
) -> None:
    """Draft the next record: with more officers, another address or sealing key; or, with --identity, other identity keys."""
    settings, stick, now = read_settings(directory), Stick(folder), utc_now()
    stands = membership.standing(settings, stick)
    if identity:
        if threshold is None or officer or url or sealing:
            raise Misuse("identity keys change alone, and with --threshold")
        membership.change_identity(settings, stick, stands, _read(identity), threshold, lost, now)
        _sign_next(stick, "Then give the stick to the founders (`cbm federation propose --change`).")
        return
    officers = _read(officer)
    fresh = None if sealing is None else read_sealing_public(sealing)
    if fresh is not None and fresh.keyid not in open_sealings(settings.keys):
        raise Misuse(
            f"the private half is not in {settings.keys} under a name like sealing-2.key: nothing could be opened"
        )
    record = membership.enrolled(stands, officers, form or (), url, role or ("releaser",), fresh)
    membership.redraft(settings, stick, stands, record, officers, now)
    _sign_next(stick, f"Then `cbm federation publish {folder} --node {directory}`.")


@app.command("revoke")
def revoke(
    directory: Directory,
    folder: Folder,
    fingerprint: Annotated[str, typer.Argument(help="Of the key, or its beginning.")],
    index: Annotated[
        int | None,
        typer.Option("--from", help="An earlier index of the log: what it signed from there on is disputed."),
    ] = None,
) -> None:
    """Draft the next record, in which a key counts no longer: from now on, or from an index back in the log."""
    settings, stick = read_settings(directory), Stick(folder)
    stands = membership.standing(settings, stick)
    record = membership.revoked(stands, fingerprint, index)
    membership.redraft(settings, stick, stands, record, (), utc_now())
    _sign_next(stick, f"Then `cbm federation publish {folder} --node {directory}`.")


@app.command("close-log")
def close_log(
    directory: Directory,
    folder: Folder,
    origin: Annotated[str, typer.Option(help="The name of the log that goes on, such as cbm.example.at/log2.")],
) -> None:
    """Draft the next record, in which the log ends where it stands and another goes on. Stop the node first."""
    settings, stick = read_settings(directory), Stick(folder)
    stands = membership.standing(settings, stick)
    record = membership.succeeded(settings, stands, origin)
    membership.redraft(settings, stick, stands, record, (), utc_now())
    _sign_next(
        stick,
        f"Then `cbm federation publish {folder} --node {directory}`, `cbm node succeed {directory}`, and start the node again.",
    )
