"""cbm draft: drafts at your State's own node, written by one officer, signed and released by others."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import Exit, agreed, answer, answer_json, say, table
from exchange.cli.session import open_signing_key, token_for
from exchange.cli.sign import Unsigned, from_handed, nobody_here, read_bounded, read_draft, shown_and_checked
from exchange.client import Client, drafts
from exchange.client.drafts import Whole
from exchange.core.base64text import format_base64
from exchange.core.dsse import parse_envelope, sign_payload
from exchange.core.pack import MAX_PACK, parse_pack
from exchange.core.receipt import parse_receipt
from exchange.core.statement import submission_id
from exchange.errors import Misuse, WrongCommitment

app = typer.Typer(no_args_is_help=True, help="Drafts at your State's own node; sign in first (`cbm login`).")

Draft = Annotated[str, typer.Argument(metavar="ID", help="The id of a draft; `cbm draft list` shows it.")]
File = Annotated[Path, typer.Argument(metavar="DRAFT.toml", help="What `cbm new` wrote, filled in.")]


def _written(path: Path) -> dict[str, Any]:
    draft, contents = read_draft(path)
    attachments = [
        {"name": name, "media_type": media_type, "language": language, "content": format_base64(content)}
        for (_, media_type, language), (name, content) in zip(draft.attachments, contents, strict=True)
    ]
    return {"return": dict(draft.header), "body": draft.body, "attachments": attachments}


def _tell(found: Whole, json: bool) -> None:
    for fault in found["faults"]:
        say(f"  {fault['pointer'] or '/'}  {fault['detail']}")
    if found["faults"]:
        say("Nobody can sign it before this is mended: `cbm draft change`.")
    answer_json(found) if json else answer(found["id"])


@app.command("new")
def new(file: File, node: NodeUrl = DEFAULT_NODE, json: Json = False) -> None:
    """Put a draft into the node, where other officers see it, and nobody else."""
    with Client(node) as client:
        _tell(client.ask(drafts.create(token_for(client.url), _written(file))), json)


@app.command("list")
def list_drafts(node: NodeUrl = DEFAULT_NODE, json: Json = False) -> None:
    """The drafts that you may see."""
    with Client(node) as client:
        found = client.ask(drafts.listed(token_for(client.url)))
    if json:
        answer_json(found)
        return
    rows: list[tuple[str, ...]] = [
        (
            one["id"],
            one["form"],
            one["message"],
            one["changed_by"][:16],
            f"{len(one['signed_by'])} of {one['threshold']}",
            f"{datetime.fromtimestamp(one['expires'], UTC):%Y-%m-%d %H:%M}Z",
        )
        for one in found
    ]
    answer(table(rows, ("draft", "form", "message", "last changed by", "signed", "gone after")) if rows else [])


@app.command("show")
def show(
    ident: Draft,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file to carry to the machine that signs: `cbm sign FILE.json`."),
    ] = None,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """A draft in words, with what it changes in the version that is current now."""
    with Client(node) as client:
        found = client.ask(drafts.show(token_for(client.url), ident))
    if output is not None:
        if output.exists() or output.suffix != ".json":
            raise Misuse(f"name a new file that ends in .json, not {output}")
        output.write_bytes(orjson.dumps(found))
        say(f"{output} has the exact bytes to sign; sign them elsewhere with `cbm sign {output} --key officer.key`.")
    if json:
        answer_json(found)
    else:
        answer(
            [*found["words"], *found["difference"], f"  signed by   {', '.join(found['signed_by']) or 'nobody yet'}"]
        )


@app.command("change")
def change(ident: Draft, file: File, node: NodeUrl = DEFAULT_NODE, json: Json = False) -> None:
    """Another text for a draft that nobody signed yet; refused where somebody changed it while you did."""
    with Client(node) as client:
        token = token_for(client.url)
        stands = client.ask(drafts.show(token, ident))
        _tell(client.ask(drafts.change(token, ident, stands["etag"], _written(file))), json)


@app.command("sign")
def sign(
    ident: Draft,
    key: Annotated[Path | None, typer.Option(help="Your private signing key.")] = None,
    parcel: Annotated[
        Path | None, typer.Option(help="A parcel with signatures made elsewhere (`cbm sign`), instead of a key.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking, after showing; for scripts.")] = False,
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """See a draft in words and what it changes, recompute every commitment on this machine, and sign these very bytes."""
    if (key is None) == (parcel is None):
        raise Misuse("sign with --key, or bring signatures with --parcel")
    with Client(node) as client:
        token = token_for(client.url)
        found = client.ask(drafts.show(token, ident))
        if parcel is not None:
            envelope = parse_envelope(parse_pack(read_bounded(parcel, MAX_PACK)).envelope)
            known = {one["keyid"] for one in found["signatures"]}
            for signature in envelope.signatures:
                if signature.keyid not in known:
                    found = client.ask(drafts.sign(token, ident, submission_id(envelope.payload), signature))
        else:
            unsigned = _own(client, found)
            for line in found["difference"]:
                say(line)
            if not yes:
                nobody_here()
                if not agreed("Sign this?"):
                    say("Nothing was signed.")
                    raise typer.Exit(Exit.NO)
            assert key is not None  # noqa: S101 - asked for above
            [signature] = sign_payload(unsigned.payload, [open_signing_key(key)]).signatures
            found = client.ask(drafts.sign(token, ident, submission_id(unsigned.payload), signature))
    say(f"Signed by {len(found['signed_by'])} of {found['threshold']} keys.")
    answer_json(found) if json else answer(found["submission"])


def _own(client: Client, found: Whole) -> Unsigned:
    """What the node gave, checked here: these bytes, for this State's log, with these documents."""
    unsigned = from_handed(orjson.dumps(found))
    if submission_id(unsigned.payload) != found["submission"]:
        raise WrongCommitment("the node shows another id than that of the bytes to be signed: do not sign them")
    about, statement = client.node(), shown_and_checked(unsigned, None)
    if (statement.origin, statement.participant) != (about["origin"], about["participant"]):
        raise Misuse(f"the draft is for the log {statement.origin}, not for that of this node")
    return unsigned


@app.command("release")
def release(ident: Draft, node: NodeUrl = DEFAULT_NODE, json: Json = False) -> None:
    """Bring a signed draft to the door of the node, which judges all of it; keep the receipt."""
    with Client(node) as client:
        recorded = client.ask(drafts.release(token_for(client.url), ident))
    receipt = recorded["receipt"].encode()
    parse_receipt(receipt)
    kept = Path(f"{recorded['id'][:16]}.tlog-proof")
    kept.write_bytes(receipt)
    say(f"Recorded at index {recorded['index']} of {recorded['origin']}. The receipt is in {kept}.")
    answer_json(recorded) if json else answer(recorded["id"])


@app.command("delete")
def delete(ident: Draft, node: NodeUrl = DEFAULT_NODE) -> None:
    """Throw a draft away, with its documents and signatures."""
    with Client(node) as client:
        client.ask(drafts.delete(token_for(client.url), ident))
    say(f"The draft {ident} is gone.")
