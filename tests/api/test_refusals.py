"""What is not right is refused at the door: with its code, the next step, the field at fault, and nothing stored."""

from datetime import timedelta

import pytest

from exchange.core.base64text import format_base64
from tests import key_named
from tests.api import kept, offer, post, refused
from tests.api.wrong import (
    NEVER,
    Case,
    answered,
    bodied,
    document_audience,
    documents,
    enveloped,
    field,
    flipped,
    formed,
    half_signed,
    issued,
    node_key,
    reference,
    restated,
    signed,
    stated,
    text,
)
from tests.world import WorldNode

JSON_CASES = (
    Case("nothing", lambda _: b"", 400, "malformed"),
    Case("a blank", lambda _: b" ", 400, "malformed"),
    Case("no JSON", lambda _: b"POC-02", 400, "malformed"),
    Case("half a submission", text(lambda whole: whole[: len(whole) // 2]), 400, "malformed"),
    Case("all but the last byte", text(lambda whole: whole[:-1]), 400, "malformed"),
    Case("something after it", text(lambda whole: whole + b"{}"), 400, "malformed"),
    Case("a byte order mark", text(lambda whole: b"\xef\xbb\xbf" + whole), 400, "malformed"),
    Case("UTF-16", text(lambda whole: whole.decode().encode("utf-16")), 400, "malformed"),
    Case("no UTF-8", text(lambda whole: whole.replace(b"POC-02.json", b"\xff\xfe")), 400, "malformed"),
    Case("a key twice", text(lambda whole: whole[:-1] + b',"documents":[]}'), 400, "malformed"),
    Case("a slot twice", text(lambda whole: whole.replace(b'"slot":', b'"slot":"a1","slot":')), 400, "malformed"),
    Case("NaN", lambda _: b'{"envelope":NaN,"documents":[]}', 400, "malformed"),
    Case("half a surrogate", text(lambda whole: whole.replace(b"POC-02.json", b"\\ud800")), 400, "malformed"),
    Case("an endless number", lambda _: b'{"envelope":' + b"9" * 9999 + b',"documents":[]}', 400, "malformed"),
    Case("a bottomless list", lambda _: b"[" * 100_000, 400, "malformed"),
    Case("a bottomless object", lambda _: b'{"a":' * 100_000, 400, "malformed"),
    Case("a list", lambda _: b"[]", 400, "malformed", ""),
    Case("null", lambda _: b"null", 400, "malformed", ""),
    Case("a text", lambda _: b'"POC-02"', 400, "malformed", ""),
    Case("no documents", lambda node: {"envelope": offer(node.parcel())["envelope"]}, 400, "malformed", ""),
    Case("no envelope", lambda node: {"documents": []}, 400, "malformed", ""),
    Case("a field more", lambda node: {**offer(node.parcel()), "token": "x"}, 400, "malformed", ""),
    Case(
        "documents in an object", lambda node: {**offer(node.parcel()), "documents": {}}, 400, "malformed", "/documents"
    ),
    Case("documents null", lambda node: {**offer(node.parcel()), "documents": None}, 400, "malformed", "/documents"),
    Case("an envelope in JSON", lambda node: {**offer(node.parcel()), "envelope": {}}, 400, "malformed", "/envelope"),
    Case(
        "an envelope in plain text",
        lambda node: {**offer(node.parcel()), "envelope": "{}"},
        400,
        "malformed",
        "/envelope",
    ),
    Case("4 MiB and one byte", lambda _: b" " * (4 * 1024 * 1024 + 1), 413, "too-large"),
)
DOCUMENT_CASES = (
    Case("a text for a document", documents(lambda sent: ["body", sent[1]]), 400, "malformed", "/documents/0"),
    Case(
        "a document without name",
        documents(lambda sent: [sent[0], {**sent[1], "nome": "x"}]),
        400,
        "malformed",
        "/documents/1",
    ),
    Case("a number for a slot", field(1, slot=1), 400, "malformed", "/documents/1/slot"),
    Case("null for a name", field(1, name=None), 400, "malformed", "/documents/1/name"),
    Case("a list for an opening", field(1, opening=[]), 400, "malformed", "/documents/1/opening"),
    Case("an object for a content", field(0, content={}), 400, "malformed", "/documents/0/content"),
    Case("31 bytes of opening", field(1, opening=format_base64(bytes(31))), 400, "malformed", "/documents/1/opening"),
    Case("33 bytes of opening", field(0, opening=format_base64(bytes(33))), 400, "malformed", "/documents/0/opening"),
    Case("an opening in URL-safe base64", field(0, opening="_" * 43 + "="), 400, "malformed", "/documents/0/opening"),
    Case("content with line breaks", field(1, content="JVBE\nRi0x"), 400, "malformed", "/documents/1/content"),
    Case("content with trailing bits", field(1, content="JVBERi0xLjR="), 400, "malformed", "/documents/1/content"),
    Case("content without padding", field(1, content="JQ"), 400, "malformed", "/documents/1/content"),
    Case(
        "one byte over 64 KiB", field(1, content=format_base64(bytes(65_537))), 413, "too-large", "/documents/1/content"
    ),
    Case(
        "two bytes over 64 KiB",
        field(1, content=format_base64(bytes(65_538))),
        413,
        "too-large",
        "/documents/1/content",
    ),
    Case("another content", field(1, content=format_base64(b"%PDF-1.5")), 422, "wrong-commitment", "/documents/1"),
    Case("another body", field(0, content=format_base64(b"{}")), 422, "wrong-commitment", "/documents/0"),
    Case("another opening", field(1, opening=format_base64(bytes(32))), 422, "wrong-commitment", "/documents/1"),
    Case("nothing along", documents(lambda sent: []), 422, "documents-missing", "/documents/0"),
    Case("the attachment missing", documents(lambda sent: sent[:1]), 422, "documents-missing", "/documents/1"),
    Case("the body missing", documents(lambda sent: sent[1:]), 422, "documents-missing", "/documents/0"),
    Case(
        "one more", documents(lambda sent: [*sent, {**sent[1], "slot": "a2"}]), 422, "documents-missing", "/documents/2"
    ),
    Case("one twice", documents(lambda sent: [sent[0], sent[0], sent[1]]), 422, "documents-missing", "/documents/1"),
    Case("in another order", documents(lambda sent: sent[::-1]), 422, "documents-missing", "/documents/0"),
    Case("under another slot", field(1, slot="a2"), 422, "documents-missing", "/documents/1"),
    Case("a slot out of this world", field(1, slot="../../etc/passwd"), 422, "documents-missing", "/documents/1"),
    Case("two thousand", documents(lambda sent: sent * 1_000), 422, "documents-missing", "/documents/2"),
)
ENVELOPE_CASES = (
    Case("an empty envelope", enveloped(lambda whole: b""), 400, "malformed"),
    Case("a blank in it", enveloped(lambda whole: whole.replace(b",", b", ", 1)), 400, "malformed"),
    Case("a line after it", enveloped(lambda whole: whole + b"\n"), 400, "malformed"),
    Case("a field more", enveloped(lambda whole: b'{"v":1,' + whole[1:]), 400, "malformed", ""),
    Case(
        "another payload type",
        enveloped(lambda whole: whole.replace(b"vnd.cbm", b"vnd.abc")),
        400,
        "malformed",
        "/payloadType",
    ),
    Case(
        "URL-safe base64",
        enveloped(lambda whole: whole.replace(b'"sig":"', b'"sig":"-_')),
        400,
        "malformed",
        "/signatures/0/sig",
    ),
    Case("no signature", enveloped(lambda whole: whole.partition(b"[")[0] + b"[]}"), 400, "malformed", "/signatures"),
    Case("65,536 bytes", enveloped(lambda whole: whole.ljust(65_536)), 413, "too-large"),
    Case("a payload over 16,384 bytes", lambda node: signed(node, b" " * 16_385), 413, "too-large"),
    Case("a payload that is no statement", lambda node: signed(node, b"{}"), 400, "malformed", ""),
    Case("a day for a moment", restated(issued="2026-11-21"), 400, "malformed", "/issued"),
    Case("the 30th of February", restated(issued="2026-02-30T00:00:00Z"), 400, "malformed", "/issued"),
    Case("an unheard-of status", restated(status="secret"), 400, "malformed", "/status"),
    Case(
        "a period that ends before it begins",
        restated(period={"from": "2026", "to": "2025"}),
        400,
        "malformed",
        "/period",
    ),
    Case("an original in a series", restated(series=NEVER), 400, "malformed", "/series"),
    Case("a full return without a body", restated(documents=[]), 400, "malformed", "/documents"),
    Case("a withdrawal of nothing", restated(message="withdrawal", series=NEVER), 400, "malformed", "/references"),
)
DOOR_CASES = (
    Case("a flipped signature", enveloped(lambda whole: flipped(whole)), 403, "bad-signature"),
    Case("a signature over something else", half_signed, 403, "bad-signature"),
    Case("a stranger's key", lambda node: offer(node.parcel(signers=(key_named("stranger"),))), 403, "unknown-key"),
    Case(
        "a stranger's key beside the officer's",
        lambda node: offer(node.parcel(signers=(node.officer, key_named("stranger")))),
        403,
        "unknown-key",
    ),
    Case(
        "another State's officer",
        lambda node: offer(node.parcel(signers=(key_named("XA officer 1"),))),
        403,
        "unknown-key",
    ),
    Case("the node's own key", node_key, 403, "key-not-allowed"),
    Case(
        "an erasure by one alone",
        stated(message="erasure", return_="full", references=reference("erases")),
        403,
        "too-few-signatures",
    ),
    Case("another participant", stated(participant="XA"), 403, "wrong-participant", "/participant"),
    Case("nobody's code", stated(participant="ZZ"), 403, "wrong-participant", "/participant"),
    Case("another log", stated(origin="xa.test.example/log"), 422, "wrong-origin", "/origin"),
    Case("another federation", stated(federation="live.example"), 422, "wrong-federation", "/federation"),
    Case("for XA only", stated(audience=("XA",)), 422, "audience-not-enforced", "/audience"),
    Case(
        "a document for more than its statement",
        stated(audience="participating States"),
        422,
        "audience-not-enforced",
        "/documents/0/audience",
    ),
    Case("a document for XA only", document_audience, 422, "audience-not-enforced", "/documents/0/audience"),
    Case(
        "a release of what is not there",
        stated(message="release", references=reference("releases")),
        422,
        "unknown-series",
        "/references",
    ),
    Case(
        "a release that names nothing as released",
        stated(message="release", references=reference("related")),
        422,
        "unknown-series",
        "/references",
    ),
    Case("six minutes ahead", issued(timedelta(minutes=6)), 422, "clock-off", "/issued"),
    Case("in a year", issued(timedelta(days=365)), 422, "clock-off", "/issued"),
    Case("seven days and a second ago", issued(timedelta(days=-7, seconds=-1)), 422, "clock-off", "/issued"),
    Case("in the year one", stated(issued="0001-01-01T00:00:00Z"), 422, "clock-off", "/issued"),
    Case("in the year 9999", stated(issued="9999-12-31T23:59:59Z"), 422, "clock-off", "/issued"),
)
FORM_CASES = (
    Case("an unknown form", lambda node: formed(node, code="ZZZ-99"), 422, "unknown-form", "/form/code"),
    Case("an unknown version", lambda node: formed(node, version=9), 422, "unknown-form", "/form"),
    Case("another file", lambda node: formed(node, sha256=NEVER), 422, "unknown-form", "/form"),
    Case("a role that is none", answered(role="barista"), 422, "does-not-fit", "/role"),
    Case("a question left out", bodied(b'{"role":"technical"}'), 422, "does-not-fit", "/institution"),
    Case("a phone number in words", answered(phone="call us"), 422, "does-not-fit", "/phone"),
    Case("what identifies it, not stated", answered(institution="not stated"), 422, "does-not-fit", "/institution"),
    Case(
        "hours of a day with 25",
        answered(hours={"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon"], "from": "25:00", "to": "26:00"}]}),
        422,
        "does-not-fit",
        "/hours/weekly/0/from",
    ),
    Case(
        "no day of the week",
        answered(
            hours={"time_zone": "Europe/Vienna", "weekly": [{"days": ["mon", "dim"], "from": "08:00", "to": "16:00"}]}
        ),
        422,
        "does-not-fit",
        "/hours/weekly/0/days/1",
    ),
    Case("a body that is a list", bodied(b"[]"), 422, "does-not-fit", ""),
    Case("a body that is no JSON", bodied(b"%PDF-1.4"), 422, "does-not-fit", ""),
    Case("an empty body", bodied(b""), 422, "does-not-fit", ""),
    Case("a body with a key twice", bodied(b'{"role":"technical","role":"technical"}'), 422, "does-not-fit", ""),
    Case("a body as PDF", bodied(b"%PDF-1.4", media_type="application/pdf"), 422, "does-not-fit", "/documents/0"),
    Case("an update of nothing", stated(message="update", series=NEVER), 422, "unknown-series", "/series"),
    Case(
        "nothing new to nothing",
        stated(message="update", return_="nothing new", series=NEVER),
        422,
        "unknown-series",
        "/series",
    ),
    Case(
        "a withdrawal from no series",
        stated(message="withdrawal", series=NEVER, references=reference("withdraws")),
        422,
        "unknown-series",
        "/series",
    ),
)


def check(node: WorldNode, case: Case) -> None:
    offered = case.make(node)
    before = kept(node)
    problem = refused(post(node, offered), case.status, case.code)
    assert problem.get("pointer") == case.pointer, problem
    assert kept(node) == before


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case.name)
def test_what_is_no_submission_is_refused(node: WorldNode, case: Case) -> None:
    check(node, case)


@pytest.mark.parametrize("case", DOCUMENT_CASES, ids=lambda case: case.name)
def test_other_documents_than_those_signed_are_refused(node: WorldNode, case: Case) -> None:
    check(node, case)


@pytest.mark.parametrize("case", ENVELOPE_CASES, ids=lambda case: case.name)
def test_a_malformed_envelope_is_refused(node: WorldNode, case: Case) -> None:
    check(node, case)


@pytest.mark.parametrize("case", DOOR_CASES, ids=lambda case: case.name)
def test_what_the_door_does_not_admit_is_refused(node: WorldNode, case: Case) -> None:
    check(node, case)


@pytest.mark.parametrize("case", FORM_CASES, ids=lambda case: case.name)
def test_what_the_form_does_not_take_is_refused(node: WorldNode, case: Case) -> None:
    check(node, case)
