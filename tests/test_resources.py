"""What ships with the program is found where it lies."""

from pathlib import Path

import pytest

from exchange.core.form import parse_form
from exchange.resources import EXAMPLES, FORMS, form_files

pytestmark = pytest.mark.once


def test_the_shipped_forms_and_examples_are_found() -> None:
    assert {parse_form(content).code for content in form_files()} >= {"ICT-03", "POC-02"}
    assert all((EXAMPLES / "returns" / f"{code}.json").is_file() for code in ("ICT-03", "POC-02"))


def test_forms_of_ones_own_come_after_those_that_ship(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"second")
    (tmp_path / "a.json").write_bytes(b"first")
    (tmp_path / "a.json.bak").write_bytes(b"no form")
    (tmp_path / "README.md").write_bytes(b"no form")
    assert form_files(tmp_path)[len(form_files()) :] == [b"first", b"second"]
    assert (
        form_files(tmp_path / "absent") == form_files() == [path.read_bytes() for path in sorted(FORMS.glob("*.json"))]
    )
