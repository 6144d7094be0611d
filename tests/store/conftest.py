"""A database for every test of the store, audited when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store import Books


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path, "XR", "XA")
    yield books
    books.close()
