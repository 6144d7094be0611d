"""The outer submission of a sealed letter: participant, origin, time and one document, and nothing else.

Guarantee: two sealed submissions differ in what everybody may know and in nothing more. No field is left to say in it what is inside, for
whom, in reply to what, or until when: `check_outer` takes one statement only for each federation, log, form file, time and commitment.

    form SEAL-01 version 1, return full, message original, status actual, languages ["zxx"] (no linguistic content, ISO 639-2),
    audience sealed, series, period, on_behalf_of, release_on and retain_until null, no references, and one document:
    slot body, media type application/vnd.cbm.sealed.v1, language null, audience sealed
"""

from exchange.core.sealed import Header
from exchange.core.statement import DocumentRef, FormRef, Statement
from exchange.core.vocabulary import SEALED
from exchange.errors import DoesNotFit, WrongLetter

SEALED_FORM, SEALED_VERSION = "SEAL-01", 1
SEALED_TYPE = "application/vnd.cbm.sealed.v1"
NO_LANGUAGE = "zxx"
NAME = "sealed.bin"
"""What the document is called: a name would say something."""


def outer_statement(
    federation: str, origin: str, participant: str, *, form: str, issued: str, commitment: str
) -> Statement:
    """`form` is the SHA-256 of the form's file."""
    return Statement(
        v=1,
        federation=federation,
        origin=origin,
        participant=participant,
        form=FormRef(SEALED_FORM, SEALED_VERSION, form),
        series=None,
        issued=issued,
        period=None,
        return_="full",
        message="original",
        references=(),
        status="actual",
        on_behalf_of=None,
        languages=(NO_LANGUAGE,),
        audience=SEALED,
        release_on=None,
        retain_until=None,
        documents=(DocumentRef("body", SEALED_TYPE, None, SEALED, commitment),),
    )


def is_sealed(statement: Statement) -> bool:
    """Whether it says in any place that it is a sealed one; then it must be so in all (`check_outer`)."""
    return (
        statement.audience == SEALED
        or statement.form.code == SEALED_FORM
        or any(one.audience == SEALED for one in statement.documents)
    )


def check_outer(statement: Statement) -> None:
    """Raises DoesNotFit unless the statement is an outer one and says nothing more."""
    s = statement
    commitment = s.documents[0].commitment if s.documents else ""
    told = outer_statement(
        s.federation, s.origin, s.participant, form=s.form.sha256, issued=s.issued, commitment=commitment
    )
    if s != told:
        raise DoesNotFit(
            f"a sealed submission is {SEALED_FORM}, original, actual, full, with one sealed body, and says nothing of what is inside"
        )


def check_header(header: Header, outer: Statement) -> None:
    """Raises WrongLetter unless the letter was sealed for this submission's participant, log and federation."""
    said = (header.federation, header.origin, header.sender.participant)
    wanted = (outer.federation, outer.origin, outer.participant)
    if said != wanted:
        raise WrongLetter(
            f"the letter was sealed by {said[2]} for {said[1]} of {said[0]}; it came as one of {wanted[2]} in {wanted[1]} of {wanted[0]}"
        )
