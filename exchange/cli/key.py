"""cbm key: make an officer's key, and let it sign for the State."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import Directory, refuse_on_list
from exchange.cli.output import answer, say
from exchange.config import Settings, read_settings
from exchange.core.base64text import format_base64
from exchange.core.identity import ALGORITHMS, P256
from exchange.core.keys import ALGORITHM, Kind
from exchange.core.sealing import SEALING_ALGORITHM, SealingKey
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.errors import Misuse, NotFound
from exchange.node.founding import (
    forms_for,
    officer_key,
    read_officer,
    read_participants,
    sealing_key,
    write_participants,
)
from exchange.node.keyfile import create_sealing, is_sealed, kind_of, open_sealings, read_sealing_public
from exchange.node.offline import OFFLINE, FileSigner, Signer, create_offline, open_offline, read_proven, write_proven
from exchange.node.offline import prove as make_proof
from exchange.node.token import SCHEME, open_token
from exchange.trust.closing import closed_key, with_key
from exchange.trust.participants import Participants
from exchange.trust.roles import ROLES

app = typer.Typer(no_args_is_help=True, help="Make an officer's key, show it, let it sign for the State.")

PIN = "CBM_PIN"
PASSPHRASE = "CBM_PASSPHRASE"  # noqa: S105 - the name of a variable, for machines that sign in tests

KeyPath = Annotated[Path, typer.Argument(metavar="FILE", help="The private key file; its public half is FILE.pub.")]


def passphrase_for(path: Path) -> str | None:
    """From CBM_PASSPHRASE, else asked for without echo; None where the key is not sealed."""
    return _passphrase(f"Passphrase of {path}", twice=False) if is_sealed(path) else None


def _passphrase(question: str, *, twice: bool) -> str:
    given = os.environ.get(PASSPHRASE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise Misuse(f"nobody is here to type a passphrase; {PASSPHRASE} carries it where a script runs")
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))


@app.command("new")
def new(
    path: KeyPath,
    kind: Annotated[Kind, typer.Option(help="What the key is for; officers sign with signing keys.")] = Kind.SIGNING,
    algorithm: Annotated[
        str, typer.Option(help=f"{ALGORITHM}, or {P256} for a founder's or an identity key.")
    ] = ALGORITHM,
) -> None:
    """Make a key, sealed under a passphrase, and its public half beside it.

    A sealing key, which a running node opens letters with, is of its own algorithm and has no passphrase.
    """
    if kind is Kind.SEALING:
        if algorithm not in (ALGORITHM, SEALING_ALGORITHM):
            raise Misuse(f"a sealing key is of {SEALING_ALGORITHM}")
        sealing = create_sealing(path)
        say(
            f"{path} opens letters: it belongs into the keys of the node, as sealing-2.key or so, beside the older ones, which stay."
        )
        answer(sealing.public.keyid)
        return
    if algorithm not in ALGORITHMS or (algorithm != ALGORITHM and kind not in OFFLINE):
        raise Misuse(f"a {kind.value} key is of {ALGORITHM}; founders' and identity keys may be of {P256}")
    made = create_offline(path, kind, algorithm, _passphrase("New passphrase", twice=True))
    say(
        f"{path} is private: keep it on one machine, with a copy in a safe. {path}.pub is for the operator of the node."
    )
    answer(made.fingerprint)


@app.command("prove")
def prove(
    key: Annotated[
        str, typer.Argument(metavar="FILE", help="The private key file, or pkcs11:... for one in hardware.")
    ],
    participant: Annotated[str, typer.Option(help="The code of the State in whose record the key is to stand.")],
    federation: Annotated[str, typer.Option(help="The name of the federation.")],
    kind: Annotated[
        Kind | None, typer.Option(help="What the key is for; for a key in hardware, whose file says nothing.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The public half to write; FILE.pub unless given.")
    ] = None,
) -> None:
    """Agree, by a signature, to stand in a State's record: without it no list takes the key. Written into the public half."""
    if not is_participant_code(participant) or not is_federation(federation):
        raise Misuse("expected a code such as XR, and a federation such as cbm.example")
    signer = open_key_named(key)
    found = signer.kind if isinstance(signer, FileSigner) else kind
    target = output or (Path(f"{key}.pub") if isinstance(signer, FileSigner) else None)
    if found is None or target is None:
        raise Misuse("for a key in hardware, say what it is for (--kind) and where its public half goes (--output)")
    proof = make_proof(signer, found, federation, participant)
    write_proven(target, found, signer.public, federation, participant, proof)
    say(f"{target} now says that this {found.value} key is to stand in the record of {participant} in {federation}.")
    answer(signer.public.fingerprint)


def open_key_named(where: str) -> Signer:
    """A file, opened with its passphrase, or pkcs11:..., with its PIN. Raises Misuse, WrongPassphrase, KeyFileExposed."""
    if where.startswith(SCHEME):
        return open_token(where, _pin)
    return open_offline(Path(where), passphrase_for(Path(where)))


def _pin() -> str:
    given = os.environ.get(PIN)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise Misuse(f"nobody is here to type a PIN; {PIN} carries it where a script runs")
    return str(typer.prompt("PIN of the token", hide_input=True, err=True))


@app.command("show")
def show(path: KeyPath) -> None:
    """The fingerprint of a key, from its public half (FILE or FILE.pub)."""
    if path.suffix != ".pub" and not Path(f"{path}.pub").exists():
        opened = open_offline(path, passphrase_for(path))
        kind, public = opened.kind, opened.public
    else:
        half = path if path.suffix == ".pub" else Path(f"{path}.pub")
        if kind_of(half) is Kind.SEALING:
            key = read_sealing_public(half)
            answer([f"kind         {Kind.SEALING}", f"fingerprint  {key.keyid}", f"algorithm    {SEALING_ALGORITHM}"])
            return
        found = read_proven(path if path.suffix == ".pub" else Path(f"{path}.pub"))
        kind, public = found.kind, found.key
    lines = [
        f"kind         {kind.value}",
        f"fingerprint  {public.fingerprint}",
        f"public key   {format_base64(public.raw)}",
    ]
    answer(lines if public.algorithm == ALGORITHM else [*lines, f"algorithm    {public.algorithm}"])


@app.command("enrol")
def enrol(
    directory: Directory,
    public: Annotated[
        Path, typer.Argument(metavar="FILE.pub", help="The officer's public key, or the node's new sealing key.")
    ],
    form: Annotated[
        list[str] | None,
        typer.Option(
            help="A form that this key may sign; may be given again. All for who releases, none for who does not."
        ),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help=f"What the officer does at the node: {', '.join(ROLES)}; may be given again. A releaser."),
    ] = None,
) -> None:
    """Let an officer's key sign for the State and work at its node, from the next position of its log on."""
    settings = read_settings(directory)
    refuse_on_list(settings)
    participants = read_participants(settings.peers)
    record = participants.records.get(settings.participant)
    if record is None:
        raise Misuse(f"{settings.peers} holds no record of {settings.participant}")
    if kind_of(public) is Kind.SEALING:
        _rotate(settings, participants, read_sealing_public(public))
        return
    officer = read_officer(public)
    known = record.key(officer.keyid)
    if known is not None and known.before is None:
        raise Misuse(
            f"this key stands in the record of {record.name()} already; `cbm federation show {settings.peers}`"
        )
    roles = role or ["releaser"]
    key = officer_key(officer, forms_for(roles, form), len(record.logs) - 1, _next_index(settings), roles)
    grown = with_key(record, key)
    write_participants(
        settings.peers,
        Participants(participants.federation, participants.live, {**participants.records, record.participant: grown}),
    )
    may_sign = "every form" if key.may_sign == ("*",) else ", ".join(key.may_sign) or "nothing"
    say(
        f"From index {key.start[1]} on, this key may sign {may_sign} for {record.name()}; it is a {' and '.join(roles)}."
    )
    say(f"A running node learns it on its next round of visits, or now with `cbm pull {directory}`.")
    say(f"Give {settings.peers} to the other operators.")
    answer(key.public_key.keyid)


def _rotate(settings: Settings, participants: Participants, key: SealingKey) -> None:
    """Letters are sealed to this key from now on. Those before it end, and go on opening what was sealed to them."""
    if key.keyid not in open_sealings(settings.keys):
        raise Misuse(
            f"the private half is not in {settings.keys} under a name like sealing-2.key: the node could not open anything"
        )
    record = participants.records[settings.participant]
    here = (len(record.logs) - 1, _next_index(settings))
    grown = with_key(record, sealing_key(key, *here))
    for old in record.keys:
        if old.kind is Kind.SEALING and old.before is None:
            grown = closed_key(grown, old.public_key.keyid, max(old.start, here))
    records = {**participants.records, record.participant: grown}
    write_participants(settings.peers, Participants(participants.federation, participants.live, records))
    say(
        f"Letters to {record.name()} are sealed to this key from now on. Keep the older ones: they open what was sealed before."
    )
    say(f"Give {settings.peers} to the other operators.")
    answer(key.keyid)


def _next_index(settings: Settings) -> int:
    """Where the log stands now; 0 for a node that never ran."""
    if settings.database is None and not settings.database_file.exists():
        return 0
    from exchange.store import log as logs  # here, so that the other verbs start without a database's third of a second
    from exchange.store.database import Database

    db = Database(settings.database_url)
    try:
        with db.read() as tx:
            return logs.log_of(tx, settings.origin).size
    except NotFound:
        return 0
    finally:
        db.close()
