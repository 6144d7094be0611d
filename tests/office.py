"""An office in a small world: an editor and two releasers of a State, signed in at its node, and the drafts that they write."""

from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.dsse import sign_payload
from exchange.core.keys import PrivateKey
from exchange.core.statement import submission_id
from exchange.store.acts import acts
from tests.officers import bearer, enrolled, signed_in
from tests.world import WorldNode, body_of

PATH = "/v1/drafts"


@dataclass
class Office:
    """A State whose returns take two keys, with an editor and two releasers who are signed in."""

    node: WorldNode
    editor: str
    keys: tuple[PrivateKey, PrivateKey]
    releasers: tuple[str, str]

    def ask(self, method: str, path: str, token: str, value: Any = None, **headers: str) -> httpx.Response:
        named = {**bearer(token), **headers}
        content = None
        if value is not None:
            content, named = orjson.dumps(value), {**named, "Content-Type": "application/json"}
        with httpx.Client(transport=self.node.world.wire) as client:
            return client.request(method, self.node.url + PATH + path, headers=named, content=content)

    def create(self, token: str | None = None, **changes: Any) -> dict[str, Any]:
        answer = self.ask("POST", "", token or self.editor, written(**changes))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        assert answer.headers["etag"] == found["etag"] and answer.headers["cache-control"] == "no-store"
        return found

    def show(self, ident: str, token: str | None = None) -> dict[str, Any]:
        answer = self.ask("GET", f"/{ident}", token or self.editor)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def sign(
        self, draft: dict[str, Any], number: int, *, token: str | None = None, key: PrivateKey | None = None
    ) -> httpx.Response:
        """As an officer does it with what they were shown."""
        payload = parse_base64(draft["payload"])
        [signature] = sign_payload(payload, [key or self.keys[number]]).signatures
        said = {
            "submission": submission_id(payload),
            "keyid": signature.keyid,
            "sig": format_base64(signature.sig),
        }
        return self.ask("POST", f"/{draft['id']}/signatures", token or self.releasers[number], said)

    def release(self, ident: str, token: str | None = None) -> httpx.Response:
        return self.ask("POST", f"/{ident}/release", token or self.releasers[0])

    def acts(self) -> list[str]:
        with self.node.running.node.db.read() as tx:
            return [act.what for act in acts(tx) if not act.what.startswith("session")]


def written(
    form: str = "POC-02",
    attachments: tuple[tuple[str, bytes], ...] = (),
    header: dict[str, Any] | None = None,
    **answers: Any,
) -> dict[str, Any]:
    heading = {"form": form, "version": 1, "kind": "full", "message": "original", "status": "test", "languages": ["en"]}
    return {
        "return": {**heading, **(header or {})},
        "body": body_of(form, **answers),
        "attachments": [
            {"name": name, "media_type": "application/pdf", "language": "en", "content": format_base64(content)}
            for name, content in attachments
        ],
    }


def office_of(node: WorldNode) -> Office:
    editor, first, second = enrolled(node, "editor", "releaser", "releaser")
    tokens = [signed_in(node, key) for key in (editor, first, second)]
    return Office(node, tokens[0], (first, second), (tokens[1], tokens[2]))
