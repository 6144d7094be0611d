"""What the States of the demonstration say: invented ones, or real public facts from a file."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.cli.sign import read_bounded
from exchange.config import Settings
from exchange.core.catalogue import Catalogue
from exchange.core.document import OPENING_SIZE
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.form import NOT_STATED
from exchange.core.jsontext import parse_json
from exchange.core.keys import PrivateKey
from exchange.core.pack import Pack
from exchange.core.vocabulary import is_participant_code
from exchange.errors import Malformed
from exchange.node.draft import Draft, prepare
from exchange.resources import EXAMPLES, form_files

MAX_RECORDS = 4 * 1024 * 1024  # bytes
NOTE = "These are public facts, compiled for trials: status test, transcribed, and nobody's official submission."
_NAMES = {"XR": "Ruritania", "XA": "Arcadia", "XI": "Illyria"}


@dataclass(frozen=True, slots=True)
class Return:
    form: str
    body: Mapping[str, Any]
    status: str
    period: str
    attachments: tuple[tuple[str, bytes], ...] = ()


def invented() -> tuple[dict[str, str], dict[str, list[Return]]]:
    """Ruritania, Arcadia and Illyria: names by code, and what each returns."""
    year = f"{datetime.now(UTC):%Y}"
    strategy = (("national-strategy.pdf", (EXAMPLES / "national-strategy.pdf").read_bytes()),)
    returns = {
        "XR": [
            Return("ICT-03", _example("ICT-03.json"), "exercise", year, strategy),
            Return("POC-02", _example("POC-02.json"), "exercise", ""),
        ],
        "XA": [Return("POC-02", _example("POC-02-hours-not-stated.json"), "exercise", "")],
        "XI": [
            Return(
                "ICT-03",
                _open_body(
                    "ICT-03", instrument_kind="policy", name={"en": "ICT Security Policy of Illyria"}, adopted_on=year
                ),
                "exercise",
                year,
            )
        ],
    }
    return dict(_NAMES), returns


def signed_parcel(settings: Settings, officer: PrivateKey, item: Return, catalogue: Catalogue) -> Pack:
    """What `cbm sign` does: documents, commitments, the statement, one signature."""
    form = catalogue.newest(item.form)
    assert form is not None  # noqa: S101 - the demo's forms ship with the program
    header = {
        "federation": settings.federation,
        "origin": settings.origin,
        "participant": settings.participant,
        "kind": "full",
        "message": "original",
        "status": item.status,
        "period": item.period,
        "languages": ["en"],
    }
    attachments = tuple((name, "application/pdf", "en") for name, _ in item.attachments)
    draft, now = Draft(header, item.body, attachments), datetime.now(UTC)
    payload, documents = prepare(draft, form, item.attachments, now, lambda: secrets.token_bytes(OPENING_SIZE))
    return Pack(format_envelope(sign_payload(payload, [officer])), documents, None, None)


def two_telephones() -> tuple[Return, Return]:
    """One contact in two versions: what a State that shows two faces says to one audience, and to another."""
    first, second = (
        _open_body("POC-02", role="technical", institution={"en": "CERT-XI, Illyria"}, phone=phone)
        for phone in ("+12025550161", "+12025550199")
    )
    return Return("POC-02", first, "exercise", ""), Return("POC-02", second, "exercise", "")


def one_more() -> Return:
    """What any State may return on any day."""
    named = _open_body("ICT-03", instrument_kind="programme", name={"en": "Network security exercises of Arcadia"})
    return Return("ICT-03", named, "exercise", "")


def _example(name: str) -> dict[str, Any]:
    body = parse_json((EXAMPLES / "returns" / name).read_bytes(), limit=MAX_RECORDS)
    return dict(body)


def _open_body(code: str, **answers: Any) -> dict[str, Any]:
    """A body in which everything else is not stated."""
    form = Catalogue.from_files(form_files()).newest(code)
    if form is None:
        raise Malformed(f"the form {code} did not come with this program")
    return {name: answers.get(name, NOT_STATED) for name in form.schema["properties"]}


def read_records(path: Path) -> tuple[dict[str, str], dict[str, list[Return]]]:
    """A file of public facts (`records`: participant, instrument, national_csirt): names by code, and two returns for each State.

    The names come from examples/states.json, which holds the participating States and the Partners.
    """
    data = parse_json(read_bounded(path, MAX_RECORDS), limit=MAX_RECORDS)
    try:
        returns = {
            record["participant"]: [_strategy(record["instrument"]), _contact(record["national_csirt"])]
            for record in data["records"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"{path} is not a file of public facts: {type(error).__name__} {error}") from None
    wrong = [code for code in returns if not isinstance(code, str) or not is_participant_code(code)]
    if wrong or len(returns) < 2:
        said = f"{str(wrong[0])[:40]!r} is no code of a State" if wrong else "it takes two States at least to exchange"
        raise Malformed(f"{path} is not a file of public facts: {said}")
    names = parse_json((EXAMPLES / "states.json").read_bytes(), limit=MAX_RECORDS)
    return {code: names.get(code, code) for code in returns}, returns


def _strategy(instrument: Mapping[str, Any]) -> Return:
    dates = {"adopted_on": instrument["adopted"], "expires_on": instrument["expires"]}
    stated = {name: str(year) for name, year in dates.items() if year is not None}
    return Return(
        "ICT-03",
        _open_body("ICT-03", instrument_kind=instrument["kind"], name=instrument["name"], **stated),
        "test",
        "",
    )


def _contact(csirt: Mapping[str, Any]) -> Return:
    institution = {"en": csirt["name"]}
    return Return(
        "POC-02", _open_body("POC-02", role="technical", institution=institution, website=csirt["website"]), "test", ""
    )
