"""The forms a node knows: the files are the truth, a new form needs no code (DESIGN section 2, Form).

A statement names its form by code, version and SHA-256 of the file, so two nodes never judge by different texts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.form import Form, judge, parse_form
from exchange.core.statement import FormRef, Statement
from exchange.core.vocabulary import SEALED
from exchange.errors import Malformed

FITS = "fits"
NOT_KNOWN = "form not known here"
NOT_HELD = "not held"
_OVERSIZED_BODY = bytes(SMALL_DOCUMENT + 1)


@dataclass(frozen=True)
class Catalogue:
    """Forms by (code, version). Published files never change: two different files of one version are refused."""

    forms: Mapping[tuple[str, int], Form]

    @classmethod
    def from_files(cls, files: Iterable[bytes]) -> "Catalogue":
        forms: dict[tuple[str, int], Form] = {}
        for content in files:
            form = parse_form(content)
            known = forms.setdefault((form.code, form.version), form)
            if known.sha256 != form.sha256:
                raise Malformed(
                    f"two different files claim to be {form.code} version {form.version}; published files never change"
                )
        return cls(forms)

    def newest(self, code: str) -> Form | None:
        versions = [version for form_code, version in self.forms if form_code == code]
        return self.forms[code, max(versions)] if versions else None

    def serving(self, obligation: str) -> tuple[str, ...]:
        """The codes of the forms of which any version implements the obligation."""
        return tuple(sorted({form.code for form in self.forms.values() if obligation in form.obligations}))

    def named(self, ref: FormRef) -> Form | None:
        """The very file the statement was made for, or None."""
        form = self.forms.get((ref.code, ref.version))
        return form if form is not None and form.sha256 == ref.sha256 else None

    def judge(self, ref: FormRef, body: bytes | None) -> str:
        """`fits`, `does not fit: POINTER: why`, `form not known here` or `not held`: the second, recorded verdict of rule 1."""
        if body is None:
            return NOT_HELD
        form = self.named(ref)
        if form is None:
            return NOT_KNOWN
        errors = judge(form, body)
        return FITS if not errors else f"does not fit: {errors[0].pointer or '/'}: {errors[0].detail}"


def judge_body(catalogue: Catalogue, statement: Statement, bodies: Mapping[str, bytes | None]) -> str:
    """The verdict with these contents at hand, by commitment, None for one that lies in a file; what has no body cannot misfit.

    Nor can what is sealed: what is inside is judged by whoever opens it, and nobody else is to learn whether it was delivered here.
    """
    if statement.audience == SEALED:
        return FITS
    for ref in statement.documents:
        if ref.slot == "body":
            if ref.commitment not in bodies:
                return NOT_HELD
            content = bodies[ref.commitment]
            # A body that lies in a file is larger than any form allows; its bytes need not be read to know it.
            return catalogue.judge(statement.form, _OVERSIZED_BODY if content is None else content)
    return FITS
