"""A node with something of everything that it can answer: three States' returns of all forms, alerts, refused and waiting entries.

with stocked(tmp_path) as stock:
    stock.node.get(f"/v1/submissions/{stock.ids['contact']}")
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import orjson

from exchange.core.statement import Period, Reference
from exchange.resources import EXAMPLES
from exchange.trust.participants import Participants
from tests import key_named
from tests.audit import audit
from tests.builders import participant_key
from tests.world import FEDERATION, Published, World, WorldNode

FORMS = ("CSE-01", "CT-01", "ICT-01", "ICT-03", "POC-01", "POC-02", "POC-04")
LARGE = bytes(range(256)) * 600
"""More than travels within JSON, and no text."""
CLERK, STRANGER = key_named("XA clerk"), key_named("XA officer 2")


@dataclass(frozen=True)
class Stock:
    """`node` is XR's; XA and XI are mirrored there. `made` by name, in order of arrival."""

    world: World
    made: Mapping[str, Published]

    @property
    def node(self) -> WorldNode:
        return self.world["XR"]

    @property
    def ids(self) -> dict[str, str]:
        return {name: one.id for name, one in self.made.items()}

    def commitments(self) -> list[str]:
        """Of every document that the node holds."""
        listed = self.node.get("/v1/submissions?status=actual&status=test&status=exercise&limit=100").json()["items"]
        return [one["commitment"] for item in listed for one in item["documents"] if one["held"]]


@contextmanager
def stocked(folder: Path) -> Iterator[Stock]:
    with World(folder, "XR", "XA", "XI", audited=False) as world:
        made: dict[str, Published] = {}
        _own(world["XR"], made)
        _foreign(world, made)
        yield Stock(world, made)
        for code in ("XR", "XI"):  # XA's own node judges by other records
            audit(world[code].directory, world.participants, world.catalogue)


def example(form: str) -> dict[str, Any]:
    """The body of the example return of that form."""
    body: dict[str, Any] = orjson.loads((EXAMPLES / "returns" / f"{form}.json").read_bytes())
    return body


def _own(node: WorldNode, made: dict[str, Published]) -> None:
    for form in FORMS:
        made[form] = node.publish(form, header={"status": "actual"}, **example(form))
    files = (("strategy.pdf", LARGE), ("stratégie.pdf", b"small"))
    made["files"] = node.publish("ICT-03", attachments=files)
    made["contact"] = node.publish(header={"status": "actual"}, phone="+12025550142")
    series = {"message": "update", "series": made["contact"].id, "status": "actual"}
    made["update"] = node.publish(header=series, phone="+12025550143")
    made["exercise"] = node.publish(header={"status": "exercise"})
    made["of a spring"] = node.publish("CT-01", edit=lambda one: replace(one, period=Period("2025-03", "2025-05-15")))
    withdraws = (Reference("withdraws", made["exercise"].id, None),)
    header = {
        "message": "withdrawal",
        "status": "exercise",
        "series": made["exercise"].id,
        "replaces": made["exercise"].id,
    }
    made["withdrawal"] = node.publish(header=header, edit=lambda one: replace(one, references=withdraws))


def _foreign(world: World, made: dict[str, Published]) -> None:
    """XA's own node lets two more keys sign; XR's knows one of them, for another form: that entry is refused, the other waits."""
    records = dict(world.participants.records)
    xa, clerk = records["XA"], participant_key(CLERK)
    theirs = replace(xa, keys=(*xa.keys, clerk, participant_key(STRANGER)))
    ours = replace(xa, keys=(*xa.keys, replace(clerk, may_sign=("ICT-03",))))
    world.write_records(Participants(FEDERATION, False, records | {"XA": theirs}), "XA")
    world.participants = Participants(FEDERATION, False, records | {"XA": ours})
    world.write_records(world.participants, "XR", "XI")
    for node in world.nodes.values():
        node.running.import_records()
    made["XA"] = world["XA"].publish(header={"status": "actual"})
    made["XI"] = world["XI"].publish("POC-01", attachments=(("annex.pdf", LARGE[::-1]),), **example("POC-01"))
    for signer in (CLERK, STRANGER):
        world["XA"].publish(signers=(signer,))
    earlier = world["XA"].get("/log/checkpoint").content
    world["XA"].publish("ICT-03")
    world["XR"].pull()
    _roll_back(world["XA"], world["XR"], earlier)


def _roll_back(liar: WorldNode, node: WorldNode, earlier: bytes) -> None:
    """One visit finds an earlier head: an alert."""

    def rolled_back(request: httpx.Request, real: Any) -> httpx.Response:
        if request.url.path == "/log/checkpoint":
            return httpx.Response(200, stream=httpx.ByteStream(earlier), request=request)
        answer: httpx.Response = real()
        return answer

    liar.fault = rolled_back
    node.pull()
    liar.fault = None
