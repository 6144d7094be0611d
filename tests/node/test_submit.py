"""The strict side of the door: the clock, the form, every document, before anything is signed into the log."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.core.document import MAX_DOCUMENT, SMALL_DOCUMENT, Document
from exchange.core.form import NOT_STATED
from exchange.core.pack import Pack
from exchange.core.statement import Statement
from exchange.errors import (
    ClockOff,
    DocumentsMissing,
    DoesNotFit,
    ExchangeError,
    TooLarge,
    UnknownForm,
    WrongCommitment,
)
from exchange.store.tables import DOCUMENT, ENTRY, SLOT
from tests import key_named
from tests.world import START, World, WorldNode, renamed


def stored_files(node: WorldNode) -> list[Path]:
    return [path for path in (node.directory / "data" / "documents").rglob("*") if path.is_file()]


def nothing_stands(node: WorldNode) -> bool:
    with node.running.node.db.read() as tx:
        rows = [tx.execute(select(func.count()).select_from(table)).scalar() for table in (ENTRY, DOCUMENT, SLOT)]
    return rows == [0, 0, 0] and not stored_files(node)


def committing_to(*contents: bytes) -> Callable[[Statement], Statement]:
    """The statement commits to these contents from its first attachment on, under the openings that stand there."""

    def edit(statement: Statement) -> Statement:
        refs = list(statement.documents)
        for number, content in enumerate(contents, 1):
            refs[number] = replace(refs[number], commitment=hmac.digest(_opening(number), content, "sha256").hex())
        return replace(statement, documents=tuple(refs))

    return edit


def _opening(number: int) -> bytes:
    return key_named(f"opening {number + 1}").seed


def test_a_return_comes_within_seven_days_and_not_from_the_future(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        second = timedelta(seconds=1)
        for passes in (timedelta(days=7) + second, timedelta(days=365), -timedelta(minutes=5) - second):
            world.now = START
            parcel = world["XR"].parcel()
            world.now = START + passes
            with pytest.raises(ClockOff) as caught:
                world["XR"].submit(parcel)
            assert caught.value.pointer == "/issued"
        assert nothing_stands(world["XR"])
        for index, passes in enumerate((-timedelta(minutes=5), timedelta(), timedelta(days=7))):
            world.now = START
            parcel = world["XR"].parcel()
            world.now = START + passes
            assert world["XR"].submit(parcel).index == index


def other_form(**changes: Any) -> Callable[[Statement], Statement]:
    return lambda statement: replace(statement, form=replace(statement.form, **changes))


def test_a_form_that_is_not_known_here_is_refused(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        for edit, pointer in (
            (other_form(code="GEN-99"), "/form/code"),
            (other_form(version=2), "/form"),
            (other_form(sha256="0" * 64), "/form"),
            (other_form(version=2, sha256="0" * 64), "/form"),
        ):
            with pytest.raises(UnknownForm) as caught:
                world["XR"].publish(edit=edit)
            assert caught.value.pointer == pointer
        assert nothing_stands(world["XR"])


def test_every_question_but_those_that_identify_takes_not_stated(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        for form, identify in (("POC-02", ("role", "institution")), ("ICT-03", ("instrument_kind", "name"))):
            published = world["XR"].publish(form)
            body = world["XR"].get(f"/v1/submissions/{published.id}").json()["body"]
            assert {name for name, answer in body.items() if answer != NOT_STATED} == set(identify)
            for name in identify:
                with pytest.raises(DoesNotFit) as caught:
                    world["XR"].publish(form, **{name: NOT_STATED})
                assert caught.value.pointer == f"/{name}"


def test_a_body_that_does_not_fit_names_the_field(tmp_path: Path) -> None:
    hours = {"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon"], "from": "8", "to": "9"}]}
    with World(tmp_path, "XR") as world:
        for answers, pointer in (
            ({"phone": "112"}, "/phone"),
            ({"hours": hours}, "/hours/weekly/0/from"),
            ({"email": None}, "/email"),
            ({"institution": {}}, "/institution"),
        ):
            with pytest.raises(DoesNotFit) as caught:
                world["XR"].publish(**answers)
            assert caught.value.pointer == pointer
        assert nothing_stands(world["XR"])


def test_a_body_is_json_and_small(tmp_path: Path) -> None:
    def as_text(statement: Statement) -> Statement:
        return replace(statement, documents=(replace(statement.documents[0], media_type="text/plain"),))

    with World(tmp_path, "XR") as world:
        with pytest.raises(DoesNotFit, match="application/json"):
            world["XR"].publish(edit=as_text)
        with pytest.raises(DoesNotFit, match=str(SMALL_DOCUMENT)):
            world["XR"].publish(institution={"en": "x" * SMALL_DOCUMENT})
        assert nothing_stands(world["XR"])


Change = Callable[[tuple[Document, ...]], Sequence[Document]]
WRONG: dict[str, tuple[Change, type[ExchangeError]]] = {
    "none": (lambda documents: (), DocumentsMissing),
    "the last is missing": (lambda documents: documents[:-1], DocumentsMissing),
    "the first is missing": (lambda documents: documents[1:], DocumentsMissing),
    "another order": (lambda documents: (documents[0], documents[2], documents[1]), DocumentsMissing),
    "one twice": (lambda documents: (*documents, documents[-1]), DocumentsMissing),
    "one too many": (lambda documents: (*documents, renamed(documents[1], slot="a3")), DocumentsMissing),
    "another slot": (lambda documents: (*documents[:2], renamed(documents[2], slot="a9")), DocumentsMissing),
    "two exchanged": (
        lambda documents: (
            documents[0],
            renamed(documents[2], slot="a1"),
            renamed(documents[1], slot="a2"),
        ),
        WrongCommitment,
    ),
    "another content": (lambda documents: (*documents[:2], renamed(documents[2], content=b"other")), WrongCommitment),
    "another opening": (
        lambda documents: (*documents[:2], renamed(documents[2], opening=key_named("other").seed)),
        WrongCommitment,
    ),
    "another body": (lambda documents: (renamed(documents[0], content=b"{}"), *documents[1:]), WrongCommitment),
}


@pytest.mark.parametrize("large", [0, 100_000], ids=["as JSON", "in parts"])
def test_documents_come_whole_and_in_order(tmp_path: Path, large: int) -> None:
    with World(tmp_path, "XR") as world:
        parcel = world["XR"].parcel(attachments=(("a.pdf", b"first" + bytes(large)), ("b.pdf", b"second")))
        for name, (change, error) in WRONG.items():
            try:
                world["XR"].submit(Pack(parcel.envelope, tuple(change(parcel.documents)), None, None))
            except ExchangeError as refusal:
                assert type(refusal) is error, name
            else:
                pytest.fail(f"{name}: was let in")
            assert nothing_stands(world["XR"]), name
        assert world["XR"].submit(parcel).index == 0


def test_a_small_document_lives_in_the_row_and_a_larger_one_in_a_file(tmp_path: Path) -> None:
    sizes = [0, 1, SMALL_DOCUMENT - 1, SMALL_DOCUMENT, SMALL_DOCUMENT + 1, SMALL_DOCUMENT + 2]
    contents = {f"{size}.pdf": b"\xff" * size for size in sizes}
    with World(tmp_path, "XR", "XA") as world:
        for attachment in contents.items():
            world["XR"].publish(attachments=(attachment,))
        world.pull()
        for node in world.nodes.values():
            items = node.get("/v1/submissions").json()["items"]
            held = {one["name"]: one for item in items for one in item["documents"] if one["slot"] == "a1"}
            assert {name: (one["held"], one["size"]) for name, one in held.items()} == {
                name: (True, len(content)) for name, content in contents.items()
            }
            for name, content in contents.items():
                assert node.get(f"/v1/documents/{held[name]['commitment']}").content == content
            in_files = {held[f"{size}.pdf"]["commitment"] for size in sizes if size > SMALL_DOCUMENT}
            assert {path.name for path in stored_files(node)} == in_files


@pytest.mark.parametrize("over", [0, 1])
def test_a_document_has_at_most_25_mebibytes(tmp_path: Path, over: int) -> None:
    content = bytes(MAX_DOCUMENT + over)
    with World(tmp_path, "XR") as world:
        parcel = world["XR"].parcel(attachments=(("a.pdf", b""),), edit=committing_to(content))
        documents = (parcel.documents[0], renamed(parcel.documents[1], content=content))
        whole = Pack(parcel.envelope, documents, None, None)
        if over:
            with pytest.raises(TooLarge):
                world["XR"].submit(whole)
            assert nothing_stands(world["XR"])
        else:
            world["XR"].submit(whole)
            assert [path.stat().st_size for path in stored_files(world["XR"])] == [MAX_DOCUMENT]


def test_what_was_read_before_a_refusal_leaves_no_file(tmp_path: Path) -> None:
    with World(tmp_path, "XR") as world:
        parcel = world["XR"].parcel(attachments=(("a.pdf", bytes(200_000)), ("b.pdf", bytes(100_000))))
        wrong = (*parcel.documents[:2], renamed(parcel.documents[2], content=b"\1" * 100_000))
        with pytest.raises(WrongCommitment):
            world["XR"].submit(Pack(parcel.envelope, wrong, None, None))
        assert nothing_stands(world["XR"])


def test_two_submissions_may_carry_the_same_document(tmp_path: Path) -> None:
    """The same opening and content give the same commitment: it is held once, and stands in both."""
    content = bytes(100_000)
    with World(tmp_path, "XR", "XA") as world:
        first = world["XR"].parcel(attachments=(("a.pdf", content),))
        shared = first.documents[1]
        second = world["XR"].parcel("ICT-03", attachments=(("b.pdf", b""),), edit=_naming(shared))
        world["XR"].submit(first)
        world["XR"].submit(Pack(second.envelope, (second.documents[0], shared), None, None))
        world.pull()
        for node in world.nodes.values():
            assert len(stored_files(node)) == 1
            held = [one for item in node.get("/v1/submissions").json()["items"] for one in item["documents"]]
            assert all(one["held"] for one in held) and len(held) == 4


def _naming(document: Document) -> Callable[[Statement], Statement]:
    commitment = hmac.digest(document.opening, document.content, "sha256").hex()

    def edit(statement: Statement) -> Statement:
        body, attachment = statement.documents
        return replace(statement, documents=(body, replace(attachment, commitment=commitment)))

    return edit
