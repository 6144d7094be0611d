"""cbm submit: send signed parcels to one's own node, and keep the receipts."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import Exit, answer, answer_json, explain, say
from exchange.cli.sign import read_bounded
from exchange.client import Client, Recorded
from exchange.client.parcels import is_small
from exchange.core.pack import MAX_PACK, Pack, parse_pack
from exchange.core.receipt import parse_receipt
from exchange.errors import ExchangeError, Unavailable


def submit(
    parcels: Annotated[list[Path], typer.Argument(metavar="PARCEL...", help="What `cbm sign` wrote.")],
    node: NodeUrl = DEFAULT_NODE,
    json: Json = False,
) -> None:
    """Submit parcels, many in one request. The same parcel again is no error: the first receipt comes back.

    Of several, each is answered by itself, with --json on a line of its own; one that is refused harms no other.
    """
    contents = [parse_pack(read_bounded(parcel, MAX_PACK)) for parcel in parcels]
    with Client(node) as client:
        if len(parcels) == 1:
            _keep(parcels[0], client.submit(contents[0]), json)
            return
        refused = [
            _keep(parcel, outcome, json, several=True)
            for parcel, outcome in zip(parcels, _outcomes(client, contents), strict=True)
        ]
    worst = max(filter(None, refused), default=None)
    if worst is not None:
        raise typer.Exit(worst)


def _outcomes(client: Client, contents: list[Pack]) -> list[Recorded | ExchangeError]:
    """Of each, in their order: those of small documents go together, the others one after the other."""
    together = client.submit_all([content for content in contents if is_small(content)])
    return [next(together) if is_small(content) else _alone(client, content) for content in contents]


def _alone(client: Client, content: Pack) -> Recorded | ExchangeError:
    try:
        return client.submit(content)
    except Unavailable:
        raise
    except ExchangeError as error:
        return error


def _keep(parcel: Path, outcome: Recorded | ExchangeError, json: bool, *, several: bool = False) -> Exit | None:
    """Say what became of a parcel. Returns how to leave if it was refused."""
    name = {"parcel": str(parcel)} if several else {}
    if isinstance(outcome, ExchangeError):
        say(f"{parcel} was refused:")
        if json:
            answer_json({**name, "code": outcome.code, "detail": str(outcome), "pointer": outcome.pointer})
        return explain(outcome)
    receipt = outcome["receipt"].encode()
    parse_receipt(receipt)
    kept = parcel.with_suffix(".tlog-proof")
    kept.write_bytes(receipt)
    again = "" if outcome["new"] else " (it stood there before)"
    say(f"Recorded at index {outcome['index']} of {outcome['origin']}{again}. The receipt is in {kept}.")
    answer_json({**name, **outcome}) if json else answer(outcome["id"])
    return None
