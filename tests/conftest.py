"""What tests of every floor ask for."""

from pathlib import Path

import pytest

from tests import engine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("sqlite", "postgresql"), default="sqlite", help="where nodes keep their data")


def pytest_configure(config: pytest.Config) -> None:
    engine.name = config.getoption("--engine")


@pytest.fixture
def vectors() -> Path | None:
    """The published vectors beside the checkout; None, and one line that says so, where they are not."""
    path = Path(__file__).resolve().parents[1] / ".." / "shared" / "vectors"
    if path.is_dir():
        return path
    print(f"published vectors not here: {path}")
    return None
