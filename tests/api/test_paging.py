"""Cursors and filters, by hypothesis: pages against a naive list of everything that ever arrived, while more arrives.

The registry of one node grows through all examples, by its own door and by pulling; the model is a Python list beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exchange.core.dsse import parse_envelope
from exchange.core.statement import Period, Reference, Statement, parse_statement
from exchange.errors import ExchangeError
from exchange.store.query import Filter, submissions
from tests.api import URL, ask, refused
from tests.world import Published, World, WorldNode, shipped_forms

# The same each time, and not shrunk: what an example finds in the registry is what the examples before it left there.
growing = settings(max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
growing = settings(growing, suppress_health_check=[HealthCheck.function_scoped_fixture])

FORMS = ("CT-01", "ICT-03", "POC-02")
OBLIGATIONS = sorted({each for form in FORMS for each in getattr(shipped_forms().newest(form), "obligations", ())})
PERIODS = (None, Period("2025", "2025"), Period("2026-03", "2026-05-15"), Period("2026-02-28", "2026-03-01"))
STATUSES = ("actual", "exercise", "test")
SERIES = ("original", "update", "correction", "withdrawal")


@dataclass
class Seen:
    """A submission as the model knows it."""

    id: str
    statement: Statement

    @property
    def series(self) -> str:
        return self.statement.series or self.id

    @property
    def directory(self) -> bool:
        form = shipped_forms().newest(self.statement.form.code)
        return form is not None and form.directory

    def days(self) -> tuple[str, str] | None:
        """First and last day of the period, as texts that compare like days."""
        period = self.statement.period
        return None if period is None else (_first(period.start), _last(period.end))


def _first(text: str) -> str:
    return text + {4: "-01-01", 7: "-01", 10: ""}[len(text)]


def _last(text: str) -> str:
    """31 for every month: it compares like its last day."""
    return text + {4: "-12-31", 7: "-31", 10: ""}[len(text)]


class Model:
    """Everything that XR's node knows, in order of arrival, and naive answers to every question about it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: list[Seen] = []
        self.waiting: list[Published] = []  # of XA, not pulled yet

    @property
    def node(self) -> WorldNode:
        return self.world["XR"]

    def current(self, one: Seen) -> tuple[bool, bool]:
        """Whether it is the current version of its series, and the full return in force."""
        stated = one.statement
        first = next((each for each in self.seen if each.id == one.series), None)
        current = force = None
        for each in self.seen:  # a participant's arrive in log order
            said = each.statement
            same = (said.participant, each.series, said.status) == (stated.participant, one.series, stated.status)
            if not same or first is None or said.form != first.statement.form or said.message not in SERIES:
                continue
            current = None if said.message == "withdrawal" else each.id
            if said.message == "withdrawal" or said.return_ == "nothing to declare":
                force = None
            elif said.return_ == "full":
                force = each.id
        return current == one.id, force == one.id

    def answer(self, question: Mapping[str, Any]) -> list[str]:
        """Newest arrival first."""
        return [one.id for one in reversed(self.seen) if all(self.holds(one, *each) for each in question.items())]

    def holds(self, one: Seen, name: str, value: Any) -> bool:
        stated = one.statement
        form = shipped_forms().newest(stated.form.code)
        tests: dict[str, Callable[[], bool]] = {
            "participant": lambda: stated.participant == value,
            "form": lambda: stated.form.code == value,
            "obligation": lambda: form is not None and value in form.obligations,
            "period": lambda: (days := one.days()) is not None and days[0] <= _last(value) and days[1] >= _first(value),
            "status": lambda: stated.status in value,
            "series": lambda: one.series == value,
            "current": lambda: self.current(one)[0] == value,
            "in_force": lambda: self.current(one)[1] == value,
            "directory": lambda: one.directory == value,
        }
        return tests[name]()

    def note(self, made: Published) -> None:
        self.seen.append(Seen(made.id, parse_statement(parse_envelope(made.parcel.envelope).payload)))

    def arrive(self, plan: "Arrival") -> None:
        """One more submission at a door, or all of XA's that were not pulled yet."""
        who = self.world[plan.who]
        form, header = plan.form, {"status": plan.status, "kind": plan.kind}
        changes: dict[str, Any] = {"period": plan.period}
        known = [one for one in self.seen[-20:] if one.statement.participant == who.code]
        if plan.message != "original" and known:
            older = known[plan.older % len(known)]
            header |= {"message": plan.message, "series": older.series, "replaces": older.id, "kind": "full"}
            if plan.faithful:  # what the door makes of the rest is its own affair
                header["status"], form = older.statement.status, older.statement.form.code
            if plan.message == "withdrawal":
                changes["references"] = (Reference("withdraws", older.id, None),)
            elif plan.kind != "full":
                header["kind"] = "nothing new"
        try:
            made = who.publish(form, header=header, edit=lambda statement: replace(statement, **changes))
        except ExchangeError:
            return
        if made.id in {one.id for one in self.seen} | {one.id for one in self.waiting}:
            return  # the same words again are the same submission
        self.note(made) if who is self.node else self.waiting.append(made)
        if self.waiting and plan.pull:
            assert self.node.pull() == {"XA": None}
            while self.waiting:
                self.note(self.waiting.pop(0))


@dataclass(frozen=True)
class Arrival:
    """What is to arrive, drawn without looking at what is there: `older` counts among those that could be meant."""

    who: str
    message: str
    form: str
    status: str
    kind: str
    period: Period | None
    older: int
    faithful: bool
    pull: bool


arrivals = st.builds(
    Arrival,
    who=st.sampled_from(["XR", "XR", "XA"]),
    message=st.sampled_from(SERIES),
    form=st.sampled_from(FORMS),
    status=st.sampled_from(STATUSES),
    kind=st.sampled_from(["full", "nothing to declare"]),
    period=st.sampled_from(PERIODS),
    older=st.integers(0, 19),
    faithful=st.sampled_from([True, True, True, False]),
    pull=st.booleans(),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with World(tmp_path_factory.mktemp("paging"), "XR", "XA") as world:
        yield Model(world)


questions = st.fixed_dictionaries(
    {},
    optional={
        "participant": st.sampled_from(["XR", "XA", "XA", "ZZ"]),
        "form": st.sampled_from([*FORMS, "POC-0"]),
        "obligation": st.sampled_from([*OBLIGATIONS, "OSCE"]),
        "period": st.sampled_from(
            ["2025", "2026", "2026-03", "2026-02", "2025-12-31", "2026-05-16", "2026-03-01", "1999"]
        ),
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3),
        "series": st.integers(0, 9),
        "current": st.booleans(),
    },
)


def about(model: Model, question: Mapping[str, Any]) -> dict[str, Any]:
    """The question, with one of the newest series in place of a number."""
    series = [one.series for one in model.seen[-10:]] or ["0" * 64]
    return {name: series[value % len(series)] if name == "series" else value for name, value in question.items()}


def address(question: Mapping[str, Any], **more: Any) -> str:
    asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in question.items()}
    return f"{URL}?{urlencode({**asked, **more}, doseq=True)}"


def read(model: Model, following: str | None, limit: int, between: Callable[[], None]) -> list[str]:
    """All pages of a list, one after the other, as a reader meets them."""
    found: list[str] = []
    while following is not None:
        answer = model.node.get(following)
        assert answer.status_code == 200, answer.text
        items, following = answer.json()["items"], answer.json()["next"]
        assert len(items) <= limit and (following is None or len(items) == limit)
        found += [item["id"] for item in items]
        assert len(found) <= len(model.seen), "more than there is"
        between()
    return found


@growing
@given(
    questions, st.integers(1, 7), st.lists(arrivals, max_size=4), st.lists(st.lists(arrivals, max_size=2), max_size=6)
)
def test_a_reader_meets_every_submission_that_was_there_all_the_time_once(
    model: Model, asked: dict[str, Any], limit: int, earlier: list[Arrival], later: list[list[Arrival]]
) -> None:
    for plan in earlier:
        model.arrive(plan)
    question, waiting = about(model, asked), iter(later)
    always = model.answer(question)
    ever = set(always)

    def between() -> None:
        for plan in next(waiting, ()):
            model.arrive(plan)
            now = set(model.answer(question))
            always[:] = [each for each in always if each in now]
            ever.update(now)

    found = read(model, address(question, limit=limit), limit, between)
    assert len(set(found)) == len(found), "one came twice"
    assert [each for each in found if each in set(always)] == always, "one was lost, or is out of order"
    assert set(found) <= ever
    order = [one.id for one in reversed(model.seen)]
    assert found == [each for each in order if each in set(found)]


@growing
@given(questions, st.sampled_from([1, 3, 100]), arrivals)
def test_a_filter_answers_what_a_naive_one_answers(
    model: Model, asked: dict[str, Any], limit: int, plan: Arrival
) -> None:
    model.arrive(plan)
    question = about(model, asked)
    assert read(model, address(question, limit=limit), limit, lambda: None) == model.answer(question)


inner_questions = st.fixed_dictionaries({}, optional={"directory": st.booleans(), "in_force": st.booleans()})


@growing
@given(questions, inner_questions, st.integers(1, 9), arrivals)
def test_the_store_answers_as_naively_and_knows_two_filters_more(
    model: Model, asked: dict[str, Any], inner: dict[str, bool], limit: int, plan: Arrival
) -> None:
    model.arrive(plan)
    question = about(model, asked) | inner
    named = {"statuses" if name == "status" else name: value for name, value in question.items()}
    found: list[str] = []
    before = None
    with model.node.running.node.db.read() as tx:
        while page := submissions(tx, Filter(**named), before=before, limit=limit):
            found += [state.id for state in page]
            assert len(found) <= len(model.seen), "more than there is"
            before = page[-1].seq
    assert found == model.answer(question)


# --- cursors that nobody was given

CURSORS = {
    URL: ("before", ""),
    "/v1/alerts": ("after", ""),
    "/v1/entries/refused": ("start", "origin=xa.test.example%2Flog&"),
    "/v1/entries/waiting": ("start", "origin=xa.test.example%2Flog&"),
    "/v1/documents": ("from", "participant=XR&"),
}
arbitrary = (
    st.binary(max_size=40)
    | st.text(max_size=20).map(str.encode)
    | st.integers(-(2**70), 2**70).map(lambda n: b"%d" % n)
)


@settings(growing, max_examples=200)
@given(path=st.sampled_from(sorted(CURSORS)), cursor=arbitrary)
def test_a_cursor_of_arbitrary_bytes_is_refused_or_is_a_place(model: Model, path: str, cursor: bytes) -> None:
    name, rest = CURSORS[path]
    query = rest.encode() + urlencode({name: cursor}).encode()
    answer = ask(model.node, "GET", path, query=query)
    if cursor.isdigit() and str(int(cursor)).encode() == cursor and int(cursor) < 2**53:
        assert answer.status_code == 200, answer.content
    else:
        problem = refused(answer, 400, "malformed")
        assert problem["pointer"] == f"/{name}" and f"'{name}'" in problem["detail"]


@settings(growing, max_examples=60)
@given(questions, questions, st.none() | st.integers(0, 400))
def test_any_place_is_a_place_in_any_list(
    model: Model, asked: dict[str, Any], other: dict[str, Any], made_up: int | None
) -> None:
    """A cursor that another question gave, or that was made up, leaves out what came later, and nothing else."""
    given_elsewhere = model.node.get(address(about(model, other), limit=1)).json()["next"] or "before=7"
    cursor = given_elsewhere.rpartition("before=")[2] if made_up is None else str(made_up)
    question = about(model, asked)
    found = read(model, address(question, limit=3, before=cursor), 3, lambda: None)
    whole = model.answer(question)
    assert found == whole[len(whole) - len(found) :]
