"""What is read by comparison is read as it would have been otherwise: same value, same refusal."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import alike as module
from exchange.core.alike import Alike
from exchange.core.statement import Reference, Statement, _fill, _parse, _values, format_statement
from exchange.errors import Malformed
from tests.builders import statement
from tests.core import flipped

ORIGINAL = statement("AT")
VARIED = (
    ORIGINAL,
    replace(ORIGINAL, message="update", series="ab" * 32),
    replace(ORIGINAL, references=(Reference("related", "01" * 32, None), Reference("translates", "23" * 32, "body"))),
    replace(ORIGINAL, release_on="2027-01-01T00:00:00Z"),
    replace(ORIGINAL, federation="0123456789abcdef" * 4),  # a name that looks like a digest
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
TIMES = st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0"))


def reader() -> Alike[Statement]:
    return Alike(_parse, values=_values, fill=_fill)


def said(read: object, text: bytes) -> object:
    assert callable(read)
    try:
        return read(text)
    except Malformed as error:
        return (str(error), error.pointer)


@pytest.fixture(scope="module")
def learnt() -> Iterator[Alike[Statement]]:
    alike = reader()
    for one in VARIED:
        alike(format_statement(one))
    yield alike


@pytest.mark.parametrize("one", VARIED)
def test_every_flipped_bit_is_answered_as_without_memory(one: Statement, learnt: Alike[Statement]) -> None:
    for text in flipped(format_statement(one)):
        assert said(learnt, text) == said(_parse, text)


@settings(deadline=None)
@given(one=st.sampled_from(VARIED), digests=st.lists(DIGESTS, min_size=4, max_size=4), issued=TIMES)
def test_other_digests_and_times_are_read_as_they_stand(one: Statement, digests: list[str], issued: str) -> None:
    alike = reader()
    alike(format_statement(one))
    commitment, first, second, series = digests
    other = replace(
        one,
        issued=issued,
        series=one.series and series,
        form=replace(one.form, sha256=first),
        references=tuple(replace(each, id=second) for each in one.references),
        documents=tuple(replace(each, commitment=commitment) for each in one.documents),
    )
    text = format_statement(other)
    assert alike(text) == _parse(text) == other


@pytest.mark.parametrize("wrong", ["2026-02-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-13-01T00:00:00Z"])
def test_a_day_that_is_none_is_refused_in_a_frame_that_is_known(wrong: str, learnt: Alike[Statement]) -> None:
    for one in VARIED:
        text = format_statement(one).replace(one.issued.encode(), wrong.encode())
        with pytest.raises(Malformed) as told:
            learnt(text)
        assert (str(told.value), told.value.pointer) == said(_parse, text)


def test_a_time_does_not_pass_where_a_digest_stood(learnt: Alike[Statement]) -> None:
    text = format_statement(ORIGINAL)
    commitment = ORIGINAL.documents[0].commitment.encode()
    for other in (b"2026-11-20T09:30:00Z", b"ab", commitment.upper(), commitment + b"0"):
        assert isinstance(said(learnt, text.replace(commitment, other)), tuple)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FRAMES", 3)
    alike = reader()
    for number in range(10):
        alike(format_statement(replace(ORIGINAL, languages=(f"a{chr(97 + number)}",))))
        assert 1 <= len(alike._known) <= 3
    many = tuple(Reference("related", f"{number:064x}", None) for number in range(60))
    before = dict(alike._known)
    alike(format_statement(replace(ORIGINAL, references=many)))
    assert alike._known == before, "what is long is not remembered"


def test_a_frame_is_read_once() -> None:
    asked: list[bytes] = []

    def read(text: bytes) -> Statement:
        asked.append(text)
        return _parse(text)

    alike = Alike(read, values=_values, fill=_fill)
    for second in range(10, 60):
        alike(format_statement(replace(ORIGINAL, issued=f"2026-11-20T09:30:{second}Z")))
    assert len(asked) == 1
