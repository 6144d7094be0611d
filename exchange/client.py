"""A client for third parties: httpx and core, nothing else of ours.

    with Client("https://cbm.xr.example") as node:
        for contact in node.contacts("XR", role="technical")["items"]:
            print(contact["phone"], contact["reachable"])

A refusal of the node is raised as the class of exchange.errors whose code it carries; a node that does not answer, or
answers with something else, is `Unreachable`. What a node says is not proof: check packs with `cbm verify`.
"""

import secrets
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson

from exchange import __version__
from exchange.core.base64text import format_base64
from exchange.core.document import SMALL_DOCUMENT
from exchange.core.pack import MAX_PACK, Pack
from exchange.errors import Unreachable, by_code

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
MAX_ANSWER = 16 * 1024 * 1024  # bytes of a JSON answer
MAX_SMALL_BODY = 2 * 1024 * 1024  # bytes of documents that still go as JSON: base64 and names bring it to under 4 MiB


class Client:
    """One node of the exchange. Safe to share between threads."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            # Not compressed: a small answer must not become a large one.
            headers={"User-Agent": f"cbm-exchange/{__version__}", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def node(self) -> dict[str, Any]:
        return self._json("GET", "/v1/node")

    def heads(self) -> list[dict[str, Any]]:
        return self._listed(self._json("GET", "/v1/heads"), "items", "/v1/heads")

    def participants(self) -> dict[str, Any]:
        return self._json("GET", "/v1/participants")

    def form(self, code: str, version: int | None = None) -> bytes:
        """The form file itself."""
        return self._bytes(f"/v1/forms/{quote(code, safe='')}", {} if version is None else {"version": version})

    def contacts(self, participant: str | None = None, **question: Any) -> dict[str, Any]:
        """`role`, `language`, `at` (ISO 8601), `now` (only those reachable), `status`."""
        answer = self._json("GET", "/v1/contacts", params={"participant": participant, **question})
        self._listed(answer, "items", "/v1/contacts")
        return answer

    def submissions(self, **question: Any) -> Iterator[dict[str, Any]]:
        """All pages of a list: `participant`, `form`, `obligation`, `period`, `status`, `series`, `current`."""
        yield from self._pages("/v1/submissions", question)

    def search(self, text: str, *, limit: int = 100, **question: Any) -> dict[str, Any]:
        """The newest submissions whose texts have all of `text`, at most `limit`, narrowed as `submissions` are.

        `items`, each with the `context` in which it was found, and `unsearched`: how many the node cannot find by their text yet.
        """
        asked = {"q": text, "limit": min(limit, 100), **question}
        answer = self._json("GET", "/v1/submissions", params=asked)
        if not isinstance(answer.get("unsearched"), int):
            raise self._nonsense("/v1/submissions")  # a node that knows no search gives its whole list
        items = list(islice(self._rest_of("/v1/submissions", answer), limit))
        return {"items": items, "unsearched": answer["unsearched"]}

    def submission(self, ident: str) -> dict[str, Any]:
        return self._json("GET", f"/v1/submissions/{quote(ident, safe='')}")

    def alerts(self) -> Iterator[dict[str, Any]]:
        yield from self._pages("/v1/alerts", {})

    def pack(self, ident: str) -> bytes:
        """The evidence pack, not yet verified."""
        return self._bytes(f"/v1/submissions/{quote(ident, safe='')}/pack", {})

    def submit(self, parcel: Pack) -> dict[str, Any]:
        """Submit a signed parcel: as JSON where everything is small, streamed in parts where it is not."""
        sizes = [len(document.content) for document in parcel.documents]
        if max(sizes, default=0) > SMALL_DOCUMENT or sum(sizes) > MAX_SMALL_BODY:
            # Not known to whoever wrote the documents, so that none of them can end its own part.
            boundary = secrets.token_hex(16)
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            return self._recorded(content=_parts(parcel, boundary), headers=headers)
        documents = [
            {
                "slot": document.slot,
                "name": document.name,
                "opening": format_base64(document.opening),
                "content": format_base64(document.content),
            }
            for document in parcel.documents
        ]
        body = orjson.dumps({"envelope": format_base64(parcel.envelope), "documents": documents})
        return self._recorded(content=body, headers={"Content-Type": "application/json"})

    def pull(self, token: str) -> list[dict[str, Any]]:
        """Have the node visit its peers now; for its operator."""
        headers = {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(600.0, connect=5.0)
        answer = self._json("POST", "/local/pull", headers=headers, timeout=timeout)
        return self._listed(answer, "visits", "/local/pull")

    def _recorded(self, **options: Any) -> dict[str, Any]:
        answer = self._json("POST", "/v1/submissions", **options)
        kinds = {"id": str, "origin": str, "index": int, "new": bool, "receipt": str}
        if not all(isinstance(answer.get(name), kind) for name, kind in kinds.items()):
            raise self._nonsense("/v1/submissions")
        return answer

    def _pages(self, path: str, question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self._rest_of(path, self._json("GET", path, params=question))

    def _rest_of(self, path: str, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What this page lists, and all that follow it."""
        while True:
            items, following = self._listed(answer, "items", path), answer.get("next")
            yield from items
            if following is None:
                return
            # Only the rest of this list, on this node: "@elsewhere.example/" would turn our node into a user name.
            if not (items and isinstance(following, str) and following.startswith(f"{path}?")):
                raise self._nonsense(path)
            answer = self._json("GET", following)

    def _listed(self, answer: dict[str, Any], name: str, path: str) -> list[dict[str, Any]]:
        """The objects under `name` in an answer of `path`."""
        items = answer.get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._nonsense(path)
        return items

    def _nonsense(self, path: str) -> Unreachable:
        return Unreachable(f"{self.url}{path} does not answer like a node of the exchange")

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        content = self._answer(method, path, MAX_ANSWER, **options)
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise self._nonsense(path)
        return answer

    def _bytes(self, path: str, params: Mapping[str, Any]) -> bytes:
        return self._answer("GET", path, MAX_PACK, params=params)

    def _answer(self, method: str, path: str, limit: int, **options: Any) -> bytes:
        """The body of a good answer, bounded; the refusal in a bad one, raised."""
        options["params"] = {
            name: value for name, value in (options.get("params") or {}).items() if value is not None
        } or None
        try:
            with self._http.stream(method, self.url + path, **options) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise Unreachable(f"{self.url}{path} answers compressed, which was not asked for")
                content = bytearray()
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > limit:
                        raise Unreachable(f"{self.url}{path} sends more than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OverflowError) as error:
            raise Unreachable(f"{self.url} does not answer ({type(error).__name__})") from None
        if response.is_success:
            return bytes(content)
        try:
            problem = orjson.loads(content)
            pointer = problem.get("pointer")
            raise by_code(problem["code"])(str(problem["detail"]), pointer=None if pointer is None else str(pointer))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise Unreachable(f"{self.url}{path} answered {response.status_code}") from None


def _parts(parcel: Pack, boundary: str) -> Iterator[bytes]:
    """The multipart body of schemas/README.md: the envelope, then each document behind its opening."""
    yield _part(boundary, "envelope", "application/json") + parcel.envelope
    for document in parcel.documents:
        opening = {"slot": document.slot, "name": document.name, "opening": format_base64(document.opening)}
        yield _part(boundary, "opening", "application/json") + orjson.dumps(opening)
        yield _part(boundary, "content", "application/octet-stream")
        for at in range(0, len(document.content), SMALL_DOCUMENT):
            yield document.content[at : at + SMALL_DOCUMENT]
    yield f"\r\n--{boundary}--\r\n".encode()


def _part(boundary: str, name: str, media_type: str) -> bytes:
    return f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
