"""File names that would harm somebody are refused at the door; all others travel as they are."""

from urllib.parse import unquote

import orjson
import pytest

from tests.api import kept, offer, post, refused
from tests.world import WorldNode

HOSTILE = {
    "nothing": "",
    "a path": "docs/strategy.pdf",
    "the parent": "..",
    "a way out": "../../etc/passwd",
    "an absolute path": "/etc/passwd",
    "a Windows path": "C:\\strategy.pdf",
    "backslashes": "..\\..\\strategy.pdf",
    "a full-width slash": "docs\uff0fstrategy.pdf",
    "a NUL": "strategy.pdf\0.exe",
    "a line break": "strategy.pdf\r\nSet-Cookie: a=b",
    "a tab": "strategy\t.pdf",
    "an escape": "\x1b[2Jstrategy.pdf",
    "DEL": "strategy\x7f.pdf",
    "right to left": "strategy\u202efdp.exe",
    "an isolate": "\u2066strategy.pdf",
    "no width": "strategy\u200b.pdf",
    "a line separator": "strategy\u2028.pdf",
    "a private character": "\ue000.pdf",
    "hidden": ".htaccess",
    "a dot": ".",
    "a dot at the end": "strategy.pdf.",
    "a blank at the end": "strategy.pdf ",
    "a blank in front": " strategy.pdf",
    "an option": "-rf.pdf",
    "a device": "CON",
    "a device with extension": "nul.pdf",
    "a numbered device": "COM\u00b9.txt",
    "a stream": "strategy.pdf:hidden",
    "stars": "*.pdf",
    "a question mark": "a?.pdf",
    "quotes": 'a"; filename="b.pdf',
    "a pipe": "a|b.pdf",
    "decomposed": "re\u0301sume\u0301.pdf",
    "256 bytes": "a" * 256,
    "255 characters of two bytes": "\u00e9" * 255,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_name_is_refused(node: WorldNode, name: str) -> None:
    offered = offer(node.parcel())
    offered["documents"][0]["name"] = name
    before = kept(node)
    assert refused(post(node, offered), 400, "malformed")["pointer"] == "/documents/0/name"
    assert kept(node) == before


HARMLESS = [
    "return.json",
    "a" * 255,
    "\u00e9" * 127,
    "r\u00e9sum\u00e9 (2).pdf",
    "Стратегия.pdf",
    "戦略.pdf",
    "a;b=c,d&e%41'f.pdf",
    "café\u00a0🛡.txt",
    "con-sultation",
    "a..b",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_any_other_name_comes_back_as_it_was_sent(node: WorldNode, name: str) -> None:
    offered = offer(node.parcel())
    offered["documents"][0]["name"] = name
    answer = post(node, offered)
    assert answer.status_code == 201
    document = node.get(f"/v1/submissions/{answer.json()['id']}").json()["documents"][0]
    assert document["name"] == name
    served = node.get(f"/v1/documents/{document['commitment']}")
    kind, _, encoded = served.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert (
        kind == "attachment" and encoded.isascii() and not set(encoded) & set(" \"';,\\/") and unquote(encoded) == name
    )
    [line] = [line for line in bulk(node) if line["commitment"] == document["commitment"]]
    assert line["name"] == name


def bulk(node: WorldNode) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in node.get("/v1/documents?participant=XR").content.splitlines()]
