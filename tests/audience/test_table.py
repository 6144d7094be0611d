"""Every pair of (audience, asker), over every route that returns data. A route that is not in the table fails.

Each document holds what stands nowhere else: words, a name, bytes, an opening, a length. Whoever may read it gets them where the
table says so; nobody else gets any of them from any route, of its own node or of a mirror.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.audience import (
    EVERYBODY,
    NOBODY,
    PARTNERS,
    STATES,
    Planted,
    Who,
    commitments,
    federation,
    node_of,
    officer,
    plant,
    release,
    settle,
)
from tests.world import World, WorldNode

FAR = "2030-01-01T00:00:00Z"

ASKERS = (
    *("nobody", "XA", "XP", "XS", "ORG-SEC", "XR"),
    *("XR reader", "XR editor", "XR auditor", "XR contact holder", "XR operator"),
)
ALL = frozenset(ASKERS)
OWN = frozenset({"XR", "XR reader", "XR editor", "XR auditor"})
BY_AUDIENCE = {EVERYBODY: ALL, PARTNERS: OWN | {"XA", "XP"}, STATES: OWN | {"XA"}, "nobody yet": OWN}
"""Who reads what Ruritania published."""
ON_MIRRORS = {"XR reader", "XR editor", "XR auditor", "XR contact holder", "XR operator"}
"""Officers prove who they are to their own node alone."""


@dataclass(frozen=True)
class Stage:
    world: World
    planted: dict[str, Planted]

    def readers(self, name: str) -> frozenset[str]:
        audience = {"held back": "nobody yet", "released": EVERYBODY, "released to Partners": PARTNERS}.get(name)
        return BY_AUDIENCE[audience or self.planted[name].audience]

    def who(self, name: str) -> Who:
        if name == "nobody":
            return NOBODY
        return officer(name.removeprefix("XR ")) if name in ON_MIRRORS else node_of(self.world[name])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with federation(tmp_path_factory.mktemp("world")) as world:
        xr = world["XR"]
        made = [
            plant(xr, "for everybody", EVERYBODY),
            plant(xr, "for Partners", PARTNERS),
            plant(xr, "for States", STATES),
            plant(xr, "held back", EVERYBODY, release_on=FAR),
            plant(xr, "released", STATES),
            plant(xr, "released to Partners", STATES),
            plant(xr, "a contact for States", STATES, form="POC-02"),
            plant(xr, "a contact for everybody", EVERYBODY, form="POC-02"),
        ]
        planted = {one.name: one for one in made}
        release(xr, planted["released"], EVERYBODY)
        release(xr, planted["released to Partners"], PARTNERS)
        settle(world)
        yield Stage(world, planted)


Paths = Callable[[Planted], list[str]]


def nothing(one: Planted) -> list[str]:
    return []


SERVES: dict[str, Paths] = {
    "/v1/submissions": lambda one: [
        "/v1/submissions?status=test",
        f"/v1/submissions?status=test&q={one.word}",
        f"/v1/submissions?status=test&q={one.word[:9]}*",
        f"/v1/submissions?status=test&participant=XR&form=ICT-03&q={quote('strategy called ' + one.word)}",
        f"/v1/submissions?status=test&q={quote(one.documents[-1].name)}",
    ],
    "/v1/submissions/{ident}": lambda one: [f"/v1/submissions/{one.published.id}"],
    "/v1/submissions/{ident}/pack": lambda one: [f"/v1/submissions/{one.published.id}/pack"],
    "/v1/documents/{commitment}": lambda one: [f"/v1/documents/{each}" for each in commitments(one)],
    "/v1/documents": lambda one: ["/v1/documents?participant=XR"],
    "/v1/contacts": lambda one: ["/v1/contacts?status=test", "/v1/contacts?participant=XR&status=test&role=technical"],
}
"""Routes through which something of a document may leave, with what to ask about one."""

SILENT: dict[str, Paths] = {
    "/v1/submissions/{ident}/envelope": lambda one: [f"/v1/submissions/{one.published.id}/envelope"],
    "/v1/submissions/{ident}/receipt": lambda one: [f"/v1/submissions/{one.published.id}/receipt"],
    "/v1/node": lambda one: ["/v1/node"],
    "/v1/heads": lambda one: ["/v1/heads"],
    "/v1/peers": lambda one: ["/v1/peers"],
    "/v1/participants": lambda one: ["/v1/participants"],
    "/v1/participants/{participant}/policy": lambda one: ["/v1/participants/XR/policy"],
    "/v1/forms": lambda one: ["/v1/forms"],
    "/v1/forms/{code}": lambda one: ["/v1/forms/ICT-03"],
    "/v1/alerts": lambda one: ["/v1/alerts"],
    "/v1/obligations": lambda one: ["/v1/obligations"],
    "/v1/entries/{verdict}": lambda one: ["/v1/entries/refused?origin=xr.test.example%2Flog"],
    "/v1/undelivered": lambda one: ["/v1/undelivered", "/v1/undelivered?participant=XR"],
    "/v1/forgotten": lambda one: ["/v1/forgotten", "/v1/forgotten?participant=XR"],
    "/log/checkpoint": lambda one: ["/log/checkpoint"],
    "/log/tile/{path:path}": lambda one: ["/log/tile/0/000.p/10", "/log/tile/entries/000.p/10"],
    "/mirror/{mirror}/checkpoint": lambda one: ["/mirror/XR/checkpoint"],
    "/mirror/{mirror}/tile/{path:path}": lambda one: ["/mirror/XR/tile/entries/000.p/10"],
    "/witness/{digest}/checkpoint": lambda one: ["/witness/" + "0" * 64 + "/checkpoint"],
    "/witness/add-checkpoint": nothing,
    "/trust/bundle": lambda one: ["/trust/bundle"],
    "/trust/timestamp.json": lambda one: ["/trust/timestamp.json"],
    "/trust/{path:path}": lambda one: ["/trust/1.root.json"],
    "/healthz": lambda one: ["/healthz"],
    "/readyz": lambda one: ["/readyz"],
    "/metrics": lambda one: ["/metrics"],
    "/local/pull": nothing,
    "/openapi.json": lambda one: ["/openapi.json"],
    # What officers do at their own node before anything is published, with a session of theirs.
    "/v1/session": lambda one: ["/v1/session"],
    "/v1/session/challenge": nothing,
    "/v1/acts": lambda one: ["/v1/acts"],
    "/v1/drafts": lambda one: ["/v1/drafts"],
    "/v1/drafts/{ident}": lambda one: [f"/v1/drafts/{one.published.id[:32]}"],
    "/v1/drafts/{ident}/release": nothing,
    "/v1/drafts/{ident}/signatures": nothing,
}
"""Routes that say what is public to everybody, whoever asks."""


def paths_of(routes: Iterable[Any]) -> Iterator[str]:
    """Of all routes, those of routers within routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route.path
        else:
            yield from paths_of(inner.routes)


def test_every_route_is_in_the_table(stage: Stage) -> None:
    """A new route: say above what it serves, and to whom."""
    paths = set(paths_of(stage.world["XR"].running.app.routes))
    assert paths == set(SERVES) | set(SILENT), sorted(paths ^ (set(SERVES) | set(SILENT)))


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("route", SERVES)
def test_a_document_leaves_for_those_who_may_read_it(stage: Stage, route: str, asker: str) -> None:
    for code in ("XR", "XA"):
        node = stage.world[code]
        if code != "XR" and asker in ON_MIRRORS:
            continue
        for one in stage.planted.values():
            may = asker in stage.readers(one.name)
            got = found(stage, node, route, asker, one)
            if not may:
                assert not got, f"{asker} got something of what is {one.name} at {code}"
            elif route != "/v1/contacts" or one.published.parcel.documents[0].name == "POC-02.json":
                assert got or (code == "XA" and not in_reach(stage, "XA", one)), (
                    f"{asker} did not get what is {one.name} at {code}"
                )


def in_reach(stage: Stage, code: str, one: Planted) -> bool:
    return code in stage.readers(one.name)


def found(stage: Stage, node: WorldNode, route: str, asker: str, one: Planted) -> bool:
    """Whether any of these answers has anything of it. A question holds the word that it asks for, and `next` may repeat it."""
    got = False
    for path in SERVES[route](one):
        answer = stage.who(asker).ask(node, path)
        assert answer.status_code in (200, 403, 404), f"{path}: {answer.text}"
        if answer.status_code == 200:
            got = got or one.is_in(answer)
        else:
            assert not one.is_in(answer)
    return got


@pytest.mark.parametrize("route", SILENT)
def test_no_other_route_says_anything_of_a_document(stage: Stage, route: str) -> None:
    for code in stage.world.nodes:
        for asker in ("nobody", "XA", "XP", "ORG-SEC"):
            for one in stage.planted.values():
                for path in SILENT[route](one):
                    assert not one.is_in(stage.who(asker).ask(stage.world[code], path)), path


@pytest.mark.parametrize("asker", ASKERS)
def test_forbidden_is_not_not_found(stage: Stage, asker: str) -> None:
    """A restricted document is in a public log, so it is there and refused, held or not; what nobody named is not there."""
    for code, node in stage.world.nodes.items():
        if code != "XR" and asker in ON_MIRRORS:
            continue
        for one in stage.planted.values():
            for commitment in commitments(one):
                answer = stage.who(asker).ask(node, f"/v1/documents/{commitment}")
                may, there = asker in stage.readers(one.name), code == "XR" or in_reach(stage, code, one)
                assert answer.status_code == (403 if not may else 200 if there else 404), (code, one.name)
                if not may:
                    assert answer.json()["code"] == "restricted"
                    assert answer.headers["cache-control"] in ("no-store",)
        assert stage.who(asker).ask(node, "/v1/documents/" + "0" * 64).status_code == 404


@pytest.mark.parametrize("code", ["XR", "XA", "XP", "ORG-SEC"])
def test_the_public_is_told_nothing_but_the_statement(stage: Stage, code: str) -> None:
    """Whether a node holds it or not, a restricted document looks the same from outside."""
    node = stage.world[code]
    lines = {item["id"]: item for item in node.get("/v1/submissions?status=test").json()["items"]}
    for one in stage.planted.values():
        line = lines[one.published.id]
        whole = node.get(f"/v1/submissions/{one.published.id}").json()
        if "nobody" in stage.readers(one.name):
            assert line["fits"] == "fits" and all(each["held"] for each in line["documents"])
            continue
        assert line["fits"] == whole["fits"] == "restricted"
        assert whole["body"] is None
        for each in (*line["documents"], *whole["documents"]):
            assert (each["held"], each["name"], each["size"]) == (False, None, None)
            assert each["audience"] == one.audience


def test_a_search_is_no_oracle(stage: Stage) -> None:
    """Not by a hit, a count, a page, a beginning of a word or a word that is common."""
    node = stage.world["XR"]
    for one in stage.planted.values():
        public = "nobody" in stage.readers(one.name)
        for question in (one.word, f"{one.word[:-2]}*", f'"called {one.word}"', one.word.upper()):
            answer = node.get(f"/v1/submissions?status=test&q={quote(question)}").json()
            assert (one.published.id in [item["id"] for item in answer["items"]]) == (
                public and ("called" not in question or "contact" not in one.name)
            )
            assert answer["unsearched"] == 0
    everything = node.get("/v1/submissions?status=test&q=strategy&limit=1").json()
    assert [item["id"] for item in everything["items"]] == [stage.planted["released"].published.id]
    assert "planted" not in str(
        stage.who("nobody").ask(node, "/v1/submissions?status=test&q=called").json()["items"][0]
    ) or (stage.planted["released"].word in str(everything))
