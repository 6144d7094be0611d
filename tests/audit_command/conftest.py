"""One stage for all tests of this folder; each tampers with a copy of its own."""

from pathlib import Path

import pytest

from tests.audit_command.stage import Stage, build


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return build(tmp_path_factory.mktemp("stage") / "XR")


@pytest.fixture
def stage(original: Stage, tmp_path: Path) -> Stage:
    """A copy to do with as one likes."""
    return original.copy(tmp_path / "XR")
