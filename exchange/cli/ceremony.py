"""cbm federation init | propose | sign | merge | publish | audit | fetch: the founders' ceremonies, on folders that fit on a stick."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.key import open_key_named
from exchange.cli.options import Json
from exchange.cli.output import agreed, answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.config import SETTINGS_FILE, parse_url, read_settings
from exchange.core.identity import IdentityKey
from exchange.core.keys import Kind
from exchange.errors import Misuse, UnknownKey
from exchange.node.ceremony import Decision, Item, audit, complete, found_federation, items, propose, publish
from exchange.node.change import CHANGE, read_change
from exchange.node.membership import adopt
from exchange.node.node import utc_now
from exchange.node.offline import read_proven
from exchange.node.stick import Stick, add, fingerprint, read_signature
from exchange.trust.bundle import MAX_BUNDLE, format_bundle, parse_bundle
from exchange.trust.choice import choose, pin
from exchange.trust.participants import Participants
from exchange.trust.rolefile import RoleFile

FETCH_SECONDS = 30.0
SOON_DAYS = 60

Folder = Annotated[Path, typer.Argument(metavar="STICK", help="The folder of the ceremony; it fits on a stick.")]
Founders = Annotated[list[Path] | None, typer.Option("--founder", help="A founder's public key (FILE.pub).")]
Admit = Annotated[list[Path] | None, typer.Option("--admit", help="The stick of a State that takes part from now on.")]
Why = Annotated[str, typer.Option("--decision", help="The decision, as people cite it, such as PC.DEC/1202.")]


def init(
    folder: Folder,
    federation: Annotated[str, typer.Option(help="The name of the federation, such as cbm.example.")],
    threshold: Annotated[int, typer.Option(help="How many founders must sign: more than half.")],
    decision: Why,
    founder: Founders = None,
    admit: Admit = None,
    live: Annotated[bool, typer.Option("--live", help="Actual returns, not a trial.")] = False,
) -> None:
    """Draft a federation's first root and list: its founders, and the States that take part from the beginning."""
    founders = [_founder(path) for path in founder or ()]
    decided = Decision(decision, admit=_sticks(admit), live=live)
    found_federation(Stick(folder), federation, founders, threshold, decided, utc_now())
    _show(folder)


def propose_next(
    folder: Folder,
    decision: Why,
    admit: Admit = None,
    status: Annotated[list[str] | None, typer.Option(help="CODE=active or CODE=suspended, from today on.")] = None,
    leave: Annotated[list[str] | None, typer.Option(help="The code of a participant that leaves.")] = None,
    change: Annotated[
        list[Path] | None, typer.Option(help="The stick of a State that changes its identity keys.")
    ] = None,
    record: Annotated[list[Path] | None, typer.Option(help="A stick with a State's newest record.")] = None,
    founder: Founders = None,
    threshold: Annotated[int | None, typer.Option(help="How many founders must sign from now on.")] = None,
    live: Annotated[bool | None, typer.Option("--live/--trial", help="From now on.")] = None,
) -> None:
    """Draft the next list, and the next root where founders or relays change. `--founder` names all founders of from now on."""
    pairs = [each.partition("=") for each in status or ()]
    if any(state not in ("active", "suspended") for _, _, state in pairs):
        raise Misuse("a status is CODE=active or CODE=suspended; who leaves is named with --leave")
    decided = Decision(
        decision,
        admit=_sticks(admit),
        status=[(code, state) for code, _, state in pairs],
        leave=leave or (),
        changes=_sticks(change),
        records=_sticks(record),
        founders=[_founder(path) for path in founder or ()],
        threshold=threshold,
        live=live,
    )
    propose(Stick(folder), decided, utc_now())
    _show(folder)


def _founder(path: Path) -> IdentityKey:
    found = read_proven(path)
    if found.kind is not Kind.FOUNDER:
        raise Misuse(f"{path} is a {found.kind.value} key; a founder's is wanted, and kinds are never mixed")
    return found.key


def _sticks(folders: Sequence[Path] | None) -> list[Stick]:
    return [Stick(each) for each in folders or ()]


def _show(folder: Path) -> None:
    for item in items(Stick(folder), utc_now()):
        _say(item)
    say(f"Each signer looks at it and signs: `cbm federation sign {folder} --key FILE`, on a machine without network.")
    answer([item.name for item in items(Stick(folder), utc_now())])


def _say(item: Item) -> None:
    for line in item.words:
        say(line)
    say(f"  signed over sha256 {item.digest}; wanting: {' and '.join(item.missing) or 'nothing'}")


def sign(
    folder: Folder,
    key: Annotated[str, typer.Option(metavar="FILE", help="A private key file, or pkcs11:... for one in hardware.")],
    yes: Annotated[bool, typer.Option("--yes", help="Sign without being asked, after the words were shown.")] = False,
) -> None:
    """Show in plain words what waits on the stick for this key, and sign what is agreed to. Needs no network."""
    stick, signer = Stick(folder), open_key_named(key)
    mine = [item for item in items(stick, utc_now()) if item.may_sign(signer.public)]
    if not mine:
        raise Misuse(f"nothing on {folder} is for the key {signer.public.fingerprint[:16]} to sign")
    written = []
    for item in mine:
        _say(item)
        if signer.public in item.signed:
            say("  this key has signed it")
        elif yes or agreed(f"Sign {item.name} with {signer.public.fingerprint[:16]}?"):
            signature = signer.sign(item.content)
            signer.public.verify(item.content, signature)
            written.append(str(stick.sign(item.name, item.digest, signer.public, signature)))
    if not written:
        raise typer.Exit(1)
    say("Bring the stick back, or these files alone: `cbm federation merge STICK FILE...`.")
    answer(written)


def merge(
    folder: Folder,
    sources: Annotated[list[Path], typer.Argument(metavar="FROM...", help="Other sticks, or signature files.")],
) -> None:
    """Gather signatures. One that is not over these very bytes is refused, and named."""
    stick = Stick(folder)
    drafts, change = {file.name: file for file in stick.drafts().values()}, read_change(stick)
    paths = [path for source in sources for path in _signature_files(source)]
    if not paths:
        raise Misuse("no signatures were found there")
    for path in paths:
        found = read_signature(path)
        if found.file == CHANGE and change is not None:
            found.key.verify(change.content, found.signature)
        elif found.file in drafts:
            add(drafts[found.file], found)
        else:
            raise Misuse(f"{path} signs {found.file}, which is not proposed on {folder}")
        stick.sign(found.file, found.sha256, found.key, found.signature)
    for item in items(stick, utc_now()):
        _say(item)
    missing = [f"{item.name} wants {' and '.join(item.missing)}" for item in items(stick, utc_now()) if item.missing]
    answer(missing or ["everything is signed"])
    if missing:
        raise typer.Exit(1)


def _signature_files(source: Path) -> list[Path]:
    return sorted((source / "proposal").glob("*.sig")) if source.is_dir() else [source]


def publish_list(
    folder: Folder,
    node: Annotated[
        list[Path] | None, typer.Option("--node", metavar="DIR", help="A node on this machine that is given it.")
    ] = None,
) -> None:
    """Move the signed drafts among what is published, unless an importer would refuse any of it; give it to nodes."""
    stick, now = Stick(folder), utc_now()
    if stick.drafts():
        _publish(stick, now)
    bundle = format_bundle(stick.published())
    (folder / "trust.bundle").write_bytes(bundle)
    for directory in node or ():
        settings = read_settings(directory)
        if not stick.root.exists():
            raise Misuse(f"{folder} holds no root yet: the founders publish it, and give it back to the States")
        adopt(settings, stick.root.read_bytes(), bundle, directory / SETTINGS_FILE)
        say(f"{directory} has it; a running node reads it on its next round, or now with `cbm pull {directory}`.")
    if stick.root.exists():
        say("The root, whose SHA-256 people compare by another channel before they pin it:")
        answer(fingerprint(stick.root.read_bytes()))
    else:
        answer([file.name for file in stick.published()])


def _publish(stick: Stick, now: datetime) -> None:
    if not any(file.role in ("root", "targets") for file in stick.drafts().values()):
        stick.publish(*complete(stick, now))  # a State's own record: founders have no part in it
        return
    publish(stick, now)


def audit_list(folder: Folder, as_json: Json = False) -> None:
    """What an importer that begins with the pinned root would make of everything on the stick, signed drafts included."""
    stick, now = Stick(folder), utc_now()
    published, drafts = stick.newest(), stick.drafts()
    chosen = audit([*stick.published(), *drafts.values()], {}, now)
    lines = [f"{len(chosen.participants.records) if chosen.participants else 0} participants, nothing at fault"]
    for file in {**published, **drafts}.values():
        left = (file.expires - now).days
        if left < SOON_DAYS:
            lines.append(f"{file.name} is good for {left} more days only: propose the next version")
    if as_json:
        answer_json(
            {"participants": sorted(chosen.participants.records) if chosen.participants else [], "words": lines}
        )
    else:
        answer(lines)


def read_listed(path: Path) -> Participants | None:
    """Who takes part by a stick or a bundle, as far as it is signed above its own first root; None for a file of another kind."""
    if path.is_dir():
        files = [(file.name, file.raw) for file in (*Stick(path).published(), *Stick(path).drafts().values())]
    elif path.suffix == ".bundle":
        files = parse_bundle(read_bounded(path, MAX_BUNDLE))
    else:
        return None
    first = next((raw for name, raw in files if name == "1.root.json"), None)
    if first is None:
        raise Misuse(f"{path} holds no first root")
    chosen = choose(files, pin(first), utc_now())
    for finding in chosen.findings:
        say(finding.summary)
    if chosen.participants is None:
        raise Misuse(f"{path} holds no founders' list that its root signed")
    say(f"root {chosen.held.root.version}, first root sha256 {fingerprint(first)}")
    return chosen.participants


def fetch(
    folder: Folder,
    node: Annotated[str, typer.Option("--from", metavar="URL", help="A node that has the list.")],
) -> None:
    """Bring the stick up to date from a node: what it says counts only as far as it is signed above the stick's root."""
    from exchange.federation.peer import PeerLog, open_client

    stick = Stick(folder)
    if not stick.root.exists():
        raise Misuse(f"{stick.root} is not there: put the root that was handed over on the stick first")
    with open_client() as client:
        found = PeerLog(client, parse_url(node), time.monotonic() + FETCH_SECONDS).trust_bundle()
    here = [(file.name, file.raw) for file in stick.published()]
    chosen = choose([*here, *parse_bundle(found or b"")], pin(stick.root.read_bytes()), utc_now())
    held = chosen.held
    for finding in chosen.findings:
        say(finding.summary)
    if held.targets is None:
        raise UnknownKey(f"{node} holds no founders' list that the root in {stick.root} leads to")
    files: list[RoleFile] = [*held.roots, held.targets, *held.files.values()]
    stick.publish(*files)
    answer([file.name for file in files])
