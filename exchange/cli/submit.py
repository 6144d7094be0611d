"""cbm submit: send a signed parcel to one's own node, and keep the receipt."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.client import Client
from exchange.core.pack import MAX_PACK, parse_pack
from exchange.core.receipt import parse_receipt


def submit(
    parcel: Annotated[Path, typer.Argument(metavar="PARCEL", help="What `cbm sign` wrote.")],
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Submit a parcel. The same parcel again is no error: the first receipt comes back."""
    content = parse_pack(read_bounded(parcel, MAX_PACK))
    with Client(node) as client:
        recorded = client.submit(content)
    receipt = recorded["receipt"].encode()
    parse_receipt(receipt)
    kept = parcel.with_suffix(".tlog-proof")
    kept.write_bytes(receipt)
    again = "" if recorded["new"] else " (it stood there before)"
    say(f"Recorded at index {recorded['index']} of {recorded['origin']}{again}. The receipt is in {kept}.")
    answer_json(recorded) if json else answer(recorded["id"])
