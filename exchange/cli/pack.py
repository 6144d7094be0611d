"""cbm pack: take the evidence of a submission along."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Ident, NodeUrl
from exchange.cli.output import answer, say
from exchange.client import Client
from exchange.core.pack import parse_pack
from exchange.errors import Misuse


def pack(
    ident: Ident,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    node: NodeUrl = DEFAULT_NODE,
) -> None:
    """Write the evidence pack of a submission: envelope, documents, receipt and record in one zip file."""
    if output.exists():
        raise Misuse(f"{output} exists already")
    with Client(node) as client:
        content = client.pack(ident)
    parse_pack(content)
    output.write_bytes(content)
    say(
        f"{output} holds {len(content):,} bytes. Whoever gets it checks it with `cbm verify {output}` and an anchor of their own."
    )
    answer(str(output))
