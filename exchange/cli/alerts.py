"""cbm alerts: what the node found wrong elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from exchange.cli.options import DEFAULT_NODE, Json, NodeUrl
from exchange.cli.output import Exit, answer, answer_json, say
from exchange.client import Alert, Client
from exchange.core.evidence import KIND
from exchange.core.jsonfields import is_digest
from exchange.errors import Unreachable


def alerts(
    node: NodeUrl = DEFAULT_NODE,
    evidence: Annotated[Path | None, typer.Option(help="A folder to write the evidence of each alert to.")] = None,
    json: Json = False,
) -> None:
    """Alerts, oldest first. Exit 1 where there are any."""
    with Client(node) as client:
        found = list(client.alerts())
    if json:
        answer_json(found)
    else:
        for alert in found:
            answer(words_of(alert))
    if evidence is not None and found:
        evidence.mkdir(parents=True, exist_ok=True)
        for alert in found:
            if not is_digest(alert["id"]):  # it becomes the name of a file
                raise Unreachable(f"{node} does not answer like a node of the exchange")
            path = evidence / f"{alert['id'][:16]}.json"
            path.write_bytes(orjson.dumps(alert["evidence"]))
            by_itself = alert["kind"] == KIND
            say(f"evidence in {path}" + (f"; check it with `cbm verify {path}`" if by_itself else ""))
    if not found:
        say("No alerts: nothing was found wrong.")
        return
    raise typer.Exit(Exit.NO)


def words_of(alert: Alert) -> list[str]:
    """An alert, for people."""
    head = f"{alert['raised'][:16]}Z  {alert['kind']}  {alert['participant']}"
    return [head, f"  {alert['summary']}", f"  alert {alert['id'][:16]}", *_findings(alert)]


def _findings(alert: Alert) -> Iterator[str]:
    """What convicts by itself, in whose logs it is told, and why not in this one's."""
    if alert["evidence_id"] is None:
        return
    yield f"  evidence {alert['evidence_id']}"
    for one in alert["found_by"]:
        yield f"  told by {one['participant']} in {one['origin']}, entry {one['index']}: submission {one['id'][:16]}"
    if alert["local"] is not None:
        yield f"  {alert['local']}"
